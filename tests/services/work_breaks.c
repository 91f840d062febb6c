/*
 * work_breaks.c - what happens to units of work when others are in the way, when the server ends the session, and when the line breaks.
 *
 * The checks `restart` and `away` are told on stdin what was done to the server meanwhile: they print a word, and wait for a line.
 */
#include <pthread.h>
#include <string.h>

#include "bench.h"
#include "database_priv.h"
#include "moment.h"
#include "silence.h"

static const struct statement ADD = {"add", "UPDATE item SET amount = amount + 1 WHERE id = $1::int"};
static const struct statement AMOUNT = {"amount", "SELECT amount FROM item WHERE id = $1::int"};
static const struct statement SET_AMOUNT = {"set_amount", "UPDATE item SET amount = $2::int WHERE id = $1::int"};
static const struct statement REPEATABLE = {"repeatable", "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"};

struct attempt {
  struct bench *bench;
  int count; /* of calls of the function */
  const char *id;
};

/* --- others in the way ------------------------------------------------------------------------------------------------------------------------------------ */

static enum work_end add_ten(struct work *work, void *context)
{
  struct attempt *attempt = context;
  const PGresult *row;

  attempt->count++;
  work_do(work, &REPEATABLE);
  row = work_ask(work, &AMOUNT, "1");
  if (row == NULL) {
    return WORK_FAILED;
  }
  if (attempt->count <= 2) {
    (void)bench_look(attempt->bench, "UPDATE item SET amount = amount + 100 WHERE id = 1");
  }
  work_do(work, &SET_AMOUNT, "1", work_text(work, "%d", atoi(PQgetvalue(row, 0, 0)) + 10));
  return WORK_COMMIT;
}

static void check_serialization(struct bench *bench)
{
  struct database *database = database_new(bench->direct, "work-check");
  struct attempt attempt = {.bench = bench};
  struct work_outcome outcome;

  (void)bench_look(bench, "INSERT INTO item VALUES (1, 1)");
  bench_expect(VERDICT_OK, work_run(database, add_ten, &attempt, &outcome), &outcome, "two serialization failures");
  CHECK(outcome.attempts == 3 && attempt.count == 3, "%u attempts", outcome.attempts);
  CHECK(bench_number(bench, "SELECT amount FROM item") == 211, "what the function read the third time");
  database_free(database);
}

static enum work_end always_too_late(struct work *work, void *context)
{
  struct attempt *attempt = context;

  attempt->count = 0;
  return add_ten(work, context);
}

static void check_gives_up(struct bench *bench)
{
  struct database *database = database_new(bench->direct, "work-check");
  struct attempt attempt = {.bench = bench};
  struct work_outcome outcome;

  (void)bench_look(bench, "INSERT INTO item VALUES (1, 1)");
  bench_expect(VERDICT_RETRY, work_run(database, always_too_late, &attempt, &outcome), &outcome, "a conflict that does not pass");
  CHECK(outcome.attempts == WORK_ATTEMPTS_MAX && strcmp(outcome.sqlstate, "40001") == 0 && !outcome.is_unknown, "%u attempts", outcome.attempts);
  database_free(database);
}

struct rival {
  struct bench *bench;
  pthread_barrier_t *barrier;
  const char *first, *second;
  int count;
  struct work_outcome outcome;
  enum verdict verdict;
};

static enum work_end lock_both(struct work *work, void *context)
{
  struct rival *rival = context;

  if (work_ask(work, &ADD, rival->first) == NULL) {
    return WORK_FAILED;
  }
  if (rival->count++ == 0) {
    (void)pthread_barrier_wait(rival->barrier);
  }
  work_do(work, &ADD, rival->second);
  return WORK_COMMIT;
}

static void *run_rival(void *argument)
{
  struct rival *rival = argument;
  struct database *database = database_new(rival->bench->direct, "work-check");

  rival->verdict = work_run(database, lock_both, rival, &rival->outcome);
  database_free(database);
  return NULL;
}

