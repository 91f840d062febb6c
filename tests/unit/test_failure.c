/* test_failure.c - what is tried again for ever, what a few times, and what never. */
#include "failure.h"

#include <criterion/criterion.h>

static enum failure_class of_sqlstate(const char *sqlstate)
{
  return failure_class_of(VERDICT_FATAL, sqlstate, "", NULL);
}

/* One line per rule of failure.h, and codes at its edges. */
static const struct {
  const char *sqlstate;
  enum failure_class class;
} cases[] = {
    {"08000", FAILURE_TRANSIENT}, {"08006", FAILURE_TRANSIENT}, {"40001", FAILURE_TRANSIENT}, {"40P01", FAILURE_TRANSIENT}, {"53100", FAILURE_TRANSIENT},
    {"53300", FAILURE_TRANSIENT}, {"57014", FAILURE_TRANSIENT}, {"57P01", FAILURE_TRANSIENT}, {"57P03", FAILURE_TRANSIENT}, {"58030", FAILURE_TRANSIENT},
    {"XX000", FAILURE_TRANSIENT}, {"XX001", FAILURE_TRANSIENT}, {"25P03", FAILURE_TRANSIENT}, {"25006", FAILURE_TRANSIENT}, {"26000", FAILURE_TRANSIENT},
    {"28P01", FAILURE_TRANSIENT}, {"3D000", FAILURE_TRANSIENT}, {"3F000", FAILURE_TRANSIENT}, {"55006", FAILURE_TRANSIENT}, {"55P03", FAILURE_TRANSIENT},
    {"0A000", FAILURE_TRANSIENT}, {"42501", FAILURE_TRANSIENT}, {"42P01", FAILURE_TRANSIENT}, {"22001", FAILURE_PERMANENT}, {"22P02", FAILURE_PERMANENT},
    {"22003", FAILURE_PERMANENT}, {"23502", FAILURE_PERMANENT}, {"23514", FAILURE_PERMANENT}, {"23000", FAILURE_PERMANENT}, {"23503", FAILURE_UNKNOWN},
    {"23505", FAILURE_UNKNOWN},   {"23P01", FAILURE_UNKNOWN},   {"25P02", FAILURE_UNKNOWN},   {"42601", FAILURE_UNKNOWN},   {"42703", FAILURE_UNKNOWN},
    {"54000", FAILURE_UNKNOWN},   {"55000", FAILURE_UNKNOWN},   {"P0001", FAILURE_UNKNOWN},   {"21000", FAILURE_UNKNOWN},   {"?", FAILURE_UNKNOWN},
};

Test(failure, each_sqlstate_has_its_class)
{
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    cr_assert_eq(of_sqlstate(cases[i].sqlstate), cases[i].class, "%s is %s", cases[i].sqlstate, failure_class_name(of_sqlstate(cases[i].sqlstate)));
  }
}

Test(failure, the_database_has_the_last_word)
{
  cr_assert_eq(failure_class_of(VERDICT_POISON, "57P01", "", NULL), FAILURE_TRANSIENT, "a server that stops must not fill the dead letters");
  cr_assert_eq(failure_class_of(VERDICT_RETRY, "22P02", "", NULL), FAILURE_PERMANENT, "bad data does not heal");
  cr_assert_eq(failure_class_of(VERDICT_FATAL, "22P02", NULL, NULL), FAILURE_PERMANENT);
}

Test(failure, without_the_database_the_handler_decides)
{
  cr_assert_eq(failure_class_of(VERDICT_RETRY, NULL, NULL, NULL), FAILURE_TRANSIENT);
  cr_assert_eq(failure_class_of(VERDICT_WAIT, "", "", NULL), FAILURE_TRANSIENT);
  cr_assert_eq(failure_class_of(VERDICT_POISON, "", "", NULL), FAILURE_PERMANENT);
  cr_assert_eq(failure_class_of(VERDICT_FATAL, NULL, NULL, NULL), FAILURE_UNKNOWN);
  cr_assert_eq(failure_class_of(VERDICT_OK, NULL, NULL, NULL), FAILURE_UNKNOWN);
}

Test(failure, a_race_for_the_inbox_is_no_fault_of_the_event)
{
  cr_assert_eq(failure_class_of(VERDICT_FATAL, "23505", "inbox_pkey", "inbox_pkey"), FAILURE_TRANSIENT);
  cr_assert_eq(failure_class_of(VERDICT_FATAL, "23505", "member_pkey", "inbox_pkey"), FAILURE_UNKNOWN);
  cr_assert_eq(failure_class_of(VERDICT_FATAL, "23505", "", ""), FAILURE_UNKNOWN, "no name is no inbox");
  cr_assert_eq(failure_class_of(VERDICT_FATAL, "23505", NULL, NULL), FAILURE_UNKNOWN);
  cr_assert_eq(failure_class_of(VERDICT_FATAL, "23514", "inbox_pkey", "inbox_pkey"), FAILURE_PERMANENT);
}

Test(failure, classes_have_names)
{
  cr_assert_str_eq(failure_class_name(FAILURE_TRANSIENT), "transient");
  cr_assert_str_eq(failure_class_name(FAILURE_PERMANENT), "permanent");
  cr_assert_str_eq(failure_class_name(FAILURE_UNKNOWN), "unknown");
}
