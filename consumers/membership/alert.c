/*
 * alert.c - rows go in by the consumer's thread and out by the one that is started here; they share the database and nothing else.
 *
 * Taking a row is a transaction of its own, so that none is open while a mail server makes up its mind. Two processes skip each other's rows.
 */
#include "alert.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "alert_way.h"
#include "backoff.h"
#include "moment.h"

#define WEBHOOK "WEBHOOK"
#define MAIL    "EMAIL"

enum { ID_SIZE = 24, CHANNEL_SIZE = 16 };

/* The label `channel`. */
static const char label_webhook[] = "webhook";
static const char label_mail[] = "email";

struct alerts {
  const struct alert_settings *settings;
  const struct log *log;
  struct instrument *sent;
  struct database *database;
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool is_to_stop; /* under the lock */
  bool is_database_away;
  uint64_t chance;
  /* What is in hand. */
  bool has_one;
  int64_t attempts;
  int64_t delay_ms; /* failed: until the next attempt */
  char id[ID_SIZE];
  char channel[CHANNEL_SIZE];
  char subject[ALERT_SUBJECT_MAX_BYTES + 1];
  char text[ALERT_TEXT_MAX_BYTES + 1];
  struct problem problem;
};

static const struct statement insert_alert = {"insert_alert", "INSERT INTO dday.alert (event_id, channel, subject, body) VALUES ($1, $2, $3, $4)"};
static const struct statement take_alert = {
    "take_alert",
    "UPDATE dday.alert SET attempts = attempts + 1, next_at = clock_timestamp() + $3::integer * interval '1 second' WHERE id = ("
    "SELECT id FROM dday.alert WHERE status = 'PENDING' AND next_at <= clock_timestamp() AND channel IN ($1, $2) ORDER BY next_at LIMIT 1 FOR UPDATE SKIP "
    "LOCKED) "
    "RETURNING id, channel, subject, body, attempts",
};
static const struct statement mark_alert_sent = {
    "mark_alert_sent",
    "UPDATE dday.alert SET status = 'SENT', sent_at = clock_timestamp(), last_error = NULL WHERE id = $1::bigint",
};
static const struct statement delay_alert = {
    "delay_alert",
    "UPDATE dday.alert SET next_at = clock_timestamp() + $2::bigint * interval '1 millisecond', last_error = $3 WHERE id = $1::bigint",
};

/* Between two characters of UTF-8. */
static const char *cut(struct work *work, const char *text, size_t most)
{
  size_t length = strlen(text);

  if (length > most) {
    length = most;
    while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80) {
      length--;
    }
  }
  return work_text(work, "%.*s", (int)length, text);
}

void alert_queue(const struct alert_settings *settings, struct work *work, const struct alert *alert)
{
  const char *subject = cut(work, alert->subject, ALERT_SUBJECT_MAX_BYTES);
  const char *text = cut(work, alert->text, ALERT_TEXT_MAX_BYTES);

  if (settings->webhook_url[0] != '\0') {
    work_do(work, &insert_alert, alert->event_id, WEBHOOK, subject, text);
  }
  if (settings->smtp_url[0] != '\0') {
    work_do(work, &insert_alert, alert->event_id, MAIL, subject, text);
  }
}

static void copy(char *to, size_t size, const PGresult *result, int column)
{
  (void)snprintf(to, size, "%s", PQgetvalue(result, 0, column));
}

static enum work_end take(struct work *work, void *context)
{
  struct alerts *alerts = context;
  const char *lease = work_text(work, "%d", (int)ALERT_LEASE_S);
  const PGresult *result =
      work_ask(work, &take_alert, alerts->settings->webhook_url[0] == '\0' ? "" : WEBHOOK, alerts->settings->smtp_url[0] == '\0' ? "" : MAIL, lease);

  if (result == NULL) {
    return WORK_FAILED;
  }
  alerts->has_one = PQntuples(result) == 1;
  if (alerts->has_one) {
    copy(alerts->id, sizeof(alerts->id), result, 0);
    copy(alerts->channel, sizeof(alerts->channel), result, 1);
    copy(alerts->subject, sizeof(alerts->subject), result, 2);
    copy(alerts->text, sizeof(alerts->text), result, 3);
    alerts->attempts = strtoll(PQgetvalue(result, 0, 4), NULL, 10);
  }
  return WORK_COMMIT;
}

static enum work_end note_sent(struct work *work, void *context)
{
  struct alerts *alerts = context;

  work_do(work, &mark_alert_sent, alerts->id);
  return WORK_COMMIT;
}

static enum work_end note_failed(struct work *work, void *context)
{
  struct alerts *alerts = context;

  work_do(work, &delay_alert, alerts->id, work_text(work, "%" PRId64, alerts->delay_ms), alerts->problem.text);
  return WORK_COMMIT;
}

/* False: the database is away, or refuses, which is logged once until it is there again. */
static bool run(struct alerts *alerts, WorkFunction function)
{
  struct work_outcome outcome;

  if (work_run(alerts->database, function, alerts, &outcome) == VERDICT_OK) {
    alerts->is_database_away = false;
    return true;
  }
  if (alerts->is_database_away) {
    return false;
  }
  alerts->is_database_away = true;
  log_event(alerts->log, LOG_WARN, "alerts_wait", log_text("reason", outcome.problem.text),
            log_text("sqlstate", outcome.sqlstate[0] == '\0' ? NULL : outcome.sqlstate));
  return false;
}

