/* metrics_reference.c - docs/metrics.md out of the table. A unit test compares the committed page with this one. */
#include "ops/metrics_priv.h"

static const char *const type_words[] = {"counter", "gauge", "histogram", "info"};

static void write_values(FILE *out, enum metric_dimension dimension)
{
  (void)fprintf(out, "| `%s` | ", dimension_label(dimension));
  if (dimension == DIMENSION_TABLE) {
    (void)fputs("`schema.table` of the outbox entry as configured; `message:<prefix>` for logical messages; entries on one table share its series", out);
  } else if (dimension == DIMENSION_CAUSE) {
    (void)fprintf(out, "a short word such as `network`; after %d different ones, new ones count as `other`", METRICS_CAUSES_MAX);
  }
  for (size_t i = 0; dimension_is_fixed(dimension) && i < dimension_size(NULL, dimension); i++) {
    (void)fprintf(out, "%s`%s`", i == 0 ? "" : ", ", dimension_value(NULL, dimension, i));
  }
  (void)fputs(" |\n", out);
}

static void write_labels(FILE *out, const struct metric *metric)
{
  const char *separator = "";

  if (metric->source == SOURCE_BUILD) {
    (void)fputs("`version`, `plugin`, `librdkafka`, `libpq`", out);
  }
  for (size_t i = 0; i < METRIC_LABELS_MAX && metric->labels[i] != DIMENSION_NONE; i++) {
    (void)fprintf(out, "%s`%s`", separator, dimension_label(metric->labels[i]));
    separator = ", ";
  }
}

void metrics_write_reference(FILE *out)
{
  (void)fputs(
      "# Metrics\n\n"
      "<!-- Generated from cdc-relay/src/ops/metrics_table.h: run the unit test test_metrics with UPDATE_DOCS=1 after a change there. -->\n\n"
      "`GET /metrics` answers in Prometheus' text format 0.0.4, or in OpenMetrics 1.0 where the `Accept` header asks for it. A series whose value is not\n"
      "known at the moment (the slot's figures before the first answer of the server, for instance) is left out. All others are there from the beginning,\n"
      "with 0, except `cause` values, which appear when they are first met.\n\n"
      "| metric | type | labels | unit | meaning |\n|---|---|---|---|---|\n",
      out);
  for (size_t id = 0; id < METRIC_COUNT; id++) {
    const struct metric *metric = &metric_table[id];

    (void)fprintf(out, "| `%s%s` | %s | ", metric->name, metric_type_suffix(metric->type), type_words[metric->type]);
    write_labels(out, metric);
    (void)fprintf(out, " | %s | %s |\n", metric->unit, metric->help);
  }
  (void)fputs("\n## Values of the labels\n\n| label | values |\n|---|---|\n", out);
  for (int dimension = DIMENSION_NONE + 1; dimension < DIMENSION_COUNT; dimension++) {
    write_values(out, (enum metric_dimension)dimension);
  }
  (void)fprintf(out, "\n## Buckets\n\nUpper bounds of `%s`, in seconds:", metric_table[METRIC_LATENCY].name);
  for (size_t i = 0; i < LATENCY_BUCKET_COUNT; i++) {
    (void)fprintf(out, " %g,", latency_bucket_bounds[i]);
  }
  (void)fputs(" +Inf.\n", out);
}
