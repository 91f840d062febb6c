/*
 * pg_stream.c - PostgreSQL's streaming replication protocol over libpq, never blocking, on the loop's thread.
 *
 *   CLOSED -> ATTEMPT -> IDENTIFY -> CATALOG (its queries, one by one) -> READY, if somebody else holds the slot
 *                                                                      -> ATTEMPT -> IDENTIFY -> READY -> STARTING -> STREAMING -> FINISHING
 *
 * The connection that streams has run no SQL: a walsender that has looked at the catalog decodes older WAL with today's catalog instead of that WAL's own
 * (measured with PostgreSQL 15: after a query on pg_publication_tables, rows from before the publication was recreated were left out, and rows from before a column
 * was replaced came with the new column's default). So the catalog is read on a connection of its own, and the one that streams only says IDENTIFY_SYSTEM, by which
 * both are known to have reached the same server.
 *
 * Messages inside CopyData (PostgreSQL, "Streaming Replication Protocol"), all integers big-endian:
 *
 *   'w' XLogData    int64 start of the data, int64 end of WAL, int64 server clock, then the plugin's bytes
 *   'k' keepalive   int64 end of WAL, int64 server clock, byte 1 = reply at once
 *   'r' status      int64 written, int64 flushed, int64 applied (each: last byte + 1), int64 client clock, byte 1 = reply at once
 *
 * Clocks count microseconds since 2000-01-01. Only `flushed` moves the slot. The server checks nothing of it, so ack/ must be right.
 */
#include "stream/pg_stream.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "stream/catalog.h"
#include "stream/pg_connection.h"
#include "stream/stream_priv.h"

enum step { STEP_CLOSED, STEP_ATTEMPT, STEP_IDENTIFY, STEP_CATALOG, STEP_READY, STEP_STARTING, STEP_STREAMING, STEP_FINISHING };

enum { XLOG_DATA_HEADER_BYTES = 25, KEEPALIVE_BYTES = 18, STATUS_BYTES = 34 };

struct pg_stream {
  struct stream base;
  const struct config *config;
  enum step step;
  struct pg_attempt *attempt;
  PGconn *connection;
  PGresult *result; /* of the query under way */
  struct catalog catalog;
  bool has_catalog;
  bool is_checked; /* the catalog was read and judged on a connection before this one */
  size_t query;
  struct server_facts facts;
  char *message; /* of the last receive; libpq's memory */
};

static struct pg_stream *self(struct stream *stream)
{
  return (struct pg_stream *)stream;
}

static uint64_t read_u64(const char *bytes)
{
  uint64_t value = 0;

  for (int i = 0; i < 8; i++) {
    value = value << 8 | (uint8_t)bytes[i];
  }
  return value;
}

static void write_u64(char *bytes, uint64_t value)
{
  for (int i = 7; i >= 0; i--) {
    bytes[i] = (char)(value & 0xff);
    value >>= 8;
  }
}

static void message_free(struct pg_stream *stream)
{
  if (stream->message != NULL) {
    PQfreemem(stream->message);
    stream->message = NULL;
  }
}

static void catalog_drop(struct pg_stream *stream)
{
  if (stream->has_catalog) {
    catalog_done(&stream->catalog);
    stream->has_catalog = false;
  }
}

static void pg_close(struct stream *base, bool for_good)
{
  struct pg_stream *stream = self(base);

  message_free(stream);
  catalog_drop(stream);
  PQclear(stream->result);
  stream->result = NULL;
  pg_attempt_free(stream->attempt);
  stream->attempt = NULL;
  if (stream->connection != NULL) {
    PQfinish(stream->connection);
    stream->connection = NULL;
  }
  stream->step = STEP_CLOSED;
  stream->is_checked = false;
  base->fd = -1;
  base->events = 0;
  if (for_good) {
    free(stream);
  }
}

/* Any failure ends the connection: there is one way back, from the start. */
static enum verdict fail(struct pg_stream *stream, enum verdict verdict)
{
  pg_close(&stream->base, false);
  return verdict;
}

static enum verdict fail_with(struct pg_stream *stream, const PGresult *result, const char *doing, struct problem *problem)
{
  return fail(stream, pg_problem(stream->connection, result, doing, problem));
}

/* Sends what is buffered; POLLOUT is wanted while some is left. */
static enum verdict flush(struct pg_stream *stream, const char *doing, struct problem *problem)
{
  int left = PQflush(stream->connection);

  if (left < 0) {
    return fail_with(stream, NULL, doing, problem);
  }
  stream->base.events = (short)(POLLIN | (left > 0 ? POLLOUT : 0));
  return VERDICT_OK;
}

