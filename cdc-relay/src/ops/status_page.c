/*
 * status_page.c - one list of reasons against readiness serves /readyz and the document. The document's names are a promise to users: add, never rename.
 *
 *   { name, state, state_since, ready, not_ready: [..], problem: {code, cause, text, hint} | null, started_at, uptime_seconds,
 *     versions: {..}, postgres: {..}, kafka: {..}, positions: {..}, lag: {..}, slot: {..} | null, totals: {..} }
 */
#include "ops/status_page.h"

#include <inttypes.h>
#include <jansson.h>
#include <libpq-fe.h>
#include <librdkafka/rdkafka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "text_out.h"
#include "utf8.h"

enum { REASONS_MAX = 3, REASON_TEXT_MAX = PROBLEM_TEXT_MAX + PROBLEM_HINT_MAX + 64, PRINTABLE_MAX = 3 * REASON_TEXT_MAX };

struct reasons {
  size_t count;
  char texts[REASONS_MAX][REASON_TEXT_MAX];
};

/* One line of UTF-8 out of foreign bytes: what is neither printable nor UTF-8 becomes a blank or U+FFFD. Cut where `to` ends. */
static void make_printable(const char *text, char to[PRINTABLE_MAX])
{
  struct span rest = span_of_text(text);
  size_t at = 0;

  while (rest.length > 0) {
    uint32_t code = 0;
    size_t length = utf8_character(rest, &code);
    const char *bytes = length == 0 ? "\xef\xbf\xbd" : code < 0x20 || (code >= 0x7f && code <= 0x9f) ? " " : rest.data;
    size_t size = length == 0 ? 3 : bytes != rest.data ? 1 : length;

    if (size > PRINTABLE_MAX - 1 - at) {
      break;
    }
    memcpy(to + at, bytes, size);
    at += size;
    length += length == 0;
    rest = span_of(rest.data + length, rest.length - length);
  }
  to[at] = '\0';
}

static char *next_reason(struct reasons *reasons)
{
  return reasons->texts[reasons->count++];
}

static void find_reasons(const struct status_view *view, struct reasons *ret_reasons)
{
  enum relay_state state = view->gauges->state;
  bool flows = state == RELAY_STREAMING || state == RELAY_PAUSED;

  ret_reasons->count = 0;
  if (state == RELAY_STANDBY) {
    return;
  }
  if (!flows && view->problem != NULL) {
    (void)snprintf(next_reason(ret_reasons), REASON_TEXT_MAX, "%s: %s%s%s", relay_state_name(state), view->problem->text,
                   view->problem->hint[0] != '\0' ? "; " : "", view->problem->hint);
  } else if (!flows) {
    (void)snprintf(next_reason(ret_reasons), REASON_TEXT_MAX, "%s: not streaming", relay_state_name(state));
  } else if (!view->is_streaming) {
    (void)snprintf(next_reason(ret_reasons), REASON_TEXT_MAX, "postgres: no replication stream is started");
  }
  /* A held relay has no producer that could tell. */
  if (!view->kafka_is_reachable && state != RELAY_HELD) {
    (void)snprintf(next_reason(ret_reasons), REASON_TEXT_MAX, "kafka: no broker is reachable");
  }
}

static void text_page(unsigned int status, char *body, size_t length, struct admin_page *ret_page)
{
  *ret_page = (struct admin_page){.status = status, .content_type = "text/plain; charset=utf-8", .body = body, .length = length};
}

void status_page_livez(const struct status_view *view, struct admin_page *ret_page)
{
  int64_t age_us = view->now.mono_us - view->turned_us;
  bool is_live = age_us <= STATUS_LOOP_LIMIT_US;
  char *body = NULL;
  size_t length = 0;
  FILE *out = text_open(&body, &length);

  if (is_live) {
    (void)fputs("live\n", out);
  } else {
    (void)fprintf(out, "not live\nloop: no turn for %" PRId64 " s\n", age_us / US_PER_S);
  }
  text_close(out);
  text_page(is_live ? 200 : 503, body, length, ret_page);
}

