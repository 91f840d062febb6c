/*
 * dead_letter_topics.c - one thread: asks a broker for the topics, tells what has changed, waits.
 *
 *   UNKNOWN --> THERE, HIDDEN     settled: looked for no more
 *      |          ^
 *      '-> MISSING                looked for until somebody makes it
 *
 * Not on the loop's thread, since a broker that does not answer would stop the events. A consumer's client without a group joins nothing and fetches nothing, and
 * takes all properties that the real one takes.
 */
#include "dead_letter_topics.h"

#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dead_letter.h"

enum topic_state { TOPIC_UNKNOWN, TOPIC_MISSING, TOPIC_THERE, TOPIC_HIDDEN };

struct watched_topic {
  char *name;               /* owned */
  rd_kafka_topic_t *handle; /* makes the client ask for it */
  enum topic_state state;
};

struct dead_letter_topics {
  const struct log *log;
  struct figures *figures;
  rd_kafka_t *kafka; /* the thread's, which ends it */
  struct watched_topic topics[CONSUMER_SUBSCRIPTIONS_MAX];
  size_t count;
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t stopped;
  bool is_stopping;
};

/* On any of librdkafka's threads. What is wrong with Kafka the loop's client says. */
static void on_log(const rd_kafka_t *kafka, int level, const char *facility, const char *words)
{
  const struct dead_letter_topics *topics = rd_kafka_opaque(kafka);

  (void)level;
  log_event(topics->log, LOG_DEBUG, "kafka_client", log_text("facility", facility), log_text("message", words));
}

static enum topic_state state_of(const rd_kafka_metadata_topic_t *topic)
{
  if (topic->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
    return TOPIC_MISSING;
  }
  if (topic->err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) {
    return TOPIC_HIDDEN;
  }
  return topic->partition_cnt > 0 ? TOPIC_THERE : TOPIC_UNKNOWN;
}

static void learn(struct dead_letter_topics *topics, struct watched_topic *topic, enum topic_state state)
{
  if (state == TOPIC_UNKNOWN || state == topic->state) {
    return;
  }
  switch (state) {
  case TOPIC_MISSING:
    log_event(topics->log, LOG_WARN, "dead_letter_topic_missing", log_text("topic", topic->name),
              log_text("error", "the topic does not exist: the first dead letter for it holds the relay of this database, and with it all other events"),
              log_text("hint", "make it with as many partitions as its source: kafka-topics.sh --create, or cdc-relay init --create-topics"));
    break;
  case TOPIC_THERE:
    if (topic->state == TOPIC_MISSING) {
      log_event(topics->log, LOG_INFO, "dead_letter_topic_there", log_text("topic", topic->name));
    }
    break;
  case TOPIC_HIDDEN:
  case TOPIC_UNKNOWN:
    break;
  }
  if (state != TOPIC_HIDDEN) {
    instrument_set(topics->figures->dead_letter_topic_missing, state == TOPIC_MISSING ? 1 : 0, topic->name);
  }
  topic->state = state;
}

static void look(struct dead_letter_topics *topics)
{
  const struct rd_kafka_metadata *metadata = NULL;

  if (rd_kafka_metadata(topics->kafka, 0, NULL, &metadata, DEAD_LETTER_TOPICS_ANSWER_MS) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return;
  }
  for (int i = 0; i < metadata->topic_cnt; i++) {
    for (size_t k = 0; k < topics->count; k++) {
      if (strcmp(topics->topics[k].name, metadata->topics[i].topic) == 0) {
        learn(topics, &topics->topics[k], state_of(&metadata->topics[i]));
      }
    }
  }
  rd_kafka_metadata_destroy(metadata);
}

static bool has_any(const struct dead_letter_topics *topics, enum topic_state state)
{
  for (size_t i = 0; i < topics->count; i++) {
    if (topics->topics[i].state == state) {
      return true;
    }
  }
  return false;
}

/* False: the program ends. */
static bool pause_for(struct dead_letter_topics *topics, int64_t pause_ms)
{
  struct timespec until;
  int error = 0;
  bool goes_on;

  (void)clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += pause_ms / 1000;
  (void)pthread_mutex_lock(&topics->lock);
  while (!topics->is_stopping && error == 0) {
    error = pthread_cond_timedwait(&topics->stopped, &topics->lock, &until);
  }
  goes_on = !topics->is_stopping;
  (void)pthread_mutex_unlock(&topics->lock);
  return goes_on;
}