static enum verdict send_query(struct pg_stream *stream, const char *sql, const char *doing, struct problem *problem)
{
  if (PQsendQuery(stream->connection, sql) != 1) {
    return fail_with(stream, NULL, doing, problem);
  }
  return flush(stream, doing, problem);
}

/* WAIT until a query's answer is here whole, then OK with its last result (the caller clears it). A COPY is its own end. */
static enum verdict read_result(struct pg_stream *stream, const char *doing, PGresult **ret_result, struct problem *problem)
{
  enum verdict verdict;

  if (PQconsumeInput(stream->connection) != 1) {
    return fail_with(stream, NULL, doing, problem);
  }
  verdict = flush(stream, doing, problem);
  if (verdict != VERDICT_OK) {
    return verdict;
  }
  while (!PQisBusy(stream->connection)) {
    PGresult *result = PQgetResult(stream->connection);

    if (result == NULL && stream->result == NULL) {
      return fail_with(stream, NULL, doing, problem);
    }
    if (result != NULL) {
      PQclear(stream->result);
      stream->result = result;
    }
    if (result == NULL || PQresultStatus(result) == PGRES_COPY_BOTH) {
      *ret_result = stream->result;
      stream->result = NULL;
      return VERDICT_OK;
    }
  }
  return VERDICT_WAIT;
}

static enum verdict step_attempt(struct pg_stream *stream, struct problem *problem)
{
  enum verdict verdict = pg_attempt_step(stream->attempt, &stream->connection, problem);

  stream->base.fd = pg_attempt_fd(stream->attempt);
  stream->base.events = pg_attempt_events(stream->attempt);
  if (verdict == VERDICT_WAIT) {
    return verdict;
  }
  if (verdict != VERDICT_OK) {
    return fail(stream, verdict);
  }
  pg_attempt_free(stream->attempt);
  stream->attempt = NULL;
  stream->base.fd = PQsocket(stream->connection);
  stream->step = STEP_IDENTIFY;
  return send_query(stream, "IDENTIFY_SYSTEM", "identify the server", problem);
}

static enum verdict send_catalog_query(struct pg_stream *stream, struct problem *problem)
{
  char *sql = catalog_query(stream->config, stream->query);
  enum verdict verdict = send_query(stream, sql, "read the catalog", problem);

  free(sql);
  return verdict;
}

/* The second connection: the same server as the first, or several hosts have answered and one has to begin anew. */
static enum verdict identify_again(struct pg_stream *stream, const struct server_facts *facts, struct problem *problem)
{
  if (strcmp(facts->system_id, stream->facts.system_id) != 0 || facts->timeline != stream->facts.timeline) {
    return fail(stream, problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "server_changed",
                                    "two connections reached two servers: system %s timeline %u, then system %s timeline %u", stream->facts.system_id,
                                    (unsigned int)stream->facts.timeline, facts->system_id, (unsigned int)facts->timeline));
  }
  stream->facts.backend_pid = PQbackendPID(stream->connection);
  stream->step = STEP_READY;
  return VERDICT_OK;
}

static enum verdict step_identify(struct pg_stream *stream, struct problem *problem)
{
  struct server_facts facts = {0};
  PGresult *result;
  enum verdict verdict = read_result(stream, "identify the server", &result, problem);

  if (verdict != VERDICT_OK) {
    return verdict;
  }
  if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1 || PQnfields(result) < 4) {
    verdict = fail_with(stream, result, "identify the server", problem);
    PQclear(result);
    return verdict;
  }
  strncpy(facts.system_id, PQgetvalue(result, 0, 0), sizeof(facts.system_id) - 1);
  facts.timeline = (uint32_t)strtoul(PQgetvalue(result, 0, 1), NULL, 10);
  PQclear(result);
  if (stream->is_checked) {
    return identify_again(stream, &facts, problem);
  }
  stream->facts = facts;
  catalog_init(&stream->catalog);
  stream->has_catalog = true;
  stream->query = 0;
  stream->step = STEP_CATALOG;
  return send_catalog_query(stream, problem);
}

/* All that was asked of the first connection is known; the next one has run nothing. */
static void connect_to_stream(struct pg_stream *stream)
{
  PQfinish(stream->connection);
  stream->connection = NULL;
  stream->is_checked = true;
  stream->attempt = pg_attempt_new(stream->config, PG_REPLICATION);
  stream->base.fd = pg_attempt_fd(stream->attempt);
  stream->base.events = pg_attempt_events(stream->attempt);
  stream->step = STEP_ATTEMPT;
}

