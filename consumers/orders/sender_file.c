/*
 * sender_file.c - a notification as a line of JSON at the end of a file, with one write(), so that several processes may share it.
 *
 * A write that was cut short (the disk is full) leaves half a line; the next line begins with a newline of its own then, so that readers lose that line alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sender_priv.h"

static enum verdict open_file(struct sender *sender, struct problem *problem)
{
  const char *file = sender->settings->file;

  if (file == NULL || file[0] == '\0') {
    return problem_set(problem, VERDICT_FATAL, EXIT_USAGE, "sender_file", "NOTIFICATION_SENDER=file needs NOTIFICATION_FILE");
  }
  sender->fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (sender->fd < 0) {
    return problem_set(problem, VERDICT_FATAL, EXIT_USAGE, "sender_file", "could not open file \"%s\": %s", file, strerror(errno));
  }
  return VERDICT_OK;
}

static enum verdict write_all(struct sender *sender, const char *line, size_t length, struct problem *problem)
{
  ssize_t written = write(sender->fd, line, length);

  if (written == (ssize_t)length) {
    return VERDICT_OK;
  }
  if (written > 0) {
    (void)!write(sender->fd, "\n", 1);
  }
  return problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "sender_file", "could not write to file \"%s\": %s", sender->settings->file,
                     written < 0 ? strerror(errno) : "only a part was written");
}

static enum verdict send_file(struct sender *sender, const struct notice *notice, struct problem *problem)
{
  json_t *object = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "idempotencyKey", notice->idempotency_key, "kind", notice->kind, "orderId", notice->order_id,
                             "customerId", notice->customer_id, "recipient", notice->recipient, "text", notice->text);
  char *text = object == NULL ? NULL : json_dumps(object, JSON_COMPACT);
  enum verdict verdict;
  size_t length;

  json_decref(object);
  if (text == NULL) {
    return problem_set(problem, VERDICT_POISON, EXIT_POISON, "not_utf8", "could not write notification: a field is not UTF-8");
  }
  length = strlen(text);
  text[length] = '\n'; /* in place of the zero */
  verdict = write_all(sender, text, length + 1, problem);
  free(text);
  return verdict;
}

const struct sender_methods sender_file = {.open = open_file, .send = send_file};
