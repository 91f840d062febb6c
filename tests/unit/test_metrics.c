#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "ops/metrics.h"
#include "ops/process_figures.h"

static const struct config_outbox outbox[] = {{.table = "public.outbox"}, {.table = "message:we\"ird\\\n\xffpre\xc3\xbc"}, {.table = "public.outbox"}};
static const struct config config = {.outbox_count = 3, .outbox = outbox, .postgres.plugin = PLUGIN_WAL2JSON};

static const struct metric_gauges nothing_known = {
    .state = RELAY_CONNECTING,
    .in_flight_events = NAN,
    .in_flight_transactions = NAN,
    .unconfirmed_events = NAN,
    .confirmed_lag_bytes = NAN,
    .oldest_unsettled_seconds = NAN,
    .slot_retained_bytes = NAN,
    .slot_safe_bytes = NAN,
    .slot_seconds_to_loss = NAN,
    .slot_status = SLOT_UNKNOWN,
    .kafka_queue_events = NAN,
    .kafka_queue_bytes = NAN,
};

/* The page as text; freed with the next call. */
static const char *render(const struct metrics *metrics, const struct metric_gauges *gauges, enum metrics_format format)
{
  static char *text;
  size_t length = 0;

  free(text);
  text = metrics_render(metrics, gauges, format, &length);
  cr_assert_eq(strlen(text), length);
  return text;
}

/* Whether `line` is a line of the page, whole; how often. */
static size_t lines_of(const char *page, const char *line)
{
  size_t count = 0;

  while (*page != '\0') {
    size_t length = strcspn(page, "\n");

    count += length == strlen(line) && strncmp(page, line, length) == 0;
    page += length + 1;
  }
  return count;
}

#define HAS_LINE(page, line)  cr_assert_eq(lines_of((page), (line)), 1, "%zu times: %s", lines_of((page), (line)), (line))
#define LACKS(page, fragment) cr_assert_null(strstr((page), (fragment)), "present: %s", (fragment))

Test(metrics, the_names_promised_to_users_are_there)
{
  static const char *const names[] = {
      "cdc_relay_state{state=\"held\"} ",
      "cdc_relay_events_total{table=\"public.outbox\",outcome=\"dead_lettered\"} ",
      "cdc_relay_commit_to_ack_seconds_bucket{le=\"0.001\"} ",
      "cdc_relay_in_flight_events ",
      "cdc_relay_in_flight_transactions ",
      "cdc_relay_unconfirmed_events ",
      "cdc_relay_confirmed_lag_bytes ",
      "cdc_relay_oldest_unsettled_seconds ",
      "cdc_relay_slot_retained_bytes ",
      "cdc_relay_slot_safe_bytes ",
      "cdc_relay_slot_seconds_to_loss ",
      "cdc_relay_slot_status{status=\"unreserved\"} ",
      "cdc_relay_reconnects_total{side=\"kafka\",cause=\"other\"} ",
      "cdc_relay_poison_events_total{table=\"public.outbox\",reason=\"null_key\"} ",
      "cdc_relay_ignored_operations_total{table=\"public.outbox\",op=\"update\"} ",
      "cdc_relay_kafka_queue_events ",
      "cdc_relay_kafka_queue_bytes ",
      ("cdc_relay_build_info{version=\"" CDC_RELAY_VERSION "\",plugin=\"wal2json\",librdkafka=\""),
      "process_cpu_seconds_total ",
      "process_resident_memory_bytes ",
      "process_virtual_memory_bytes ",
      "process_open_fds ",
      "process_max_fds ",
      "process_start_time_seconds ",
  };
  static const struct metric_gauges known = {.state = RELAY_STREAMING};
  struct metrics *metrics = metrics_new(&config);

  for (int format = METRICS_PROMETHEUS; format <= METRICS_OPENMETRICS; format++) {
    const char *page = render(metrics, &known, (enum metrics_format)format);

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
      char at_line_start[128];

      (void)snprintf(at_line_start, sizeof(at_line_start), "\n%s", names[i]);
      cr_assert_not_null(strstr(page, at_line_start), "no series %s", names[i]);
    }
  }
  metrics_free(metrics);
}

