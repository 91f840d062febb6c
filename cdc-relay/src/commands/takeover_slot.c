/*
 * takeover_slot.c - how a take-over that was cut off is known, without anything being remembered but the slots themselves.
 *
 *   relay's slot   NAME_takeover   what happened                                         what is done
 *   no             no              nothing yet                                           begin
 *   no             yes             cut off before the backlog was through                drop it, begin again from a new snapshot
 *   yes            yes, equal      cut off between the last two steps                    give it failover, if it is to have that; drop the other: done
 *   yes            yes, differs    somebody made the relay's slot, or it has streamed    refuse (4): only a person can tell
 *   yes            no              init, or a take-over that is done                     refuse (4)
 *
 * PostgreSQL cannot rename a slot, but copies one: same position, same plugin, and no moment at which neither exists. Nobody streams from NAME_takeover, since no relay
 * has that name, so that a half-made slot has never moved and can be dropped without a loss: rows that were marked are in Kafka, all others are in the new snapshot.
 *
 * Two at once would be a loss: named by the one, the other's half-made slot would begin behind a backlog that is not through. The lock keeps the second one out, but goes
 * with its session, which anybody may end. So the last steps begin only while that session is there, and know their slot by where it begins: another's begins later.
 */
#include "commands/takeover_slot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands/database.h"
#include "commands/takeover_sql.h"
#include "fault_point.h"
#include "moment.h"
#include "stream/pg_connection.h"

enum {
  LOCK_WAIT_S = 20, /* a killed process's session ends when the server next writes to it, or with its statement */
  IN_USE_WAIT_US = 20 * US_PER_S,
  LOOK_AGAIN_US = 100000,
};

struct slots {
  bool has_own;
  bool has_half;
  bool half_is_foreign;
  bool half_is_in_use;
  bool are_equal;
  char own_confirmed[LSN_TEXT_SIZE];
};

static enum verdict take_lock(PGconn *admin, const struct config *config, struct problem *problem)
{
  enum verdict verdict;
  char *sql;

  /* The slot's name is [a-z0-9_]. */
  if (asprintf(&sql, "SET lock_timeout = '%ds'; SELECT pg_advisory_lock(hashtextextended('cdc-relay takeover %s', 0))", LOCK_WAIT_S, config->postgres.slot) <
      0) {
    abort();
  }
  verdict = database_run(admin, sql, "take the lock of this take-over", NULL, problem);
  free(sql);
  if (verdict == VERDICT_RETRY && strcmp(problem->cause, "lock_timeout") == 0) {
    verdict =
        problem_set(problem, VERDICT_FATAL, EXIT_DATABASE_REFUSES, "takeover_runs", "another take-over with slot \"%s\" is running", config->postgres.slot);
  }
  return verdict == VERDICT_OK ? database_run(admin, "SET lock_timeout = 0", "set lock_timeout", NULL, problem) : verdict;
}

static enum verdict read_slots(PGconn *admin, const struct config *config, const char *half, struct slots *ret_slots, struct problem *problem)
{
  PGresult *result = NULL;
  enum verdict verdict;
  char *sql;

  if (asprintf(&sql,
               "SELECT o.slot_name IS NOT NULL, h.slot_name IS NOT NULL, h.database IS DISTINCT FROM current_database(), coalesce(h.active, false),"
               " o.confirmed_flush_lsn = h.confirmed_flush_lsn AND o.plugin = h.plugin AND o.database = h.database, coalesce(o.confirmed_flush_lsn::text, '')"
               " FROM (SELECT) AS one LEFT JOIN pg_catalog.pg_replication_slots o ON o.slot_name = '%s' LEFT JOIN pg_catalog.pg_replication_slots h ON "
               "h.slot_name = '%s'",
               config->postgres.slot, half) < 0) {
    abort();
  }
  verdict = database_run(admin, sql, "look at the replication slots", &result, problem);
  free(sql);
  if (verdict == VERDICT_OK) {
    ret_slots->has_own = PQgetvalue(result, 0, 0)[0] == 't';
    ret_slots->has_half = PQgetvalue(result, 0, 1)[0] == 't';
    ret_slots->half_is_foreign = PQgetvalue(result, 0, 2)[0] == 't';
    ret_slots->half_is_in_use = PQgetvalue(result, 0, 3)[0] == 't';
    ret_slots->are_equal = PQgetvalue(result, 0, 4)[0] == 't';
    (void)snprintf(ret_slots->own_confirmed, sizeof(ret_slots->own_confirmed), "%s", PQgetvalue(result, 0, 5));
  }
  PQclear(result);
  return verdict;
}