void status_page_readyz(const struct status_view *view, struct admin_page *ret_page)
{
  struct reasons reasons;
  char *body = NULL;
  size_t length = 0;
  FILE *out = text_open(&body, &length);

  find_reasons(view, &reasons);
  if (reasons.count == 0) {
    (void)fprintf(out, "ready\n%s\n", relay_state_name(view->gauges->state));
  } else {
    (void)fputs("not ready\n", out);
  }
  for (size_t i = 0; i < reasons.count; i++) {
    char printable[PRINTABLE_MAX];

    make_printable(reasons.texts[i], printable);
    (void)fprintf(out, "%s\n", printable);
  }
  text_close(out);
  text_page(reasons.count == 0 ? 200 : 503, body, length, ret_page);
}

/* NULL is null. */
static json_t *text_value(const char *text)
{
  char printable[PRINTABLE_MAX];

  if (text == NULL) {
    return json_null();
  }
  make_printable(text, printable);
  return json_string(printable);
}

static json_t *lsn_value(Lsn lsn)
{
  return lsn == 0 ? json_null() : json_string(lsn_text(lsn).text);
}

/* JSON has neither NaN nor infinity; "without a limit" is null like "not known", and the slot's status tells them apart. */
static json_t *real_value(double value)
{
  return isfinite(value) ? json_real(value) : json_null();
}

/* A gauge that counts things. */
static json_t *count_value(double value)
{
  return isfinite(value) && fabs(value) < 9e18 ? json_integer((json_int_t)value) : json_null();
}

static json_t *total_value(uint64_t value)
{
  return json_integer((json_int_t)(value < INT64_MAX ? value : INT64_MAX));
}

static json_t *time_value(int64_t wall_us)
{
  time_t seconds = (time_t)(wall_us / US_PER_S);
  struct tm parts;
  char text[40];
  size_t length;

  if (wall_us <= 0 || gmtime_r(&seconds, &parts) == NULL) {
    return json_null();
  }
  length = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
  (void)snprintf(text + length, sizeof(text) - length, ".%03dZ", (int)(wall_us % US_PER_S / US_PER_MS));
  return json_string(text);
}

/* PostgreSQL's and libpq's number of a version. */
static json_t *version_value(int version)
{
  char text[32];

  if (version <= 0) {
    return json_null();
  }
  (void)snprintf(text, sizeof(text), "%d.%d", version / 10000, version % 10000);
  return json_string(text);
}

static void set(json_t *object, const char *name, json_t *value)
{
  if (json_object_set_new(object, name, value) != 0) { /* out of memory, or a value that could not be made for the same reason */
    abort();
  }
}

static json_t *problem_document(const struct problem *problem)
{
  json_t *document;

  if (problem == NULL) {
    return json_null();
  }
  document = json_object();
  set(document, "code", json_integer(problem->code));
  set(document, "cause", text_value(problem->cause));
  set(document, "text", text_value(problem->text));
  set(document, "hint", text_value(problem->hint[0] != '\0' ? problem->hint : NULL));
  return document;
}

static json_t *versions_document(const struct status_view *view)
{
  json_t *document = json_object();

  set(document, "cdc_relay", json_string(CDC_RELAY_VERSION));
  set(document, "postgresql", version_value(view->server_version));
  set(document, "libpq", version_value(PQlibVersion()));
  set(document, "librdkafka", text_value(rd_kafka_version_str()));
  return document;
}

static json_t *postgres_document(const struct status_view *view)
{
  json_t *document = json_object();

  set(document, "streaming", json_boolean(view->is_streaming));
  set(document, "plugin", json_string(plugin_name(view->config->postgres.plugin)));
  set(document, "slot", text_value(view->config->postgres.slot));
  set(document, "publication", text_value(view->config->postgres.publication));
  set(document, "system_id", text_value(view->system_id != NULL && view->system_id[0] != '\0' ? view->system_id : NULL));
  set(document, "timeline", view->timeline == 0 ? json_null() : json_integer(view->timeline));
  return document;
}

static json_t *kafka_document(const struct status_view *view)
{
  json_t *document = json_object();

  set(document, "reachable", json_boolean(view->kafka_is_reachable));
  set(document, "queue_events", count_value(view->gauges->kafka_queue_events));
  set(document, "queue_bytes", count_value(view->gauges->kafka_queue_bytes));
  return document;
}

