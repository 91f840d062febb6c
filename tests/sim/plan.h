/*
 * plan.h - what a seed decides before anything happens: how large the world is, how fast, and what may go wrong in it. Of the kinds of faults each seed has a random
 * subset of its own (swarm testing): with all at once none would ever run its course.
 */
#ifndef SIM_PLAN_H
#define SIM_PLAN_H

#include "decode/decoder.h"
#include "dice.h"
#include "moment.h"

/* X(NAME, "what goes wrong") */
#define SIM_FAULTS(X)                                                                                                                                          \
  X(CUT, "the replication connection is reset")                                                                                                                \
  X(HALF_OPEN, "the relay loses its connection, and the server does not hear of it")                                                                           \
  X(BACKEND_ENDED, "the walsender is terminated")                                                                                                              \
  X(FREEZE, "nothing passes between relay and PostgreSQL for a while")                                                                                         \
  X(STATUS_BLOCKED, "the socket takes no status for a while")                                                                                                  \
  X(SERVER_CRASH, "PostgreSQL crashes: the slot goes back to what was saved, unflushed commits are gone")                                                      \
  X(SERVER_RESTART, "PostgreSQL is stopped in order, and waits for its walsenders")                                                                            \
  X(SILENCE, "the walsender decodes a large transaction of others, and says nothing meanwhile")                                                                \
  X(SERVER_FULL, "PostgreSQL takes no more connections for a while")                                                                                           \
  X(SLOT_MOVED, "somebody advances the slot: what lies between is given away, and the relay must not go on as if nothing were")                                \
  X(SLOT_TAKEN, "somebody else's relay has the slot for a while: it gets it when it is free, before a start or before the look that follows one")              \
  X(DATABASE_REFUSES, "the catalog is not as it should be, until somebody mends it")                                                                           \
  X(BROKERS_DOWN, "no broker answers for a while")                                                                                                             \
  X(PARTITION_STALLS, "one partition has no leader for a while")                                                                                               \
  X(ACK_LOST, "acknowledgements get lost behind appended records: the reports come much later")                                                                \
  X(CLIENT_BREAKS, "the producer has a fatal error, with or without reports")                                                                                  \
  X(QUEUE_FULL, "the producer's queue is full for a while")                                                                                                    \
  X(TOPIC_REFUSED, "a topic is refused, until somebody mends it")                                                                                              \
  X(TOPIC_SHRINKS, "a topic takes no large records for a while, until somebody mends it")                                                                      \
  X(LOGIN_REFUSED, "Kafka lets nobody in, until somebody mends it")                                                                                            \
  X(RELAY_KILLED, "the relay is killed, and another process started")                                                                                          \
  X(RELAY_STOPPED, "the relay is told to stop (SIGTERM), and another process started")                                                                         \
  X(RELAY_RELOADS, "the relay is told to read its secrets anew (SIGHUP)")                                                                                      \
  X(RELAY_FROZEN, "the relay's process is suspended for a while (SIGSTOP)")                                                                                    \
  X(CLOCK_JUMPS, "the relay's wall clock jumps")                                                                                                               \
  X(LINE_STALLS, "behind a long pause of the relay what PostgreSQL sent meanwhile waits for TCP's timers, and all behind it")

enum sim_fault {
#define X(name, text) FAULT_##name,
  SIM_FAULTS(X)
#undef X
      FAULT_COUNT
};

/* Those before it come at a time that is drawn; it comes behind a pause. */
enum { FAULTS_TIMED = FAULT_LINE_STALLS };

/* What goes wrong, in words; static. */
const char *sim_fault_text(enum sim_fault fault);

enum { PLAN_FAULTS_MAX = 14 };

static inline int64_t seconds_us(int64_t seconds)
{
  return seconds * US_PER_S;
}

struct plan {
  uint64_t seed;

  /* the database */
  enum plugin plugin;
  uint32_t writers;
  uint32_t transactions;     /* so many are written */
  uint32_t rows_typical;     /* rows of a transaction: mostly 0 to this */
  uint32_t rows_large;       /* rows of one in `large_one_in` transactions */
  uint32_t large_one_in;     /* 0: none is large */
  uint32_t rollback_percent; /* of transactions, and of subtransactions */
  uint32_t foreign_percent;  /* of transactions that only move the WAL */
  uint32_t async_percent;    /* of commits that are not flushed at once */
  uint32_t reshape_percent;  /* of transactions that change the table's columns */
  uint32_t poison_percent;   /* of rows that cannot be published as they are */
  uint32_t keys;
  uint32_t topics;
  int64_t think_us;   /* of a writer, between two steps */
  bool tells_wal_end; /* also with data, and with keepalives inside of transactions, where it means nothing */
  bool sends_empty;   /* transactions without rows are sent as begin and commit */
  bool saves_on_stop;
  int64_t wal_sender_timeout_us; /* 0: none */
  uint32_t socket_messages;      /* so many fit into the replication socket */
  bool slices;                   /* messages arrive in pieces of the stream, not all at once */

  /* Kafka */
  uint32_t partitions; /* of each topic */
  uint32_t max_events; /* in flight */
  uint32_t batch_records;
  uint32_t batches_on_the_wire; /* of a partition */
  int64_t linger_us;
  int64_t growth_us;      /* so often topics are given one more partition; 0: never */
  uint32_t named_percent; /* of rows, that name the newest one */

  /* the relay */
  uint32_t relays;
  bool dead_letters; /* policy; else stop */
  int64_t confirm_interval_ms;
  int64_t turn_us;        /* what a turn of the loop costs */
  bool turns_each_second; /* as relay.c does; without, each deadline has to be right */

  int64_t latency_us; /* one way, about */
  uint32_t weight;    /* a message counts as so many times its bytes, so that a few rows can be a backlog */
  bool is_near;       /* what the walsender sends is joined while the relay pauses, so that it may read a backlog in long pauses */
  uint32_t faults;    /* bits of enum sim_fault */
  uint32_t fault_count;
  int64_t active_us; /* so long are there faults; then all is mended */
  bool ends_with_stop;
};

void plan_draw(struct plan *plan, uint64_t seed, struct dice *dice);

#endif
