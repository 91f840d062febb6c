#include <criterion/criterion.h>

#include "session/witness.h"

static struct server_facts facts_at(const char *system_id, uint32_t timeline, Lsn confirmed, Lsn wal_end)
{
  struct server_facts facts = {.timeline = timeline, .confirmed = confirmed, .wal_end = wal_end};

  memcpy(facts.system_id, system_id, strlen(system_id) + 1);
  return facts;
}

/* Streamed from server "1000" at 0x100 of timeline 2, and confirmed up to 0x500, the end of a transaction with events. */
static struct witness seasoned(void)
{
  const struct server_facts facts = facts_at("1000", 2, 0x100, 0x1000);
  struct witness witness;

  witness_init(&witness);
  witness_started(&witness, &facts);
  witness_published(&witness, 0x4FF);
  witness_confirmed(&witness, 0x500);
  return witness;
}

Test(witness, judges_a_known_server)
{
  static const struct {
    const char *what;
    const char *system_id;
    uint32_t timeline;
    Lsn confirmed;
    Lsn wal_end;
    const char *cause; /* NULL: fine */
    const char *range;
  } cases[] = {
      {"where we left it", "1000", 2, 0x500, 0x1000, NULL, NULL},
      {"a crash took confirmations back", "1000", 2, 0x200, 0x1000, NULL, NULL},
      {"back to before our start", "1000", 2, 0x80, 0x1000, NULL, NULL},
      {"promoted", "1000", 3, 0x500, 0x1000, NULL, NULL},
      {"nothing written since", "1000", 2, 0x500, 0x500, NULL, NULL},
      {"other server", "2000", 2, 0x500, 0x1000, "other_server", "from 0/500 on"},
      {"longer system id", "10001", 2, 0x500, 0x1000, "other_server", "from 0/500 on"},
      {"other server, positions broken too", "2000", 2, 0x900, 0x300, "other_server", "from 0/500 on"},
      {"restored or lagging", "1000", 2, 0x200, 0x4FF, "server_behind", "from 0/4FF to 0/500"},
      {"advanced by one byte", "1000", 2, 0x501, 0x1000, "slot_moved", "from 0/500 to 0/501"},
      {"recreated", "1000", 2, 0x1000, 0x1000, "slot_moved", "from 0/500 to 0/1000"},
      {"slot ahead of its server", "1000", 2, 0x1001, 0x1000, "position_ahead", "from 0/1000 to 0/1001"},
      {"a former primary", "1000", 1, 0x500, 0x1000, "other_timeline", "on timeline 1, but this relay has streamed from timeline 2"},
      {"a former primary that lagged", "1000", 1, 0x500, 0x400, "other_timeline", "timeline 1"},
      {"another server on an earlier timeline", "2000", 1, 0x500, 0x1000, "other_server", "from 0/500 on"},
  };

  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    const struct witness witness = seasoned();
    const struct server_facts facts = facts_at(cases[i].system_id, cases[i].timeline, cases[i].confirmed, cases[i].wal_end);
    struct problem problem = {0};
    const enum verdict verdict = witness_judge(&witness, &facts, &problem);

    cr_assert_eq(verdict, cases[i].cause == NULL ? VERDICT_OK : VERDICT_FATAL, "%s: %s", cases[i].what, problem.text);
    if (cases[i].cause != NULL) {
      cr_assert_eq(problem.code, EXIT_POSITION, "%s", cases[i].what);
      cr_assert_str_eq(problem.cause, cases[i].cause, "%s", cases[i].what);
      cr_assert_not_null(strstr(problem.text, cases[i].range), "%s: %s", cases[i].what, problem.text);
      cr_assert_neq(problem.hint[0], '\0', "%s", cases[i].what);
      cr_assert_lt(strlen(problem.hint), PROBLEM_HINT_MAX - 1, "%s: cut off", cases[i].what);
      cr_assert_eq(witness_judge(&witness, &facts, NULL), VERDICT_FATAL, "%s", cases[i].what);
    }
  }
}

