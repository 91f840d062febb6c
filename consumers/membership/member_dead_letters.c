/*
 * member_dead_letters.c - takes what d-day-service gave up: each dead letter is logged in detail, stored for people, and told to them.
 *
 *     member-events.DLT --> dday.failed_event, dday.alert --(a thread)--> webhook, e-mail
 *
 * What tells two dead letters apart is the failure that they tell of (failed_event's identity) and not the event's id: an event that was retried and failed again is a
 * second letter of the same event. Nor is it the letter's place: the relay may bring the same letter again, and a row that a person has closed is not to be opened by it,
 * nor an alert to be sent. So the inbox row is written here, with a digest of that identity. Nothing that a dead letter says can make this consumer fail: it has no
 * dead-letter topic of its own, and what fails here (the database is away) is tried without end.
 */
#include <stdio.h>
#include <string.h>

#include "alert.h"
#include "alert_way.h"
#include "consumer.h"
#include "failed_event.h"
#include "failed_event_commands.h"

struct dead_letters {
  struct alert_settings alert_settings;
  const struct log *log;
  struct alerts *alerts;
  struct arena arena;
};

static const struct statement claim_letter = {
    "claim_letter",
    "INSERT INTO dday.inbox (consumer, event_id, topic, partition, \"offset\") "
    "VALUES ('member-dead-letters', encode(sha256(convert_to($1::text, 'UTF8')), 'hex'), $2, $3::integer, $4::bigint) "
    "ON CONFLICT DO NOTHING RETURNING event_id",
};

static const char *or_dash(const char *text)
{
  return text == NULL ? "-" : text;
}

/* Its fields are named as in every other line of an event, and else as the columns of dday.failed_event. */
static void log_letter(const struct log *log, const struct event *event, const struct failed_event *failed)
{
  log_event(log, LOG_ERROR, "dead_letter", log_text("topic", event->topic), log_int("partition", event->partition), log_int("offset", event->offset),
            log_text("event_id", failed->event_id), log_text("correlation_id", event->origin.correlation_id), log_text("event_type", failed->event_type),
            log_text("member_id", failed->member_id), log_text("original_topic", failed->topic), log_text("original_partition", failed->partition),
            log_text("original_offset", failed->offset), log_text("consumer", failed->consumer), log_text("host", failed->host),
            log_text("error_class", failed->error_class), log_text("sqlstate", failed->sqlstate), log_text("error_message", failed->error_message),
            log_text("attempts", failed->attempts), log_text("first_failed_at", failed->first_failed_at), log_text("last_failed_at", failed->last_failed_at),
            log_text("key", failed->key_text), log_text("headers", failed->own_headers)); /* what is too long for a line is cut at its end */
}

static void queue_alert(const struct dead_letters *letters, struct work *work, const struct failed_event *failed)
{
  struct alert alert = {
      .event_id = failed->event_id,
      .subject = work_text(work, "Member event failed: %s of member %s", or_dash(failed->event_type), or_dash(failed->member_id)),
      .text = work_text(
          work, "Event %s (%s) was given up after %s attempts.\nError: %s: %s\nPlace: %s, partition %s, offset %s\nFirst failure: %s\nLast failure: %s\n",
          failed->event_id, or_dash(failed->event_type), failed->attempts, or_dash(failed->error_class), or_dash(failed->error_message), failed->topic,
          failed->partition, failed->offset, or_dash(failed->first_failed_at), or_dash(failed->last_failed_at)),
  };

  alert_queue(&letters->alert_settings, work, &alert);
}

static enum verdict on_letter(const struct event *event, struct work *work, struct consumption *consumption, struct problem *problem)
{
  struct dead_letters *letters = consumer_state(consumption);
  const char *partition = work_text(work, "%d", (int)event->partition);
  const char *offset = work_text(work, "%lld", (long long)event->offset);
  struct failed_event failed;
  const PGresult *result;

  (void)problem;
  arena_reset(&letters->arena);
  failed_event_read(&failed, event, &letters->arena);
  result = work_ask(work, &claim_letter, failed.identity, event->topic, partition, offset);
  if (result == NULL) {
    return VERDICT_FATAL;
  }
  if (PQntuples(result) == 0) {
    return VERDICT_OK;
  }
  failed_event_store(&failed, work);
  queue_alert(letters, work, &failed);
  log_letter(letters->log, event, &failed);
  return VERDICT_OK;
}

