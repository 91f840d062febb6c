/*
 * pg_stream.c - PostgreSQL's streaming replication protocol over libpq, never blocking, on the loop's thread.
 *
 *   CLOSED -> ... -> READY (pg_stream_connect.c) -> STARTING -> LOOKING -> STREAMING -> FINISHING
 *
 * LOOKING: the connection that has read the catalog says where the slot stands now that it is ours, and is closed. Until START_REPLICATION anybody could move it,
 * and the server forwards a start that lies before it without a word. The one that streams runs no SQL (pg_stream_connect.c).
 *
 * Messages inside CopyData (PostgreSQL, "Streaming Replication Protocol"), all integers big-endian:
 *
 *   'w' XLogData    int64 start of the data, int64 end of WAL, int64 server clock, then the plugin's bytes
 *   'k' keepalive   int64 end of WAL, int64 server clock, byte 1 = reply at once
 *   'r' status      int64 written, int64 flushed, int64 applied (each: last byte + 1), int64 client clock, byte 1 = reply at once
 *
 * Before PostgreSQL 18 pgoutput ends the stream where the publication does not exist. Since 18 it warns and leaves out the rows of that stretch of the log: the
 * notice stands in the stream before whatever comes next, and ends it here, so that nothing behind it is ever confirmed.
 *
 * Clocks count microseconds since 2000-01-01. Only `flushed` moves the slot. The server checks nothing of it, so ack/ must be right.
 */
#include "stream/pg_stream.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "stream/near_peer.h"
#include "stream/pg_stream_priv.h"

enum { XLOG_DATA_HEADER_BYTES = 25, KEEPALIVE_BYTES = 18, STATUS_BYTES = 34 };

static const char looking[] = "look where the stream begins";

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

void pg_stream_drop_catalog(struct pg_stream *stream)
{
  if (stream->has_catalog) {
    catalog_done(&stream->catalog);
    stream->has_catalog = false;
  }
}

static void pg_close(struct stream *base, bool for_good)
{
  struct pg_stream *stream = pg_stream_of(base);

  message_free(stream);
  pg_stream_drop_catalog(stream);
  PQclear(stream->result);
  stream->result = NULL;
  pg_attempt_free(stream->attempt);
  stream->attempt = NULL;
  PQfinish(stream->connection); /* takes NULL */
  PQfinish(stream->aside);
  stream->connection = NULL;
  stream->aside = NULL;
  stream->step = STEP_CLOSED;
  stream->is_checked = false;
  base->fd = -1;
  base->events = 0;
  base->is_bounded = false;
  if (for_good) {
    free(stream);
  }
}

void pg_stream_swap(struct pg_stream *stream)
{
  PGconn *other = stream->aside;

  stream->aside = stream->connection;
  stream->connection = other;
  stream->base.fd = PQsocket(other);
  stream->base.events = POLLIN; /* nothing is left to be sent on either */
}

/* Any failure ends the connection: there is one way back, from the start. */
enum verdict pg_stream_fail(struct pg_stream *stream, enum verdict verdict)
{
  pg_close(&stream->base, false);
  return verdict;
}

enum verdict pg_stream_fail_with(struct pg_stream *stream, const PGresult *result, const char *doing, struct problem *problem)
{
  return pg_stream_fail(stream, pg_problem(stream->connection, result, doing, problem));
}

/* Sends what is buffered; POLLOUT is wanted while some is left. */
enum verdict pg_stream_send(struct pg_stream *stream, const char *doing, struct problem *problem)
{
  int left = PQflush(stream->connection);

  if (left < 0) {
    return pg_stream_fail_with(stream, NULL, doing, problem);
  }
  stream->base.events = (short)(POLLIN | (left > 0 ? POLLOUT : 0));
  return VERDICT_OK;
}

enum verdict pg_stream_query(struct pg_stream *stream, const char *sql, const char *doing, struct problem *problem)
{
  if (PQsendQuery(stream->connection, sql) != 1) {
    return pg_stream_fail_with(stream, NULL, doing, problem);
  }
  return pg_stream_send(stream, doing, problem);
}

