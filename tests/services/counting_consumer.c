/*
 * counting_consumer.c - the smallest consumer, for tests of the runtime: each event becomes a row of table counted, which has no constraint that could hide a
 * repetition. What else happens the event's body says:
 *
 *   {"n": 5}                                    counted
 *   {"n": 5, "do": "fail", "until": 3}          FATAL in the first two attempts, for ever without "until"; the row is written first, so that it must be rolled back
 *   {"n": 5, "do": "transient", "until": 3}     RETRY, the same
 *   {"n": 5, "do": "poison"}                    POISON
 *   {"n": -1}                                   the table refuses it: 23514
 *   {"n": 5, "do": "ignore"}                    of no interest
 *   {"n": 5, "do": "publish"}                   counted, and an event Counted to topic $COUNTING_TOPIC.counted
 *   {"n": 5, "do": "sleep", "ms": 900}          silent so long, in its transaction, with its statement queued; "sleep_only": without one, and not counted
 *   {"n": 5, "do": "sql", "sql": "..."}         counted, and does that, by the function run_sql(text) of the scenario
 *
 * COUNTING_TOPIC, COUNTING_BATCH, COUNTING_WAIT_MS, COUNTING_SLOW_MS and COUNTING_OWN_IDEMPOTENCE come from the environment before the runtime reads its own, since topics of tests have names of
 * their own. COUNTING_TOPIC.bytes takes bytes that are no JSON; of `wait FILE` it makes FILE.waits, and has it in hand until FILE is there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "consumer.h"

static const struct statement INSERT_COUNTED = {"insert_counted", "INSERT INTO counted (event_id, n, topic, partition, \"offset\", key, attempt) "
                                                                  "VALUES ($1, $2::bigint, $3, $4::integer, $5::bigint, $6, $7::integer)"};

static const struct statement RUN_SQL = {"run_sql", "SELECT run_sql($1)"};

struct counting {
  int64_t slow_ms;
  char published_topic[250];
};

static bool is_yet(const struct event *event)
{
  const json_t *until = json_object_get(event->body, "until");

  return json_is_integer(until) && event->attempt >= (uint32_t)json_integer_value(until);
}

static void rest(const struct event *event)
{
  (void)usleep((useconds_t)json_integer_value(json_object_get(event->body, "ms")) * 1000);
}

static enum verdict count_event(const struct event *event, struct work *work, struct consumption *consumption, struct problem *problem)
{
  struct counting *counting = consumer_state(consumption);
  const char *what = json_string_value(json_object_get(event->body, "do"));
  const char *n = work_text(work, "%lld", (long long)json_integer_value(json_object_get(event->body, "n")));

  what = what != NULL ? what : "";
  if (strcmp(what, "ignore") == 0) {
    consumer_ignored(consumption);
    return VERDICT_OK;
  }
  if (strcmp(what, "sleep_only") == 0) {
    rest(event);
    return VERDICT_OK;
  }
  work_do(work, &INSERT_COUNTED, event->id, n, event->topic, work_text(work, "%d", (int)event->partition), work_text(work, "%lld", (long long)event->offset),
          work_text(work, "%.*s", (int)event->key.length, event->key.data != NULL ? event->key.data : ""), work_text(work, "%u", event->attempt));
  if (counting->slow_ms > 0) {
    (void)usleep((useconds_t)counting->slow_ms * 1000);
  }
  if (strcmp(what, "sleep") == 0) {
    rest(event);
  }
  if (strcmp(what, "sql") == 0) {
    work_do(work, &RUN_SQL, json_string_value(json_object_get(event->body, "sql")));
  }
  if (strcmp(what, "fail") == 0 && !is_yet(event)) {
    return problem_set(problem, VERDICT_FATAL, EXIT_UNEXPECTED, "asked_to_fail", "event asked to fail");
  }
  if (strcmp(what, "transient") == 0 && !is_yet(event)) {
    return problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "asked_to_wait", "event asked to wait");
  }
  if (strcmp(what, "poison") == 0) {
    return problem_set(problem, VERDICT_POISON, EXIT_POISON, "asked_to_die", "event asked to die");
  }
  if (strcmp(what, "publish") == 0) {
    char id[UUID_SIZE];

    uuid_new(id);
    consumer_publish(consumption,
                     &(struct outbox_event){.topic = counting->published_topic, .key = event->id, .type = "Counted", .id = id, .body = event->body});
  }
  return VERDICT_OK;
}

static void wait_for_file(const struct span value)
{
  char path[512], sign[sizeof(path) + sizeof(".waits")];
  FILE *file;

  if (value.length <= strlen("wait ") || value.length >= sizeof(path) || strncmp(value.data, "wait ", strlen("wait ")) != 0) {
    return;
  }
  (void)snprintf(path, sizeof(path), "%.*s", (int)(value.length - strlen("wait ")), value.data + strlen("wait "));
  (void)snprintf(sign, sizeof(sign), "%s.waits", path);
  file = fopen(sign, "we");
  if (file != NULL) {
    (void)fclose(file);
  }
  for (int i = 0; i < 6000 && access(path, F_OK) != 0; i++) {
    (void)usleep(10000);
  }
}

static enum verdict count_bytes(const struct event *event, struct work *work, struct consumption *consumption, struct problem *problem)
{
  (void)consumption;
  (void)problem;
  wait_for_file(event->value);
  work_do(work, &INSERT_COUNTED, event->id, work_text(work, "%zu", event->value.length), event->topic, work_text(work, "%d", (int)event->partition),
          work_text(work, "%lld", (long long)event->offset), NULL, work_text(work, "%u", event->attempt));
  return VERDICT_OK;
}

static long number(const char *name, long otherwise)
{
  const char *text = getenv(name);

  return text != NULL ? strtol(text, NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
  const char *topic = getenv("COUNTING_TOPIC");
  struct counting counting = {.slow_ms = number("COUNTING_SLOW_MS", 0)};
  bool is_own = number("COUNTING_OWN_IDEMPOTENCE", 0) != 0;
  char bytes_topic[256];

  topic = topic != NULL ? topic : "counting";
  (void)snprintf(bytes_topic, sizeof(bytes_topic), "%s.bytes", topic);
  (void)snprintf(counting.published_topic, sizeof(counting.published_topic), "%.200s.counted", topic);
  const struct subscription subscriptions[] = {
      {.topic = topic, .types = {{"Made", count_event}, {"Changed", count_event}}},
      {.topic = bytes_topic, .types = {{NULL, count_bytes}}, .takes_bytes = true},
      {0},
  };
  const struct consumer consumer = {
      .name = "counting-consumer",
      .summary = "Counts events, for tests of the consumers' runtime.",
      .group = "counting",
      .listen = "127.0.0.1:0",
      .subscriptions = subscriptions,
      .retry = {.kind = RETRY_DELAYS, .delays_ms = {200, 200, 200}},
      .dead_letter_suffix = ".dlq",
      .batch = {.events = (uint32_t)number("COUNTING_BATCH", 1), .wait_ms = number("COUNTING_WAIT_MS", 0)},
      .idempotence = is_own ? IDEMPOTENCE_HANDLER : IDEMPOTENCE_INBOX,
      .inbox_table = is_own ? NULL : "public.inbox",
      .state = &counting,
  };
  return consumer_main(&consumer, argc, argv);
}
