/* redis_url.c - cut at the signs that cannot stand in a host: the last `@`, the first `/` behind it. */
#include "redis_url.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "hex.h"

#define SCHEME "redis://"

/* Malloc'ed; NULL: a percent sign without two digits, or one that means a zero byte. */
static char *decode(const char *text, size_t length)
{
  char *decoded = malloc(length + 1);
  size_t at = 0;

  if (decoded == NULL) {
    abort();
  }
  for (size_t i = 0; i < length; i++) {
    int high, low;

    if (text[i] != '%') {
      decoded[at++] = text[i];
      continue;
    }
    high = length - i > 2 ? hex_value(text[i + 1]) : -1;
    low = high >= 0 ? hex_value(text[i + 2]) : -1;
    if (low < 0 || (high == 0 && low == 0)) {
      free(decoded);
      return NULL;
    }
    decoded[at++] = (char)(high * 16 + low);
    i += 2;
  }
  decoded[at] = '\0';
  return decoded;
}

/* All digits, at most `most`; -1: it is not. */
static int64_t number_of(const char *text, size_t length, int64_t most)
{
  int64_t number = 0;

  if (length == 0 || length > 5) {
    return -1;
  }
  for (size_t i = 0; i < length; i++) {
    if (!isdigit((unsigned char)text[i])) {
      return -1;
    }
    number = number * 10 + (text[i] - '0');
  }
  return number <= most ? number : -1;
}

static bool read_credentials(const char *text, size_t length, struct redis_settings *settings)
{
  const char *colon = memchr(text, ':', length);
  size_t user_length = colon != NULL ? (size_t)(colon - text) : length;

  settings->user = decode(text, user_length);
  settings->password = colon != NULL ? decode(colon + 1, length - user_length - 1) : strdup("");
  return settings->user != NULL && settings->password != NULL;
}

static bool read_address(const char *text, size_t length, struct address *address)
{
  const char *host = text;
  const char *end = length > 0 && text[0] == '[' ? memchr(text, ']', length) : memchr(text, ':', length);
  const char *port = NULL;
  int64_t number;

  if (length > 0 && text[0] == '[') {
    if (end == NULL) {
      return false;
    }
    host = text + 1;
    port = end + 1 < text + length ? end + 1 : NULL;
    if (port != NULL && *port != ':') {
      return false;
    }
  } else {
    port = end;
    end = end != NULL ? end : text + length;
  }
  if (end == host || (size_t)(end - host) >= sizeof(address->host)) {
    return false;
  }
  number = port != NULL ? number_of(port + 1, (size_t)(text + length - port - 1), UINT16_MAX) : REDIS_PORT_DEFAULT;
  if (number <= 0) {
    return false;
  }
  memcpy(address->host, host, (size_t)(end - host));
  address->host[end - host] = '\0';
  address->port = (uint16_t)number;
  return true;
}

enum verdict redis_url_read(const char *url, struct redis_settings *ret_settings, struct problem *problem)
{
  struct redis_settings settings = {0};
  const char *rest, *at, *slash;
  bool is_sound;

  if (strncmp(url, SCHEME, strlen(SCHEME)) != 0) {
    return problem_set(problem, VERDICT_FATAL, EXIT_USAGE, "redis_url", "REDIS_URL must begin with redis://");
  }
  rest = url + strlen(SCHEME);
  at = strrchr(rest, '@');
  is_sound = at == NULL || read_credentials(rest, (size_t)(at - rest), &settings);
  rest = at != NULL ? at + 1 : rest;
  slash = strchr(rest, '/');
  is_sound = is_sound && read_address(rest, slash != NULL ? (size_t)(slash - rest) : strlen(rest), &settings.address);
  if (slash != NULL && slash[1] != '\0') {
    settings.database = number_of(slash + 1, strlen(slash + 1), REDIS_DATABASE_MAX);
    is_sound = is_sound && settings.database >= 0;
  }
  if (!is_sound) {
    redis_settings_done(&settings);
    return problem_set(problem, VERDICT_FATAL, EXIT_USAGE, "redis_url", "REDIS_URL is not of the form redis://[[user]:password@]host[:port][/database]");
  }
  *ret_settings = settings;
  return VERDICT_OK;
}

void redis_settings_done(struct redis_settings *settings)
{
  free((char *)(uintptr_t)settings->user);
  free((char *)(uintptr_t)settings->password);
  settings->user = NULL;
  settings->password = NULL;
}
