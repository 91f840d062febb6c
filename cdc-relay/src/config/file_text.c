/* file_text.c - reads small files into a pool. */
#include "config/file_text.h"

#include <stdint.h>

#include "config/config.h"
#include "small_file.h"
#include "utf8.h"

static enum verdict refuse(struct problem *problem, const char *path, const char *reason)
{
  return problem_set(problem, VERDICT_RETRY, EXIT_USAGE, "file_unreadable", "could not read file \"%s\": %s", path, reason);
}

enum verdict file_text_read(const char *path, size_t max_bytes, struct texts *texts, const char **ret_text, size_t *ret_length, struct problem *problem)
{
  enum verdict verdict = VERDICT_OK;
  struct small_file file;
  const char *refusal = small_file_read(path, max_bytes, &file);

  if (refusal != NULL) {
    return refuse(problem, path, refusal);
  }
  if (file.length > max_bytes) {
    verdict = problem_set(problem, VERDICT_RETRY, EXIT_USAGE, "file_unreadable", "could not read file \"%s\": larger than %zu bytes", path, max_bytes);
  } else {
    *ret_text = texts_copy(texts, file.bytes, file.length);
    *ret_length = file.length;
  }
  small_file_done(&file);
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
