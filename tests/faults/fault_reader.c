/*
 * fault_reader.c - says what Kafka holds: reads topics from their beginning by an assignment of its own, without a group, and tells each record in a history (README.md
 * of this folder). It shares nothing with the relay but the broker.
 *
 *   fault_reader [--output FILE] BOOTSTRAP TOPIC...
 *
 * Topics may come into being later, partitions may be added, brokers may go and come back. A record's time `append_ms` is what the topic says (LogAppendTime: the
 * broker's clock when it was appended).
 *
 *   SIGUSR1   reads to where the partitions end now, then says so by a line `caught_up`
 *   SIGTERM   the same, and then ends; after DRAIN_SECONDS without getting there it ends with 3
 */
#include <getopt.h>
#include <librdkafka/rdkafka.h>
#include <openssl/sha.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_line.h"
#include "stop_signal.h"

enum { POLL_MS = 100, ANSWER_MS = 2000, DRAIN_SECONDS = 30, NEW_TOPIC_US = 500000, NEW_PARTITION_US = 3000000 };

struct partition {
  const char *topic; /* borrowed from the arguments */
  int32_t id;
  int64_t next;   /* the offset to read next */
  int64_t target; /* read to here before saying `caught_up` */
};

struct reader {
  rd_kafka_t *consumer;
  char **topics; /* borrowed */
  int topic_count;
  struct partition *partitions; /* owned */
  int partition_count;
  bool are_all_known;   /* each topic has been seen */
  int64_t refreshed_us; /* CLOCK_MONOTONIC */
  bool is_catching_up;  /* towards the targets */
  bool was_asked_again; /* targets are to be taken anew */
  struct json_line line;
  int output;
};

static volatile sig_atomic_t was_asked;

static void take_question(int signal)
{
  (void)signal;
  was_asked = 1;
}

static struct partition *find(const struct reader *reader, const char *topic, int32_t id)
{
  for (int i = 0; i < reader->partition_count; i++) {
    if (reader->partitions[i].id == id && strcmp(reader->partitions[i].topic, topic) == 0) {
      return &reader->partitions[i];
    }
  }
  return NULL;
}

/* Assigns all partitions known, each from where it is read to. */
static void assign(struct reader *reader)
{
  rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(reader->partition_count);
  rd_kafka_resp_err_t error;

  for (int i = 0; i < reader->partition_count; i++) {
    const struct partition *partition = &reader->partitions[i];

    rd_kafka_topic_partition_list_add(list, partition->topic, partition->id)->offset = partition->next == 0 ? RD_KAFKA_OFFSET_BEGINNING : partition->next;
  }
  error = rd_kafka_assign(reader->consumer, list);
  rd_kafka_topic_partition_list_destroy(list);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    (void)fprintf(stderr, "fault_reader: could not assign: %s\n", rd_kafka_err2str(error));
    exit(1);
  }
}

static bool refresh_topic(struct reader *reader, const char *topic, bool *ret_is_new)
{
  rd_kafka_topic_t *handle = rd_kafka_topic_new(reader->consumer, topic, NULL);
  const struct rd_kafka_metadata *metadata = NULL;
  bool is_there = handle != NULL && rd_kafka_metadata(reader->consumer, 0, handle, &metadata, ANSWER_MS) == RD_KAFKA_RESP_ERR_NO_ERROR &&
                  metadata->topic_cnt == 1 && metadata->topics[0].err == RD_KAFKA_RESP_ERR_NO_ERROR && metadata->topics[0].partition_cnt > 0;

  for (int i = 0; is_there && i < metadata->topics[0].partition_cnt; i++) {
    int32_t id = metadata->topics[0].partitions[i].id;

    if (find(reader, topic, id) == NULL) {
      reader->partitions = realloc(reader->partitions, (size_t)(reader->partition_count + 1) * sizeof(*reader->partitions));
      if (reader->partitions == NULL) {
        abort();
      }
      reader->partitions[reader->partition_count++] = (struct partition){.topic = topic, .id = id};
      *ret_is_new = true;
    }
  }
  if (metadata != NULL) {
    rd_kafka_metadata_destroy(metadata);
  }
  if (handle != NULL) {
    rd_kafka_topic_destroy(handle);
  }
  return is_there;
}

