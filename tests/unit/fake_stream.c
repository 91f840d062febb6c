/* fake_stream.c - the scripted stream. Its bytes are pgoutput's, so that the real decoder and router stand between. */
#include "session_fakes.h"

/* Each transaction's, counted as pgoutput does. */
#define COMMIT_TIME_US 1000000

#include <stdlib.h>
#include <string.h>

#include "stream/stream_priv.h"

/* What the protocol lets a server say with data: its end of WAL at that time, far behind what it has sent. */
enum { SERVER_WAL_END = 0x10000000 };

struct fake_message {
  bool is_keepalive;
  char bytes[1024];
  size_t length;
  Lsn start; /* of data */
  Lsn wal_end;
  bool reply_requested;
  int64_t sent_us;
  uint64_t more_bytes;
};

struct fake_stream {
  struct stream base;
  enum verdict connect_verdict, start_verdict;
  struct problem connect_problem, start_problem;
  struct server_facts facts;
  struct stream_beginning moved;
  struct fake_message messages[FAKE_MESSAGES_MAX];
  size_t count, at;
  int64_t commit_time_us;
  int64_t sent_us;
  uint64_t more_bytes;
  bool breaks;
  enum verdict break_verdict;
  struct problem break_problem;
  bool is_blocked;
  bool is_open;
  bool was_finished;
  int starts;
  Lsn last_start;
  struct fake_status statuses[FAKE_STATUSES_MAX];
  size_t status_count;
};

static enum verdict fs_connect(struct stream *base, struct moment now, struct server_facts *ret_facts, struct problem *problem)
{
  struct fake_stream *fake = (struct fake_stream *)base;

  (void)now;
  if (fake->connect_verdict == VERDICT_OK) {
    *ret_facts = fake->facts;
    fake->is_open = true;
  } else if (fake->connect_verdict != VERDICT_WAIT) {
    *problem = fake->connect_problem;
  }
  return fake->connect_verdict;
}

static enum verdict fs_start(struct stream *base, Lsn start, struct stream_beginning *ret_beginning, struct problem *problem)
{
  struct fake_stream *fake = (struct fake_stream *)base;

  if (fake->start_verdict == VERDICT_OK) {
    fake->starts++;
    fake->last_start = start;
    *ret_beginning = (struct stream_beginning){.confirmed = fake->facts.confirmed, .wal_end = fake->facts.wal_end, .active_pid = fake->facts.backend_pid};
    if (fake->moved.confirmed != 0) {
      *ret_beginning = fake->moved;
      ret_beginning->active_pid = fake->facts.backend_pid;
    }
    base->bytes_read = 0;
  } else if (fake->start_verdict != VERDICT_WAIT) {
    *problem = fake->start_problem;
  }
  return fake->start_verdict;
}

static enum verdict fs_receive(struct stream *base, bool may_read, struct stream_message *ret_message, struct problem *problem)
{
  struct fake_stream *fake = (struct fake_stream *)base;
  const struct fake_message *message = &fake->messages[fake->at];

  (void)may_read;
  if (fake->at == fake->count) {
    if (fake->breaks) {
      fake->breaks = false;
      *problem = fake->break_problem;
      return fake->break_verdict;
    }
    return VERDICT_WAIT;
  }
  fake->at++;
  base->bytes_read += message->length + message->more_bytes + 25;
  *ret_message = (struct stream_message){
      .kind = message->is_keepalive ? STREAM_KEEPALIVE : STREAM_DATA,
      .body = span_of(message->bytes, message->length),
      .start = message->start,
      .wal_end = message->wal_end,
      .sent_us = message->sent_us,
      .reply_requested = message->reply_requested,
  };
  return VERDICT_OK;
}

static enum verdict fs_send_status(struct stream *base, Lsn write, Lsn flush, Lsn apply, bool asks, struct moment now, struct problem *problem)
{
  struct fake_stream *fake = (struct fake_stream *)base;