Test(witness, a_fresh_process_accepts_any_server_but_not_a_slot_ahead_of_it)
{
  struct witness witness;
  struct problem problem;
  struct server_facts facts = facts_at("1000", 3, 0x800, 0x800);

  witness_init(&witness);
  cr_assert_eq(witness_judge(&witness, &facts, &problem), VERDICT_OK);
  facts.confirmed = 0x801;
  cr_assert_eq(witness_judge(&witness, &facts, &problem), VERDICT_FATAL);
  cr_assert_str_eq(problem.cause, "position_ahead");
  /* Not the publication: it may hold more tables than `init` would put into one of its own. */
  cr_assert_not_null(strstr(problem.hint, "cdc-relay drop --yes --keep-publication, and cdc-relay init --accept-gap"), "%s", problem.hint);
}

/* Behind a crash a standby begins at its last checkpoint, and replays what it had once more: until then its log seems to end there. */
Test(witness, a_standby_that_replays_is_waited_for_and_one_that_was_promoted_is_judged)
{
  struct witness witness = seasoned();
  struct server_facts facts = facts_at("1000", 2, 0x300, 0x4FF);
  struct problem problem = {0};

  facts.is_in_recovery = true;
  cr_assert_eq(witness_judge(&witness, &facts, &problem), VERDICT_RETRY, "%s", problem.text);
  cr_assert_str_eq(problem.cause, "still_replaying");
  cr_assert_not_null(strstr(problem.text, "up to 0/4FF, and this relay had confirmed to 0/500"), "%s", problem.text);
  cr_assert_lt(strlen(problem.hint), PROBLEM_HINT_MAX - 1, "cut off");
  facts.wal_end = 0x500;
  cr_assert_eq(witness_judge(&witness, &facts, &problem), VERDICT_OK, "%s", problem.text);
  facts.confirmed = 0x501;
  cr_assert_eq(witness_judge(&witness, &facts, &problem), VERDICT_RETRY, "%s", problem.text);
  cr_assert_not_null(strstr(problem.text, "up to 0/500, and its slot was confirmed to 0/501"), "%s", problem.text);
  facts.wal_end = 0x501;
  cr_assert_eq(witness_judge(&witness, &facts, &problem), VERDICT_FATAL, "a slot that somebody moved is no matter of time");
  cr_assert_str_eq(problem.cause, "slot_moved");
  facts = facts_at("1000", 2, 0x300, 0x4FF);
  cr_assert_eq(witness_judge(&witness, &facts, &problem), VERDICT_FATAL);
  cr_assert_str_eq(problem.cause, "server_behind");
}

Test(witness, a_position_that_was_confirmed_again_after_a_rollback_does_not_lower_the_memory)
{
  struct witness witness = seasoned();
  const struct server_facts rolled_back = facts_at("1000", 2, 0x200, 0x1000);
  const struct server_facts below = facts_at("1000", 2, 0x4F0, 0x1000);
  struct problem problem;

  witness_started(&witness, &rolled_back);
  witness_confirmed(&witness, 0x300);
  cr_assert_eq(witness.confirmed, 0x500);
  cr_assert_eq(witness_judge(&witness, &below, &problem), VERDICT_OK);
}

Test(witness, an_answer_that_confirms_nothing_is_not_remembered)
{
  struct witness witness = seasoned();

  witness_confirmed(&witness, 0);
  cr_assert_eq(witness.confirmed, 0x500);
}

Test(witness, after_standing_by_the_position_is_forgotten_and_the_server_is_not)
{
  struct witness witness = seasoned();
  const struct server_facts moved_on = facts_at("1000", 2, 0x900, 0x1000);
  const struct server_facts moved_again = facts_at("1000", 2, 0x901, 0x1000);
  const struct server_facts other = facts_at("2000", 1, 0x900, 0x1000);
  struct problem problem;

  witness_forget_position(&witness);
  witness_confirmed(&witness, 0x200); /* of nobody's session */
  cr_assert_eq(witness_judge(&witness, &moved_on, &problem), VERDICT_OK);
  cr_assert_eq(witness_judge(&witness, &other, &problem), VERDICT_FATAL);
  cr_assert_str_eq(problem.cause, "other_server");
  witness_started(&witness, &moved_on);
  cr_assert_eq(witness_judge(&witness, &moved_again, &problem), VERDICT_FATAL);
  cr_assert_not_null(strstr(problem.text, "from 0/900 to 0/901"));
}

