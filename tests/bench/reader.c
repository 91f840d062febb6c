/*
 * reader.c - reads a topic from its beginning and says what it saw: the independent end of every measurement. It shares nothing with the relay but the broker.
 *
 *   reader -b BOOTSTRAP drain TOPIC COUNT SECONDS [WARM]
 *       records, their bytes, and the broker's append times of the first and the last one, which is how long a drain took (the topic needs
 *       message.timestamp.type=LogAppendTime). With WARM the first one is that behind so many, by append time: what a JVM did while it warmed up is no part of it;
 *       and `cold_first_ms`, `cold_last_ms` are of as many records from the very first one on
 *
 *   reader -b BOOTSTRAP latency TOPIC SKIP SECONDS
 *       from the writer's clock in a payload ("sent_us", before its INSERT) to the moment when the record is here. The first SKIP records are not counted: the
 *       first ones of a producer wait for its id and for the topic's metadata. A line `ready=1` says that they are here, and so that this reader is awake.
 *       What the writer wrote before it measured ("sent_us" 0) is read and has no latency. It ends QUIET_MS after the last record
 *
 * Prints NAME=VALUE lines. Exit code 1: not all that was wanted had come after SECONDS.
 */
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "durations.h"

enum { ANSWER_TIMEOUT_MS = 10000, POLL_MS = 200, QUIET_MS = 2000 };

struct seen {
  int64_t records;
  int64_t bytes;              /* keys and values */
  struct durations append_ms; /* moments, kept for their order */
  int64_t wanted;             /* records; with latencies those that are skipped */
  bool is_latency;
  struct durations latency;
};

static int64_t clock_us(clockid_t clock)
{
  struct timespec now;

  (void)clock_gettime(clock, &now);
  return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

static int fail(const char *doing, const char *why)
{
  (void)fprintf(stderr, "reader: could not %s: %s\n", doing, why);
  return 1;
}

/* Returns 0 when the payload carries no clock. */
static int64_t sent_us(const rd_kafka_message_t *message)
{
  static const char name[] = "\"sent_us\":";
  const char *found = memmem(message->payload, message->len, name, sizeof(name) - 1);
  char digits[24] = "";

  if (found == NULL) {
    return 0;
  }
  found += sizeof(name) - 1;
  for (size_t i = 0; i < sizeof(digits) - 1 && found + i < (const char *)message->payload + message->len && found[i] >= '0' && found[i] <= '9'; i++) {
    digits[i] = found[i];
  }
  return strtoll(digits, NULL, 10);
}

static void see(struct seen *seen, const rd_kafka_message_t *message)
{
  int64_t now_us = clock_us(CLOCK_REALTIME);

  seen->records++;
  seen->bytes += (int64_t)(message->len + message->key_len);
  if (seen->is_latency) {
    int64_t sent = sent_us(message);

    if (seen->records == seen->wanted) {
      printf("ready=1\n");
      (void)fflush(stdout);
    }
    if (sent != 0 && seen->records > seen->wanted) {
      durations_add(&seen->latency, now_us - sent);
    }
  } else {
    durations_add(&seen->append_ms, rd_kafka_message_timestamp(message, NULL));
  }
}

/* Everything of the topic, from the first record on; no group, nothing committed. */
static bool assign(rd_kafka_t *consumer, const char *topic)
{
  rd_kafka_topic_t *handle = rd_kafka_topic_new(consumer, topic, NULL);
  const struct rd_kafka_metadata *metadata = NULL;
  rd_kafka_topic_partition_list_t *partitions = rd_kafka_topic_partition_list_new(16);
  rd_kafka_resp_err_t error = rd_kafka_metadata(consumer, 0, handle, &metadata, ANSWER_TIMEOUT_MS);

  if (error == RD_KAFKA_RESP_ERR_NO_ERROR && metadata->topic_cnt == 1) {
    error = metadata->topics[0].err;
    for (int i = 0; i < metadata->topics[0].partition_cnt; i++) {
      rd_kafka_topic_partition_list_add(partitions, topic, metadata->topics[0].partitions[i].id)->offset = RD_KAFKA_OFFSET_BEGINNING;
    }
  }
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
    error = rd_kafka_assign(consumer, partitions);
  }
  rd_kafka_topic_partition_list_destroy(partitions);
  if (metadata != NULL) {
    rd_kafka_metadata_destroy(metadata);
  }
  rd_kafka_topic_destroy(handle);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    (void)fail("read the topic", rd_kafka_err2str(error));
  }
  return error == RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_t *open_consumer(const char *bootstrap)
{
  static const char *const settings[][2] = {
      {"group.id", "bench"}, {"enable.auto.commit", "false"}, {"auto.offset.reset", "earliest"}, {"fetch.error.backoff.ms", "5"}, {"log_level", "2"},
  };
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  rd_kafka_t *consumer = NULL;
  char words[512] = "";
  bool is_good = rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, words, sizeof(words)) == RD_KAFKA_CONF_OK;

  for (size_t i = 0; is_good && i < sizeof(settings) / sizeof(settings[0]); i++) {
    is_good = rd_kafka_conf_set(conf, settings[i][0], settings[i][1], words, sizeof(words)) == RD_KAFKA_CONF_OK;
  }
  if (is_good) {
    consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, words, sizeof(words));
  }
  if (consumer == NULL) {
    rd_kafka_conf_destroy(conf);
    (void)fail("make a consumer", words);
    return NULL;
  }
  (void)rd_kafka_poll_set_consumer(consumer);
  return consumer;
}

