/*
 * load_session.c - one connection's transactions. Each event takes the next number of its key from fault_keys and is inserted with it, in one statement:
 *
 *     UPDATE fault_keys SET n = n + 1 WHERE key = $1 RETURNING n     the key's row stays locked until the transaction ends, so n rises in commit order
 *     INSERT INTO outbox ... '{"n":' || n || $rest
 *
 * Keys are taken in ascending order, also behind a savepoint, so that no two transactions wait for each other. A rollback, whole or to a savepoint, gives its numbers
 * back. A COMMIT that was sent and not answered is `unknown`; a connection that was lost earlier is a rollback.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "load.h"
#include "stop_signal.h"

struct load_event {
  uint32_t key;
  bool is_undone; /* its savepoint was rolled back */
  bool is_there;
  int64_t n;
  char id[37];
  char sha256[65];
};

static const char insert_event[] = "WITH taken AS (UPDATE fault_keys SET n = n + 1 WHERE key = $1 RETURNING n) "
                                   "INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload) "
                                   "SELECT $2::uuid, $3, $1, $5, ('{\"n\":' || n || $4)::json FROM taken "
                                   "RETURNING substring(payload::text from '^\\{\"n\":(\\d+)'), pg_current_xact_id()::text";

bool load_prepare_keys(const struct load *load, struct database *database)
{
  static const char *const statements[] = {
      "BEGIN",
      "SELECT pg_advisory_xact_lock(4711)", /* two writers that begin together */
      "CREATE TABLE IF NOT EXISTS fault_keys (key text PRIMARY KEY, n bigint NOT NULL DEFAULT 0) WITH (fillfactor = 50)",
  };
  bool is_done = true;

  for (size_t i = 0; i < sizeof(statements) / sizeof(*statements) && is_done; i++) {
    is_done = database_ask(database, statements[i], 0, NULL, NULL) == DATABASE_DONE;
  }
  for (uint32_t i = 0; i < load->keys && is_done; i++) {
    char key[LOAD_KEY_MAX_BYTES];
    const char *values[1] = {key};

    load_key(load, i, key);
    is_done = database_ask(database, "INSERT INTO fault_keys (key) VALUES ($1) ON CONFLICT DO NOTHING", 1, values, NULL) == DATABASE_DONE;
  }
  return is_done && database_ask(database, "COMMIT", 0, NULL, NULL) == DATABASE_DONE;
}

bool load_session_open(struct load_session *session)
{
  return database_open(&session->database) && database_prepare(&session->database, "insert_event", insert_event);
}

static void new_id(char ret_id[37])
{
  unsigned char b[16];

  if (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b)) {
    abort();
  }
  b[6] = (unsigned char)((b[6] & 0x0F) | 0x40);
  b[8] = (unsigned char)((b[8] & 0x3F) | 0x80);
  (void)snprintf(ret_id, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9],
                 b[10], b[11], b[12], b[13], b[14], b[15]);
}

/* One event; its number and hash are filled in. */
static enum database_answer insert(struct load_session *session, struct load_event *event, char ret_xid[24])
{
  const struct load *load = session->load;
  char key[LOAD_KEY_MAX_BYTES], head[40];
  const char *values[5] = {key, event->id, load->topics[event->key % load->topic_count], NULL, load->type};
  enum database_answer answer;
  PGresult *result = NULL;

  new_id(event->id);
  load_key(load, event->key, key);
  load_payload(&session->dice, key, dice_skewed(&session->dice, load->payload_least, load->payload_most), &session->payload);
  values[3] = session->payload.bytes;
  answer = database_ask_prepared(&session->database, "insert_event", 5, values, &result);
  if (answer == DATABASE_DONE && PQntuples(result) == 1) {
    struct json_line whole = {0};

    event->is_there = true;
    event->n = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
    (void)snprintf(ret_xid, 24, "%s", PQgetvalue(result, 0, 1));
    (void)snprintf(head, sizeof(head), "{\"n\":%s", PQgetvalue(result, 0, 0));
    json_line_append(&whole, head);
    json_line_append(&whole, session->payload.bytes);
    load_sha256(whole.bytes, whole.length, event->sha256);
    json_line_done(&whole);
  } else if (answer != DATABASE_GONE) {
    (void)fprintf(stderr, "fault_writer: %s", answer == DATABASE_REFUSED ? PQresultErrorMessage(result) : "no such key\n");
    answer = DATABASE_REFUSED;
  }
  if (answer != DATABASE_GONE) {
    PQclear(result);
  }
  return answer;
}

static int compare_keys(const void *left, const void *right)
{
  uint32_t a = ((const struct load_event *)left)->key, b = ((const struct load_event *)right)->key;

  return (a > b) - (a < b);
}

