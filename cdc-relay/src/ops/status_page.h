/*
 * status_page.h - the bodies of /status, /livez and /readyz, from a struct that the composition root fills. Pure. What may be said is said here: no secret, no
 * payload; the words of a problem come from the server or from librdkafka and are made printable.
 */
#ifndef OPS_STATUS_PAGE_H
#define OPS_STATUS_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "admin.h"
#include "moment.h"
#include "ops/metrics.h"
#include "ops/slot_monitor.h"

enum { STATUS_LOOP_LIMIT_US = 30000000 }; /* /livez: the loop must have turned within this time */

/* Everything is borrowed for the call. A position of 0, a pointer of NULL and a gauge of NaN are not known, and null in the document. */
struct status_view {
  const struct config *config;
  const struct metrics *metrics; /* totals */
  const struct metric_gauges *gauges;
  struct moment now;
  int64_t started_wall_us;
  int64_t turned_us; /* when the loop last began a turn, monotonic */
  int64_t state_since_wall_us;
  const struct problem *problem; /* what the state is owed to (backoff, held) */
  bool is_streaming;             /* a stream is started */
  bool kafka_is_reachable;
  Lsn received, safe, confirmed;
  const char *system_id;
  uint32_t timeline;
  int server_version;              /* server_version_num; 0: not known */
  const struct slot_figures *slot; /* the newest */
};

/* Each fills *ret_page for admin.h. */
void status_page_status(const struct status_view *view, struct admin_page *ret_page); /* 200, JSON, one document with stable names */
void status_page_livez(const struct status_view *view, struct admin_page *ret_page);  /* 200 or 503, text */
/*
 * 200 when events can flow (streaming or paused, on a started stream, with Kafka reachable) or when standing by; else 503 with a line for each reason. Paused is
 * the state of a relay that works through a backlog; it is not ready only if Kafka is out of reach.
 */
void status_page_readyz(const struct status_view *view, struct admin_page *ret_page);

#endif