Test(metrics, each_gauge_shows_its_own_member)
{
  static const struct metric_gauges gauges = {
      .state = RELAY_PAUSED,
      .in_flight_events = 1,
      .in_flight_transactions = 2,
      .unconfirmed_events = 3,
      .confirmed_lag_bytes = 9007199254740993.0,
      .oldest_unsettled_seconds = 0.1,
      .slot_retained_bytes = 6,
      .slot_safe_bytes = 7,
      .slot_seconds_to_loss = INFINITY,
      .slot_status = SLOT_EXTENDED,
      .kafka_queue_events = 8,
      .kafka_queue_bytes = 1e300,
      .routed = {.timestamps_replaced = 11, .payloads_not_expanded = 12, .messages_not_transactional = 13, .operations_ignored = UINT64_MAX},
  };
  static const char *const lines[] = {
      "cdc_relay_state{state=\"connecting\"} 0",
      "cdc_relay_state{state=\"paused\"} 1",
      "cdc_relay_state{state=\"held\"} 0",
      "cdc_relay_in_flight_events 1",
      "cdc_relay_in_flight_transactions 2",
      "cdc_relay_unconfirmed_events 3",
      "cdc_relay_confirmed_lag_bytes 9007199254740992",
      "cdc_relay_oldest_unsettled_seconds 0.1",
      "cdc_relay_slot_retained_bytes 6",
      "cdc_relay_slot_safe_bytes 7",
      "cdc_relay_slot_seconds_to_loss +Inf",
      "cdc_relay_slot_status{status=\"reserved\"} 0",
      "cdc_relay_slot_status{status=\"extended\"} 1",
      "cdc_relay_kafka_queue_events 8",
      "cdc_relay_kafka_queue_bytes 1e+300",
      "cdc_relay_timestamps_replaced_total 11",
      "cdc_relay_payloads_not_expanded_total 12",
      "cdc_relay_messages_ignored_total 13",
      "cdc_relay_stream_operations_ignored_total 18446744073709551615",
  };
  struct metrics *metrics = metrics_new(&config);
  const char *page = render(metrics, &gauges, METRICS_PROMETHEUS);

  for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
    HAS_LINE(page, lines[i]);
  }
  metrics_free(metrics);
}

Test(metrics, what_is_not_known_has_no_series)
{
  static const char *const names[] = {
      "in_flight_events", "in_flight_transactions", "unconfirmed_events", "confirmed_lag_bytes", "oldest_unsettled_seconds", "slot_retained_bytes",
      "slot_safe_bytes",  "slot_seconds_to_loss",   "slot_status",        "kafka_queue_events",  "kafka_queue_bytes"};
  struct metrics *metrics = metrics_new(&config);
  const char *page = render(metrics, &nothing_known, METRICS_PROMETHEUS);

  for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
    char series[64];

    (void)snprintf(series, sizeof(series), "\ncdc_relay_%s ", names[i]);
    LACKS(page, series);
    (void)snprintf(series, sizeof(series), "\ncdc_relay_%s{", names[i]);
    LACKS(page, series);
  }
  LACKS(page, "nan");
  metrics_free(metrics);
}