/* Looks for topics and partitions that are new, now and then. */
static void refresh(struct reader *reader)
{
  int64_t now_us = stop_signal_clock_us();
  bool is_new = false;

  if (reader->refreshed_us != 0 && now_us - reader->refreshed_us < (reader->are_all_known ? NEW_PARTITION_US : NEW_TOPIC_US)) {
    return;
  }
  reader->are_all_known = true;
  for (int i = 0; i < reader->topic_count; i++) {
    if (!refresh_topic(reader, reader->topics[i], &is_new)) {
      reader->are_all_known = false;
    }
  }
  if (is_new) {
    assign(reader);
  }
  reader->refreshed_us = stop_signal_clock_us();
}

/* One that is not there is null, or not told where it `may_lack`. */
static void tell_header(struct json_line *line, const rd_kafka_headers_t *headers, const char *name, bool may_lack)
{
  const void *value = NULL;
  size_t size = 0;

  if (headers == NULL || rd_kafka_header_get_last(headers, name, &value, &size) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    value = NULL;
  }
  if (value != NULL || !may_lack) {
    json_line_text(line, name, value, size);
  }
}

static void tell_record(struct reader *reader, const rd_kafka_message_t *message)
{
  struct json_line *line = &reader->line;
  rd_kafka_headers_t *headers = NULL;
  unsigned char digest[SHA256_DIGEST_LENGTH];
  char hex[2 * SHA256_DIGEST_LENGTH + 1];

  (void)rd_kafka_message_headers(message, &headers);
  json_line_begin(line, "read");
  json_line_string(line, "topic", rd_kafka_topic_name(message->rkt));
  json_line_number(line, "partition", message->partition);
  json_line_number(line, "offset", message->offset);
  json_line_number(line, "append_ms", rd_kafka_message_timestamp(message, NULL));
  json_line_text(line, "key", message->key, message->key_len);
  tell_header(line, headers, "id", false);
  tell_header(line, headers, "lsn", false);
  tell_header(line, headers, "dead.letter.topic", true);
  tell_header(line, headers, "dead.letter.reason", true);
  tell_header(line, headers, "dead.letter.position", true);
  if (message->payload == NULL) {
    json_line_raw(line, "sha256", "null");
  } else {
    (void)SHA256(message->payload, message->len, digest);
    for (size_t i = 0; i < sizeof(digest); i++) {
      (void)snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    }
    json_line_string(line, "sha256", hex);
  }
  json_line_write(line, reader->output);
}

static void take(struct reader *reader, const rd_kafka_message_t *message)
{
  struct partition *partition = message->rkt != NULL ? find(reader, rd_kafka_topic_name(message->rkt), message->partition) : NULL;

  if (partition == NULL) {
    return; /* news of the client as a whole: brokers that are down */
  }
  if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    /* A second assignment may bring again what was read after its offsets had been taken. */
    if (message->offset >= partition->next) {
      tell_record(reader, message);
      partition->next = message->offset + 1;
    }
  } else if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF && message->offset > partition->next) {
    partition->next = message->offset; /* what ends a partition need not be a record */
  }
}

/* Asks where the partitions end. Returns false when that could not be learned now. */
static bool take_targets(struct reader *reader)
{
  reader->refreshed_us = 0;
  refresh(reader);
  for (int i = 0; i < reader->partition_count; i++) {
    struct partition *partition = &reader->partitions[i];
    int64_t low, high;

    if (rd_kafka_query_watermark_offsets(reader->consumer, partition->topic, partition->id, &low, &high, ANSWER_MS) != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return false;
    }
    partition->target = high;
  }
  return true;
}

