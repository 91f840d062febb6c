#include <criterion/criterion.h>

#include "stream/pg_connection.h"

static const struct {
  const char *sqlstate;
  enum verdict verdict;
  enum exit_code code;
} cases[] = {
    {"", VERDICT_RETRY, EXIT_UNEXPECTED},
    {"08006", VERDICT_RETRY, EXIT_UNEXPECTED},
    {"57P01", VERDICT_RETRY, EXIT_UNEXPECTED},
    {"57P03", VERDICT_RETRY, EXIT_UNEXPECTED},
    {"55006", VERDICT_RETRY, EXIT_UNEXPECTED},
    {"53300", VERDICT_RETRY, EXIT_UNEXPECTED},
    {"40001", VERDICT_RETRY, EXIT_UNEXPECTED},
    {"XX000", VERDICT_RETRY, EXIT_UNEXPECTED},
    {"58030", VERDICT_RETRY, EXIT_UNEXPECTED},
    {"28P01", VERDICT_FATAL, EXIT_DATABASE_REFUSES},
    {"42501", VERDICT_FATAL, EXIT_DATABASE_REFUSES},
    {"3D000", VERDICT_FATAL, EXIT_DATABASE_REFUSES},
    {"53400", VERDICT_FATAL, EXIT_DATABASE_REFUSES},
    {"22021", VERDICT_FATAL, EXIT_DATABASE_REFUSES},
    {"42P01", VERDICT_FATAL, EXIT_DATABASE_REFUSES},
};

Test(sqlstate, what_may_heal_is_retried_and_what_a_person_must_mend_is_held)
{
  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    enum exit_code code;
    const char *cause;

    cr_assert_eq(sqlstate_verdict(cases[i].sqlstate, &code, &cause), cases[i].verdict, "%s", cases[i].sqlstate);
    cr_assert_eq(code, cases[i].code, "%s", cases[i].sqlstate);
    cr_assert_not_null(cause);
  }
}

Test(sqlstate, no_answer_at_all_is_retried)
{
  enum exit_code code;
  const char *cause;

  cr_assert_eq(sqlstate_verdict(NULL, &code, &cause), VERDICT_RETRY);
  cr_assert_str_eq(cause, "network");
}
