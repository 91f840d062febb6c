/*
 * inbox.c - the program inbox_check: does one check of inbox.h or dead_letter.h on a real PostgreSQL, seen from outside by a connection of its own.
 *
 *     inbox_check PORT DATABASE CHECK     exit code 0: all was as it should be; 1: not, and stderr says what
 *     inbox_check --list
 */
#include "inbox.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "dead_letter.h"
#include "event_reader.h"

enum { PATIENCE_S = 60, CROSSING_EVENTS = 200, CROSSING_ROUNDS = 20, ID_SIZE = EVENT_UNIQUE_ID_MAX_BYTES + 1 };

static const char table[] = "notification.inbox";
static char conninfo[512];
static PGconn *onlooker;

/* The first value of the answer, borrowed until the next call. */
static const char *look(const char *sql)
{
  static char text[4096];
  PGresult *result = PQexec(onlooker, sql);

  CHECK(PQresultStatus(result) == PGRES_TUPLES_OK || PQresultStatus(result) == PGRES_COMMAND_OK, "%s: %s", sql, PQerrorMessage(onlooker));
  (void)snprintf(text, sizeof(text), "%s", PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");
  PQclear(result);
  return text;
}

static void expect(const char *sql, const char *expected)
{
  const char *actual = look(sql);

  CHECK(strcmp(actual, expected) == 0, "%s is \"%s\" and not \"%s\"", sql, actual, expected);
}

/* One consumer with its connection. */
struct taker {
  struct database *database;
  struct inbox inbox;
  struct arena arena;
  struct work *work;
};

static void taker_init(struct taker *taker, const char *consumer)
{
  struct problem problem = {0};

  taker->database = database_new(conninfo, "inbox-check");
  CHECK(inbox_init(&taker->inbox, table, consumer, &problem) == VERDICT_OK, "%s", problem.text);
  arena_init(&taker->arena, 4096);
}

static void taker_done(struct taker *taker)
{
  arena_done(&taker->arena);
  database_free(taker->database);
}

static void begin(struct taker *taker)
{
  struct work_outcome outcome;

  CHECK(work_begin(taker->database, &taker->work, &outcome) == VERDICT_OK, "%s", outcome.problem.text);
}

static void commit(struct taker *taker)
{
  struct work_outcome outcome;

  CHECK(work_commit(taker->work, &outcome) == VERDICT_OK, "%s", outcome.problem.text);
}

static void claim(struct taker *taker, const struct event *const *events, size_t count, bool *ret_is_new)
{
  struct work_outcome outcome;

  if (!inbox_claim(&taker->inbox, taker->work, events, count, &taker->arena, ret_is_new)) {
    CHECK(work_sync(taker->work, &outcome) == VERDICT_OK, "not claimed: %s %s", outcome.sqlstate, outcome.problem.text);
    CHECK(false, "not claimed, and nobody says why");
  }
}

static bool claim_one(struct taker *taker, const char *id)
{
  struct event event = {.unique_id = id, .topic = "order.created.v1", .partition = 2, .offset = INT64_C(9007199254740993)};
  const struct event *batch[] = {&event};
  bool is_new = false;

  claim(taker, batch, 1, &is_new);
  return is_new;
}

/* ------------------------------------------------------------------------------------------------------------------------------------------------------- */
/* The inbox */

static void check_one(void)
{
  struct taker taker;
  struct taker other;

  taker_init(&taker, "first");
  taker_init(&other, "second");
  begin(&taker);
  CHECK(claim_one(&taker, "e \"1\"\\"), "a new event");
  CHECK(!claim_one(&taker, "e \"1\"\\"), "again, in the same transaction");
  commit(&taker);
  expect("SELECT concat_ws('|', consumer, event_id, topic, partition, \"offset\") FROM notification.inbox",
         "first|e \"1\"\\|order.created.v1|2|9007199254740993");
  begin(&taker);
  CHECK(!claim_one(&taker, "e \"1\"\\"), "again, later");
  commit(&taker);
  begin(&other);
  CHECK(claim_one(&other, "e \"1\"\\"), "another consumer");
  commit(&other);
  begin(&taker);
  CHECK(claim_one(&taker, "e-2"), "before a rollback");
  work_rollback(taker.work);
  begin(&taker);
  CHECK(claim_one(&taker, "e-2"), "after it");
  commit(&taker);
  taker_done(&taker);
  taker_done(&other);
}

static void check_batch(void)
{
  static const char *const ids[] = {"7", "8 \"{},\\", "9", "8 \"{},\\", "NULL", "gr\xc3\xbc\xc3\x9f", "null"};
  static const bool expected[] = {true, true, false, false, true, true, true};
  enum { COUNT = sizeof(ids) / sizeof(ids[0]) };
  struct event events[COUNT];
  const struct event *batch[COUNT];
  bool is_new[COUNT];
  struct taker taker;

  taker_init(&taker, "first");
  begin(&taker);
  CHECK(claim_one(&taker, "9"), "handled before");
  commit(&taker);
  for (size_t i = 0; i < COUNT; i++) {
    events[i] = (struct event){.unique_id = ids[i], .topic = "orders", .partition = (int32_t)i, .offset = (int64_t)i * 10};
    batch[i] = &events[i];
  }
  begin(&taker);
  claim(&taker, batch, COUNT, is_new);
  commit(&taker);
  for (size_t i = 0; i < COUNT; i++) {
    CHECK(is_new[i] == expected[i], "%s, number %zu", ids[i], i);
  }
  expect("SELECT count(*) FROM notification.inbox", "6");
  expect("SELECT concat_ws('|', topic, partition, \"offset\") FROM notification.inbox WHERE event_id = E'8 \"{},\\\\'", "orders|1|10");
  begin(&taker);
  claim(&taker, batch, COUNT, is_new);
  commit(&taker);
  for (size_t i = 0; i < COUNT; i++) {
    CHECK(!is_new[i], "%s, number %zu, once more", ids[i], i);
  }
  taker_done(&taker);
}

static void check_largest_batch(void)
{
  static char ids[CONSUMER_BATCH_MAX][ID_SIZE];
  static struct event events[CONSUMER_BATCH_MAX];
  static const struct event *batch[CONSUMER_BATCH_MAX];
  static bool is_new[CONSUMER_BATCH_MAX];
  struct taker taker;

  for (int i = 0; i < CONSUMER_BATCH_MAX; i++) {
    memset(ids[i], '"', ID_SIZE - 1);
    (void)snprintf(ids[i], 8, "%03d", i);
    ids[i][3] = '\\';
    events[i] = (struct event){.unique_id = ids[i], .topic = "orders", .partition = INT32_MAX, .offset = INT64_MAX};
    batch[i] = &events[i];
  }
  taker_init(&taker, "first");
  begin(&taker);
  claim(&taker, batch, CONSUMER_BATCH_MAX, is_new);
  commit(&taker);
  for (int i = 0; i < CONSUMER_BATCH_MAX; i++) {
    CHECK(is_new[i], "number %d", i);
  }
  expect("SELECT count(*) || ' ' || min(length(event_id)) FROM notification.inbox", "500 450");
  taker_done(&taker);
}

struct rival {
  struct taker taker;
  bool is_new;
};

static void *rival_run(void *context)
{
  struct rival *rival = context;

  begin(&rival->taker);
  rival->is_new = claim_one(&rival->taker, "contested");
  commit(&rival->taker);
  return NULL;
}

static void await_waiter(void)
{
  for (int i = 0; i < 1000; i++) {
    if (strcmp(look("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"), "1") == 0) {
      return;
    }
    (void)usleep(10000);
  }
  CHECK(false, "the second did not wait");
}

/* One that was stopped in the middle, and the one that got its partition. */
static void contest(bool is_committed)
{
  struct taker first;
  struct rival second;
  pthread_t thread;

  (void)look("TRUNCATE notification.inbox");
  taker_init(&first, "same");
  taker_init(&second.taker, "same");
  begin(&first);
  CHECK(claim_one(&first, "contested"), "the first");
  CHECK(pthread_create(&thread, NULL, rival_run, &second) == 0, "thread");
  await_waiter();
  if (is_committed) {
    commit(&first);
  } else {
    work_rollback(first.work);
  }
  (void)pthread_join(thread, NULL);
  CHECK(second.is_new == !is_committed, "the second, after a %s", is_committed ? "commit" : "rollback");
  expect("SELECT count(*) FROM notification.inbox", "1");
  taker_done(&first);
  taker_done(&second.taker);
}

static void check_second_waits(void)
{
  contest(true);
  contest(false);
}

static pthread_barrier_t crossing;

struct crosser {
  bool is_backward;
  size_t fresh;
};

static void *crosser_run(void *context)
{
  struct crosser *crosser = context;
  struct taker taker;
  char ids[CROSSING_EVENTS][32];
  struct event events[CROSSING_EVENTS];
  const struct event *batch[CROSSING_EVENTS];
  bool is_new[CROSSING_EVENTS];

  taker_init(&taker, "same");
  for (int round = 0; round < CROSSING_ROUNDS; round++) {
    for (int i = 0; i < CROSSING_EVENTS; i++) {
      (void)snprintf(ids[i], sizeof(ids[i]), "%d-%d", round, crosser->is_backward ? CROSSING_EVENTS - 1 - i : i);
      events[i] = (struct event){.unique_id = ids[i], .topic = "orders"};
      batch[i] = &events[i];
    }
    begin(&taker);
    (void)pthread_barrier_wait(&crossing);
    claim(&taker, batch, CROSSING_EVENTS, is_new);
    commit(&taker);
    for (int i = 0; i < CROSSING_EVENTS; i++) {
      crosser->fresh += is_new[i];
    }
    arena_reset(&taker.arena);
  }
  taker_done(&taker);
  return NULL;
}

/* The same events in opposite orders: a deadlock would be an error of one of them. */
static void check_crossing_batches(void)
{
  struct crosser crossers[2] = {{.is_backward = false}, {.is_backward = true}};
  pthread_t threads[2];

  (void)pthread_barrier_init(&crossing, NULL, 2);
  for (size_t i = 0; i < 2; i++) {
    CHECK(pthread_create(&threads[i], NULL, crosser_run, &crossers[i]) == 0, "thread");
  }
  for (size_t i = 0; i < 2; i++) {
    (void)pthread_join(threads[i], NULL);
  }
  CHECK(crossers[0].fresh + crossers[1].fresh == (size_t)CROSSING_EVENTS * CROSSING_ROUNDS, "%zu and %zu are new", crossers[0].fresh, crossers[1].fresh);
}

/* ------------------------------------------------------------------------------------------------------------------------------------------------------- */
/* Dead letters */

static struct arena arena;
static struct problem no_stock = {.cause = "no_stock", .text = "sku 7 has no stock"};

/* The letter that `consumer` writes about the record. */
static struct dead_letter letter_of(const struct record *record, const char *consumer, const char *topic)
{
  static const struct subscription subscription = {.topic = "order.created.v1"};
  struct event_reader reader = {0};
  struct dead_letter_cause cause = {
      .consumer = consumer, .group = "group", .host = "host-1", .problem = &no_stock, .attempts = 4, .first_failure_us = 1, .last_failure_us = 2};
  struct dead_letter letter;

  cause.is_unreadable = event_reader_read(&reader, record, &subscription, NULL) != VERDICT_OK;
  dead_letter_build(&letter, record, &reader.event, &cause, topic, 3, &arena);
  event_reader_reset(&reader);
  return letter;
}

static void bury(const struct record *record, const char *consumer, const char *topic, const char *conninfo_of_writer)
{
  struct database *database = database_new(conninfo_of_writer, "inbox-check");
  struct dead_letter letter = letter_of(record, consumer, topic);
  struct parameter parameters[DEAD_LETTER_PARAMETERS];
  struct work_outcome outcome;
  struct problem problem;
  struct work *work;

  CHECK(dead_letter_fits_outbox(&letter, &problem), "%s", problem.text);
  dead_letter_parameters(&letter, &arena, parameters);
  CHECK(work_begin(database, &work, &outcome) == VERDICT_OK, "%s", outcome.problem.text);
  work_queue(work, &dead_letter_insert, DEAD_LETTER_PARAMETERS, parameters);
  CHECK(work_commit(work, &outcome) == VERDICT_OK, "%s %s", outcome.sqlstate, outcome.problem.text);
  database_free(database);
}

static const struct record_header sample_headers[] = {
    {"id", {"order_123", 9}}, {"eventType", {"OrderCreated", 12}}, {"note \"\\", {"\0\xff", 2}}, {"note", {NULL, 0}}, {"lsn", {"0/1/0", 5}}};

static struct record sample(void)
{
  return (struct record){.topic = "order.created.v1",
                         .partition = 2,
                         .offset = 41,
                         .timestamp_ms = 1700000000000,
                         .time = RECORD_TIME_CREATED,
                         .key = span_of("k\0\xff", 3),
                         .value = span_of_text("{\"n\": 1}"),
                         .header_count = 5,
                         .headers = sample_headers};
}

static void check_dead_letters(void)
{
  struct record record = sample();

  bury(&record, "first", "order.created.v1.dlq", conninfo);
  expect("SELECT concat_ws('|', event_id, aggregatetype, encode(aggregateid, 'hex'), type, convert_from(payload, 'UTF8'), partition) FROM outbox_binary",
         "order_123|order.created.v1.dlq|6b00ff|OrderCreated|{\"n\": 1}|2");
  expect("SELECT jsonb_path_query_array(headers, '$[0 to 2]') FROM outbox_binary",
         "[[\"note \\\"\\\\\", \"AP8=\"], [\"note\", null], [\"dlt.original.lsn\", \"MC8xLzA=\"]]");
  expect("SELECT encode(decode(h ->> 1, 'base64'), 'hex') FROM outbox_binary, jsonb_array_elements(headers) h WHERE h ->> 0 = 'kafka_dlt-original-offset'",
         "0000000000000029");
  bury(&record, "first", "order.created.v1.dlq", conninfo);
  expect("SELECT count(*) FROM outbox_binary", "1"); /* done again after a crash */
  bury(&record, "second", "order.created.v1.dlq", conninfo);
  expect("SELECT count(*) FROM outbox_binary", "2"); /* another consumer of the same database */
  record.offset = 99;
  bury(&record, "first", "order.created.v1.dlq", conninfo);
  expect("SELECT count(*) || ' ' || count(DISTINCT event_id) FROM outbox_binary", "3 1"); /* redriven, and dead again */
}

static void check_dead_letters_of_odd_records(void)
{
  static char bytes[DEAD_LETTER_OUTBOX_VALUE_MAX_BYTES];
  struct record record = sample();
  struct record_header large = {"large", {bytes, 46000}};

  memset(bytes, 'v', sizeof(bytes));
  record.value = span_of(NULL, 0);
  record.header_count = 0;
  bury(&record, "first", "a.dlq", conninfo);
  expect("SELECT (payload IS NULL) || ' ' || (type IS NULL) || ' ' || event_id FROM outbox_binary", "true true order.created.v1/2/41@1700000000000");
  record.offset = 42;
  record.value = span_of(bytes, sizeof(bytes));
  record.key = span_of(bytes, DEAD_LETTER_OUTBOX_KEY_MAX_BYTES);
  record.headers = &large;
  record.header_count = 1;
  bury(&record, "first", "b.dlq", conninfo);
  expect("SELECT octet_length(payload) || ' ' || (octet_length(headers::text) > 60000) FROM outbox_binary WHERE aggregatetype = 'b.dlq'", "900000 true");
}

/* Whatever dead_letter_fits_outbox() lets through the table's CHECK must take, to the byte. Base64 goes in steps of four: the name fills the rest. */
static void check_dead_letters_at_the_limit(void)
{
  static const char *const names[] = {"n", "nn", "nnn", "nnnn"};
  static char bytes[DEAD_LETTER_OUTBOX_HEADERS_MAX_BYTES];
  struct record record = sample();
  struct record_header header = {.value = {bytes, 0}};

  memset(bytes, 'v', sizeof(bytes));
  record.headers = &header;
  record.header_count = 1;
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    size_t longest = 0;

    header.name = names[i];
    for (header.value.length = 45000; header.value.length < 50000; header.value.length++) {
      struct dead_letter letter = letter_of(&record, "first", "limit.dlq");

      longest = dead_letter_fits_outbox(&letter, NULL) ? header.value.length : longest;
      arena_reset(&arena);
    }
    header.value.length = longest;
    record.offset = (int64_t)i;
    bury(&record, "first", "limit.dlq", conninfo);
  }
  expect("SELECT count(*) || ' ' || max(octet_length(headers::text)) FROM outbox_binary", "4 65536");
}