Test(witness, a_slot_that_another_relay_is_moving_is_not_compared)
{
  const struct witness witness = seasoned();
  struct server_facts facts = facts_at("1000", 2, 0x900, 0x1000);
  struct problem problem;

  facts.slot_is_active = true;
  cr_assert_eq(witness_judge(&witness, &facts, &problem), VERDICT_OK);
  facts.wal_end = 0x400;
  facts.confirmed = 0x400;
  cr_assert_eq(witness_judge(&witness, &facts, &problem), VERDICT_FATAL);
}

Test(witness, a_promoted_server_must_come_from_our_timeline_at_or_behind_what_we_confirmed)
{
  static const struct {
    const char *what;
    uint32_t timeline;
    size_t count;
    struct timeline_end ends[3];
    const char *cause; /* NULL: fine */
    const char *words;
  } cases[] = {
      {"history unknown", 3, 0, {{0, 0}}, NULL, NULL},
      {"left where we were", 3, 2, {{1, 0x50}, {2, 0x500}}, NULL, NULL},
      {"left behind us", 3, 2, {{1, 0x50}, {2, 0x501}}, NULL, NULL},
      {"promoted twice", 4, 3, {{1, 0x50}, {2, 0x700}, {3, 0x800}}, NULL, NULL},
      {"lagged by a byte", 3, 2, {{1, 0x50}, {2, 0x4FF}}, "server_behind", "from 0/4FF to 0/500"},
      {"lagged, then promoted twice", 4, 3, {{1, 0x50}, {2, 0x400}, {3, 0x800}}, "server_behind", "from 0/400 to 0/500"},
      {"from a brother of ours", 3, 1, {{1, 0x600}}, "other_timeline", "on timeline 3"},
      {"still on ours", 2, 1, {{1, 0x50}}, NULL, NULL},
  };

  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    struct witness witness = seasoned();
    struct server_facts facts = facts_at("1000", cases[i].timeline, 0x300, 0x1000);
    struct problem problem = {0};

    facts.history.count = cases[i].count;
    memcpy(facts.history.ends, cases[i].ends, sizeof(cases[i].ends));
    cr_expect_eq(witness_judge(&witness, &facts, &problem), cases[i].cause == NULL ? VERDICT_OK : VERDICT_FATAL, "%s: %s", cases[i].what, problem.text);
    if (cases[i].cause != NULL) {
      cr_expect_eq(problem.code, EXIT_POSITION);
      cr_expect_str_eq(problem.cause, cases[i].cause, "%s", cases[i].what);
      cr_expect_not_null(strstr(problem.text, cases[i].words), "%s: %s", cases[i].what, problem.text);
      cr_expect_lt(strlen(problem.hint), PROBLEM_HINT_MAX - 1, "%s: cut off", cases[i].what);
    }
    /* What another relay confirmed is not ours to judge. */
    witness_forget_position(&witness);
    cr_expect_eq(witness_judge(&witness, &facts, &problem),
                 cases[i].cause != NULL && strcmp(cases[i].cause, "other_timeline") == 0 ? VERDICT_FATAL : VERDICT_OK, "%s, without a position", cases[i].what);
  }
}

/* A server that left timeline 2, where seasoned() had streamed, at `branch`. */
static struct server_facts promoted(Lsn confirmed, Lsn wal_end, Lsn branch)
{
  struct server_facts facts = facts_at("1000", 3, confirmed, wal_end);

  facts.history.count = 2;
  facts.history.ends[0] = (struct timeline_end){1, 0x50};
  facts.history.ends[1] = (struct timeline_end){2, branch};
  return facts;
}

/* An idle relay confirms what others write; a standby that lost some of that has lost nothing of ours. */
Test(witness, a_promoted_server_that_lost_only_log_without_events_is_gone_on_with)
{
  struct witness witness = seasoned();
  struct server_facts facts = promoted(0x480, 0x620, 0x600);
  struct problem problem = {0};

  witness_confirmed(&witness, 0x900);
  cr_assert_eq(witness_judge(&witness, &facts, &problem), VERDICT_OK, "%s", problem.text);
  witness_started(&witness, &facts);
  /* From now on its own positions count. */
  facts.confirmed = 0x481;
  cr_assert_eq(witness_judge(&witness, &facts, &problem), VERDICT_FATAL);
  cr_assert_str_eq(problem.cause, "slot_moved");
  facts.confirmed = 0x480;
  cr_assert_eq(witness_judge(&witness, &facts, &problem), VERDICT_OK, "%s", problem.text);
  facts.wal_end = 0x47F;
  facts.confirmed = 0x47F;
  cr_assert_eq(witness_judge(&witness, &facts, &problem), VERDICT_FATAL);
  cr_assert_str_eq(problem.cause, "server_behind");
}

