/*
 * pg_connection.h - how this program connects to PostgreSQL: one place for addresses, secrets, forced session settings and SQLSTATEs.
 *
 * Forced on every connection, whatever the role's or database's own settings say (decoders rely on them): client_encoding UTF8, DateStyle ISO, IntervalStyle
 * postgres, extra_float_digits 3, bytea_output hex, TimeZone UTC, client_min_messages warning; TCP keepalives and a user timeout, since a silent walsender is no sign of a dead one.
 */
#ifndef STREAM_PG_CONNECTION_H
#define STREAM_PG_CONNECTION_H

#include <libpq-fe.h>

#include "config/config.h"
#include "moment.h"
#include "verdict.h"

enum pg_role {
  PG_REPLICATION, /* walsender, replication=database */
  PG_ORDINARY,    /* SQL as the relay's role */
  PG_ADMIN,       /* SQL by postgres.admin_url, where that is set, else as PG_ORDINARY */
};

/*
 * An attempt to connect that never blocks: names are resolved by a helper thread (libpq itself would block), then PQconnectStart and PQconnectPoll. All addresses of all
 * hosts are tried; one that says nothing within connect_timeout (10 s unless the URL says otherwise) is left for the others.
 */
struct pg_attempt;

/* Begins; never NULL. `beside` NULL, or a connection: then only the address is tried to which that one leads. Both are borrowed only for the call. */
struct pg_attempt *pg_attempt_new(const struct config *config, enum pg_role role, const PGconn *beside);
/* Gives up, at once; a resolver that still runs is left to end by itself. Takes NULL. */
void pg_attempt_free(struct pg_attempt *attempt);
/* OK: *ret_connection is the caller's, connected and non-blocking; the attempt can be freed. WAIT: poll fd for events, not longer than until the deadline. RETRY, FATAL (2 or 3). */
enum verdict MUST_CHECK pg_attempt_step(struct pg_attempt *attempt, struct moment now, PGconn **ret_connection, struct problem *problem);
int pg_attempt_fd(const struct pg_attempt *attempt);
short pg_attempt_events(const struct pg_attempt *attempt);
int64_t pg_attempt_deadline_us(const struct pg_attempt *attempt); /* monotonic; INT64_MAX: none */

/* The same for one-shot commands: blocks, at most as long as libpq's connect_timeout (10 s unless the URL says otherwise). */
enum verdict MUST_CHECK pg_connect(const struct config *config, enum pg_role role, PGconn **ret_connection, struct problem *problem);

/*
 * What a SQLSTATE asks for: RETRY or FATAL with the exit code; *ret_cause is a static word for metrics. `sqlstate` NULL or empty (no answer from the server)
 * is RETRY, cause `network`. The table is PostgreSQL's Appendix A as far as a relay can meet it; what is not in it is RETRY by class 08, 40, 53, 55, 57, 58, XX, else FATAL 3.
 */
enum verdict sqlstate_verdict(const char *sqlstate, enum exit_code *ret_code, const char **ret_cause);
/* Fills `problem` from a failed connection or result (either may be NULL); `doing` completes "could not ...". Returns sqlstate_verdict()'s verdict. */
enum verdict pg_problem(const PGconn *connection, const PGresult *result, const char *doing, struct problem *problem);

#endif
