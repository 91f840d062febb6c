/*
 * kafka_client.c - birth and end of a producer.
 *
 *   loop's thread                          ending thread                 client's own threads
 *   kafka_client_new() ------------------------------------------------> run
 *   kafka_client_end_begin()
 *     queue off, handles back, purge
 *     thread starts ---------------------> rd_kafka_destroy() ---------> joined
 *                                          frees the client
 *   wake_fd readable <-------------------- done, one write
 *
 * The places of records in flight are freed last: the client's threads may run the partitioner on one of them until they have been joined.
 */
#include "publish/kafka_client.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "publish/kafka_conf.h"

static const uint64_t one = 1;

struct kafka_client_end {
  struct kafka_client *client;
  atomic_bool is_done;
  atomic_int holders; /* the owner and the thread; the last one frees */
  int wake_fd;        /* our own duplicate: the publisher's may be closed and its number be another file by the time */
};

/* A handle makes the client ask for the topic's metadata, so that the first record does not wait for it. Prefixes name no topic. */
static void warm_up(struct topic_cache *topics, const struct config *config)
{
  for (size_t i = 0; i < config->outbox_count; i++) {
    const struct config_outbox *outbox = &config->outbox[i];

    for (size_t j = 0; j < outbox->allow_count && topics->count < TOPIC_CACHE_MAX / 2; j++) {
      struct span name = span_of_text(outbox->allow[j]);

      if (name.length > 0 && name.data[name.length - 1] != '*') {
        (void)topic_cache_get(topics, name);
      }
    }
    if (outbox->dead_letter_topic != NULL) {
      (void)topic_cache_get(topics, span_of_text(outbox->dead_letter_topic));
    }
  }
}

struct kafka_client *kafka_client_new(const struct config *config, int wake_fd, struct problem *problem)
{
  struct problem_list *problems = calloc(1, sizeof(*problems));
  struct kafka_client *client = calloc(1, sizeof(*client));
  rd_kafka_conf_t *conf;
  uint32_t capacity;
  int64_t max_bytes;
  char words[512];

  if (problems == NULL || client == NULL) {
    abort();
  }
  conf = kafka_conf_new(config, true, problems);
  if (conf == NULL) {
    (void)problem_set(problem, VERDICT_RETRY, EXIT_USAGE, "producer", "could not make a Kafka producer: %s: %s", problems->problems[0].path,
                      problems->problems[0].text);
    goto fail;
  }
  capacity = kafka_conf_max_messages(conf);
  max_bytes = 2 * kafka_conf_max_bytes(conf); /* librdkafka holds the values alone against it: as much again for keys and headers */
  client->lingers_for_us = kafka_conf_let_linger(conf);
  client->producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, words, sizeof(words));
  if (client->producer == NULL) {
    (void)problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "producer", "could not make a Kafka producer: %s", words);
    rd_kafka_conf_destroy(conf);
    goto fail;
  }
  client->hurry = hurry_new(client->producer, LINGER_WHILE_BEHIND_MS);
  if (client->hurry == NULL) {
    (void)problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "producer", "could not make a Kafka producer: no thread could be started");
    rd_kafka_destroy(client->producer);
    goto fail;
  }
  client->queue = rd_kafka_queue_get_main(client->producer);
  rd_kafka_queue_io_event_enable(client->queue, wake_fd, &one, sizeof(one));
  (void)rd_kafka_set_log_queue(client->producer, client->queue);
  in_flight_pool_init(&client->pool, capacity, max_bytes);
  topic_cache_init(&client->topics, client->producer);
  proven_init(&client->proven);
  warm_up(&client->topics, config);
  free(problems);
  return client;

fail:
  free(problems);
  free(client);
  return NULL;
}

static void let_go(struct kafka_client_end *end)
{
  if (atomic_fetch_sub(&end->holders, 1) == 1) {
    (void)close(end->wake_fd);
    free(end);
  }
}

static void *run(void *argument)
{
  struct kafka_client_end *end = argument;

  hurry_free(end->client->hurry);
  rd_kafka_destroy(end->client->producer);
  in_flight_pool_done(&end->client->pool);
  proven_done(&end->client->proven);
  free(end->client);
  atomic_store(&end->is_done, true);
  (void)!write(end->wake_fd, &one, sizeof(one));
  let_go(end);
  return NULL;
}

struct kafka_client_end *kafka_client_end_begin(struct kafka_client *client, int wake_fd)
{
  struct kafka_client_end *end = calloc(1, sizeof(*end));
  sigset_t all, before;
  pthread_t thread;

  if (end == NULL) {
    abort();
  }
  rd_kafka_queue_io_event_enable(client->queue, -1, NULL, 0);
  if (client->event != NULL) {
    rd_kafka_event_destroy(client->event);
  }
  topic_cache_done(&client->topics);
  (void)rd_kafka_purge(client->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
  rd_kafka_queue_destroy(client->queue);

  end->client = client;
  end->wake_fd = dup(wake_fd);
  atomic_init(&end->holders, 2);
  /* Signals are the loop's. */
  (void)sigfillset(&all);
  (void)pthread_sigmask(SIG_SETMASK, &all, &before);
  if (pthread_create(&thread, NULL, run, end) == 0) {
    (void)pthread_detach(thread);
  } else {
    (void)run(end); /* blocks, which beats two producers at once */
  }
  (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
  // NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the analyzer does not count atomics; run() let go for one holder, the caller is the other
  return end;
}

bool kafka_client_end_is_done(const struct kafka_client_end *end)
{
  return atomic_load(&end->is_done);
}

void kafka_client_end_wait(const struct kafka_client_end *end, int timeout_ms)
{
  const int step_ms = 20;
  struct pollfd poll_fd = {.fd = end->wake_fd, .events = POLLIN};

  /* The descriptor may be readable for another reason, so that it only shortens the steps. */
  for (int waited_ms = 0; waited_ms < timeout_ms && !kafka_client_end_is_done(end); waited_ms += step_ms) {
    if (poll(&poll_fd, 1, step_ms) > 0 && !kafka_client_end_is_done(end)) {
      (void)poll(NULL, 0, step_ms);
    }
  }
}

void kafka_client_end_free(struct kafka_client_end *end)
{
  if (end != NULL) {
    let_go(end);
  }
}
