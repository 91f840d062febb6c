/*
 * line.h - a line to a server on this machine that counts round trips and breaks where it is told to. One connection at a time, on a thread of its own.
 *
 * A round trip begins with a byte to the server that is the first since the server's last one. That counts what a client waits for, as long as it sends less at
 * once than one read takes (LINE_CHUNK_BYTES).
 */
#ifndef LINE_H
#define LINE_H

#include <stdint.h>

enum { LINE_CHUNK_BYTES = 65536 };

enum line_fault {
  LINE_WHOLE,
  LINE_CUT_BEFORE, /* what holds the word is not passed on, and both ends are closed */
  LINE_CUT_BEHIND, /* it is passed on; its answer is awaited and not passed on, and both ends are closed */
  LINE_SWAP,       /* its letters are passed on as `ABORT` and blanks */
  LINE_SILENT,     /* it is not passed on, and nothing after it, until the client gives up */
};

struct line;

struct line *line_new(uint16_t server_port);
/* Closes what is open. */
void line_free(struct line *line);
uint16_t line_port(const struct line *line);

/* Round trips since the last call. */
unsigned line_trips(struct line *line);
/* Once, at the next bytes to the server that hold `word`, which is static. */
void line_break_at(struct line *line, const char *word, enum line_fault fault);

#endif
