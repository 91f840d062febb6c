/*
 * kafka_publisher.c - the at-least-once publisher: an idempotent producer of librdkafka behind the port of publisher.h.
 *
 *   CLOSED --open--> OPEN --fatal error--> BREAKING --all reported--> BROKEN --open--> ENDING --gone--> OPEN
 *                     |  \--open--> ENDING     \--all reported, and it was a refused batch--> RENEWING --gone--> OPEN
 *                     \--nobody lets us in--> REFUSED --open--> ENDING
 *
 * BREAKING: a fatal error overtakes the reports that tell which record caused it, and a session that does not learn which one would meet it again for ever.
 * So reports are still handed out, refusals first and the lost ones last, publish() says WAIT, and RETRY comes with the last report or BREAKING_MAX_US later.
 *
 * RENEWING: a refused batch breaks the client (kafka_conf.c says why), but not the publisher: once each record has its report nothing is owed to anybody,
 * so that a new client takes the place of the old one and a row that was refused alone can go out as a dead letter.
 *
 * ENDING: the old client is destroyed on another thread before a new one is made: two producers at work at once could write an old record behind a new one.
 *
 * kafka_reports.c is the other half: events, reports, and how the descriptor is served.
 *
 * Everything here runs on the loop's thread.
 */
#include "publish/kafka_publisher.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "moment.h"
#include "publish/kafka_conf.h"
#include "publish/kafka_publisher_priv.h"

int64_t kafka_publisher_now_us(void)
{
  return moment_now().mono_us;
}

void kafka_publisher_wake(const struct kafka_publisher *publisher)
{
  const uint64_t one = 1;

  (void)!write(publisher->wake_fd, &one, sizeof(one));
}

bool kafka_publisher_clear(const struct kafka_publisher *publisher)
{
  struct epoll_event events[2];
  uint64_t count;
  bool has_ticked = false;
  int ready = epoll_wait(publisher->port.fd, events, 2, 0);

  for (int i = 0; i < ready; i++) {
    (void)!read(events[i].data.fd, &count, sizeof(count));
    has_ticked = has_ticked || events[i].data.fd == publisher->timer_fd;
  }
  return has_ticked;
}

void kafka_publisher_set_timer(struct kafka_publisher *publisher)
{
  int period_ms = 0;
  struct itimerspec spec;

  switch (publisher->state) {
  case OPEN:
    period_ms = publisher->reach.is_connected ? QUIET_MS : LOOK_MS;
    break;
  case BREAKING:
  case RENEWING:
  case ENDING:
    period_ms = LOOK_MS;
    break;
  case CLOSED:
  case BROKEN:
  case REFUSED:
    break;
  }
  if (period_ms != publisher->timer_ms) {
    publisher->timer_ms = period_ms;
    spec.it_value = spec.it_interval = (struct timespec){.tv_sec = period_ms / 1000, .tv_nsec = period_ms % 1000 * 1000000L};
    (void)timerfd_settime(publisher->timer_fd, 0, &spec, NULL);
  }
}

void kafka_publisher_set_state(struct kafka_publisher *publisher, enum kafka_publisher_state state)
{
  publisher->state = state;
  publisher->since_us = kafka_publisher_now_us();
  kafka_publisher_set_timer(publisher);
}

/* ---- open ---- */

void kafka_publisher_end_client(struct kafka_publisher *publisher, enum kafka_publisher_state state)
{
  publisher->end = kafka_client_end_begin(publisher->client, publisher->wake_fd);
  publisher->client = NULL;
  publisher->lost = NULL;
  publisher->lost_count = 0;
  kafka_publisher_set_state(publisher, state);
}

void kafka_publisher_forget_end(struct kafka_publisher *publisher)
{
  kafka_client_end_free(publisher->end);
  publisher->end = NULL;
  kafka_publisher_set_state(publisher, CLOSED);
}

enum verdict kafka_publisher_make_client(struct kafka_publisher *publisher, struct problem *problem)
{
  if (publisher->end != NULL) {
    if (!kafka_client_end_is_done(publisher->end) && kafka_publisher_now_us() - publisher->since_us < ENDING_MAX_US) {
      return VERDICT_WAIT;
    }
    kafka_publisher_forget_end(publisher);
  }
  /* Secrets may have been read anew since the last time. */
  kafka_address_init(&publisher->address, publisher->config);
  publisher->client = kafka_client_new(publisher->config, publisher->wake_fd, problem);
  if (publisher->client == NULL) {
    return VERDICT_RETRY;
  }
  publisher->max_events = publisher->client->pool.capacity;
  publisher->served_us = kafka_publisher_now_us();
  kafka_publisher_set_state(publisher, OPEN);
  kafka_publisher_wake(publisher); /* what came into its queue before the queue knew the descriptor */
  return VERDICT_OK;
}