  (void)now;
  (void)problem;
  if (fake->is_blocked) {
    return VERDICT_WAIT;
  }
  if (fake->status_count < FAKE_STATUSES_MAX) {
    fake->statuses[fake->status_count++] = (struct fake_status){write, flush, apply, asks};
  }
  return VERDICT_OK;
}

static enum verdict fs_flush(struct stream *base, struct problem *problem)
{
  (void)base;
  (void)problem;
  return VERDICT_OK;
}

static enum verdict fs_finish(struct stream *base, struct problem *problem)
{
  struct fake_stream *fake = (struct fake_stream *)base;

  (void)problem;
  fake->was_finished = true;
  return VERDICT_OK;
}

static void fs_close(struct stream *base, bool for_good)
{
  struct fake_stream *fake = (struct fake_stream *)base;

  fake->is_open = false;
  if (for_good) {
    free(fake);
  }
}

struct stream *fake_stream_new(struct fake_stream **ret_fake)
{
  static const struct stream_ops ops = {fs_connect, fs_start, fs_receive, fs_send_status, fs_flush, fs_finish, fs_close, NULL};
  struct fake_stream *fake = calloc(1, sizeof(*fake));

  fake->base.ops = &ops;
  fake->base.fd = -1;
  fake->commit_time_us = COMMIT_TIME_US;
  *ret_fake = fake;
  return &fake->base;
}

void fake_stream_on_connect(struct fake_stream *fake, enum verdict verdict, const struct server_facts *facts, const struct problem *problem)
{
  fake->connect_verdict = verdict;
  if (facts != NULL) {
    fake->facts = *facts;
  }
  if (problem != NULL) {
    fake->connect_problem = *problem;
  }
}

void fake_stream_on_start(struct fake_stream *fake, enum verdict verdict, const struct problem *problem)
{
  fake->start_verdict = verdict;
  if (problem != NULL) {
    fake->start_problem = *problem;
  }
}

void fake_stream_moves_before_start(struct fake_stream *fake, Lsn confirmed, Lsn wal_end)
{
  fake->moved = (struct stream_beginning){.confirmed = confirmed, .wal_end = wal_end};
}

static struct fake_message *message_new(struct fake_stream *fake)
{
  struct fake_message *message = &fake->messages[fake->count];

  if (fake->count++ == FAKE_MESSAGES_MAX) {
    abort();
  }
  memset(message, 0, sizeof(*message));
  message->wal_end = SERVER_WAL_END;
  message->sent_us = fake->sent_us;
  message->more_bytes = fake->more_bytes;
  fake->more_bytes = 0;
  return message;
}

static void put(struct fake_message *message, const void *bytes, size_t length)
{
  memcpy(message->bytes + message->length, bytes, length);
  message->length += length;
}

static void put_number(struct fake_message *message, uint64_t value, int bytes)
{
  for (int i = bytes - 1; i >= 0; i--) {
    put(message, &(char){(char)(value >> (8 * i) & 0xff)}, 1);
  }
}

static void put_text(struct fake_message *message, const char *text)
{
  put(message, text, strlen(text) + 1);
}

void fake_stream_begin(struct fake_stream *fake, Lsn commit_lsn, uint32_t xid)
{
  struct fake_message *message = message_new(fake);

  put(message, "B", 1);
  put_number(message, commit_lsn, 8);
  put_number(message, (uint64_t)fake->commit_time_us, 8);
  put_number(message, xid, 4);
}

void fake_stream_relation(struct fake_stream *fake)
{
  static const struct {
    const char *name;
    uint32_t type;
  } columns[] = {{"id", PG_TEXT}, {"aggregatetype", PG_TEXT}, {"aggregateid", PG_TEXT}, {"type", PG_TEXT}, {"payload", PG_JSON}};
  struct fake_message *message = message_new(fake);

  put(message, "R", 1);
  put_number(message, 16384, 4);
  put_text(message, "public");
  put_text(message, "outbox");
  put(message, "d", 1);
  put_number(message, sizeof(columns) / sizeof(*columns), 2);
  for (size_t i = 0; i < sizeof(columns) / sizeof(*columns); i++) {
    put_number(message, 0, 1);
    put_text(message, columns[i].name);
    put_number(message, columns[i].type, 4);
    put_number(message, UINT32_MAX, 4);
  }
}