static bool has_caught_up(const struct reader *reader)
{
  for (int i = 0; i < reader->partition_count; i++) {
    if (reader->partitions[i].next < reader->partitions[i].target) {
      return false;
    }
  }
  return true;
}

static int read_all(struct reader *reader)
{
  bool is_last = false;

  for (;;) {
    rd_kafka_message_t *message;

    if (stop_signal_was_sent() && !is_last) {
      is_last = true;
      was_asked = 1;
    }
    if (was_asked) {
      was_asked = 0;
      reader->is_catching_up = true;
      reader->was_asked_again = true;
    }
    if (reader->was_asked_again && take_targets(reader)) {
      reader->was_asked_again = false;
    }
    if (reader->is_catching_up && !reader->was_asked_again && has_caught_up(reader)) {
      reader->is_catching_up = false;
      json_line_begin(&reader->line, "caught_up");
      json_line_write(&reader->line, reader->output);
      if (is_last) {
        return 0;
      }
    }
    if (stop_signal_age_us() > DRAIN_SECONDS * INT64_C(1000000)) {
      (void)fprintf(stderr, "fault_reader: could not read to the end of the partitions in %d s\n", DRAIN_SECONDS);
      return 3;
    }
    refresh(reader);
    message = rd_kafka_consumer_poll(reader->consumer, POLL_MS);
    if (message != NULL) {
      take(reader, message);
      rd_kafka_message_destroy(message);
    }
  }
}

static rd_kafka_t *open_consumer(const char *bootstrap)
{
  static const char *const settings[][2] = {
      {"group.id", "fault_reader"},
      {"enable.auto.commit", "false"},
      {"auto.offset.reset", "earliest"},
      {"enable.partition.eof", "true"},
      {"fetch.error.backoff.ms", "50"},
      {"reconnect.backoff.max.ms", "1000"},
      {"queued.max.messages.kbytes", "16384"},
      {"isolation.level", "read_uncommitted"},
      {"log_level", "2"},
  };
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  rd_kafka_t *consumer = NULL;
  char reason[256];
  bool is_good = rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, reason, sizeof(reason)) == RD_KAFKA_CONF_OK;

  for (size_t i = 0; i < sizeof(settings) / sizeof(*settings) && is_good; i++) {
    is_good = rd_kafka_conf_set(conf, settings[i][0], settings[i][1], reason, sizeof(reason)) == RD_KAFKA_CONF_OK;
  }
  if (is_good) {
    consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof(reason));
  }
  if (consumer == NULL) {
    (void)fprintf(stderr, "fault_reader: could not make a consumer: %s\n", reason);
    rd_kafka_conf_destroy(conf);
    return NULL;
  }
  (void)rd_kafka_poll_set_consumer(consumer);
  return consumer;
}

int main(int argc, char **argv)
{
  static const struct option options[] = {{"output", required_argument, NULL, 'o'}, {NULL, 0, NULL, 0}};
  struct sigaction action = {.sa_handler = take_question};
  struct reader reader = {0};
  const char *output = "-";
  int option, code;

  while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
    if (option == '?') {
      optind = argc;
      break;
    }
    output = optarg;
  }
  if (optind + 2 > argc) {
    (void)fprintf(stderr, "usage: fault_reader [--output FILE] BOOTSTRAP TOPIC...\n");
    return 2;
  }
  (void)sigemptyset(&action.sa_mask);
  (void)sigaction(SIGUSR1, &action, NULL);
  stop_signal_install();
  reader.output = json_line_open_file(output);
  reader.consumer = open_consumer(argv[optind]);
  reader.topics = argv + optind + 1;
  reader.topic_count = argc - optind - 1;
  if (reader.consumer == NULL) {
    return 1;
  }
  code = read_all(&reader);
  (void)rd_kafka_consumer_close(reader.consumer);
  rd_kafka_destroy(reader.consumer);
  free(reader.partitions);
  json_line_done(&reader.line);
  return code;
}