Test(metrics, counters_begin_at_zero_and_count_apart)
{
  struct metrics *metrics = metrics_new(&config);
  const char *page = render(metrics, &nothing_known, METRICS_PROMETHEUS);

  HAS_LINE(page, "cdc_relay_events_total{table=\"public.outbox\",outcome=\"published\"} 0");
  HAS_LINE(page, "cdc_relay_poison_events_total{table=\"public.outbox\",reason=\"too_large\"} 0");
  HAS_LINE(page, "cdc_relay_reconnects_total{side=\"postgres\",cause=\"other\"} 0");

  metrics_count_event(metrics, 0, EVENT_PUBLISHED);
  metrics_count_event(metrics, 0, EVENT_PUBLISHED);
  metrics_count_event(metrics, 1, EVENT_PUBLISHED);
  metrics_count_event(metrics, 0, EVENT_DEAD_LETTERED);
  metrics_count_poison(metrics, 0, ROUTE_REASON_TOO_LARGE);
  metrics_count_poison(metrics, 1, ROUTE_REASON_REFUSED_BY_BROKER);
  metrics_count_ignored(metrics, 0, IGNORED_UPDATE, 5);
  metrics_count_ignored(metrics, 0, IGNORED_DELETE, 1000000000000);
  metrics_count_reconnect(metrics, SIDE_POSTGRES, "network");
  metrics_count_reconnect(metrics, SIDE_KAFKA, "fenced");
  page = render(metrics, &nothing_known, METRICS_PROMETHEUS);
  HAS_LINE(page, "cdc_relay_events_total{table=\"public.outbox\",outcome=\"published\"} 2");
  HAS_LINE(page, "cdc_relay_events_total{table=\"public.outbox\",outcome=\"dead_lettered\"} 1");
  HAS_LINE(page, "cdc_relay_poison_events_total{table=\"public.outbox\",reason=\"too_large\"} 1");
  HAS_LINE(page, "cdc_relay_poison_events_total{table=\"public.outbox\",reason=\"refused_by_broker\"} 0");
  HAS_LINE(page, "cdc_relay_ignored_operations_total{table=\"public.outbox\",op=\"update\"} 5");
  HAS_LINE(page, "cdc_relay_ignored_operations_total{table=\"public.outbox\",op=\"delete\"} 1000000000000");
  HAS_LINE(page, "cdc_relay_reconnects_total{side=\"postgres\",cause=\"network\"} 1");
  LACKS(page, "cdc_relay_reconnects_total{side=\"kafka\",cause=\"network\"}");
  HAS_LINE(page, "cdc_relay_reconnects_total{side=\"kafka\",cause=\"fenced\"} 1");
  cr_assert_eq(metrics_events(metrics, EVENT_PUBLISHED), 3);
  cr_assert_eq(metrics_events(metrics, EVENT_DEAD_LETTERED), 1);
  cr_assert_eq(metrics_poison_events(metrics), 2);
  cr_assert_eq(metrics_reconnects(metrics, SIDE_KAFKA), 1);
  metrics_free(metrics);
}

Test(metrics, entries_on_one_table_share_one_series)
{
  struct metrics *metrics = metrics_new(&config);

  metrics_count_event(metrics, 0, EVENT_PUBLISHED);
  metrics_count_event(metrics, 2, EVENT_PUBLISHED);
  HAS_LINE(render(metrics, &nothing_known, METRICS_PROMETHEUS), "cdc_relay_events_total{table=\"public.outbox\",outcome=\"published\"} 2");
  cr_assert_eq(metrics_events(metrics, EVENT_PUBLISHED), 2);
  metrics_free(metrics);
}

Test(metrics, label_values_are_escaped_and_valid_utf8)
{
  struct metrics *metrics = metrics_new(&config);

  HAS_LINE(render(metrics, &nothing_known, METRICS_PROMETHEUS),
           "cdc_relay_events_total{table=\"message:we\\\"ird\\\\\\n\xef\xbf\xbdpre\xc3\xbc\",outcome=\"published\"} 0");
  metrics_free(metrics);
}

Test(metrics, causes_are_bounded)
{
  static char names[METRICS_CAUSES_MAX + 8][16];
  struct metrics *metrics = metrics_new(&config);
  const char *page;

  for (size_t round = 0; round < 2; round++) {
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
      (void)snprintf(names[i], sizeof(names[i]), "cause_%zu", i);
      metrics_count_reconnect(metrics, SIDE_KAFKA, names[i]);
    }
  }
  metrics_count_reconnect(metrics, SIDE_KAFKA, NULL);
  metrics_count_reconnect(metrics, SIDE_KAFKA, "other");
  page = render(metrics, &nothing_known, METRICS_PROMETHEUS);
  HAS_LINE(page, "cdc_relay_reconnects_total{side=\"kafka\",cause=\"cause_0\"} 2");
  HAS_LINE(page, "cdc_relay_reconnects_total{side=\"kafka\",cause=\"cause_31\"} 2");
  LACKS(page, "cause_32");
  HAS_LINE(page, "cdc_relay_reconnects_total{side=\"kafka\",cause=\"other\"} 18");
  HAS_LINE(page, "cdc_relay_reconnects_total{side=\"postgres\",cause=\"other\"} 0");
  cr_assert_eq(metrics_reconnects(metrics, SIDE_KAFKA), 2 * (METRICS_CAUSES_MAX + 8) + 2);
  metrics_free(metrics);
}

