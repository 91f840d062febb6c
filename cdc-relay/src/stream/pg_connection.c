/*
 * pg_connection.c - an attempt to connect, step by step:
 *
 *   RESOLVING --addresses--> CONNECTING --PQconnectPoll--> CONNECTED          any failure: FAILED, with the words kept for the next step
 *                             ^__________| an address says nothing: without it
 *
 * libpq goes from address to address by itself where one refuses. Only where it blocks does it leave one that is silent; so it is begun anew without that one, and the others
 * are tried from the first on: what has just refused does so again at once, and where it is asked for the hosts twice (prefer-standby) it has all that are left.
 *
 * Runs on the loop's thread; only the resolver has one of its own.
 */
#include "stream/pg_connection.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stream/conninfo.h"
#include "stream/resolver.h"

enum attempt_step { ATTEMPT_RESOLVING, ATTEMPT_CONNECTING, ATTEMPT_FAILED };

struct pg_attempt {
  enum attempt_step step;
  struct conninfo conninfo;
  struct resolver *resolver;
  PGconn *connection;
  char place[320];     /* that is being tried */
  int64_t deadline_us; /* for it; INT64_MAX: none */
  char silent[360];    /* words on the last one that said nothing; empty: there was none */
  int fd;
  short events;
  enum verdict verdict; /* of ATTEMPT_FAILED */
  struct problem problem;
};

static void ignore_notice(void *context, const PGresult *result)
{
  (void)context;
  (void)result;
}

/* In libpq's words; those of an address that was left before are not among them. */
static void fail(struct pg_attempt *attempt)
{
  size_t length;

  attempt->verdict = pg_problem(attempt->connection, NULL, "connect to PostgreSQL", &attempt->problem);
  length = strlen(attempt->problem.text);
  if (attempt->silent[0] != '\0') {
    (void)snprintf(attempt->problem.text + length, sizeof(attempt->problem.text) - length, "; before, %s", attempt->silent);
  }
  attempt->step = ATTEMPT_FAILED;
}

/* libpq prints notices to stderr unless told otherwise; ours is for log lines. */
static void connect_start(struct pg_attempt *attempt)
{
  attempt->connection = PQconnectStartParams((const char *const *)attempt->conninfo.keywords, (const char *const *)attempt->conninfo.values, 0);
  if (attempt->connection == NULL) {
    abort(); /* out of memory */
  }
  (void)PQsetNoticeReceiver(attempt->connection, ignore_notice, NULL);
  attempt->step = ATTEMPT_CONNECTING;
  attempt->fd = PQsocket(attempt->connection);
  attempt->events = POLLOUT;
  if (PQstatus(attempt->connection) == CONNECTION_BAD) {
    fail(attempt);
  }
}

struct pg_attempt *pg_attempt_new(const struct config *config, enum pg_role role, const PGconn *beside)
{
  struct pg_attempt *attempt = calloc(1, sizeof(*attempt));
  const char *names[RESOLVER_HOSTS_MAX];
  char *storage = NULL;
  size_t count;

  if (attempt == NULL) {
    abort();
  }
  attempt->fd = -1;
  attempt->deadline_us = INT64_MAX;
  attempt->verdict = conninfo_init(&attempt->conninfo, config, role, &attempt->problem);
  if (attempt->verdict != VERDICT_OK) {
    attempt->step = ATTEMPT_FAILED;
    return attempt;
  }
  if (beside != NULL) {
    const struct conninfo_place place = conninfo_place_of(beside);

    conninfo_lead_to(&attempt->conninfo, &place);
  }
  count = conninfo_hosts(&attempt->conninfo, names, &storage);
  if (count == 0) {
    connect_start(attempt);
  } else {
    attempt->resolver = resolver_new(names, count);
    if (attempt->resolver == NULL) {
      attempt->verdict = problem_set(&attempt->problem, VERDICT_RETRY, EXIT_UNEXPECTED, "resources", "could not start a thread to resolve host names");
      attempt->step = ATTEMPT_FAILED;
    } else {
      attempt->step = ATTEMPT_RESOLVING;
      attempt->fd = resolver_fd(attempt->resolver);
      attempt->events = POLLIN;
    }
  }
  free(storage);
  return attempt;
}

void pg_attempt_free(struct pg_attempt *attempt)
{
  if (attempt == NULL) {
    return;
  }
  conninfo_done(&attempt->conninfo);
  resolver_free(attempt->resolver);
  if (attempt->connection != NULL) {
    PQfinish(attempt->connection);
  }
  free(attempt);
}

static enum verdict step_resolving(struct pg_attempt *attempt)
{
  if (!resolver_is_done(attempt->resolver)) {
    return VERDICT_WAIT;
  }
  attempt->verdict = conninfo_resolve(&attempt->conninfo, attempt->resolver, &attempt->problem);
  resolver_free(attempt->resolver);
  attempt->resolver = NULL;
  if (attempt->verdict != VERDICT_OK) {
    attempt->step = ATTEMPT_FAILED;
    attempt->fd = -1;
  } else {
    connect_start(attempt);
  }
  return VERDICT_WAIT;
}

