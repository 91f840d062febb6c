/*
 * connection_string.c - walks over both forms as libpq does (fe-connect.c), and hands each piece to whoever asked: one walk refuses, the same walk masks.
 *
 *   postgresql://user:SECRET@host:5432,[::1]:5433/dbname?option=value&sslpassword=SECRET     text up to the first @ or / decides whether there is a user
 *   host=x user = y password='SEC\'RET' sslpassword=SEC\ RET                                 values end at a space, quoted ones at the quote
 *
 * A quote is not doubled inside of quotes: 'it''s' is the value `it` and a second name that lacks its =.
 *
 * A whole connection string in the place of a database's name (dbname=postgres://user:SECRET@host/db), as psql -d takes it, is a name to libpq here, which the server
 * repeats in its refusal, for every log to keep. So names are looked at for what could be one, however it is written, and such a text is refused.
 */
#include "connection_string.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "hex.h"
#include "span.h"

static const char mask[] = "***";
static const char spaces[] = " \t\n\r\f\v";

/* libpq's options up to PostgreSQL 18 whose values may be seen. `ssl` is what JDBC says. */
static const char *const harmless[] = {
    "application_name",
    "channel_binding",
    "client_encoding",
    "connect_timeout",
    "dbname",
    "fallback_application_name",
    "gssdelegation",
    "gssencmode",
    "gsslib",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "krbsrvname",
    "load_balance_hosts",
    "max_protocol_version",
    "min_protocol_version",
    "oauth_client_id",
    "oauth_issuer",
    "oauth_scope",
    "options",
    "passfile",
    "port",
    "replication",
    "require_auth",
    "requirepeer",
    "service",
    "servicefile",
    "ssl",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslcert",
    "sslcertmode",
    "sslcompression",
    "sslcrl",
    "sslcrldir",
    "sslkey",
    "sslkeylogfile",
    "sslmode",
    "sslnegotiation",
    "sslrootcert",
    "sslsni",
    "target_session_attrs",
    "tcp_user_timeout",
    "user",
};
/* Options whose values are names; the first one's place is where people put a whole connection string, of either form. */
static const char *const names_of_things[] = {"dbname", "host", "user", "service"};
static const char *const secret[] = {"oauth_client_secret", "password", "scram_client_key", "scram_server_key", "sslpassword"};

static const char nested[] = "has a connection string in the place of a name (dbname, host, user or service): write it alone, without dbname= before it";

/* What a walk comes by. The copy is NULL while nobody wants one. */
struct walk {
  const char *at;     /* copied up to here */
  char *copy;         /* room for all that there can be */
  size_t length;      /* of the copy */
  bool has_strangers; /* an option that is in neither list */
};

static bool is_listed(struct span name, const char *const *list, size_t count)
{
  for (size_t i = 0; i < count; i++) {
    if (span_is(name, list[i])) {
      return true;
    }
  }
  return false;
}

static void copy_up_to(struct walk *walk, const char *end)
{
  if (walk->copy != NULL) {
    memcpy(walk->copy + walk->length, walk->at, (size_t)(end - walk->at));
    walk->length += (size_t)(end - walk->at);
  }
  walk->at = end;
}

static void copy_masked(struct walk *walk, const char *begin, const char *end)
{
  copy_up_to(walk, begin);
  if (walk->copy != NULL) {
    memcpy(walk->copy + walk->length, mask, strlen(mask));
    walk->length += strlen(mask);
  }
  walk->at = end;
}

/* Whether there could be a connection string in a name, or in what is left of it without backslashes and percent signs, whichever of the two forms it stands in. */
static bool has_nested(const char *begin, const char *end, bool takes_keywords)
{
  static const char sign[] = "://";
  size_t matched = 0;

  while (begin < end) {
    int high = end - begin > 2 && *begin == '%' ? hex_value(begin[1]) : -1;
    int low = high >= 0 ? hex_value(begin[2]) : -1;
    char c = low >= 0 ? (char)(high * 16 + low) : *begin;

    begin += low >= 0 ? 3 : 1;
    if (c == '\\') {
      continue;
    }
    if (takes_keywords && c == '=') {
      return true;
    }
    matched = c == sign[matched] ? matched + 1 : c == sign[0] ? 1 : 0;
    if (matched == strlen(sign)) {
      return true;
    }
  }
  return false;
}

