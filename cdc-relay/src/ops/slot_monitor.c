/*
 * slot_monitor.c - connects, asks, waits, asks again; any failure closes the connection and begins anew after a pause.
 *
 *   CLOSED --pause over--> CONNECTING --connected--> PREPARING --settings made--> IDLE --interval over--> ASKED --answered--> IDLE
 *     ^_____________________________|________________________|_____________________|_______________________|  lost, refused, no answer
 *
 * Before it is first asked the pause has no end.
 *
 * A server that shuts down says FATAL 57P01 to every session at once and closes it. While a question is under way the words come as its result; while idle
 * libpq hands an unasked-for error to the notice receiver, as soon as PQisBusy() looks into what PQconsumeInput() has read.
 *
 * At most one question is under way. The settings of the session keep it harmless: the server cancels a question that takes too long, and compiles nothing for it.
 */
#include "ops/slot_monitor.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backoff.h"
#include "ops/slot_query.h"
#include "stream/pg_connection.h"

/* Pauses of 0.2 s up to 10 s: a backoff waits between a half and the whole of its cap. */
enum { PAUSE_FIRST_US = 400000, PAUSE_MAX_US = 10000000 };
enum { INTERVAL_JITTER_PARTS = 5 }; /* a fifth, up or down */

static const int64_t not_asked_us = INT64_MAX; /* the end of the pause before the first question */

enum phase { PHASE_CLOSED, PHASE_CONNECTING, PHASE_PREPARING, PHASE_IDLE, PHASE_ASKED };

struct slot_monitor {
  const struct config *config;
  enum phase phase;
  struct pg_attempt *attempt; /* PHASE_CONNECTING */
  PGconn *connection;         /* from PHASE_PREPARING on */
  bool has_output;            /* not all of the question is in the socket */
  bool is_shutdown;           /* the server said so; its words are in `shutdown` */
  struct problem shutdown;
  bool has_answer; /* PHASE_ASKED: the rows were read, the end of the answer was not */
  struct slot_answer answer;
  struct slot_baseline baseline;
  struct backoff backoff;
  uint64_t chance;
  int64_t interval_us;
  int64_t asked_us;    /* when the last question was sent */
  int64_t next_ask_us; /* PHASE_IDLE */
  int64_t limit_us;    /* what is under way must be done by then; PHASE_CLOSED: the end of the pause */
  bool ask_now;
};

static const char doing[] = "read the slot's figures";

struct slot_monitor *slot_monitor_new(const struct config *config)
{
  struct slot_monitor *monitor = calloc(1, sizeof(*monitor));

  if (monitor == NULL) {
    abort();
  }
  monitor->config = config;
  monitor->interval_us = SLOT_MONITOR_INTERVAL_US;
  monitor->limit_us = not_asked_us;
  monitor->chance = (uint64_t)moment_now().wall_us ^ (uint64_t)getpid() << 48;
  backoff_init(&monitor->backoff, PAUSE_FIRST_US, PAUSE_MAX_US);
  return monitor;
}

static void close_connection(struct slot_monitor *monitor)
{
  pg_attempt_free(monitor->attempt);
  monitor->attempt = NULL;
  PQfinish(monitor->connection);
  monitor->connection = NULL;
  monitor->has_output = false;
  monitor->is_shutdown = false;
  monitor->has_answer = false;
  monitor->phase = PHASE_CLOSED;
}

void slot_monitor_free(struct slot_monitor *monitor)
{
  if (monitor != NULL) {
    close_connection(monitor);
    free(monitor);
  }
}

static void plan_next(struct slot_monitor *monitor)
{
  int64_t jitter = monitor->interval_us / INTERVAL_JITTER_PARTS;

  monitor->next_ask_us = monitor->asked_us + monitor->interval_us - jitter + (int64_t)(chance_next(&monitor->chance) % (uint64_t)(2 * jitter + 1));
}

void slot_monitor_set_interval(struct slot_monitor *monitor, int64_t interval_us)
{
  if (interval_us != monitor->interval_us) {
    monitor->interval_us = interval_us;
    plan_next(monitor);
  }
}

void slot_monitor_ask_now(struct slot_monitor *monitor)
{
  monitor->ask_now = true;
  if (monitor->limit_us == not_asked_us) {
    monitor->limit_us = INT64_MIN;
  }
}

void slot_monitor_reconnect(struct slot_monitor *monitor)
{
  close_connection(monitor);
  backoff_reset(&monitor->backoff);
  monitor->limit_us = INT64_MIN;
}

static bool is_shutdown_state(const char *sqlstate)
{
  return sqlstate != NULL && (strcmp(sqlstate, "57P01") == 0 || strcmp(sqlstate, "57P02") == 0 || strcmp(sqlstate, "57P03") == 0);
}

