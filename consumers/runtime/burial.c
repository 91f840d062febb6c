/*
 * burial.c - builds a dead letter and sees that it arrives.
 *
 *   fits the outbox:    BEGIN; INSERT INTO outbox_binary; COMMIT        repeated after a crash it is the same row, and no second dead letter
 *   does not fit:       produce, wait for the report of acks=all         repeated after a crash it is a second dead letter of the same id
 *
 * The number of the dead-letter topic's partitions is asked of the brokers, so that the letter keeps its partition where it can; where they do not answer it follows its key.
 */
#include "burial.h"

#include <stdlib.h>
#include <string.h>

#include "dead_letter.h"
#include "fault_point.h"
#include "moment.h"

/* What the brokers said of a topic. */
struct known_topic {
  char name[DEAD_LETTER_TOPIC_MAX_BYTES + 1];
  int32_t partitions;
  int64_t asked_us;
};

struct burial {
  struct processing *processing;
  struct client *client;
  rd_kafka_t *producer; /* NULL until it is needed */
  struct known_topic topics[CONSUMER_SUBSCRIPTIONS_MAX];
};

/* Of the one record in hand. */
struct report {
  bool is_there;
  rd_kafka_resp_err_t error;
};

struct burial *burial_new(struct processing *processing, struct client *client)
{
  struct burial *burial = calloc(1, sizeof(*burial));

  if (burial == NULL) {
    abort();
  }
  burial->processing = processing;
  burial->client = client;
  return burial;
}

void burial_free(struct burial *burial)
{
  if (burial != NULL) {
    if (burial->producer != NULL) {
      rd_kafka_destroy(burial->producer);
    }
    free(burial);
  }
}

/* The place of `topic`, or of the one asked longest ago. */
static struct known_topic *known(struct burial *burial, const char *topic)
{
  struct known_topic *oldest = &burial->topics[0];

  for (size_t i = 0; i < CONSUMER_SUBSCRIPTIONS_MAX; i++) {
    if (strcmp(burial->topics[i].name, topic) == 0) {
      return &burial->topics[i];
    }
    if (burial->topics[i].asked_us < oldest->asked_us) {
      oldest = &burial->topics[i];
    }
  }
  *oldest = (struct known_topic){0};
  (void)snprintf(oldest->name, sizeof(oldest->name), "%s", topic);
  return oldest;
}

/* 0: not known. */
static int32_t partitions_of(struct burial *burial, const char *topic)
{
  struct known_topic *place = known(burial, topic);
  int64_t now_us = moment_now().mono_us;

  if (place->asked_us == 0 || now_us - place->asked_us > BURIAL_PARTITIONS_TTL_S * INT64_C(1000000)) {
    place->partitions = client_partitions(burial->client, topic, BURIAL_ANSWER_TIMEOUT_MS);
    place->asked_us = now_us;
  }
  return place->partitions;
}

static enum verdict fail(struct failure *failure, enum verdict verdict)
{
  failure->class = FAILURE_TRANSIENT;
  return verdict;
}

/* POISON: the table has other limits than we know of. */
static enum verdict bury_in_outbox(struct burial *burial, const struct dead_letter *letter, struct failure *failure)
{
  struct parameter parameters[DEAD_LETTER_PARAMETERS];
  struct work_outcome outcome;
  struct work *work = NULL;
  enum verdict verdict = work_begin(burial->processing->database, &work, &outcome);

  if (verdict == VERDICT_OK) {
    dead_letter_parameters(letter, &burial->processing->arena, parameters);
    work_queue(work, &dead_letter_insert, DEAD_LETTER_PARAMETERS, parameters);
    verdict = work_commit(work, &outcome);
  }
  if (verdict == VERDICT_OK) {
    return VERDICT_OK;
  }
  failure->problem = outcome.problem;
  failure->is_of_database = failure_is_of_connection(outcome.sqlstate);
  memcpy(failure->sqlstate, outcome.sqlstate, sizeof(failure->sqlstate));
  memcpy(failure->constraint, outcome.constraint, sizeof(failure->constraint));
  return fail(failure, verdict == VERDICT_POISON ? VERDICT_POISON : VERDICT_RETRY);
}

static void on_report(rd_kafka_t *kafka, const rd_kafka_message_t *message, void *opaque)
{
  struct report *report = message->_private;

  (void)kafka;
  (void)opaque;
  report->is_there = true;
  report->error = message->err;
}

static void on_log(const rd_kafka_t *kafka, int level, const char *facility, const char *words)
{
  const struct processing *processing = rd_kafka_opaque(kafka);

  (void)level;
  log_event(processing->log, LOG_DEBUG, "kafka_client", log_text("facility", facility), log_text("message", words));
}

/* With the settings of the consumer, of which a producer needs addresses and credentials; librdkafka ignores the rest. */
static enum verdict open_producer(struct burial *burial, struct problem *problem)
{
  const struct settings *settings = burial->processing->settings;
  const char *const properties[][2] = {
      {"client.id", burial->processing->consumer->name},
      {"bootstrap.servers", settings->brokers},
      {"enable.idempotence", "true"},
      {"partitioner", "murmur2_random"},
      {"message.timeout.ms", "8000"}, /* less than BURIAL_PRODUCE_TIMEOUT_MS: a report comes in any case */
      {"topic.metadata.propagation.max.ms", "2000"},
      {"message.max.bytes", "1000000000"}, /* the broker judges: a limit of our own would hold what other clients may publish for ever */
      {"linger.ms", "0"},
      {NULL, NULL},
  };
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  enum verdict verdict = kafka_settings_apply(&settings->kafka, conf, problem);
  char error[512];

