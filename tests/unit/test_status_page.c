#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "ops/status_page.h"

static const struct config_outbox outbox[] = {{.table = "public.outbox"}};
static const struct config config = {
    .name = "shop",
    .postgres = {.url = "postgresql://relay:hunter2@localhost/shop", .password = "hunter2", .plugin = PLUGIN_WAL2JSON, .slot = "s", .publication = "p"},
    .outbox_count = 1,
    .outbox = outbox,
};
static const struct slot_figures slot = {
    .slot_exists = true,
    .slot_is_active = true,
    .active_pid = 77,
    .status = SLOT_EXTENDED,
    .wal_end = 0x500,
    .confirmed = 0x300,
    .restart = 0x200,
    .retained_bytes = 0x300,
    .safe_bytes = 1000,
};
static struct metric_gauges gauges;
static struct problem problem;

/* A healthy relay; `gauges` and `problem` begin anew. */
static struct status_view healthy(const struct metrics *metrics)
{
  gauges = (struct metric_gauges){
      .state = RELAY_STREAMING, .confirmed_lag_bytes = 512, .in_flight_events = 3, .oldest_unsettled_seconds = 0.25, .slot_seconds_to_loss = 60};
  memset(&problem, 0, sizeof(problem));
  return (struct status_view){
      .config = &config,
      .metrics = metrics,
      .gauges = &gauges,
      .now = {.mono_us = 100000000, .wall_us = INT64_C(1700000010500000)},
      .started_wall_us = INT64_C(1700000000000000),
      .turned_us = 99000000,
      .state_since_wall_us = INT64_C(1700000001007000),
      .is_streaming = true,
      .kafka_is_reachable = true,
      .received = 0x400,
      .safe = 0x380,
      .confirmed = 0x300,
      .system_id = "7000000000000000001",
      .timeline = 2,
      .server_version = 150020,
      .slot = &slot,
  };
}

static json_t *document_of(const struct status_view *view)
{
  struct admin_page page;
  json_t *document;

  status_page_status(view, &page);
  cr_assert_eq(page.status, 200);
  cr_assert_str_eq(page.content_type, "application/json");
  cr_assert_eq(page.length, strlen(page.body));
  cr_assert_null(strstr(page.body, "hunter2"));
  document = json_loads(page.body, JSON_REJECT_DUPLICATES, NULL);
  cr_assert_not_null(document, "%s", page.body);
  free(page.body);
  return document;
}

/* The value at a dotted path, as compact JSON text; static. */
static const char *at(const json_t *document, const char *path)
{
  static char found[4096];
  char copy[128];
  char *rest = copy;
  char *name;
  char *text;

  (void)snprintf(copy, sizeof(copy), "%s", path);
  while ((name = strsep(&rest, ".")) != NULL) {
    document = json_object_get(document, name);
  }
  cr_assert_not_null(document, "no %s", path);
  text = json_dumps(document, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(15));
  (void)snprintf(found, sizeof(found), "%s", text);
  free(text);
  return found;
}

static void expect_body(void (*build)(const struct status_view *, struct admin_page *), const struct status_view *view, unsigned int status, const char *body)
{
  struct admin_page page;

  build(view, &page);
  cr_assert_eq(page.status, status, "%s", page.body);
  cr_assert_str_eq(page.body, body);
  cr_assert_eq(page.length, strlen(body));
  cr_assert_str_eq(page.content_type, "text/plain; charset=utf-8");
  free(page.body);
}

