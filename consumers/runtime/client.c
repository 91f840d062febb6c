/*
 * client.c - librdkafka as a group's member, with what its version 2.0.2 needs to be spared:
 *
 *   records are asked for one by one       the batch calls skip offsets when a partition is paused
 *   range, no cooperative-sticky           that one loses assignments; static membership (GROUP_INSTANCE_ID) makes restarts cheap instead
 *   revoked partitions are resumed first   a pause outlives the assignment, and a partition that came back would stay silent for ever
 *   close has a limit                      it can wait for ever for a partition that was lost
 *   so has the end behind it               it can wait for ever for a partition whose topic was made anew
 *   its queue is consumed, not served      records that were fetched lie in it, and the call that only serves callbacks aborts at the first
 *   a lost assignment commits nothing      others work on it already
 *   ends are asked for as times            the call that is made for it does not keep its timeout
 *
 * An error of a partition, of a topic or of the cluster is told once a minute (`kafka_trouble`); librdkafka's own lines of debug level and below are let through at
 * LOG_LEVEL=debug alone, since each of its threads says the same thing in its own words.
 */
#include "client.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fault_point.h"
#include "moment.h"

enum { SYSLOG_CRITICAL = 2 }; /* <syslog.h> has names that our log has too */

/* An error that was logged, and when. */
struct told {
  rd_kafka_resp_err_t error;
  int64_t at_us; /* 0: nothing */
};

struct client {
  rd_kafka_t *kafka;
  const struct log *log;
  struct client_hooks hooks;
  struct problem fatal; /* its text is empty: nothing is */
  char trouble[PROBLEM_TEXT_MAX];
  struct told told[CLIENT_ERRORS_REMEMBERED];
  atomic_bool has_ended;
};

/* On any of librdkafka's threads. */
static void on_log(const rd_kafka_t *kafka, int level, const char *facility, const char *words)
{
  const struct client *client = rd_kafka_opaque(kafka);

  log_event(client->log, level <= SYSLOG_CRITICAL ? LOG_ERROR : LOG_DEBUG, "kafka_client", log_text("facility", facility), log_text("message", words));
}

/* Whether this error was logged within the interval; else it counts as logged now, in the place of the one that was longest ago. */
static bool was_told(struct client *client, rd_kafka_resp_err_t error)
{
  int64_t now_us = moment_now().mono_us;
  struct told *place = &client->told[0];

  for (size_t i = 0; i < CLIENT_ERRORS_REMEMBERED; i++) {
    if (client->told[i].at_us != 0 && client->told[i].error == error) {
      place = &client->told[i];
      break;
    }
    if (client->told[i].at_us < place->at_us) {
      place = &client->told[i];
    }
  }
  if (place->at_us != 0 && place->error == error && now_us - place->at_us < CLIENT_COMPLAINT_INTERVAL_S * INT64_C(1000000)) {
    return true;
  }
  *place = (struct told){.error = error, .at_us = now_us};
  return false;
}

/* Something is wrong that may pass: each kind of error once a minute. A broker that is away is several kinds, in turns. */
static void complain(struct client *client, rd_kafka_resp_err_t error, const char *words)
{
  (void)snprintf(client->trouble, sizeof(client->trouble), "%s: %s", rd_kafka_err2name(error), words);
  if (!was_told(client, error)) {
    log_event(client->log, LOG_WARN, "kafka_trouble", log_text("error", rd_kafka_err2name(error)), log_text("message", words));
  }
}

static void note_fatal(struct client *client)
{
  char words[512];
  rd_kafka_resp_err_t error = rd_kafka_fatal_error(client->kafka, words, sizeof(words));

  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    (void)problem_set(&client->fatal, VERDICT_FATAL, EXIT_KAFKA_REFUSES, "kafka_fatal", "%s: %s", rd_kafka_err2name(error), words);
  }
}

static void on_error(rd_kafka_t *kafka, int error, const char *words, void *opaque)
{
  struct client *client = opaque;

  (void)kafka;
  if (error == RD_KAFKA_RESP_ERR__FATAL) {
    note_fatal(client);
  } else {
    complain(client, error, words);
  }
}

