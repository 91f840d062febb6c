#include <criterion/criterion.h>

#include "session/poison.h"

static struct position at(Lsn commit_lsn, uint64_t index)
{
  return (struct position){.commit_lsn = commit_lsn, .index = index};
}

static const struct {
  const char *what;
  enum poison_policy policy;
  const char *topic;
  bool is_named; /* by delivery.poison_once */
  enum poison_decision decision;
  const char *hint;
} decisions[] = {
    {"no topic", POISON_STOP, NULL, false, POISON_DECISION_HOLD, "delivery.poison_once=0/200/3 and delivery.dead.l"},
    {"topic there", POISON_STOP, "dlq", false, POISON_DECISION_HOLD, "poison_once=0/200/3 to dead"},
    {"named", POISON_STOP, "dlq", true, POISON_DECISION_DEAD_LETTER, NULL},
    {"named without a topic is never dropped", POISON_STOP, NULL, true, POISON_DECISION_HOLD, "set delivery.dead.letter.topic"},
    {"dead letters", POISON_DEAD_LETTER, "dlq", false, POISON_DECISION_DEAD_LETTER, NULL},
    {"dead letters, no topic", POISON_DEAD_LETTER, NULL, false, POISON_DECISION_HOLD, "set delivery.dead.letter.topic"},
    {"dead letters, empty topic", POISON_DEAD_LETTER, "", false, POISON_DECISION_HOLD, "set delivery.dead.letter.topic"},
};

Test(poison, decides_by_the_table)
{
  for (size_t i = 0; i < sizeof(decisions) / sizeof(decisions[0]); i++) {
    const struct config config = {
        .delivery = {.poison_once_count = decisions[i].is_named ? 2 : 0, .poison_once = {{.commit_lsn = 0x100}, {.commit_lsn = 0x200, .index = 3}}}};
    const struct config_outbox entry = {.poison = decisions[i].policy, .dead_letter_topic = decisions[i].topic};
    struct problem problem;
    enum poison_decision decision;

    (void)problem_set(&problem, VERDICT_POISON, EXIT_UNEXPECTED, "poison", "what is wrong with the row");
    decision = poison_decide(&config, &entry, at(0x200, 3), &problem);
    cr_assert_eq(decision, decisions[i].decision, "%s: %d", decisions[i].what, (int)decision);
    cr_assert_str_eq(problem.text, "what is wrong with the row");
    if (decision == POISON_DECISION_HOLD) {
      cr_assert_eq(problem.code, EXIT_POISON, "%s", decisions[i].what);
      cr_assert_not_null(strstr(problem.hint, decisions[i].hint), "%s: %s", decisions[i].what, problem.hint);
    } else {
      cr_assert_str_empty(problem.hint, "%s", decisions[i].what);
    }
    cr_assert_eq(poison_decide(&config, &entry, at(0x200, 3), NULL), decision, "%s", decisions[i].what);
  }
}

Test(poison, poison_once_is_for_that_row_only)
{
  static const struct position others[] = {{0x200, 2}, {0x200, 4}, {0x201, 3}, {0, 0}};
  const struct config named = {.delivery = {.poison_once_count = 1, .poison_once = {{.commit_lsn = 0x200, .index = 3}}}};
  const struct config unset = {.delivery = {.poison_once_count = 0}};
  const struct config_outbox entry = {.poison = POISON_STOP, .dead_letter_topic = "dlq"};

  for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
    cr_assert_eq(poison_decide(&named, &entry, others[i], NULL), POISON_DECISION_HOLD, "%zu", i);
    cr_assert_eq(poison_decide(&unset, &entry, others[i], NULL), POISON_DECISION_HOLD, "%zu", i);
  }
}

Test(poison, the_rows_own_hint_is_kept)
{
  const struct config config = {0};
  const struct config_outbox entry = {.poison = POISON_STOP};
  struct problem problem;

  (void)problem_set(&problem, VERDICT_POISON, EXIT_POISON, "poison", "row is too large");
  problem_hint(&problem, "raise message.max.bytes");
  (void)poison_decide(&config, &entry, at(0x200, 3), &problem);
  cr_assert_eq(strncmp(problem.hint, "raise message.max.bytes; or ", 28), 0, "%s", problem.hint);
  cr_assert_not_null(strstr(problem.hint, "delivery.poison_once=0/200/3"));
}

Test(isolation, nothing_is_alone_before_a_refusal)
{
  struct isolation isolation;

  isolation_init(&isolation);
  cr_assert_not(isolation_covers(&isolation, at(0, 0)));
  isolation_passed(&isolation, at(0, 0));
  cr_assert_not(isolation_covers(&isolation, at(0, 0)));
}

Test(isolation, covers_up_to_the_highest_refused_row_whatever_the_order_of_reports)
{
  struct isolation isolation;

  isolation_init(&isolation);
  isolation_begin(&isolation, at(20, 2));
  isolation_begin(&isolation, at(30, 1));
  isolation_begin(&isolation, at(20, 9));
  cr_assert(isolation_covers(&isolation, at(1, 0)));
  cr_assert(isolation_covers(&isolation, at(30, 0)));
  cr_assert(isolation_covers(&isolation, at(30, 1)));
  cr_assert_not(isolation_covers(&isolation, at(30, 2)));
  cr_assert_not(isolation_covers(&isolation, at(31, 0)));
}

Test(isolation, lasts_through_the_marked_row_and_ends_once_behind_it)
{
  struct isolation isolation;

  isolation_init(&isolation);
  isolation_begin(&isolation, at(30, 1));
  isolation_passed(&isolation, at(20, 0));
  isolation_passed(&isolation, at(30, 1));
  cr_assert(isolation_covers(&isolation, at(30, 1)));
  isolation_passed(&isolation, at(30, 2));
  cr_assert_not(isolation_covers(&isolation, at(20, 0)));
}

Test(isolation, a_later_refusal_begins_anew_with_its_own_mark)
{
  struct isolation isolation;

  isolation_init(&isolation);
  isolation_begin(&isolation, at(90, 0));
  isolation_passed(&isolation, at(91, 0));
  isolation_begin(&isolation, at(50, 0)); /* redelivered after a rollback of the server's position */
  cr_assert_not(isolation_covers(&isolation, at(60, 0)));
}
