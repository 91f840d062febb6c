/*
 * model_postgres.h - a PostgreSQL server with one replication slot, its walsenders, and the relay's end of a connection (the port stream.h).
 *
 *   history --> walsender ==down: messages with a time of arrival==> model_stream --stream_receive()--> the relay
 *     slot  <--           <==up: statuses, CopyDone, Terminate====               <--stream_send_status()--
 *
 * A message exists as a number until the relay receives it; its bytes are made then. Both directions keep their order. What was on its way when a connection
 * breaks arrives up to some point, and not beyond: chance decides where.
 */
#ifndef SIM_MODEL_POSTGRES_H
#define SIM_MODEL_POSTGRES_H

#include "plugin_bytes.h"
#include "stream/stream_priv.h"

enum { SERVER_PID_OWNERS = 4, SERVER_FOREIGN_OWNER = 3 }; /* the relays have their own numbers */
enum { SERVER_WALSENDERS_MAX = 6, WALSENDER_DOWN_MAX = 512, WALSENDER_UP_MAX = 64 };

struct world;
struct relay;

enum down_kind {
  DOWN_BEGIN,
  DOWN_OUTBOX_RELATION,
  DOWN_OTHER_RELATION,
  DOWN_ITEM,
  DOWN_COMMIT,
  DOWN_KEEPALIVE,
  DOWN_REFUSED, /* an error that only a person mends */
  DOWN_DONE,    /* the server ends the stream in order */
  DOWN_LOST,    /* the connection is gone */
};

struct down {
  enum down_kind kind;
  bool reply_requested;
  uint32_t transaction;
  uint32_t item; /* in the history */
  Lsn start;     /* of data */
  Lsn wal_end;
  int64_t sent_us; /* the server's clock */
  int64_t arrives_us;
};

enum up_kind { UP_STATUS, UP_DONE, UP_TERMINATE };

struct up {
  enum up_kind kind;
  Lsn write;
  Lsn flush;
  bool asks;
  int64_t arrives_us;
};

/* The server's process behind one stream. It outlives the relay's end where the relay goes without a word. */
struct walsender {
  bool is_used;
  bool is_over;       /* it streams no more and holds the slot no more; what it sent may still be on its way */
  bool has_client;    /* a relay holds the other end */
  bool hears_nothing; /* the other end is gone, and nobody told */
  int32_t pid;
  uint32_t relay;

  Lsn sent;  /* all WAL before it was sent */
  Lsn told;  /* the last keepalive's */
  Lsn write; /* what the relay said last */
  Lsn flush;
  int64_t last_reply_us;
  uint64_t data_read; /* messages with data that the relay has received */
  bool is_asked;      /* a reply was requested and did not come yet */
  bool owes_answer;   /* a reply was requested of it */
  int64_t busy_until_us;
  int64_t stalled_us; /* since when and until when nothing new of it arrives, although the connection stands */
  int64_t stalled_until_us;

  /* where it is in the history */
  uint32_t transaction;
  uint32_t item; /* of that transaction; 0 and not has_begun: before its begin */
  bool has_begun;
  int shape_announced; /* -1: none */
  bool other_announced;

  int64_t down_arrival_us; /* of the newest message; arrivals keep their order */
  uint32_t down_first, down_count;
  struct down down[WALSENDER_DOWN_MAX];
  uint32_t up_first, up_count;
  struct up up[WALSENDER_UP_MAX];
};

enum server_state { SERVER_UP, SERVER_STOPPING, SERVER_DOWN };

struct server {
  enum server_state state;
  int64_t state_since_us;
  int64_t back_us;          /* DOWN: when it starts again */
  Lsn confirmed;            /* of the slot */
  Lsn saved;                /* what a crash leaves of it */
  int32_t active_pid;       /* 0: nobody has the slot */
  int64_t foreign_until_us; /* somebody else's relay has it, which confirms nothing; 0: it has not */
  int32_t last_pid;
  int64_t save_us;          /* the next checkpoint */
  int64_t full_until_us;    /* no more connections */
  int64_t refused_until_us; /* the catalog is not as it should be */
  uint64_t progress;        /* while it stops: of what is still to be sent and read */
  int64_t progress_us;      /* since when there was none */
  bool was_disturbed;       /* since it began to stop, something else kept it from ending: no judgement */
  struct walsender senders[SERVER_WALSENDERS_MAX];
};

/* What lies between one relay and the server. */
struct link {
  int64_t frozen_until_us;
  int64_t blocked_until_us; /* the relay's socket takes no more than one status */
};

enum stream_step { STEP_CLOSED, STEP_ATTEMPT, STEP_SECOND, STEP_READY, STEP_STARTING, STEP_LOOKING, STEP_STREAMING, STEP_FINISHING };

#define NO_ROW UINT32_MAX

