/* relay_news.c - what the relay says on stderr, and when it keeps quiet. */
#include "relay_news.h"

#include <signal.h>
#include <string.h>

enum { MINUTE_US = 60 * US_PER_S };

static bool is_retrying(enum relay_state state)
{
  return state == RELAY_CONNECTING || state == RELAY_BACKOFF;
}

static void on_state_changed(void *context, enum relay_state from, enum relay_state to, const struct problem *why)
{
  struct relay *relay = context;
  enum log_level level = to == RELAY_HELD ? LOG_ERROR : LOG_INFO;

  if (relay->news.is_failing && is_retrying(to)) {
    return;
  }
  if (!is_retrying(to)) {
    relay->news.is_failing = false;
    relay->news.failures = 0;
  }
  relay->news.next_line_us = relay->now.mono_us + MINUTE_US;
  relay->news.held_cause = to == RELAY_HELD && why != NULL ? why->cause : NULL;
  if (why == NULL) {
    log_event(&relay->log, level, "state", log_text("state", relay_state_name(to)), log_text("from", relay_state_name(from)));
    return;
  }
  log_event(&relay->log, level, "state", log_text("state", relay_state_name(to)), log_text("from", relay_state_name(from)), log_int("code", why->code),
            log_text("cause", why->cause), log_text("error", why->text), log_text("hint", why->hint[0] != '\0' ? why->hint : NULL));
}

static void on_started(void *context, const struct server_facts *facts)
{
  struct relay *relay = context;

  log_event(&relay->log, LOG_INFO, "streaming_started", log_text("slot", relay->config->postgres.slot), log_text("lsn", lsn_text(facts->confirmed).text),
            log_text("system_id", facts->system_id), log_int("timeline", facts->timeline), log_int("server_version", facts->server_version));
}

/* The first failure of an episode, and each with a new cause, is a line; the rest is counted for the line of once a minute. */
static void on_failed(void *context, enum session_side side, const struct problem *why, int64_t delay_us)
{
  struct relay *relay = context;
  bool is_news = !relay->news.is_failing || relay->news.last_cause == NULL || strcmp(relay->news.last_cause, why->cause) != 0;

  metrics_count_reconnect(relay->metrics, side == SESSION_KAFKA ? SIDE_KAFKA : SIDE_POSTGRES, why->cause);
  relay->news.failures++;
  if (is_news) {
    log_event(&relay->log, LOG_WARN, "session_failed", log_text("side", side == SESSION_KAFKA ? "kafka" : "postgres"), log_text("cause", why->cause),
              log_text("error", why->text), log_text("hint", why->hint[0] != '\0' ? why->hint : NULL), log_int("retry_in_ms", delay_us / US_PER_MS));
    relay->news.next_line_us = relay->now.mono_us + MINUTE_US;
  }
  relay->news.is_failing = true;
  relay->news.last_cause = why->cause;
}

static void on_delivered(void *context, size_t entry, bool is_dead_letter, int64_t commit_time_us)
{
  struct relay *relay = context;

  metrics_count_event(relay->metrics, entry, is_dead_letter ? EVENT_DEAD_LETTERED : EVENT_PUBLISHED);
  if (commit_time_us != 0) {
    metrics_observe_latency(relay->metrics, (double)moment_distance(commit_time_us, relay->now.wall_us) / US_PER_S);
  }
}

static void on_poison(void *context, enum poison_action action, enum route_reason reason, const struct record *record, const struct problem *why)
{
  struct relay *relay = context;

  metrics_count_poison(relay->metrics, record->entry, reason);
  log_event(&relay->log, action == POISON_IS_HELD ? LOG_ERROR : LOG_WARN, action == POISON_IS_HELD ? "poison_held" : "poison_dead_lettered",
            log_text("table", relay->config->outbox[record->entry].table), log_text("reason", route_reason_name(reason)),
            log_span("event_id", record->event_id), log_text("position", position_text(record->position).text), log_text("error", why->text),
            log_text("hint", why->hint[0] != '\0' ? why->hint : NULL));
}

