/* record.c - text form and order of an event's position. */
#include "route/record.h"

#include <errno.h>
#include <stdlib.h>

struct position_text position_text(struct position position)
{
  struct lsn_text lsn = lsn_text(position.commit_lsn);
  size_t length = strlen(lsn.text);
  struct position_text result;
  char digits[20]; /* of 2^64 - 1, from the end */
  size_t at = sizeof(digits);
  uint64_t index = position.index;

  do {
    digits[--at] = (char)('0' + index % 10);
    index /= 10;
  } while (index > 0);
  memcpy(result.text, lsn.text, length);
  result.text[length++] = '/';
  memcpy(result.text + length, digits + at, sizeof(digits) - at);
  result.text[length + sizeof(digits) - at] = '\0';
  return result;
}

int position_compare(struct position a, struct position b)
{
  if (a.commit_lsn != b.commit_lsn) {
    return a.commit_lsn < b.commit_lsn ? -1 : 1;
  }
  return (a.index > b.index) - (a.index < b.index);
}

enum verdict position_parse(const char *text, struct position *ret_position)
{
  const char *slash = strrchr(text, '/');
  struct position position;
  char *end;

  if (slash == NULL || slash[1] < '0' || slash[1] > '9' || lsn_parse(text, (size_t)(slash - text), &position.commit_lsn) != VERDICT_OK) {
    return VERDICT_FATAL;
  }
  errno = 0;
  position.index = strtoull(slash + 1, &end, 10);
  if (errno != 0 || *end != '\0') {
    return VERDICT_FATAL;
  }
  *ret_position = position;
  return VERDICT_OK;
}
