/*
 * connection_text.c - libpq does the reading; this file only masks and derives.
 *
 *   postgresql://user:SECRET@host:5432,host2/db?password=SECRET&sslpassword=SECRET
 *   host=x user=y password='SEC\'RET' sslpassword = SECRET
 *
 * A mask is made on the text, so that the rest stays as it was written, and then libpq reads the masked text again: if it still finds a password that is not
 * the mask, the whole is masked. What libpq cannot read is masked as a whole, since nobody can say where the password in it ends. In doubt too much is masked:
 * a raw @ or / in a password moves libpq's idea of the host, so everything from the first colon to the last @ goes.
 */
#include "config/connection_text.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "connection_string.h"

static const char mask[] = "***";

static bool is_uri(const char *url)
{
  return strncmp(url, "postgresql://", strlen("postgresql://")) == 0 || strncmp(url, "postgres://", strlen("postgres://")) == 0;
}

/* libpq marks the options whose values must not be displayed. */
static bool is_secret(const PQconninfoOption *option)
{
  return option->dispchar != NULL && option->dispchar[0] == '*';
}

static const char *value_of(const PQconninfoOption *options, const char *keyword)
{
  for (const PQconninfoOption *option = options; option->keyword != NULL; option++) {
    if (strcmp(option->keyword, keyword) == 0 && option->val != NULL && option->val[0] != '\0') {
      return option->val;
    }
  }
  return NULL;
}

static bool name_is_secret(const PQconninfoOption *options, const char *name, size_t length)
{
  for (const PQconninfoOption *option = options; option->keyword != NULL; option++) {
    if (is_secret(option) && strlen(option->keyword) == length && strncmp(option->keyword, name, length) == 0) {
      return true;
    }
  }
  return false;
}

/* PQconninfoFree() does not overwrite what it frees. */
static void free_options(PQconninfoOption *options)
{
  for (PQconninfoOption *option = options; option != NULL && option->keyword != NULL; option++) {
    if (option->val != NULL && is_secret(option)) {
      explicit_bzero(option->val, strlen(option->val));
    }
  }
  PQconninfoFree(options);
}

static bool has_password(const PQconninfoOption *options)
{
  for (const PQconninfoOption *option = options; option->keyword != NULL; option++) {
    if (is_secret(option) && option->val != NULL && option->val[0] != '\0' && strcmp(option->val, mask) != 0) {
      return true;
    }
  }
  return false;
}

const char *connection_text_refusal(const char *url, struct texts *texts)
{
  char *words = NULL;
  PQconninfoOption *options;
  const char *refusal = NULL;

  if (connection_string_is_nested(url) || connection_string_has_stray_at(url)) {
    return connection_string_refusal(url);
  }
  options = PQconninfoParse(url, &words);

  if (options == NULL) {
    const char *first = words != NULL ? strchr(words, '"') : NULL;
    const char *last = words != NULL ? strrchr(words, '"') : NULL;

    if (first != NULL && last > first) {
      size_t end = strcspn(last + 1, "\n");

      refusal = texts_format(texts, "not a libpq connection string: %.*s\"%s\"%.*s", (int)(first - words), words, mask, (int)end, last + 1);
    } else {
      refusal = "not a libpq connection string";
    }
  }
  if (words != NULL) {
    explicit_bzero(words, strlen(words));
  }
  PQfreemem(words);
  free_options(options);
  return refusal;
}

bool connection_text_has_password(const char *url)
{
  PQconninfoOption *options;
  bool result;

  if (url == NULL) {
    return false;
  }
  options = PQconninfoParse(url, NULL);
  result = options != NULL && has_password(options);
  free_options(options);
  return result;
}

/* --- masking --- */

/* An output that is always large enough: each mask stands for at least one byte of the source, or for an empty value (4 bytes at most come of 1). */
struct masked {
  char *text;
  size_t length;
};

static void put(struct masked *masked, const char *data, size_t length)
{
  memcpy(masked->text + masked->length, data, length);
  masked->length += length;
  masked->text[masked->length] = '\0';
}

