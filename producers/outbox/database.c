/*
 * database.c - opens a connection with limits, looks whether it is still alive before it is used again, and does not knock too often at a server that is away.
 *
 * Where a limit comes from, the first that says something:
 *
 *   the user's own word in conninfo, the environment (PGOPTIONS, PGCONNECT_TIMEOUT, PGTARGETSESSIONATTRS), ours below
 *
 * Limits of the session travel as `options` in the startup message, ours in front: of two settings of one parameter the later wins. A pooler that refuses
 * `options` cannot stand in between, unless it is told to ignore them.
 */
#include "database.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "database_priv.h"
#include "moment.h"
#include "silence.h"

enum { PARAMETERS_MAX = 64, OPTIONS_MAX_BYTES = 4096, FIRST_TEXTS_BYTES = 16384, FIRST_PARAMETERS_BYTES = 16384 };

/* Defaults of ours; `variable` is libpq's, whose word counts more. */
static const struct {
  const char *keyword;
  const char *text;
  int number; /* where there is no text */
  const char *variable;
} defaults[] = {
    {"connect_timeout", NULL, DATABASE_CONNECT_TIMEOUT_S, "PGCONNECT_TIMEOUT"},
    {"tcp_user_timeout", NULL, DATABASE_TCP_TIMEOUT_MS, NULL},
    {"keepalives_idle", NULL, 5, NULL},
    {"keepalives_interval", NULL, 2, NULL},
    {"keepalives_count", NULL, 3, NULL},
    {"target_session_attrs", "read-write", 0, "PGTARGETSESSIONATTRS"}, /* of several hosts the one that can be written to */
};

struct parameters {
  const char *keywords[PARAMETERS_MAX + 1];
  const char *values[PARAMETERS_MAX + 1];
  size_t count;
  char options[OPTIONS_MAX_BYTES];
  char numbers[sizeof(defaults) / sizeof(*defaults)][16];
};

static void add(struct parameters *parameters, const char *keyword, const char *value)
{
  if (parameters->count == PARAMETERS_MAX) {
    abort(); /* libpq knows fewer keywords */
  }
  parameters->keywords[parameters->count] = keyword;
  parameters->values[parameters->count] = value;
  parameters->count++;
}

static bool is_given(const struct parameters *parameters, const char *keyword)
{
  for (size_t i = 0; i < parameters->count; i++) {
    if (strcmp(parameters->keywords[i], keyword) == 0) {
      return true;
    }
  }
  return false;
}

/* Everything that libpq is told; borrows from `options`. False: the user's options are too long. */
static bool parameters_init(struct parameters *parameters, const PQconninfoOption *options, const char *program)
{
  const char *own = getenv("PGOPTIONS");
  int length;

  parameters->count = 0;
  for (const PQconninfoOption *option = options; option->keyword != NULL; option++) {
    if (option->val == NULL || strcmp(option->keyword, "client_encoding") == 0) {
      continue;
    }
    if (strcmp(option->keyword, "options") == 0) {
      own = option->val;
      continue;
    }
    add(parameters, option->keyword, option->val);
  }
  for (size_t i = 0; i < sizeof(defaults) / sizeof(*defaults); i++) {
    bool is_in_environment = defaults[i].variable != NULL && getenv(defaults[i].variable) != NULL;

    if (!is_given(parameters, defaults[i].keyword) && !is_in_environment) {
      (void)snprintf(parameters->numbers[i], sizeof(parameters->numbers[i]), "%d", defaults[i].number);
      add(parameters, defaults[i].keyword, defaults[i].text != NULL ? defaults[i].text : parameters->numbers[i]);
    }
  }
  length =
      snprintf(parameters->options, sizeof(parameters->options), "-c statement_timeout=%d -c lock_timeout=%d -c idle_in_transaction_session_timeout=%d%s%s",
               DATABASE_STATEMENT_TIMEOUT_MS, DATABASE_LOCK_TIMEOUT_MS, DATABASE_IDLE_TIMEOUT_MS, own != NULL ? " " : "", own != NULL ? own : "");
  add(parameters, "options", parameters->options);
  if (!is_given(parameters, "fallback_application_name")) {
    add(parameters, "fallback_application_name", program);
  }
  add(parameters, "client_encoding", "UTF8"); /* as all our texts are, whatever the database's */
  parameters->keywords[parameters->count] = NULL;
  parameters->values[parameters->count] = NULL;
  return length > 0 && (size_t)length < sizeof(parameters->options);
}

struct database *database_new(const char *conninfo, const char *program)
{
  struct database *database = calloc(1, sizeof(*database));

  if (database == NULL) {
    abort();
  }
  database->conninfo = conninfo;
  database->program = program;
  database->work.database = database;
  arena_init(&database->work.texts, FIRST_TEXTS_BYTES);
  arena_init(&database->work.parameters, FIRST_PARAMETERS_BYTES);
  backoff_init(&database->backoff, (int64_t)DATABASE_RETRY_FIRST_MS * US_PER_MS, (int64_t)DATABASE_RETRY_MAX_MS * US_PER_MS);
  if (getrandom(&database->chance, sizeof(database->chance), 0) != (ssize_t)sizeof(database->chance)) {
    database->chance = (uint64_t)moment_now().mono_us;
  }
  return database;
}