static void send_one(struct alerts *alerts)
{
  bool is_mail = strcmp(alerts->channel, MAIL) == 0;
  enum verdict verdict = is_mail ? alert_way_mail(alerts->settings, alerts->id, alerts->subject, alerts->text, &alerts->problem)
                                 : alert_way_webhook(alerts->settings, alerts->subject, alerts->text, &alerts->problem);
  const char *channel = is_mail ? label_mail : label_webhook;

  if (verdict == VERDICT_OK) {
    instrument_add(alerts->sent, 1, channel, "sent");
    log_event(alerts->log, LOG_INFO, "alert_sent", log_text("alert", alerts->id), log_text("channel", channel), log_int("attempt", alerts->attempts));
    (void)run(alerts, note_sent);
    return;
  }
  struct backoff backoff;
  backoff_init(&backoff, alerts->settings->retry_first_ms * US_PER_MS, alerts->settings->retry_most_ms * US_PER_MS);
  backoff.failures = alerts->attempts > 30 ? 30 : (uint32_t)(alerts->attempts - 1);
  alerts->delay_ms = backoff_next_us(&backoff, chance_next(&alerts->chance)) / US_PER_MS;
  instrument_add(alerts->sent, 1, channel, "failed");
  log_event(alerts->log, LOG_WARN, "alert_failed", log_text("alert", alerts->id), log_text("channel", channel), log_int("attempt", alerts->attempts),
            log_int("retry_in_ms", alerts->delay_ms), log_text("reason", alerts->problem.text));
  (void)run(alerts, note_failed);
}

/* True: it is to end. */
static bool pause_for(struct alerts *alerts, int64_t ms)
{
  struct timespec until;
  bool is_to_stop;

  (void)clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += ms / 1000;
  until.tv_nsec += (ms % 1000) * 1000000;
  if (until.tv_nsec >= 1000000000) {
    until.tv_sec++;
    until.tv_nsec -= 1000000000;
  }
  (void)pthread_mutex_lock(&alerts->lock);
  while (!alerts->is_to_stop && ms > 0 && pthread_cond_timedwait(&alerts->changed, &alerts->lock, &until) == 0) {
  }
  is_to_stop = alerts->is_to_stop;
  (void)pthread_mutex_unlock(&alerts->lock);
  return is_to_stop;
}

static void *thread_main(void *context)
{
  struct alerts *alerts = context;
  int64_t pause_ms = 0;

  while (!pause_for(alerts, pause_ms)) {
    alerts->has_one = false;
    if (!run(alerts, take)) {
      pause_ms = INT64_C(4) * ALERT_POLL_MS;
      continue;
    }
    pause_ms = alerts->has_one ? 0 : ALERT_POLL_MS;
    if (alerts->has_one) {
      send_one(alerts);
    }
  }
  return NULL;
}

struct alerts *alerts_start(const struct alert_settings *settings, const char *database_url, const struct log *log, struct instruments *instruments)
{
  static const char *const channels[] = {label_webhook, label_mail};
  struct alerts *alerts = calloc(1, sizeof(*alerts));
  pthread_condattr_t attributes;
  sigset_t all;
  sigset_t before;

  if (alerts == NULL) {
    abort();
  }
  alerts->settings = settings;
  alerts->log = log;
  alerts->chance = (uint64_t)moment_now().mono_us;
  alerts->sent = instrument_counter(instruments, "member_alerts_total", "attempts to send an alert", "channel,outcome");
  for (size_t i = 0; i < sizeof(channels) / sizeof(*channels); i++) { /* a series that begins with 1 has not grown */
    instrument_add(alerts->sent, 0, channels[i], "sent");
    instrument_add(alerts->sent, 0, channels[i], "failed");
  }
  alerts->database = database_new(database_url, "member-dead-letters-alerts");
  (void)pthread_condattr_init(&attributes);
  (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  (void)pthread_cond_init(&alerts->changed, &attributes);
  (void)pthread_condattr_destroy(&attributes);
  (void)pthread_mutex_init(&alerts->lock, NULL);
  /* Signals are for the loop. */
  (void)sigfillset(&all);
  (void)pthread_sigmask(SIG_SETMASK, &all, &before);
  if (pthread_create(&alerts->thread, NULL, thread_main, alerts) != 0) {
    abort();
  }
  (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
  return alerts;
}

void alerts_stop(struct alerts *alerts)
{
  if (alerts == NULL) {
    return;
  }
  (void)pthread_mutex_lock(&alerts->lock);
  alerts->is_to_stop = true;
  (void)pthread_cond_signal(&alerts->changed);
  (void)pthread_mutex_unlock(&alerts->lock);
  (void)pthread_join(alerts->thread, NULL);
  (void)pthread_cond_destroy(&alerts->changed);
  (void)pthread_mutex_destroy(&alerts->lock);
  database_free(alerts->database);
  free(alerts);
}
