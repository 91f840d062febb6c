/* invariant.c - says which invariant broke, and ends the process there and then. Allocates nothing, touches no state. */
#include "ack/invariant.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* What snprintf() wanted to write, cut to what there was room for. */
static size_t fitted(int wanted, size_t room)
{
  if (wanted < 0 || room == 0) {
    return 0;
  }
  return (size_t)wanted < room ? (size_t)wanted : room - 1;
}

void invariant_broken(const char *name, const char *format, ...)
{
  struct pollfd log = {.fd = STDERR_FILENO, .events = POLLOUT};
  char line[INVARIANT_LINE_MAX_BYTES];
  const size_t room = sizeof(line) - 1; /* one byte is kept for the newline */
  size_t used;
  va_list arguments;

  used = fitted(snprintf(line, room, "cdc-relay: invariant %s is broken: ", name), room);
  va_start(arguments, format);
  used += fitted(vsnprintf(line + used, room - used, format, arguments), room - used);
  va_end(arguments);
  line[used++] = '\n';
  if (poll(&log, 1, 0) <= 0 || write(STDERR_FILENO, line, used) < 0) {
    /* Nobody listens; the exit code has to say it alone, and must not wait for room in a pipe. */
  }
  _Exit(EXIT_INVARIANT);
}