static void tell_end(struct load_session *session, const char *op, const char *txn, const char *xid, const struct load_event *events, uint32_t count)
{
  struct json_line *line = &session->line;

  json_line_begin(line, op);
  json_line_string(line, "txn", txn);
  json_line_raw(line, "xid", xid[0] != '\0' ? xid : "null");
  json_line_open(line, "events", '[');
  for (uint32_t i = 0; i < count; i++) {
    const struct load_event *event = &events[i];
    char key[LOAD_KEY_MAX_BYTES], topic[512];

    if (!event->is_there || event->is_undone) {
      continue;
    }
    load_key(session->load, event->key, key);
    (void)snprintf(topic, sizeof(topic), "%s%s", session->load->topic_prefix, session->load->topics[event->key % session->load->topic_count]);
    json_line_open(line, NULL, '{');
    json_line_string(line, "id", event->id);
    json_line_string(line, "key", key);
    json_line_number(line, "n", event->n);
    json_line_string(line, "topic", topic);
    json_line_string(line, "sha256", event->sha256);
    json_line_close(line, '}');
  }
  json_line_close(line, ']');
  json_line_open(line, "undone", '[');
  for (uint32_t i = 0; i < count; i++) {
    if (events[i].is_there && events[i].is_undone) {
      json_line_string(line, NULL, events[i].id);
    }
  }
  json_line_close(line, ']');
  json_line_write(line, session->load->output);
}

/* The statements between BEGIN and COMMIT. `[from, to)` is the part within a savepoint. */
static enum database_answer work(struct load_session *session, struct load_event *events, uint32_t count, uint32_t from, uint32_t to, bool is_undone,
                                 char xid[24])
{
  enum database_answer answer = DATABASE_DONE;

  for (uint32_t i = 0; i < count && answer == DATABASE_DONE; i++) {
    if (i == from && from < to) {
      answer = database_ask(&session->database, "SAVEPOINT part", 0, NULL, NULL);
    }
    if (answer == DATABASE_DONE) {
      answer = insert(session, &events[i], xid);
    }
    if (answer == DATABASE_DONE && i + 1 == to && from < to) {
      answer = database_ask(&session->database, is_undone ? "ROLLBACK TO SAVEPOINT part" : "RELEASE SAVEPOINT part", 0, NULL, NULL);
      for (uint32_t j = from; j < to && is_undone; j++) {
        events[j].is_undone = true;
      }
    }
  }
  return answer;
}

bool load_session_run(struct load_session *session)
{
  const struct load *load = session->load;
  uint32_t count = dice_skewed(&session->dice, load->events_least, load->events_most), from = 0, to = 0;
  struct load_event *events = realloc(session->events, (count + 1) * sizeof(*events));
  bool is_rollback = dice_says(&session->dice, load->rollbacks), is_undone = false;
  char txn[64], xid[24] = "";
  enum database_answer answer;
  PGresult *result = NULL;
  const char *op;

  if (events == NULL) {
    abort();
  }
  session->events = events;
  for (uint32_t i = 0; i < count; i++) {
    events[i] = (struct load_event){.key = dice_below(&session->dice, load->keys)};
  }
  qsort(events, count, sizeof(*events), compare_keys);
  if (count > 0 && dice_says(&session->dice, load->savepoints)) {
    from = dice_below(&session->dice, count);
    to = from + 1 + dice_below(&session->dice, count - from);
    is_undone = dice_says(&session->dice, 0.5);
  }
  (void)snprintf(txn, sizeof(txn), "%d.%d.%lld", (int)getpid(), session->number, (long long)++session->transactions);
  json_line_begin(&session->line, "begin");
  json_line_string(&session->line, "txn", txn);
  json_line_write(&session->line, load->output);

  answer = database_ask(&session->database, "BEGIN", 0, NULL, NULL);
  if (answer == DATABASE_DONE) {
    answer = work(session, events, count, from, to, is_undone, xid);
  }
  if (answer == DATABASE_DONE && !is_rollback) {
    answer = database_ask(&session->database, "COMMIT", 0, NULL, &result);
    if (answer == DATABASE_GONE) {
      op = "unknown";
      session->counts.unknown++;
    } else {
      /* COMMIT of a transaction that failed is answered by ROLLBACK. */
      op = answer == DATABASE_DONE && strcmp(PQcmdStatus(result), "COMMIT") == 0 ? "commit" : "rollback";
      PQclear(result);
    }
  } else {
    op = "rollback";
    if (answer != DATABASE_GONE) {
      answer = database_ask(&session->database, "ROLLBACK", 0, NULL, NULL);
    }
  }
  tell_end(session, op, txn, xid, events, count);
  if (strcmp(op, "commit") == 0) {
    session->counts.committed++;
    for (uint32_t i = 0; i < count; i++) {
      session->counts.events += events[i].is_there && !events[i].is_undone ? 1 : 0;
    }
  } else if (strcmp(op, "rollback") == 0) {
    session->counts.rolled_back++;
  }
  return answer != DATABASE_GONE;
}

void load_session_done(struct load_session *session)
{
  database_close(&session->database);
  json_line_done(&session->line);
  json_line_done(&session->payload);
  free(session->events);
  session->events = NULL;
}
