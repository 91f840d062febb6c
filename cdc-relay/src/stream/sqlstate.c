/*
 * sqlstate.c - which of the server's errors may heal by themselves and which need a person.
 *
 * RETRY is the safe answer to what is not known: the slot keeps everything. FATAL (a hold) is for what only a person can mend, so that the log says it once
 * and clearly instead of once per retry.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stream/pg_connection.h"

static const struct {
  const char *sqlstate; /* five characters, or two for a class */
  enum verdict verdict;
  enum exit_code code;
  const char *cause;
} table[] = {
    /* Single states first. */
    {"55006", VERDICT_RETRY, EXIT_UNEXPECTED, "slot_active"},        /* object_in_use: another relay has the slot */
    {"55000", VERDICT_FATAL, EXIT_DATABASE_REFUSES, "prerequisite"}, /* object_not_in_prerequisite_state: wal_level, ... */
    {"55P03", VERDICT_RETRY, EXIT_UNEXPECTED, "lock_timeout"},       /* lock_not_available */
    {"57P01", VERDICT_RETRY, EXIT_UNEXPECTED, "server_shutdown"},    /* admin_shutdown */
    {"57P02", VERDICT_RETRY, EXIT_UNEXPECTED, "server_crash"},       /* crash_shutdown */
    {"57P03", VERDICT_RETRY, EXIT_UNEXPECTED, "server_starting"},    /* cannot_connect_now */
    {"57014", VERDICT_RETRY, EXIT_UNEXPECTED, "canceled"},           /* query_canceled */
    {"53300", VERDICT_RETRY, EXIT_UNEXPECTED, "too_many_connections"},
    {"53400", VERDICT_FATAL, EXIT_DATABASE_REFUSES, "too_many_slots"},   /* configuration_limit_exceeded: all replication slots are in use */
    {"25006", VERDICT_RETRY, EXIT_UNEXPECTED, "read_only"},              /* a standby that may be promoted */
    {"42704", VERDICT_FATAL, EXIT_DATABASE_REFUSES, "undefined_object"}, /* publication, ... */
    {"42710", VERDICT_FATAL, EXIT_DATABASE_REFUSES, "already_exists"},   /* duplicate_object */
    {"42501", VERDICT_FATAL, EXIT_DATABASE_REFUSES, "privilege"},        /* insufficient_privilege; plugin not allowed */
    {"3D000", VERDICT_FATAL, EXIT_DATABASE_REFUSES, "no_database"},      /* invalid_catalog_name */
    {"28P01", VERDICT_FATAL, EXIT_DATABASE_REFUSES, "authentication"},   /* invalid_password */
    {"28000", VERDICT_FATAL, EXIT_DATABASE_REFUSES, "authentication"},   /* pg_hba.conf, unknown role */
    {"58P01", VERDICT_FATAL, EXIT_DATABASE_REFUSES, "plugin_missing"},   /* undefined_file: no such output plugin */
    {"22023", VERDICT_FATAL, EXIT_DATABASE_REFUSES, "bad_option"},       /* invalid_parameter_value: the plugin does not know an option */
    /* Classes. */
    {"08", VERDICT_RETRY, EXIT_UNEXPECTED, "network"},
    {"40", VERDICT_RETRY, EXIT_UNEXPECTED, "rollback"},
    {"53", VERDICT_RETRY, EXIT_UNEXPECTED, "resources"},
    {"55", VERDICT_RETRY, EXIT_UNEXPECTED, "not_ready"},
    {"57", VERDICT_RETRY, EXIT_UNEXPECTED, "operator"},
    {"58", VERDICT_RETRY, EXIT_UNEXPECTED, "server_io"},
    {"XX", VERDICT_RETRY, EXIT_UNEXPECTED, "server_internal"},
};

enum verdict sqlstate_verdict(const char *sqlstate, enum exit_code *ret_code, const char **ret_cause)
{
  *ret_code = EXIT_UNEXPECTED;
  *ret_cause = "network";
  if (sqlstate == NULL || sqlstate[0] == '\0') {
    return VERDICT_RETRY;
  }
  for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
    if (strncmp(sqlstate, table[i].sqlstate, strlen(table[i].sqlstate)) == 0) {
      *ret_code = table[i].code;
      *ret_cause = table[i].cause;
      return table[i].verdict;
    }
  }
  *ret_code = EXIT_DATABASE_REFUSES;
  *ret_cause = "refused";
  return VERDICT_FATAL;
}

/*
 * States that mean different things to a person, told apart by the server's untranslated words. The hints are those of catalog_judge.c, for what it could not see:
 * what happened under a stream that was running, and a publication that is there and was not at the slot's position.
 */
#define HINT_NEW_SLOT                                                                                                                                          \
  "cdc-relay drop --yes --keep-publication, then: cdc-relay init --accept-gap; rows that are still in the outbox tables can be published again"
