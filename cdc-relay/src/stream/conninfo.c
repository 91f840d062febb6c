/*
 * conninfo.c - parameters for libpq.
 *
 *   host=db1,db2 port=5432      ->      host=db1,db1,db2   hostaddr=10.0.0.1,10.0.0.2,10.0.0.3   port=5432,5432,5432
 *
 * libpq resolves names inside PQconnectStart and blocks there; given `hostaddr` it does not, and still checks certificates against `host`. One that says nothing is taken
 * out of the lists again.
 */
#include "stream/conninfo.h"

#include <arpa/inet.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text_out.h"

/* Session settings that decoders rely on, a search path that nobody can put functions in, and the warning that the stream listens for. */
#define FORCED_OPTIONS                                                                                                                                         \
  "-c datestyle=ISO -c intervalstyle=postgres -c extra_float_digits=3 -c bytea_output=hex -c timezone=UTC -c search_path=pg_catalog -c statement_timeout=0 "   \
  "-c client_min_messages=warning"

/* Defaults of ours: the user's own word in the URL wins. */
static const struct {
  const char *keyword;
  const char *value;
} defaults[] = {
    {"connect_timeout", "10"}, {"keepalives_idle", "10"}, {"keepalives_interval", "5"}, {"keepalives_count", "4"}, {"tcp_user_timeout", "10000"},
};

static char *copy_of(const char *text)
{
  char *copy = strdup(text);

  if (copy == NULL) {
    abort();
  }
  return copy;
}

static void set(struct conninfo *conninfo, const char *keyword, const char *value)
{
  size_t i = 0;

  while (i < conninfo->count && strcmp(conninfo->keywords[i], keyword) != 0) {
    i++;
  }
  if (i == conninfo->count) {
    if (i == CONNINFO_MAX) {
      abort(); /* libpq knows fewer keywords */
    }
    conninfo->keywords[i] = copy_of(keyword);
    conninfo->count++;
  } else {
    free(conninfo->values[i]);
  }
  conninfo->values[i] = copy_of(value);
}

const char *conninfo_get(const struct conninfo *conninfo, const char *keyword)
{
  for (size_t i = 0; i < conninfo->count; i++) {
    if (strcmp(conninfo->keywords[i], keyword) == 0) {
      return conninfo->values[i];
    }
  }
  return NULL;
}

enum verdict conninfo_init(struct conninfo *conninfo, const struct config *config, enum pg_role role, struct problem *problem)
{
  bool is_admin = role == PG_ADMIN && config->postgres.admin_url != NULL;
  const char *url = is_admin ? config->postgres.admin_url : config->postgres.url;
  char *error = NULL;
  PQconninfoOption *options = PQconninfoParse(url, &error);
  char *forced;

  memset(conninfo, 0, sizeof(*conninfo));
  if (options == NULL) {
    PQfreemem(error); /* its words may hold the password */
    return problem_set(problem, VERDICT_FATAL, EXIT_USAGE, "bad_url", "%s is not a connection URI or keyword string of libpq",
                       is_admin ? "postgres.admin_url" : "postgres.url");
  }
  for (const PQconninfoOption *option = options; option->keyword != NULL; option++) {
    if (option->val != NULL) {
      set(conninfo, option->keyword, option->val);
    }
  }
  PQconninfoFree(options);
  for (size_t i = 0; i < sizeof(defaults) / sizeof(*defaults); i++) {
    if (conninfo_get(conninfo, defaults[i].keyword) == NULL) {
      set(conninfo, defaults[i].keyword, defaults[i].value);
    }
  }
  if (config->postgres.password != NULL && !is_admin) {
    set(conninfo, "password", config->postgres.password);
  }
  if (conninfo_get(conninfo, "application_name") == NULL) {
    set(conninfo, "application_name", config->name);
  }
  if (role == PG_REPLICATION) {
    set(conninfo, "replication", "database");
  }
  set(conninfo, "client_encoding", "UTF8");
  /* The user's own options first: of two settings of one parameter the later wins. */
  if (asprintf(&forced, "%s%s%s", conninfo_get(conninfo, "options") != NULL ? conninfo_get(conninfo, "options") : "",
               conninfo_get(conninfo, "options") != NULL ? " " : "", FORCED_OPTIONS) < 0) {
    abort();
  }
  set(conninfo, "options", forced);
  free(forced);
  return VERDICT_OK;
}

