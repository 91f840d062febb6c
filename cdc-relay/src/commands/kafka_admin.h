/*
 * kafka_admin.h - what the one-shot commands ask of Kafka: which topics there are, what they accept, and making new ones. Blocks, each call at most
 * KAFKA_ADMIN_TIMEOUT_MS. Never makes a broker create a topic by asking for it.
 */
#ifndef COMMANDS_KAFKA_ADMIN_H
#define COMMANDS_KAFKA_ADMIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "verdict.h"

enum { KAFKA_ADMIN_TIMEOUT_MS = 10000, KAFKA_TOPIC_CLEANUP_SIZE = 32 };

struct kafka_admin;

/* A client with the configuration's kafka properties; connects in the background. FATAL 2 when librdkafka refuses a property. */
enum verdict MUST_CHECK kafka_admin_open(const struct config *config, struct kafka_admin **ret_admin, struct problem *problem);
void kafka_admin_close(struct kafka_admin *admin); /* takes NULL */

struct kafka_topic {
  const char *name; /* of the caller */
  bool exists;      /* and we may see it */
  int partitions;
  /* The topic's settings; not known where the client may not ask for them, or the broker is too old. */
  int64_t max_message_bytes;              /* -1: not known */
  int64_t retention_ms;                   /* -1: for ever */
  bool has_retention;                     /* it is known */
  char cleanup[KAFKA_TOPIC_CLEANUP_SIZE]; /* cleanup.policy; empty: not known */
};

/* Fills all but the names. RETRY: no broker answered. FATAL 6: authentication. */
enum verdict MUST_CHECK kafka_admin_describe(struct kafka_admin *admin, struct kafka_topic *topics, size_t count, struct problem *problem);

/* Creates one topic; `partitions` or `replication` -1: the broker's default. OK with *ret_created false when it exists. RETRY, FATAL 6. */
enum verdict MUST_CHECK kafka_admin_create(struct kafka_admin *admin, const char *name, int partitions, int replication, bool *ret_created,
                                           struct problem *problem);

/* What the producer uses: the property's effective value, or -1. */
int64_t kafka_admin_setting(const struct kafka_admin *admin, const char *property);

/*
 * The exact topic names that the configuration can publish to: allow lists and dead-letter topics (delivery.poison_once uses them under any policy), each once; `prefix*` patterns are counted in
 * *ret_patterns. The array is malloc'ed, the names are the configuration's.
 */
const char **kafka_topic_names(const struct config *config, size_t *ret_count, size_t *ret_patterns);

#endif