Test(metrics, the_same_cause_under_two_addresses_is_one)
{
  char copy[] = "network";
  struct metrics *metrics = metrics_new(&config);

  metrics_count_reconnect(metrics, SIDE_POSTGRES, "network");
  metrics_count_reconnect(metrics, SIDE_POSTGRES, copy);
  HAS_LINE(render(metrics, &nothing_known, METRICS_PROMETHEUS), "cdc_relay_reconnects_total{side=\"postgres\",cause=\"network\"} 2");
  metrics_free(metrics);
}

Test(metrics, buckets_are_cumulative_and_bounds_belong_to_their_bucket)
{
  struct metrics *metrics = metrics_new(&config);
  const char *page;

  metrics_observe_latency(metrics, 0.001);
  metrics_observe_latency(metrics, 0.0011);
  metrics_observe_latency(metrics, -5);
  metrics_observe_latency(metrics, NAN);
  metrics_observe_latency(metrics, 60);
  metrics_observe_latency(metrics, 61);
  page = render(metrics, &nothing_known, METRICS_PROMETHEUS);
  HAS_LINE(page, "cdc_relay_commit_to_ack_seconds_bucket{le=\"0.001\"} 2");
  HAS_LINE(page, "cdc_relay_commit_to_ack_seconds_bucket{le=\"0.002\"} 3");
  HAS_LINE(page, "cdc_relay_commit_to_ack_seconds_bucket{le=\"1.0\"} 3");
  HAS_LINE(page, "cdc_relay_commit_to_ack_seconds_bucket{le=\"30.0\"} 3");
  HAS_LINE(page, "cdc_relay_commit_to_ack_seconds_bucket{le=\"60.0\"} 4");
  HAS_LINE(page, "cdc_relay_commit_to_ack_seconds_bucket{le=\"+Inf\"} 5");
  HAS_LINE(page, "cdc_relay_commit_to_ack_seconds_count 5");
  HAS_LINE(page, "cdc_relay_commit_to_ack_seconds_sum 121.0021");
  metrics_free(metrics);
}

Test(metrics, bucket_bounds_ascend)
{
  for (size_t i = 1; i < LATENCY_BUCKET_COUNT; i++) {
    cr_assert_gt(latency_bucket_bounds[i], latency_bucket_bounds[i - 1]);
  }
  cr_assert_float_eq(latency_bucket_bounds[0], 0.001, 1e-12);
  cr_assert_float_eq(latency_bucket_bounds[LATENCY_BUCKET_COUNT - 1], 60, 1e-12);
}