static void mask_uri(const char *url, const PQconninfoOption *options, struct masked *masked)
{
  const char *authority = strstr(url, "//") + 2;
  const char *colon = strchr(authority, ':');
  const char *at = strrchr(authority, '@');
  const char *parameters;

  if (colon != NULL && at != NULL && colon < at) {
    put(masked, url, (size_t)(colon + 1 - url));
    put(masked, mask, strlen(mask));
    url = at;
  }
  parameters = strchr(url, '?');
  if (parameters == NULL) {
    put(masked, url, strlen(url));
    return;
  }
  put(masked, url, (size_t)(parameters - url));
  for (const char *parameter = parameters; *parameter != '\0';) { /* from `?` or `&` to the next `&` */
    size_t length = 1 + strcspn(parameter + 1, "&");
    const char *equals = memchr(parameter, '=', length);

    if (equals != NULL && name_is_secret(options, parameter + 1, (size_t)(equals - parameter) - 1)) {
      put(masked, parameter, (size_t)(equals - parameter) + 1);
      put(masked, mask, strlen(mask));
    } else {
      put(masked, parameter, length);
    }
    parameter += length;
  }
}

static size_t skip_value(const char *text)
{
  size_t at = 0;
  bool is_quoted = text[0] == '\'';

  for (at = is_quoted; text[at] != '\0'; at++) {
    if (text[at] == '\\' && text[at + 1] != '\0') {
      at++;
    } else if (is_quoted ? text[at] == '\'' : strchr(" \t\n\r\f\v", text[at]) != NULL) {
      return at + is_quoted;
    }
  }
  return at;
}

static void mask_keywords(const char *url, const PQconninfoOption *options, struct masked *masked)
{
  static const char spaces[] = " \t\n\r\f\v";

  while (*url != '\0') {
    const char *name = url + strspn(url, spaces);
    size_t name_length = strcspn(name, "= \t\n\r\f\v");
    const char *equals = name + name_length + strspn(name + name_length, spaces);
    const char *value, *end;

    if (*equals != '=') { /* only spaces are left: libpq has read it */
      put(masked, url, strlen(url));
      return;
    }
    value = equals + 1 + strspn(equals + 1, spaces);
    end = value + skip_value(value);
    put(masked, url, (size_t)(value - url));
    if (name_is_secret(options, name, name_length)) {
      put(masked, mask, strlen(mask));
    } else {
      put(masked, value, (size_t)(end - value));
    }
    url = end;
  }
}

char *config_mask_url(const char *url)
{
  PQconninfoOption *options = PQconninfoParse(url, NULL);
  struct masked masked = {.text = calloc(strlen(url) + 1, sizeof(mask)), .length = 0};

  if (masked.text == NULL) {
    abort();
  }
  if (options == NULL || connection_string_is_nested(url)) {
    put(&masked, mask, strlen(mask));
  } else if (is_uri(url)) {
    mask_uri(url, options, &masked);
  } else {
    mask_keywords(url, options, &masked);
  }
  free_options(options);
  if (connection_text_has_password(masked.text)) {
    explicit_bzero(masked.text, masked.length);
    masked.length = 0;
    put(&masked, mask, strlen(mask));
  }
  return masked.text;
}

/* --- derived names --- */

static const char *environment_value(const char *const *environment, const char *name)
{
  size_t length = strlen(name);

  for (; environment != NULL && *environment != NULL; environment++) {
    if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=' && (*environment)[length + 1] != '\0') {
      return *environment + length + 1;
    }
  }
  return NULL;
}

const char *connection_text_slot(const char *url, const char *const *environment, struct texts *texts)
{
  static const char suffix[] = "_outbox";
  PQconninfoOption *options = PQconninfoParse(url, NULL);
  const char *database;
  char name[CONNECTION_NAME_MAX_BYTES + 1] = {0};

  if (options == NULL) {
    return NULL;
  }
  database = value_of(options, "dbname");
  if (database == NULL) {
    database = environment_value(environment, "PGDATABASE");
  }
  if (database == NULL && value_of(options, "service") == NULL && environment_value(environment, "PGSERVICE") == NULL) {
    database = value_of(options, "user");
    if (database == NULL) {
      database = environment_value(environment, "PGUSER");
    }
  }
  for (size_t i = 0; database != NULL && database[i] != '\0' && i < CONNECTION_NAME_MAX_BYTES - strlen(suffix); i++) {
    char c = database[i];

    if (c >= 'A' && c <= 'Z') {
      c = (char)(c - 'A' + 'a');
    }
    name[i] = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? c : '_';
  }
  database = database != NULL ? texts_format(texts, "%s%s", name, suffix) : NULL;
  free_options(options);
  return database;
}
