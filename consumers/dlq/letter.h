/*
 * letter.h - a record of a dead-letter topic: what it says of itself, whether a filter chooses it, and how it is shown. Pure but for writing.
 */
#ifndef LETTER_H
#define LETTER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "arena.h"
#include "dead_letter.h"
#include "record.h"

enum { LETTER_ID_SIZE = 201, LETTER_BODY_MAX_BYTES = 1048576 /* a longer value is not searched for an event id */ };

/* Borrowed from the record, or in the arena. */
struct letter {
  struct record record; /* its time is when it was dead-lettered */
  struct dead_letter_story story;
  char id[LETTER_ID_SIZE]; /* header id that says something, else the body's eventId, a text or a whole number; else empty */
  uint32_t redrives;       /* before this failure */
};

void letter_read(struct letter *letter, const struct record *record, struct arena *arena);

struct letter_filter {
  const char *id; /* NULL: any; so the other texts */
  const char *key;
  const char *error_class; /* whole */
  int64_t since_ms;        /* 0: from the beginning */
  int64_t until_ms;        /* 0: without end; the moment itself is not in it */
};

bool letter_is_chosen(const struct letter *letter, const struct letter_filter *filter);

/* `2026-01-25T10:15:30Z` or `2026-01-25`, UTC. False: another form, or no date. */
bool letter_time(const char *text, int64_t *ret_ms);

/* One line: a JSON object, or columns with tabs between. Never the value. `is_done`: dealt with. */
void letter_print_json(const struct letter *letter, bool is_done, FILE *out);
void letter_print_columns_head(FILE *out);
void letter_print_columns(const struct letter *letter, bool is_done, FILE *out);
/* All headers and the value, as one JSON object; bytes that are no UTF-8 as {"base16": ...}. */
void letter_print_whole(const struct letter *letter, FILE *out);

#endif
