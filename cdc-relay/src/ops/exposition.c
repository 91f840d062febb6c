/*
 * exposition.c - the figures as text, in the two formats that scrapers ask for. They differ in few things:
 *
 *                      Prometheus 0.0.4              OpenMetrics 1.0
 *   family of a counter   name_total                 name          (its series is name_total in both)
 *   build information     gauge name_info            info name     (its series is name_info in both)
 *   unit                  -                          # UNIT, where the family's name ends in it
 *   end                   -                          # EOF
 *
 * A series that is not known now is left out; a known one is there from the beginning, with 0, so that its first increase is seen.
 */
#include <libpq-fe.h>
#include <librdkafka/rdkafka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "exposition_text.h"
#include "ops/metrics_priv.h"
#include "ops/process_figures.h"
#include "span.h"
#include "text_out.h"

struct exposition {
  FILE *out;
  enum metrics_format format;
  const struct metrics *metrics;
  const struct metric_gauges *gauges;
  struct process_figures process;
};

static const char *const type_names[][2] = {{"counter", "counter"}, {"gauge", "gauge"}, {"histogram", "histogram"}, {"gauge", "info"}};

/* `name{label="value",...} `, without the number. */
static void write_series(const struct exposition *exposition, const struct metric *metric, const size_t *index)
{
  const char *separator = "{";

  (void)fprintf(exposition->out, "%s%s", metric->name, metric_type_suffix(metric->type));
  for (size_t i = 0; i < METRIC_LABELS_MAX && metric->labels[i] != DIMENSION_NONE; i++) {
    exposition_text_put_label(exposition->out, separator, dimension_label(metric->labels[i]),
                              dimension_value(exposition->metrics, metric->labels[i], index[i]));
    separator = ",";
  }
  (void)fputs(separator[0] == ',' ? "} " : " ", exposition->out);
}

static void write_count(const struct exposition *exposition, const struct metric *metric, const size_t *index, uint64_t value)
{
  write_series(exposition, metric, index);
  (void)fprintf(exposition->out, "%" PRIu64 "\n", value);
}

/* Of a series without labels. */
static const size_t no_labels[METRIC_LABELS_MAX] = {0};

static void write_gauge(const struct exposition *exposition, const struct metric *metric, double value)
{
  if (!isnan(value)) {
    write_series(exposition, metric, no_labels);
    exposition_text_put_number(exposition->out, value);
    (void)fputc('\n', exposition->out);
  }
}

static void write_cells(const struct exposition *exposition, const struct metric *metric)
{
  const struct metrics *metrics = exposition->metrics;
  size_t index[METRIC_LABELS_MAX];

  for (index[0] = 0; index[0] < dimension_size(metrics, metric->labels[0]); index[0]++) {
    if (metric->labels[0] == DIMENSION_TABLE && metrics->first_entry[index[0]] != index[0]) {
      continue;
    }
    for (index[1] = 0; index[1] < dimension_size(metrics, metric->labels[1]); index[1]++) {
      uint64_t value = *metrics_cell(metrics, (enum metric_id)(metric - metric_table), index[0], index[1]);

      /* A cause that was met on one side says nothing of the other. */
      if (value != 0 || metric->labels[1] != DIMENSION_CAUSE || index[1] == 0) {
        write_count(exposition, metric, index, value);
      }
    }
  }
}

static void write_choice(const struct exposition *exposition, const struct metric *metric, unsigned int chosen)
{
  size_t size = dimension_size(exposition->metrics, metric->labels[0]);

  size_t index[METRIC_LABELS_MAX] = {0};

  for (; chosen < size && index[0] < size; index[0]++) {
    write_count(exposition, metric, index, index[0] == chosen);
  }
}