void conninfo_done(struct conninfo *conninfo)
{
  for (size_t i = 0; i < conninfo->count; i++) {
    free(conninfo->keywords[i]);
    explicit_bzero(conninfo->values[i], strlen(conninfo->values[i]));
    free(conninfo->values[i]);
  }
  memset(conninfo, 0, sizeof(*conninfo));
}

static bool needs_resolving(const char *host)
{
  struct in6_addr address;

  return host[0] != '\0' && host[0] != '/' && host[0] != '@' && inet_pton(AF_INET, host, &address) != 1 && inet_pton(AF_INET6, host, &address) != 1;
}

/* Cuts a comma-separated list in place; returns the number of entries, at most `limit`. */
static size_t list_split(char *list, char *entries[], size_t limit)
{
  size_t count = 0;

  for (char *at = list; at != NULL && count < limit;) {
    char *comma = strchr(at, ',');

    entries[count++] = at;
    if (comma != NULL) {
      *comma++ = '\0';
    }
    at = comma;
  }
  return count;
}

size_t conninfo_hosts(const struct conninfo *conninfo, const char *names[RESOLVER_HOSTS_MAX], char **ret_storage)
{
  const char *hosts = conninfo_get(conninfo, "host");
  char *entries[RESOLVER_HOSTS_MAX];
  bool any = false;
  size_t count;

  *ret_storage = NULL;
  if (hosts == NULL || conninfo_get(conninfo, "hostaddr") != NULL) {
    return 0;
  }
  *ret_storage = copy_of(hosts);
  count = list_split(*ret_storage, entries, RESOLVER_HOSTS_MAX);
  for (size_t i = 0; i < count; i++) {
    names[i] = needs_resolving(entries[i]) ? entries[i] : NULL;
    any = any || names[i] != NULL;
  }
  return any ? count : 0;
}

struct host_lists {
  char *hosts, *ports, *addresses;
  size_t hosts_size, ports_size, addresses_size;
  FILE *host_out, *port_out, *address_out;
  size_t count;
};

static void lists_add(struct host_lists *lists, const char *host, const char *port, const char *address)
{
  const char *comma = lists->count++ > 0 ? "," : "";

  (void)fprintf(lists->host_out, "%s%s", comma, host);
  (void)fprintf(lists->port_out, "%s%s", comma, port);
  (void)fprintf(lists->address_out, "%s%s", comma, address);
}

enum verdict conninfo_resolve(struct conninfo *conninfo, const struct resolver *resolver, struct problem *problem)
{
  char *host_text = copy_of(conninfo_get(conninfo, "host"));
  char *port_text = copy_of(conninfo_get(conninfo, "port") != NULL ? conninfo_get(conninfo, "port") : "");
  char *hosts[RESOLVER_HOSTS_MAX];
  char *ports[RESOLVER_HOSTS_MAX];
  size_t host_count = list_split(host_text, hosts, RESOLVER_HOSTS_MAX);
  size_t port_count = list_split(port_text, ports, RESOLVER_HOSTS_MAX);
  struct host_lists lists = {0};
  const char *error = "no address";
  const char *failed = "";

  lists.host_out = text_open(&lists.hosts, &lists.hosts_size);
  lists.port_out = text_open(&lists.ports, &lists.ports_size);
  lists.address_out = text_open(&lists.addresses, &lists.addresses_size);
  for (size_t i = 0; i < host_count; i++) {
    const char *port = port_count == 1 ? ports[0] : i < port_count ? ports[i] : "";

    if (!needs_resolving(hosts[i])) {
      lists_add(&lists, hosts[i], port, "");
    } else if (resolver_error(resolver, i) != NULL) {
      failed = hosts[i];
      error = resolver_error(resolver, i);
    }
    for (size_t a = 0; a < resolver_count(resolver); a++) {
      if (resolver_at(resolver, a)->request == i) {
        lists_add(&lists, hosts[i], port, resolver_at(resolver, a)->address);
      }
    }
  }
  text_close(lists.host_out);
  text_close(lists.port_out);
  text_close(lists.address_out);
  if (lists.count > 0) {
    set(conninfo, "host", lists.hosts);
    set(conninfo, "port", lists.ports);
    set(conninfo, "hostaddr", lists.addresses);
  } else {
    (void)problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "resolve", "could not resolve host name \"%s\": %s", failed, error);
  }
  free(lists.hosts);
  free(lists.ports);
  free(lists.addresses);
  free(host_text);
  free(port_text);
  return lists.count > 0 ? VERDICT_OK : VERDICT_RETRY;
}

