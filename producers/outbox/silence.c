/*
 * silence.c - finds statement_timeout in the options of a session, as the server reads them.
 *
 *   -c statement_timeout=5s     -cstatement_timeout=5000     --statement-timeout=5s     -c Statement_Timeout=1\ min
 *
 * Words end at white space, a backslash takes the next character as it is; names of settings have capitals or not, and - for _ in the long form.
 */
#include "silence.h"

#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { WORD_SIZE = 128 };

static const char spaces[] = " \t\n\r\f\v";

/* The next word, unescaped, cut where it is too long for a time; false: there is none. */
static bool take_word(const char **at, char ret_word[WORD_SIZE])
{
  const char *text = *at + strspn(*at, spaces);
  size_t length = 0;
  bool is_there = *text != '\0';

  for (; *text != '\0' && strchr(spaces, *text) == NULL; text++) {
    if (*text == '\\' && text[1] != '\0') {
      text++;
    }
    if (length < WORD_SIZE - 1) {
      ret_word[length++] = *text;
    }
  }
  ret_word[length] = '\0';
  *at = text;
  return is_there;
}

/* What `name=value` or `name-of-more=value` gives to statement_timeout; NULL: it is another one's. */
static const char *value_of(const char *setting)
{
  static const char name[] = "statement_timeout";

  for (size_t i = 0; name[i] != '\0'; i++) {
    char letter[2] = {setting[i] == '-' ? '_' : setting[i], '\0'};

    if (strncasecmp(letter, &name[i], 1) != 0) {
      return NULL;
    }
  }
  return setting[strlen(name)] == '=' ? setting + strlen(name) + 1 : NULL;
}

/* Milliseconds, as the server reads the text; false: it is no time. */
static bool milliseconds_of(const char *text, double *ret_ms)
{
  static const struct {
    const char *unit;
    double ms;
  } units[] = {{"", 1}, {"us", 0.001}, {"ms", 1}, {"s", 1000}, {"min", 60000}, {"h", 3600000}, {"d", 86400000}};
  char *end;
  double number = strtod(text, &end);
  size_t length;

  if (end == text || !isfinite(number) || number < 0) {
    return false;
  }
  end += strspn(end, spaces);
  length = strcspn(end, spaces);
  if (end[length + strspn(end + length, spaces)] != '\0') {
    return false;
  }
  for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
    if (strlen(units[i].unit) == length && strncmp(units[i].unit, end, length) == 0) {
      *ret_ms = number * units[i].ms;
      return true;
    }
  }
  return false;
}

int silence_of_options(const char *options)
{
  double statement_ms = DATABASE_STATEMENT_TIMEOUT_MS;
  char word[WORD_SIZE] = "";

  while (take_word(&options, word)) {
    const char *value = NULL;

    if (strcmp(word, "-c") == 0) {
      value = take_word(&options, word) ? value_of(word) : NULL;
    } else if (strncmp(word, "-c", 2) == 0 || strncmp(word, "--", 2) == 0) {
      value = value_of(word + 2);
    }
    if (value != NULL) {
      (void)milliseconds_of(value, &statement_ms);
    }
  }
  if (statement_ms < 0.5) { /* the server rounds */
    return SILENCE_WITHOUT_LIMIT;
  }
  if (statement_ms <= DATABASE_STATEMENT_TIMEOUT_MS) {
    return SILENCE_MS;
  }
  return statement_ms >= INT_MAX - SILENCE_SLACK_MS ? INT_MAX : (int)statement_ms + SILENCE_SLACK_MS;
}