/* The value of an option, from `begin` to `end`. NULL or what is wrong with the name. */
static const char *take_option(struct walk *walk, struct span name, const char *begin, const char *end)
{
  for (size_t i = 0; i < name.length; i++) {
    if (strchr("abcdefghijklmnopqrstuvwxyz0123456789_", name.data[i]) == NULL) {
      return "is no connection string of libpq: names of options have small letters, digits and _ alone";
    }
  }
  for (size_t i = 0; i < sizeof(names_of_things) / sizeof(*names_of_things); i++) {
    if (span_is(name, names_of_things[i]) && has_nested(begin, end, i == 0)) {
      return nested;
    }
  }
  if (is_listed(name, secret, sizeof(secret) / sizeof(*secret))) {
    copy_masked(walk, begin, end);
  } else if (!is_listed(name, harmless, sizeof(harmless) / sizeof(*harmless))) {
    walk->has_strangers = true;
  }
  return NULL;
}

/* --- host=x password=y --- */

static const char *walk_over_keywords(struct walk *walk, const char *text)
{
  const char *at = text + strspn(text, spaces);

  while (*at != '\0') {
    struct span name = span_of(at, strcspn(at, "= \t\n\r\f\v"));
    const char *begin, *refusal;
    bool is_quoted;

    at = name.data + name.length + strspn(name.data + name.length, spaces);
    if (*at != '=' || name.length == 0) {
      return "is no connection string of libpq: neither a URI, postgresql://..., nor name=value with spaces between";
    }
    at += 1 + strspn(at + 1, spaces);
    is_quoted = *at == '\'';
    at += is_quoted;
    begin = at; /* quotes stay around a mask: what follows the second one need not begin with a space */
    while (*at != '\0' && (is_quoted ? *at != '\'' : strchr(spaces, *at) == NULL)) {
      at += *at == '\\' && at[1] != '\0' ? 2 : 1;
    }
    if (is_quoted && *at == '\0') {
      return "is no connection string of libpq: a quoted value has no end";
    }
    refusal = take_option(walk, name, begin, at);
    if (refusal != NULL) {
      return refusal;
    }
    at += is_quoted;
    at += strspn(at, spaces);
  }
  return NULL;
}

/* --- postgresql://user:password@host:port/dbname?name=value --- */

/* Behind the scheme; NULL: no URI. */
static const char *behind_scheme(const char *text)
{
  static const char *const schemes[] = {"postgresql://", "postgres://"};

  for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++) {
    if (strncmp(text, schemes[i], strlen(schemes[i])) == 0) {
      return text + strlen(schemes[i]);
    }
  }
  return NULL;
}

static bool has_sound_percents(const char *text)
{
  static const char digits[] = "0123456789abcdefABCDEF";

  for (const char *at = strchr(text, '%'); at != NULL; at = strchr(at + 1, '%')) {
    if (at[1] == '\0' || at[2] == '\0' || strchr(digits, at[1]) == NULL || strchr(digits, at[2]) == NULL || strncmp(at, "%00", 3) == 0) {
      return false;
    }
  }
  return true;
}

/* Of one `host:port`; *ret_end is behind it. */
static const char *walk_over_host(const char *at, const char **ret_end)
{
  const char *port;

  if (*at == '[') {
    size_t length = strcspn(at, "]");

    if (at[length] == '\0' || length == 1 || strchr(":/?,", at[length + 1]) == NULL) {
      return "is no connection string of libpq: an IPv6 address is [address]";
    }
    at += length + 1;
  } else {
    at += strcspn(at, ":/?,");
  }
  if (*at == ':') {
    port = at + 1;
    at += strcspn(at, "/?,");
    if (port + strspn(port, "0123456789") != at) {
      return "has a port that is no number: in a URI write @ : / ? % of a user name or password as %40 %3A %2F %3F %25";
    }
  }
  *ret_end = at;
  return NULL;
}

