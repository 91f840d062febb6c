/*
 * hurry.h - makes a producer's linger.ms end early: "send what you have, now", without blocking the caller.
 *
 * librdkafka has one linger.ms for a producer's whole life. A relay that is behind wants large batches, one that has caught up wants each event sent at once.
 * rd_kafka_flush() is the one call during which linger.ms is ignored, and it blocks; so it is called on a thread of its own, which touches nothing else.
 */
#ifndef PUBLISH_HURRY_H
#define PUBLISH_HURRY_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>

struct hurry;

/* `linger_ms`: the producer's own. NULL: no thread could be had. */
struct hurry *hurry_new(rd_kafka_t *producer, int linger_ms);
/* Never blocks. Much the same whether it is called once or for each record. */
void hurry_now(struct hurry *hurry);
/* Ends the thread: blocks, up to linger_ms. Before rd_kafka_destroy(). Takes NULL. */
void hurry_free(struct hurry *hurry);

#endif
