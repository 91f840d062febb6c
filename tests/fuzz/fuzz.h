/*
 * fuzz.h - what every fuzz target has in common. A target is one function over bytes; libFuzzer calls it with what it invents (./dev fuzz), replay.c with the
 * files of tests/fuzz/corpus (./dev test, any compiler). A finding is whatever ends the process: a sanitizer's word, a signal, a FUZZ_EXPECT that does not hold.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "span.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_EXPECT(condition)                                                                                                                                 \
  do {                                                                                                                                                         \
    if (!(condition)) {                                                                                                                                        \
      (void)fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);                                                                     \
      abort();                                                                                                                                                 \
    }                                                                                                                                                          \
  } while (false)

/* Takes the bytes up to the next `separator` off the front of *rest; what is behind the last one is a piece, too. False: nothing is left. */
static inline bool fuzz_next_piece(struct span *rest, char separator, struct span *ret_piece)
{
  const char *end;

  if (rest->data == NULL) {
    return false;
  }
  end = rest->length > 0 ? memchr(rest->data, separator, rest->length) : NULL;
  *ret_piece = span_of(rest->data, end != NULL ? (size_t)(end - rest->data) : rest->length);
  *rest = end != NULL ? span_of(end + 1, rest->length - ret_piece->length - 1) : span_of(NULL, 0);
  return true;
}

/* A copy of exactly its length on the heap, so that AddressSanitizer sees a reader that goes one byte too far. */
static inline char *fuzz_exact_copy(struct span bytes)
{
  char *copy = malloc(bytes.length); /* NOLINT: none of nothing, on purpose */

  if (copy == NULL && bytes.length > 0) {
    abort();
  }
  if (bytes.length > 0) {
    memcpy(copy, bytes.data, bytes.length);
  }
  return copy;
}

/* Reads each byte, so that a span that does not lie in live memory is found. */
static inline void fuzz_touch(struct span bytes)
{
  static volatile unsigned char sum;

  for (size_t i = 0; i < bytes.length; i++) {
    sum = (unsigned char)(sum + (unsigned char)bytes.data[i]);
  }
}

#endif