static const char *walk_over_options(struct walk *walk, const char *at)
{
  while (*at != '\0') {
    size_t length = strcspn(at, "&");
    struct span name = span_of(at, strcspn(at, "=&"));
    const char *begin = at + name.length + 1;
    const char *refusal;

    if (at[name.length] != '=' || name.length == 0 || memchr(begin, '=', (size_t)(at + length - begin)) != NULL) {
      return "is no connection string of libpq: options of a URI are name=value with & between, and a = in a value is %3D";
    }
    refusal = take_option(walk, name, begin, at + length);
    if (refusal != NULL) {
      return refusal;
    }
    at += length;
    at += *at == '&';
  }
  return NULL;
}

/* Of the hosts on, before the options. */
static bool has_at(const char *hosts)
{
  return memchr(hosts, '@', strcspn(hosts, "?")) != NULL;
}

static const char *walk_over_uri(struct walk *walk, const char *authority)
{
  const char *at = authority;
  const char *sign = authority + strcspn(authority, "@/");
  const char *refusal, *hosts;

  if (authority[strcspn(authority, spaces)] != '\0') {
    /* libpq 18 refuses it as well, and quotes what it stands in, be it the password; before, it was a part of that. */
    return "has a blank: in a URI write it as %20";
  }
  if (!has_sound_percents(authority)) {
    return "has a % that no two hexadecimal digits follow: in a URI write % as %25";
  }
  if (*sign == '@') {
    const char *colon = memchr(authority, ':', (size_t)(sign - authority));

    if (colon != NULL && colon + 1 < sign) {
      copy_masked(walk, colon + 1, sign);
    }
    at = sign + 1;
  }
  hosts = at;
  if (has_at(hosts)) {
    return "has an @ too many: in a URI write @ : / ? of a user name or password as %40 %3A %2F %3F";
  }
  if (has_nested(hosts, hosts + strcspn(hosts, "?"), false)) {
    return nested;
  }
  do {
    refusal = walk_over_host(at, &at);
    if (refusal != NULL) {
      return refusal;
    }
  } while (*at++ == ',');
  at--;
  at += strcspn(at, "?");
  return *at == '?' ? walk_over_options(walk, at + 1) : NULL;
}

static const char *walk_over(struct walk *walk, const char *text)
{
  const char *authority = behind_scheme(text);

  walk->at = text;
  return authority != NULL ? walk_over_uri(walk, authority) : walk_over_keywords(walk, text);
}

bool connection_string_is_nested(const char *text)
{
  struct walk walk = {0};

  return walk_over(&walk, text) == nested;
}

bool connection_string_has_stray_at(const char *text)
{
  const char *authority = behind_scheme(text);
  const char *sign;

  if (authority == NULL) {
    return false;
  }
  sign = authority + strcspn(authority, "@/");
  return has_at(*sign == '@' ? sign + 1 : authority);
}

const char *connection_string_refusal(const char *text)
{
  struct walk walk = {0};

  return walk_over(&walk, text);
}

char *connection_string_mask(const char *text)
{
  size_t length = strlen(text);
  struct walk walk = {.copy = malloc((length + 1) * sizeof(mask))}; /* a mask stands for an empty value at the worst, whose name and = are more than it */

  if (walk.copy == NULL) {
    abort();
  }
  if (walk_over(&walk, text) != NULL || walk.has_strangers) {
    explicit_bzero(walk.copy, walk.length);
    walk.length = 0;
    walk.at = text + length;
    memcpy(walk.copy, mask, strlen(mask));
    walk.length = strlen(mask);
  }
  copy_up_to(&walk, text + length);
  walk.copy[walk.length] = '\0';
  return walk.copy;
}
