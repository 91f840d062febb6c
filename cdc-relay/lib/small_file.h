/* small_file.h - the whole of a small file, which may hold a secret. */
#ifndef SMALL_FILE_H
#define SMALL_FILE_H

#include <stddef.h>

struct small_file {
  char *bytes; /* no zero behind them */
  size_t length;
};

/*
 * Reads a regular file; anything else is refused, since it could block or has no end. Of a file larger than `max_bytes` there are max_bytes + 1. NULL: *ret_file,
 * for small_file_done(). Else why it cannot be read, static or strerror()'s; then there is nothing to be done.
 */
const char *small_file_read(const char *path, size_t max_bytes, struct small_file *ret_file);
/* Overwrites the bytes before it frees them. */
void small_file_done(struct small_file *file);

#endif
