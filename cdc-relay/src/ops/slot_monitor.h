/*
 * slot_monitor.h - the second connection: an ordinary one, on which the slot's figures come from one query, and which is told of a server's shutdown (57P01)
 * even while the replication socket is full of unread data. Needs no more than pg_monitor. Asynchronous; nothing blocks; reconnects by itself with backoff.
 */
#ifndef OPS_SLOT_MONITOR_H
#define OPS_SLOT_MONITOR_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "moment.h"
#include "ops/metrics.h"
#include "stream/catalog_mark.h"
#include "verdict.h"

/* Between two questions: the interval, more or less a fifth of it by chance, so that relays that stand by do not ask in step. */
enum { SLOT_MONITOR_INTERVAL_US = 5000000 };
/*
 * A connection that is not made (to several addresses, each of which has connect_timeout), or a question that is not answered, within this time is lost. The server is
 * told to give up on a question earlier.
 */
enum { SLOT_MONITOR_CONNECT_LIMIT_US = 60000000, SLOT_MONITOR_ANSWER_LIMIT_US = 30000000, SLOT_MONITOR_STATEMENT_TIMEOUT_MS = 20000 };

struct slot_figures {
  int64_t asked_us; /* monotonic; what follows was true then or later */
  bool slot_exists;
  bool slot_is_active;
  int32_t active_pid;
  enum slot_status status;
  Lsn wal_end; /* the server's current end of WAL */
  Lsn confirmed;
  Lsn restart;
  int64_t retained_bytes; /* wal_end - restart; 0 when the slot holds nothing */
  int64_t safe_bytes;     /* < 0: no limit; 0: lost, or as good as */
  struct catalog_mark catalog;
  bool catalog_has_changed; /* since the last figures: the publication was altered, dropped or made, or an outbox table was */
  /* Per outbox entry, from the table's statistics; what was added since the last figures. Index as in the configuration. */
  uint64_t updated[CONFIG_OUTBOX_MAX];
  uint64_t deleted[CONFIG_OUTBOX_MAX];
};

enum slot_monitor_event {
  SLOT_MONITOR_NOTHING,
  SLOT_MONITOR_FIGURES, /* *ret_figures is new */
  SLOT_MONITOR_SHUTDOWN, /* the server is shutting down (57P01, 57P02, 57P03 with these words), or ended this connection; `problem` has its words; opened again */
  SLOT_MONITOR_LOST,     /* connection lost or refused otherwise; `problem` says why; it will be opened again */
};

struct slot_monitor;

/* Opens nothing before it is first asked or told to connect. `config` is borrowed. Never NULL. */
struct slot_monitor *slot_monitor_new(const struct config *config);
void slot_monitor_free(struct slot_monitor *monitor); /* takes NULL; closes */

/* How often to ask; SLOT_MONITOR_INTERVAL_US at first. Counts from the last question, so that calling it again and again does not put the next one off. */
void slot_monitor_set_interval(struct slot_monitor *monitor, int64_t interval_us);
/* Ask as soon as possible, once; the first time the connection is opened for it. */
void slot_monitor_ask_now(struct slot_monitor *monitor);
/* Reconnect with what the configuration says now (secrets were re-read). */
void slot_monitor_reconnect(struct slot_monitor *monitor);

/*
 * Takes the work forward, never blocks; returns after one event at most: call until NOTHING. Due when the fd is ready, when the deadline has passed, and after
 * any of the functions above. *ret_figures is written with FIGURES only, `problem` with SHUTDOWN and LOST only.
 */
enum slot_monitor_event slot_monitor_step(struct slot_monitor *monitor, struct moment now, struct slot_figures *ret_figures, struct problem *problem);

int slot_monitor_fd(const struct slot_monitor *monitor); /* -1: none; may change with every step */
short slot_monitor_events(const struct slot_monitor *monitor);
int64_t slot_monitor_deadline_us(const struct slot_monitor *monitor); /* monotonic; when to step without an event */

#endif