Test(status_page, the_document_holds_every_figure_under_its_name)
{
  static const char *const cases[][2] = {
      {"name", "\"shop\""},
      {"state", "\"streaming\""},
      {"state_since", "\"2023-11-14T22:13:21.007Z\""},
      {"ready", "true"},
      {"not_ready", "[]"},
      {"problem", "null"},
      {"started_at", "\"2023-11-14T22:13:20.000Z\""},
      {"uptime_seconds", "10.5"},
      {"versions.cdc_relay", "\"" CDC_RELAY_VERSION "\""},
      {"versions.postgresql", "\"15.20\""},
      {"postgres.streaming", "true"},
      {"postgres.plugin", "\"wal2json\""},
      {"postgres.slot", "\"s\""},
      {"postgres.publication", "\"p\""},
      {"postgres.system_id", "\"7000000000000000001\""},
      {"postgres.timeline", "2"},
      {"kafka.reachable", "true"},
      {"kafka.queue_events", "0"},
      {"positions.received", "\"0/400\""},
      {"positions.safe", "\"0/380\""},
      {"positions.confirmed", "\"0/300\""},
      {"positions.wal_end", "\"0/500\""},
      {"lag.confirmed_bytes", "512"},
      {"lag.in_flight_events", "3"},
      {"lag.oldest_unsettled_seconds", "0.25"},
      {"slot.exists", "true"},
      {"slot.active_pid", "77"},
      {"slot.status", "\"extended\""},
      {"slot.restart", "\"0/200\""},
      {"slot.retained_bytes", "768"},
      {"slot.safe_bytes", "1000"},
      {"slot.seconds_to_loss", "60.0"},
      {"totals.published", "2"},
      {"totals.dead_lettered", "0"},
      {"totals.poison", "1"},
      {"totals.reconnects_postgres", "0"},
      {"totals.reconnects_kafka", "1"},
  };
  struct metrics *metrics = metrics_new(&config);
  struct status_view view = healthy(metrics);
  json_t *document;

  metrics_count_event(metrics, 0, EVENT_PUBLISHED);
  metrics_count_event(metrics, 0, EVENT_PUBLISHED);
  metrics_count_poison(metrics, 0, ROUTE_REASON_TOO_LARGE);
  metrics_count_reconnect(metrics, SIDE_KAFKA, "network");
  document = document_of(&view);
  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    cr_assert_str_eq(at(document, cases[i][0]), cases[i][1], "%s: %s", cases[i][0], at(document, cases[i][0]));
  }
  json_decref(document);
  metrics_free(metrics);
}

Test(status_page, what_is_not_known_is_null)
{
  static const char *const paths[] = {"state_since",
                                      "versions.postgresql",
                                      "postgres.system_id",
                                      "postgres.timeline",
                                      "positions.received",
                                      "positions.safe",
                                      "positions.confirmed",
                                      "positions.wal_end",
                                      "lag.confirmed_bytes",
                                      "lag.oldest_unsettled_seconds",
                                      "slot"};
  struct metrics *metrics = metrics_new(&config);
  struct status_view view = healthy(metrics);
  json_t *document;

  gauges.confirmed_lag_bytes = NAN;
  gauges.oldest_unsettled_seconds = NAN;
  view.state_since_wall_us = 0;
  view.server_version = 0;
  view.system_id = "";
  view.timeline = 0;
  view.received = view.safe = view.confirmed = 0;
  view.slot = NULL;
  document = document_of(&view);
  for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
    cr_assert_str_eq(at(document, paths[i]), "null", "%s", paths[i]);
  }
  json_decref(document);
  metrics_free(metrics);
}

Test(status_page, a_slot_without_limit_or_without_existence_says_so)
{
  struct metrics *metrics = metrics_new(&config);
  struct status_view view = healthy(metrics);
  struct slot_figures unlimited = slot;
  struct slot_figures none = {.slot_exists = false};
  json_t *document;

  unlimited.safe_bytes = -1;
  gauges.slot_seconds_to_loss = INFINITY;
  view.slot = &unlimited;
  document = document_of(&view);
  cr_assert_str_eq(at(document, "slot.safe_bytes"), "null");
  cr_assert_str_eq(at(document, "slot.seconds_to_loss"), "null");
  json_decref(document);
  view.slot = &none;
  document = document_of(&view);
  cr_assert_str_eq(at(document, "slot"), "{\"exists\":false}");
  json_decref(document);
  metrics_free(metrics);
}

Test(status_page, foreign_words_do_not_break_the_document)
{
  struct metrics *metrics = metrics_new(&config);
  struct status_view view = healthy(metrics);
  json_t *document;

  gauges.state = RELAY_HELD;
  (void)problem_set(&problem, VERDICT_FATAL, EXIT_POSITION, "slot_lost", "it \"broke\"\n\x1b[2J\xff \xc3\xbc");
  view.problem = &problem;
  document = document_of(&view);
  cr_assert_str_eq(at(document, "problem"), "{\"code\":4,\"cause\":\"slot_lost\",\"text\":\"it \\\"broke\\\"  [2J\xef\xbf\xbd \xc3\xbc\",\"hint\":null}");
  problem_hint(&problem, "run %s", "init");
  json_decref(document);
  document = document_of(&view);
  cr_assert_str_eq(at(document, "problem.hint"), "\"run init\"");
  cr_assert_str_eq(at(document, "ready"), "false");
  cr_assert_str_eq(at(document, "not_ready"), "[\"held: it \\\"broke\\\"  [2J\xef\xbf\xbd \xc3\xbc; run init\"]");
  json_decref(document);
  metrics_free(metrics);
}