/* What the oracle knows of the session that has this stream, or had it last. */
struct session_record {
  uint32_t number;     /* the world's; 0: there was none */
  uint32_t process;    /* of the relay */
  bool knows_position; /* this process has streamed, and has seen nobody else on the slot since */
  Lsn highest_flush;   /* the highest that this process ever sent, or began at */
  bool is_to_hold;     /* the slot was moved past that: nothing may be published or confirmed */
  Lsn start;
  Lsn flush;          /* the highest sent */
  int64_t status_us;  /* when the last status was taken */
  uint32_t unsettled; /* the first transaction with an event that this session has not settled */
  uint32_t complete;  /* transactions before it were received whole */
  uint32_t in_hand;   /* the row that was read and is not the producer's; NO_ROW: none */
  Lsn settled_lsn;
  int64_t settled_us; /* since when more is settled than was told; 0: it is not */
  int64_t busy_us;    /* when it last had something under way, or was held */
  uint32_t left;      /* streams that this process has left in a row as stalled, */
  uint32_t left_process;
  Lsn left_lsn;            /* with no more told than this */
  uint32_t failures;       /* of PostgreSQL since a stream began: the first one is that stream's own, the next ones are those of ways back */
  bool has_heard_of_other; /* on its way back, of another with the slot */
};

/* The relay's end. */
struct model_stream {
  struct stream base;
  struct world *world;
  uint32_t relay;
  enum stream_step step;
  int64_t due_us; /* when the step before STREAMING is through */
  struct server_facts facts;
  int64_t looked_us; /* when the relay had the facts */
  int64_t read_us;   /* when it last tried to read */
  int64_t heard_us;  /* when a message was received last, or the stream began */
  int64_t asked_us;  /* since when an answer is awaited; 0: it is not */
  bool left_unread;  /* when it was closed something lay there */
  bool left_blocked; /* and a status waited for room in the socket */
  bool is_bounded;   /* the size of its receive buffer is fixed */
  Lsn start;
  struct walsender *sender;
  bool is_cut;      /* connecting, and cut off: the next call says so */
  bool has_partial; /* a status lies in the socket's buffer, cut in two */
  struct up partial;
  bool has_said_done; /* FINISHING: CopyDone went out */

  struct session_record record; /* the oracle's */
  char bytes[PLUGIN_BYTES_MAX];
};

/* ---- the server (model_postgres.c) ---- */
void server_init(struct world *world);
int64_t server_next_us(const struct world *world);
void server_run(struct world *world);
void server_crash(struct world *world, int64_t back_us);
void server_stop(struct world *world, int64_t back_us);
/* NULL: it takes a connection. */
const char *server_why_closed(const struct world *world);
/* A process of its own for each connection; of whom it is can be told by its number. */
int32_t server_new_pid(struct world *world, uint32_t owner);
uint32_t server_pid_owner(int32_t pid);
/* Somebody else's relay takes the slot, if it is free. */
void server_lend_slot(struct world *world, int64_t until_us);
/* A relay asks for the slot; false: another one has it. */
bool server_take_slot(struct world *world, struct model_stream *stream);
void server_confirm(struct world *world, Lsn flush);

/* ---- a walsender (model_walsender.c) ---- */
void walsender_start(struct world *world, struct walsender *sender, uint32_t relay, int32_t pid, Lsn start);
int64_t walsender_next_us(const struct world *world, const struct walsender *sender);
void walsender_run(struct world *world, struct walsender *sender);
/* It dies; of what it sent and did not arrive yet, some arrives, and then DOWN_LOST or DOWN_REFUSED. Not `tells_client`: that takes its time. */
void walsender_die(struct world *world, struct walsender *sender, enum down_kind goodbye, bool tells_client);
/* Of what the relay has not received some lies there; the rest, and all that is still to be sent, arrives then at the earliest. */
void walsender_stall(struct world *world, struct walsender *sender, int64_t until_us);
void walsender_take_up(struct world *world, struct walsender *sender, struct up up);
int64_t link_latency_us(struct world *world);
/* The bytes of a message, into stream->bytes; 0 for what has none. The oracle hears that it is read. */
size_t down_bytes(struct model_stream *stream, const struct down *down);

/* ---- the relay's end (model_stream.c; model_poll.c: what has arrived there) ---- */
void model_stream_init(struct model_stream *stream, struct world *world, uint32_t relay);
/* What poll() would say, and when it may say something else. */
short model_stream_poll(const struct model_stream *stream, short wanted);
int64_t model_stream_next_us(const struct model_stream *stream, short wanted);
/* Whether what it waits for while it connects is there. */
bool model_stream_is_through(const struct model_stream *stream);
/* The oldest and the newest message that the relay has not read, arrived or not; NULL: none. */
const struct down *model_stream_head(const struct model_stream *stream);
const struct down *model_stream_newest(const struct model_stream *stream);
/* Whether it has arrived; NULL has not. */
bool model_stream_has(const struct model_stream *stream, const struct down *down);
/* The process is gone: its kernel closes the socket. */
void model_stream_abandon(struct model_stream *stream);
/* The connection is reset on the relay's side; `is_silent`: the server does not hear of it. */
void model_stream_cut(struct model_stream *stream, bool is_silent);

#endif