/* WAIT until a query's answer is here whole, then OK with its last result (the caller clears it). A COPY is its own end. */
enum verdict pg_stream_result(struct pg_stream *stream, const char *doing, PGresult **ret_result, struct problem *problem)
{
  enum verdict verdict;

  if (PQconsumeInput(stream->connection) != 1) {
    return pg_stream_fail_with(stream, NULL, doing, problem);
  }
  verdict = pg_stream_send(stream, doing, problem);
  if (verdict != VERDICT_OK) {
    return verdict;
  }
  while (!PQisBusy(stream->connection)) {
    PGresult *result = PQgetResult(stream->connection);

    if (result == NULL && stream->result == NULL) {
      return pg_stream_fail_with(stream, NULL, doing, problem);
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

/* Called by libpq where the notice stands between the messages. Its words may be in the server's language, its origin is not. */
static void take_notice(void *context, const PGresult *notice)
{
  struct pg_stream *stream = context;
  const char *sqlstate = PQresultErrorField(notice, PG_DIAG_SQLSTATE);
  const char *origin = PQresultErrorField(notice, PG_DIAG_SOURCE_FUNCTION);

  if (sqlstate != NULL && strcmp(sqlstate, "55000") == 0 && origin != NULL && strcmp(origin, "LoadPublications") == 0) {
    stream->publication_is_missing = true;
  }
}

static enum verdict refuse_missing_publication(struct pg_stream *stream, struct problem *problem)
{
  (void)problem_set(problem, VERDICT_FATAL, EXIT_DATABASE_REFUSES, "publication_missing",
                    "publication \"%s\" does not exist at the slot's position in the log, and the server leaves out the rows from there on",
                    stream->config->postgres.publication);
  problem_hint(problem, "a publication made now is not seen by a slot at an older position: cdc-relay drop --yes, then: cdc-relay init --accept-gap");
  return pg_stream_fail(stream, VERDICT_FATAL);
}

static enum verdict step_ready(struct pg_stream *stream, Lsn start, struct problem *problem)
{
  char *command = pg_stream_command(stream->config, stream->facts.server_version, start);
  enum verdict verdict;

  stream->step = STEP_STARTING;
  stream->publication_is_missing = false;
  (void)PQsetNoticeReceiver(stream->connection, take_notice, stream);
  verdict = pg_stream_query(stream, command, "start replication", problem);
  free(command);
  return verdict;
}

static enum verdict step_starting(struct pg_stream *stream, struct problem *problem)
{
  PGresult *result = NULL;
  enum verdict verdict = pg_stream_result(stream, "start replication", &result, problem);
  char *sql;

  if (verdict != VERDICT_OK) {
    return verdict;
  }
  if (PQresultStatus(result) != PGRES_COPY_BOTH) {
    verdict = pg_stream_fail_with(stream, result, "start replication", problem);
    PQclear(result);
    return verdict;
  }
  PQclear(result);
  pg_stream_swap(stream);
  stream->step = STEP_LOOKING;
  sql = catalog_slot_query(stream->config);
  verdict = pg_stream_query(stream, sql, looking, problem);
  free(sql);
  return verdict;
}

/* The server ended the COPY: with an error, or in order because it shuts down. */
static enum verdict copy_ended(struct pg_stream *stream, struct problem *problem)
{
  PGresult *result = PQgetResult(stream->connection);
  enum verdict verdict;

  if (result != NULL && PQresultStatus(result) != PGRES_FATAL_ERROR) {
    verdict = pg_stream_fail(stream, problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "server_shutdown", "replication stream was ended by the server"));
  } else {
    verdict = pg_stream_fail_with(stream, result, "receive from replication stream", problem);
  }
  PQclear(result);
  return verdict;
}

/* Two hosts of the URL have answered, or the stream has ended and another relay was quick. */
static enum verdict refuse_slot_of_another(struct pg_stream *stream, const struct catalog_slot *slot, struct problem *problem)
{
  return pg_stream_fail(stream, problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "slot_active",
                                            "replication slot \"%s\" is in use by pid %d, and our stream is pid %d", stream->config->postgres.slot,
                                            (int)slot->active_pid, (int)stream->facts.backend_pid));
}

/* Nobody has the slot: the stream has ended already. Its last words are here or on their way, and say whether a person is needed. */
static enum verdict step_parting(struct pg_stream *stream, struct problem *problem)
{
  int length;

