/*
 * session_priv.h - the session's own struct, shared by session.c (life of a session), session_stream.c (what happens while it streams), session_hold.c (holds and looks) and session_hand.c (the
 * record in hand, reports, poison).
 */
#ifndef SESSION_SESSION_PRIV_H
#define SESSION_SESSION_PRIV_H

#include "ack/feedback.h"
#include "ack/ledger.h"
#include "arena.h"
#include "backoff.h"
#include "session/poison.h"
#include "session/session.h"
#include "session/stall.h"
#include "session/witness.h"
#include "stream/pace.h"
#include "txn/txn.h"

/* What the machine is doing; relay_state is what a person is told of it. */
enum phase {
  PHASE_OPENING,    /* the publisher, if it has to be made anew */
  PHASE_CONNECTING, /* the stream */
  PHASE_STARTING,
  PHASE_STREAMING,
  PHASE_SETTLING,  /* a hold or a reload is next: nothing is read any more, what is in flight is settled and confirmed first */
  PHASE_FINISHING, /* the last status is out, the stream is being ended in order */
  PHASE_BACKOFF,
  PHASE_STANDBY,
  PHASE_WAITING,  /* held, until the next look */
  PHASE_REACHING, /* held by Kafka as a whole, and looking whether it lets us in */
  PHASE_PROBING,  /* held by a record, and looking: the slot is ours, the record is tried alone, nothing is read */
  PHASE_STOPPED,
};

/* The record in hand: routed, and not yet the publisher's; or the publisher's, and sent alone. */
enum in_hand {
  HAND_EMPTY,
  HAND_FULL,    /* to be published, as soon as there is room */
  HAND_WATCHED, /* published alone; its report decides */
};

struct session {
  const struct config *config;
  struct session_ports ports;
  const struct session_observer *observer;
  uint64_t chance;

  enum phase phase;
  enum relay_state state;
  int64_t state_since_wall_us;
  int64_t deadline_us; /* of the phase; INT64_MAX: none */
  struct problem problem;
  bool has_problem;
  struct moment now; /* of the turn */

  /* across sessions */
  struct witness witness;
  struct isolation isolation;
  struct backoff postgres_backoff;
  struct backoff kafka_backoff;
  bool publisher_is_open;
  bool client_is_dated; /* a stream has begun since the producer's client was made: */
  Lsn client_since;     /* where WAL ended just before that, and so before the client asked for any topic */
  uint32_t client_timeline;
  int64_t wall_ahead_us;     /* of the monotonic clock, in the turn before */
  int64_t started_us;        /* when streaming last began */
  int64_t caught_up_wall_us; /* when nothing was in flight last */
  bool is_stopping;
  int64_t stop_deadline_us;
  bool drained;

  /* held */
  bool is_held;
  bool is_to_be_held;     /* once the stream has been ended */
  bool is_to_reconnect;   /* the same, for a reload */
  uint64_t never_settled; /* events in flight that are the held row itself: 0 or 1 */
  bool look_is_useless;   /* only a new configuration can mend it */
  struct backoff look_backoff;
  bool has_kept;
  bool kept_is_published;
  bool probe_failed; /* a report said so */
  struct record kept;
  struct arena kept_arena;
  uint32_t kept_timeline;  /* of the server that it came from */
  struct problem kept_why; /* what it is held for */

  /* one stream */
  struct server_facts facts;
  int64_t attempt_us; /* when its connections began to be opened */
  int64_t looked_us;  /* when the facts were told */
  int32_t seen_pid;   /* STARTING: who was seen with the slot and is not known to be ourselves; 0: nobody */
  struct ledger *ledger;
  struct txn txn;
  struct feedback feedback;
  struct pace pace;
  enum pace_wait pace_wait;
  int64_t pace_deadline_us;
  uint64_t paced_bytes;    /* stream_bytes_read() when pace was last asked */
  uint64_t fresh_bytes;    /* stream_bytes_read() when what was read last was not old */
  Lsn keepalive_lsn;       /* the last end of WAL that a keepalive told outside of a transaction */
  bool has_more;           /* the turn ended with unread messages in the buffer */
  bool server_is_stopping; /* the second connection was told, since this stream's connections began to be opened */
  int64_t stopping_us;     /* when it was told last */
  int64_t sent_us;         /* the server's clock when it sent the last data; 0: not known, or it has nothing more */
  bool has_published;      /* since publisher_hurry() */
  int64_t full_since_us;   /* since when the record in hand waits for room; 0: it does not */
  struct stall stall;      /* of this stream, and what is remembered of those before */

  struct arena arena; /* of the message in hand */
  enum in_hand hand;
  struct record record;
  bool hand_is_dead_letter;
  bool hand_is_counted; /* it has its number and its place in the ledger */

  /* refusals that one batch of reports brought */
  bool has_refusal;
  bool mark_has_risen; /* of them some were refused, not lost */
  struct problem refusal;
};