/* A writer may INSERT its own types, and read nothing. */
static void check_dead_letters_of_a_writer(void)
{
  char as_writer[sizeof(conninfo) + 64];
  struct record record = sample();

  (void)snprintf(as_writer, sizeof(as_writer), "%s options='-c role=outbox_writer'", conninfo);
  (void)look("INSERT INTO outbox_writer_aggregate VALUES ('outbox_writer', 'order.created.v1.dlq') ON CONFLICT DO NOTHING");
  (void)look("GRANT INSERT ON outbox_binary TO outbox_writer"); /* as a role that buries dead letters has it */
  bury(&record, "first", "order.created.v1.dlq", as_writer);
  bury(&record, "first", "order.created.v1.dlq", as_writer);
  expect("SELECT count(*) FROM outbox_binary", "1");
}

/* ------------------------------------------------------------------------------------------------------------------------------------------------------- */

static const struct {
  const char *name;
  void (*run)(void);
} checks[] = {
    {"one", check_one},
    {"batch", check_batch},
    {"largest_batch", check_largest_batch},
    {"second_waits", check_second_waits},
    {"crossing_batches", check_crossing_batches},
    {"dead_letters_of_odd_records", check_dead_letters_of_odd_records},
    {"dead_letters_at_the_limit", check_dead_letters_at_the_limit},
    {"dead_letters_of_a_writer", check_dead_letters_of_a_writer},
    {"dead_letters", check_dead_letters},
};

int main(int argc, char **argv)
{
  bool is_list = argc == 2 && strcmp(argv[1], "--list") == 0;

  if (!is_list && argc != 4) {
    (void)fprintf(stderr, "usage: inbox_check PORT DATABASE CHECK | --list\n");
    return 2;
  }
  (void)alarm(PATIENCE_S);
  for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
    if (is_list) {
      (void)puts(checks[i].name);
    } else if (strcmp(checks[i].name, argv[3]) == 0) {
      (void)snprintf(conninfo, sizeof(conninfo), "host=127.0.0.1 port=%s dbname=%s user=postgres", argv[1], argv[2]);
      onlooker = PQconnectdb(conninfo);
      CHECK(PQstatus(onlooker) == CONNECTION_OK, "%s", PQerrorMessage(onlooker));
      (void)look("TRUNCATE notification.inbox, outbox_binary");
      arena_init(&arena, 65536);
      checks[i].run();
      arena_done(&arena);
      PQfinish(onlooker);
      return 0;
    }
  }
  return is_list ? 0 : 2;
}
