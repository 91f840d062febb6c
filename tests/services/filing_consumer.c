/*
 * filing_consumer.c - the smallest consumer without a database, for tests of the runtime: each event becomes a line `ID PARTITION OFFSET ATTEMPT` at the end of the file
 * $FILING_FILE, which nothing takes back. What else happens the event's body says, as that of counting_consumer.c:
 *
 *   {"n": 5}                                    filed
 *   {"n": 5, "do": "fail", "until": 3}          FATAL in the first two attempts, for ever without "until"; nothing is filed then
 *   {"n": 5, "do": "poison"}                    POISON
 *   {"n": 5, "do": "ignore"}                    of no interest
 *   {"n": 5, "do": "wait", "for": "FILE"}       makes FILE.waits, has it in hand until FILE is there, then files it
 *
 * COUNTING_TOPIC as there, so that counting.sh starts this one, too.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "consumer.h"

enum { WAIT_TURN_US = 10000, WAIT_TURNS_MAX = 6000 };

struct filing {
  const char *path;
};

/* One write, so that a death leaves a whole line or none. */
static bool file_line(const char *path, const struct event *event)
{
  char line[512];
  int length = snprintf(line, sizeof(line), "%s %d %lld %u\n", event->id, (int)event->partition, (long long)event->offset, event->attempt);
  int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  bool is_filed = fd >= 0 && write(fd, line, (size_t)length) == length;

  if (fd >= 0) {
    (void)close(fd);
  }
  return is_filed;
}

static void wait_for(const char *path)
{
  char sign[512];
  int fd;

  (void)snprintf(sign, sizeof(sign), "%s.waits", path);
  fd = open(sign, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd >= 0) {
    (void)close(fd);
  }
  for (int i = 0; i < WAIT_TURNS_MAX && access(path, F_OK) != 0; i++) {
    (void)usleep(WAIT_TURN_US);
  }
}

static enum verdict file_event(const struct event *event, struct work *work, struct consumption *consumption, struct problem *problem)
{
  const struct filing *filing = consumer_state(consumption);
  const char *what = json_string_value(json_object_get(event->body, "do"));
  const json_t *until = json_object_get(event->body, "until");

  assert(work == NULL);
  (void)work;
  what = what != NULL ? what : "";
  if (strcmp(what, "ignore") == 0) {
    consumer_ignored(consumption);
    return VERDICT_OK;
  }
  if (strcmp(what, "fail") == 0 && !(json_is_integer(until) && event->attempt >= (uint32_t)json_integer_value(until))) {
    return problem_set(problem, VERDICT_FATAL, EXIT_UNEXPECTED, "asked_to_fail", "event asked to fail");
  }
  if (strcmp(what, "poison") == 0) {
    return problem_set(problem, VERDICT_POISON, EXIT_POISON, "asked_to_die", "event asked to die");
  }
  if (strcmp(what, "wait") == 0) {
    wait_for(json_string_value(json_object_get(event->body, "for")));
  }
  if (!file_line(filing->path, event)) {
    return problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "file", "could not write to %s", filing->path);
  }
  return VERDICT_OK;
}

int main(int argc, char **argv)
{
  const char *topic = getenv("COUNTING_TOPIC");
  const char *path = getenv("FILING_FILE");
  struct filing filing = {.path = path != NULL ? path : "filed"};
  const struct subscription subscriptions[] = {{.topic = topic != NULL ? topic : "filing", .types = {{"Made", file_event}}}, {0}};
  const struct consumer consumer = {
      .name = "filing-consumer",
      .summary = "Files events, for tests of the consumers' runtime without a database.",
      .group = "filing",
      .listen = "127.0.0.1:0",
      .subscriptions = subscriptions,
      .retry = {.kind = RETRY_DELAYS, .delays_ms = {200, 200, 200}},
      .dead_letter_suffix = ".dlq",
      .has_no_database = true,
      .state = &filing,
  };
  return consumer_main(&consumer, argc, argv);
}