/* A walsender whose client was killed while the slot was made holds it until its lock_timeout, and then drops it itself. */
static enum verdict wait_until_unused(PGconn *admin, const struct config *config, const char *half, struct slots *slots, struct problem *problem)
{
  int64_t deadline_us = moment_now().mono_us + IN_USE_WAIT_US;
  enum verdict verdict = VERDICT_OK;

  while (verdict == VERDICT_OK && slots->half_is_in_use && moment_now().mono_us < deadline_us) {
    (void)usleep(LOOK_AGAIN_US);
    verdict = read_slots(admin, config, half, slots, problem);
  }
  if (verdict == VERDICT_OK && slots->half_is_in_use) {
    verdict = problem_set(problem, VERDICT_FATAL, EXIT_DATABASE_REFUSES, "slot_active", "replication slot \"%s\", half-made by an earlier take-over, is in use",
                          half);
    problem_hint(problem, "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '%s';", half);
  }
  return verdict;
}

static enum verdict judge(const struct config *config, const char *half, const struct slots *slots, struct problem *problem)
{
  enum verdict verdict = VERDICT_OK;

  if (slots->has_half && slots->half_is_foreign) {
    verdict =
        problem_set(problem, VERDICT_FATAL, EXIT_DATABASE_REFUSES, "foreign_slot", "replication slot \"%s\" exists and belongs to another database", half);
  } else if (slots->has_own && !slots->has_half) {
    verdict =
        problem_set(problem, VERDICT_FATAL, EXIT_POSITION, "slot_exists",
                    "replication slot \"%s\" exists, at %s: a finished take-over made it, or cdc-relay init. What it has published is not marked, so that a "
                    "take-over would publish it again",
                    config->postgres.slot, slots->own_confirmed);
    problem_hint(problem,
                 "after a finished take-over: cdc-relay run. if it was made by init and no relay ever ran: cdc-relay drop --yes --keep-publication, then "
                 "cdc-relay takeover again");
  } else if (slots->has_own && !slots->are_equal) {
    verdict = problem_set(
        problem, VERDICT_FATAL, EXIT_POSITION, "slot_exists",
        "replication slot \"%s\" exists, at %s, and so does the half-made \"%s\": either the take-over was finished and a relay has run since, or the slot "
        "was made by other means, and the backlog is not published",
        config->postgres.slot, slots->own_confirmed, half);
    problem_hint(problem,
                 "in the first case: SELECT pg_drop_replication_slot('%s'); then cdc-relay check. in the second: cdc-relay drop --yes --keep-publication, then "
                 "cdc-relay takeover again",
                 half);
  }
  return verdict;
}

/* As the relay's role, which made it: it has REPLICATION. `ret_result` as in database_run(). */
static enum verdict run_as_relay(const struct config *config, enum pg_role role, const char *sql, const char *doing, PGresult **ret_result,
                                 struct problem *problem)
{
  PGconn *connection = NULL;
  enum verdict verdict = pg_connect(config, role, &connection, problem);

  if (verdict == VERDICT_OK) {
    verdict = database_run(connection, sql, doing, ret_result, problem);
    PQfinish(connection);
  }
  return verdict;
}

/* What a copy does not have from its original. Harmless where it is so already. */
static enum verdict set_failover(const struct config *config, struct problem *problem)
{
  enum verdict verdict;
  char *sql;

  if (!config->postgres.failover) {
    return VERDICT_OK;
  }
  if (asprintf(&sql, "ALTER_REPLICATION_SLOT \"%s\" (FAILOVER true)", config->postgres.slot) < 0) {
    abort();
  }
  verdict = run_as_relay(config, PG_REPLICATION, sql, "set the replication slot's property failover", NULL, problem);
  free(sql);
  return verdict;
}

static enum verdict drop_half(const struct config *config, const char *half, struct problem *problem)
{
  enum verdict verdict;
  char *sql;

  if (asprintf(&sql, "SELECT pg_drop_replication_slot('%s')", half) < 0) {
    abort();
  }
  verdict = run_as_relay(config, PG_ORDINARY, sql, "drop the half-made replication slot", NULL, problem);
  free(sql);
  return verdict;
}