static void *watch(void *context)
{
  struct dead_letter_topics *topics = context;
  bool is_unknown, goes_on;

  do {
    look(topics);
    is_unknown = has_any(topics, TOPIC_UNKNOWN);
    goes_on = (is_unknown || has_any(topics, TOPIC_MISSING)) &&
              pause_for(topics, is_unknown ? DEAD_LETTER_TOPICS_UNKNOWN_INTERVAL_MS : DEAD_LETTER_TOPICS_MISSING_INTERVAL_MS);
  } while (goes_on);
  for (size_t i = 0; i < topics->count; i++) {
    rd_kafka_topic_destroy(topics->topics[i].handle);
  }
  rd_kafka_destroy(topics->kafka);
  return NULL;
}

/* NULL: librdkafka takes a setting not; the loop's client says which. */
static rd_kafka_t *make_client(struct dead_letter_topics *topics, const struct consumer *consumer, const struct settings *settings)
{
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  struct problem ignored;
  rd_kafka_t *kafka = NULL;

  rd_kafka_conf_set_opaque(conf, topics);
  rd_kafka_conf_set_log_cb(conf, on_log);
  if (kafka_settings_apply(&settings->kafka, conf, &ignored) == VERDICT_OK &&
      rd_kafka_conf_set(conf, "bootstrap.servers", settings->brokers, NULL, 0) == RD_KAFKA_CONF_OK &&
      rd_kafka_conf_set(conf, "client.id", consumer->name, NULL, 0) == RD_KAFKA_CONF_OK &&
      rd_kafka_conf_set(conf, "allow.auto.create.topics", "false", NULL, 0) == RD_KAFKA_CONF_OK) {
    kafka = rd_kafka_new(RD_KAFKA_CONSUMER, conf, NULL, 0);
  }
  if (kafka == NULL) {
    rd_kafka_conf_destroy(conf);
  }
  return kafka;
}

static void add_topics(struct dead_letter_topics *topics, const struct consumer *consumer)
{
  struct arena arena;

  arena_init(&arena, DEAD_LETTER_TOPIC_MAX_BYTES + 1);
  for (const struct subscription *subscription = consumer->subscriptions; subscription->topic != NULL; subscription++) {
    const char *name = dead_letter_topic(subscription->topic, consumer->dead_letter_suffix, &arena);
    rd_kafka_topic_t *handle = name != NULL ? rd_kafka_topic_new(topics->kafka, name, NULL) : NULL;

    if (handle != NULL) {
      topics->topics[topics->count++] = (struct watched_topic){.name = strdup(name), .handle = handle};
    }
  }
  arena_done(&arena);
}

static void start_thread(struct dead_letter_topics *topics)
{
  pthread_condattr_t monotonic;

  (void)pthread_mutex_init(&topics->lock, NULL);
  (void)pthread_condattr_init(&monotonic);
  (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  (void)pthread_cond_init(&topics->stopped, &monotonic);
  (void)pthread_condattr_destroy(&monotonic);
  if (pthread_create(&topics->thread, NULL, watch, topics) != 0) {
    abort();
  }
}

struct dead_letter_topics *dead_letter_topics_watch(const struct consumer *consumer, const struct settings *settings, const struct log *log,
                                                    struct figures *figures)
{
  struct dead_letter_topics *topics;

  if (consumer->dead_letter_suffix == NULL) {
    return NULL;
  }
  topics = calloc(1, sizeof(*topics));
  if (topics == NULL) {
    abort();
  }
  topics->log = log;
  topics->figures = figures;
  topics->kafka = make_client(topics, consumer, settings);
  if (topics->kafka == NULL) {
    free(topics);
    return NULL;
  }
  add_topics(topics, consumer);
  start_thread(topics);
  return topics;
}

void dead_letter_topics_free(struct dead_letter_topics *topics)
{
  if (topics == NULL) {
    return;
  }
  (void)pthread_mutex_lock(&topics->lock);
  topics->is_stopping = true;
  (void)pthread_cond_signal(&topics->stopped);
  (void)pthread_mutex_unlock(&topics->lock);
  (void)pthread_join(topics->thread, NULL);
  (void)pthread_cond_destroy(&topics->stopped);
  (void)pthread_mutex_destroy(&topics->lock);
  for (size_t i = 0; i < topics->count; i++) {
    free(topics->topics[i].name);
  }
  free(topics);
}
