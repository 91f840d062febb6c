/* small_file.c - opened without blocking, so that a FIFO in the place of a file cannot stop the program. */
#include "small_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Up to `size` bytes. False: errno. */
static bool read_whole(int fd, struct small_file *file, size_t size)
{
  ssize_t count;

  do {
    count = read(fd, file->bytes + file->length, size - file->length);
    file->length += count > 0 ? (size_t)count : 0;
  } while (file->length < size && (count > 0 || (count < 0 && errno == EINTR)));
  return count >= 0;
}

const char *small_file_read(const char *path, size_t max_bytes, struct small_file *ret_file)
{
  struct small_file file = {0};
  const char *refusal = NULL;
  struct stat status;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

  if (fd < 0) {
    return strerror(errno);
  }
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
    refusal = "not a regular file";
    goto done;
  }
  file.bytes = malloc(max_bytes + 1);
  if (file.bytes == NULL) {
    abort();
  }
  if (read_whole(fd, &file, max_bytes + 1)) {
    *ret_file = file;
  } else {
    refusal = strerror(errno);
    small_file_done(&file);
  }
done:
  (void)close(fd);
  return refusal;
}

void small_file_done(struct small_file *file)
{
  explicit_bzero(file->bytes, file->length); /* not more: it would touch a megabyte for a file of a hundred bytes */
  free(file->bytes);
  *file = (struct small_file){0};
}
