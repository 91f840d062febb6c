/*
 * file_text.c - reads small files into a pool. The buffer on the way is overwritten, as the file may hold a secret. Opened without blocking, so that a FIFO in
 * the place of a file cannot stop the relay.
 */
#include "config/file_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"
#include "utf8.h"

static enum verdict refuse(struct problem *problem, const char *path, const char *reason)
{
  return problem_set(problem, VERDICT_RETRY, EXIT_USAGE, "file_unreadable", "could not read file \"%s\": %s", path, reason);
}

/* Reads up to `size` bytes; the count, or -1 with errno. */
static ssize_t read_whole(int fd, char *buffer, size_t size)
{
  size_t length = 0;

  while (length < size) {
    ssize_t count = read(fd, buffer + length, size - length);

    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return -1;
    }
    if (count == 0) {
      break;
    }
    length += (size_t)count;
  }
  return (ssize_t)length;
}

enum verdict file_text_read(const char *path, size_t max_bytes, struct texts *texts, const char **ret_text, size_t *ret_length, struct problem *problem)
{
  enum verdict verdict = VERDICT_OK;
  char *buffer = NULL;
  struct stat status;
  ssize_t length;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

  if (fd < 0) {
    return refuse(problem, path, strerror(errno));
  }
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
    verdict = refuse(problem, path, "not a regular file");
    goto done;
  }
  buffer = malloc(max_bytes + 1);
  if (buffer == NULL) {
    abort();
  }
  length = read_whole(fd, buffer, max_bytes + 1);
  if (length < 0) {
    verdict = refuse(problem, path, strerror(errno));
  } else if ((size_t)length > max_bytes) {
    verdict = problem_set(problem, VERDICT_RETRY, EXIT_USAGE, "file_unreadable", "could not read file \"%s\": larger than %zu bytes", path, max_bytes);
  } else {
    *ret_text = texts_copy(texts, buffer, (size_t)length);
    *ret_length = (size_t)length;
  }
  explicit_bzero(buffer, length < 0 ? max_bytes + 1 : (size_t)length); /* not more: it would touch a megabyte for a file of a hundred bytes */
done:
  free(buffer);
  (void)close(fd);
  return verdict;
}

enum verdict secret_file_read(const char *path, bool has_lines, struct texts *texts, const char **ret_text, struct problem *problem)
{
  const char *text, *reason;
  size_t length = 0;

  if (file_text_read(path, CONFIG_SECRET_MAX_BYTES, texts, &text, &length, problem) != VERDICT_OK) {
    return VERDICT_RETRY;
  }
  if (length > 0 && text[length - 1] == '\n') {
    length -= length > 1 && text[length - 2] == '\r' ? 2 : 1;
  }
  reason = length == 0 ? "it is empty" : text_refusal(text, length, has_lines, true);
  if (reason != NULL) {
    return refuse(problem, path, reason);
  }
  *ret_text = texts_copy(texts, text, length);
  return VERDICT_OK;
}

const char *text_refusal(const char *text, size_t length, bool has_lines, bool is_secret)
{
  for (size_t at = 0; at < length;) {
    unsigned char byte = (unsigned char)text[at];
    uint32_t code;
    size_t step = utf8_character(span_of(text + at, length - at), &code);

    if ((byte < 0x20 && !(has_lines && (byte == '\n' || byte == '\r' || byte == '\t'))) || byte == 0x7F) {
      return byte == '\0' ? "it holds a zero byte" : "it holds a control character";
    }
    if (step == 0 && !is_secret) {
      return "it is not valid UTF-8";
    }
    at += step > 0 ? step : 1;
  }
  return NULL;
}