struct conninfo_place conninfo_place_of(const PGconn *connection)
{
  return (struct conninfo_place){.host = PQhost(connection), .address = PQhostaddr(connection), .port = PQport(connection)};
}

void conninfo_lead_to(struct conninfo *conninfo, const struct conninfo_place *place)
{
  set(conninfo, "host", place->host);
  set(conninfo, "hostaddr", place->address);
  set(conninfo, "port", place->port);
}

int conninfo_timeout_s(const struct conninfo *conninfo)
{
  const char *text = conninfo_get(conninfo, "connect_timeout");
  long seconds = text != NULL ? strtol(text, NULL, 10) : 0;

  return seconds > 0 && seconds < INT_MAX ? (int)seconds : 0;
}

/* The same in another way of writing, too: libpq says an address as it would write it. */
static bool is_same_address(const char *left, const char *right)
{
  char bytes[2][sizeof(struct in6_addr)];

  for (int i = 0; i < 2; i++) {
    int family = i == 0 ? AF_INET : AF_INET6;

    if (inet_pton(family, left, bytes[0]) == 1 && inet_pton(family, right, bytes[1]) == 1) {
      return memcmp(bytes[0], bytes[1], family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr)) == 0;
    }
  }
  return strcmp(left, right) == 0;
}

/* One of the lists, cut into its entries. */
struct list {
  const char *keyword;
  char *text;
  size_t count; /* 0: it is not set */
  char *entries[RESOLVER_ADDRESSES_MAX];
};

static struct list list_of(const struct conninfo *conninfo, const char *keyword)
{
  struct list list = {.keyword = keyword};
  const char *value = conninfo_get(conninfo, keyword);

  list.text = copy_of(value != NULL ? value : "");
  list.count = list.text[0] != '\0' ? list_split(list.text, list.entries, RESOLVER_ADDRESSES_MAX) : 0;
  return list;
}

/* Empty where the list has none. One port is that of all. */
static const char *entry_of(const struct list *list, size_t index, bool one_is_for_all)
{
  if (one_is_for_all && list->count == 1) {
    return list->entries[0];
  }
  return index < list->count ? list->entries[index] : "";
}

static void list_leave_out(struct conninfo *conninfo, const struct list *list, size_t index)
{
  char *text;
  size_t size;
  FILE *out = text_open(&text, &size);

  for (size_t i = 0; i < list->count; i++) {
    if (i != index) {
      (void)fprintf(out, "%s%s", i > (index == 0 ? 1 : 0) ? "," : "", list->entries[i]);
    }
  }
  text_close(out);
  set(conninfo, list->keyword, text);
  free(text);
}

bool conninfo_leave_out(struct conninfo *conninfo, const struct conninfo_place *place)
{
  struct list hosts = list_of(conninfo, "host");
  struct list addresses = list_of(conninfo, "hostaddr");
  struct list ports = list_of(conninfo, "port");
  size_t count = addresses.count > 0 ? addresses.count : hosts.count;
  size_t at = 0;

  while (at < count) {
    const char *host = entry_of(&hosts, at, false);
    const char *address = entry_of(&addresses, at, false);
    const char *port = entry_of(&ports, at, true);

    if (strcmp(host[0] != '\0' ? host : address, place->host) == 0 && (address[0] == '\0' || is_same_address(address, place->address)) &&
        (port[0] == '\0' || strcmp(port, place->port) == 0)) {
      break;
    }
    at++;
  }
  if (at < count && count > 1) {
    if (hosts.count > 0) {
      list_leave_out(conninfo, &hosts, at);
    }
    if (addresses.count > 0) {
      list_leave_out(conninfo, &addresses, at);
    }
    if (ports.count > 1) {
      list_leave_out(conninfo, &ports, at);
    }
  }
  free(hosts.text);
  free(addresses.text);
  free(ports.text);
  return at < count && count > 1;
}
