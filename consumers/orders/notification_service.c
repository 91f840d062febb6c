/*
 * notification_service.c - tells customers that an order was taken and that it was sent.
 *
 *     order.created.v1 --> one row of notification.notification and one notice, by the sender port
 *     order.shipped.v1 --> the same
 *
 * The row comes first and the notice second, both in the event's transaction: a row of that event that is committed means that it was sent, and a second process with
 * the same event in hand waits at the row. A sender that fails takes the row back. What no database can prevent: a death between notice and commit sends once more,
 * with the same idempotency key (docs/dead-letters.md).
 *
 *   no row --handled--> PENDING, SENT in one transaction
 *      '----given up--> FAILED, in the dead letter's transaction --redriven--> PENDING, SENT          what was sent stays SENT
 */
#include <string.h>

#include "consumer.h"
#include "fields.h"
#include "sender.h"

enum { ID_MAX = 200 };

static const char created_topic[] = "order.created.v1";

struct notifications {
  int kind; /* enum sender_kind */
  struct sender_settings settings;
  struct sender *sender;
};

/* One that was given up is tried again; one that is there otherwise was sent. */
static const struct statement insert_notification = {
    "insert_notification",
    "INSERT INTO notification.notification AS n (event_id, order_id, customer_id, kind, recipient, status, attempts) "
    "VALUES ($1, $2, $3, $4, $5, 'PENDING', $6::integer) ON CONFLICT (event_id) DO UPDATE SET status = 'PENDING', attempts = n.attempts + excluded.attempts "
    "WHERE n.status = 'FAILED' RETURNING event_id",
};
static const struct statement note_failed = {
    "note_failed",
    "INSERT INTO notification.notification AS n (event_id, order_id, customer_id, kind, recipient, status, attempts, last_error) "
    "VALUES ($1, $2, $3, $4, $5, 'FAILED', $6::integer, $7) ON CONFLICT (event_id) DO UPDATE SET status = 'FAILED', attempts = n.attempts + excluded.attempts, "
    "last_error = excluded.last_error WHERE n.status <> 'SENT'",
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
  const PGresult *result =
      work_ask(work, &insert_notification, event->unique_id, notice->order_id, notice->customer_id, notice->kind, notice->recipient, attempt);
  enum verdict verdict;

  if (result == NULL) {
    return VERDICT_FATAL;
  }
  if (PQntuples(result) == 0) {
    return VERDICT_OK; /* sent already; only without an inbox can it come this far */
  }
  verdict = sender_send(notifications->sender, notice, problem);
  if (verdict == VERDICT_OK) {
    work_do(work, &mark_sent, event->unique_id);
  }
  return verdict;
}

/* Whence it is, whom it is for, and what of: the same in both events. What is wrong is among the mistakes of `fields`. */
static struct notice read_notice(const struct event *event, struct fields *fields)
{
  return (struct notice){
      .topic = event->topic,
      .partition = event->partition,
      .offset = event->offset,
      .event_id = event->id,
      .correlation_id = event->origin.correlation_id,
      .idempotency_key = event->unique_id,
      .kind = strcmp(event->topic, created_topic) == 0 ? "ORDER_CREATED" : "ORDER_SHIPPED",
      .order_id = fields_text(fields, "orderId", 1, ID_MAX),
      .customer_id = fields_text(fields, "customerId", 1, ID_MAX),
      .recipient = fields_email(fields, "customerEmail"),
  };
}

static enum verdict on_created(const struct event *event, struct work *work, struct consumption *consumption, struct problem *problem)
{
  struct fields fields = fields_of(event->body);
  struct notice notice = read_notice(event, &fields);

  if (fields.mistake_count > 0) {
    return refuse(&fields, problem);
  }
  notice.text = work_text(work, "Your order %s was received.", notice.order_id);
  return notify(event, work, consumer_state(consumption), &notice, problem);
}

static enum verdict on_shipped(const struct event *event, struct work *work, struct consumption *consumption, struct problem *problem)
{
  struct fields fields = fields_of(event->body);
  struct notice notice = read_notice(event, &fields);
  int64_t before = fields_integer(&fields, "previousStatus", 0, INT32_MAX);
  int64_t now = fields_integer(&fields, "currentStatus", 0, INT32_MAX);

  if (fields.mistake_count > 0) {
    return refuse(&fields, problem);
  }
  notice.text = work_text(work, "Your order %s went from status %lld to %lld.", notice.order_id, (long long)before, (long long)now);
  return notify(event, work, consumer_state(consumption), &notice, problem);
}

/* A row for people. An event that does not say whom it is for has none: there is its dead letter. */
static void given_up(void *state, const struct event *event, struct work *work, const char *why)
{
  struct fields fields = fields_of(event->body);
  struct notice notice = read_notice(event, &fields);

  (void)state;
  if (fields.mistake_count == 0) {
    work_do(work, &note_failed, event->unique_id, notice.order_id, notice.customer_id, notice.kind, notice.recipient,
            work_text(work, "%u", (unsigned)event->attempt), why);
  }
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
      {.topic = created_topic, .types = {{"OrderCreated", on_created}, {"", on_created}}},
      {.topic = "order.shipped.v1", .types = {{"OrderShipped", on_shipped}, {"", on_shipped}}},
      {0},
  };
  static const struct consumer consumer = {
      .name = "notification-service",
      .summary = "tells customers of their orders, once per event",
      .group = "notification-consumer-group",
      .listen = "127.0.0.1:8082",
      .subscriptions = subscriptions,
      .retry = {.kind = RETRY_FIXED, .first_ms = 2000, .retries = 3},
      .dead_letter_suffix = ".dlq",
      .given_up = given_up,
      .batch = {.events = 1},
      .inbox_table = "notification.inbox",
      .variables = variables,
      .state = &notifications,
      .start = start,
      .stop = stop,
  };

  return consumer_main(&consumer, argc, argv);
}
