/*
 * kafka_reports.c - the half of the at-least-once publisher that listens: delivery reports, errors, log lines, and the descriptor.
 *
 * The descriptor is an epoll instance over two: an eventfd that librdkafka writes to when its queue is no longer empty (and the ending thread when it is done),
 * and a timer for what no event announces: looking whether a broker is up, and the two deadlines. Rule: clear both first, then empty the queue; who stops
 * before the queue is empty writes to the eventfd himself, since librdkafka only tells when the queue stops being empty.
 *
 * Whether Kafka can be reached is not told by librdkafka. rd_kafka_metadata() with no time to wait answers at once: "transport" if no broker is up (and has one
 * connected), else it sends a request for one topic that we may see anyway, whose answer nobody waits for. So it is asked every LOOK_MS while not connected,
 * and after silence. Reports that succeed need no asking. A broker that falls silent without a word is found out by that request's timeout (socket.timeout.ms).
 */
#include <string.h>

#include "fnv1a.h"
#include "publish/kafka_publisher_priv.h"

static void look_for_broker(struct kafka_publisher *publisher)
{
  const struct rd_kafka_metadata *metadata = NULL;
  rd_kafka_resp_err_t error;

  /* Without a topic of ours it would ask for all that the client knows, and let the broker create them. */
  error = rd_kafka_metadata(publisher->client->producer, 0, topic_cache_any(&publisher->client->topics), &metadata, 0);
  if (metadata != NULL) {
    rd_kafka_metadata_destroy(metadata);
  }
  if (error == RD_KAFKA_RESP_ERR__TRANSPORT) {
    reach_on_down(&publisher->reach);
  } else {
    reach_on_heard(&publisher->reach, kafka_publisher_now_us());
  }
  kafka_publisher_set_timer(publisher);
}

static const struct problem nothing = {.cause = "none"};

static void hand_out(struct kafka_publisher *publisher, struct in_flight *place, rd_kafka_resp_err_t error, const struct problem *problem,
                     ReportFunction report, void *context)
{
  enum report_outcome outcome = kafka_error_outcome(error, place->partition);
  const struct report result = {
      .token = place->token,
      .outcome = outcome,
      .position = place->position,
      .entry = place->entry,
      .error = outcome == REPORT_DELIVERED ? NULL : kafka_error_text(error),
  };

  if (publisher->client->first == place) {
    publisher->client->first = NULL;
  }
  in_flight_give(&publisher->client->pool, place);
  report(context, &result, problem);
}

/*
 * A batch of which the client knows nothing, or that was refused for the moment, counts as delivered for it once a later one of the same partition is: the broker
 * takes only numbers in sequence. But one that has nothing of this producer yet takes any number, and then the earlier batch is nowhere (measured: a partition
 * added to a topic). A batch that the broker itself acknowledged has an offset; without one nothing is proven.
 */
static rd_kafka_resp_err_t error_of(const rd_kafka_message_t *message)
{
  return message->err == RD_KAFKA_RESP_ERR_NO_ERROR && message->offset < 0 ? RD_KAFKA_RESP_ERR__INCONSISTENT : message->err;
}

/* The client did not know the topic yet when it took the record. */
static void learn_place(struct kafka_publisher *publisher, const rd_kafka_message_t *message, const char *name)
{
  struct in_flight *place = message->_private;
  uint64_t topic = fnv1a_64(span_of_text(name));

  place->home = proven_home(topic, message->partition);
  kafka_publisher_look_for_moved_keys(publisher, place, span_of_text(name), topic);
}

static void on_message(struct kafka_publisher *publisher, const rd_kafka_message_t *message, ReportFunction report, void *context)
{
  struct in_flight *place = message->_private;
  rd_kafka_resp_err_t error = error_of(message);
  const char *topic = rd_kafka_topic_name(message->rkt);
  struct problem problem; /* large: not touched for a delivery */

  switch (kafka_error_outcome(error, place->partition)) {
  case REPORT_DELIVERED:
    if (place->home == 0) {
      learn_place(publisher, message, topic);
    }
    proven_add(&publisher->client->proven, place->home, publisher->served_us);
    hand_out(publisher, place, error, &nothing, report, context);
    return;
  case REPORT_REFUSED_ROW:
    (void)kafka_error_explain(error, topic, &publisher->address, VERDICT_POISON, &problem);
    break;
  case REPORT_REFUSED_TOPIC:
    (void)kafka_error_explain(error, topic, &publisher->address, VERDICT_FATAL, &problem);
    break;
  case REPORT_LOST:
    kafka_publisher_look_for_fatal(publisher);
    if (publisher->state == BREAKING) {
      place->next_free = publisher->lost;
      place->error = error;
      publisher->lost = place;
      publisher->lost_count++;
      return;
    }
    (void)kafka_error_explain(error, topic, &publisher->address, VERDICT_RETRY, &problem);
    break;
  }
  hand_out(publisher, place, error, &problem, report, context);
}

/* All that will be known is known: the lost ones, and on to the next state. */
static void finish_breaking(struct kafka_publisher *publisher, ReportFunction report, void *context)
{
  bool is_all = publisher->client->pool.count == publisher->lost_count;

  while (publisher->lost != NULL) {
    struct in_flight *place = publisher->lost;

    publisher->lost = place->next_free;
    hand_out(publisher, place, (rd_kafka_resp_err_t)place->error, &publisher->broken, report, context);
  }
  publisher->lost_count = 0;
  if (is_all && publisher->is_renewable) {
    kafka_publisher_end_client(publisher, RENEWING);
  } else {
    kafka_publisher_set_state(publisher, publisher->broken_verdict == VERDICT_FATAL ? REFUSED : BROKEN);
  }
}

