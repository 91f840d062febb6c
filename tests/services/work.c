/* work.c - what units of work do on one connection: round trips, prepared statements, refusals, much at once, and the rows of an outbox. */
#include "work.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "bench.h"
#include "moment.h"
#include "outbox.h"

static const struct statement INSERT = {"insert_item", "INSERT INTO item (id, amount, note) VALUES ($1::int, $2::int, $3)"};
static const struct statement SELECT = {"select_item", "SELECT amount, note FROM item WHERE id = $1::int FOR UPDATE"};
static const struct statement UPDATE = {"update_item", "UPDATE item SET amount = amount + $2::int WHERE id = $1::int"};
static const struct statement ECHO = {"echo", "SELECT $1::text"};
static const struct statement LATER = {"later", "UPDATE item SET note = $2 WHERE id = $1::int"};

static void publish(struct work *work)
{
  static const struct origin origin = {
      .correlation_id = "corr-1", .causation_id = "cause-1", .traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"};
  json_t *body = json_pack("{s:s, s:f, s:i}", "orderId", "o-\"1\"", "totalAmount", 10.1, "count", 3);

  outbox_publish(
      work, &outbox_default, "order-service",
      &(struct outbox_event){
          .topic = "order.created.v1", .key = "o-1", .type = "OrderCreated", .id = "11111111-2222-4333-8444-555555555555", .origin = &origin, .body = body});
  json_decref(body);
}

/* --- round trips ------------------------------------------------------------------------------------------------------------------------------------- */

static enum work_end write_only(struct work *work, void *context)
{
  work_do(work, &INSERT, context, "5", NULL);
  work_do(work, &UPDATE, context, "2");
  publish(work);
  work_do(work, &UPDATE, context, "1");
  return WORK_COMMIT;
}

static enum work_end ask_and_write(struct work *work, void *context)
{
  const PGresult *row = work_ask(work, &SELECT, context);

  if (row == NULL) {
    return WORK_FAILED;
  }
  CHECK(PQntuples(row) == 1, "the row is there");
  work_do(work, &UPDATE, context, work_text(work, "%d", atoi(PQgetvalue(row, 0, 0))));
  return WORK_COMMIT;
}

static void check_trips(struct bench *bench)
{
  struct database *database = database_new(bench->by_line, "work-check");
  struct work_outcome outcome;

  CHECK(database_connect(database, NULL) == VERDICT_OK, "connects");
  (void)line_trips(bench->line);
  bench_expect(VERDICT_OK, work_run(database, write_only, (void *)"1", &outcome), &outcome, "the first unit");
  CHECK(outcome.is_committed && outcome.attempts == 1, "committed at once");
  CHECK(line_trips(bench->line) == 1, "BEGIN, preparing, statements and COMMIT are one round trip");
  bench_expect(VERDICT_OK, work_run(database, ask_and_write, (void *)"1", &outcome), &outcome, "a question");
  CHECK(line_trips(bench->line) == 2, "a question is one more");
  bench_expect(VERDICT_OK, work_run(database, ask_and_write, (void *)"1", &outcome), &outcome, "a question again");
  CHECK(line_trips(bench->line) == 2, "the same with what is prepared");
  CHECK(bench_number(bench, "SELECT amount FROM item WHERE id = 1") == 32, "5 + 2 + 1, doubled twice");
  CHECK(bench_number(
            bench,
            "SELECT count(*) FROM outbox WHERE id = '11111111-2222-4333-8444-555555555555' AND aggregatetype = 'order.created.v1'"
            " AND aggregateid = 'o-1' AND type = 'OrderCreated' AND payload::text = '{\"orderId\":\"o-\\\"1\\\"\",\"totalAmount\":10.1,\"count\":3}'") == 1,
        "the event, byte for byte: %s", bench_look(bench, "SELECT payload FROM outbox"));
  CHECK(bench_number(
            bench,
            "SELECT count(*) FROM outbox WHERE headers - 'timestamp' = '{\"source\": \"order-service\", \"version\": \"1.0\", \"correlationId\": \"corr-1\","
            " \"causationId\": \"cause-1\", \"traceparent\": \"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\"}'"
            " AND (headers->>'timestamp') ~ 'Z$' AND abs(extract(epoch FROM (headers->>'timestamp')::timestamptz - created_at)) < 5") == 1,
        "its headers: %s", bench_look(bench, "SELECT headers FROM outbox"));
  database_free(database);
}

static enum work_end show_limits(struct work *work, void *context)
{
  static const struct statement statement = {
      "limits", "SELECT concat_ws(' ', current_setting('statement_timeout'), current_setting('lock_timeout'),"
                " current_setting('idle_in_transaction_session_timeout'), current_setting('application_name'), current_setting('client_encoding'))"};
  const PGresult *row = work_ask(work, &statement);

  if (row == NULL) {
    return WORK_FAILED;
  }
  CHECK(strcmp(PQgetvalue(row, 0, 0), context) == 0, "limits: %s instead of %s", PQgetvalue(row, 0, 0), (const char *)context);
  return WORK_ROLLBACK;
}

static void check_limits(struct bench *bench)
{
  struct database *database = database_new(bench->direct, "work-check");
  struct work_outcome outcome;

  bench_expect(VERDICT_OK, work_run(database, show_limits, (void *)"10s 5s 15s work-check UTF8", &outcome), &outcome, "limits");
  CHECK(!outcome.is_committed, "rolled back");
  database_free(database);
  database = database_new(bench_conninfo(bench->direct, "options='-c statement_timeout=7s -c geqo=off' application_name=own"), "work-check");
  bench_expect(VERDICT_OK, work_run(database, show_limits, (void *)"7s 5s 15s own UTF8", &outcome), &outcome, "the user's limits");
  database_free(database);
}

/* --- refusals ---------------------------------------------------------------------------------------------------------------------------------------- */

static enum work_end insert(struct work *work, void *context)
{
  const char *const *texts = context;

  work_queue_texts(work, &INSERT, 3, texts);
  work_do(work, &LATER, "1", "behind it"); /* skipped where the INSERT is refused, its preparation too */
  return WORK_COMMIT;
}

static enum work_end insert_a_zero_byte(struct work *work, void *context)
{
  struct parameter parameters[] = {parameter_text("9"), parameter_text("1"), {.value = span_of("a\0b", 3)}};

  (void)context;
  work_queue(work, &INSERT, 3, parameters);
  return WORK_COMMIT;
}

static void check_refusals(struct bench *bench)
{
  struct database *database = database_new(bench->direct, "work-check");
  struct work_outcome outcome;
  int pid;

  CHECK(database_connect(database, NULL) == VERDICT_OK, "connects");
  pid = PQbackendPID(database_connection(database));
  (void)bench_look(bench, "INSERT INTO item VALUES (1, 1)");
  bench_expect(VERDICT_POISON, work_run(database, insert, (const char *[]){"1", "1", NULL}, &outcome), &outcome, "a key twice");
  CHECK(strcmp(outcome.sqlstate, "23505") == 0 && strcmp(outcome.constraint, "item_pkey") == 0 && outcome.attempts == 1, "named");
  bench_expect(VERDICT_POISON, work_run(database, insert, (const char *[]){"2", "-1", NULL}, &outcome), &outcome, "a wrong amount");
  CHECK(strcmp(outcome.sqlstate, "23514") == 0 && strcmp(outcome.constraint, "amount_is_positive") == 0 && outcome.attempts == 1, "named");
  bench_expect(VERDICT_POISON, work_run(database, insert, (const char *[]){"2", "top-secret", NULL}, &outcome), &outcome, "no number");
  CHECK(strcmp(outcome.sqlstate, "22P02") == 0 && strstr(outcome.problem.text, "secret") == NULL, "a value is in the words: %s", outcome.problem.text);
  bench_expect(VERDICT_POISON, work_run(database, insert_a_zero_byte, NULL, &outcome), &outcome, "a zero byte in a text");
  bench_expect(VERDICT_OK, work_run(database, insert, (const char *[]){"2", "2", "fine"}, &outcome), &outcome, "what was skipped is prepared now");
  CHECK(bench_number(bench, "SELECT count(*) FROM item WHERE (id = 2 AND note = 'fine') OR (id = 1 AND note = 'behind it')") == 2, "both rows");
  CHECK(bench_number(bench, "SELECT count(*) FROM item") == 2, "no other");
  CHECK(PQbackendPID(database_connection(database)) == pid, "a refusal costs no connection");

  /* At COMMIT: the server says so, and that is known. */
  (void)bench_look(bench, "CREATE TABLE deferred (id int CONSTRAINT later_unique UNIQUE DEFERRABLE INITIALLY DEFERRED)");
  (void)bench_look(bench, "CREATE FUNCTION twice() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO deferred VALUES (1), (1); RETURN NEW; END$$");
  (void)bench_look(bench, "CREATE TRIGGER twice AFTER INSERT ON item FOR EACH ROW EXECUTE FUNCTION twice()");
  bench_expect(VERDICT_POISON, work_run(database, insert, (const char *[]){"3", "3", NULL}, &outcome), &outcome, "a deferred constraint");
  CHECK(strcmp(outcome.sqlstate, "23505") == 0 && strcmp(outcome.constraint, "later_unique") == 0 && !outcome.is_unknown && !outcome.is_committed, "known");
  (void)bench_look(bench, "DROP TRIGGER twice ON item; DROP FUNCTION twice; DROP TABLE deferred");
  database_free(database);
}

static void check_privilege(struct bench *bench)
{
  struct work_outcome outcome;
  struct problem problem;
  struct database *database;

  (void)bench_look(bench, "DROP ROLE IF EXISTS clerk; CREATE ROLE clerk LOGIN");
  database = database_new(bench_conninfo(bench->direct, "user=clerk"), "work-check");
  bench_expect(VERDICT_FATAL, work_run(database, insert, (const char *[]){"1", "1", NULL}, &outcome), &outcome, "no privilege");
  CHECK(strcmp(outcome.sqlstate, "42501") == 0 && outcome.attempts == 1 && outcome.problem.code == EXIT_DATABASE_REFUSES, "insufficient_privilege");
  database_free(database);
  (void)bench_look(bench, "DROP ROLE clerk");

  database = database_new(bench_conninfo(bench->direct, "user=nobody_of_that_name"), "work-check");
  CHECK(database_connect(database, &problem) == VERDICT_FATAL && problem.code == EXIT_DATABASE_REFUSES, "unknown role: %s", problem.text);
  database_free(database);
  database = database_new("postgresql://a:secret@h:notaport/x", "work-check");
  CHECK(database_connect(database, &problem) == VERDICT_FATAL && strstr(problem.text, "secret") == NULL, "%s", problem.text);
  database_free(database);
}

enum { STATEMENTS = 2 * WORK_STATEMENTS_MAX };

/* --- prepared statements ------------------------------------------------------------------------------------------------------------------------------- */

static enum work_end select_star(struct work *work, void *context)
{
  static const struct statement statement = {"select_star", "SELECT * FROM item"};
  const PGresult *rows = work_ask(work, &statement);

  if (rows == NULL) {
    return WORK_FAILED;
  }
  *(int *)context = PQnfields(rows);
  return WORK_COMMIT;
}

static enum work_end many_statements(struct work *work, void *context)
{
  const struct statement *statements = context;

  for (size_t i = 0; i < STATEMENTS; i++) {
    const PGresult *answer = i % 64 == 63 ? work_ask(work, &statements[i]) : NULL;

    if (i % 64 != 63) {
      work_do(work, &statements[i]);
    } else if (answer == NULL) {
      return WORK_FAILED;
    } else {
      CHECK((size_t)atoi(PQgetvalue(answer, 0, 0)) == i, "each statement is its own");
    }
  }
  return WORK_COMMIT;
}

static void check_statements(struct bench *bench)
{
  struct database *database = database_new(bench->direct, "work-check");
  static struct statement statements[STATEMENTS];
  static char texts[STATEMENTS][2][32];
  struct work_outcome outcome;
  int columns = 0;

  bench_expect(VERDICT_OK, work_run(database, select_star, &columns, &outcome), &outcome, "before the table changed");
  (void)bench_look(bench, "ALTER TABLE item ADD COLUMN further int");
  bench_expect(VERDICT_OK, work_run(database, select_star, &columns, &outcome), &outcome, "after the table changed");
  CHECK(columns == 5 && outcome.attempts == 2, "the plan was made anew: %d columns", columns);

  for (size_t i = 0; i < STATEMENTS; i++) {
    (void)snprintf(texts[i][0], sizeof(texts[i][0]), "s%zu", i);
    (void)snprintf(texts[i][1], sizeof(texts[i][1]), "SELECT %zu", i);
    statements[i] = (struct statement){texts[i][0], texts[i][1]};
  }
  bench_expect(VERDICT_OK, work_run(database, many_statements, statements, &outcome), &outcome, "more statements than are kept");
  bench_expect(VERDICT_OK, work_run(database, many_statements, statements, &outcome), &outcome, "the same again");
  database_free(database);
}

static enum work_end bytes_there_and_back(struct work *work, void *context)
{
  static const struct statement put = {"put_bytes",
                                       "INSERT INTO item (id, amount, bytes) VALUES ($1::int, 1, $2::bytea) RETURNING octet_length(bytes), get_byte(bytes, 1)"};
  struct parameter parameters[] = {parameter_text("1"), parameter_bytes(span_of("\0\xff\\0", 4))};
  const PGresult *row = work_query(work, &put, 2, parameters);

  (void)context;
  if (row == NULL) {
    return WORK_FAILED;
  }
  CHECK(atoi(PQgetvalue(row, 0, 0)) == 4 && atoi(PQgetvalue(row, 0, 1)) == 255, "bytes as they are");
  return WORK_COMMIT;
}

/* --- much at once -------------------------------------------------------------------------------------------------------------------------------------- */

enum { LARGE_COUNT = 640, LARGE_BYTES = 65536, LARGE_GROWTH_KB = 16384 };

/*
 * The server answers as much as it is told, long before it was told all: who only writes fills both directions, or its own memory with what it does not look
 * at.
 */
static enum work_end echo_much(struct work *work, void *context)
{
  for (int i = 0; i < LARGE_COUNT; i++) {
    work_do(work, &ECHO, context);
  }
  work_do(work, &INSERT, "1", "1", NULL);
  return WORK_COMMIT;
}

static enum work_end insert_many(struct work *work, void *context)
{
  (void)context;
  for (int i = 10; i < 50000; i++) {
    char id[16];

    (void)snprintf(id, sizeof(id), "%d", i);
    work_do(work, &INSERT, id, "1", NULL);
  }
  return WORK_COMMIT;
}

static long most_memory_kb(void)
{
  struct rusage usage;

  CHECK(getrusage(RUSAGE_SELF, &usage) == 0, "getrusage");
  return usage.ru_maxrss;
}

static int ms_since(int64_t began_us)
{
  return (int)((moment_now().mono_us - began_us) / US_PER_MS);
}

static void do_large(struct bench *bench, const char *sslmode)
{
  struct database *database = database_new(bench_conninfo(bench->direct, sslmode), "work-check");
  struct work_outcome outcome;
  char *text = malloc(LARGE_BYTES + 1);
  int64_t began_us = moment_now().mono_us;
  long before_kb;

  CHECK(text != NULL, "memory");
  memset(text, 'x', LARGE_BYTES);
  text[LARGE_BYTES] = '\0';
  bench_expect(VERDICT_OK, work_run(database, bytes_there_and_back, NULL, &outcome), &outcome, "bytes");
  CHECK(PQsslInUse(database_connection(database)) == (strstr(sslmode, "require") != NULL), "%s", sslmode);
  (void)bench_look(bench, "DELETE FROM item");
  before_kb = most_memory_kb();
  bench_expect(VERDICT_OK, work_run(database, echo_much, text, &outcome), &outcome, "much there and back");
  CHECK(bench_number(bench, "SELECT count(*) FROM item") == 1 && outcome.attempts == 1, "committed");
  (void)printf("%d statements of %d bytes: %d ms, %ld kB more memory\n", LARGE_COUNT, LARGE_BYTES, ms_since(began_us), most_memory_kb() - before_kb);
#ifndef __SANITIZE_ADDRESS__ /* which keeps what was freed */
  CHECK(most_memory_kb() - before_kb < LARGE_GROWTH_KB, "%ld kB more memory", most_memory_kb() - before_kb);
#endif
  began_us = moment_now().mono_us;
  bench_expect(VERDICT_OK, work_run(database, insert_many, NULL, &outcome), &outcome, "many rows");
  CHECK(bench_number(bench, "SELECT count(*) FROM item") == 49991, "all");
  (void)printf("49990 rows: %d ms\n", ms_since(began_us));
  free(text);
  database_free(database);
}

static void check_large(struct bench *bench)
{
  do_large(bench, "sslmode=disable");
}

static void check_large_encrypted(struct bench *bench)
{
  do_large(bench, "sslmode=require");
}

/* --- held open ------------------------------------------------------------------------------------------------------------------------------------------ */

static void check_held_open(struct bench *bench)
{
  struct database *database = database_new(bench->direct, "work-check");
  struct work_outcome outcome;
  struct work *work;

  bench_expect(VERDICT_OK, work_begin(database, &work, &outcome), &outcome, "begin");
  work_do(work, &INSERT, "1", "1", NULL);
  bench_expect(VERDICT_OK, work_sync(work, &outcome), &outcome, "sync");
  CHECK(!outcome.is_committed, "not yet");
  work_do(work, &INSERT, "2", "1", NULL);
  bench_expect(VERDICT_OK, work_commit(work, &outcome), &outcome, "commit");
  CHECK(outcome.is_committed && bench_number(bench, "SELECT count(*) FROM item") == 2, "both");

  bench_expect(VERDICT_OK, work_begin(database, &work, &outcome), &outcome, "begin");
  work_do(work, &INSERT, "3", "1", NULL);
  work_do(work, &INSERT, "1", "1", NULL);
  bench_expect(VERDICT_POISON, work_sync(work, &outcome), &outcome, "sync of a refused one");
  CHECK(work_ask(work, &SELECT, "1") == NULL, "a broken unit does nothing more");
  bench_expect(VERDICT_POISON, work_commit(work, &outcome), &outcome, "commit of a broken one");
  CHECK(!outcome.is_committed && !outcome.is_unknown, "rolled back");

  bench_expect(VERDICT_OK, work_begin(database, &work, &outcome), &outcome, "begin");
  work_do(work, &INSERT, "4", "1", NULL);
  work_rollback(work);
  bench_expect(VERDICT_OK, work_begin(database, &work, &outcome), &outcome, "begin");
  work_do(work, &INSERT, "5", "1", NULL);
  bench_expect(VERDICT_OK, work_sync(work, &outcome), &outcome, "sync");
  work_rollback(work);
  CHECK(bench_number(bench, "SELECT count(*) FROM item") == 2, "nothing of what was rolled back");
  CHECK(bench_number(bench, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'work-check' AND state <> 'idle'") == 0,
        "no transaction is left open");
  database_free(database);
}

/* A connection that is dropped under a unit of work: what follows must not run outside of a transaction on another one. */
static void check_dropped(struct bench *bench)
{
  struct database *database = database_new(bench->direct, "work-check");
  struct work_outcome outcome;
  struct work *work;

  bench_expect(VERDICT_OK, work_begin(database, &work, &outcome), &outcome, "begin");
  work_do(work, &INSERT, "1", "1", NULL);
  bench_expect(VERDICT_OK, work_sync(work, &outcome), &outcome, "sync");
  database_drop(database);
  CHECK(database_connect(database, NULL) == VERDICT_RETRY, "no other connection under an open unit");
  work_do(work, &INSERT, "2", "1", NULL);
  bench_expect(VERDICT_RETRY, work_commit(work, &outcome), &outcome, "commit of a dropped one");
  CHECK(!outcome.is_committed && !outcome.is_unknown && bench_number(bench, "SELECT count(*) FROM item") == 0, "nothing happened");
  bench_expect(VERDICT_OK, work_run(database, write_only, (void *)"1", &outcome), &outcome, "the next one");
  database_free(database);
}

/* --- other outboxes ---------------------------------------------------------------------------------------------------------------------------------- */

static const struct outbox_table old_table = {
    .insert = {"old_outbox_insert",
               "INSERT INTO old_outbox (traceparent, cause, correlation, version, payload, event_type, aggregate_id, aggregate_type, event_id, all_headers)"
               " VALUES ($1, $2, $3, $4, $5, $6, $7::bigint, $8, $9, $10)"},
    .columns = {OUTBOX_TRACEPARENT, OUTBOX_CAUSATION, OUTBOX_CORRELATION, OUTBOX_VERSION, OUTBOX_BODY, OUTBOX_TYPE, OUTBOX_KEY, OUTBOX_TOPIC, OUTBOX_ID,
                OUTBOX_HEADERS},
};

static enum work_end publish_old(struct work *work, void *context)
{
  static const struct origin origin = {.correlation_id = "corr-2", .causation_id = "cause-2", .traceparent = "trace-2"};
  json_t *body = json_pack("{s:s}", "name", "\xed\x95\x9c\xea\xb8\x80");

  (void)context;
  outbox_publish(work, &old_table, "auth-service",
                 &(struct outbox_event){.topic = "MEMBER", .key = "7", .type = "CREATED", .id = "id-2", .version = "1.1", .origin = &origin, .body = body});
  outbox_publish(work, &old_table, "auth-service", &(struct outbox_event){.topic = "MEMBER", .key = "8", .type = "DELETED", .id = "id-3", .body = body});
  json_decref(body);
  return WORK_COMMIT;
}

static enum work_end publish_too_much(struct work *work, void *context)
{
  json_t *body = json_pack("{s:s}", "text", context);

  outbox_publish(work, &outbox_default, "auth-service",
                 &(struct outbox_event){.topic = "t", .key = "k", .type = "T", .id = "11111111-2222-4333-8444-555555555556", .body = body});
  json_decref(body);
  return WORK_COMMIT;
}

static void check_other_outboxes(struct bench *bench)
{
  struct database *database = database_new(bench->direct, "work-check");
  struct work_outcome outcome;
  char *text = calloc(1, 900001);

  CHECK(text != NULL, "memory");
  memset(text, 'x', 900000);
  (void)bench_look(bench, "CREATE TABLE old_outbox (event_id text, aggregate_type text, aggregate_id bigint, event_type text, payload text, version text,"
                          " correlation text, cause text, traceparent text, all_headers json)");
  bench_expect(VERDICT_OK, work_run(database, publish_old, NULL, &outcome), &outcome, "an old table");
  CHECK(strcmp(bench_look(bench, "SELECT concat_ws('|', event_id, aggregate_type, aggregate_id, event_type, payload, version, correlation, cause, traceparent,"
                                 " all_headers->>'source') FROM old_outbox WHERE aggregate_id = 7"),
               "id-2|MEMBER|7|CREATED|{\"name\":\"\xed\x95\x9c\xea\xb8\x80\"}|1.1|corr-2|cause-2|trace-2|auth-service") == 0,
        "%s", bench_look(bench, "SELECT old_outbox FROM old_outbox"));
  CHECK(bench_number(
            bench,
            "SELECT count(*) FROM old_outbox WHERE aggregate_id = 8 AND version = '1.0' AND correlation IS NULL AND cause IS NULL AND traceparent IS NULL") ==
            1,
        "nothing is made up without an origin");
  (void)bench_look(bench, "DROP TABLE old_outbox");
  bench_expect(VERDICT_POISON, work_run(database, publish_too_much, text, &outcome), &outcome, "an event that is too large");
  CHECK(strcmp(outcome.constraint, "outbox_payload_fits") == 0 && bench_number(bench, "SELECT count(*) FROM public.outbox") == 0, "refused");
  free(text);
  database_free(database);
}

const struct check work_checks[] = {
    {"trips", check_trips},
    {"limits", check_limits},
    {"refusals", check_refusals},
    {"privilege", check_privilege},
    {"statements", check_statements},
    {"large", check_large},
    {"large_encrypted", check_large_encrypted},
    {"held_open", check_held_open},
    {"dropped", check_dropped},
    {"other_outboxes", check_other_outboxes},
    {0},
};