static void on_commit(rd_kafka_t *kafka, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t *offsets, void *opaque)
{
  struct client *client = opaque;

  bool is_by_partition = false;

  (void)kafka;
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
    CRASH_POINT(AFTER_OFFSET);
  }
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR && error != RD_KAFKA_RESP_ERR__NO_OFFSET) {
    log_event(client->log, LOG_WARN, "offset_commit_failed", log_text("error", rd_kafka_err2name(error)));
  }
  for (int i = 0; offsets != NULL && i < offsets->cnt; i++) {
    is_by_partition = is_by_partition || offsets->elems[i].err != RD_KAFKA_RESP_ERR_NO_ERROR;
  }
  for (int i = 0; offsets != NULL && i < offsets->cnt; i++) {
    /* `error` is that of one partition, or of the request, about which partitions know nothing. */
    client->hooks.committed(client->hooks.context, &offsets->elems[i], is_by_partition ? offsets->elems[i].err : error);
  }
}

static void on_rebalance(rd_kafka_t *kafka, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t *partitions, void *opaque)
{
  struct client *client = opaque;

  if (error == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
    rd_kafka_resp_err_t refusal = rd_kafka_assign(kafka, partitions);

    if (refusal != RD_KAFKA_RESP_ERR_NO_ERROR) {
      complain(client, refusal, "could not take the assignment");
    }
    client->trouble[0] = '\0';
    client->hooks.assigned(client->hooks.context, partitions);
    return;
  }
  if (error != RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS) {
    complain(client, error, "the group could not be joined");
  }
  client->hooks.revoked(client->hooks.context, partitions, rd_kafka_assignment_lost(kafka) != 0);
  (void)rd_kafka_resume_partitions(kafka, partitions);
  (void)rd_kafka_assign(kafka, NULL);
}

static enum verdict set(rd_kafka_conf_t *conf, const char *property, const char *value, struct problem *problem)
{
  char error[512];

  if (rd_kafka_conf_set(conf, property, value, error, sizeof(error)) != RD_KAFKA_CONF_OK) {
    return problem_set(problem, VERDICT_FATAL, EXIT_USAGE, "kafka_property", "%s", error);
  }
  return VERDICT_OK;
}

#define TEXT_OF(number)  WORDS_OF(number)
#define WORDS_OF(number) #number

/* What the environment may change, then what it said, then what it may not. */
static enum verdict configure(rd_kafka_conf_t *conf, const struct consumer *consumer, const struct settings *settings, struct problem *problem)
{
  char session_timeout[16], queued[16];
  const char *const before[][2] = {
      {"client.id", consumer->name},
      {"session.timeout.ms", session_timeout},
      {"partition.assignment.strategy", "range"},
      {"queued.max.messages.kbytes", queued},
      {"topic.metadata.refresh.interval.ms", "30000"},
      {"reconnect.backoff.max.ms", "2000"},
      {"socket.keepalive.enable", "true"},
      {"socket.nagle.disable", "true"},
      {NULL, NULL},
  };
  const char *const behind[][2] = {
      {"bootstrap.servers", settings->brokers},
      {"group.id", settings->group_id},
      {"group.instance.id", settings->group_instance_id[0] != '\0' ? settings->group_instance_id : NULL},
      {"enable.auto.commit", "false"},
      {"enable.auto.offset.store", "false"},
      {"auto.offset.reset", "earliest"},
      {"isolation.level", "read_committed"},
      {"enable.partition.eof", "false"},
      {"allow.auto.create.topics", "false"},
      {NULL, NULL},
  };
  enum verdict verdict = VERDICT_OK;

  (void)snprintf(session_timeout, sizeof(session_timeout), "%d", CLIENT_SESSION_TIMEOUT_MS);
  (void)snprintf(queued, sizeof(queued), "%d", CLIENT_QUEUED_KBYTES);
  for (size_t i = 0; before[i][0] != NULL && verdict == VERDICT_OK; i++) {
    verdict = set(conf, before[i][0], before[i][1], problem);
  }
  if (verdict == VERDICT_OK) {
    verdict = kafka_settings_apply(&settings->kafka, conf, problem);
  }
  for (size_t i = 0; behind[i][0] != NULL && verdict == VERDICT_OK; i++) {
    if (behind[i][1] != NULL) {
      verdict = set(conf, behind[i][0], behind[i][1], problem);
    }
  }
  return verdict;
}