static enum verdict step_catalog(struct pg_stream *stream, struct problem *problem)
{
  PGresult *result;
  enum verdict verdict = read_result(stream, "read the catalog", &result, problem);

  if (verdict != VERDICT_OK) {
    return verdict;
  }
  if (PQresultStatus(result) != PGRES_TUPLES_OK) {
    verdict = fail_with(stream, result, "read the catalog", problem);
    PQclear(result);
    return verdict;
  }
  verdict = catalog_read(&stream->catalog, stream->config, stream->query, result, problem);
  PQclear(result);
  if (verdict != VERDICT_OK) {
    return fail(stream, verdict);
  }
  if (++stream->query < CATALOG_QUERY_COUNT) {
    return send_catalog_query(stream, problem);
  }
  verdict = catalog_judge(&stream->catalog, stream->config, problem);
  if (verdict != VERDICT_OK) {
    return fail(stream, verdict);
  }
  stream->facts.server_version = stream->catalog.server_version;
  stream->facts.wal_end = stream->catalog.wal_end;
  stream->facts.wal_sender_timeout_us = stream->catalog.wal_sender_timeout_us;
  stream->facts.slot_is_active = stream->catalog.slot_is_active;
  stream->facts.slot_active_pid = stream->catalog.slot_active_pid;
  stream->facts.confirmed = stream->catalog.slot_confirmed;
  catalog_drop(stream);
  if (stream->facts.slot_is_active) {
    stream->step = STEP_READY;
  } else {
    connect_to_stream(stream);
  }
  return VERDICT_OK;
}

static enum verdict pg_stream_connect(struct stream *base, struct moment now, struct server_facts *ret_facts, struct problem *problem)
{
  struct pg_stream *stream = self(base);
  enum verdict verdict = VERDICT_OK;
  enum step before;

  (void)now;
  if (stream->step == STEP_CLOSED) {
    stream->attempt = pg_attempt_new(stream->config, PG_REPLICATION);
    stream->step = STEP_ATTEMPT;
  }
  do {
    before = stream->step;
    switch (stream->step) {
    case STEP_ATTEMPT:
      verdict = step_attempt(stream, problem);
      break;
    case STEP_IDENTIFY:
      verdict = step_identify(stream, problem);
      break;
    case STEP_CATALOG:
      verdict = step_catalog(stream, problem);
      break;
    case STEP_READY:
      *ret_facts = stream->facts;
      return VERDICT_OK;
    case STEP_CLOSED:
    case STEP_STARTING:
    case STEP_STREAMING:
    case STEP_FINISHING:
      return problem_set(problem, VERDICT_FATAL, EXIT_INVARIANT, "invariant", "connect was called on a stream that is open");
    }
  } while (verdict == VERDICT_OK && (stream->step != before || stream->step == STEP_CATALOG));
  return verdict == VERDICT_OK ? VERDICT_WAIT : verdict;
}

static enum verdict pg_stream_start(struct stream *base, Lsn start, struct problem *problem)
{
  struct pg_stream *stream = self(base);
  PGresult *result;
  enum verdict verdict;

  if (stream->step == STEP_READY) {
    char *command = pg_stream_command(stream->config, stream->facts.server_version, start);

    stream->step = STEP_STARTING;
    verdict = send_query(stream, command, "start replication", problem);
    free(command);
    if (verdict != VERDICT_OK) {
      return verdict;
    }
  }
  verdict = read_result(stream, "start replication", &result, problem);
  if (verdict != VERDICT_OK) {
    return verdict;
  }
  if (PQresultStatus(result) != PGRES_COPY_BOTH) {
    verdict = fail_with(stream, result, "start replication", problem);
    PQclear(result);
    return verdict;
  }
  PQclear(result);
  base->bytes_read = 0;
  stream->step = STEP_STREAMING;
  return VERDICT_OK;
}

/* The server ended the COPY: with an error, or in order because it shuts down. */
static enum verdict copy_ended(struct pg_stream *stream, struct problem *problem)
{
  PGresult *result = PQgetResult(stream->connection);
  enum verdict verdict;

  if (result != NULL && PQresultStatus(result) != PGRES_FATAL_ERROR) {
    verdict = fail(stream, problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "server_shutdown", "replication stream was ended by the server"));
  } else {
    verdict = fail_with(stream, result, "receive from replication stream", problem);
  }
  PQclear(result);
  return verdict;
}

static enum verdict parse_message(struct pg_stream *stream, size_t length, struct stream_message *ret_message, struct problem *problem)
{
  const char *bytes = stream->message;

