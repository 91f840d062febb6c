/*
 * session.h - the state machine between the two ports: stream in, publisher out, positions back. It knows all stages and no library: no libpq, no librdkafka, no
 * clock, no log, so that it runs unchanged against models. Owned and turned by relay.c, on one thread.
 *
 *   CONNECTING -> STREAMING <-> PAUSED -> DRAINING -> stopped          FAILED -> BACKOFF -> CONNECTING
 *   CONNECTING -> STANDBY (another relay holds the slot) -> CONNECTING          anything -> HELD (a person is needed) -> CONNECTING
 *
 * The invariants I1 to I5 of docs/architecture.md are kept here and in ack/.
 */
#ifndef SESSION_SESSION_H
#define SESSION_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "decode/decoder.h"
#include "moment.h"
#include "publish/publisher.h"
#include "route/router.h"
#include "session/relay_state.h"
#include "stream/stream.h"
#include "verdict.h"

enum session_side { SESSION_POSTGRES, SESSION_KAFKA };

/* What became of a poison row. */
enum poison_action { POISON_IS_HELD, POISON_IS_DEAD_LETTERED };

/* What the session tells its owner, for log lines and metrics. Every pointer is borrowed for the call; no function may call the session. */
struct session_observer {
  void *context;
  /* `why` is NULL when nothing went wrong. */
  void (*state_changed)(void *context, enum relay_state from, enum relay_state to, const struct problem *why);
  void (*started)(void *context, const struct server_facts *facts); /* with the position from which the stream begins */
  /* The session ended and will be begun again after `delay_us`. */
  void (*failed)(void *context, enum session_side side, const struct problem *why, int64_t delay_us);
  void (*delivered)(void *context, size_t entry, bool is_dead_letter, int64_t commit_time_us);
  /* `record` holds what is known of the row: entry, position, event id. */
  void (*poison)(void *context, enum poison_action action, enum route_reason reason, const struct record *record, const struct problem *why);
  /* A permanent delivery error: rows up to `until` will be sent one by one. */
  void (*isolating)(void *context, struct position until, const struct problem *why);
};

struct session_ports {
  struct stream *stream; /* all borrowed */
  struct publisher *publisher;
  struct decoder *decoder;
  struct router *router;
};

struct session;

/* Begins in CONNECTING at the first turn. `config` and the observer are borrowed. `seed`: any number, for jitter. Never NULL. */
struct session *session_new(const struct config *config, const struct session_ports *ports, const struct session_observer *observer, uint64_t seed);
void session_free(struct session *session); /* takes NULL; leaves the ports to their owner */

/*
 * One turn: takes everything forward that can be, bounded (SESSION_TURN_MESSAGES in session_priv.h), never blocks. `stream_events`: what poll() reported on the
 * stream's fd (revents).
 */
void session_step(struct session *session, struct moment now, short stream_events);

/* When to call session_step() next without any event (monotonic us; may lie in the past), and for what to poll the stream's fd now. */
int64_t session_deadline_us(const struct session *session);
short session_poll_events(const struct session *session);
/* Whether to poll for the publisher's reports as well. Not while much is read on a timer: they are taken at each turn anyway, and one wake-up for each is dear. */
bool session_wants_reports(const struct session *session);

/*
 * Whether a stream runs, and it is not that server's: what is said there of the slot, or of a shutdown, is none of ours, and is not to be told. While none runs all is to
 * be told, since the next stream may be that server's.
 */
bool session_is_elsewhere(const struct session *session, const struct catalog_mark *seen);
/* The second connection's news: who had the slot when it was asked for, at `asked_us` (monotonic) or later. */
void session_on_slot_activity(struct session *session, bool is_active, int32_t active_pid, int64_t asked_us, struct moment now);
/*
 * Whether the catalog that the second connection saw is not the one by which the stream that runs was judged: then it is time for session_reload(). By another server
 * than the stream's, or while there is no stream, it counts whether it has changed since that connection's answer before.
 */
bool session_is_misjudged(const struct session *session, const struct catalog_mark *seen, bool has_changed, int64_t asked_us);
/* A server is shutting down: the one that we stream from, unless we began to connect to it later than that. */
void session_on_server_shutdown(struct session *session, struct moment now);
/* Secrets were read anew, or the catalog has changed: reconnect both sides, which judges anew; a hold is looked at again at once. */
void session_reload(struct session *session, struct moment now);
/* First signal: drain within the configured limit; session_is_stopped() tells when it is over. */
void session_stop(struct session *session, struct moment now);

bool session_is_stopped(const struct session *session);

/* A look at the session; plain figures. */
struct session_figures {
  enum relay_state state;
  int64_t state_since_wall_us;
  bool has_problem; /* what the state is owed to (backoff, held) */
  struct problem problem;
  bool is_streaming; /* a stream is started */
  Lsn confirmed;
  Lsn safe;
  Lsn received;
  uint64_t events_in_flight;
  uint64_t transactions_in_flight;
  uint64_t unconfirmed_events;
  double oldest_unsettled_seconds;
  bool drained; /* once stopped: everything that was read is settled and confirmed */
  char system_id[24];
  uint32_t timeline;
  int server_version; /* server_version_num; 0: not known yet */
};
void session_figures(const struct session *session, struct moment now, struct session_figures *ret_figures);

#endif
