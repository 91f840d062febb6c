/*
 * oracle.h - what must hold. Judged from outside: by what the model server hears, what the model Kafka holds and what the writers committed. The oracle never asks the
 * relay what it thinks, but for figures that a user would see. The first thing that does not hold ends the history.
 *
 *   I1 I2 I3   a confirmed position passes no event that this session has not heard to be in Kafka, and no end of WAL that it was not told
 *   I4         it never moves back in a session, and is told in time
 *   I5         each session begins where the slot stands, and goes on without a gap
 *   I6         what was read is handed on before anything more is read, so that a relay has one row in memory and the rest is the producer's; and no more in flight, by its
 *              own figures, than the publisher allows
 *   O1 O2 O3   everything committed is in Kafka, nothing else is, per key in the order of the commits; repetitions only as replays of a stretch
 *   O4         no row is published twice in one session
 *   O7         topic, key, value, id, timestamp and position are the row's own
 *   O8         at each status, all before the confirmed position is in the model's log
 *   O9         a receive buffer whose size is fixed is read again within a long pause: left alone it would drop what overflows it
 *   O10        it recovers within a bounded time, without a person where none is needed; a line that stalls behind a pause is left in time, and no other for that reason
 *   O11        while it is held, it says why
 */
#ifndef SIM_ORACLE_H
#define SIM_ORACLE_H

#include "history.h"
#include "model_kafka.h"
#include "publish/publisher.h"

struct world;
struct model_stream;
struct flight;
struct relay;
struct session_figures;

struct oracle {
  Lsn moved_lsn;                                                                   /* where somebody moved the slot, and lost events by it */
  uint32_t moved_process;                                                          /* of the relay, whose witness has to notice */
  uint32_t touched_process;                                                        /* likewise, whatever was lost: it may hold */
  uint32_t first_unappended;                                                       /* transaction with an event that is not in Kafka */
  uint32_t seen[HISTORY_TOPICS_MAX][HISTORY_KEYS_MAX];                             /* first occurrences */
  uint32_t newest[HISTORY_TOPICS_MAX][HISTORY_KEYS_MAX];                           /* rank of the newest record, + 1 */
  uint32_t session_next[HISTORY_RELAYS_MAX][HISTORY_TOPICS_MAX][HISTORY_KEYS_MAX]; /* of each relay: the rank that its session's next record has to have */
  uint32_t session_of[HISTORY_RELAYS_MAX][HISTORY_TOPICS_MAX][HISTORY_KEYS_MAX];
  uint64_t latest[HISTORY_TOPICS_MAX][KAFKA_PARTITIONS_MAX]; /* the place among the commits of what has come furthest, of its first occurrences */
};

void oracle_init(struct world *world);

/* The relay's stream has begun; a message of it is received, and what it was. */
void oracle_on_start(struct world *world, struct model_stream *stream);
void oracle_on_read(struct world *world, const struct model_stream *stream);
void oracle_on_event_read(struct world *world, struct model_stream *stream, uint32_t row);
void oracle_on_commit_read(struct world *world, struct model_stream *stream, uint32_t transaction);
/* A status is sent. */
void oracle_on_status(struct world *world, struct model_stream *stream, Lsn write, Lsn flush, Lsn apply);

/* A record is given to the producer. Fills what is known of the flight and the topic's number; false: a finding. */
bool oracle_on_publish(struct world *world, uint32_t relay, const struct record *record, struct flight *flight, uint32_t *ret_topic);
/* The producer has taken it; false: a finding. */
bool oracle_on_accepted(struct world *world, uint32_t relay, const struct flight *flight);
/* It is in the log. */
void oracle_on_append(struct world *world, uint32_t relay, const struct flight *flight);
/* The relay heard of it. */
void oracle_on_report(struct world *world, struct model_stream *stream, const struct flight *flight);

/* Somebody moves the slot to `lsn`: what is not in Kafka and lies before it will never be. */
void oracle_on_slot_moved(struct world *world, Lsn lsn);
/* The relay holds because of a position: it must have a reason. */
void oracle_on_position_held(struct world *world, const struct relay *relay, const struct problem *problem);
/* The relay has ended in order; `says_drained`: that everything it read is settled and confirmed. */
void oracle_on_stopped(struct world *world, const struct relay *relay, bool says_drained);
/* It has closed its stream for the reason that nothing comes. */
void oracle_on_left_for_stalled(struct world *world, const struct relay *relay);
/* After each turn of a relay. */
void oracle_on_turn(struct world *world, const struct relay *relay, const struct session_figures *figures);

/* Whether everything that was committed is where it belongs and confirmed. */
bool oracle_is_content(struct world *world);
/* At the end. */
void oracle_judge(struct world *world);

#endif
