/*
 * failure.h - what a failed event deserves. Pure.
 *
 *   TRANSIENT   the world may heal, or a person must mend what concerns every event: tried without end, never dead-lettered
 *   PERMANENT   this event can never succeed: dead letter at once
 *   UNKNOWN     the consumer's retry policy, then the dead letter
 *
 * The database's word counts before the handler's, since a handler returns FATAL for whatever the database refused:
 *
 *   08 40 53 57 58 XX      connection, serialization, resources, operator, system, the server itself             TRANSIENT
 *   26 28 3D 3F            prepared statement lost by a pooler, login, no such database, no such schema           TRANSIENT
 *   25P04 25006            transaction ended by a limit on its time, read-only standby                            TRANSIENT
 *   55006 55P03            object in use, lock not available                                                      TRANSIENT
 *   42501                  no privilege                                                                           TRANSIENT
 *   42P01 42703 42704      no such table, column, object, function, or constraint to conflict with:               TRANSIENT
 *   42883 42P10            a migration that is still to come
 *   23503 23505 23P01      a row that another transaction may still bring or take away                            UNKNOWN
 *   0A000 25P03            what the server does not do; a handler that was silent in its transaction for too long  UNKNOWN
 *   22, the rest of 23     the data                                                                               PERMANENT
 *   all others             a fault of the program's SQL, most likely                                              UNKNOWN
 *
 * (A plan that a migration changed is 0A000, too: transaction.c tries that again at once, on a connection that has no plans, so that it never comes this far.)
 *
 *   no SQLSTATE            RETRY, WAIT: TRANSIENT. POISON: PERMANENT. FATAL: UNKNOWN
 */
#ifndef CONSUMER_FAILURE_H
#define CONSUMER_FAILURE_H

#include "verdict.h"

enum failure_class { FAILURE_TRANSIENT, FAILURE_PERMANENT, FAILURE_UNKNOWN };

/* `verdict` is what the handler or the unit of work returned, not OK; `sqlstate` that of its outcome, NULL or empty where there is none. */
enum failure_class failure_class_of(enum verdict verdict, const char *sqlstate);

/* `transient`, `permanent`, `unknown`: for logs and metrics. */
const char *failure_class_name(enum failure_class class);

#endif
