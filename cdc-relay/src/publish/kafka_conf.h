/*
 * kafka_conf.h - librdkafka's configuration from ours: the user's properties first, then what the guarantees rest on, which nothing overrides.
 */
#ifndef PUBLISH_KAFKA_CONF_H
#define PUBLISH_KAFKA_CONF_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"

/*
 * A producer's configuration, owned by the caller; the partitioner expects each message's opaque value to be a struct in_flight. NULL with at least one
 * problem added, in librdkafka's words (never a secret's value). `with_servers` false leaves bootstrap.servers out: such a producer connects to nothing.
 */
rd_kafka_conf_t *kafka_conf_new(const struct config *config, bool with_servers, struct problem_list *problems);

/* queue.buffering.max.messages and .max.kbytes (in bytes) as they stand in `conf`. */
uint32_t kafka_conf_max_messages(const rd_kafka_conf_t *conf);
int64_t kafka_conf_max_bytes(const rd_kafka_conf_t *conf);

/* Full batches need a tenth of the broker's work; the events for which it holds are older than five times that (session/session_priv.h). */
enum { LINGER_WHILE_BEHIND_MS = 20 };

/*
 * Where events are not to wait for company (linger.ms 0), lets them wait all the same, for LINGER_WHILE_BEHIND_MS: the client has a hurry (hurry.h) and so can
 * end the wait. False: the user wants a linger of his own, and `conf` is as it was.
 */
bool kafka_conf_let_linger(rd_kafka_conf_t *conf);

/*
 * Everything that can be found out without a broker: each property alone, and all of them together (by making a producer that has no servers, and ending it:
 * some milliseconds, reads certificate files). Adds to `problems`.
 */
void kafka_conf_check(const struct config *config, struct problem_list *problems);

#endif