static enum verdict subscribe(struct client *client, const struct consumer *consumer, struct problem *problem)
{
  rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(CONSUMER_SUBSCRIPTIONS_MAX);
  rd_kafka_resp_err_t error;

  for (const struct subscription *subscription = consumer->subscriptions; subscription->topic != NULL; subscription++) {
    (void)rd_kafka_topic_partition_list_add(topics, subscription->topic, RD_KAFKA_PARTITION_UA);
  }
  error = rd_kafka_subscribe(client->kafka, topics);
  rd_kafka_topic_partition_list_destroy(topics);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return problem_set(problem, VERDICT_FATAL, EXIT_USAGE, "kafka_subscribe", "could not subscribe: %s", rd_kafka_err2str(error));
  }
  return VERDICT_OK;
}

enum verdict client_open(const struct consumer *consumer, const struct settings *settings, const struct log *log, const struct client_hooks *hooks,
                         struct client **ret_client, struct problem *problem)
{
  struct client *client = calloc(1, sizeof(*client));
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  char error[512];

  if (client == NULL) {
    abort();
  }
  client->log = log;
  client->hooks = *hooks;
  if (configure(conf, consumer, settings, problem) != VERDICT_OK) {
    rd_kafka_conf_destroy(conf);
    free(client);
    return VERDICT_FATAL;
  }
  rd_kafka_conf_set_opaque(conf, client);
  rd_kafka_conf_set_log_cb(conf, on_log);
  rd_kafka_conf_set_error_cb(conf, on_error);
  rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
  rd_kafka_conf_set_offset_commit_cb(conf, on_commit);
  client->kafka = rd_kafka_new(RD_KAFKA_CONSUMER, conf, error, sizeof(error));
  if (client->kafka == NULL) {
    rd_kafka_conf_destroy(conf);
    free(client);
    return problem_set(problem, VERDICT_FATAL, EXIT_USAGE, "kafka_client", "could not make a Kafka client: %s", error);
  }
  (void)rd_kafka_poll_set_consumer(client->kafka);
  if (subscribe(client, consumer, problem) != VERDICT_OK) {
    rd_kafka_destroy(client->kafka);
    free(client);
    return VERDICT_FATAL;
  }
  *ret_client = client;
  return VERDICT_OK;
}

enum verdict client_poll(struct client *client, int timeout_ms, struct fetched **ret_fetched, struct problem *problem)
{
  rd_kafka_message_t *message = rd_kafka_consumer_poll(client->kafka, timeout_ms);

  *ret_fetched = NULL;
  if (message != NULL && message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    if (message->err == RD_KAFKA_RESP_ERR__FATAL) {
      note_fatal(client);
    } else {
      complain(client, message->err, rd_kafka_message_errstr(message));
    }
    rd_kafka_message_destroy(message);
    message = NULL;
  }
  if (client->fatal.text[0] != '\0') {
    if (message != NULL) {
      rd_kafka_message_destroy(message);
    }
    *problem = client->fatal;
    return VERDICT_FATAL;
  }
  if (message != NULL) {
    client->trouble[0] = '\0';
    *ret_fetched = fetched_new(message);
  }
  return VERDICT_OK;
}

void client_pause(struct client *client, const char *topic, int32_t partition, bool is_paused)
{
  rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_t *one = rd_kafka_topic_partition_list_add(list, topic, partition);
  rd_kafka_resp_err_t error = is_paused ? rd_kafka_pause_partitions(client->kafka, list) : rd_kafka_resume_partitions(client->kafka, list);

  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
    error = one->err;
  }
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    complain(client, error, is_paused ? "a partition could not be paused" : "a partition could not be resumed");
  }
  rd_kafka_topic_partition_list_destroy(list);
}

/* rd_kafka_commit() would wait for the coordinator as long as a session lasts, and for its answer longer than that. */
static rd_kafka_resp_err_t commit_and_wait(struct client *client, const rd_kafka_topic_partition_list_t *offsets)
{
  rd_kafka_queue_t *queue = rd_kafka_queue_new(client->kafka);
  rd_kafka_resp_err_t error = rd_kafka_commit_queue(client->kafka, offsets, queue, NULL, NULL);

  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
    rd_kafka_event_t *answer = rd_kafka_queue_poll(queue, CLIENT_COMMIT_TIMEOUT_MS);

    error = answer != NULL ? rd_kafka_event_error(answer) : RD_KAFKA_RESP_ERR__TIMED_OUT;
    rd_kafka_event_destroy(answer);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
      CRASH_POINT(AFTER_OFFSET);
    }
  }
  rd_kafka_queue_destroy(queue);
  return error;
}