  if (length >= XLOG_DATA_HEADER_BYTES && bytes[0] == 'w') {
    *ret_message = (struct stream_message){
        .kind = STREAM_DATA,
        .body = span_of(bytes + XLOG_DATA_HEADER_BYTES, length - XLOG_DATA_HEADER_BYTES),
        .wal_end = read_u64(bytes + 9),
    };
    return VERDICT_OK;
  }
  if (length >= KEEPALIVE_BYTES && bytes[0] == 'k') {
    *ret_message = (struct stream_message){.kind = STREAM_KEEPALIVE, .wal_end = read_u64(bytes + 1), .reply_requested = bytes[17] != 0};
    return VERDICT_OK;
  }
  return fail(stream, problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "damaged",
                                  "damaged replication message: type 0x%02x with %zu bytes is neither XLogData nor keepalive",
                                  length > 0 ? (unsigned int)(uint8_t)bytes[0] : 0, length));
}

static enum verdict pg_stream_receive(struct stream *base, bool may_read, struct stream_message *ret_message, struct problem *problem)
{
  struct pg_stream *stream = self(base);
  int length;

  message_free(stream);
  length = PQgetCopyData(stream->connection, &stream->message, 1);
  if (length == 0 && may_read) {
    if (PQconsumeInput(stream->connection) != 1) {
      return fail_with(stream, NULL, "receive from replication stream", problem);
    }
    if ((base->events & POLLOUT) != 0) {
      enum verdict verdict = flush(stream, "send to replication stream", problem);

      if (verdict != VERDICT_OK) {
        return verdict;
      }
    }
    length = PQgetCopyData(stream->connection, &stream->message, 1);
  }
  if (length == 0) {
    return VERDICT_WAIT;
  }
  if (length < 0) {
    return length == -1 ? copy_ended(stream, problem) : fail_with(stream, NULL, "receive from replication stream", problem);
  }
  base->bytes_read += (uint64_t)length;
  return parse_message(stream, (size_t)length, ret_message, problem);
}

static enum verdict pg_stream_send_status(struct stream *base, Lsn write, Lsn flushed, Lsn apply, struct moment now, struct problem *problem)
{
  static const char doing[] = "send to replication stream";
  struct pg_stream *stream = self(base);
  char status[STATUS_BYTES];

  if ((base->events & POLLOUT) != 0) {
    enum verdict verdict = flush(stream, doing, problem);

    if (verdict != VERDICT_OK) {
      return verdict;
    }
    if ((base->events & POLLOUT) != 0) {
      return VERDICT_WAIT;
    }
  }
  status[0] = 'r';
  write_u64(status + 1, write);
  write_u64(status + 9, flushed);
  write_u64(status + 17, apply);
  write_u64(status + 25, (uint64_t)(now.wall_us - PG_EPOCH_US));
  status[33] = 0;
  if (PQputCopyData(stream->connection, status, STATUS_BYTES) != 1) {
    return fail_with(stream, NULL, doing, problem);
  }
  return flush(stream, doing, problem);
}

static enum verdict pg_stream_flush(struct stream *base, struct problem *problem)
{
  return flush(self(base), "send to replication stream", problem);
}

/* What still arrives behind our CopyDone is not read by anybody: the server sends it again. */
static enum verdict pg_stream_finish(struct stream *base, struct problem *problem)
{
  struct pg_stream *stream = self(base);
  enum verdict verdict;
  int length;

  if (stream->step == STEP_STREAMING) {
    if (PQputCopyEnd(stream->connection, NULL) != 1) {
      return fail_with(stream, NULL, "end the replication stream", problem);
    }
    stream->step = STEP_FINISHING;
  }
  verdict = flush(stream, "end the replication stream", problem);
  if (verdict != VERDICT_OK) {
    return verdict;
  }
  if (PQconsumeInput(stream->connection) != 1) {
    return fail_with(stream, NULL, "end the replication stream", problem);
  }
  do {
    message_free(stream);
    length = PQgetCopyData(stream->connection, &stream->message, 1);
  } while (length > 0);
  if (length == 0) {
    return VERDICT_WAIT;
  }
  pg_close(base, false);
  return VERDICT_OK;
}

struct stream *pg_stream_new(const struct config *config)
{
  static const struct stream_ops ops = {
      .connect = pg_stream_connect,
      .start = pg_stream_start,
      .receive = pg_stream_receive,
      .send_status = pg_stream_send_status,
      .flush = pg_stream_flush,
      .finish = pg_stream_finish,
      .close = pg_close,
  };
  struct pg_stream *stream = calloc(1, sizeof(*stream));

  if (stream == NULL) {
    abort();
  }
  stream->base.ops = &ops;
  stream->base.fd = -1;
  stream->config = config;
  return &stream->base;
}