Test(status_page, the_longest_problem_of_the_worst_bytes_fits)
{
  struct metrics *metrics = metrics_new(&config);
  struct status_view view = healthy(metrics);

  gauges.state = RELAY_HELD;
  memset(problem.text, '\xff', sizeof(problem.text) - 1);
  memset(problem.hint, '\xff', sizeof(problem.hint) - 1);
  problem.cause = "x";
  view.problem = &problem;
  json_decref(document_of(&view));
  metrics_free(metrics);
}

Test(status_page, a_gauge_beyond_what_json_can_hold_is_null)
{
  struct metrics *metrics = metrics_new(&config);
  struct status_view view = healthy(metrics);
  json_t *document;

  gauges.kafka_queue_bytes = 1e300;
  document = document_of(&view);
  cr_assert_str_eq(at(document, "kafka.queue_bytes"), "null");
  json_decref(document);
  metrics_free(metrics);
}

static const struct ready_case {
  enum relay_state state;
  bool is_streaming, kafka_is_reachable, has_problem;
  unsigned int status;
  const char *body;
} ready_cases[] = {
    {RELAY_STREAMING, true, true, false, 200, "ready\nstreaming\n"},
    {RELAY_PAUSED, true, true, false, 200, "ready\npaused\n"},
    {RELAY_STANDBY, false, true, false, 200, "ready\nstandby\n"},
    {RELAY_STANDBY, false, false, false, 200, "ready\nstandby\n"},
    {RELAY_STREAMING, true, false, false, 503, "not ready\nkafka: no broker is reachable\n"},
    {RELAY_PAUSED, true, false, false, 503, "not ready\nkafka: no broker is reachable\n"},
    {RELAY_PAUSED, false, true, false, 503, "not ready\npostgres: no replication stream is started\n"},
    {RELAY_PAUSED, false, false, false, 503, "not ready\npostgres: no replication stream is started\nkafka: no broker is reachable\n"},
    {RELAY_CONNECTING, false, true, false, 503, "not ready\nconnecting: not streaming\n"},
    {RELAY_CONNECTING, false, false, false, 503, "not ready\nconnecting: not streaming\nkafka: no broker is reachable\n"},
    {RELAY_DRAINING, true, true, false, 503, "not ready\ndraining: not streaming\n"},
    {RELAY_BACKOFF, false, true, true, 503, "not ready\nbackoff: could not connect; try later\n"},
    {RELAY_HELD, false, false, true, 503, "not ready\nheld: could not connect; try later\n"},
    /* What an earlier failure was is no reason any more. */
    {RELAY_STREAMING, true, true, true, 200, "ready\nstreaming\n"},
    {RELAY_STANDBY, false, false, true, 200, "ready\nstandby\n"},
};

Test(status_page, is_ready_when_events_can_flow_or_standing_by)
{
  struct metrics *metrics = metrics_new(&config);

  for (size_t i = 0; i < sizeof(ready_cases) / sizeof(*ready_cases); i++) {
    struct status_view view = healthy(metrics);

    gauges.state = ready_cases[i].state;
    view.is_streaming = ready_cases[i].is_streaming;
    view.kafka_is_reachable = ready_cases[i].kafka_is_reachable;
    (void)problem_set(&problem, VERDICT_RETRY, EXIT_UNEXPECTED, "network", "could not connect");
    problem_hint(&problem, "try later");
    view.problem = ready_cases[i].has_problem ? &problem : NULL;
    expect_body(status_page_readyz, &view, ready_cases[i].status, ready_cases[i].body);
  }
  metrics_free(metrics);
}

Test(status_page, a_reason_is_one_line)
{
  struct metrics *metrics = metrics_new(&config);
  struct status_view view = healthy(metrics);

  gauges.state = RELAY_BACKOFF;
  (void)problem_set(&problem, VERDICT_RETRY, EXIT_UNEXPECTED, "network", "one\r\ntwo");
  view.problem = &problem;
  expect_body(status_page_readyz, &view, 503, "not ready\nbackoff: one  two\n");
  metrics_free(metrics);
}

Test(status_page, livez_depends_on_the_loop_alone)
{
  struct metrics *metrics = metrics_new(&config);
  struct status_view view = healthy(metrics);

  gauges.state = RELAY_HELD;
  view.kafka_is_reachable = false;
  view.is_streaming = false;
  expect_body(status_page_livez, &view, 200, "live\n");
  view.turned_us = view.now.mono_us - STATUS_LOOP_LIMIT_US;
  expect_body(status_page_livez, &view, 200, "live\n");
  view.turned_us--;
  expect_body(status_page_livez, &view, 503, "not live\nloop: no turn for 30 s\n");
  metrics_free(metrics);
}