/* What was confirmed behind the branch was log of the former primary: a slot that was made there anew has skipped what the promoted one wrote in its place. */
Test(witness, a_slot_that_was_made_behind_the_promotion_is_moved_although_more_had_been_confirmed)
{
  struct witness witness = seasoned();
  struct server_facts facts = promoted(0x601, 0x700, 0x600);
  struct problem problem = {0};

  witness_confirmed(&witness, 0x900);
  cr_assert_eq(witness_judge(&witness, &facts, &problem), VERDICT_FATAL);
  cr_assert_str_eq(problem.cause, "slot_moved");
  cr_assert_not_null(strstr(problem.text, "up to 0/600, where the server was promoted: events from 0/600 to 0/601"), "%s", problem.text);
  facts.confirmed = 0x600;
  cr_assert_eq(witness_judge(&witness, &facts, &problem), VERDICT_OK, "%s", problem.text);
  /* Confirmed less than the branch: that counts. */
  facts.confirmed = 0x901;
  facts.wal_end = 0x1000;
  facts.history.ends[1].end = 0x950;
  cr_assert_eq(witness_judge(&witness, &facts, &problem), VERDICT_FATAL);
  cr_assert_not_null(strstr(problem.text, "up to 0/900: events from 0/900 to 0/901"), "%s", problem.text);
}

Test(witness, an_event_that_was_published_and_not_confirmed_counts_as_well)
{
  struct witness witness = seasoned();
  struct server_facts facts = promoted(0x480, 0x2000, 0x700);
  struct problem problem = {0};

  witness_published(&witness, 0x700);
  cr_assert_eq(witness_judge(&witness, &facts, &problem), VERDICT_FATAL);
  cr_assert_str_eq(problem.cause, "server_behind");
  facts.history.ends[1].end = 0x701;
  cr_assert_eq(witness_judge(&witness, &facts, &problem), VERDICT_OK, "%s", problem.text);
}

/* A process that has just begun does not know which of what was confirmed before were events. */
Test(witness, what_was_confirmed_before_the_first_start_counts_as_published)
{
  struct witness witness;
  struct server_facts facts = facts_at("1000", 2, 0x500, 0x1000);
  struct problem problem = {0};

  witness_init(&witness);
  witness_started(&witness, &facts);
  facts.timeline = 3;
  facts.confirmed = 0x400;
  facts.history.count = 1;
  facts.history.ends[0] = (struct timeline_end){2, 0x4FF};
  cr_assert_eq(witness_judge(&witness, &facts, &problem), VERDICT_FATAL);
  cr_assert_str_eq(problem.cause, "server_behind");
  facts.history.ends[0].end = 0x500;
  cr_assert_eq(witness_judge(&witness, &facts, &problem), VERDICT_OK, "%s", problem.text);
}

Test(witness, a_missing_slot_is_told_with_the_position_that_was_confirmed)
{
  const struct witness witness = seasoned();
  struct witness fresh;
  struct problem problem;

  witness_init(&fresh);
  (void)problem_set(&problem, VERDICT_FATAL, EXIT_POSITION, "slot_missing", "up to 0/1000 would be missing");
  witness_complete(&fresh, &problem);
  cr_assert_str_eq(problem.text, "up to 0/1000 would be missing");
  witness_complete(&witness, &problem);
  cr_assert_str_eq(problem.text, "up to 0/1000 would be missing; this relay had confirmed up to 0/500: events from there on, or from where the server was "
                                 "promoted if that lies before, may be missing");
  (void)problem_set(&problem, VERDICT_FATAL, EXIT_DATABASE_REFUSES, "wal_level", "wal_level");
  witness_complete(&witness, &problem);
  cr_assert_str_eq(problem.text, "wal_level");
}

Test(witness, the_timeline_is_that_of_the_latest_start)
{
  struct witness witness = seasoned();
  struct server_facts facts = facts_at("1000", 4, 0x500, 0x1000);
  struct problem problem;

  witness_started(&witness, &facts);
  facts.timeline = 3;
  cr_assert_eq(witness_judge(&witness, &facts, &problem), VERDICT_FATAL);
  cr_assert_str_eq(problem.cause, "other_timeline");
}
