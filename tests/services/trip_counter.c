/*
 * trip_counter.c - the program trip_counter: a line (line.h) between a service and its database, for a scenario that asks how often the service waited for it.
 *
 *     trip_counter PORT     prints the port to connect to; then, for each line of its input, the round trips since the last one. Ends with its input.
 */
#include <stdio.h>
#include <stdlib.h>

#include "line.h"

enum { WORD_SIZE = 16 };

int main(int argc, char **argv)
{
  long port = argc == 2 ? strtol(argv[1], NULL, 10) : 0;
  char word[WORD_SIZE];
  struct line *line;

  if (port <= 0 || port > UINT16_MAX) {
    (void)fprintf(stderr, "usage: trip_counter PORT\n");
    return 2;
  }
  line = line_new((uint16_t)port);
  (void)printf("%u\n", (unsigned)line_port(line));
  (void)fflush(stdout);
  while (fgets(word, sizeof(word), stdin) != NULL) {
    (void)printf("%u\n", line_trips(line));
    (void)fflush(stdout);
  }
  line_free(line);
  return 0;
}
