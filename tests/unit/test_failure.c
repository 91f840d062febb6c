/* test_failure.c - what is tried again for ever, what a few times, and what never. */
#include "failure.h"

#include <criterion/criterion.h>

/* One line per rule of failure.h, and codes at its edges. */
static const struct {
  const char *sqlstate;
  enum failure_class class;
} cases[] = {
    {"08000", FAILURE_TRANSIENT}, {"08006", FAILURE_TRANSIENT}, {"40001", FAILURE_TRANSIENT}, {"40P01", FAILURE_TRANSIENT}, {"53100", FAILURE_TRANSIENT},
    {"53300", FAILURE_TRANSIENT}, {"57014", FAILURE_TRANSIENT}, {"57P01", FAILURE_TRANSIENT}, {"57P03", FAILURE_TRANSIENT}, {"58030", FAILURE_TRANSIENT},
    {"XX000", FAILURE_TRANSIENT}, {"XX001", FAILURE_TRANSIENT}, {"25P04", FAILURE_TRANSIENT}, {"25006", FAILURE_TRANSIENT}, {"26000", FAILURE_TRANSIENT},
    {"28P01", FAILURE_TRANSIENT}, {"3D000", FAILURE_TRANSIENT}, {"3F000", FAILURE_TRANSIENT}, {"55006", FAILURE_TRANSIENT}, {"55P03", FAILURE_TRANSIENT},
    {"42501", FAILURE_TRANSIENT}, {"42P01", FAILURE_TRANSIENT}, {"42703", FAILURE_TRANSIENT}, {"42704", FAILURE_TRANSIENT}, {"42883", FAILURE_TRANSIENT},
    {"42702", FAILURE_TRANSIENT}, {"42725", FAILURE_TRANSIENT}, {"42804", FAILURE_TRANSIENT}, {"42P05", FAILURE_TRANSIENT}, {"HV00N", FAILURE_TRANSIENT},
    {"42P10", FAILURE_TRANSIENT}, {"22001", FAILURE_PERMANENT}, {"22P02", FAILURE_PERMANENT}, {"22003", FAILURE_PERMANENT}, {"23502", FAILURE_PERMANENT},
    {"23514", FAILURE_PERMANENT}, {"23000", FAILURE_PERMANENT}, {"23503", FAILURE_UNKNOWN},   {"23505", FAILURE_UNKNOWN},   {"23P01", FAILURE_UNKNOWN},
    {"25P02", FAILURE_UNKNOWN},   {"25P03", FAILURE_UNKNOWN},   {"0A000", FAILURE_UNKNOWN},   {"42601", FAILURE_UNKNOWN},   {"54000", FAILURE_UNKNOWN},
    {"55000", FAILURE_UNKNOWN},   {"P0001", FAILURE_UNKNOWN},   {"21000", FAILURE_UNKNOWN},   {"?", FAILURE_UNKNOWN},
};

Test(failure, each_sqlstate_has_its_class)
{
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    enum failure_class class = failure_class_of(VERDICT_FATAL, cases[i].sqlstate);

    cr_expect_eq(class, cases[i].class, "%s is %s", cases[i].sqlstate, failure_class_name(class));
  }
}

Test(failure, the_database_has_the_last_word)
{
  cr_assert_eq(failure_class_of(VERDICT_POISON, "57P01"), FAILURE_TRANSIENT, "a server that stops must not fill the dead letters");
  cr_assert_eq(failure_class_of(VERDICT_RETRY, "22P02"), FAILURE_PERMANENT, "bad data does not heal");
  cr_assert_eq(failure_class_of(VERDICT_RETRY, "25P03"), FAILURE_UNKNOWN, "silence in a transaction is the handler's");
}

Test(failure, without_the_database_the_handler_decides)
{
  cr_assert_eq(failure_class_of(VERDICT_RETRY, NULL), FAILURE_TRANSIENT);
  cr_assert_eq(failure_class_of(VERDICT_WAIT, ""), FAILURE_TRANSIENT);
  cr_assert_eq(failure_class_of(VERDICT_POISON, ""), FAILURE_PERMANENT);
  cr_assert_eq(failure_class_of(VERDICT_FATAL, NULL), FAILURE_UNKNOWN);
  cr_assert_eq(failure_class_of(VERDICT_OK, NULL), FAILURE_UNKNOWN);
}

Test(failure, classes_have_names)
{
  cr_assert_str_eq(failure_class_name(FAILURE_TRANSIENT), "transient");
  cr_assert_str_eq(failure_class_name(FAILURE_PERMANENT), "permanent");
  cr_assert_str_eq(failure_class_name(FAILURE_UNKNOWN), "unknown");
}
