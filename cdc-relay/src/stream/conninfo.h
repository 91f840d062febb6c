/*
 * conninfo.h - what is handed to libpq: the URL's own parameters, ours on top, names replaced by addresses. Pure but for libpq's parser.
 */
#ifndef STREAM_CONNINFO_H
#define STREAM_CONNINFO_H

#include <stdbool.h>

#include "stream/pg_connection.h"
#include "stream/resolver.h"

enum { CONNINFO_MAX = 64 };

/* NULL-terminated parallel lists for PQconnectStartParams(); texts owned. */
struct conninfo {
  size_t count;
  char *keywords[CONNINFO_MAX + 1];
  char *values[CONNINFO_MAX + 1];
};

/* From the configuration, for that role. OK, or FATAL code 2 when the URL is none. */
enum verdict MUST_CHECK conninfo_init(struct conninfo *conninfo, const struct config *config, enum pg_role role, struct problem *problem);
void conninfo_done(struct conninfo *conninfo); /* overwrites the password; may be called twice */

/* NULL when unset. */
const char *conninfo_get(const struct conninfo *conninfo, const char *keyword);

/* The host names that need resolving, in the order of `host`; entries that do not (socket folders, numeric addresses) are NULL. Returns their number (0: none at
 * all need it). `storage` is owned by the caller and freed with free(); the names point into it. */
size_t conninfo_hosts(const struct conninfo *conninfo, const char *names[RESOLVER_HOSTS_MAX], char **ret_storage);
/* Replaces host, port and hostaddr by lists with one entry per address. OK, or RETRY when no host has any address. */
enum verdict MUST_CHECK conninfo_resolve(struct conninfo *conninfo, const struct resolver *resolver, struct problem *problem);

/* One place of those that the lists name, as libpq says it of a connection: borrowed from there. */
struct conninfo_place {
  const char *host;
  const char *address; /* numeric; empty for a socket's folder */
  const char *port;
};

struct conninfo_place conninfo_place_of(const PGconn *connection);
/* Takes the place out of the lists. False, and nothing happened: it is not there, or the only one. */
bool conninfo_leave_out(struct conninfo *conninfo, const struct conninfo_place *place);
/* Leads nowhere but there. */
void conninfo_lead_to(struct conninfo *conninfo, const struct conninfo_place *place);
/* For how long one place may be tried: connect_timeout, which libpq heeds only where it blocks. 0: without a limit. */
int conninfo_timeout_s(const struct conninfo *conninfo);

#endif
