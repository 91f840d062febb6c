/*
 * metrics.c - keeps the counters: per row of the table a rectangle of cells, one for each pair of label values. How they are shown: exposition.c.
 *
 * Label sets are bounded: tables by the configuration, causes by METRICS_CAUSES_MAX, all others are enums. Two outbox entries on one table share its series,
 * since a series may stand only once in an exposition.
 */
#include "ops/metrics.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ops/metrics_priv.h"
#include "ops/process_figures.h"

const double latency_bucket_bounds[LATENCY_BUCKET_COUNT] = {0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60};

#define CELLS              SOURCE_CELLS, 0
#define GAUGE_AT(member)   SOURCE_GAUGE, offsetof(struct metric_gauges, member)
#define CHOICE_AT(member)  SOURCE_CHOICE, offsetof(struct metric_gauges, member)
#define COUNT_AT(member)   SOURCE_COUNT, offsetof(struct metric_gauges, member)
#define PROCESS_AT(member) SOURCE_PROCESS, offsetof(struct process_figures, member)
#define LATENCY            SOURCE_LATENCY, 0
#define BUILD              SOURCE_BUILD, 0

const struct metric metric_table[METRIC_COUNT] = {
#define X(symbol, name, type, unit, source, label_0, label_1, help) {name, unit, help, METRIC_TYPE_##type, source, {DIMENSION_##label_0, DIMENSION_##label_1}},
    METRICS(X)
#undef X
};

static const char *const outcome_names[] = {"published", "dead_lettered"};
static const char *const op_names[] = {"update", "delete"};
static const char *const side_names[] = {"postgres", "kafka"};
static const char *const dimension_labels[] = {
#define X(symbol, label) label,
    METRIC_DIMENSIONS(X)
#undef X
};
static const char *const type_suffixes[] = {"_total", "", "", "_info"};

_Static_assert(sizeof(outcome_names) / sizeof(*outcome_names) == EVENT_OUTCOME_COUNT, "a name for each outcome");
_Static_assert(sizeof(op_names) / sizeof(*op_names) == IGNORED_OP_COUNT, "a name for each operation");
_Static_assert(sizeof(side_names) / sizeof(*side_names) == RECONNECT_SIDE_COUNT, "a name for each side");

const char *metric_type_suffix(enum metric_type type)
{
  return type_suffixes[type];
}

const char *dimension_label(enum metric_dimension dimension)
{
  return dimension_labels[dimension];
}

bool dimension_is_fixed(enum metric_dimension dimension)
{
  return dimension != DIMENSION_TABLE && dimension != DIMENSION_CAUSE;
}

size_t dimension_size(const struct metrics *metrics, enum metric_dimension dimension)
{
  switch (dimension) {
  case DIMENSION_NONE:
    return 1;
  case DIMENSION_STATE:
    return RELAY_STATE_COUNT;
  case DIMENSION_TABLE:
    return metrics->config->outbox_count;
  case DIMENSION_OUTCOME:
    return EVENT_OUTCOME_COUNT;
  case DIMENSION_REASON:
    return ROUTE_REASON_COUNT;
  case DIMENSION_OP:
    return IGNORED_OP_COUNT;
  case DIMENSION_SIDE:
    return RECONNECT_SIDE_COUNT;
  case DIMENSION_CAUSE:
    return 1 + metrics->cause_count;
  case DIMENSION_SLOT_STATUS:
    return SLOT_STATUS_COUNT;
  case DIMENSION_COUNT:
    break;
  }
  return 0;
}

const char *dimension_value(const struct metrics *metrics, enum metric_dimension dimension, size_t index)
{
  switch (dimension) {
  case DIMENSION_STATE:
    return relay_state_name((enum relay_state)index);
  case DIMENSION_TABLE:
    return metrics->config->outbox[index].table;
  case DIMENSION_OUTCOME:
    return outcome_names[index];
  case DIMENSION_REASON:
    return route_reason_name((enum route_reason)index);
  case DIMENSION_OP:
    return op_names[index];
  case DIMENSION_SIDE:
    return side_names[index];
  case DIMENSION_CAUSE:
    return index == 0 ? "other" : metrics->causes[index - 1];
  case DIMENSION_SLOT_STATUS:
    return slot_status_name((enum slot_status)index);
  case DIMENSION_NONE:
  case DIMENSION_COUNT:
    break;
  }
  return "";
}

/* The room that a label's values may ever take. */
static size_t dimension_capacity(const struct metrics *metrics, enum metric_dimension dimension)
{
  return dimension == DIMENSION_CAUSE ? 1 + METRICS_CAUSES_MAX : dimension_size(metrics, dimension);
}