static void check_deadlock(struct bench *bench)
{
  pthread_barrier_t barrier;
  struct rival rivals[2] = {{.bench = bench, .barrier = &barrier, .first = "1", .second = "2"},
                            {.bench = bench, .barrier = &barrier, .first = "2", .second = "1"}};
  pthread_t threads[2];

  (void)bench_look(bench, "INSERT INTO item VALUES (1, 1), (2, 1)");
  (void)pthread_barrier_init(&barrier, NULL, 2);
  for (size_t i = 0; i < 2; i++) {
    CHECK(pthread_create(&threads[i], NULL, run_rival, &rivals[i]) == 0, "a thread");
  }
  for (size_t i = 0; i < 2; i++) {
    (void)pthread_join(threads[i], NULL);
    bench_expect(VERDICT_OK, rivals[i].verdict, &rivals[i].outcome, "a rival");
  }
  (void)pthread_barrier_destroy(&barrier);
  CHECK(rivals[0].outcome.attempts + rivals[1].outcome.attempts >= 3, "one was the deadlock's victim");
  CHECK(bench_number(bench, "SELECT sum(amount) FROM item") == 6, "both have done their work once");
}

static enum work_end sleep_long(struct work *work, void *context)
{
  static const struct statement statement = {"sleep", "SELECT pg_sleep(20)"};

  (*(int *)context)++;
  return work_ask(work, &statement) != NULL ? WORK_COMMIT : WORK_FAILED;
}

static void check_timeout(struct bench *bench)
{
  struct database *database = database_new(bench_conninfo(bench->direct, "options='-c statement_timeout=150'"), "work-check");
  struct work_outcome outcome;
  int64_t began_us = moment_now().mono_us;
  int count = 0;

  bench_expect(VERDICT_RETRY, work_run(database, sleep_long, &count, &outcome), &outcome, "a statement that takes too long");
  CHECK(strcmp(outcome.sqlstate, "57014") == 0 && count == WORK_ATTEMPTS_MAX, "%d attempts", count);
  CHECK(database->pipeline.silence_ms == SILENCE_MS, "our own limit holds beside the server's: %d ms", database->pipeline.silence_ms);
  database_free(database);
  database = database_new(bench_conninfo(bench->direct, "options='-c statement_timeout=6000'"), "work-check");
  count = 0;
  bench_expect(VERDICT_RETRY, work_run(database, sleep_long, &count, &outcome), &outcome, "one that takes far too long");
  CHECK(count == 1, "after WORK_RETRY_TIME_MAX_MS none begins: %d attempts", count);
  CHECK(moment_now().mono_us - began_us < 15 * (int64_t)US_PER_S, "limits hold");
  database_free(database);
}

/* --- the session ends ------------------------------------------------------------------------------------------------------------------------------------- */