/* Every series must stand under its family's TYPE line, in one piece, and once. `is_open`: the rules of OpenMetrics. */
static void check_page(char *page, bool is_open)
{
  static char seen[4096][256];
  size_t seen_count = 0;
  char family[128] = "";
  char type[32] = "";
  char *rest = page;
  char *line;
  bool ended = false;

  while ((line = strsep(&rest, "\n")) != NULL && (rest != NULL || *line != '\0')) {
    char name[128];
    char unit[32];
    const char *suffix;

    cr_assert_not(ended, "behind the end: %s", line);
    if (strcmp(line, "# EOF") == 0) {
      ended = true;
      continue;
    }
    if (sscanf(line, "# HELP %127s", name) == 1) {
      for (size_t i = 0; i < seen_count; i++) {
        cr_assert_str_neq(seen[i], name, "two families %s", name);
      }
      (void)snprintf(seen[seen_count++], sizeof(*seen), "%s", name);
      (void)snprintf(family, sizeof(family), "%s", name);
      continue;
    }
    if (sscanf(line, "# TYPE %127s %31s", name, type) == 2) {
      cr_assert_str_eq(name, family);
      continue;
    }
    if (sscanf(line, "# UNIT %127s %31s", name, unit) == 2) {
      cr_assert(is_open);
      cr_assert_str_eq(name, family);
      cr_assert_str_eq(strrchr(name, '_') + 1, unit, "unit of %s", name);
      continue;
    }
    cr_assert_eq(strncmp(line, family, strlen(family)), 0, "not of family %s: %s", family, line);
    (void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(line, "{ "), line);
    suffix = name + strlen(family);
    if (is_open && strcmp(type, "counter") == 0) {
      cr_assert_str_eq(suffix, "_total", "%s", line);
    } else if (is_open && strcmp(type, "info") == 0) {
      cr_assert_str_eq(suffix, "_info", "%s", line);
    } else if (strcmp(type, "histogram") == 0) {
      cr_assert(strcmp(suffix, "_bucket") == 0 || strcmp(suffix, "_sum") == 0 || strcmp(suffix, "_count") == 0, "%s", line);
    } else {
      cr_assert_str_eq(suffix, "", "%s", line);
    }
    cr_assert_lt(seen_count, sizeof(seen) / sizeof(*seen));
    (void)snprintf(seen[seen_count], sizeof(*seen), "%.*s", (int)(strrchr(line, ' ') - line), line);
    for (size_t i = 0; i < seen_count; i++) {
      cr_assert(strcmp(seen[i], seen[seen_count]) != 0 || strcmp(seen[i], family) == 0, "two series %s", seen[i]);
    }
    seen_count++;
  }
  cr_assert_eq(ended, is_open);
}

Test(metrics, both_expositions_keep_their_format)
{
  static const struct metric_gauges known = {.state = RELAY_STREAMING};
  struct metrics *metrics = metrics_new(&config);

  for (int format = METRICS_PROMETHEUS; format <= METRICS_OPENMETRICS; format++) {
    char *page = strdup(render(metrics, &known, (enum metrics_format)format));

    check_page(page, format == METRICS_OPENMETRICS);
    free(page);
  }
  HAS_LINE(render(metrics, &known, METRICS_PROMETHEUS), "# TYPE cdc_relay_events_total counter");
  HAS_LINE(render(metrics, &known, METRICS_PROMETHEUS), "# TYPE cdc_relay_build_info gauge");
  LACKS(render(metrics, &known, METRICS_PROMETHEUS), "# UNIT");
  HAS_LINE(render(metrics, &known, METRICS_OPENMETRICS), "# TYPE cdc_relay_events counter");
  HAS_LINE(render(metrics, &known, METRICS_OPENMETRICS), "# TYPE cdc_relay_build info");
  HAS_LINE(render(metrics, &known, METRICS_OPENMETRICS), "# UNIT cdc_relay_commit_to_ack_seconds seconds");
  HAS_LINE(render(metrics, &known, METRICS_OPENMETRICS), "# UNIT process_cpu_seconds seconds");
  LACKS(render(metrics, &known, METRICS_OPENMETRICS), "# UNIT cdc_relay_slot_seconds_to_loss");
  metrics_free(metrics);
}

Test(metrics, the_accept_header_chooses_the_format)
{
  static const struct {
    const char *accept;
    enum metrics_format format;
  } cases[] = {
      {"", METRICS_PROMETHEUS},
      {"*/*", METRICS_PROMETHEUS},
      {"text/plain", METRICS_PROMETHEUS},
      {"application/openmetrics-text", METRICS_OPENMETRICS},
      {"Application/OpenMetrics-Text; version=1.0.0", METRICS_OPENMETRICS},
      {"application/openmetrics-textual", METRICS_PROMETHEUS},
      {"application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
       METRICS_OPENMETRICS},
      {"text/plain;version=0.0.4;q=0.5, application/openmetrics-text;version=1.0.0;q=0.3", METRICS_PROMETHEUS},
      {"text/plain, application/openmetrics-text;q=0.9", METRICS_PROMETHEUS},
      {"text/plain,application/openmetrics-text", METRICS_OPENMETRICS},
      {"text/html , application/openmetrics-text ; Q=1.0", METRICS_OPENMETRICS},
      {"application/openmetrics-text;q=0", METRICS_PROMETHEUS},
      {"application/openmetrics-text;q=", METRICS_PROMETHEUS},
      {",,;,", METRICS_PROMETHEUS},
      {"application/openmetrics-text;", METRICS_OPENMETRICS},
      {"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4", METRICS_OPENMETRICS},
  };

  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    cr_assert_eq(metrics_format_for(cases[i].accept), cases[i].format, "%s", cases[i].accept);
  }
  cr_assert_str_eq(metrics_content_type(METRICS_PROMETHEUS), "text/plain; version=0.0.4; charset=utf-8");
  cr_assert_str_eq(metrics_content_type(METRICS_OPENMETRICS), "application/openmetrics-text; version=1.0.0; charset=utf-8");
}