/* Whether all came that was wanted: so many records, or with latencies more than that, until no more come. */
static bool read_all(rd_kafka_t *consumer, int64_t seconds, struct seen *seen)
{
  int64_t last_us = clock_us(CLOCK_MONOTONIC);
  int64_t deadline_us = last_us + seconds * 1000000;

  while (clock_us(CLOCK_MONOTONIC) < deadline_us) {
    rd_kafka_message_t *message;

    if (seen->is_latency ? seen->records > seen->wanted && clock_us(CLOCK_MONOTONIC) - last_us > QUIET_MS * 1000 : seen->records >= seen->wanted) {
      return true;
    }
    message = rd_kafka_consumer_poll(consumer, POLL_MS);
    if (message == NULL) {
      continue;
    }
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      see(seen, message);
      last_us = clock_us(CLOCK_MONOTONIC);
    }
    rd_kafka_message_destroy(message);
  }
  return seen->records >= seen->wanted && !seen->is_latency;
}

int main(int argc, char **argv)
{
  struct seen seen = {0};
  rd_kafka_t *consumer;
  int64_t warm;
  bool is_whole;

  if (argc < 7 || strcmp(argv[1], "-b") != 0 || (strcmp(argv[3], "drain") != 0 && strcmp(argv[3], "latency") != 0)) {
    (void)fprintf(stderr, "usage: reader -b BOOTSTRAP drain|latency TOPIC COUNT|SKIP SECONDS [WARM]\n");
    return 2;
  }
  seen.is_latency = strcmp(argv[3], "latency") == 0;
  seen.wanted = strtoll(argv[5], NULL, 10);
  warm = argc > 7 ? strtoll(argv[7], NULL, 10) : 0;
  consumer = open_consumer(argv[2]);
  if (consumer == NULL) {
    return 1;
  }
  is_whole = assign(consumer, argv[4]) && read_all(consumer, strtoll(argv[6], NULL, 10), &seen);
  printf("records=%" PRId64 "\nbytes=%" PRId64 "\n", seen.records, seen.bytes);
  durations_sort(&seen.append_ms);
  if (warm >= 0 && (size_t)warm < seen.append_ms.count) {
    printf("first_ms=%" PRId64 "\nlast_ms=%" PRId64 "\n", seen.append_ms.us[warm], seen.append_ms.us[seen.append_ms.count - 1]);
    printf("cold_first_ms=%" PRId64 "\ncold_last_ms=%" PRId64 "\n", seen.append_ms.us[0], seen.append_ms.us[seen.append_ms.count - (size_t)warm - 1]);
  }
  durations_done(&seen.append_ms);
  durations_print(&seen.latency, "latency");
  durations_done(&seen.latency);
  (void)rd_kafka_consumer_close(consumer);
  rd_kafka_destroy(consumer);
  return is_whole ? 0 : 1;
}