/* Called by libpq for what the server says unasked: warnings, and the last words of a session. */
static void on_notice(void *context, const PGresult *result)
{
  struct slot_monitor *monitor = context;

  if (is_shutdown_state(PQresultErrorField(result, PG_DIAG_SQLSTATE))) {
    monitor->is_shutdown = true;
    (void)pg_problem(monitor->connection, result, doing, &monitor->shutdown);
  }
}

/* Closes, plans the next attempt, and says which kind of end it was; the words of a shutdown replace those of the end that followed it. */
static enum slot_monitor_event end(struct slot_monitor *monitor, struct moment now, const struct problem *lost, struct problem *problem)
{
  bool is_shutdown = monitor->is_shutdown;

  if (problem != NULL) {
    *problem = is_shutdown ? monitor->shutdown : *lost;
  }
  close_connection(monitor);
  monitor->limit_us = now.mono_us + backoff_next_us(&monitor->backoff, chance_next(&monitor->chance));
  return is_shutdown ? SLOT_MONITOR_SHUTDOWN : SLOT_MONITOR_LOST;
}

static enum slot_monitor_event end_unanswered(struct slot_monitor *monitor, struct moment now, int limit_us, struct problem *problem)
{
  struct problem lost;

  (void)problem_set(&lost, VERDICT_RETRY, EXIT_UNEXPECTED, "network", "could not %s: no answer from the server for %d s", doing, limit_us / US_PER_S);
  return end(monitor, now, &lost, problem);
}

/* `result` may be NULL: the connection's own words then. */
static enum slot_monitor_event end_failed(struct slot_monitor *monitor, struct moment now, const PGresult *result, struct problem *problem)
{
  struct problem lost;

  (void)pg_problem(monitor->connection, result, doing, &lost);
  if (is_shutdown_state(PQresultErrorField(result, PG_DIAG_SQLSTATE))) {
    monitor->is_shutdown = true;
    monitor->shutdown = lost;
  }
  return end(monitor, now, &lost, problem);
}

/* Sends `sql`; the answer is due. False: the connection is broken. */
static bool send_question(struct slot_monitor *monitor, enum phase phase, const char *sql, struct moment now)
{
  if (PQsendQuery(monitor->connection, sql) != 1) {
    return false;
  }
  monitor->has_output = true;
  monitor->has_answer = false;
  monitor->phase = phase;
  monitor->limit_us = now.mono_us + SLOT_MONITOR_ANSWER_LIMIT_US;
  return true;
}

static bool ask(struct slot_monitor *monitor, struct moment now)
{
  char *sql = slot_query(monitor->config);
  bool sent = send_question(monitor, PHASE_ASKED, sql, now);

  free(sql);
  monitor->ask_now = false;
  monitor->asked_us = now.mono_us;
  plan_next(monitor);
  return sent;
}

static bool prepare(struct slot_monitor *monitor, struct moment now)
{
  char sql[96];

  (void)snprintf(sql, sizeof(sql), "SET statement_timeout = %d; SET jit = off", SLOT_MONITOR_STATEMENT_TIMEOUT_MS);
  return send_question(monitor, PHASE_PREPARING, sql, now);
}

static enum slot_monitor_event step_connecting(struct slot_monitor *monitor, struct moment now, struct problem *problem)
{
  struct problem lost;
  enum verdict verdict;

  verdict = pg_attempt_step(monitor->attempt, now, &monitor->connection, &lost);
  if (verdict == VERDICT_WAIT) {
    return now.mono_us >= monitor->limit_us ? end_unanswered(monitor, now, SLOT_MONITOR_CONNECT_LIMIT_US, problem) : SLOT_MONITOR_NOTHING;
  }
  if (verdict != VERDICT_OK) {
    /* A refused connection has words only. */
    monitor->is_shutdown = strstr(lost.text, "shutting down") != NULL;
    monitor->shutdown = lost;
    return end(monitor, now, &lost, problem);
  }
  pg_attempt_free(monitor->attempt);
  monitor->attempt = NULL;
  (void)PQsetNoticeReceiver(monitor->connection, on_notice, monitor);
  return prepare(monitor, now) ? SLOT_MONITOR_NOTHING : end_failed(monitor, now, NULL, problem);
}

/* Moves bytes both ways. False: the connection is broken, or the server is about to close it. */
static bool exchange(struct slot_monitor *monitor)
{
  bool is_open = PQconsumeInput(monitor->connection) == 1;

  (void)PQisBusy(monitor->connection); /* looks into what was read, also after the connection broke: the server's last words come first */
  if (is_open && monitor->has_output) {
    int left = PQflush(monitor->connection);

    is_open = left >= 0;
    monitor->has_output = left > 0;
  }
  return is_open && !monitor->is_shutdown && PQstatus(monitor->connection) == CONNECTION_OK;
}

