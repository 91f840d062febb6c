/*
 * consumer.h - a program that takes records from Kafka to handlers, and each event's effect into PostgreSQL exactly once, as one table.
 *
 *     static const struct subscription subscriptions[] = {
 *         {.topic = "order.created.v1", .types = {{"OrderCreated", on_created}}},
 *         {0},
 *     };
 *     static const struct consumer consumer = {
 *         .name = "notification-service", .group = "notification-consumer-group", .listen = "127.0.0.1:8082",
 *         .subscriptions = subscriptions, .retry = {.delays_ms = {2000, 2000, 2000}}, .dead_letter_suffix = ".dlq",
 *     };
 *     int main(int argc, char **argv) { return consumer_main(&consumer, argc, argv); }
 *
 * One thread, one loop. For each event, in one database transaction: the inbox row, which fails to come in where the event was handled before; the handler's effect,
 * and the events that it publishes; the commit. Then the offset is stored, and no other order would do: docs/guarantees.md says what a death between any two means.
 *
 * A consumer whose effect is elsewhere (a cache, an index, somebody's API) says `.has_no_database = true`, and is promised less: see there.
 */
#ifndef CONSUMER_H
#define CONSUMER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "outbox.h"
#include "span.h"
#include "variable.h"
#include "verdict.h"
#include "work.h"

enum {
  CONSUMER_TYPES_MAX = 16, /* of one subscription */
  CONSUMER_SUBSCRIPTIONS_MAX = 16,
  CONSUMER_DELAYS_MAX = 8,
  CONSUMER_BATCH_MAX = 500,
  CONSUMER_JSON_DEPTH_MAX = 32,
};

struct record;

/* A record as a handler sees it. All borrowed until the handler returns. */
struct event {
  const char *topic;
  int32_t partition;
  int64_t offset;
  int64_t timestamp_ms;
  struct span key;
  struct span value;
  const struct record *record; /* as it came, with its headers: record.h */
  const char *id;              /* header id, else the body's eventId, else what the subscription's `natural_id` makes; never empty */
  const char *unique_id;       /* the same where it is a uuid, else behind its topic: `orders/17`. What to know an event by, in a key of one's own too */
  const char *type;            /* header eventType, else the body's eventType, else "" */
  const json_t *body;          /* an object; NULL where the subscription takes bytes as they are */
  struct origin origin;        /* what follows from this event carries: same correlation id, causation id = this event's id, a child span */
  uint32_t attempt;            /* from 1 */
};

/*
 * OK: the effect is in `work`; IGNORED events return OK too, with consumer_ignored(). RETRY: something outside may heal (another service does not answer): tried without
 * end. POISON: can never succeed (contract): dead letter at once. FATAL: failed for a reason that is not known: the retry policy, then the dead letter. An error of the
 * database is judged by the runtime: return FATAL after work_ask() gave NULL.
 *
 * Without a database `work` is NULL. The effect is the handler's own doing then: OK says that it is there for good, and nobody takes back what was done before another word.
 */
struct consumption;
typedef enum verdict (*ConsumerHandler)(const struct event *event, struct work *work, struct consumption *consumption, struct problem *problem);

/* The event is of no interest: counted so. */
void consumer_ignored(struct consumption *consumption);
/* Queues an event in the same transaction. Without an origin of its own it gets the incoming event's. A program that calls this has a database, or does not start. */
void consumer_publish(struct consumption *consumption, const struct outbox_event *event);
/* The program's own state, as consumer->state says. */
void *consumer_state(struct consumption *consumption);

struct subscription {
  const char *topic;
  struct {
    const char *type; /* "": an event that says none, as old publishers'; NULL: any */
    ConsumerHandler handler;
  } types[CONSUMER_TYPES_MAX];                                                   /* a type that is not listed is counted, and no error */
  bool takes_bytes;                                                              /* the value is not read as JSON */
  const char *(*natural_id)(const struct event *event, char *text, size_t size); /* may be NULL */
};

enum retry_kind { RETRY_DELAYS, RETRY_FIXED, RETRY_EXPONENTIAL };

/* In place: the partition is paused, later events of it wait, so that order per key holds. */
struct retry_policy {
  enum retry_kind kind;
  int64_t delays_ms[CONSUMER_DELAYS_MAX]; /* DELAYS: one per retry, up to the first 0 */
  int64_t first_ms, most_ms;              /* FIXED: first; EXPONENTIAL: doubled up to most, with full jitter */
  uint32_t retries;                       /* FIXED, EXPONENTIAL */
};

/* HANDLER: the effect itself, by its own table's unique constraint (event_handled), or, without a database, because doing it again does no harm. */
enum idempotence { IDEMPOTENCE_INBOX, IDEMPOTENCE_REDIS, IDEMPOTENCE_HANDLER };

struct instruments;
struct log;

/* What a program gets for work of its own beside the handlers: threads, figures. Valid from `start` to the end of `stop`. */
struct consumer_surroundings {
  const char *database_url; /* NULL: the consumer has none */
  const struct log *log;
  struct instruments *instruments; /* on /metrics */
};

struct consumer {
  const char *name;
  const char *summary;
  const char *group;  /* GROUP_ID by default */
  const char *listen; /* HTTP_LISTEN by default */
  const struct subscription *subscriptions;
  struct retry_policy retry;
  const char *dead_letter_suffix; /* NULL: nothing is ever given up; for who reads dead letters */
  /*
   * An event is given up: what the program keeps of that is queued here (work_do, no questions), in the transaction of the dead letter, or in one before it where a
   * producer takes the letter. `why` is the letter's message, borrowed. It is asked again where that failed, and the event may come back by a redrive. Not asked about a
   * record that is no event. May be NULL.
   */
  void (*given_up)(void *state, const struct event *event, struct work *work, const char *why);
  struct {
    uint32_t events;
    int64_t wait_ms;
  } batch;                           /* {1, 0}: single events */
  const struct outbox_table *outbox; /* of what it publishes; NULL: outbox_default */
  enum idempotence idempotence;      /* INBOX and REDIS: what IDEMPOTENCY is by default; HANDLER: there is no choice and no inbox */
  const char *inbox_table;           /* `notification.inbox`; NULL with HANDLER */
  /*
   * Nothing of what takes a table or a transaction: no inbox_table, outbox, given_up, batch, nor a call of consumer_publish(); a program that declares one all the same
   * ends with code 70 when it starts. DATABASE_URL is refused; IDEMPOTENCY must be set, to `redis` or `none` (HANDLER), and `idempotence` is left alone. Dead letters go by
   * a producer, and may come twice with one id.
   */
  bool has_no_database;
  const char *events_metric; /* a counter of that name, by type and outcome, beside events_consumed_total; NULL: none */
  const struct variable *variables;
  void *state;
  /* With the settings read, before the first record; what is not OK ends the program with the problem's exit code. May be NULL, as may `stop`, behind the last one. */
  enum verdict (*start)(void *state, const struct consumer_surroundings *surroundings, struct problem *problem);
  void (*stop)(void *state);
};

/*
 * The program: arguments, settings, pages, loop, signals. Returns the exit code: 0; 2 for wrong usage or settings, all listed, or an address that is taken; 6 where Kafka
 * refuses this member for good; 70 for a declaration that contradicts itself.
 */
int consumer_main(const struct consumer *consumer, int argc, char **argv);

#endif