/* Ends the session and waits for its end, so that its last words are on their way. */
static void terminate(struct bench *bench)
{
  (void)bench_look(bench, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'work-check'");
}

static enum work_end add_and_lose_session(struct work *work, void *context)
{
  struct attempt *attempt = context;

  attempt->count++;
  if (work_ask(work, &AMOUNT, "1") == NULL) {
    return WORK_FAILED;
  }
  if (attempt->count == 1) {
    terminate(attempt->bench);
  }
  if (attempt->id != NULL) {
    work_do(work, &ADD, attempt->id);
  }
  return WORK_COMMIT;
}

static enum work_end add(struct work *work, void *context)
{
  struct attempt *attempt = context;

  attempt->count++;
  work_do(work, &ADD, attempt->id);
  return WORK_COMMIT;
}

static void check_terminated(struct bench *bench)
{
  struct database *database = database_new(bench->direct, "work-check");
  struct work_outcome outcome;

  (void)bench_look(bench, "INSERT INTO item VALUES (1, 1)");
  bench_expect(VERDICT_OK, work_run(database, add_and_lose_session, &(struct attempt){.bench = bench, .id = "1"}, &outcome), &outcome, "ended before COMMIT");
  CHECK(outcome.attempts == 2 && bench_number(bench, "SELECT amount FROM item") == 2, "done again, once: %u attempts", outcome.attempts);
  bench_expect(VERDICT_OK, work_run(database, add_and_lose_session, &(struct attempt){.bench = bench}, &outcome), &outcome, "with nothing left but COMMIT");
  CHECK(outcome.attempts == 2, "a look at the socket is enough: %u attempts", outcome.attempts);
  terminate(bench);
  bench_expect(VERDICT_OK, work_run(database, add, &(struct attempt){.id = "1"}, &outcome), &outcome, "ended while nobody used it");
  CHECK(outcome.attempts == 1 && bench_number(bench, "SELECT amount FROM item") == 3, "not even tried: %u attempts", outcome.attempts);
  database_free(database);
}

/* The server is in the middle of COMMIT (it waits for a standby that does not exist) when the session is ended: it has committed, and says FATAL. */
static void *terminate_in_commit(void *argument)
{
  struct bench *bench = argument;

  while (bench_number(bench, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'work-check' AND wait_event = 'SyncRep'") == 0) {
  }
  terminate(bench);
  return NULL;
}

static void check_terminated_in_commit(struct bench *bench)
{
  struct database *database = database_new(bench_conninfo(bench->direct, "options='-c synchronous_commit=on'"), "work-check");
  struct attempt attempt = {.id = "1"};
  struct work_outcome outcome;
  pthread_t thread;

  (void)bench_look(bench, "INSERT INTO item VALUES (1, 1)");
  CHECK(pthread_create(&thread, NULL, terminate_in_commit, bench) == 0, "a thread");
  bench_expect(VERDICT_RETRY, work_run(database, add, &attempt, &outcome), &outcome, "ended in COMMIT");
  (void)pthread_join(thread, NULL);
  CHECK(outcome.is_unknown && !outcome.is_committed && outcome.attempts == 1 && attempt.count == 1, "unknown, and not tried again: %u attempts",
        outcome.attempts);
  CHECK(bench_number(bench, "SELECT amount FROM item") == 2, "committed, in fact");
  database_free(database);
}

/* --- the line breaks -------------------------------------------------------------------------------------------------------------------------------------- */

static enum work_end ask_and_add(struct work *work, void *context)
{
  struct attempt *attempt = context;

  attempt->count++;
  if (work_ask(work, &AMOUNT, attempt->id) == NULL) {
    return WORK_FAILED;
  }
  work_do(work, &ADD, attempt->id);
  return WORK_COMMIT;
}

static void check_line(struct bench *bench)
{
  struct database *database = database_new(bench->by_line, "work-check");
  struct attempt attempt = {.id = "1"};
  struct work_outcome outcome;

  (void)bench_look(bench, "INSERT INTO item VALUES (1, 1)");
  bench_expect(VERDICT_OK, work_run(database, ask_and_add, &attempt, &outcome), &outcome, "a whole line");

  line_break_at(bench->line, "BEGIN", LINE_CUT_BEFORE);
  bench_expect(VERDICT_OK, work_run(database, ask_and_add, &attempt, &outcome), &outcome, "cut at the question");
  CHECK(outcome.attempts == 2 && bench_number(bench, "SELECT amount FROM item") == 3, "done again: %u attempts", outcome.attempts);
  line_break_at(bench->line, "BEGIN", LINE_CUT_BEHIND);
  bench_expect(VERDICT_OK, work_run(database, ask_and_add, &attempt, &outcome), &outcome, "cut behind the question");
  CHECK(outcome.attempts == 2 && bench_number(bench, "SELECT amount FROM item") == 4, "done again: %u attempts", outcome.attempts);

  line_break_at(bench->line, "COMMIT", LINE_CUT_BEFORE);
  bench_expect(VERDICT_RETRY, work_run(database, ask_and_add, &attempt, &outcome), &outcome, "cut before COMMIT arrived");
  CHECK(outcome.is_unknown && outcome.attempts == 1 && bench_number(bench, "SELECT amount FROM item") == 4, "nobody here can know that it was not");
  line_break_at(bench->line, "COMMIT", LINE_CUT_BEHIND);
  bench_expect(VERDICT_RETRY, work_run(database, ask_and_add, &attempt, &outcome), &outcome, "cut behind COMMIT");
  CHECK(outcome.is_unknown && outcome.attempts == 1 && bench_number(bench, "SELECT amount FROM item") == 5, "nor that it was");
  bench_expect(VERDICT_OK, work_run(database, ask_and_add, &attempt, &outcome), &outcome, "a whole line again");
  CHECK(outcome.attempts == 1 && bench_number(bench, "SELECT amount FROM item") == 6, "%u attempts", outcome.attempts);

  /* A frozen server: less patience than in earnest, or this would take half a minute. */
  database->pipeline.silence_ms = 300;
  line_break_at(bench->line, "BEGIN", LINE_SILENT);
  bench_expect(VERDICT_OK, work_run(database, ask_and_add, &attempt, &outcome), &outcome, "silence at the question");
  CHECK(outcome.attempts == 2, "%u attempts", outcome.attempts);
  database->pipeline.silence_ms = 300;
  line_break_at(bench->line, "COMMIT", LINE_SILENT);
  bench_expect(VERDICT_RETRY, work_run(database, ask_and_add, &attempt, &outcome), &outcome, "silence at COMMIT");
  CHECK(outcome.is_unknown && outcome.attempts == 1, "%u attempts", outcome.attempts);
  database_free(database);
}

/* The server answers a COMMIT that it made a rollback of with that word alone, and calls it no error. */
static void check_commit_that_is_none(struct bench *bench)
{
  struct database *database = database_new(bench->by_line, "work-check");
  struct attempt attempt = {.id = "1"};
  struct work_outcome outcome;

  (void)bench_look(bench, "INSERT INTO item VALUES (1, 1)");
  line_break_at(bench->line, "COMMIT", LINE_SWAP);
  bench_expect(VERDICT_FATAL, work_run(database, add, &attempt, &outcome), &outcome, "COMMIT answered by ROLLBACK");
  CHECK(!outcome.is_committed && !outcome.is_unknown && outcome.attempts == 1 && bench_number(bench, "SELECT amount FROM item") == 1, "nothing happened");
  bench_expect(VERDICT_OK, work_run(database, add, &attempt, &outcome), &outcome, "the next one");
  database_free(database);
}

/* --- a look behind a refusal ------------------------------------------------------------------------------------------------------------------------------ */

struct refusal {
  size_t further; /* statements behind the one that is refused */
  int count;      /* of calls of the function */
  int amount;     /* that was seen */
};

static enum work_end insert_again(struct work *work, void *context)
{
  static const struct statement insert = {"insert_again", "INSERT INTO item (id, amount) VALUES (1, 100)"};
  struct refusal *refusal = context;

  refusal->count++;
  work_queue(work, &insert, 0, NULL);
  for (size_t i = 0; i < refusal->further; i++) {
    work_do(work, &ADD, "1");
  }
  return WORK_COMMIT;
}

static bool look_at_amount(struct work *work, const struct work_outcome *outcome, void *context)
{
  struct refusal *refusal = context;
  const PGresult *row = work_ask(work, &AMOUNT, "1");

  CHECK(strcmp(outcome->constraint, "item_pkey") == 0, "what is looked at: %s", outcome->constraint);
  if (row == NULL) {
    return false;
  }
  refusal->amount = atoi(PQgetvalue(row, 0, 0));
  return true;
}

static void expect_look(struct bench *bench, struct database *database, size_t further, uint32_t attempts, const char *what)
{
  struct refusal refusal = {.further = further};
  struct work_outcome outcome;

  bench_expect(VERDICT_POISON, work_run_and_look(database, insert_again, look_at_amount, &refusal, &outcome), &outcome, what);
  CHECK(strcmp(outcome.sqlstate, "23505") == 0 && !outcome.is_committed && !outcome.is_unknown, "%s: the refusal is told: %s", what, outcome.sqlstate);
  CHECK(outcome.attempts == attempts && refusal.count == (int)attempts, "%s: %u attempts", what, outcome.attempts);
  CHECK(refusal.amount == 1, "%s: seen: %d", what, refusal.amount);
  CHECK(bench_number(bench, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'work-check' AND state <> 'idle'") == 0, "%s: it is over", what);
}

static void check_look(struct bench *bench)
{
  enum { MORE_THAN_IS_QUEUED = 40000 };
  struct database *database = database_new(bench->by_line, "work-check");
  struct work_outcome outcome;
  int pid;

  (void)bench_look(bench, "INSERT INTO item VALUES (1, 1)");
  CHECK(database_connect(database, NULL) == VERDICT_OK, "connects");
  (void)line_trips(bench->line);
  expect_look(bench, database, 1, 1, "a refusal");
  CHECK(line_trips(bench->line) == 2, "the look is part of the round trip that rolls back");
  expect_look(bench, database, MORE_THAN_IS_QUEUED, 1, "a refusal in front of much");
  line_break_at(bench->line, "ROLLBACK", LINE_CUT_BEFORE);
  expect_look(bench, database, 1, 2, "cut at the look");
  line_break_at(bench->line, "ROLLBACK", LINE_CUT_BEHIND);
  expect_look(bench, database, 1, 2, "cut behind the look");

  /* Much was sent when the refusal came, and no Sync: the next unit must not be skipped with it. */
  pid = PQbackendPID(database_connection(database));
  for (int i = 1; i <= 3; i++) {
    bench_expect(VERDICT_POISON, work_run(database, insert_again, &(struct refusal){.further = MORE_THAN_IS_QUEUED}, &outcome), &outcome, "much, refused");
    bench_expect(VERDICT_OK, work_run(database, add, &(struct attempt){.id = "1"}, &outcome), &outcome, "the next one");
    CHECK(outcome.is_committed && bench_number(bench, "SELECT amount FROM item") == 1 + i, "the next one is committed, and nothing of what was refused");
  }
  CHECK(PQbackendPID(database_connection(database)) == pid, "a refusal costs no connection");
  database_free(database);
}

/* --- the server is away ----------------------------------------------------------------------------------------------------------------------------------- */

static void let_it_be_done(const char *word)
{
  char line[64];

  (void)printf("%s\n", word);
  (void)fflush(stdout);
  CHECK(fgets(line, sizeof(line), stdin) != NULL, "a line on stdin");
}

static void look_again(struct bench *bench)
{
  PQfinish(bench->onlooker);
  bench->onlooker = PQconnectdb(bench->direct);
  CHECK(PQstatus(bench->onlooker) == CONNECTION_OK, "%s", PQerrorMessage(bench->onlooker));
}

static void check_restart(struct bench *bench)
{
  struct database *database = database_new(bench->direct, "work-check");
  struct attempt attempt = {.id = "1"};
  struct work_outcome outcome;

  (void)bench_look(bench, "INSERT INTO item VALUES (1, 1)");
  bench_expect(VERDICT_OK, work_run(database, add, &attempt, &outcome), &outcome, "before");
  let_it_be_done("restart"); /* orderly */
  bench_expect(VERDICT_OK, work_run(database, add, &attempt, &outcome), &outcome, "after a restart");
  CHECK(outcome.attempts == 1 && attempt.count == 2, "nobody noticed: %u attempts", outcome.attempts);
  let_it_be_done("crash"); /* with an immediate shutdown */
  bench_expect(VERDICT_OK, work_run(database, ask_and_add, &attempt, &outcome), &outcome, "after a crash");
  CHECK(outcome.attempts == 1, "nobody noticed: %u attempts", outcome.attempts);
  look_again(bench);
  CHECK(bench_number(bench, "SELECT amount FROM item") == 4, "each once");
  database_free(database);
}

static void check_away(struct bench *bench)
{
  struct database *database = database_new(bench->direct, "work-check");
  struct attempt attempt = {.id = "1"};
  struct work_outcome outcome;
  int64_t began_us;

  (void)bench_look(bench, "INSERT INTO item VALUES (1, 1)");
  bench_expect(VERDICT_OK, work_run(database, add, &attempt, &outcome), &outcome, "before");
  let_it_be_done("stop");
  began_us = moment_now().mono_us;
  for (int i = 0; i < 1000; i++) {
    enum verdict verdict = work_run(database, add, &attempt, &outcome);

    CHECK(verdict == VERDICT_RETRY && !outcome.is_unknown && outcome.attempts == 0, "verdict %d", (int)verdict);
  }
  bench_expect(VERDICT_RETRY, work_run(database, add, &attempt, &outcome), &outcome, "away");
  CHECK(moment_now().mono_us - began_us < US_PER_S, "told at once, a thousand times");
  CHECK(attempt.count == 1, "the function was not called");
  let_it_be_done("start");
  began_us = moment_now().mono_us;
  while (work_run(database, add, &attempt, &outcome) != VERDICT_OK) {
    CHECK(moment_now().mono_us - began_us < 5 * (int64_t)US_PER_S, "back again: %s", outcome.problem.text);
  }
  look_again(bench);
  CHECK(bench_number(bench, "SELECT amount FROM item") == 3, "once each");
  database_free(database);
}

const struct check break_checks[] = {
    {"serialization", check_serialization},
    {"gives_up", check_gives_up},
    {"deadlock", check_deadlock},
    {"timeout", check_timeout},
    {"terminated", check_terminated},
    {"terminated_in_commit", check_terminated_in_commit},
    {"line", check_line},
    {"commit_that_is_none", check_commit_that_is_none},
    {"look", check_look},
    {"restart", check_restart},
    {"away", check_away},
    {0},
};
