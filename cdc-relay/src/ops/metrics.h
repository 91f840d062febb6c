/*
 * metrics.h - the relay's figures: one table (metrics_table.h), many uses (storage, Prometheus text, OpenMetrics, docs/metrics.md).
 * The only I/O is a look at /proc/self for the process_* family when somebody asks.
 */
#ifndef OPS_METRICS_H
#define OPS_METRICS_H

#include <stdint.h>
#include <stdio.h>

#include "config/config.h"
#include "route/router.h"
#include "session/relay_state.h"
#include "stream/slot_status.h"

enum { METRICS_CAUSES_MAX = 32 }; /* distinct causes of reconnects, both sides together; later ones count as `other` */

enum event_outcome { EVENT_PUBLISHED, EVENT_DEAD_LETTERED, EVENT_OUTCOME_COUNT };
enum ignored_op { IGNORED_UPDATE, IGNORED_DELETE, IGNORED_OP_COUNT };
enum reconnect_side { SIDE_POSTGRES, SIDE_KAFKA, RECONNECT_SIDE_COUNT };

enum { LATENCY_BUCKET_COUNT = 16 };
extern const double latency_bucket_bounds[LATENCY_BUCKET_COUNT]; /* seconds, ascending: 0.001 to 60 */

/* Gauges that are read when somebody asks; NaN: not known, the series is left out. */
struct metric_gauges {
  enum relay_state state;
  double in_flight_events, in_flight_transactions, unconfirmed_events;
  double confirmed_lag_bytes, oldest_unsettled_seconds;
  double slot_retained_bytes, slot_safe_bytes;
  double slot_seconds_to_loss; /* +Inf without a limit */
  enum slot_status slot_status;
  double kafka_queue_events, kafka_queue_bytes;
  struct route_counts routed; /* a copy of router_counts() */
};

struct metrics;

/* `config` gives the tables' names; borrowed. Never NULL. */
struct metrics *metrics_new(const struct config *config);
void metrics_free(struct metrics *metrics); /* takes NULL */

void metrics_count_event(struct metrics *metrics, size_t entry, enum event_outcome outcome);
void metrics_count_poison(struct metrics *metrics, size_t entry, enum route_reason reason);
void metrics_count_ignored(struct metrics *metrics, size_t entry, enum ignored_op op, uint64_t by);
void metrics_count_reconnect(struct metrics *metrics, enum reconnect_side side, const char *cause); /* cause: static; NULL is `other` */
/* Commit to acknowledgement. Less than 0 (clocks that differ) counts as 0, NaN not at all. */
void metrics_observe_latency(struct metrics *metrics, double seconds);

/* Sums over all tables, all reasons, all causes. */
uint64_t metrics_events(const struct metrics *metrics, enum event_outcome outcome);
uint64_t metrics_poison_events(const struct metrics *metrics);
uint64_t metrics_reconnects(const struct metrics *metrics, enum reconnect_side side);

enum metrics_format { METRICS_PROMETHEUS, METRICS_OPENMETRICS };
/* What an Accept header asks for: OpenMetrics where it is named and not ranked behind text/plain. */
enum metrics_format metrics_format_for(const char *accept);
const char *metrics_content_type(enum metrics_format format);
/* The whole exposition, process_* family included; malloc'ed, *ret_length without the zero. `plugin` etc. for build_info come from `config` and the libraries. */
char *metrics_render(const struct metrics *metrics, const struct metric_gauges *gauges, enum metrics_format format, size_t *ret_length);

/* docs/metrics.md, generated from the table. */
void metrics_write_reference(FILE *out);

#endif