enum verdict takeover_slot_begin(PGconn *admin, const struct config *config, enum takeover_state *ret_state, struct problem *problem)
{
  char half[TAKEOVER_SLOT_NAME_SIZE];
  struct slots slots = {0};
  enum verdict verdict;

  takeover_slot_name(config->postgres.slot, half);
  verdict = take_lock(admin, config, problem);
  if (verdict == VERDICT_OK) {
    verdict = read_slots(admin, config, half, &slots, problem);
  }
  if (verdict == VERDICT_OK) {
    verdict = wait_until_unused(admin, config, half, &slots, problem);
  }
  if (verdict == VERDICT_OK) {
    verdict = judge(config, half, &slots, problem);
  }
  /* As long as the half-made slot is there, somebody will come and do this. */
  if (verdict == VERDICT_OK && slots.has_own) {
    verdict = set_failover(config, problem);
  }
  if (verdict == VERDICT_OK && slots.has_half) {
    verdict = drop_half(config, half, problem);
    if (verdict == VERDICT_OK) {
      printf("replication slot \"%s\", left by a take-over that was cut off, removed\n", half);
    }
  }
  if (verdict == VERDICT_OK) {
    *ret_state = slots.has_own ? TAKEOVER_IS_DONE : TAKEOVER_TO_DO;
  }
  return verdict;
}

/* The lock goes with its session and not before, so that one that still answers has it. */
static enum verdict judge_lock(PGconn *admin, struct problem *problem)
{
  enum verdict verdict = database_run(admin, "SELECT", "hold the lock of this take-over", NULL, problem);

  if (verdict != VERDICT_OK) {
    problem_hint(problem, "cdc-relay takeover again: another one may have begun meanwhile, and what is marked is not published again");
  }
  return verdict;
}

/* Calls a function on the slot that this take-over made, and on no other of that name. */
static enum verdict call_on_half(const struct config *config, const char *half, Lsn start, const char *call, const char *doing, struct problem *problem)
{
  PGresult *result = NULL;
  enum verdict verdict;
  char *sql;

  if (asprintf(&sql, "SELECT %s FROM pg_catalog.pg_replication_slots WHERE slot_name = '%s' AND confirmed_flush_lsn = '%s'", call, half, lsn_text(start).text) <
      0) {
    abort();
  }
  verdict = run_as_relay(config, PG_ORDINARY, sql, doing, &result, problem);
  free(sql);
  if (verdict == VERDICT_OK && PQntuples(result) == 0) {
    verdict = problem_set(problem, VERDICT_FATAL, EXIT_POSITION, "half_slot_gone",
                          "could not %s: \"%s\", half-made by this take-over at %s, is not there any more: another take-over with slot \"%s\" has begun, or "
                          "somebody has dropped it",
                          doing, half, lsn_text(start).text, config->postgres.slot);
    problem_hint(problem, "let the other take-over end; then cdc-relay takeover again, which says what is left to do");
  }
  PQclear(result);
  return verdict;
}

enum verdict takeover_slot_finish(PGconn *admin, const struct config *config, Lsn start, struct problem *problem)
{
  char half[TAKEOVER_SLOT_NAME_SIZE];
  enum verdict verdict;
  char *sql;

  takeover_slot_name(config->postgres.slot, half);
  CRASH_POINT(BEFORE_COPY);
  verdict = judge_lock(admin, problem);
  if (verdict == VERDICT_OK) {
    if (asprintf(&sql, "pg_catalog.pg_copy_logical_replication_slot(slot_name, '%s')", config->postgres.slot) < 0) {
      abort();
    }
    verdict = call_on_half(config, half, start, sql, "give the replication slot its name", problem);
    free(sql);
  }
  if (verdict == VERDICT_OK) {
    CRASH_POINT(AFTER_COPY);
  }
  if (verdict == VERDICT_OK) {
    verdict = set_failover(config, problem);
  }
  if (verdict == VERDICT_OK) {
    verdict = call_on_half(config, half, start, "pg_catalog.pg_drop_replication_slot(slot_name)", "drop the half-made replication slot", problem);
  }
  if (verdict == VERDICT_OK) {
    CRASH_POINT(AFTER_DROP);
  }
  return verdict;
}