static enum verdict start(void *state, const struct consumer_surroundings *surroundings, struct problem *problem)
{
  struct dead_letters *letters = state;
  const struct alert_settings *settings = &letters->alert_settings;

  if (settings->smtp_url[0] != '\0' && (settings->mail_from[0] == '\0' || settings->mail_to[0] == '\0')) {
    return problem_set(problem, VERDICT_FATAL, EXIT_USAGE, "alert_settings", "ALERT_SMTP_URL needs ALERT_MAIL_FROM and ALERT_MAIL_TO");
  }
  if (settings->mail_to[0] != '\0' && !alert_way_recipients(settings->mail_to, NULL)) {
    return problem_set(problem, VERDICT_FATAL, EXIT_USAGE, "alert_settings", "ALERT_MAIL_TO must be addresses as people@example.com, commas between them");
  }
  letters->log = surroundings->log;
  arena_init(&letters->arena, 65536);
  letters->alerts = alerts_start(settings, surroundings->database_url, surroundings->log, surroundings->instruments);
  return VERDICT_OK;
}

static void stop(void *state)
{
  struct dead_letters *letters = state;

  if (letters->alerts != NULL) {
    alerts_stop(letters->alerts);
    arena_done(&letters->arena);
    letters->alerts = NULL;
  }
}

int main(int argc, char **argv)
{
  static struct dead_letters letters;
  static const struct variable variables[] = {
      {.name = "ALERT_WEBHOOK_URL",
       .kind = VARIABLE_SECRET,
       .target = &letters.alert_settings.webhook_url,
       .fallback = "",
       .help = "Slack-compatible webhook for alerts; empty: none"},
      {.name = "ALERT_SMTP_URL",
       .kind = VARIABLE_URL,
       .credentials = "ALERT_SMTP_USER and ALERT_SMTP_PASSWORD",
       .target = &letters.alert_settings.smtp_url,
       .fallback = "",
       .help = "mail server for alerts, smtp://host:port or smtps://host:port; empty: none"},
      {.name = "ALERT_SMTP_USER",
       .kind = VARIABLE_TEXT,
       .target = &letters.alert_settings.smtp_user,
       .fallback = "",
       .help = "its user; with one the connection must be encrypted"},
      {.name = "ALERT_SMTP_PASSWORD", .kind = VARIABLE_SECRET, .target = &letters.alert_settings.smtp_password, .fallback = "", .help = "its password"},
      {.name = "ALERT_MAIL_FROM", .kind = VARIABLE_TEXT, .target = &letters.alert_settings.mail_from, .fallback = "", .help = "sender of alerts"},
      {.name = "ALERT_MAIL_TO",
       .kind = VARIABLE_TEXT,
       .target = &letters.alert_settings.mail_to,
       .fallback = "",
       .help = "who gets them: addresses, commas between"},
      {.name = "ALERT_RETRY_FIRST_MS",
       .kind = VARIABLE_NUMBER,
       .target = &letters.alert_settings.retry_first_ms,
       .fallback = "5000",
       .least = 100,
       .most = 600000,
       .help = "pause after the first attempt to send an alert that fails, doubled up to"},
      {.name = "ALERT_RETRY_MOST_MS",
       .kind = VARIABLE_NUMBER,
       .target = &letters.alert_settings.retry_most_ms,
       .fallback = "600000",
       .least = 100,
       .most = 86400000,
       .help = "the longest pause"},
      {0},
  };
  static const struct subscription subscriptions[] = {
      {.topic = "member-events.DLT", .types = {{NULL, on_letter}}, .takes_bytes = true},
      {0},
  };
  static const struct consumer consumer = {
      .name = "member-dead-letters",
      .summary = "stores failed member events, and tells people of them",
      .group = "d-day-service-dlt",
      .listen = "127.0.0.1:8084",
      .subscriptions = subscriptions,
      .batch = {.events = 1},
      .idempotence = IDEMPOTENCE_HANDLER,
      .variables = variables,
      .state = &letters,
      .start = start,
      .stop = stop,
  };

  if (failed_event_is_command(argc, argv)) {
    return failed_event_command(argc, argv);
  }
  if (argc == 2 && strcmp(argv[1], "--help") == 0) {
    (void)fputs(failed_event_help, stdout);
  }
  return consumer_main(&consumer, argc, argv);
}