static json_t *positions_document(const struct status_view *view)
{
  json_t *document = json_object();

  set(document, "received", lsn_value(view->received));
  set(document, "safe", lsn_value(view->safe));
  set(document, "confirmed", lsn_value(view->confirmed));
  set(document, "wal_end", lsn_value(view->slot != NULL ? view->slot->wal_end : 0));
  return document;
}

static json_t *lag_document(const struct status_view *view)
{
  json_t *document = json_object();

  set(document, "confirmed_bytes", count_value(view->gauges->confirmed_lag_bytes));
  set(document, "in_flight_events", count_value(view->gauges->in_flight_events));
  set(document, "in_flight_transactions", count_value(view->gauges->in_flight_transactions));
  set(document, "unconfirmed_events", count_value(view->gauges->unconfirmed_events));
  set(document, "oldest_unsettled_seconds", real_value(view->gauges->oldest_unsettled_seconds));
  return document;
}

static json_t *slot_document(const struct status_view *view)
{
  const struct slot_figures *slot = view->slot;
  json_t *document;

  if (slot == NULL) {
    return json_null();
  }
  document = json_object();
  set(document, "exists", json_boolean(slot->slot_exists));
  if (slot->slot_exists) {
    set(document, "active", json_boolean(slot->slot_is_active));
    set(document, "active_pid", slot->slot_is_active ? json_integer(slot->active_pid) : json_null());
    set(document, "status", json_string(slot_status_name(slot->status)));
    set(document, "confirmed", lsn_value(slot->confirmed));
    set(document, "restart", lsn_value(slot->restart));
    set(document, "retained_bytes", json_integer(slot->retained_bytes));
    set(document, "safe_bytes", slot->safe_bytes < 0 ? json_null() : json_integer(slot->safe_bytes));
    set(document, "seconds_to_loss", real_value(view->gauges->slot_seconds_to_loss));
  }
  return document;
}

static json_t *totals_document(const struct status_view *view)
{
  json_t *document = json_object();

  set(document, "published", total_value(metrics_events(view->metrics, EVENT_PUBLISHED)));
  set(document, "dead_lettered", total_value(metrics_events(view->metrics, EVENT_DEAD_LETTERED)));
  set(document, "poison", total_value(metrics_poison_events(view->metrics)));
  set(document, "reconnects_postgres", total_value(metrics_reconnects(view->metrics, SIDE_POSTGRES)));
  set(document, "reconnects_kafka", total_value(metrics_reconnects(view->metrics, SIDE_KAFKA)));
  return document;
}

static json_t *reasons_document(const struct reasons *reasons)
{
  json_t *document = json_array();

  for (size_t i = 0; i < reasons->count; i++) {
    if (json_array_append_new(document, text_value(reasons->texts[i])) != 0) {
      abort();
    }
  }
  return document;
}

void status_page_status(const struct status_view *view, struct admin_page *ret_page)
{
  struct reasons reasons;
  json_t *document = json_object();

  find_reasons(view, &reasons);
  set(document, "name", text_value(view->config->name));
  set(document, "state", json_string(relay_state_name(view->gauges->state)));
  set(document, "state_since", time_value(view->state_since_wall_us));
  set(document, "ready", json_boolean(reasons.count == 0));
  set(document, "not_ready", reasons_document(&reasons));
  set(document, "problem", problem_document(view->problem));
  set(document, "started_at", time_value(view->started_wall_us));
  set(document, "uptime_seconds", real_value((double)(view->now.wall_us - view->started_wall_us) / US_PER_S));
  set(document, "versions", versions_document(view));
  set(document, "postgres", postgres_document(view));
  set(document, "kafka", kafka_document(view));
  set(document, "positions", positions_document(view));
  set(document, "lag", lag_document(view));
  set(document, "slot", slot_document(view));
  set(document, "totals", totals_document(view));

  *ret_page = (struct admin_page){.status = 200, .content_type = "application/json"};
  ret_page->body = json_dumps(document, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
  if (ret_page->body == NULL) {
    abort();
  }
  ret_page->length = strlen(ret_page->body);
  json_decref(document);
}
