/*
 * database.h - one connection to PostgreSQL for one thread: opened when it is first needed, opened again when it broke, and never waited for longer than it is
 * worth.
 *
 * libpq, blocking, with limits set on the server and on the socket: a statement, a lock and a transaction that waits for us end by themselves, and a server
 * that vanished is noticed. Names are resolved by libpq and may block for as long as the resolver does. A limit that the user sets in `conninfo`
 * (connect_timeout, tcp_user_timeout, keepalives..., or `options=-c statement_timeout=...`) counts instead of ours. Beside them a server that says nothing at
 * all is given up by a limit that it has no part in, whatever its own are (silence.h). Of several hosts the first that takes
 * writes is used (target_session_attrs, unless set). A pooler between must let `options` pass and keep a session to a server (session mode).
 */
#ifndef OUTBOX_DATABASE_H
#define OUTBOX_DATABASE_H

#include <libpq-fe.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "verdict.h"

enum {
  DATABASE_CONNECT_TIMEOUT_S = 5,
  DATABASE_STATEMENT_TIMEOUT_MS = 10000,
  DATABASE_LOCK_TIMEOUT_MS = 5000,
  DATABASE_IDLE_TIMEOUT_MS = 15000, /* in a transaction */
  DATABASE_TCP_TIMEOUT_MS = 10000,  /* without an answer to what was sent */
  DATABASE_RETRY_FIRST_MS = 100,    /* between two attempts to connect; doubled up to */
  DATABASE_RETRY_MAX_MS = 2000,
};

#define DATABASE_WAITS_US INT64_MAX /* later than any time */

struct database;

/* `conninfo` is borrowed for as long as the database lives; `program` becomes application_name. Does not connect. */
struct database *database_new(const char *conninfo, const char *program);
void database_free(struct database *database); /* takes NULL */

/*
 * For who must tell a thread that waits for the server, which has limits, from one that hangs: *moved_us is DATABASE_WAITS_US while it waits, and behind that the
 * monotonic time of the wait's end. Borrowed for as long as the database lives.
 */
void database_tell_waits(struct database *database, _Atomic int64_t *moved_us);
/*
 * OK: connected, as far as is known without asking. RETRY: could not, or the last attempt failed so recently that none was made: nothing is waited for between
 * attempts. FATAL: the server refuses (password, role, database); the next call tries again all the same. May block for DATABASE_CONNECT_TIMEOUT_S.
 */
enum verdict MUST_CHECK database_connect(struct database *database, struct problem *problem);
/* The connection is of no use: it is closed, and the next database_connect() opens another. A unit of work that is open fails. */
void database_drop(struct database *database);
/* NULL while not connected. In pipeline mode and not blocking: for what work.h does not offer and needs no answer of the server. */
PGconn *database_connection(struct database *database);

#endif