static void on_isolating(void *context, struct position until, const struct problem *why)
{
  struct relay *relay = context;

  log_event(&relay->log, LOG_WARN, "isolating", log_text("until", position_text(until).text), log_text("error", why->text));
}

void news_observe(struct relay *relay)
{
  relay->observer = (struct session_observer){
      .context = relay,
      .state_changed = on_state_changed,
      .started = on_started,
      .failed = on_failed,
      .delivered = on_delivered,
      .poison = on_poison,
      .isolating = on_isolating,
  };
}

void news_starting(struct relay *relay)
{
  log_event(&relay->log, LOG_INFO, "starting", log_text("version", CDC_RELAY_VERSION), log_text("name", relay->config->name),
            log_text("plugin", plugin_name(relay->config->postgres.plugin)), log_text("slot", relay->config->postgres.slot),
            log_text("publication", relay->config->postgres.publication));
}

void news_warnings(struct relay *relay)
{
  const struct problem_list *warnings = &relay->config->warnings;

  for (size_t i = 0; i < warnings->count && i < PROBLEM_LIST_MAX; i++) {
    log_event(&relay->log, LOG_WARN, "configuration", log_text("path", warnings->problems[i].path), log_text("warning", warnings->problems[i].text));
  }
}

void news_admin(struct relay *relay)
{
  log_event(&relay->log, LOG_INFO, "admin_listening", log_text("host", relay->config->admin.host), log_int("port", admin_port(relay->admin)));
}

void news_refused(struct relay *relay, const struct problem *problem)
{
  log_event(&relay->log, LOG_ERROR, "refused", log_int("code", problem->code), log_text("error", problem->text),
            log_text("hint", problem->hint[0] != '\0' ? problem->hint : NULL));
}

void news_init(struct relay *relay, enum verdict verdict, bool created, const struct problem *problem)
{
  if (verdict == VERDICT_OK) {
    log_event(&relay->log, LOG_INFO, "init", log_bool("created", created), log_text("slot", relay->config->postgres.slot),
              log_text("publication", relay->config->postgres.publication));
  } else if (verdict == VERDICT_FATAL) {
    news_refused(relay, problem);
  } else if (relay->now.mono_us >= relay->news.next_line_us) {
    log_event(&relay->log, LOG_WARN, "init_failed", log_text("cause", problem->cause), log_text("error", problem->text));
    relay->news.next_line_us = relay->now.mono_us + MINUTE_US;
  }
}

void news_reloaded(struct relay *relay, enum verdict verdict, bool changed, const struct problem *problem)
{
  if (verdict == VERDICT_OK) {
    log_event(&relay->log, LOG_INFO, "secrets_reloaded", log_bool("changed", changed));
  } else {
    log_event(&relay->log, LOG_ERROR, "secrets_not_reloaded", log_text("error", problem->text));
  }
}

void news_catalog_changed(struct relay *relay)
{
  log_event(
      &relay->log, LOG_WARN, "catalog_changed", log_text("publication", relay->config->postgres.publication),
      log_text("hint", "rows written while a table was not published are not in Kafka, also where it is published again by now: compare it with the topic"));
}

void news_stopping(struct relay *relay, int signal)
{
  log_event(&relay->log, LOG_INFO, "stopping", log_text("signal", sigabbrev_np(signal)), log_int("drain_timeout_ms", relay->config->delivery.drain_timeout_ms));
}

void news_second_signal(struct relay *relay, int signal)
{
  log_event(&relay->log, LOG_WARN, "stopping_at_once", log_text("signal", sigabbrev_np(signal)));
}

void news_stopped(struct relay *relay)
{
  struct session_figures figures;

  session_figures(relay->session, relay->now, &figures);
  log_event(&relay->log, LOG_INFO, "stopped", log_bool("drained", figures.drained), log_int("in_flight_events", (int64_t)figures.events_in_flight),
            log_int("unconfirmed_events", (int64_t)figures.unconfirmed_events), log_text("confirmed", lsn_text(figures.confirmed).text),
            log_int("code", relay->exit_code));
}

