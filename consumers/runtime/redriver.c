/*
 * redriver.c - a producer, the first error that a delivery report told, and a clock.
 *
 * Records go to the partition that their key has always had (murmur2_random, as the relay and Java's producers choose). Of one key only one record is on its way: the
 * next is queued when Kafka has acknowledged the one before, so that events of a key keep the order that they had in the dead-letter topic, and nothing of a key is sent
 * behind one that was not taken. The first failure ends it. An idempotent producer alone does not do that (what is refused or times out is left out, and the next goes
 * on), and neither does librdkafka's gapless guarantee: it leaves timeouts aside, and a broker that has nothing yet of a producer takes its second batch without the
 * first.
 */
#include "redriver.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fnv1a.h"
#include "moment.h"
#include "redrive.h"

struct redriver {
  rd_kafka_t *kafka;
  int64_t interval_us;                   /* between two records; 0: none */
  int64_t next_us;                       /* monotonic: not before */
  rd_kafka_resp_err_t error;             /* the first */
  char topic[250];                       /* that it was about */
  size_t sent_count;                     /* since all was acknowledged */
  uint64_t sent_keys[REDRIVER_SENT_MAX]; /* what tells their keys apart */
};

/* What ended the producer counts, and not that it has ended. */
static void note(struct redriver *redriver, rd_kafka_resp_err_t error, const char *topic)
{
  if (redriver->error == RD_KAFKA_RESP_ERR_NO_ERROR && error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    char words[256];
    rd_kafka_resp_err_t cause = rd_kafka_fatal_error(redriver->kafka, words, sizeof(words));

    redriver->error = cause == RD_KAFKA_RESP_ERR_NO_ERROR ? error : cause;
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
}

/* Two keys of one digest wait for each other, and that is all. */
static bool is_on_its_way(const struct redriver *redriver, uint64_t digest)
{
  for (size_t i = 0; i < redriver->sent_count; i++) {
    if (redriver->sent_keys[i] == digest) {
      return true;
    }
  }
  return false;
}

enum verdict redriver_await(struct redriver *redriver, const struct record *letter, struct problem *problem)
{
  wait_for_turn(redriver);
  if (redriver->sent_count == REDRIVER_SENT_MAX || (!span_is_null(letter->key) && is_on_its_way(redriver, fnv1a_64(letter->key)))) {
    return redriver_flush(redriver, problem);
  }
  return verdict_of(redriver, problem);
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
  enum verdict verdict = redriver_await(redriver, letter, problem);
  rd_kafka_headers_t *headers;
  rd_kafka_resp_err_t error;

  if (verdict != VERDICT_OK) {
    return verdict;
  }
  redriver->next_us = moment_now().mono_us + redriver->interval_us;
  if (!span_is_null(letter->key)) {
    redriver->sent_keys[redriver->sent_count++] = fnv1a_64(letter->key);
  }
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
  int64_t deadline_us = moment_now().mono_us + INT64_C(1000) * (REDRIVER_TIMEOUT_MS + 1000);

  while (redriver->error == RD_KAFKA_RESP_ERR_NO_ERROR && rd_kafka_outq_len(redriver->kafka) > 0) {
    (void)rd_kafka_poll(redriver->kafka, 100);
    if (moment_now().mono_us > deadline_us) {
      note(redriver, RD_KAFKA_RESP_ERR__TIMED_OUT, "?");
    }
  }
  if (redriver->error == RD_KAFKA_RESP_ERR_NO_ERROR) {
    redriver->sent_count = 0;
  }
  return verdict_of(redriver, problem);
}