static void write_latency(const struct exposition *exposition, const struct metric *metric)
{
  const struct metrics *metrics = exposition->metrics;
  uint64_t below = 0;

  for (size_t i = 0; i < LATENCY_BUCKET_COUNT; i++) {
    double bound = latency_bucket_bounds[i];

    below += metrics->latency_buckets[i];
    (void)fprintf(exposition->out, "%s_bucket{le=\"%.15g%s\"} %" PRIu64 "\n", metric->name, bound, bound == floor(bound) ? ".0" : "", below);
  }
  below += metrics->latency_buckets[LATENCY_BUCKET_COUNT];
  (void)fprintf(exposition->out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum ", metric->name, below, metric->name);
  exposition_text_put_number(exposition->out, metrics->latency_sum);
  (void)fprintf(exposition->out, "\n%s_count %" PRIu64 "\n", metric->name, below);
}

static void write_build(const struct exposition *exposition, const struct metric *metric)
{
  char libpq[32];

  (void)snprintf(libpq, sizeof(libpq), "%d.%d", PQlibVersion() / 10000, PQlibVersion() % 10000);
  (void)fprintf(exposition->out, "%s%s", metric->name, metric_type_suffix(metric->type));
  exposition_text_put_label(exposition->out, "{", "version", CDC_RELAY_VERSION);
  exposition_text_put_label(exposition->out, ",", "plugin", plugin_name(exposition->metrics->config->postgres.plugin));
  exposition_text_put_label(exposition->out, ",", "librdkafka", rd_kafka_version_str());
  exposition_text_put_label(exposition->out, ",", "libpq", libpq);
  (void)fputs("} 1\n", exposition->out);
}

/* A member of struct metric_gauges or struct process_figures, by the offset that the table has of it. */
static double gauge_at(const void *figures, size_t offset)
{
  double value;

  memcpy(&value, (const char *)figures + offset, sizeof(value));
  return value;
}

static uint64_t count_at(const struct exposition *exposition, size_t offset)
{
  uint64_t value;

  memcpy(&value, (const char *)exposition->gauges + offset, sizeof(value));
  return value;
}

static bool ends_with_unit(const char *name, const char *unit)
{
  size_t name_length = strlen(name);
  size_t unit_length = strlen(unit);

  return unit_length > 0 && name_length > unit_length && name[name_length - unit_length - 1] == '_' && strcmp(name + name_length - unit_length, unit) == 0;
}

static void write_family(const struct exposition *exposition, const struct metric *metric)
{
  bool is_open = exposition->format == METRICS_OPENMETRICS;
  const char *suffix = is_open ? "" : metric_type_suffix(metric->type);

  (void)fprintf(exposition->out, "# HELP %s%s %s\n", metric->name, suffix, metric->help);
  (void)fprintf(exposition->out, "# TYPE %s%s %s\n", metric->name, suffix, type_names[metric->type][is_open]);
  if (is_open && ends_with_unit(metric->name, metric->unit)) {
    (void)fprintf(exposition->out, "# UNIT %s %s\n", metric->name, metric->unit);
  }
  switch (metric->source) {
  case SOURCE_CELLS:
    write_cells(exposition, metric);
    break;
  case SOURCE_GAUGE:
    write_gauge(exposition, metric, gauge_at(exposition->gauges, metric->offset));
    break;
  case SOURCE_CHOICE:
    write_choice(exposition, metric, *(const unsigned int *)((const char *)exposition->gauges + metric->offset));
    break;
  case SOURCE_COUNT:
    write_count(exposition, metric, no_labels, count_at(exposition, metric->offset));
    break;
  case SOURCE_PROCESS:
    write_gauge(exposition, metric, gauge_at(&exposition->process, metric->offset));
    break;
  case SOURCE_LATENCY:
    write_latency(exposition, metric);
    break;
  case SOURCE_BUILD:
    write_build(exposition, metric);
    break;
  }
}

char *metrics_render(const struct metrics *metrics, const struct metric_gauges *gauges, enum metrics_format format, size_t *ret_length)
{
  struct exposition exposition = {.format = format, .metrics = metrics, .gauges = gauges};
  char *text = NULL;

  process_figures_read(&exposition.process);
  exposition.out = text_open(&text, ret_length);
  for (size_t id = 0; id < METRIC_COUNT; id++) {
    write_family(&exposition, &metric_table[id]);
  }
  if (format == METRICS_OPENMETRICS) {
    (void)fputs("# EOF\n", exposition.out);
  }
  text_close(exposition.out);
  return text;
}

const char *metrics_content_type(enum metrics_format format)
{
  return format == METRICS_OPENMETRICS ? "application/openmetrics-text; version=1.0.0; charset=utf-8" : EXPOSITION_TEXT_TYPE;
}

/* The weight of one element of an Accept header, `type/subtype;parameter;q=0.5`; without a q it is 1. */
static double weight_of(struct span element)
{
  for (size_t at = 0; at + 1 < element.length; at++) {
    size_t name = at + 1;

    if (element.data[at] != ';') {
      continue;
    }
    while (name < element.length && element.data[name] == ' ') {
      name++;
    }
    if (element.length - name >= 2 && strncasecmp(element.data + name, "q=", 2) == 0) {
      return strtod(element.data + name + 2, NULL); /* ends at `,` or the end of the header at the latest */
    }
  }
  return 1;
}

/* The highest weight that `accept` gives to a media type; 0 when it is not named. */
static double accepted_weight(const char *accept, const char *media_type)
{
  double highest = 0;

  while (*accept != '\0') {
    size_t blanks = strspn(accept, " \t,");
    size_t length = strcspn(accept + blanks, ",");
    struct span element = span_of(accept + blanks, length);

    if (length >= strlen(media_type) && strncasecmp(element.data, media_type, strlen(media_type)) == 0 &&
        (length == strlen(media_type) || strchr("; \t", element.data[strlen(media_type)]) != NULL)) {
      highest = fmax(highest, weight_of(element));
    }
    accept += blanks + length;
  }
  return highest;
}

enum metrics_format metrics_format_for(const char *accept)
{
  double open = accepted_weight(accept, "application/openmetrics-text");

  return open > 0 && open >= accepted_weight(accept, "text/plain") ? METRICS_OPENMETRICS : METRICS_PROMETHEUS;
}