static void on_error(struct kafka_publisher *publisher, rd_kafka_event_t *event)
{
  rd_kafka_resp_err_t error = rd_kafka_event_error(event);

  /* The event of a fatal error has the code RD_KAFKA_RESP_ERR__FATAL or, as measured with 2.0.2, the error's own. */
  kafka_publisher_look_for_fatal(publisher);
  if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
    look_for_broker(publisher);
  } else if (error == RD_KAFKA_RESP_ERR__AUTHENTICATION) {
    reach_on_auth_failed(&publisher->reach, kafka_publisher_now_us());
    (void)strncpy(publisher->refusal, rd_kafka_event_error_string(event), sizeof(publisher->refusal) - 1);
  }
}

static void on_log(struct kafka_publisher *publisher, rd_kafka_event_t *event)
{
  const char *facility, *message;
  int level;

  if (rd_kafka_event_log(event, &facility, &message, &level) == 0) {
    client_log_write(&publisher->log, level, facility, message, kafka_publisher_now_us());
  }
}

/* Reads on in the event at hand. Returns the number of reports handed out; the event is gone once it has been read to its end. */
static int read_event(struct kafka_publisher *publisher, int limit, ReportFunction report, void *context)
{
  struct kafka_client *client = publisher->client;
  const rd_kafka_message_t *message;
  bool has_delivered = false;
  int count = 0;

  switch (rd_kafka_event_type(client->event)) {
  case RD_KAFKA_EVENT_DR:
    while (count < limit && (message = rd_kafka_event_message_next(client->event)) != NULL) {
      has_delivered = has_delivered || error_of(message) == RD_KAFKA_RESP_ERR_NO_ERROR;
      on_message(publisher, message, report, context);
      count++;
    }
    if (has_delivered) {
      reach_on_heard(&publisher->reach, kafka_publisher_now_us());
      kafka_publisher_set_timer(publisher);
    }
    if (count == limit) {
      return count;
    }
    break;
  case RD_KAFKA_EVENT_ERROR:
    on_error(publisher, client->event);
    break;
  case RD_KAFKA_EVENT_LOG:
    on_log(publisher, client->event);
    break;
  default:
    break;
  }
  rd_kafka_event_destroy(client->event);
  client->event = NULL;
  return count;
}

static void on_tick(struct kafka_publisher *publisher)
{
  int64_t now = kafka_publisher_now_us();

  if (publisher->state == BREAKING) {
    /* The client has purged its queue once, and puts back into it what the broker refuses for the gap. */
    (void)rd_kafka_purge(publisher->client->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_NON_BLOCKING);
  }
  if (publisher->state != OPEN) {
    return;
  }
  if (reach_look_is_due(&publisher->reach, now)) {
    look_for_broker(publisher);
  }
  if (reach_is_refused(&publisher->reach, now)) {
    publisher->broken_verdict = kafka_error_explain_authentication(publisher->refusal, &publisher->address, &publisher->broken);
    kafka_publisher_set_state(publisher, REFUSED);
  }
}

static void empty_queue(struct kafka_publisher *publisher, int limit, ReportFunction report, void *context)
{
  struct kafka_client *client = publisher->client;
  int reports = 0, events = 0;

  while (reports < limit && events < limit) {
    if (client->event == NULL) {
      client->event = rd_kafka_queue_poll(client->queue, 0);
      if (client->event == NULL) {
        return;
      }
      events++;
    }
    reports += read_event(publisher, limit - reports, report, context);
  }
  kafka_publisher_wake(publisher);
}

static void renew(struct kafka_publisher *publisher)
{
  enum verdict verdict = kafka_publisher_make_client(publisher, &publisher->broken);

  if (verdict != VERDICT_OK && verdict != VERDICT_WAIT) {
    publisher->broken_verdict = verdict;
    kafka_publisher_set_state(publisher, BROKEN);
  }
}

enum verdict kafka_publisher_reports(struct publisher *port, int limit, ReportFunction report, void *context, struct problem *problem)
{
  struct kafka_publisher *publisher = (struct kafka_publisher *)port;
  bool has_ticked = kafka_publisher_clear(publisher);

  publisher->served_us = kafka_publisher_now_us();
  if (publisher->state == RENEWING) {
    renew(publisher);
  } else if (publisher->state == ENDING && kafka_client_end_is_done(publisher->end)) {
    kafka_publisher_forget_end(publisher);
  }
  if (publisher->state == OPEN || publisher->state == BREAKING) {
    empty_queue(publisher, limit, report, context);
    if (has_ticked) {
      on_tick(publisher);
    }
  }
  if (publisher->state == BREAKING &&
      (publisher->client->pool.count == publisher->lost_count || kafka_publisher_now_us() - publisher->since_us >= BREAKING_MAX_US)) {
    finish_breaking(publisher, report, context);
  }
  return publisher->state == OPEN || publisher->state == BREAKING || publisher->state == RENEWING ? VERDICT_OK : kafka_publisher_say_broken(publisher, problem);
}
