/*
 * redriver.c - a producer, the first error that a delivery report told, and a clock.
 *
 * Records go to the partition that their key has always had (murmur2_random, as the relay and Java's producers choose). One record after the other is queued and the
 * producer is idempotent, so that events of one key keep the order that they had in the dead-letter topic. The first failure ends it: nothing is sent behind a hole.
 */
#include "redriver.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "moment.h"
#include "redrive.h"

struct redriver {
  rd_kafka_t *kafka;
  int64_t interval_us;       /* between two records; 0: none */
  int64_t next_us;           /* monotonic: not before */
  rd_kafka_resp_err_t error; /* the first */
  char topic[250];           /* that it was about */
};

static void note(struct redriver *redriver, rd_kafka_resp_err_t error, const char *topic)
{
  if (redriver->error == RD_KAFKA_RESP_ERR_NO_ERROR && error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    redriver->error = error;
    (void)snprintf(redriver->topic, sizeof(redriver->topic), "%s", topic);
  }
}

static void on_report(rd_kafka_t *kafka, const rd_kafka_message_t *record, void *opaque)
{
  (void)kafka;
  note(opaque, record->err, rd_kafka_topic_name(record->rkt));
}

static enum verdict verdict_of(const struct redriver *redriver, struct problem *problem)
{
  switch ((int)redriver->error) {
  case RD_KAFKA_RESP_ERR_NO_ERROR:
    return VERDICT_OK;
  case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
  case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
  case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
  case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
  case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
  case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    return problem_set(problem, VERDICT_FATAL, EXIT_KAFKA_REFUSES, "kafka_refuses", "could not redrive to topic \"%s\": %s", redriver->topic,
                       rd_kafka_err2str(redriver->error));
  default:
    return problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "kafka_away", "could not redrive to topic \"%s\": %s", redriver->topic,
                       rd_kafka_err2str(redriver->error));
  }
}

enum verdict redriver_new(rd_kafka_conf_t *conf, int64_t per_second, struct redriver **ret_redriver, struct problem *problem)
{
  static const char *const fixed[][2] = {
      {"enable.idempotence", "true"},      {"acks", "all"},
      {"partitioner", "murmur2_random"},   {"linger.ms", "0"},
      {"message.timeout.ms", "60000"},     {"topic.metadata.propagation.max.ms", "5000"}, /* a topic that an event came from is no new one */
      {"message.max.bytes", "1000000000"},                                                /* the broker judges */
  };
  struct redriver *redriver = calloc(1, sizeof(*redriver));
  char words[512];

  if (redriver == NULL) {
    abort();
  }
  for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
    (void)rd_kafka_conf_set(conf, fixed[i][0], fixed[i][1], NULL, 0);
  }
  rd_kafka_conf_set_opaque(conf, redriver);
  rd_kafka_conf_set_dr_msg_cb(conf, on_report);
  redriver->interval_us = per_second > 0 ? US_PER_S / per_second : 0;
  redriver->kafka = rd_kafka_new(RD_KAFKA_PRODUCER, conf, words, sizeof(words));
  if (redriver->kafka == NULL) {
    rd_kafka_conf_destroy(conf);
    free(redriver);
    return problem_set(problem, VERDICT_FATAL, EXIT_USAGE, "kafka_settings", "could not make a Kafka client: %s", words);
  }
  *ret_redriver = redriver;
  return VERDICT_OK;
}

void redriver_free(struct redriver *redriver)
{
  if (redriver == NULL) {
    return;
  }
  (void)rd_kafka_purge(redriver->kafka, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
  (void)rd_kafka_flush(redriver->kafka, 1000);
  rd_kafka_destroy(redriver->kafka);
  free(redriver);
}

static void wait_for_turn(struct redriver *redriver)
{
  int64_t now_us = moment_now().mono_us;

  while (redriver->interval_us > 0 && now_us < redriver->next_us) {
    int64_t left_us = redriver->next_us - now_us;

    (void)rd_kafka_poll(redriver->kafka, 0);
    left_us = left_us > US_PER_S / 5 ? US_PER_S / 5 : left_us;
    (void)nanosleep(&(struct timespec){.tv_nsec = left_us * 1000}, NULL);
    now_us = moment_now().mono_us;
  }
  redriver->next_us = now_us + redriver->interval_us;
}

static rd_kafka_headers_t *make_headers(const struct record *letter, struct arena *arena)
{
  struct record_header *wanted;
  size_t count = redrive_headers(letter, arena, &wanted);
  rd_kafka_headers_t *headers = rd_kafka_headers_new(count);

  for (size_t i = 0; i < count; i++) {
    if (rd_kafka_header_add(headers, wanted[i].name, -1, wanted[i].value.data, (ssize_t)wanted[i].value.length) != RD_KAFKA_RESP_ERR_NO_ERROR) {
      abort(); /* only a read-only list refuses, and this one is new */
    }
  }
  return headers;
}

enum verdict redriver_send(struct redriver *redriver, const struct record *letter, const char *topic, struct arena *arena, struct problem *problem)
{
  rd_kafka_headers_t *headers;
  rd_kafka_resp_err_t error;

  wait_for_turn(redriver);
  headers = make_headers(letter, arena);
  error = rd_kafka_producev(redriver->kafka, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_KEY(letter->key.data, letter->key.length),
                            RD_KAFKA_V_VALUE((void *)(uintptr_t)letter->value.data, letter->value.length), RD_KAFKA_V_HEADERS(headers),
                            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY | RD_KAFKA_MSG_F_BLOCK), RD_KAFKA_V_END);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    rd_kafka_headers_destroy(headers);
    note(redriver, error, topic);
  }
  (void)rd_kafka_poll(redriver->kafka, 0);
  return verdict_of(redriver, problem);
}

enum verdict redriver_flush(struct redriver *redriver, struct problem *problem)
{
  /* Reports come within message.timeout.ms; the second more is for them to be told. */
  if (rd_kafka_flush(redriver->kafka, REDRIVER_TIMEOUT_MS + 1000) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    note(redriver, RD_KAFKA_RESP_ERR__TIMED_OUT, "?");
  }
  return verdict_of(redriver, problem);
}
