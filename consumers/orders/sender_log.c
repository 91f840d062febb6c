/* sender_log.c - a notification as a line of the log. Without recipient and text: a log is read by more people than a mail. */
#include "sender_priv.h"

static enum verdict open_log(struct sender *sender, struct problem *problem)
{
  (void)sender;
  (void)problem;
  return VERDICT_OK;
}

static enum verdict send_log(struct sender *sender, const struct notice *notice, struct problem *problem)
{
  if (log_event(sender->log, LOG_INFO, "notification", log_text("topic", notice->topic), log_int("partition", notice->partition),
                log_int("offset", notice->offset), log_text("event_id", notice->event_id), log_text("correlation_id", notice->correlation_id),
                log_text("idempotency_key", notice->idempotency_key), log_text("kind", notice->kind), log_text("order_id", notice->order_id),
                log_text("customer_id", notice->customer_id))) {
    return VERDICT_OK;
  }
  return problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "sender_log", "could not write to the log: nobody reads it, or there is no room");
}

const struct sender_methods sender_log = {.open = open_log, .send = send_log};
