/*
 * variable.c - environment variables by a table.
 *
 *   NAME set, NAME_FILE not      the value                        NAME_FILE counts for kinds that hold a secret, and only for them
 *   NAME_FILE set, NAME not      what is in the file
 *   both                         a mistake: one of them would be ignored, and nobody could say which
 *   neither                      the fallback; without one a mistake
 *
 * Then the reader of its kind, the same for a value from anywhere. Mistakes quote the value, but never one of a kind that may hold a secret. Where a value came
 * from is not kept: the environment says it again when it is printed.
 */
#include "variable.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "connection_string.h"
#include "small_file.h"
#include "span.h"
#include "utf8.h"
#include "variable_priv.h"

enum { HOST_MAX_BYTES = 253 };

bool variable_is_secret(const struct variable *variable)
{
  switch (variable->kind) {
  case VARIABLE_SECRET:
  case VARIABLE_POSTGRES:
    return true;
  case VARIABLE_TEXT:
  case VARIABLE_URL:
  case VARIABLE_NUMBER:
  case VARIABLE_CHOICE:
  case VARIABLE_ADDRESS:
    break;
  }
  return false;
}

const char *variable_environment(const char *name)
{
  const char *value = getenv(name);

  return value != NULL && value[0] != '\0' ? value : NULL;
}

const char *variable_file(const struct variable *variable, char ret_name[VARIABLE_FILE_NAME_SIZE])
{
  int length = snprintf(ret_name, VARIABLE_FILE_NAME_SIZE, "%s_FILE", variable->name);

  assert(length > 0 && length < VARIABLE_FILE_NAME_SIZE);
  return variable_is_secret(variable) ? variable_environment(ret_name) : NULL;
}

/* --- files --- */

/* What is in the buffer as a text for the process's whole life, less a newline at its end; NULL: *ret_refusal says why not. */
static char *take_text(const char *buffer, size_t length, const char **ret_refusal)
{
  char *text;

  if (length > 0 && buffer[length - 1] == '\n') {
    length -= length > 1 && buffer[length - 2] == '\r' ? 2 : 1;
  }
  if (length > VARIABLE_VALUE_MAX_BYTES) {
    *ret_refusal = "it is too large";
    return NULL;
  }
  if (length == 0 || memchr(buffer, '\0', length) != NULL) {
    *ret_refusal = length == 0 ? "it is empty" : "it holds a zero byte";
    return NULL;
  }
  text = strndup(buffer, length);
  if (text == NULL) {
    abort();
  }
  return text;
}

static char *file_text(const char *path, const char *file_variable_name, struct problem_list *problems)
{
  struct small_file file;
  const char *refusal = small_file_read(path, VARIABLE_VALUE_MAX_BYTES + 2, &file); /* and a line's end */
  char *text = NULL;

  if (refusal == NULL) {
    text = take_text(file.bytes, file.length, &refusal);
    small_file_done(&file);
  }
  if (refusal != NULL) {
    problem_list_add(problems, file_variable_name, "could not read file \"%s\": %s", path, refusal);
  }
  return text;
}

/* --- kinds: each notes a mistake, or writes its target --- */

/* NULL or what is wrong with the bytes of a text that will be shown and logged. */
static const char *text_refusal(const char *text)
{
  struct span rest = span_of_text(text);

  while (rest.length > 0) {
    uint32_t code = 0;
    size_t length = utf8_character(rest, &code);

    if (length == 0) {
      return "is not UTF-8";
    }
    if (code < 0x20 || (code >= 0x7f && code <= 0x9f)) {
      return "has a control character";
    }
    rest = span_of(rest.data + length, rest.length - length);
  }
  return NULL;
}

/* NULL or what is wrong with the value of a text, an address, a secret or a connection string. */
static const char *value_refusal(const struct variable *variable, const char *text)
{
  if (variable->kind == VARIABLE_POSTGRES) {
    return connection_string_refusal(text);
  }
  return variable->kind == VARIABLE_TEXT || variable->kind == VARIABLE_URL ? text_refusal(text) : NULL;
}

static void read_text(const struct variable *variable, const char *text, struct problem_list *problems)
{
  const char *refusal = value_refusal(variable, text);

  if (refusal != NULL) {
    problem_list_add(problems, variable->name, "%s", refusal);
  } else {
    *(const char **)variable->target = text;
  }
}

