/*
 * kafka_bench.h - a publisher, a MOCK cluster for it (librdkafka's, in this process) and a reader, for the publisher's tests. The mock proves nothing about
 * Kafka: it checks no sequence numbers of plain producers, for one. Each wait is bounded by KAFKA_BENCH_TIMEOUT_MS and fails the test when it runs out.
 */
#ifndef TESTS_UNIT_KAFKA_BENCH_H
#define TESTS_UNIT_KAFKA_BENCH_H

#include <librdkafka/rdkafka.h>

#include <librdkafka/rdkafka_mock.h>

#include "config/config.h"
#include "publish/publisher.h"

enum { KAFKA_BENCH_TIMEOUT_MS = 60000, KAFKA_BENCH_PROPERTIES_MAX = 16, KAFKA_BENCH_TOKENS_MAX = 20000 };

struct kafka_bench {
  rd_kafka_t *host;
  rd_kafka_mock_cluster_t *cluster;
  struct config_property properties[KAFKA_BENCH_PROPERTIES_MAX];
  struct config_outbox outbox;
  struct config config;
  struct log log;
  struct publisher *publisher;

  /* What the reports said. */
  int reports;
  int outcomes[REPORT_LOST + 1];
  int by_token[KAFKA_BENCH_TOKENS_MAX]; /* how many reports this token had */
  enum report_outcome first, last;
  struct report last_refusal;
  struct problem refusal;
};

/* One broker, no topic; the publisher is made by kafka_bench_open(). Properties are added by kafka_bench_set() before that. */
void kafka_bench_init(struct kafka_bench *bench);
void kafka_bench_done(struct kafka_bench *bench);
void kafka_bench_set(struct kafka_bench *bench, const char *name, const char *value);
void kafka_bench_topic(struct kafka_bench *bench, const char *name, int partitions);

/* Makes the publisher unless there is one, and opens it, waiting while the client before is being destroyed. */
void kafka_bench_open(struct kafka_bench *bench);

struct record kafka_bench_record(const char *topic, const char *key, const char *value);
/* Publishes and expects OK; waits while it says WAIT. */
void kafka_bench_publish(struct kafka_bench *bench, const struct record *record, uint64_t token);
/* Publishes a record with that key alone and forgets its report: from then on several may be on their way to its partition at once. */
void kafka_bench_prove(struct kafka_bench *bench, const struct record *record);
/* Serves reports until there were `count` in all since the last kafka_bench_forget(). Returns the last verdict; returns at once when it is not OK. */
enum verdict kafka_bench_wait_reports(struct kafka_bench *bench, int count);
/* Serves reports until the figure is as wanted. */
void kafka_bench_wait_connected(struct kafka_bench *bench, bool is_connected);
/* Serves until a verdict other than OK. */
enum verdict kafka_bench_wait_broken(struct kafka_bench *bench, struct problem *problem);
/* Stops the publisher's own timer, for tests that its turns would help over a missing wake-up. */
void kafka_bench_stop_timer(struct kafka_bench *bench);
/* Serves nothing; waits until the mock has used up the errors that it was told for that API. */
void kafka_bench_wait_errors_taken(struct kafka_bench *bench, int16_t api_key);
void kafka_bench_forget(struct kafka_bench *bench);

/* Reads `count` records of a topic's partitions 0 .. partitions - 1 from the beginning and calls `see` with each. Fails the test if there are fewer or more. */
typedef void (*SeeFunction)(void *context, const rd_kafka_message_t *message);
void kafka_bench_read(struct kafka_bench *bench, const char *topic, int partitions, int count, SeeFunction see, void *context);

#endif