  if (PQconsumeInput(stream->connection) != 1) {
    return pg_stream_fail_with(stream, NULL, "receive from replication stream", problem);
  }
  while ((length = PQgetCopyData(stream->connection, &stream->message, 1)) > 0) {
    message_free(stream);
  }
  if (stream->publication_is_missing) {
    return refuse_missing_publication(stream, problem);
  }
  return length < 0 ? copy_ended(stream, problem) : VERDICT_WAIT;
}

/* A pooler makes up the process numbers that its clients see: then any process that has the slot is taken for ours, which has just begun to stream from it. */
static bool slot_is_ours(const struct pg_stream *stream, const struct catalog_slot *slot)
{
  const bool pids_are_real = slot->asking_pid == PQbackendPID(stream->connection);

  return slot->active_pid == stream->facts.backend_pid || !pids_are_real;
}

static enum verdict step_looking(struct pg_stream *stream, struct stream_beginning *ret_beginning, struct problem *problem)
{
  PGresult *result = NULL;
  struct catalog_slot slot;
  enum verdict verdict = pg_stream_result(stream, looking, &result, problem);

  if (verdict != VERDICT_OK) {
    return verdict;
  }
  verdict = catalog_read_slot(result, &slot, problem);
  PQclear(result);
  if (verdict != VERDICT_OK) {
    return pg_stream_fail(stream, verdict);
  }
  if (slot.active_pid == 0) {
    pg_stream_swap(stream);
    stream->step = STEP_PARTING;
    return step_parting(stream, problem);
  }
  if (!slot_is_ours(stream, &slot)) {
    return refuse_slot_of_another(stream, &slot, problem);
  }
  pg_stream_swap(stream);
  PQfinish(stream->aside);
  stream->aside = NULL;
  stream->base.bytes_read = 0;
  stream->step = STEP_STREAMING;
  *ret_beginning = (struct stream_beginning){.confirmed = slot.confirmed, .wal_end = slot.wal_end, .active_pid = slot.active_pid};
  return VERDICT_OK;
}

static enum verdict pg_stream_start(struct stream *base, Lsn start, struct stream_beginning *ret_beginning, struct problem *problem)
{
  struct pg_stream *stream = pg_stream_of(base);
  enum verdict verdict = VERDICT_OK;

  if (stream->step == STEP_READY) {
    verdict = step_ready(stream, start, problem);
  }
  if (verdict == VERDICT_OK && stream->step == STEP_STARTING) {
    verdict = step_starting(stream, problem);
  }
  if (verdict == VERDICT_OK && stream->step == STEP_LOOKING) {
    return step_looking(stream, ret_beginning, problem);
  }
  if (verdict == VERDICT_OK && stream->step == STEP_PARTING) {
    verdict = step_parting(stream, problem);
  }
  return verdict;
}

/* 0, which is not known, for a time that does not fit. */
static int64_t read_time(const char *bytes)
{
  int64_t time_us;

  return __builtin_add_overflow((int64_t)read_u64(bytes), PG_EPOCH_US, &time_us) ? 0 : time_us;
}

static enum verdict parse_message(struct pg_stream *stream, size_t length, struct stream_message *ret_message, struct problem *problem)
{
  const char *bytes = stream->message;