  for (size_t i = 0; properties[i][0] != NULL && verdict == VERDICT_OK; i++) {
    if (rd_kafka_conf_set(conf, properties[i][0], properties[i][1], error, sizeof(error)) != RD_KAFKA_CONF_OK) {
      verdict = problem_set(problem, VERDICT_RETRY, EXIT_USAGE, "kafka_property", "%s", error);
    }
  }
  rd_kafka_conf_set_opaque(conf, burial->processing);
  rd_kafka_conf_set_dr_msg_cb(conf, on_report);
  rd_kafka_conf_set_log_cb(conf, on_log);
  if (verdict == VERDICT_OK) {
    burial->producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof(error));
    if (burial->producer != NULL) {
      return VERDICT_OK;
    }
    verdict = problem_set(problem, VERDICT_RETRY, EXIT_USAGE, "kafka_client", "could not make a Kafka producer: %s", error);
  }
  rd_kafka_conf_destroy(conf);
  return verdict;
}

static rd_kafka_headers_t *headers_of(const struct dead_letter *letter)
{
  rd_kafka_headers_t *headers = rd_kafka_headers_new(letter->header_count);

  for (size_t i = 0; i < letter->header_count; i++) {
    (void)rd_kafka_header_add(headers, letter->headers[i].name, -1, letter->headers[i].value.data, (ssize_t)letter->headers[i].value.length);
  }
  return headers;
}

static enum verdict bury_by_producer(struct burial *burial, const struct dead_letter *letter, struct failure *failure)
{
  int64_t deadline_us = moment_now().mono_us + BURIAL_PRODUCE_TIMEOUT_MS * INT64_C(1000);
  struct report report = {0};
  rd_kafka_headers_t *headers;
  rd_kafka_resp_err_t error;

  if (burial->producer == NULL && open_producer(burial, &failure->problem) != VERDICT_OK) {
    return fail(failure, VERDICT_RETRY);
  }
  headers = headers_of(letter);
  error = rd_kafka_producev(burial->producer, RD_KAFKA_V_TOPIC(letter->topic),
                            RD_KAFKA_V_PARTITION(letter->partition == DEAD_LETTER_PARTITION_BY_KEY ? RD_KAFKA_PARTITION_UA : letter->partition),
                            RD_KAFKA_V_KEY(letter->key.data, letter->key.length), RD_KAFKA_V_VALUE((void *)(uintptr_t)letter->value.data, letter->value.length),
                            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_OPAQUE(&report), RD_KAFKA_V_END);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    rd_kafka_headers_destroy(headers);
    report = (struct report){.is_there = true, .error = error};
  }
  while (!report.is_there && moment_now().mono_us < deadline_us) {
    (void)rd_kafka_poll(burial->producer, 100);
  }
  if (report.is_there && report.error == RD_KAFKA_RESP_ERR_NO_ERROR) {
    return VERDICT_OK;
  }
  (void)problem_set(&failure->problem, VERDICT_RETRY, EXIT_UNEXPECTED, "dead_letter_not_taken", "topic %s did not take the dead letter: %s", letter->topic,
                    report.is_there ? rd_kafka_err2str(report.error) : "no report");
  /* A report that is still to come would find no place: with the producer it goes. A producer with a fatal error is of no use either. */
  rd_kafka_purge(burial->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
  (void)rd_kafka_flush(burial->producer, 1000);
  rd_kafka_destroy(burial->producer);
  burial->producer = NULL;
  return fail(failure, VERDICT_RETRY);
}

enum verdict burial_run(struct burial *burial, const struct fetched *fetched, const struct lane_head *head, const struct failure *failure,
                        struct failure *ret_failure)
{
  struct processing *processing = burial->processing;
  const char *topic = dead_letter_topic(fetched->record.topic, processing->consumer->dead_letter_suffix, &processing->arena);
  int64_t now_us = moment_now().wall_us;
  struct dead_letter_cause cause = {
      .consumer = processing->consumer->name,
      .group = processing->settings->group_id,
      .host = processing->host,
      .problem = &failure->problem,
      .sqlstate = failure->sqlstate,
      .constraint = failure->constraint,
      .is_unreadable = failure->is_unreadable,
      .attempts = head->attempts + 1,
      .first_failure_us = head->first_failed_us != 0 ? head->first_failed_us : now_us,
      .last_failure_us = now_us,
  };
  enum verdict verdict = VERDICT_POISON;
  struct dead_letter letter;

  *ret_failure = (struct failure){0};
  if (topic == NULL) {
    (void)problem_set(&ret_failure->problem, VERDICT_RETRY, EXIT_USAGE, "dead_letter_topic", "the name of topic %s is too long for a dead-letter topic",
                      fetched->record.topic);
    return fail(ret_failure, VERDICT_RETRY);
  }
  dead_letter_build(&letter, &fetched->record, processing_event(processing, 0), &cause, topic, partitions_of(burial, topic), &processing->arena);
  CRASH_POINT(BEFORE_LETTER);
  if (dead_letter_fits_outbox(&letter, NULL)) {
    verdict = bury_in_outbox(burial, &letter, ret_failure);
  }
  if (verdict == VERDICT_POISON) {
    verdict = bury_by_producer(burial, &letter, ret_failure);
  }
  if (verdict == VERDICT_OK) {
    CRASH_POINT(AFTER_LETTER);
  }
  return verdict;
}
