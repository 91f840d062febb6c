/*
 * burial.c - builds a dead letter and sees that it arrives.
 *
 *   fits the outbox:    BEGIN; INSERT INTO outbox_binary; COMMIT        repeated after a crash it is the same row, and no second dead letter
 *   does not fit:       produce, wait for the report of acks=all         repeated after a crash it is a second dead letter of the same id
 *   no database:        the same
 *
 * The brokers are asked of the topic first (topic_facts.h): whether it is there; its partitions, so that the letter keeps its own where it can; the largest record that it
 * takes, since a letter is larger than its event was, and one that Kafka refuses would hold the relay. A letter that is too large says less, and goes as it came in the end.
 * Where the brokers do not answer the letter follows its key, says all, and the relay finds out.
 *
 * What the program itself keeps of an event that is given up (consumer->given_up) is in the same transaction; where a producer takes the letter, in one before that.
 */
#include "burial.h"

#include <stdlib.h>
#include <string.h>

#include "dead_letter.h"
#include "fault_point.h"
#include "moment.h"

struct burial {
  struct processing *processing;
  struct client *client;
  rd_kafka_t *producer; /* NULL until it is needed */
  struct topic_memory topics;
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

static const struct topic_facts *facts_of(struct burial *burial, const char *topic)
{
  const struct topic_facts *known = topic_memory_find(&burial->topics, topic, moment_now().mono_us);

  if (known == NULL) {
    struct topic_facts answer = client_topic_facts(burial->client, topic, BURIAL_ANSWER_TIMEOUT_MS);

    known = topic_memory_note(&burial->topics, topic, &answer, moment_now().mono_us);
  }
  return known;
}

static enum verdict fail(struct failure *failure, enum verdict verdict)
{
  failure->class = FAILURE_TRANSIENT;
  return verdict;
}

/* ------------------------------------------------------------------------------------------------------------------------------------------------------- */
/* By the database */

/* One transaction: what the program keeps (`why`; NULL: nothing) and the letter (NULL: none). POISON: the table has other limits than we know of. */
static enum verdict write_down(struct burial *burial, const char *why, const struct dead_letter *letter, struct failure *failure)
{
  struct processing *processing = burial->processing;
  struct parameter parameters[DEAD_LETTER_PARAMETERS];
  struct work_outcome outcome;
  struct work *work = NULL;
  enum verdict verdict = work_begin(processing->database, &work, &outcome);