/* An @ wherever it stands: with a password that has a / in it, what reads as a path is the rest of the password. */
static void read_url(const struct variable *variable, const char *text, struct problem_list *problems)
{
  if (strchr(text, '@') == NULL) {
    read_text(variable, text, problems);
  } else if (variable->credentials != NULL) {
    problem_list_add(problems, variable->name, "must not hold an @, as a user and a password in it would be shown: set %s (an @ of a path is %%40)",
                     variable->credentials);
  } else {
    problem_list_add(problems, variable->name, "must not hold an @: a user and a password are not sent, and would be shown (an @ of a path is %%40)");
  }
}

static void read_file(const struct variable *variable, const char *path, const char *file_name, struct problem_list *problems)
{
  char *text = file_text(path, file_name, problems);
  const char *refusal = text != NULL ? value_refusal(variable, text) : NULL;

  if (refusal != NULL) {
    problem_list_add(problems, file_name, "what is in file \"%s\" %s", path, refusal);
    explicit_bzero(text, strlen(text));
    free(text);
  } else if (text != NULL) {
    *(const char **)variable->target = text;
  }
}

static void read_number(const struct variable *variable, const char *text, struct problem_list *problems)
{
  const char *digits = text + (text[0] == '-');
  int64_t value;
  char *end;

  errno = 0;
  value = strtoll(text, &end, 10);
  if (*digits < '0' || *digits > '9' || *end != '\0' || errno != 0 || value < variable->least || value > variable->most) {
    problem_list_add(problems, variable->name, "must be a whole number from %" PRId64 " to %" PRId64 ", is \"%s\"", variable->least, variable->most, text);
  } else {
    *(int64_t *)variable->target = value;
  }
}

void variable_list_choices(const struct variable *variable, char *ret_text, size_t size)
{
  size_t length = 0;

  ret_text[0] = '\0';
  for (const char *const *choice = variable->choices; *choice != NULL && length < size; choice++) {
    const char *separator = choice == variable->choices ? "" : choice[1] == NULL ? " or " : ", ";

    length += (size_t)snprintf(ret_text + length, size - length, "%s%s", separator, *choice);
  }
}

static void read_choice(const struct variable *variable, const char *text, struct problem_list *problems)
{
  char words[256];

  for (int i = 0; variable->choices[i] != NULL; i++) {
    if (strcmp(variable->choices[i], text) == 0) {
      *(int *)variable->target = i;
      return;
    }
  }
  variable_list_choices(variable, words, sizeof(words));
  problem_list_add(problems, variable->name, "must be %s, is \"%s\"", words, text);
}

static bool is_host(struct span host)
{
  for (size_t i = 0; i < host.length; i++) {
    char c = host.data[i];

    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_')) {
      return false;
    }
  }
  return host.length <= HOST_MAX_BYTES;
}

static bool address_of_text(const char *text, struct address *ret_address)
{
  const char *colon = strrchr(text, ':');
  struct address address = {.host = ""};
  struct span host;
  unsigned char bytes[sizeof(struct in6_addr)];
  size_t digits;
  long port;
  bool has_brackets;

  if (colon == NULL) {
    return false;
  }
  digits = strspn(colon + 1, "0123456789");
  port = digits > 0 && digits <= 5 && colon[1 + digits] == '\0' ? strtol(colon + 1, NULL, 10) : -1;
  host = span_of(text, (size_t)(colon - text));
  has_brackets = host.length >= 2 && host.data[0] == '[' && host.data[host.length - 1] == ']';
  if (has_brackets) {
    host = span_of(host.data + 1, host.length - 2);
  }
  if (port < 0 || port > UINT16_MAX || host.length > HOST_MAX_BYTES) {
    return false;
  }
  memcpy(address.host, host.data, host.length);
  address.port = (uint16_t)port;
  if (has_brackets ? inet_pton(AF_INET6, address.host, bytes) != 1 : !is_host(host)) {
    return false;
  }
  *ret_address = address;
  return true;
}

static void read_address(const struct variable *variable, const char *text, struct problem_list *problems)
{
  if (!address_of_text(text, variable->target)) {
    problem_list_add(problems, variable->name, "must be host:port, [IPv6 address]:port or :port, is \"%s\"", text);
  }
}