static enum slot_monitor_event step_idle(struct slot_monitor *monitor, struct moment now, struct problem *problem)
{
  if (!exchange(monitor)) {
    return end_failed(monitor, now, NULL, problem);
  }
  if ((monitor->ask_now || now.mono_us >= monitor->next_ask_us) && !ask(monitor, now)) {
    return end_failed(monitor, now, NULL, problem);
  }
  return SLOT_MONITOR_NOTHING;
}

/* One result of the question under way. False: it is a failure, and *ret_event says which. */
static bool take_result(struct slot_monitor *monitor, const PGresult *result, struct moment now, struct problem *problem, enum slot_monitor_event *ret_event)
{
  struct problem bad;

  if (monitor->phase == PHASE_PREPARING) {
    if (PQresultStatus(result) == PGRES_COMMAND_OK) {
      return true;
    }
  } else if (PQresultStatus(result) == PGRES_TUPLES_OK) {
    if (slot_query_read(monitor->config, result, &monitor->answer, &bad) == VERDICT_OK) {
      monitor->has_answer = true;
      return true;
    }
    *ret_event = end(monitor, now, &bad, problem);
    return false;
  }
  *ret_event = end_failed(monitor, now, result, problem);
  return false;
}

/* PHASE_PREPARING and PHASE_ASKED: reads results until the end of the answer. */
static enum slot_monitor_event step_asked(struct slot_monitor *monitor, struct moment now, struct slot_figures *ret_figures, struct problem *problem)
{
  bool is_open = exchange(monitor);

  while (PQisBusy(monitor->connection) == 0) {
    PGresult *result = PQgetResult(monitor->connection);
    enum slot_monitor_event event = SLOT_MONITOR_NOTHING;

    if (result != NULL) {
      bool is_good = take_result(monitor, result, now, problem, &event);

      PQclear(result);
      if (!is_good) {
        return event;
      }
      continue;
    }
    if (!is_open) {
      break;
    }
    monitor->phase = PHASE_IDLE;
    if (!monitor->has_answer) { /* the settings are made: the first question at once */
      monitor->ask_now = true;
      return step_idle(monitor, now, problem);
    }
    monitor->has_answer = false;
    backoff_reset(&monitor->backoff);
    slot_baseline_advance(&monitor->baseline, &monitor->answer);
    *ret_figures = monitor->answer.figures;
    ret_figures->asked_us = monitor->asked_us;
    return SLOT_MONITOR_FIGURES;
  }
  if (!is_open) {
    return end_failed(monitor, now, NULL, problem);
  }
  return now.mono_us >= monitor->limit_us ? end_unanswered(monitor, now, SLOT_MONITOR_ANSWER_LIMIT_US, problem) : SLOT_MONITOR_NOTHING;
}

enum slot_monitor_event slot_monitor_step(struct slot_monitor *monitor, struct moment now, struct slot_figures *ret_figures, struct problem *problem)
{
  switch (monitor->phase) {
  case PHASE_CLOSED:
    if (now.mono_us < monitor->limit_us) {
      return SLOT_MONITOR_NOTHING;
    }
    monitor->attempt = pg_attempt_new(monitor->config, PG_ORDINARY, NULL);
    monitor->phase = PHASE_CONNECTING;
    monitor->limit_us = now.mono_us + SLOT_MONITOR_CONNECT_LIMIT_US;
    return step_connecting(monitor, now, problem);
  case PHASE_CONNECTING:
    return step_connecting(monitor, now, problem);
  case PHASE_PREPARING:
  case PHASE_ASKED:
    return step_asked(monitor, now, ret_figures, problem);
  case PHASE_IDLE:
    return step_idle(monitor, now, problem);
  }
  return SLOT_MONITOR_NOTHING;
}

int slot_monitor_fd(const struct slot_monitor *monitor)
{
  return monitor->attempt != NULL ? pg_attempt_fd(monitor->attempt) : PQsocket(monitor->connection);
}

short slot_monitor_events(const struct slot_monitor *monitor)
{
  if (monitor->attempt != NULL) {
    return pg_attempt_events(monitor->attempt);
  }
  return (short)(POLLIN | (monitor->has_output ? POLLOUT : 0));
}

int64_t slot_monitor_deadline_us(const struct slot_monitor *monitor)
{
  if (monitor->phase == PHASE_CONNECTING && pg_attempt_deadline_us(monitor->attempt) < monitor->limit_us) {
    return pg_attempt_deadline_us(monitor->attempt);
  }
  if (monitor->phase != PHASE_IDLE) {
    return monitor->limit_us;
  }
  return monitor->ask_now ? INT64_MIN : monitor->next_ask_us;
}
