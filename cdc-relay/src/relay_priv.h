/* relay_priv.h - the running relay, shared by relay.c (loop), relay_news.c (log lines) and relay_pages.c (admin pages). */
#ifndef RELAY_PRIV_H
#define RELAY_PRIV_H

#include "admin.h"
#include "log.h"
#include "ops/forecast.h"
#include "ops/metrics.h"
#include "ops/slot_monitor.h"
#include "relay.h"
#include "session/session.h"

/* What relay_news.c remembers so that a lasting trouble is one line a minute. */
struct news {
  bool is_failing;        /* an episode of failures: from the first until streaming, standby or a hold */
  uint64_t failures;      /* in this episode */
  int64_t next_line_us;   /* of the lines of once a minute */
  const char *last_cause; /* static */
  const char *monitor_cause;
  const char *held_cause; /* of the hold that was told last */
  uint64_t ignored_updates[CONFIG_OUTBOX_MAX];
  int64_t next_ignored_us;
  uint64_t refused_operations; /* told so far */
  int64_t next_refused_us;
};

struct relay {
  struct config *config;
  struct relay_options options;
  struct log log;
  struct moment now; /* of this turn */
  int64_t turned_us; /* when the loop last began a turn, monotonic */
  int64_t started_wall_us;
  bool is_stopping;
  bool is_done;
  int exit_code;
  int signals;

  int64_t admin_deadline_us;
  bool is_trim_due;
  int64_t trimmed_us;

  bool needs_init;
  int64_t init_deadline_us;

  struct router *router;
  struct publisher *publisher;
  struct decoder *decoder;
  struct stream *stream;
  struct session *session;
  struct session_observer observer;
  struct slot_monitor *monitor;
  struct admin *admin; /* NULL: none */
  struct metrics *metrics;
  struct forecast forecast;

  enum relay_state followed_state;
  bool has_slot;
  struct slot_figures slot; /* the newest */
  struct news news;
};

#endif
