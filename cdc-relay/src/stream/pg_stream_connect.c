/*
 * pg_stream_connect.c - from nothing to a connection that is ready to start. Never blocks.
 *
 *   CLOSED -> ATTEMPT -> IDENTIFY -> HISTORY (if it was ever promoted) -> CATALOG (its queries, one by one) -> READY, if somebody else holds the slot
 *                                                                                                           -> ATTEMPT -> IDENTIFY -> READY
 *                                                                             the first connection is put aside -^
 *
 * The connection that streams has run no SQL: a walsender that has looked at the catalog decodes older WAL with today's catalog instead of that WAL's own
 * (measured with PostgreSQL 15: after a query on pg_publication_tables, rows from before the publication was recreated were left out, and rows from before a column
 * was replaced came with the new column's default). So the catalog is read on a connection of its own, and the one that streams only says IDENTIFY_SYSTEM, by which
 * both are known to have reached the same server. The first one is kept: once the stream has begun, it is asked where (pg_stream.c).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault_point.h"
#include "stream/near_peer.h"
#include "stream/pg_stream_priv.h"

static enum verdict step_attempt(struct pg_stream *stream, struct moment now, struct problem *problem)
{
  enum verdict verdict = pg_attempt_step(stream->attempt, now, &stream->connection, problem);

  stream->base.fd = pg_attempt_fd(stream->attempt);
  stream->base.events = pg_attempt_events(stream->attempt);
  if (verdict == VERDICT_WAIT) {
    return verdict;
  }
  if (verdict != VERDICT_OK) {
    return pg_stream_fail(stream, verdict);
  }
  pg_attempt_free(stream->attempt);
  stream->attempt = NULL;
  stream->base.fd = PQsocket(stream->connection);
  stream->step = STEP_IDENTIFY;
  return pg_stream_query(stream, "IDENTIFY_SYSTEM", "identify the server", problem);
}

static enum verdict send_catalog_query(struct pg_stream *stream, struct problem *problem)
{
  char *sql = catalog_query(stream->config, stream->query);
  enum verdict verdict = pg_stream_query(stream, sql, "read the catalog", problem);

  free(sql);
  return verdict;
}

/* The second connection: the same server as the first, or two have answered behind one address, and it has to begin anew. */
static enum verdict identify_again(struct pg_stream *stream, const struct server_facts *facts, struct problem *problem)
{
  if (strcmp(facts->system_id, stream->facts.system_id) != 0 || facts->timeline != stream->facts.timeline) {
    return pg_stream_fail(stream, problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "server_changed",
                                              "two connections reached two servers: system %s timeline %u, then system %s timeline %u", stream->facts.system_id,
                                              (unsigned int)stream->facts.timeline, facts->system_id, (unsigned int)facts->timeline));
  }
  if (MUTANT(CATALOG_ON_STREAM)) {
    pg_stream_swap(stream);
  }
  stream->facts.backend_pid = PQbackendPID(stream->connection);
  stream->facts.is_joined = near_peer_prepare(PQsocket(stream->connection));
  stream->step = STEP_READY;
  return VERDICT_OK;
}

static enum verdict start_catalog(struct pg_stream *stream, struct problem *problem)
{
  catalog_init(&stream->catalog);
  stream->has_catalog = true;
  stream->query = 0;
  stream->step = STEP_CATALOG;
  return send_catalog_query(stream, problem);
}

/* A history file that is gone leaves the history unknown: less can be found out then, and nothing else is wrong. */
static enum verdict step_history(struct pg_stream *stream, struct problem *problem)
{
  PGresult *result;
  enum verdict verdict = pg_stream_result(stream, "read the timeline's history", &result, problem);

  if (verdict != VERDICT_OK) {
    return verdict;
  }
  if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1 && PQnfields(result) == 2) {
    timeline_history_parse(&stream->facts.history, PQgetvalue(result, 0, 1), (size_t)PQgetlength(result, 0, 1));
  }
  PQclear(result);
  return start_catalog(stream, problem);
}

static enum verdict step_identify(struct pg_stream *stream, struct problem *problem)
{
  struct server_facts facts = {0};
  PGresult *result;
  enum verdict verdict = pg_stream_result(stream, "identify the server", &result, problem);

