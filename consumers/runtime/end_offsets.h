/*
 * end_offsets.h - where partitions end that are not fetched from. The client knows a partition's end from its fetches: of one that is paused, for a retry that may take
 * hours, it knows the end as it was when the pause began. So the brokers are asked, by a thread, since that blocks: one question at a time, and none, nor a thread, while
 * nobody asks.
 */
#ifndef END_OFFSETS_H
#define END_OFFSETS_H

#include <pthread.h>
#include <stdatomic.h>

#include "client.h"

enum { END_OFFSETS_ANSWER_MS = 1000 /* for the partitions of one topic; so long may the end of the program wait */ };

/* All functions are for the thread of the client. */
struct end_offsets {
  struct client *client;
  rd_kafka_topic_partition_list_t *partitions; /* the thread's until it has answered; NULL: nothing is asked */
  pthread_t thread;
  atomic_bool has_answered;
  atomic_bool is_stopping;
};

/* `client` is borrowed until end_offsets_done(). */
void end_offsets_init(struct end_offsets *ends, struct client *client);
/* Waits for the question that is under way, and for no further topic of it. Before the client is closed. */
void end_offsets_done(struct end_offsets *ends);

/* `partitions` are taken. Nothing happens where there are none, while a question is under way, or where no thread can be had: who wants to know asks again. */
void end_offsets_ask(struct end_offsets *ends, rd_kafka_topic_partition_list_t *partitions);
/* The partitions that were asked about, each with its end in `offset`, -1 where nobody said one; the caller's, to destroy. NULL: there is no answer yet, or no question. */
rd_kafka_topic_partition_list_t *end_offsets_take(struct end_offsets *ends);

#endif
