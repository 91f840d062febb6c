/* metrics_priv.h - the table as data, and where the counters lie; included by metrics.c, exposition.c and metrics_reference.c only. */
#ifndef OPS_METRICS_PRIV_H
#define OPS_METRICS_PRIV_H

#include <stdbool.h>
#include <stddef.h>

#include "ops/metrics.h"
#include "ops/metrics_table.h"

enum metric_dimension {
#define X(symbol, label) DIMENSION_##symbol,
  METRIC_DIMENSIONS(X)
#undef X
      DIMENSION_COUNT
};

enum metric_id {
#define X(symbol, name, type, unit, source, label_0, label_1, help) METRIC_##symbol,
  METRICS(X)
#undef X
      METRIC_COUNT
};

enum metric_type { METRIC_TYPE_COUNTER, METRIC_TYPE_GAUGE, METRIC_TYPE_HISTOGRAM, METRIC_TYPE_INFO };

enum metric_source {
  SOURCE_CELLS,
  SOURCE_GAUGE,   /* double in struct metric_gauges */
  SOURCE_CHOICE,  /* enum in struct metric_gauges; a value past the dimension's last: not known */
  SOURCE_COUNT,   /* uint64_t in struct metric_gauges */
  SOURCE_PROCESS, /* double in struct process_figures */
  SOURCE_LATENCY,
  SOURCE_BUILD,
};

enum { METRIC_LABELS_MAX = 2 };

struct metric {
  const char *name; /* of the family in OpenMetrics; series add the type's suffix */
  const char *unit;
  const char *help;
  enum metric_type type;
  enum metric_source source;
  size_t offset;
  enum metric_dimension labels[METRIC_LABELS_MAX];
};
extern const struct metric metric_table[METRIC_COUNT];

const char *metric_type_suffix(enum metric_type type); /* `_total`, `_info`, or nothing */

struct metrics {
  const struct config *config;
  uint64_t *cells[METRIC_COUNT];         /* NULL but for SOURCE_CELLS */
  size_t first_entry[CONFIG_OUTBOX_MAX]; /* of the entries with this one's table: they share its series */
  size_t cause_count;
  const char *causes[METRICS_CAUSES_MAX];
  uint64_t latency_buckets[LATENCY_BUCKET_COUNT + 1]; /* not cumulative; the last: above all bounds */
  double latency_sum;
};

const char *dimension_label(enum metric_dimension dimension);
/* How many values the label has now, and their names. `metrics` may be NULL where dimension_is_fixed(). The value 0 of CAUSE is `other`. */
size_t dimension_size(const struct metrics *metrics, enum metric_dimension dimension);
const char *dimension_value(const struct metrics *metrics, enum metric_dimension dimension, size_t index);
bool dimension_is_fixed(enum metric_dimension dimension);

uint64_t *metrics_cell(const struct metrics *metrics, enum metric_id id, size_t index_0, size_t index_1);

#endif