  if (verdict != VERDICT_OK) {
    return verdict;
  }
  if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1 || PQnfields(result) < 4) {
    verdict = pg_stream_fail_with(stream, result, "identify the server", problem);
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
  if (facts.timeline > 1) {
    char command[64];

    (void)snprintf(command, sizeof(command), "TIMELINE_HISTORY %u", (unsigned int)facts.timeline);
    stream->step = STEP_HISTORY;
    return pg_stream_query(stream, command, "read the timeline's history", problem);
  }
  return start_catalog(stream, problem);
}

/* The next connection is to run nothing. It goes where the first one has got to: the hosts before that have been tried, and may have cost their time. */
static void connect_to_stream(struct pg_stream *stream)
{
  stream->aside = stream->connection;
  stream->connection = NULL;
  stream->is_checked = true;
  stream->attempt = pg_attempt_new(stream->config, PG_REPLICATION, stream->aside);
  stream->base.fd = pg_attempt_fd(stream->attempt);
  stream->base.events = pg_attempt_events(stream->attempt);
  stream->step = STEP_ATTEMPT;
}

static enum verdict step_catalog(struct pg_stream *stream, struct problem *problem)
{
  PGresult *result;
  enum verdict verdict = pg_stream_result(stream, "read the catalog", &result, problem);

  if (verdict != VERDICT_OK) {
    return verdict;
  }
  if (PQresultStatus(result) != PGRES_TUPLES_OK) {
    verdict = pg_stream_fail_with(stream, result, "read the catalog", problem);
    PQclear(result);
    return verdict;
  }
  verdict = catalog_read(&stream->catalog, stream->config, stream->query, result, problem);
  PQclear(result);
  if (verdict != VERDICT_OK) {
    return pg_stream_fail(stream, verdict);
  }
  if (++stream->query < CATALOG_QUERY_COUNT) {
    return send_catalog_query(stream, problem);
  }
  verdict = catalog_judge(&stream->catalog, stream->config, problem);
  if (verdict != VERDICT_OK) {
    return pg_stream_fail(stream, verdict);
  }
  stream->facts.server_version = stream->catalog.server_version;
  stream->facts.is_in_recovery = stream->catalog.is_in_recovery;
  stream->facts.wal_end = stream->catalog.wal_end;
  stream->facts.wal_sender_timeout_us = stream->catalog.wal_sender_timeout_us;
  stream->facts.slot_is_active = stream->catalog.slot_is_active;
  stream->facts.slot_active_pid = stream->catalog.slot_active_pid;
  stream->facts.confirmed = stream->catalog.slot_confirmed;
  stream->facts.catalog = stream->catalog.mark;
  pg_stream_drop_catalog(stream);
  if (stream->facts.slot_is_active) {
    stream->step = STEP_READY;
  } else {
    connect_to_stream(stream);
  }
  return VERDICT_OK;
}

enum verdict pg_stream_connect(struct stream *base, struct moment now, struct server_facts *ret_facts, struct problem *problem)
{
  struct pg_stream *stream = pg_stream_of(base);
  enum verdict verdict = VERDICT_OK;
  enum step before;

  if (stream->step == STEP_CLOSED) {
    stream->attempt = pg_attempt_new(stream->config, PG_REPLICATION, NULL);
    stream->step = STEP_ATTEMPT;
  }
  do {
    before = stream->step;
    switch (stream->step) {
    case STEP_ATTEMPT:
      verdict = step_attempt(stream, now, problem);
      break;
    case STEP_IDENTIFY:
      verdict = step_identify(stream, problem);
      break;
    case STEP_HISTORY:
      verdict = step_history(stream, problem);
      break;
    case STEP_CATALOG:
      verdict = step_catalog(stream, problem);
      break;
    case STEP_READY:
      *ret_facts = stream->facts;
      return VERDICT_OK;
    case STEP_CLOSED:
    case STEP_STARTING:
    case STEP_LOOKING:
    case STEP_PARTING:
    case STEP_STREAMING:
    case STEP_FINISHING:
      return problem_set(problem, VERDICT_FATAL, EXIT_INVARIANT, "invariant", "connect was called on a stream that is open");
    }
  } while (verdict == VERDICT_OK && (stream->step != before || stream->step == STEP_CATALOG));
  return verdict == VERDICT_OK ? VERDICT_WAIT : verdict;
}
