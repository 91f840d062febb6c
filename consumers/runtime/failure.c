/*
 * failure.c - the table of failure.h, looked up from the most exact entry to the least: a code of five characters, a class of two, then the handler's own word.
 *
 * When in doubt an event stays where it is: what concerns every event (a missing table, a grant, a standby that took over) would otherwise empty a topic into
 * its dead letters, and order with it. XX stays for that reason: a damaged index or a broken extension fails whatever touches it. That one event alone may fail so, and
 * hold up its partition, is told loudly (attempt.c), and GIVE_UP names the event that shall go.
 */
#include "failure.h"

#include <stddef.h>
#include <string.h>

static const struct entry {
  const char *code; /* five characters, or two for a class; the first that fits */
  enum failure_class class;
} table[] = {
    {"23503", FAILURE_UNKNOWN},   /* foreign key: the row it points to may be on its way */
    {"23505", FAILURE_UNKNOWN},   /* unique: the other row may go */
    {"23P01", FAILURE_UNKNOWN},   /* exclusion: the same */
    {"25006", FAILURE_TRANSIENT}, /* read-only: a standby, until it takes over */
    {"25P03", FAILURE_UNKNOWN},   /* idle_in_transaction_session_timeout: the handler waited for something else, or the program was stopped for a while */
    {"25P04", FAILURE_TRANSIENT}, /* transaction_timeout: a slow server takes its time from every event */
    {"42501", FAILURE_TRANSIENT}, /* insufficient privilege: a grant mends it */
    {"42702", FAILURE_TRANSIENT}, /* ambiguous column: a migration mends it, as the following */
    {"42703", FAILURE_TRANSIENT}, /* undefined column */
    {"42704", FAILURE_TRANSIENT}, /* undefined object */
    {"42725", FAILURE_TRANSIENT}, /* ambiguous function */
    {"42804", FAILURE_TRANSIENT}, /* type mismatch */
    {"42883", FAILURE_TRANSIENT}, /* undefined function */
    {"42P01", FAILURE_TRANSIENT}, /* undefined table */
    {"42P05", FAILURE_TRANSIENT}, /* prepared statement is there already: a pooler gave us another session */
    {"42P10", FAILURE_TRANSIENT}, /* no unique constraint matches the ON CONFLICT */
    {"55006", FAILURE_TRANSIENT}, /* object in use */
    {"55P03", FAILURE_TRANSIENT}, /* lock not available */
    {"08", FAILURE_TRANSIENT},    /* connection */
    {"26", FAILURE_TRANSIENT},    /* prepared statement is gone: a pooler gave us another session */
    {"28", FAILURE_TRANSIENT},    /* login */
    {"3D", FAILURE_TRANSIENT},    /* no such database */
    {"3F", FAILURE_TRANSIENT},    /* no such schema */
    {"40", FAILURE_TRANSIENT},    /* serialization, deadlock */
    {"53", FAILURE_TRANSIENT},    /* resources: disk, memory, connections */
    {"57", FAILURE_TRANSIENT},    /* operator: shutdown, restart, timeout of a statement */
    {"58", FAILURE_TRANSIENT},    /* the system under the server */
    {"HV", FAILURE_TRANSIENT},    /* a foreign server */
    {"XX", FAILURE_TRANSIENT},    /* the server itself, damaged data */
    {"22", FAILURE_PERMANENT},    /* data */
    {"23", FAILURE_PERMANENT},    /* constraint */
};

static enum failure_class class_of_sqlstate(const char *sqlstate)
{
  for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
    if (strncmp(sqlstate, table[i].code, strlen(table[i].code)) == 0) {
      return table[i].class;
    }
  }
  return FAILURE_UNKNOWN;
}

enum failure_class failure_class_of(enum verdict verdict, const char *sqlstate)
{
  if (sqlstate != NULL && sqlstate[0] != '\0') {
    return class_of_sqlstate(sqlstate);
  }
  switch (verdict) {
  case VERDICT_WAIT:
  case VERDICT_RETRY:
    return FAILURE_TRANSIENT;
  case VERDICT_POISON:
    return FAILURE_PERMANENT;
  case VERDICT_OK:
  case VERDICT_FATAL:
    return FAILURE_UNKNOWN;
  }
  return FAILURE_UNKNOWN;
}

const char *failure_class_name(enum failure_class class)
{
  switch (class) {
  case FAILURE_TRANSIENT:
    return "transient";
  case FAILURE_PERMANENT:
    return "permanent";
  case FAILURE_UNKNOWN:
    return "unknown";
  }
  return "unknown";
}