enum verdict client_commit(struct client *client, const rd_kafka_topic_partition_list_t *offsets, bool is_synchronous, struct problem *problem)
{
  rd_kafka_resp_err_t error = is_synchronous ? commit_and_wait(client, offsets) : rd_kafka_commit(client->kafka, offsets, 1);

  if (error != RD_KAFKA_RESP_ERR_NO_ERROR && error != RD_KAFKA_RESP_ERR__NO_OFFSET) {
    return problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "offset_commit", "could not commit offsets: %s", rd_kafka_err2str(error));
  }
  return VERDICT_OK;
}

int64_t client_end_offset(struct client *client, const char *topic, int32_t partition)
{
  int64_t low = -1, high = -1;

  if (rd_kafka_get_watermark_offsets(client->kafka, topic, partition, &low, &high) != RD_KAFKA_RESP_ERR_NO_ERROR || high < 0) {
    return -1;
  }
  return high;
}

/* As the offset of a time that never comes, which is how the protocol asks for the end. */
void client_ask_end_offsets(struct client *client, rd_kafka_topic_partition_list_t *partitions, int timeout_ms)
{
  rd_kafka_resp_err_t error;

  for (int i = 0; i < partitions->cnt; i++) {
    partitions->elems[i].offset = RD_KAFKA_OFFSET_END;
  }
  error = rd_kafka_offsets_for_times(client->kafka, partitions, timeout_ms);
  for (int i = 0; i < partitions->cnt; i++) {
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR || partitions->elems[i].err != RD_KAFKA_RESP_ERR_NO_ERROR || partitions->elems[i].offset < 0) {
      partitions->elems[i].offset = -1;
    }
  }
}

struct topic_facts client_topic_facts(struct client *client, const char *topic, int timeout_ms)
{
  return topic_facts_ask(client->kafka, topic, timeout_ms);
}

const char *client_trouble(const struct client *client)
{
  return client->trouble;
}

/* librdkafka's end, on a thread of its own. */
static void *end(void *context)
{
  struct client *client = context;

  rd_kafka_destroy_flags(client->kafka, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
  atomic_store(&client->has_ended, true);
  return NULL;
}

static bool end_in_time(struct client *client)
{
  int64_t deadline_us = moment_now().mono_us + CLIENT_END_TIMEOUT_MS * INT64_C(1000);
  pthread_t thread;

  if (pthread_create(&thread, NULL, end, client) != 0) {
    return false;
  }
  while (!atomic_load(&client->has_ended) && moment_now().mono_us < deadline_us) {
    (void)usleep(1000);
  }
  if (!atomic_load(&client->has_ended)) {
    (void)pthread_detach(thread);
    return false;
  }
  (void)pthread_join(thread, NULL);
  return true;
}

enum client_end client_close(struct client *client)
{
  int64_t deadline_us = moment_now().mono_us + CLIENT_CLOSE_TIMEOUT_MS * INT64_C(1000);
  rd_kafka_queue_t *queue = rd_kafka_queue_new(client->kafka);
  rd_kafka_error_t *error = rd_kafka_consumer_close_queue(client->kafka, queue);

  if (error != NULL) {
    rd_kafka_error_destroy(error); /* after a fatal error there is nothing to leave */
    return CLIENT_NOT_LEFT;
  }
  while (rd_kafka_consumer_closed(client->kafka) == 0 && moment_now().mono_us < deadline_us) {
    rd_kafka_message_t *message = rd_kafka_consume_queue(queue, 50);

    if (message != NULL) {
      rd_kafka_message_destroy(message);
    }
  }
  if (rd_kafka_consumer_closed(client->kafka) == 0) {
    return CLIENT_NOT_LEFT;
  }
  rd_kafka_queue_destroy(queue);
  if (!end_in_time(client)) {
    return CLIENT_NOT_ENDED;
  }
  free(client);
  return CLIENT_ENDED;
}
