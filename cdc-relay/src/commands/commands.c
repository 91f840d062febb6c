/* commands.c - what the one-shot commands share about their arguments. */
#include "commands/commands.h"

#include <stdlib.h>
#include <string.h>

bool command_wants_help(int argc, char *const *argv)
{
  for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
    if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
      return true;
    }
  }
  return false;
}

bool command_read_count(const char *text, int most, int *ret_count)
{
  char *end;
  long count = strtol(text, &end, 10);

  if (end == text || *end != '\0' || count < 1 || count > most) {
    return false;
  }
  *ret_count = (int)count;
  return true;
}