static const struct {
  const char *sqlstate;
  const char *words;
  enum verdict verdict;
  enum exit_code code;
  const char *cause;
  const char *hint;
} refinements[] = {
    {"42704", "replication slot", VERDICT_FATAL, EXIT_POSITION, "slot_missing", "find out who dropped the slot, then: cdc-relay init --accept-gap"},
    {"55000", "invalidated", VERDICT_FATAL, EXIT_POSITION, "slot_lost", HINT_NEW_SLOT},
    {"55000", "can no longer get changes", VERDICT_FATAL, EXIT_POSITION, "slot_lost", HINT_NEW_SLOT},
    {"55000", "can no longer access replication slot", VERDICT_FATAL, EXIT_POSITION, "slot_lost", HINT_NEW_SLOT}, /* PostgreSQL 18 */
    /* A server that stops while a standby is away does not wait for it, and ends the stream with this error in place of a shutdown's. */
    {"55000", "synchronized_standby_slots", VERDICT_RETRY, EXIT_UNEXPECTED, "server_shutdown", NULL},
    /* Relays that begin together have one each while they ask for their second; who fails lets the first one go, so that others get on. */
    {"53300", "number of requested standby connections exceeds", VERDICT_RETRY, EXIT_UNEXPECTED, "too_many_walsenders",
     "a start needs two of max_wal_senders at the same time: raise it to what is in use and two for each relay, then restart the server"},
    /* Every relay keeps one of these for as long as it lives: with more relays than the limit has room for, waiting frees none. */
    {"53300", "too many connections for role", VERDICT_RETRY, EXIT_UNEXPECTED, "too_many_connections",
     "ALTER ROLE <the relay's> CONNECTION LIMIT <three times the number of relays>; needs no restart"},
    {"42704", "publication", VERDICT_FATAL, EXIT_DATABASE_REFUSES, "publication_missing",
     "a publication made now is not seen by a slot at an older position: cdc-relay drop --yes, then: cdc-relay init --accept-gap"},
};

/* libpq's messages end with a newline, may have several lines and begin with "ERROR:  " or the like: one line, without the severity. */
static void flatten(const char *message, char *text, size_t size)
{
  static const char *const severities[] = {"ERROR:  ", "FATAL:  ", "PANIC:  ", "WARNING:  "};
  size_t at = 0;

  for (const char *c = message; *c != '\0' && at + 1 < size; c++) {
    bool is_severity = false;

    for (size_t i = 0; i < sizeof(severities) / sizeof(*severities) && !is_severity; i++) {
      if (strncmp(c, severities[i], strlen(severities[i])) == 0) {
        c += strlen(severities[i]) - 1;
        is_severity = true;
      }
    }
    if (!is_severity) {
      text[at++] = *c == '\n' || *c == '\t' ? ' ' : *c;
    }
  }
  while (at > 0 && text[at - 1] == ' ') {
    at--;
  }
  text[at] = '\0';
}

/* A refused connection has no result to ask for its SQLSTATE, and libpq 15 keeps none: these are the server's own untranslated words, and libpq's. */
static const struct {
  const char *words;
  const char *sqlstate;
} connection_words[] = {
    {"password authentication failed", "28P01"},
    {"no password supplied", "28P01"},
    {"authentication failed", "28P01"},
    {"no pg_hba.conf entry", "28000"},
    {"pg_hba.conf rejects", "28000"},
    {"is not permitted to log in", "28000"},
    {"must be superuser or replication role", "42501"},
    {"permission denied to start WAL sender", "42501"},
    {"permission denied for database", "42501"},
    {"the database system is starting up", "57P03"},
    {"the database system is shutting down", "57P03"},
    {"the database system is in recovery mode", "57P03"},
    {"not yet accepting connections", "57P03"},
    {"terminating connection due to administrator command", "57P01"},
    {"too many connections", "53300"},
    {"too many clients", "53300"},
    {"remaining connection slots are reserved", "53300"},
    {"number of requested standby connections exceeds", "53300"},
    {"root certificate file", "28000"},
    {"certificate verify failed", "28000"},
    {"does not match host name", "28000"},
    {"server does not support SSL, but SSL was required", "28000"},
};

static const char *connection_sqlstate(const char *message)
{
  const char *missing;

  for (size_t i = 0; i < sizeof(connection_words) / sizeof(*connection_words); i++) {
    if (strstr(message, connection_words[i].words) != NULL) {
      return connection_words[i].sqlstate;
    }
  }
  missing = strstr(message, "does not exist");
  if (missing != NULL && strstr(message, "FATAL:  database \"") != NULL) {
    return "3D000";
  }
  if (missing != NULL && strstr(message, "FATAL:  role \"") != NULL) {
    return "28000";
  }
  return NULL;
}

enum verdict pg_problem(const PGconn *connection, const PGresult *result, const char *doing, struct problem *problem)
{
  const char *primary = result != NULL ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
  const char *detail = result != NULL ? PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL) : NULL;
  const char *message = primary != NULL ? primary : "";
  const char *sqlstate = result != NULL ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
  char text[PROBLEM_TEXT_MAX];
  const char *hint = result != NULL ? PQresultErrorField(result, PG_DIAG_MESSAGE_HINT) : NULL;
  enum exit_code code;
  const char *cause;
  enum verdict verdict;

  if (message[0] == '\0' && connection != NULL) {
    message = PQerrorMessage(connection);
  }
  if (sqlstate == NULL) {
    sqlstate = connection_sqlstate(message);
  }
  verdict = sqlstate_verdict(sqlstate, &code, &cause);
  for (size_t i = 0; sqlstate != NULL && i < sizeof(refinements) / sizeof(*refinements); i++) {
    if (strcmp(sqlstate, refinements[i].sqlstate) == 0 && strstr(message, refinements[i].words) != NULL) {
      verdict = refinements[i].verdict;
      code = refinements[i].code;
      cause = refinements[i].cause;
      hint = refinements[i].hint != NULL ? refinements[i].hint : hint;
      break;
    }
  }
  flatten(message[0] != '\0' ? message : "connection closed", text, sizeof(text));
  (void)problem_set(problem, verdict, code, cause, "could not %s: %s%s%s%s", doing, text, detail != NULL ? " (" : "", detail != NULL ? detail : "",
                    detail != NULL ? ")" : "");
  if (hint != NULL) {
    problem_hint(problem, "%s", hint);
  }
  return verdict;
}