void database_free(struct database *database)
{
  if (database == NULL) {
    return;
  }
  if (database->work.is_open) {
    work_rollback(&database->work);
  }
  database_drop(database);
  pipeline_done(&database->pipeline);
  arena_done(&database->work.texts);
  arena_done(&database->work.parameters);
  free(database);
}

void database_drop(struct database *database)
{
  if (database->work.is_open) {
    pipeline_break(&database->pipeline, "it was dropped"); /* closed at the end of the unit of work, which has failed */
    return;
  }
  pipeline_reset(&database->pipeline, NULL, -1);
  PQfinish(database->connection);
  database->connection = NULL;
  database->is_used = false;
}

void database_tell_waits(struct database *database, _Atomic int64_t *moved_us)
{
  database->pipeline.moved_us = moved_us;
}

PGconn *database_connection(struct database *database)
{
  return database->connection;
}

/* A refused connection has no SQLSTATE that libpq would tell (up to 18): these are the server's untranslated words, and libpq's. What is not known may heal. */
static bool is_refused_for_good(PGconn *connection, const char *message)
{
  static const char *const words[] = {
      "password authentication failed",
      "no password supplied",
      "authentication failed",
      "no pg_hba.conf entry",
      "pg_hba.conf rejects",
      "is not permitted to log in",
      "permission denied for database",
      "root certificate file",
      "certificate verify failed",
      "does not match host name",
      "server does not support SSL, but SSL was required",
      "invalid connection option",
      "for connection option",
      "invalid port number",
      "invalid value for parameter",
      "unrecognized configuration parameter",
  };
  const char *missing = strstr(message, "FATAL:  ");

  for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
    if (strstr(message, words[i]) != NULL) {
      return true;
    }
  }
  if (missing != NULL && strstr(missing, "does not exist") != NULL) {
    return strstr(missing, "FATAL:  database \"") != NULL || strstr(missing, "FATAL:  role \"") != NULL;
  }
  return PQconnectionNeedsPassword(connection) != 0;
}

static enum verdict refuse(struct database *database, const char *message)
{
  bool is_for_good = is_refused_for_good(database->connection, message);
  int length = (int)strcspn(message, "\n");

  database->refusal = is_for_good ? VERDICT_FATAL : VERDICT_RETRY;
  return problem_set(&database->refused, database->refusal, is_for_good ? EXIT_DATABASE_REFUSES : EXIT_UNEXPECTED,
                     is_for_good ? "database_refuses" : "database_away", "could not connect to PostgreSQL: %.*s", length, message);
}

static enum verdict open_connection(struct database *database)
{
  char *error = NULL;
  PQconninfoOption *options = PQconninfoParse(database->conninfo, &error);
  struct parameters parameters;
  enum verdict verdict = VERDICT_OK;

  if (options == NULL) {
    PQfreemem(error); /* its words may hold the password */
    return problem_set(&database->refused, VERDICT_FATAL, EXIT_USAGE, "bad_url", "the database's address is not a connection URI or keyword string of libpq");
  }
  if (!parameters_init(&parameters, options, database->program)) {
    PQconninfoFree(options);
    return problem_set(&database->refused, VERDICT_FATAL, EXIT_USAGE, "bad_url", "the options in the database's address are longer than %d bytes",
                       OPTIONS_MAX_BYTES);
  }
  pipeline_tell_wait(&database->pipeline, true);
  database->connection = PQconnectdbParams(parameters.keywords, parameters.values, 0);
  pipeline_tell_wait(&database->pipeline, false);
  if (database->connection == NULL) {
    abort();
  }
  if (PQstatus(database->connection) != CONNECTION_OK) {
    verdict = refuse(database, PQerrorMessage(database->connection));
  } else if (PQsetnonblocking(database->connection, 1) != 0 || PQenterPipelineMode(database->connection) != 1) {
    verdict = refuse(database, "the connection takes no pipeline");
  } else {
    pipeline_reset(&database->pipeline, database->connection, silence_of_options(parameters.options));
  }
  PQconninfoFree(options);
  if (verdict != VERDICT_OK) {
    database_drop(database);
  }
  return verdict;
}

enum verdict database_connect(struct database *database, struct problem *problem)
{
  int64_t now_us = moment_now().mono_us;

  if (database->work.is_open && database->pipeline.is_broken) {
    return problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "connection_lost", "a unit of work has lost its connection, and has to end first");
  }
  if (database->work.is_open) {
    return VERDICT_OK;
  }
  if (database->connection != NULL) {
    if (pipeline_look(&database->pipeline)) {
      return VERDICT_OK;
    }
    database_drop(database);
  }
  if (now_us >= database->not_before_us || database->refusal == VERDICT_FATAL) {
    database->refusal = open_connection(database);
    if (database->refusal == VERDICT_OK) {
      backoff_reset(&database->backoff);
      database->not_before_us = 0;
      return VERDICT_OK;
    }
    database->not_before_us = moment_now().mono_us + backoff_next_us(&database->backoff, chance_next(&database->chance));
  }
  if (problem != NULL) {
    *problem = database->refused;
  }
  return database->refusal;
}