/* PQconnectPoll() may only be called when the socket is ready for what it asked for: earlier it takes a connection that is still being made for a made one. */
static bool is_ready(const struct pg_attempt *attempt)
{
  struct pollfd fd = {.fd = attempt->fd, .events = attempt->events};

  return poll(&fd, 1, 0) > 0;
}

/* Each address has its own time, from when it is first seen to be the one that is tried. */
static void watch_place(struct pg_attempt *attempt, struct moment now)
{
  const struct conninfo_place place = conninfo_place_of(attempt->connection);
  int timeout_s = conninfo_timeout_s(&attempt->conninfo);
  char text[sizeof(attempt->place)];

  (void)snprintf(text, sizeof(text), "\"%s\" (%s) port %s", place.host, place.address, place.port);
  if (strcmp(text, attempt->place) != 0) {
    memcpy(attempt->place, text, sizeof(text));
    attempt->deadline_us = timeout_s > 0 ? now.mono_us + (int64_t)timeout_s * US_PER_S : INT64_MAX;
  }
}

static void leave_place(struct pg_attempt *attempt)
{
  const struct conninfo_place place = conninfo_place_of(attempt->connection);
  bool are_others = conninfo_leave_out(&attempt->conninfo, &place);

  (void)snprintf(attempt->silent, sizeof(attempt->silent), "no answer from %s in %d s", attempt->place, conninfo_timeout_s(&attempt->conninfo));
  PQfinish(attempt->connection);
  attempt->connection = NULL;
  attempt->place[0] = '\0';
  attempt->deadline_us = INT64_MAX;
  attempt->fd = -1;
  if (are_others) {
    connect_start(attempt);
  } else {
    attempt->verdict = problem_set(&attempt->problem, VERDICT_RETRY, EXIT_UNEXPECTED, "timeout", "could not connect to PostgreSQL: %s", attempt->silent);
    attempt->step = ATTEMPT_FAILED;
  }
}

static enum verdict step_connecting(struct pg_attempt *attempt, struct moment now, PGconn **ret_connection)
{
  PostgresPollingStatusType status;

  watch_place(attempt, now);
  if (!is_ready(attempt)) {
    if (now.mono_us >= attempt->deadline_us) {
      leave_place(attempt);
    }
    return VERDICT_WAIT;
  }
  status = PQconnectPoll(attempt->connection);
  attempt->fd = PQsocket(attempt->connection); /* another one for each address */
  switch (status) {
  case PGRES_POLLING_OK:
    if (PQsetnonblocking(attempt->connection, 1) != 0) {
      break;
    }
    *ret_connection = attempt->connection;
    attempt->connection = NULL;
    return VERDICT_OK;
  case PGRES_POLLING_READING:
    attempt->events = POLLIN;
    return VERDICT_WAIT;
  case PGRES_POLLING_WRITING:
    attempt->events = POLLOUT;
    return VERDICT_WAIT;
  case PGRES_POLLING_FAILED:
  case PGRES_POLLING_ACTIVE:
    break;
  }
  fail(attempt);
  return VERDICT_WAIT;
}

enum verdict pg_attempt_step(struct pg_attempt *attempt, struct moment now, PGconn **ret_connection, struct problem *problem)
{
  enum verdict verdict = VERDICT_WAIT;

  if (attempt->step == ATTEMPT_RESOLVING) {
    verdict = step_resolving(attempt);
  } else if (attempt->step == ATTEMPT_CONNECTING) {
    verdict = step_connecting(attempt, now, ret_connection);
  }
  if (attempt->step == ATTEMPT_FAILED) {
    *problem = attempt->problem;
    return attempt->verdict;
  }
  return verdict;
}

int pg_attempt_fd(const struct pg_attempt *attempt)
{
  return attempt->fd;
}

short pg_attempt_events(const struct pg_attempt *attempt)
{
  return attempt->events;
}

int64_t pg_attempt_deadline_us(const struct pg_attempt *attempt)
{
  return attempt->deadline_us;
}

enum verdict pg_connect(const struct config *config, enum pg_role role, PGconn **ret_connection, struct problem *problem)
{
  struct conninfo conninfo;
  enum verdict verdict = conninfo_init(&conninfo, config, role, problem);
  PGconn *connection;

  if (verdict != VERDICT_OK) {
    return verdict;
  }
  connection = PQconnectdbParams((const char *const *)conninfo.keywords, (const char *const *)conninfo.values, 0);
  conninfo_done(&conninfo);
  if (PQstatus(connection) != CONNECTION_OK) {
    verdict = pg_problem(connection, NULL, "connect to PostgreSQL", problem);
    PQfinish(connection);
    return verdict;
  }
  (void)PQsetNoticeReceiver(connection, ignore_notice, NULL);
  *ret_connection = connection;
  return VERDICT_OK;
}
