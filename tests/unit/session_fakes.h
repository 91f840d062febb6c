/*
 * session_fakes.h - peers for a session under test: a stream that says what the test wrote, and a publisher whose reports the test gives. They keep the ports'
 * contracts (order, one report for each accepted record, WAIT means that nothing happened) and are otherwise as simple as can be.
 */
#ifndef SESSION_FAKES_H
#define SESSION_FAKES_H

#include "config/config.h"
#include "session/session.h"

enum { FAKE_MESSAGES_MAX = 4096, FAKE_RECORDS_MAX = 4096, FAKE_STATUSES_MAX = 512 };

struct fake_status {
  Lsn write, flush, apply;
  bool asks;
};

struct fake_stream;
struct fake_publisher;

/* ---- the stream ---- */
struct stream *fake_stream_new(struct fake_stream **ret_fake);
/* What connect and start answer from now on; the problem goes with anything but OK and WAIT. */
void fake_stream_on_connect(struct fake_stream *fake, enum verdict verdict, const struct server_facts *facts, const struct problem *problem);
void fake_stream_on_start(struct fake_stream *fake, enum verdict verdict, const struct problem *problem);
/* From now on a start finds the slot there, whatever connect said. 0: where connect said, as at first. */
void fake_stream_moves_before_start(struct fake_stream *fake, Lsn confirmed, Lsn wal_end);
/* The script of the next (or present) stream; read once, from the start of the script after each START unless consumed. */
void fake_stream_begin(struct fake_stream *fake, Lsn commit_lsn, uint32_t xid);
void fake_stream_relation(struct fake_stream *fake);
/* One row of public.outbox; NULL is SQL's NULL. */
void fake_stream_row(struct fake_stream *fake, const char *id, const char *type, const char *key, const char *payload);
void fake_stream_commit(struct fake_stream *fake, Lsn commit_lsn, Lsn end_lsn);
void fake_stream_keepalive(struct fake_stream *fake, Lsn wal_end, bool reply_requested);
void fake_stream_bytes(struct fake_stream *fake, const char *bytes, size_t length);
/* What is on the wire as the commit time of each transaction from now on: microseconds since PostgreSQL's epoch. */
void fake_stream_committed_at(struct fake_stream *fake, int64_t pg_time_us);
/* The server's clock behind the commit time of each transaction when it sends what is written into the script from now on; negative: not known, as at first. */
void fake_stream_sent_after(struct fake_stream *fake, int64_t after_us);
/* The message that is made next counts as so many bytes more than it has. */
void fake_stream_weighs(struct fake_stream *fake, uint64_t bytes);
/* The connection breaks when the script is at its end. */
void fake_stream_breaks(struct fake_stream *fake, const struct problem *problem);
/* The same, refused for good by the server. */
void fake_stream_refuses(struct fake_stream *fake, const struct problem *problem);
/* Empties the script. */
void fake_stream_clear(struct fake_stream *fake);
/* The socket takes no status: send_status waits. */
void fake_stream_block_status(struct fake_stream *fake, bool is_blocked);
size_t fake_stream_status_count(const struct fake_stream *fake);
struct fake_status fake_stream_status(const struct fake_stream *fake, size_t index);
int fake_stream_starts(const struct fake_stream *fake);
Lsn fake_stream_last_start(const struct fake_stream *fake);
bool fake_stream_is_open(const struct fake_stream *fake);
bool fake_stream_was_finished(const struct fake_stream *fake);
bool fake_stream_is_bounded(const struct fake_stream *fake);
size_t fake_stream_unread(const struct fake_stream *fake);
/* As poll() would say of a stream that was started: a message, or its end. */
bool fake_stream_is_readable(const struct fake_stream *fake);

/* ---- the publisher ---- */
struct fake_record {
  char topic[64];
  char key[64];
  char value[256];
  bool has_key;
  struct position position;
  uint64_t token;
  bool is_reported;
};

struct publisher *fake_publisher_new(struct fake_publisher **ret_fake);
/* So many unreported records at most; then WAIT. */
void fake_publisher_limit(struct fake_publisher *fake, size_t limit);
/* Answer of the next publish, once. */
void fake_publisher_on_publish(struct fake_publisher *fake, enum verdict verdict, const struct problem *problem);
/* Answer of the next reports call, once. */
void fake_publisher_on_reports(struct fake_publisher *fake, enum verdict verdict, const struct problem *problem);
void fake_publisher_set_connected(struct fake_publisher *fake, bool is_connected);
/* The one before does not end: an open waits. */
void fake_publisher_set_ending(struct fake_publisher *fake, bool is_ending);
/* Records accepted since the last open, and ever. */
size_t fake_publisher_count(const struct fake_publisher *fake);
const struct fake_record *fake_publisher_record(const struct fake_publisher *fake, size_t index);
/* Gives a report for record `index` at the next reports call. */
void fake_publisher_report(struct fake_publisher *fake, size_t index, enum report_outcome outcome);
/* The cause that refusals have from now on; static. */
void fake_publisher_refuses_for(struct fake_publisher *fake, const char *cause);
void fake_publisher_report_all(struct fake_publisher *fake);
bool fake_publisher_is_open(const struct fake_publisher *fake);
int fake_publisher_opens(const struct fake_publisher *fake);
/* How often the session said that what it had published is to go out at once. */
int fake_publisher_hurries(const struct fake_publisher *fake);

/* A configuration with one entry, public.outbox, all defaults; static memory, to be changed by the test. */
struct config *fake_config(void);
struct config_outbox *fake_config_outbox(void);

#endif