enum {
  SESSION_TURN_MESSAGES = 2048, /* messages of one turn at most, so that timers and reports get theirs */
  SESSION_TURN_REPORTS = 10000,
  SESSION_ARENA_FIRST_BYTES = 65536,
  SESSION_LOOK_FIRST_US = 5000000,
  SESSION_LOOK_MAX_US = 60000000,
  SESSION_CONNECT_TIMEOUT_US = 60000000, /* several addresses, each given up after connect_timeout */
  SESSION_PROBE_TIMEOUT_US = 60000000,   /* librdkafka may take 30 s to be sure that a topic does not exist */
  SESSION_FINISH_TIMEOUT_US = 2000000,
  SESSION_SETTLE_TIMEOUT_US = 5000000,
  SESSION_STANDBY_US = 5000000,      /* look ourselves when the second connection has no news */
  SESSION_PAUSED_AFTER_US = 1000000, /* a queue that is full for less is the normal state of a busy relay */
  SESSION_WORKED_US = 1000000,       /* streaming for so long forgets earlier failures of PostgreSQL: about one try a second is the most that follows */
  SESSION_STEADY_US = 30000000,      /* and for so long those of Kafka, where each new session repeats records, and holds */
  SESSION_LAG_US = 100000,           /* events so old may wait a few milliseconds more for a full batch, while more come, */
  SESSION_LAG_BYTES = 131072,        /* once so much has come and all of it was old: a few commits that waited for the server's disk are old, too */
  SESSION_NUDGE_US = 100000,         /* looks again whether something goes on, though an event should tell */
  SESSION_CLOCK_BACK_US = 5000000,   /* so much is waited out */
  SESSION_RELEASE_US = 2000000,      /* a hold is over when streaming goes on for so long, or brings a position forward */
};

/* Moves the machine; the state that users see follows from it. */
void session_enter(struct session *session, enum phase phase, int64_t deadline_us);
/* A side failed and may heal: closes the stream, backs off. For SESSION_KAFKA the publisher is made anew. Held: stays held. */
void session_fail(struct session *session, enum session_side side, const struct problem *why);
/* A person is needed. `kept`: the record whose success would show that the reason is gone, or NULL. A stream that still works is settled and ended in order first,
 * so that a later start repeats as little as possible. */
void session_hold(struct session *session, const struct problem *why, const struct record *kept, bool look_is_useless);
/* From OPENING on. */
void session_connect(struct session *session);
/* The stream is over: stopped, held, or begun again. */
void session_ended(struct session *session);

/* session_hold.c */
void session_wait_for_look(struct session *session);
void session_look_again(struct session *session);
void session_probing_turn(struct session *session, short stream_events);
void session_reaching_turn(struct session *session);
/* The slot is ours, for as long as this stream lives: whether there is still a record to be tried (has_kept). Then the session is held, whatever it was before. */
void session_take_up_hold(struct session *session);
/* All of it, in that arena. */
void session_copy_record(struct arena *arena, const struct record *record, struct record *ret_copy);
/* A look did not find what it hoped for. */
void session_look_failed(struct session *session);
/* The hold is over: go on from the stream. */
void session_release(struct session *session);
/* Ends the producer: what it still holds is never sent. Whenever another relay may have the slot, and whenever the producer is to be made anew. */
void session_drop_publisher(struct session *session);
/* A stream begins, with the client of the one before or with a fresh one: what is behind here may be news to it. */
void session_date_client(struct session *session);
/* RETRY -> session_fail(), FATAL -> session_hold(). */
void session_end(struct session *session, enum session_side side, enum verdict verdict, const struct problem *why);

/* session_stream.c: one turn while streaming; and the state of a fresh stream. */
void session_stream_begin(struct session *session);
void session_stream_turn(struct session *session, short stream_events);
void session_settling_turn(struct session *session, short stream_events);
/* The server is gone, and nobody reads the socket that would say so: poll() tells it again and again until the stream is closed. */
bool session_is_cut_off(const struct session *session, short stream_events);
/* Sends a status if one is due, and what an earlier one left in the socket. */
void session_send_feedback(struct session *session);
/* Sends what was published on its way, unless so much is behind it that it may wait for company. */
void session_hurry(struct session *session);
/* The receive buffer is bounded while it is emptied in long pauses, and never while nothing is read. */
void session_bound(struct session *session);
/* Nothing unsettled, nothing open, nothing in hand. */
bool session_is_idle(const struct session *session);

/* session_hand.c. Serves the publisher's reports in any phase; what breaks, or goes by a clock that went back, is dealt with, so the phase may have changed afterwards. */
void session_serve_reports(struct session *session);
/* Token of a record: the ledger's slot, and whether it is a dead letter. */
uint64_t session_token(LedgerSlot slot, bool is_dead_letter);
/* Publishes until the hand is empty or stuck: a row may become a dead letter on the way. */
void session_work_hand(struct session *session);
/* The record in hand cannot be sent as it is, and nothing else is to blame: a dead letter takes its place, or it is held. `is_routed`: the row is sound and Kafka
 * will not have its record; else there is no record to try again. */
void session_hand_is_poison(struct session *session, enum route_reason reason, bool is_routed, struct problem *why);

#endif
