/*
 * consumer.c - the program around the handlers: arguments, settings, pages, the loop, and the order in which they begin and end.
 *
 *   declaration  what takes a database, of a consumer that has none: exit 70
 *   settings     all mistakes at once, exit 2
 *   pages        before anything else: an address that is taken ends the program before it joined a group
 *   loop         joins, runs, leaves
 */
#include "consumer.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dead_letter_topics.h"
#include "log.h"
#include "loop.h"
#include "memory_guard.h"
#include "pages.h"
#include "processing.h"
#include "settings.h"

#pragma weak consumer_publish /* not there in a program that does not call it: publish.c */

/* NULL, or the first thing that a consumer without a database claims and cannot have. */
static const char *contradiction_of(const struct consumer *consumer)
{
  const struct {
    bool is_made;
    const char *name;
  } claims[] = {
      {consumer->inbox_table != NULL, "inbox_table"},
      {consumer->outbox != NULL, "outbox"},
      {consumer_publish != NULL, "consumer_publish(), which the program calls"},
      {consumer->given_up != NULL, "given_up"},
      {consumer->batch.events > 1, "batch"},
      {consumer->idempotence != IDEMPOTENCE_INBOX, "idempotence, which IDEMPOTENCY says"},
  };

  for (size_t i = 0; consumer->has_no_database && i < sizeof(claims) / sizeof(claims[0]); i++) {
    if (claims[i].is_made) {
      return claims[i].name;
    }
  }
  return NULL;
}

static void print_help(const struct consumer *consumer, const struct settings *settings, FILE *out)
{
  (void)fprintf(out, "usage: %s [--help | --print-config]\n\n%s\n\nsettings, from the environment:\n", consumer->name,
                consumer->summary != NULL ? consumer->summary : "");
  settings_print_help(settings, out);
  (void)fprintf(out,
                "\nGET /livez, /readyz and /metrics at HTTP_LISTEN. SIGTERM finishes what is in hand, commits and leaves the group.\n"
                "example: %s KAFKA_BOOTSTRAP_SERVERS=localhost:9092 %s\n",
                consumer->has_no_database ? "IDEMPOTENCY=redis" : "DATABASE_URL=postgresql://app@localhost/app", consumer->name);
}

/* The loop, between the program's own beginning and end. */
static int run_between(const struct consumer *consumer, const struct settings *settings, struct processing *processing, struct vitals *vitals)
{
  const struct consumer_surroundings surroundings = {
      .database_url = settings->database_url, .log = processing->log, .instruments = processing->figures->instruments};
  struct dead_letter_topics *topics = NULL;
  struct problem problem;
  int code = EXIT_DONE;

  if (consumer->start != NULL && consumer->start(consumer->state, &surroundings, &problem) != VERDICT_OK) {
    log_event(processing->log, LOG_ERROR, "failed", log_text("cause", problem.cause), log_text("error", problem.text));
    code = (int)problem.code;
  } else {
    topics = dead_letter_topics_watch(consumer, settings, processing->log, processing->figures);
    code = loop_run(processing, vitals);
  }
  dead_letter_topics_free(topics);
  if (consumer->stop != NULL) {
    consumer->stop(consumer->state);
  }
  return code;
}

static int run(const struct consumer *consumer, const struct settings *settings)
{
  const struct log log = {.level = (enum log_level)settings->log_level, .format = (enum log_format)settings->log_format, .fd = 2};
  struct processing processing;
  struct figures figures;
  struct vitals vitals;
  struct pages *pages = NULL;
  struct problem problem;
  int code;

  figures_open(&figures, consumer->name, consumer->events_metric);
  for (const struct subscription *subscription = consumer->subscriptions; subscription->topic != NULL; subscription++) {
    figures_expect(&figures, subscription->topic);
  }
  vitals_init(&vitals);
  if (processing_open(&processing, consumer, settings, &log, &figures, &problem) != VERDICT_OK) {
    (void)fprintf(stderr, "%s: %s\n", consumer->name, problem.text);
    figures_close(&figures);
    return (int)problem.code;
  }
  if (pages_open(&settings->listen, &vitals, &figures, &pages, &problem) != VERDICT_OK) {
    log_event(&log, LOG_ERROR, "failed", log_text("cause", problem.cause), log_text("error", problem.text), log_text("hint", problem.hint));
    processing_close(&processing);
    figures_close(&figures);
    return (int)problem.code;
  }
  log_event(&log, LOG_INFO, "http_listening", log_text("host", settings->listen.host), log_int("port", pages_port(pages)));
  log_event(&log, LOG_INFO, "started", log_text("consumer", consumer->name), log_text("group", settings->group_id), log_text("version", CDC_RELAY_VERSION));
  code = run_between(consumer, settings, &processing, &vitals);
  pages_close(pages);
  processing_close(&processing);
  figures_close(&figures);
  log_event(&log, LOG_INFO, "stopped", log_int("code", code));
  return code;
}

int consumer_main(const struct consumer *consumer, int argc, char **argv)
{
  static struct settings settings; /* targets of the table, for the process' life */
  static struct problem_list problems;
  const char *contradiction = contradiction_of(consumer);

  if (contradiction != NULL) {
    (void)fprintf(stderr, "%s: has_no_database does not go with %s\n", consumer->name, contradiction);
    return EXIT_INVARIANT;
  }
  (void)signal(SIGPIPE, SIG_IGN);
  memory_guard_set();
  settings_init(&settings, consumer);
  if (argc == 2 && strcmp(argv[1], "--help") == 0) {
    print_help(consumer, &settings, stdout);
    return EXIT_DONE;
  }
  if (argc > 2 || (argc == 2 && strcmp(argv[1], "--print-config") != 0)) {
    (void)fprintf(stderr, "%s: unknown argument \"%s\"\n\n", consumer->name, argv[1]);
    print_help(consumer, &settings, stderr);
    return EXIT_USAGE;
  }
  settings_read(&settings, environ, &problems);
  if (argc == 2) {
    settings_print(&settings, &problems, stdout);
  }
  if (problems.count > 0) {
    (void)fflush(stdout);
    problem_list_print(&problems, stderr);
    return EXIT_USAGE;
  }
  return argc == 2 ? EXIT_DONE : run(consumer, &settings);
}