void fake_stream_row(struct fake_stream *fake, const char *id, const char *type, const char *key, const char *payload)
{
  const char *values[] = {id, type, key, "Made", payload};
  struct fake_message *message = message_new(fake);

  put(message, "I", 1);
  put_number(message, 16384, 4);
  put(message, "N", 1);
  put_number(message, 5, 2);
  for (size_t i = 0; i < 5; i++) {
    if (values[i] == NULL) {
      put(message, "n", 1);
    } else {
      put(message, "t", 1);
      put_number(message, strlen(values[i]), 4);
      put(message, values[i], strlen(values[i]));
    }
  }
}

void fake_stream_commit(struct fake_stream *fake, Lsn commit_lsn, Lsn end_lsn)
{
  struct fake_message *message = message_new(fake);

  put(message, "C", 1);
  put_number(message, 0, 1);
  put_number(message, commit_lsn, 8);
  put_number(message, end_lsn, 8);
  put_number(message, (uint64_t)fake->commit_time_us, 8);
}

void fake_stream_keepalive(struct fake_stream *fake, Lsn wal_end, bool reply_requested)
{
  struct fake_message *message = message_new(fake);

  message->is_keepalive = true;
  message->wal_end = wal_end;
  message->reply_requested = reply_requested;
}

void fake_stream_bytes(struct fake_stream *fake, const char *bytes, size_t length)
{
  put(message_new(fake), bytes, length);
}

void fake_stream_weighs(struct fake_stream *fake, uint64_t bytes)
{
  fake->more_bytes = bytes;
}

void fake_stream_committed_at(struct fake_stream *fake, int64_t pg_time_us)
{
  fake->commit_time_us = pg_time_us;
}

void fake_stream_sent_after(struct fake_stream *fake, int64_t after_us)
{
  fake->sent_us = after_us < 0 ? 0 : PG_EPOCH_US + COMMIT_TIME_US + after_us;
}

void fake_stream_breaks(struct fake_stream *fake, const struct problem *problem)
{
  fake->breaks = true;
  fake->break_verdict = VERDICT_RETRY;
  fake->break_problem = *problem;
}

void fake_stream_refuses(struct fake_stream *fake, const struct problem *problem)
{
  fake_stream_breaks(fake, problem);
  fake->break_verdict = VERDICT_FATAL;
}

void fake_stream_clear(struct fake_stream *fake)
{
  fake->count = 0;
  fake->at = 0;
  fake->breaks = false;
}

void fake_stream_block_status(struct fake_stream *fake, bool is_blocked)
{
  fake->is_blocked = is_blocked;
}

size_t fake_stream_status_count(const struct fake_stream *fake)
{
  return fake->status_count;
}

struct fake_status fake_stream_status(const struct fake_stream *fake, size_t index)
{
  return fake->statuses[index];
}

int fake_stream_starts(const struct fake_stream *fake)
{
  return fake->starts;
}

Lsn fake_stream_last_start(const struct fake_stream *fake)
{
  return fake->last_start;
}

bool fake_stream_is_open(const struct fake_stream *fake)
{
  return fake->is_open;
}

bool fake_stream_is_bounded(const struct fake_stream *fake)
{
  return fake->base.is_bounded;
}

bool fake_stream_was_finished(const struct fake_stream *fake)
{
  return fake->was_finished;
}

size_t fake_stream_unread(const struct fake_stream *fake)
{
  return fake->count - fake->at;
}

bool fake_stream_is_readable(const struct fake_stream *fake)
{
  return fake->at < fake->count || fake->breaks;
}