static void close_publisher(struct publisher *port)
{
  struct kafka_publisher *publisher = (struct kafka_publisher *)port;

  if (publisher->client != NULL) {
    kafka_publisher_end_client(publisher, ENDING);
  } else if (publisher->state == RENEWING) {
    kafka_publisher_set_state(publisher, ENDING);
  }
  reach_init(&publisher->reach);
}

static enum verdict open_publisher(struct publisher *port, struct problem *problem)
{
  struct kafka_publisher *publisher = (struct kafka_publisher *)port;

  (void)kafka_publisher_clear(publisher);
  close_publisher(port);
  return kafka_publisher_make_client(publisher, problem);
}

/* ---- publish ---- */

/* Headers that librdkafka will own; NULL when there are none. */
static rd_kafka_headers_t *headers_of(const struct record *record)
{
  rd_kafka_headers_t *headers;

  if (record->header_count == 0) {
    return NULL;
  }
  headers = rd_kafka_headers_new(record->header_count);
  for (size_t i = 0; i < record->header_count; i++) {
    const struct header *header = &record->headers[i];

    (void)rd_kafka_header_add(headers, header->name.data, (ssize_t)header->name.length, header->value.data, (ssize_t)header->value.length);
  }
  return headers;
}

enum verdict kafka_publisher_say_broken(const struct kafka_publisher *publisher, struct problem *problem)
{
  if (publisher->state == CLOSED || publisher->state == ENDING) {
    return problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "not_open", "the Kafka producer is not open");
  }
  if (problem != NULL) {
    *problem = publisher->broken;
  }
  return publisher->broken_verdict;
}

void kafka_publisher_look_for_fatal(struct kafka_publisher *publisher)
{
  char words[512] = "";
  rd_kafka_resp_err_t error = rd_kafka_fatal_error(publisher->client->producer, words, sizeof(words));

  if (error != RD_KAFKA_RESP_ERR_NO_ERROR && publisher->state == OPEN) {
    publisher->broken_verdict = kafka_error_explain_fatal(error, words, &publisher->address, &publisher->broken);
    publisher->is_renewable = error == RD_KAFKA_RESP_ERR__GAPLESS_GUARANTEE;
    kafka_publisher_set_state(publisher, BREAKING);
  }
}

void kafka_publisher_look_for_moved_keys(struct kafka_publisher *publisher, const struct in_flight *place, struct span name, uint64_t topic)
{
  int32_t partitions = atomic_load_explicit(&place->partitions, memory_order_relaxed);
  int32_t before;

  if (place->partition != RECORD_PARTITION_BY_KEY || partitions == 0) {
    return;
  }
  before = partition_counts_note(&publisher->partitions, topic, partitions);
  if (before != partitions) {
    log_event(publisher->log.log, LOG_WARN, "partitions_changed", log_span("topic", name), log_int("partitions", partitions), log_int("before", before),
              log_text("error", "keys have moved to other partitions: what follows of a key may be read before what Kafka had of it until now"),
              log_text("hint", "where the order of a key matters, let consumers finish what was in the topic until now before they go on; the next time "
                               "stop the relay and let them read to the end before partitions are added"));
  }
}

/* The client has taken a record. Whether the next one may follow at once depends on where it goes. */
static void on_taken(struct kafka_publisher *publisher, struct in_flight *place, const struct record *record, const struct known_topic *topic)
{
  struct kafka_client *client = publisher->client;
  int32_t chosen = atomic_load_explicit(&place->chosen, memory_order_relaxed);

  kafka_publisher_look_for_moved_keys(publisher, place, record->topic, topic->hash);
  place->home = chosen >= 0 ? proven_home(topic->hash, chosen) : 0;
  if (place->home == 0 || !proven_has(&client->proven, place->home, publisher->served_us)) {
    client->first = place;
    hurry_now(client->hurry); /* nothing comes to keep it company, however long the user lets others wait for some */
  }
}

static enum verdict publish(struct publisher *port, const struct record *record, uint64_t token, struct problem *problem)
{
  struct kafka_publisher *publisher = (struct kafka_publisher *)port;
  struct in_flight *place;
  const struct known_topic *topic;
  rd_kafka_headers_t *headers;
  rd_kafka_resp_err_t error;

