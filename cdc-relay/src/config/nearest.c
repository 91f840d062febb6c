/* nearest.c - edit distance (optimal string alignment), row by row, on names of bounded length. */
#include "config/nearest.h"

#include <stdio.h>
#include <string.h>

static size_t least(size_t a, size_t b)
{
  return a < b ? a : b;
}

size_t edit_distance(const char *a, const char *b)
{
  size_t rows[3][NEAREST_NAME_MAX_BYTES + 1]; /* of the table's row i: two before, one before, this */
  size_t a_length = strnlen(a, NEAREST_NAME_MAX_BYTES);
  size_t b_length = strnlen(b, NEAREST_NAME_MAX_BYTES);

  for (size_t j = 0; j <= b_length; j++) {
    rows[0][j] = j;
  }
  for (size_t i = 1; i <= a_length; i++) {
    size_t *row = rows[i % 3];
    const size_t *before = rows[(i + 2) % 3];
    const size_t *two_before = rows[(i + 1) % 3];

    row[0] = i;
    for (size_t j = 1; j <= b_length; j++) {
      size_t replaced = before[j - 1] + (a[i - 1] != b[j - 1]);

      row[j] = least(replaced, least(before[j], row[j - 1]) + 1);
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = least(row[j], two_before[j - 2] + 1);
      }
    }
  }
  return rows[a_length % 3][b_length];
}

void nearest_offer(struct nearest *nearest, const char *candidate)
{
  size_t distance = edit_distance(nearest->wanted, candidate);

  if (nearest->text[0] == '\0' || distance < nearest->distance) {
    nearest->distance = distance;
    (void)snprintf(nearest->text, sizeof(nearest->text), "%s", candidate);
  }
}

void environment_name(const char *path, char *ret_name, size_t size)
{
  size_t at = 0;

  for (; path[at] != '\0' && at + 1 < size; at++) {
    char c = path[at];

    if (c >= 'a' && c <= 'z') {
      c = (char)(c - 'a' + 'A');
    } else if (!(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9')) {
      c = '_';
    }
    ret_name[at] = c;
  }
  ret_name[at] = '\0';
}