uint64_t *metrics_cell(const struct metrics *metrics, enum metric_id id, size_t index_0, size_t index_1)
{
  size_t width = dimension_capacity(metrics, metric_table[id].labels[1]);

  assert(index_0 < dimension_capacity(metrics, metric_table[id].labels[0]) && index_1 < width);
  return &metrics->cells[id][index_0 * width + index_1];
}

struct metrics *metrics_new(const struct config *config)
{
  struct metrics *metrics = calloc(1, sizeof(*metrics));

  if (metrics == NULL) {
    abort();
  }
  assert(config->outbox_count <= CONFIG_OUTBOX_MAX);
  metrics->config = config;
  for (size_t i = 0; i < config->outbox_count; i++) {
    while (strcmp(config->outbox[metrics->first_entry[i]].table, config->outbox[i].table) != 0) {
      metrics->first_entry[i]++;
    }
  }
  for (size_t id = 0; id < METRIC_COUNT; id++) {
    const enum metric_dimension *labels = metric_table[id].labels;

    if (metric_table[id].source != SOURCE_CELLS) {
      continue;
    }
    metrics->cells[id] = calloc(dimension_capacity(metrics, labels[0]) * dimension_capacity(metrics, labels[1]), sizeof(uint64_t));
    if (metrics->cells[id] == NULL) {
      abort();
    }
  }
  return metrics;
}

void metrics_free(struct metrics *metrics)
{
  if (metrics == NULL) {
    return;
  }
  for (size_t id = 0; id < METRIC_COUNT; id++) {
    free(metrics->cells[id]);
  }
  free(metrics);
}

/* The cell of an outbox entry's table. */
static uint64_t *table_cell(struct metrics *metrics, enum metric_id id, size_t entry, size_t index)
{
  assert(entry < metrics->config->outbox_count);
  return metrics_cell(metrics, id, metrics->first_entry[entry], index);
}

void metrics_count_event(struct metrics *metrics, size_t entry, enum event_outcome outcome)
{
  ++*table_cell(metrics, METRIC_EVENTS, entry, outcome);
}

void metrics_count_poison(struct metrics *metrics, size_t entry, enum route_reason reason)
{
  ++*table_cell(metrics, METRIC_POISON_EVENTS, entry, reason);
}

void metrics_count_ignored(struct metrics *metrics, size_t entry, enum ignored_op op, uint64_t by)
{
  *table_cell(metrics, METRIC_IGNORED_OPERATIONS, entry, op) += by;
}

/* The cause's index among the label's values; a new one is entered while there is room. */
static size_t cause_index(struct metrics *metrics, const char *cause)
{
  if (cause == NULL) {
    return 0;
  }
  for (size_t index = 0; index < dimension_size(metrics, DIMENSION_CAUSE); index++) {
    if (strcmp(dimension_value(metrics, DIMENSION_CAUSE, index), cause) == 0) {
      return index;
    }
  }
  if (metrics->cause_count == METRICS_CAUSES_MAX) {
    return 0;
  }
  metrics->causes[metrics->cause_count++] = cause;
  return metrics->cause_count;
}

void metrics_count_reconnect(struct metrics *metrics, enum reconnect_side side, const char *cause)
{
  ++*metrics_cell(metrics, METRIC_RECONNECTS, side, cause_index(metrics, cause));
}

void metrics_observe_latency(struct metrics *metrics, double seconds)
{
  size_t bucket = 0;

  if (isnan(seconds)) {
    return;
  }
  seconds = fmax(seconds, 0);
  while (bucket < LATENCY_BUCKET_COUNT && seconds > latency_bucket_bounds[bucket]) {
    bucket++;
  }
  metrics->latency_buckets[bucket]++;
  metrics->latency_sum += seconds;
}

uint64_t metrics_events(const struct metrics *metrics, enum event_outcome outcome)
{
  uint64_t sum = 0;

  for (size_t entry = 0; entry < metrics->config->outbox_count; entry++) {
    sum += *metrics_cell(metrics, METRIC_EVENTS, entry, outcome);
  }
  return sum;
}

uint64_t metrics_poison_events(const struct metrics *metrics)
{
  uint64_t sum = 0;

  for (size_t entry = 0; entry < metrics->config->outbox_count; entry++) {
    for (size_t reason = 0; reason < ROUTE_REASON_COUNT; reason++) {
      sum += *metrics_cell(metrics, METRIC_POISON_EVENTS, entry, reason);
    }
  }
  return sum;
}

uint64_t metrics_reconnects(const struct metrics *metrics, enum reconnect_side side)
{
  uint64_t sum = 0;

  for (size_t cause = 0; cause < dimension_size(metrics, DIMENSION_CAUSE); cause++) {
    sum += *metrics_cell(metrics, METRIC_RECONNECTS, side, cause);
  }
  return sum;
}