/* Once per cause: the session's own lines tell the rest. */
void news_monitor_lost(struct relay *relay, const struct problem *problem)
{
  if (relay->news.monitor_cause == NULL || strcmp(relay->news.monitor_cause, problem->cause) != 0) {
    log_event(&relay->log, LOG_WARN, "slot_figures_unavailable", log_text("cause", problem->cause), log_text("error", problem->text),
              log_text("hint", problem->hint[0] != '\0' ? problem->hint : NULL));
    relay->news.monitor_cause = problem->cause;
  }
}

void news_ignored(struct relay *relay, size_t entry, enum ignored_op op, uint64_t count)
{
  if (op == IGNORED_UPDATE && relay->config->outbox[entry].invalid_operation != INVALID_OPERATION_IGNORE) {
    relay->news.ignored_updates[entry] += count;
  }
}

/* Updates and truncates that came through the stream, where an entry calls them errors. */
static void say_refused(struct relay *relay)
{
  uint64_t count = router_counts(relay->router)->operations_error;

  if (count > relay->news.refused_operations && relay->now.mono_us >= relay->news.next_refused_us) {
    log_event(&relay->log, LOG_ERROR, "operations_refused", log_int("count", (int64_t)(count - relay->news.refused_operations)),
              log_text("hint", "an outbox row is published once, when it is inserted; table.op.invalid.behavior decides what an UPDATE causes"));
    relay->news.refused_operations = count;
    relay->news.next_refused_us = relay->now.mono_us + MINUTE_US;
  }
}

static void say_ignored(struct relay *relay)
{
  if (relay->now.mono_us < relay->news.next_ignored_us) {
    return;
  }
  for (size_t i = 0; i < relay->config->outbox_count; i++) {
    if (relay->news.ignored_updates[i] > 0) {
      log_event(&relay->log, relay->config->outbox[i].invalid_operation == INVALID_OPERATION_WARN ? LOG_WARN : LOG_ERROR, "updates_ignored",
                log_text("table", relay->config->outbox[i].table), log_int("count", (int64_t)relay->news.ignored_updates[i]),
                log_text("hint", "an outbox row is published once, when it is inserted; table.op.invalid.behavior=ignore silences this line"));
      relay->news.ignored_updates[i] = 0;
      relay->news.next_ignored_us = relay->now.mono_us + MINUTE_US;
    }
  }
}

void news_each_turn(struct relay *relay, const struct session_figures *figures)
{
  bool is_wrong = figures->state == RELAY_HELD || figures->state == RELAY_PAUSED || relay->news.is_failing;

  say_ignored(relay);
  say_refused(relay);
  if (figures->state == RELAY_HELD && figures->has_problem && relay->news.held_cause != NULL && strcmp(figures->problem.cause, relay->news.held_cause) != 0) {
    on_state_changed(relay, RELAY_HELD, RELAY_HELD, &figures->problem); /* another look found another reason */
  }
  if (!is_wrong || relay->now.mono_us < relay->news.next_line_us) {
    return;
  }
  relay->news.next_line_us = relay->now.mono_us + MINUTE_US;
  log_event(&relay->log, figures->state == RELAY_HELD ? LOG_ERROR : LOG_WARN, "still", log_text("state", relay_state_name(figures->state)),
            log_int("since_s", (relay->now.wall_us - figures->state_since_wall_us) / US_PER_S),
            log_text("cause", figures->has_problem ? figures->problem.cause : NULL), log_text("error", figures->has_problem ? figures->problem.text : NULL),
            log_text("hint", figures->has_problem && figures->problem.hint[0] != '\0' ? figures->problem.hint : NULL),
            log_int("failures", (int64_t)relay->news.failures), log_int("in_flight_events", (int64_t)figures->events_in_flight),
            log_int("slot_retained_bytes", relay->has_slot ? relay->slot.retained_bytes : -1));
}