static void read_value(const struct variable *variable, const char *text, struct problem_list *problems)
{
  if (strlen(text) > VARIABLE_VALUE_MAX_BYTES) {
    problem_list_add(problems, variable->name, "has more than %d bytes", VARIABLE_VALUE_MAX_BYTES);
    return;
  }
  switch (variable->kind) {
  case VARIABLE_TEXT:
  case VARIABLE_SECRET:
  case VARIABLE_POSTGRES:
    read_text(variable, text, problems);
    break;
  case VARIABLE_URL:
    read_url(variable, text, problems);
    break;
  case VARIABLE_NUMBER:
    read_number(variable, text, problems);
    break;
  case VARIABLE_CHOICE:
    read_choice(variable, text, problems);
    break;
  case VARIABLE_ADDRESS:
    read_address(variable, text, problems);
    break;
  }
}

void variable_read(const struct variable *variable, struct problem_list *problems)
{
  char file_name[VARIABLE_FILE_NAME_SIZE];
  const char *path = variable_file(variable, file_name);
  const char *text = variable_environment(variable->name);

  if (text != NULL && path != NULL) {
    problem_list_add(problems, variable->name, "is set, and %s too: only one of them can count", file_name);
    return;
  }
  if (path != NULL) {
    read_file(variable, path, file_name, problems);
    return;
  }
  text = text != NULL ? text : variable->fallback;
  if (text != NULL) {
    read_value(variable, text, problems);
  } else if (variable_is_secret(variable)) {
    problem_list_add(problems, variable->name, "is not set, nor is %s: %s", file_name, variable->help);
  } else {
    problem_list_add(problems, variable->name, "is not set: %s", variable->help);
  }
}

/* --- strangers: variables that begin as ours do, and are none --- */

/* Beginnings that are ours alone, in a program whose table has one of the kind: another one is a name that was mistyped, and would be ignored without a word. */
static const char *const families[] = {"HTTP_"};

static bool is_in_table(const struct variable *table, const char *name, size_t length)
{
  for (const struct variable *variable = table; variable->name != NULL; variable++) {
    if (strlen(variable->name) == length && strncmp(variable->name, name, length) == 0) {
      return true;
    }
  }
  return false;
}

/* `rest` stands behind the family, with its value: what Kubernetes makes for a Service named http, and a proxy for clients. */
static bool is_for_others(const char *rest)
{
  static const char *const beginnings[] = {"PROXY=", "SERVICE_HOST=", "SERVICE_PORT=", "SERVICE_PORT_", "PORT=tcp://", "PORT=udp://", "PORT=sctp://"};

  for (size_t i = 0; i < sizeof(beginnings) / sizeof(*beginnings); i++) {
    if (strncmp(rest, beginnings[i], strlen(beginnings[i])) == 0) {
      return true;
    }
  }
  return strncmp(rest, "PORT_", strlen("PORT_")) == 0 && rest[strlen("PORT_")] >= '0' && rest[strlen("PORT_")] <= '9';
}

/* `HTTP_LISTEN, HTTP_WORKERS`; empty: the table has none of the family. */
static void list_family(const struct variable *table, const char *family, char *ret_text, size_t size)
{
  size_t length = 0;

  ret_text[0] = '\0';
  for (const struct variable *variable = table; variable->name != NULL && length < size; variable++) {
    if (strncmp(variable->name, family, strlen(family)) == 0) {
      length += (size_t)snprintf(ret_text + length, size - length, "%s%s", length > 0 ? ", " : "", variable->name);
    }
  }
}

void variables_find_strangers(const struct variable *table, struct problem_list *problems)
{
  for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++) {
    const char *family = families[i];
    char members[256];

    list_family(table, family, members, sizeof(members));
    for (char *const *entry = environ; *entry != NULL && members[0] != '\0'; entry++) {
      size_t length = strcspn(*entry, "=");
      char name[VARIABLE_FILE_NAME_SIZE];

      if (strncmp(*entry, family, strlen(family)) != 0 || (*entry)[length] == '\0' || (*entry)[length + 1] == '\0' || is_in_table(table, *entry, length) ||
          is_for_others(*entry + strlen(family))) {
        continue;
      }
      (void)snprintf(name, sizeof(name), "%.*s", (int)(length < sizeof(name) ? length : sizeof(name) - 1), *entry);
      problem_list_add(problems, name, "is no setting of this program; of that kind there are %s", members);
    }
  }
}

void variables_read(const struct variable *table, struct problem_list *problems)
{
  for (const struct variable *variable = table; variable->name != NULL; variable++) {
    variable_read(variable, problems);
  }
  variables_find_strangers(table, problems);
}