  *failure = (struct failure){.has_no_session = verdict != VERDICT_OK};
  if (verdict == VERDICT_OK) {
    if (why != NULL) {
      processing->consumer->given_up(processing->consumer->state, processing_event(processing, 0), work, why);
    }
    if (letter != NULL) {
      dead_letter_parameters(letter, &processing->arena, parameters);
      work_queue(work, &dead_letter_insert, DEAD_LETTER_PARAMETERS, parameters);
    }
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

/* The same. What the program keeps is not worth the letter: where the database takes it for wrong, that is told, and the letter goes without. */
static enum verdict write_down_or_less(struct burial *burial, const char *why, const struct dead_letter *letter, struct failure *failure)
{
  enum verdict verdict = write_down(burial, why, letter, failure);
  struct failure both;

  if (verdict == VERDICT_OK || why == NULL || failure_class_of(verdict, failure->sqlstate) == FAILURE_TRANSIENT) {
    return verdict;
  }
  both = *failure;
  verdict = letter != NULL ? write_down(burial, NULL, letter, failure) : VERDICT_OK;
  if (verdict == VERDICT_OK) { /* else it is the letter that the database refuses, or nobody knows */
    const struct event *event = processing_event(burial->processing, 0);

    log_event(burial->processing->log, LOG_WARN, "given_up_not_noted", log_text("topic", event->topic), log_int("partition", event->partition),
              log_int("offset", event->offset), log_text("event_id", event->id), log_text("correlation_id", event->origin.correlation_id),
              log_text("sqlstate", both.sqlstate), log_text("constraint", both.constraint[0] != '\0' ? both.constraint : NULL));
  }
  return verdict;
}

/* ------------------------------------------------------------------------------------------------------------------------------------------------------- */
/* By a producer */

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

/* POISON: the topic takes no record as large as this letter. */
static enum verdict produce(struct burial *burial, const struct dead_letter *letter, struct failure *failure)
{
  int64_t deadline_us = moment_now().mono_us + BURIAL_PRODUCE_TIMEOUT_MS * INT64_C(1000);
  struct report report = {0};
  rd_kafka_headers_t *headers;
  rd_kafka_resp_err_t error;
  bool is_too_large;

  processing_moves(burial->processing);
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
  is_too_large = report.is_there && (report.error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE || report.error == RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE);
  /* A report that is still to come would find no place: with the producer it goes. A producer with a fatal error is of no use either. */
  rd_kafka_purge(burial->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
  (void)rd_kafka_flush(burial->producer, 1000);
  rd_kafka_destroy(burial->producer);
  burial->producer = NULL;
  return fail(failure, is_too_large ? VERDICT_POISON : VERDICT_RETRY);
}

/* ------------------------------------------------------------------------------------------------------------------------------------------------------- */

/* What is to be buried, and where. */
struct grave {
  const struct record *record;
  const struct event *event;
  const char *topic;
  const struct topic_facts *facts;
  struct dead_letter_cause *cause;
};

static void build(const struct grave *grave, enum dead_letter_detail detail, struct arena *arena, struct dead_letter *ret_letter)
{
  grave->cause->detail = detail;
  dead_letter_build(ret_letter, grave->record, grave->event, grave->cause, grave->topic, grave->facts->partitions, arena);
}

/* The most detailed letter that outbox and topic take. False: none, as far as is known. */
static bool build_for_outbox(const struct grave *grave, struct arena *arena, struct dead_letter *ret_letter)
{
  for (enum dead_letter_detail detail = DEAD_LETTER_WHOLE; detail < DEAD_LETTER_BARE; detail++) {
    build(grave, detail, arena, ret_letter);
    if (!dead_letter_fits_outbox(ret_letter, NULL)) {
      return false;
    }
    if (grave->facts->record_max_bytes == 0 || dead_letter_bytes(ret_letter) + BURIAL_RELAY_ADDS_BYTES <= (size_t)grave->facts->record_max_bytes) {
      return true;
    }
  }
  return false;
}

/* The most detailed letter that the broker takes; it is the judge. */
static enum verdict bury_by_producer(struct burial *burial, const struct grave *grave, struct failure *failure)
{
  struct dead_letter letter;
  enum verdict verdict = VERDICT_POISON;

  for (enum dead_letter_detail detail = DEAD_LETTER_WHOLE; detail <= DEAD_LETTER_BARE && verdict == VERDICT_POISON; detail++) {
    build(grave, detail, &burial->processing->arena, &letter);
    verdict = produce(burial, &letter, failure);
  }
  if (verdict == VERDICT_POISON) {
    (void)problem_set(&failure->problem, VERDICT_RETRY, EXIT_KAFKA_REFUSES, "dead_letter_too_large",
                      "topic %s takes no record of %zu bytes, which the event has without any header of ours", grave->topic, dead_letter_bytes(&letter));
    problem_hint(
        &failure->problem,
        "kafka-configs.sh --bootstrap-server %s --alter --entity-type topics --entity-name %s --add-config max.message.bytes=%zu; this goes on by itself then",
        burial->processing->settings->brokers, grave->topic, dead_letter_bytes(&letter) + DEAD_LETTER_ROOM_BYTES);
    return fail(failure, VERDICT_RETRY);
  }
  return verdict;
}

static enum verdict bury(struct burial *burial, const struct fetched *fetched, const struct lane_head *head, const struct failure *failure,
                         struct failure *ret_failure)
{
  struct processing *processing = burial->processing;
  const struct consumer *consumer = processing->consumer;
  int64_t now_us = moment_now().wall_us;
  struct dead_letter_cause cause = {
      .consumer = consumer->name,
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
  struct grave grave = {.record = &fetched->record,
                        .event = processing_event(processing, 0),
                        .topic = dead_letter_topic(fetched->record.topic, consumer->dead_letter_suffix, &processing->arena),
                        .cause = &cause};
  const char *why = NULL;
  struct dead_letter letter;
  enum verdict verdict;

  *ret_failure = (struct failure){0};
  if (grave.topic == NULL) {
    (void)problem_set(&ret_failure->problem, VERDICT_RETRY, EXIT_USAGE, "dead_letter_topic", "the name of topic %s is too long for a dead-letter topic",
                      fetched->record.topic);
    return fail(ret_failure, VERDICT_RETRY);
  }
  grave.facts = facts_of(burial, grave.topic);
  if (grave.facts->presence == TOPIC_MISSING) {
    (void)problem_set(&ret_failure->problem, VERDICT_RETRY, EXIT_KAFKA_REFUSES, "no_dead_letter_topic", "the dead-letter topic %s does not exist", grave.topic);
    problem_hint(&ret_failure->problem, "kafka-topics.sh --bootstrap-server %s --create --topic %s, with as many partitions as %s; this goes on by itself then",
                 processing->settings->brokers, grave.topic, fetched->record.topic);
    return fail(ret_failure, VERDICT_RETRY);
  }
  if (consumer->given_up != NULL && !failure->is_unreadable) {
    why = dead_letter_message(&cause, DEAD_LETTER_MESSAGE_MAX_BYTES, &processing->arena);
  }
  if (processing->database != NULL && build_for_outbox(&grave, &processing->arena, &letter)) {
    verdict = write_down_or_less(burial, why, &letter, ret_failure);
    if (verdict != VERDICT_POISON) {
      return verdict;
    }
  }
  if (why != NULL) {
    verdict = write_down_or_less(burial, why, NULL, ret_failure);
    if (verdict != VERDICT_OK) {
      return verdict;
    }
  }
  return bury_by_producer(burial, &grave, ret_failure);
}

enum verdict burial_run(struct burial *burial, const struct fetched *fetched, const struct lane_head *head, const struct failure *failure,
                        struct failure *ret_failure)
{
  enum verdict verdict;

  CRASH_POINT(BEFORE_LETTER);
  verdict = bury(burial, fetched, head, failure, ret_failure);
  if (verdict == VERDICT_OK) {
    CRASH_POINT(AFTER_LETTER);
  }
  return verdict;
}
