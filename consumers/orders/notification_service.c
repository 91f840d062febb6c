/*
 * notification_service.c - tells customers that an order was taken and that it was sent.
 *
 *     order.created.v1 --> one row of notification.notification and one notice, by the sender port
 *     order.shipped.v1 --> the same
 *
 * The row comes first and the notice second, both in the event's transaction: a row of that event that is committed means that it was sent, and a second process with
 * the same event in hand waits at the row. A sender that fails takes the row back. What no database can prevent: a death between notice and commit sends once more,
 * with the same idempotency key (docs/dead-letters.md).
 */
#include <stdio.h>

#include "consumer.h"
#include "fields.h"
#include "sender.h"

enum { ID_MAX = 200 };

struct notifications {
  int kind; /* enum sender_kind */
  struct sender_settings settings;
  struct sender *sender;
};

static const struct statement insert_notification = {
    "insert_notification",
    "INSERT INTO notification.notification (event_id, order_id, customer_id, kind, recipient, status, attempts) "
    "VALUES ($1, $2, $3, $4, $5, 'PENDING', $6::integer) ON CONFLICT (event_id) DO NOTHING RETURNING event_id",
};
static const struct statement mark_sent = {
    "mark_sent",
    "UPDATE notification.notification SET status = 'SENT', sent_at = clock_timestamp() WHERE event_id = $1",
};

static enum verdict refuse(const struct fields *fields, struct problem *problem)
{
  return problem_set(problem, VERDICT_POISON, EXIT_POISON, "contract", "field %s: %s", fields->mistakes[0].field, fields->mistakes[0].text);
}

static enum verdict notify(const struct event *event, struct work *work, struct notifications *notifications, struct notice *notice, struct problem *problem)
{
  const char *attempt = work_text(work, "%u", (unsigned)event->attempt);
  const PGresult *result = work_ask(work, &insert_notification, event->id, notice->order_id, notice->customer_id, notice->kind, notice->recipient, attempt);
  enum verdict verdict;

  if (result == NULL) {
    return VERDICT_FATAL;
  }
  if (PQntuples(result) == 0) {
    return VERDICT_OK; /* sent already; only without an inbox can it come this far */
  }
  verdict = sender_send(notifications->sender, notice, problem);
  if (verdict == VERDICT_OK) {
    work_do(work, &mark_sent, event->id);
  }
  return verdict;
}

static enum verdict on_created(const struct event *event, struct work *work, struct consumption *consumption, struct problem *problem)
{
  struct fields fields = fields_of(event->body);
  struct notice notice = {
      .idempotency_key = event->id,
      .kind = "ORDER_CREATED",
      .order_id = fields_text(&fields, "orderId", 1, ID_MAX),
      .customer_id = fields_text(&fields, "customerId", 1, ID_MAX),
      .recipient = fields_email(&fields, "customerEmail"),
  };

  if (fields.mistake_count > 0) {
    return refuse(&fields, problem);
  }
  notice.text = work_text(work, "Your order %s was received.", notice.order_id);
  return notify(event, work, consumer_state(consumption), &notice, problem);
}

static enum verdict on_shipped(const struct event *event, struct work *work, struct consumption *consumption, struct problem *problem)
{
  struct fields fields = fields_of(event->body);
  struct notice notice = {
      .idempotency_key = event->id,
      .kind = "ORDER_SHIPPED",
      .order_id = fields_text(&fields, "orderId", 1, ID_MAX),
      .customer_id = fields_text(&fields, "customerId", 1, ID_MAX),
      .recipient = fields_email(&fields, "customerEmail"),
  };
  int64_t before = fields_integer(&fields, "previousStatus", 0, INT32_MAX);
  int64_t now = fields_integer(&fields, "currentStatus", 0, INT32_MAX);

  if (fields.mistake_count > 0) {
    return refuse(&fields, problem);
  }
  notice.text = work_text(work, "Your order %s went from status %lld to %lld.", notice.order_id, (long long)before, (long long)now);
  return notify(event, work, consumer_state(consumption), &notice, problem);
}

static enum verdict start(void *state, const struct consumer_surroundings *surroundings, struct problem *problem)
{
  struct notifications *notifications = state;

  notifications->settings.kind = (enum sender_kind)notifications->kind;
  return sender_open(&notifications->settings, surroundings->log, &notifications->sender, problem);
}

static void stop(void *state)
{
  struct notifications *notifications = state;

  sender_close(notifications->sender);
  notifications->sender = NULL;
}

int main(int argc, char **argv)
{
  static struct notifications notifications;
  static const char *const kinds[] = {"log", "file", NULL};
  static const struct variable variables[] = {
      {.name = "NOTIFICATION_SENDER",
       .kind = VARIABLE_CHOICE,
       .target = &notifications.kind,
       .fallback = "log",
       .choices = kinds,
       .help = "where notifications go"},
      {.name = "NOTIFICATION_FILE",
       .kind = VARIABLE_TEXT,
       .target = &notifications.settings.file,
       .fallback = "",
       .help = "the file that NOTIFICATION_SENDER=file appends to"},
      {.name = "NOTIFICATION_FAIL_PREFIX",
       .kind = VARIABLE_TEXT,
       .target = &notifications.settings.fail_prefix,
       .fallback = "fail-",
       .help = "sending to customers whose id begins so fails; - for none"},
      {0},
  };
  static const struct subscription subscriptions[] = {
      {.topic = "order.created.v1", .types = {{NULL, on_created}}},
      {.topic = "order.shipped.v1", .types = {{NULL, on_shipped}}},
      {0},
  };
  static const struct consumer consumer = {
      .name = "notification-service",
      .summary = "tells customers of their orders, once per event",
      .group = "notification-consumer-group",
      .listen = "127.0.0.1:8082",
      .subscriptions = subscriptions,
      .retry = {.kind = RETRY_DELAYS, .delays_ms = {2000, 2000, 2000}},
      .dead_letter_suffix = ".dlq",
      .batch = {.events = 1},
      .inbox_table = "notification.inbox",
      .variables = variables,
      .state = &notifications,
      .start = start,
      .stop = stop,
  };

  return consumer_main(&consumer, argc, argv);
}