  if (publisher->state == BREAKING || publisher->state == RENEWING) {
    return VERDICT_WAIT;
  }
  if (publisher->state != OPEN) {
    return kafka_publisher_say_broken(publisher, problem);
  }
  if (publisher->client->first != NULL) {
    hurry_now(publisher->client->hurry); /* the one before may have come too early for a broker that was not up */
    return VERDICT_WAIT;
  }
  place = in_flight_take(&publisher->client->pool, record, token);
  if (place == NULL) {
    return VERDICT_WAIT;
  }
  topic = topic_cache_get(&publisher->client->topics, record->topic);
  if (topic == NULL) {
    in_flight_give(&publisher->client->pool, place);
    return kafka_error_explain(rd_kafka_last_error(), record->topic.data, &publisher->address, VERDICT_POISON, problem);
  }
  headers = headers_of(record);
  error = rd_kafka_producev(publisher->client->producer, RD_KAFKA_V_RKT(topic->handle), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                            RD_KAFKA_V_KEY(record->key.data, record->key.length), RD_KAFKA_V_VALUE((void *)record->value.data, record->value.length),
                            RD_KAFKA_V_TIMESTAMP(record->timestamp_ms), RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_OPAQUE(place), RD_KAFKA_V_END);
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
    on_taken(publisher, place, record, topic);
    return VERDICT_OK;
  }
  if (headers != NULL) {
    rd_kafka_headers_destroy(headers);
  }
  in_flight_give(&publisher->client->pool, place);
  if (error == RD_KAFKA_RESP_ERR__FATAL) {
    kafka_publisher_look_for_fatal(publisher);
    kafka_publisher_wake(publisher);
    return VERDICT_WAIT;
  }
  if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
    return VERDICT_WAIT;
  }
  return kafka_error_explain(error, record->topic.data, &publisher->address, kafka_error_verdict(error, record->partition), problem);
}

static void hurry(struct publisher *port)
{
  const struct kafka_publisher *publisher = (const struct kafka_publisher *)port;

  if (publisher->state == OPEN && publisher->client->lingers_for_us) {
    hurry_now(publisher->client->hurry);
  }
}

/* ---- figures, birth, end ---- */

static void figures(const struct publisher *port, struct publisher_figures *ret_figures)
{
  const struct kafka_publisher *publisher = (const struct kafka_publisher *)port;

  *ret_figures = (struct publisher_figures){.is_connected = publisher->reach.is_connected, .max_events = publisher->max_events};
  if (publisher->client != NULL) {
    ret_figures->queue_events = publisher->client->pool.count;
    ret_figures->queue_bytes = publisher->client->pool.bytes;
  }
}

static void free_publisher(struct publisher *port)
{
  struct kafka_publisher *publisher = (struct kafka_publisher *)port;

  if (publisher->client != NULL) {
    kafka_publisher_end_client(publisher, ENDING);
  }
  if (publisher->end != NULL) {
    kafka_client_end_wait(publisher->end, FREE_MAX_MS);
    kafka_client_end_free(publisher->end);
  }
  (void)close(publisher->port.fd);
  (void)close(publisher->timer_fd);
  (void)close(publisher->wake_fd);
  partition_counts_done(&publisher->partitions);
  free(publisher);
}

static const struct publisher_ops ops = {
    .open = open_publisher,
    .close = close_publisher,
    .publish = publish,
    .hurry = hurry,
    .reports = kafka_publisher_reports,
    .figures = figures,
    .free = free_publisher,
};

static bool watch(int epoll_fd, int fd)
{
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

  return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

struct publisher *kafka_publisher_new(const struct config *config, const struct log *log, struct problem_list *problems)
{
  rd_kafka_conf_t *conf = kafka_conf_new(config, true, problems);
  struct kafka_publisher *publisher;

  if (conf == NULL) {
    return NULL;
  }
  publisher = calloc(1, sizeof(*publisher));
  if (publisher == NULL) {
    abort();
  }
  publisher->max_events = kafka_conf_max_messages(conf);
  rd_kafka_conf_destroy(conf);
  publisher->port.ops = &ops;
  partition_counts_init(&publisher->partitions);
  publisher->port.fd = epoll_create1(EPOLL_CLOEXEC);
  publisher->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  publisher->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  if (publisher->port.fd < 0 || publisher->wake_fd < 0 || publisher->timer_fd < 0 || !watch(publisher->port.fd, publisher->wake_fd) ||
      !watch(publisher->port.fd, publisher->timer_fd)) {
    problem_list_add(problems, "kafka", "could not make a file descriptor to wait on: %s", strerror(errno));
    free_publisher(&publisher->port);
    return NULL;
  }
  publisher->config = config;
  publisher->state = CLOSED;
  client_log_init(&publisher->log, log);
  kafka_address_init(&publisher->address, config);
  reach_init(&publisher->reach);
  return &publisher->port;
}
