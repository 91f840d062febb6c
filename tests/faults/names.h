/* names.h - texts as numbers: each different text gets the next number, from 0. A history repeats few texts many times, and compares them all the time. */
#ifndef FAULTS_NAMES_H
#define FAULTS_NAMES_H

#include <stddef.h>
#include <stdint.h>

#define NAME_NONE UINT32_MAX

/* Zeroed: empty. */
struct names {
  char *bytes; /* owned: the texts, each ended by NUL */
  size_t length;
  size_t capacity;
  size_t *offsets; /* owned: of each text */
  uint32_t count;
  uint32_t room;   /* in `offsets` */
  uint32_t *slots; /* owned: a hash table of numbers, NAME_NONE where free */
  uint32_t slot_count;
};

/* The number of `text`, a new one when it is new. */
uint32_t names_add(struct names *names, const char *text);

/* Borrowed until the next names_add(). NAME_NONE is "-". */
const char *names_text(const struct names *names, uint32_t name);

void names_done(struct names *names);

#endif
