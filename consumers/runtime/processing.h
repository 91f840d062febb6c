/*
 * processing.h - what the work on events shares, on the loop's thread: the program, its connection, what knows handled events, figures, and memory for one turn.
 */
#ifndef PROCESSING_H
#define PROCESSING_H

#include "arena.h"
#include "client.h"
#include "consumer.h"
#include "event_reader.h"
#include "failure.h"
#include "fetched.h"
#include "figures.h"
#include "inbox.h"
#include "log.h"
#include "redis_reservation.h"
#include "settings.h"

enum { PROCESSING_ARENA_BYTES = 65536, PROCESSING_HOST_MAX_BYTES = 255 };

struct processing {
  const struct consumer *consumer;
  const struct settings *settings;
  const struct log *log;
  struct figures *figures;
  struct database *database;       /* NULL: the consumer has none */
  struct inbox inbox;              /* with IDEMPOTENCE_INBOX */
  struct redis_reservation *redis; /* with IDEMPOTENCE_REDIS; else NULL */
  struct arena arena;              /* reset before each turn */
  size_t batch;                    /* so many events in one transaction at most */
  struct event_reader *readers;    /* so many */
  bool has_committed;              /* the last unit did, in the database */
  _Atomic int64_t *moved_us;       /* what processing_tell() was given; NULL: nothing */
  struct redis_settings redis_settings;
  char host[PROCESSING_HOST_MAX_BYTES + 1];
};

/* FATAL: the inbox's name or the address of Redis is none. Everything is borrowed. Connects to nothing. */
enum verdict MUST_CHECK processing_open(struct processing *processing, const struct consumer *consumer, const struct settings *settings, const struct log *log,
                                        struct figures *figures, struct problem *problem);
void processing_close(struct processing *processing);
/* From now on *moved_us is when this thread moved last, monotonic, or DATABASE_WAITS_US while it waits for the database. Borrowed. */
void processing_tell(struct processing *processing, _Atomic int64_t *moved_us);
/* It moves: for what may take its time within a turn of the loop and is none that hangs. */
void processing_moves(const struct processing *processing);
/* Of a consumer that has one. OK: the database answers. RETRY: it does not. Blocks as long as a statement may. */
enum verdict MUST_CHECK processing_probe(struct processing *processing, struct problem *problem);

/* Why a unit of work failed. */
struct failure {
  enum failure_class class;
  bool is_unreadable;  /* the record is no event */
  bool is_of_database; /* the session broke, or there was none to be had: seldom the event's doing */
  bool has_no_session; /* there was none to be had: never its doing */
  struct problem problem;
  char sqlstate[6];
  char constraint[64];
};

/* Whether what failed with this SQLSTATE (empty: none, the connection broke) failed because the database is away. Pure. */
bool failure_is_of_connection(const char *sqlstate);

/* The subscription that a record came by; never NULL for a record that Kafka gave us. */
const struct subscription *processing_subscription(const struct processing *processing, const char *topic);

/* Whether GIVE_UP names it: at its next failure it becomes a dead letter, whatever that is. Never where there are none. */
bool processing_is_given_up(const struct processing *processing, const struct record *record);

/* The reader of the event at `index` of the unit in hand: for log lines and dead letters. Borrowed until the next unit. */
const struct event *processing_event(const struct processing *processing, size_t index);

#endif