  if (length >= XLOG_DATA_HEADER_BYTES && bytes[0] == 'w') {
    *ret_message = (struct stream_message){
        .kind = STREAM_DATA,
        .body = span_of(bytes + XLOG_DATA_HEADER_BYTES, length - XLOG_DATA_HEADER_BYTES),
        .start = read_u64(bytes + 1),
        .wal_end = read_u64(bytes + 9),
        .sent_us = read_time(bytes + 17),
    };
    return VERDICT_OK;
  }
  if (length >= KEEPALIVE_BYTES && bytes[0] == 'k') {
    *ret_message = (struct stream_message){.kind = STREAM_KEEPALIVE, .wal_end = read_u64(bytes + 1), .reply_requested = bytes[17] != 0};
    return VERDICT_OK;
  }
  return pg_stream_fail(stream, problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "damaged",
                                            "damaged replication message: type 0x%02x with %zu bytes is neither XLogData nor keepalive",
                                            length > 0 ? (unsigned int)(uint8_t)bytes[0] : 0, length));
}

static enum verdict pg_stream_receive(struct stream *base, bool may_read, struct stream_message *ret_message, struct problem *problem)
{
  struct pg_stream *stream = pg_stream_of(base);
  int length;

  message_free(stream);
  length = PQgetCopyData(stream->connection, &stream->message, 1);
  if (length == 0 && may_read) {
    if (PQconsumeInput(stream->connection) != 1) {
      return pg_stream_fail_with(stream, NULL, "receive from replication stream", problem);
    }
    if ((base->events & POLLOUT) != 0) {
      enum verdict verdict = pg_stream_send(stream, "send to replication stream", problem);

      if (verdict != VERDICT_OK) {
        return verdict;
      }
    }
    length = PQgetCopyData(stream->connection, &stream->message, 1);
  }
  if (stream->publication_is_missing) {
    return refuse_missing_publication(stream, problem);
  }
  if (length == 0) {
    return VERDICT_WAIT;
  }
  if (length < 0) {
    return length == -1 ? copy_ended(stream, problem) : pg_stream_fail_with(stream, NULL, "receive from replication stream", problem);
  }
  base->bytes_read += (uint64_t)length;
  return parse_message(stream, (size_t)length, ret_message, problem);
}

static enum verdict pg_stream_send_status(struct stream *base, Lsn write, Lsn flushed, Lsn apply, bool asks, struct moment now, struct problem *problem)
{
  static const char doing[] = "send to replication stream";
  struct pg_stream *stream = pg_stream_of(base);
  char status[STATUS_BYTES];

  if ((base->events & POLLOUT) != 0) {
    enum verdict verdict = pg_stream_send(stream, doing, problem);

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
  status[33] = asks ? 1 : 0;
  if (PQputCopyData(stream->connection, status, STATUS_BYTES) != 1) {
    return pg_stream_fail_with(stream, NULL, doing, problem);
  }
  return pg_stream_send(stream, doing, problem);
}

static enum verdict pg_stream_flush(struct stream *base, struct problem *problem)
{
  return pg_stream_send(pg_stream_of(base), "send to replication stream", problem);
}

/* What still arrives behind our CopyDone is not read by anybody: the server sends it again. */
static enum verdict pg_stream_finish(struct stream *base, struct problem *problem)
{
  struct pg_stream *stream = pg_stream_of(base);
  enum verdict verdict;
  int length;

  if (stream->step == STEP_STREAMING) {
    if (PQputCopyEnd(stream->connection, NULL) != 1) {
      return pg_stream_fail_with(stream, NULL, "end the replication stream", problem);
    }
    stream->step = STEP_FINISHING;
  }
  verdict = pg_stream_send(stream, "end the replication stream", problem);
  if (verdict != VERDICT_OK) {
    return verdict;
  }
  if (PQconsumeInput(stream->connection) != 1) {
    return pg_stream_fail_with(stream, NULL, "end the replication stream", problem);
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

static void pg_stream_bound(struct stream *base, bool is_bounded)
{
  (void)near_peer_bound(PQsocket(pg_stream_of(base)->connection), is_bounded); /* a size, and no more: what is refused is only slower */
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
      .bound = pg_stream_bound,
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