Test(process_figures, a_name_with_blanks_and_parentheses_does_not_shift_the_fields)
{
  struct process_stat stat;

  cr_assert(process_stat_parse("42 (a) b (c) d) S 1 42 42 0 -1 4194560 900 0 1 0 250 150 0 0 20 0 3 0 12345 1000000 77 18446744073709551615 1 1\n", 100, 4096,
                               &stat));
  cr_assert_float_eq(stat.cpu_seconds, 4.0, 1e-9);
  cr_assert_float_eq(stat.start_since_boot_seconds, 123.45, 1e-9);
  cr_assert_float_eq(stat.virtual_bytes, 1000000, 1e-9);
  cr_assert_float_eq(stat.resident_bytes, 77 * 4096, 1e-9);
}

Test(process_figures, what_is_no_stat_line_is_refused)
{
  static const char *const cases[] = {"", "42", "42 (a", "42 (a) S 1 42", "42 (a) S x 42 42 0 -1 4194560 900 0 1 0 250 150 0 0 20 0 3 0 12345 1000000 77"};

  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    struct process_stat stat = {.cpu_seconds = -1};

    cr_assert_not(process_stat_parse(cases[i], 100, 4096, &stat), "%s", cases[i]);
    cr_assert_float_eq(stat.cpu_seconds, -1, 1e-9);
  }
}

Test(process_figures, are_those_of_this_process)
{
  struct process_figures before;
  struct process_figures after;
  struct rlimit limit;
  struct rusage usage;
  int fds[2];
  time_t now = time(NULL);

  process_figures_read(&before);
  cr_assert_eq(pipe(fds), 0);
  process_figures_read(&after);
  cr_assert_float_eq(after.open_fds, before.open_fds + 2, 1e-9);
  cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
  cr_assert_float_eq(after.max_fds, (double)limit.rlim_cur, 1e-9);
  cr_assert(after.start_time_seconds > (double)now - 600 && after.start_time_seconds < (double)now + 2, "%f, now %ld", after.start_time_seconds, (long)now);
  cr_assert(after.resident_bytes > 100000 && after.resident_bytes < after.virtual_bytes);
  cr_assert_eq(getrusage(RUSAGE_SELF, &usage), 0);
  cr_assert_float_eq(after.cpu_seconds, (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec), 2.5);
  close(fds[0]);
  close(fds[1]);
}

#define REFERENCE FIXTURES "/../../docs/metrics.md"

Test(metrics, the_reference_in_docs_is_up_to_date)
{
  char *expected = NULL;
  size_t expected_length;
  FILE *out = open_memstream(&expected, &expected_length);
  static char found[1 << 16];
  size_t found_length;
  FILE *file;

  metrics_write_reference(out);
  (void)fclose(out);
  if (getenv("UPDATE_DOCS") != NULL) {
    file = fopen(REFERENCE, "w");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(expected, 1, expected_length, file), expected_length);
    cr_assert_eq(fclose(file), 0);
  }
  file = fopen(REFERENCE, "r");
  cr_assert_not_null(file, "no docs/metrics.md: run this test with UPDATE_DOCS=1");
  found_length = fread(found, 1, sizeof(found), file);
  (void)fclose(file);
  cr_assert(found_length == expected_length && memcmp(found, expected, found_length) == 0, "docs/metrics.md is stale: run this test with UPDATE_DOCS=1");
  free(expected);
}
