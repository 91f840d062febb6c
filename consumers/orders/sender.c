/* sender.c - chooses the way out, and stands in for a provider that does not reach certain customers. */
#include "sender.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sender_priv.h"

enum verdict sender_open(const struct sender_settings *settings, const struct log *log, struct sender **ret_sender, struct problem *problem)
{
  struct sender *sender = malloc(sizeof(*sender));
  enum verdict verdict;

  if (sender == NULL) {
    abort();
  }
  *sender = (struct sender){.methods = settings->kind == SENDER_FILE ? &sender_file : &sender_log, .settings = settings, .log = log, .fd = -1};
  verdict = sender->methods->open(sender, problem);
  if (verdict != VERDICT_OK) {
    sender_close(sender);
    return verdict;
  }
  *ret_sender = sender;
  return VERDICT_OK;
}

void sender_close(struct sender *sender)
{
  if (sender == NULL) {
    return;
  }
  if (sender->fd >= 0) {
    (void)close(sender->fd);
  }
  free(sender);
}

static bool is_unreachable(const struct sender_settings *settings, const char *customer_id)
{
  const char *prefix = settings->fail_prefix;

  return prefix[0] != '\0' && strcmp(prefix, "-") != 0 && strncmp(customer_id, prefix, strlen(prefix)) == 0;
}

enum verdict sender_send(struct sender *sender, const struct notice *notice, struct problem *problem)
{
  if (is_unreachable(sender->settings, notice->customer_id)) {
    return problem_set(problem, VERDICT_FATAL, EXIT_UNEXPECTED, "send_failed", "could not send notification: the provider does not reach this customer");
  }
  return sender->methods->send(sender, notice, problem);
}
