/*
 * client.h - a member of a consumer group, by librdkafka: one record at a time, partitions that come and go, offsets that are committed when we say so.
 *
 * All functions but client_ask_end_offsets() are for one thread. Callbacks come from client_poll() and client_close(), on that thread. Nothing here stores an offset on its
 * own.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include <librdkafka/rdkafka.h>

#include "fetched.h"
#include "log.h"
#include "settings.h"
#include "topic_facts.h"
#include "verdict.h"

enum {
  CLIENT_SESSION_TIMEOUT_MS = 45000,
  CLIENT_QUEUED_KBYTES = 16384,     /* fetched in advance, all partitions together; and the largest answer of a broker, which librdkafka takes from it */
  CLIENT_COMMIT_TIMEOUT_MS = 5000,  /* of a synchronous commit; then what was done may come again, as a duplicate */
  CLIENT_CLOSE_TIMEOUT_MS = 10000,  /* then the group finds out by itself */
  CLIENT_END_TIMEOUT_MS = 3000,     /* of librdkafka's threads, once the group is left */
  CLIENT_COMPLAINT_INTERVAL_S = 60, /* between two log lines for the same error */
  CLIENT_ERRORS_REMEMBERED = 8,
  CLIENT_PARTITIONS_MAX = 4096,
};

/*
 * Of the loop. `is_lost`: the group has given them to others already; nothing of them may be committed. `committed`: what Kafka said to an offset that it was given, of
 * whatever assignment that was.
 */
struct client_hooks {
  void (*assigned)(void *context, const rd_kafka_topic_partition_list_t *partitions);
  void (*revoked)(void *context, const rd_kafka_topic_partition_list_t *partitions, bool is_lost);
  void (*committed)(void *context, const rd_kafka_topic_partition_t *offset, rd_kafka_resp_err_t error);
  void *context;
};

struct client;

/*
 * Joins the group of `settings` and subscribes to the topics of `consumer`. Everything is borrowed for the client's life. FATAL: a setting that librdkafka does not take.
 * That brokers answer is not waited for.
 */
enum verdict MUST_CHECK client_open(const struct consumer *consumer, const struct settings *settings, const struct log *log, const struct client_hooks *hooks,
                                    struct client **ret_client, struct problem *problem);

/*
 * The next record within `timeout_ms`, the caller's; OK with NULL: there is none, and errors that pass are logged. FATAL: this member can go on no more: another one
 * with the same GROUP_INSTANCE_ID took its place, or librdkafka gave up.
 */
enum verdict MUST_CHECK client_poll(struct client *client, int timeout_ms, struct fetched **ret_fetched, struct problem *problem);

/* Stops or goes on fetching a partition. Goes on where it was: behind the last record that client_poll() gave out. Waits for librdkafka's own thread, not for a broker. */
void client_pause(struct client *client, const char *topic, int32_t partition, bool is_paused);

/* Offsets, each one behind the last record that is done. Asynchronous ones are told to librdkafka: the hook `committed` hears what becomes of them, the log where they fail. */
enum verdict client_commit(struct client *client, const rd_kafka_topic_partition_list_t *offsets, bool is_synchronous, struct problem *problem);

/* The end of the partition, as of the last fetch: the offset that its next record will have; -1: not known. */
int64_t client_end_offset(struct client *client, const char *topic, int32_t partition);
/*
 * The ends of the partitions, of one topic, as the brokers say now: what is behind the last record that is there for us to read, in `offset`; -1 for all of them where one
 * is not known. From any thread, as long as the client is there. Blocks for `timeout_ms` at most.
 */
void client_ask_end_offsets(struct client *client, rd_kafka_topic_partition_list_t *partitions, int timeout_ms);

/* What the brokers say of a topic. Blocks for twice `timeout_ms` at most. */
struct topic_facts client_topic_facts(struct client *client, const char *topic, int timeout_ms);

/* The reason why no broker or no topic is there, as of late; "" when nothing is wrong. Borrowed until the next poll. */
const char *client_trouble(const struct client *client);

enum client_end {
  CLIENT_ENDED,     /* and is freed */
  CLIENT_NOT_ENDED, /* the group is left, and librdkafka's threads do not end: the process must, by _exit() */
  CLIENT_NOT_LEFT,  /* neither: not in CLIENT_CLOSE_TIMEOUT_MS, or there is nothing to leave after a fatal error */
};

/* Leaves the group (a static member keeps its place): `revoked` is called. */
enum client_end client_close(struct client *client);

#endif
