/*
 * stream.h - the port to PostgreSQL's replication stream. Implementations: pg_stream.c (libpq), and fakes in tests. Nothing here blocks.
 *
 *   new -> connect (WAIT ... OK: facts) -> start -> receive* / send_status* -> finish -> close -> connect ...
 */
#ifndef STREAM_STREAM_H
#define STREAM_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "lsn.h"
#include "moment.h"
#include "span.h"
#include "stream/catalog_mark.h"
#include "stream/timeline.h"
#include "verdict.h"

/* What the server says of itself and of our slot before anything is started. The session judges the positions by it (witness.h). */
struct server_facts {
  char system_id[24]; /* IDENTIFY_SYSTEM; decimal text */
  uint32_t timeline;
  struct timeline_history history; /* of the timelines before; unknown on timeline 1 */
  int server_version;              /* server_version_num */
  bool is_in_recovery;             /* a standby: its end of WAL is how far it has replayed */
  Lsn wal_end;                     /* flushed (or replayed) so far */
  int64_t wal_sender_timeout_us;   /* of this connection; 0: none */
  bool slot_is_active;             /* held by somebody else: stand by */
  int32_t slot_active_pid;
  int32_t backend_pid;         /* of our own walsender, as libpq was told: a pooler makes these up */
  bool is_joined;              /* the sender joins its messages while we pause: near_peer.h */
  Lsn confirmed;               /* the slot's confirmed_flush_lsn */
  struct catalog_mark catalog; /* of what it was judged by */
};

/* What is known once a stream has begun: nobody else can move the slot any more. */
struct stream_beginning {
  Lsn confirmed; /* the slot's confirmed_flush_lsn, from where the server sends: not before it, wherever the start was asked for */
  Lsn wal_end;
  int32_t active_pid; /* of our own walsender, as the server itself counts */
};

enum stream_message_kind {
  STREAM_DATA, /* XLogData */
  STREAM_KEEPALIVE,
};

struct stream_message {
  enum stream_message_kind kind;
  struct span body; /* STREAM_DATA: what the decoder reads; borrowed until the next receive or close */
  Lsn start;        /* XLogData: where in WAL the data stands; of a commit its end */
  Lsn wal_end;      /* keepalive: all WAL before it has been sent. XLogData: the server's idea of the current end (informative) */
  int64_t sent_us;  /* XLogData: when the server sent it, by the server's clock (us since 1970-01-01 UTC); 0: not known, or no time that fits */
  bool reply_requested;
};

struct stream;

void stream_free(struct stream *stream); /* takes NULL; closes */

/*
 * One step towards a connection that is ready to start. WAIT: poll stream_fd() for stream_events(); to give up in time is the caller's. OK: *ret_facts.
 * RETRY: not now (network, server starting, too many connections). FATAL: refused, with the code of interface (2, 3, 4).
 * The same connection stays open when the slot is active; close it to stand by.
 */
enum verdict MUST_CHECK stream_connect(struct stream *stream, struct moment now, struct server_facts *ret_facts, struct problem *problem);

/*
 * START_REPLICATION at `start`. WAIT. OK: streaming, and *ret_beginning says from where, which may lie behind what stream_connect() found: between the two the
 * slot was anybody's. RETRY (cause `slot_active`: another was faster), FATAL as above.
 */
enum verdict MUST_CHECK stream_start(struct stream *stream, Lsn start, struct stream_beginning *ret_beginning, struct problem *problem);

/*
 * The next message, from the buffer or, when `may_read`, from the socket. OK: *ret_message. WAIT: none whole yet. RETRY: connection lost, server closed
 * the stream, or bytes that are no replication message. FATAL: the server's output plugin refuses for good (publication dropped, ...).
 */
enum verdict MUST_CHECK stream_receive(struct stream *stream, bool may_read, struct stream_message *ret_message, struct problem *problem);

/* Sends one standby status update, as far as the socket takes it; stream_flush() sends the rest. `asks`: the server is to answer it by a keepalive. WAIT: an earlier one is
 * still on its way out, nothing happened. OK, WAIT, RETRY. */
enum verdict MUST_CHECK stream_send_status(struct stream *stream, Lsn write, Lsn flush, Lsn apply, bool asks, struct moment now, struct problem *problem);

/* Sends what an earlier call left over; to be called when the socket is writable and stream_events() has POLLOUT. OK (also when some is still left), RETRY. */
enum verdict MUST_CHECK stream_flush(struct stream *stream, struct problem *problem);

/* Ends the stream in order, so that the last status is certain to be read: CopyDone, then waits for the server's. WAIT, OK, RETRY. */
enum verdict MUST_CHECK stream_finish(struct stream *stream, struct problem *problem);

/*
 * Whether the receive buffer keeps its size, for pauses in which the sender joins its messages (near_peer.h), or grows as the kernel sees fit. Bounded only while it is read
 * again and again: a new stream is not. Costs a system call when it changes.
 */
void stream_bound(struct stream *stream, bool is_bounded);

/* Drops the connection at once. The stream can connect again. */
void stream_close(struct stream *stream);

int stream_fd(const struct stream *stream);       /* -1: none */
short stream_events(const struct stream *stream); /* POLLIN, POLLOUT */
/* Bytes of all messages received since the stream started, for pacing. */
uint64_t stream_bytes_read(const struct stream *stream);

#endif
