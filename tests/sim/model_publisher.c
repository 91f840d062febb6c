/*
 * model_publisher.c - the port publisher.h over the lanes of model_kafka.c: what cdc-relay/src/publish/kafka_publisher.c is with librdkafka.
 *
 *   CLOSED --open--> OPEN --fatal error--> BREAKING (reports first) or at once --> BROKEN --close--> ENDING --> CLOSED
 *                     |  \--a batch is refused--> BREAKING --all reported--> RENEWING --> OPEN
 *                     \--nobody lets us in--> REFUSED
 *
 * No call is taken for granted: to be opened or closed from inside a report is a finding.
 */
#include "world.h"

enum {
  RENEW_MAX_US = 30000,
  END_MAX_US = 50000,
  GIVE_UP_MAX_US = 5000000,
};

static struct model_publisher *model_publisher_of(struct publisher *base)
{
  return (struct model_publisher *)base;
}

static void open_client(struct model_publisher *publisher)
{
  struct world *world = publisher->world;

  producer_forget(publisher);
  publisher->state = PRODUCER_OPEN;
  publisher->learned_us = 0;
  publisher->until_us = world->now_us + 3 * link_latency_us(world); /* it has to find a broker first */
  publisher->refused_us = world->now_us + dice_magnitude(&world->dice, 100000, GIVE_UP_MAX_US);
}

static void mp_close(struct publisher *base)
{
  struct model_publisher *publisher = model_publisher_of(base);
  bool had_client = publisher->state != PRODUCER_CLOSED && publisher->state != PRODUCER_ENDING;

  if (publisher->is_reporting) {
    world_finds(publisher->world, "port", "the publisher is closed or opened from inside a report");
  }
  if (had_client) {
    producer_settle(publisher, false);
    producer_forget(publisher);
    publisher->state = PRODUCER_ENDING;
    publisher->until_us = publisher->world->now_us + dice_magnitude(&publisher->world->dice, 1, END_MAX_US);
  }
}

static enum verdict mp_open(struct publisher *base, struct problem *problem)
{
  struct model_publisher *publisher = model_publisher_of(base);

  (void)problem;
  mp_close(base);
  if (publisher->state == PRODUCER_ENDING && publisher->world->now_us < publisher->until_us) {
    return VERDICT_WAIT;
  }
  open_client(publisher);
  return VERDICT_OK;
}

static enum verdict say_broken(const struct model_publisher *publisher, struct problem *problem)
{
  if (publisher->state == PRODUCER_REFUSED) {
    return problem_set(problem, VERDICT_FATAL, EXIT_KAFKA_REFUSES, "authentication", "Kafka lets nobody in");
  }
  return problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, publisher->state == PRODUCER_BROKEN ? "producer_fatal" : "not_open",
                     publisher->state == PRODUCER_BROKEN ? "fatal error of the producer" : "the producer is not open");
}

/* Partitions that topics were given by then. */
static int64_t growth(const struct world *world, int64_t now_us)
{
  return now_us / world->plan.growth_us;
}

/* The row names a partition that was added before it was written, and behind what the client has learned. */
static bool is_news(struct model_publisher *publisher, const struct flight *flight)
{
  const struct world *world = publisher->world;
  const struct row *row = &world->history.rows[flight->row];
  int64_t written_us = world->history.transactions[row->transaction].commit_time_us;
  uint64_t chance = world->plan.seed ^ (uint64_t)flight->row << 32;

  if (world->plan.growth_us == 0 || flight->is_dead_letter) {
    return false;
  }
  if (publisher->learned_us == 0) {
    publisher->learned_us = world_wall_us(world);
  }
  return chance_next(&chance) % 100 < world->plan.named_percent && growth(world, written_us) > growth(world, publisher->learned_us);
}

static enum verdict mp_publish(struct publisher *base, const struct record *record, uint64_t token, struct problem *problem)
{
  struct model_publisher *publisher = model_publisher_of(base);
  struct world *world = publisher->world;
  uint32_t topic;
  struct flight flight = {.state = FLIGHT_QUEUED, .token = token, .position = record->position, .entry = record->entry};

  if (publisher->state == PRODUCER_BREAKING || publisher->state == PRODUCER_RENEWING) {
    return VERDICT_WAIT;
  }
  if (publisher->state != PRODUCER_OPEN) {
    return say_broken(publisher, problem);
  }
  if (publisher->count == world->plan.max_events || publisher->full_until_us > world->now_us) {
    return VERDICT_WAIT;
  }
  if (!oracle_on_publish(world, publisher->relay, record, &flight, &topic)) {
    return problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "finding", "the oracle has found something");
  }
  if (!flight.is_dead_letter && world->history.rows[flight.row].kind == ROW_TOO_LARGE && !world->cluster.is_mended) {
    return problem_set(problem, VERDICT_POISON, EXIT_POISON, "too_large", "record is too large");
  }
  if (is_news(publisher, &flight)) {
    TRACE(world, relay_name(&world->relays[publisher->relay]), "has a client that does not know the partition of e%u", flight.row);
    return problem_set(problem, VERDICT_POISON, EXIT_POISON, "no_partition", "the topic does not have the partition");
  }
  if (world->cluster.topic_refused_until_us[topic] > world->now_us && dice_percent(&world->dice, 30)) {
    return problem_set(problem, VERDICT_FATAL, EXIT_KAFKA_REFUSES, "unknown_topic", "topic does not exist"); /* it has been told already */
  }
  (void)oracle_on_accepted(world, publisher->relay, &flight);
  producer_enqueue(publisher, topic, &flight);
  return VERDICT_OK;
}

/* Takes the oldest record of the lane out, and hands out its report. */
static void hand_out(struct model_publisher *publisher, struct lane *lane, ReportFunction report, void *context)
{
  const struct flight flight = producer_dequeue(publisher, lane);
  struct model_stream *stream = &publisher->world->relays[publisher->relay].stream;
  struct problem why = {.cause = "none"};

  switch (flight.outcome) {
  case REPORT_DELIVERED:
    oracle_on_report(publisher->world, stream, &flight);
    break;
  case REPORT_REFUSED_ROW:
    (void)problem_set(&why, VERDICT_POISON, EXIT_POISON, "refused", "broker refused the record");
    break;
  case REPORT_REFUSED_TOPIC:
    (void)problem_set(&why, VERDICT_FATAL, EXIT_KAFKA_REFUSES, "unknown_topic", "topic does not exist");
    break;
  case REPORT_LOST:
    (void)problem_set(&why, VERDICT_RETRY, EXIT_UNEXPECTED, "lost", "the producer broke");
    break;
  }
  report(context, &(struct report){.token = flight.token, .outcome = flight.outcome, .position = flight.position, .entry = flight.entry, .error = "lost"},
         &why);
}

/* `lost`: those, which come last; else all others. True when some are left. */
static void hand_out_all(struct model_publisher *publisher, bool lost, int *limit, ReportFunction report, void *context)
{
  size_t first = dice_below(&publisher->world->dice, KAFKA_LANES);

  for (size_t i = 0; i < KAFKA_LANES && publisher->count > 0; i++) {
    size_t number = (first + i) % KAFKA_LANES;

    while (*limit > 0 && producer_has_report(publisher, number)) {
      enum report_outcome outcome = publisher->flights[publisher->lanes[number].first].outcome;

      if ((outcome == REPORT_LOST) != lost || (outcome != REPORT_DELIVERED && publisher->state == PRODUCER_OPEN)) {
        break;
      }
      hand_out(publisher, &publisher->lanes[number], report, context);
      (*limit)--;
    }
  }
}

static bool only_lost_are_left(const struct model_publisher *publisher)
{
  for (size_t i = 0; i < KAFKA_LANES; i++) {
    uint32_t first = publisher->lanes[i].first;

    if (first != NO_FLIGHT && publisher->flights[first].outcome != REPORT_LOST) {
      return false;
    }
  }
  return true;
}

static enum verdict mp_reports(struct publisher *base, int limit, ReportFunction report, void *context, struct problem *problem)
{
  struct model_publisher *publisher = model_publisher_of(base);
  struct world *world = publisher->world;

  model_publisher_run(publisher);
  if (publisher->state == PRODUCER_RENEWING && publisher->until_us <= world->now_us) {
    open_client(publisher);
  } else if (publisher->state == PRODUCER_ENDING && publisher->until_us <= world->now_us) {
    publisher->state = PRODUCER_CLOSED;
  }
  publisher->is_reporting = true;
  if (publisher->state == PRODUCER_OPEN) {
    hand_out_all(publisher, false, &limit, report, context);
    model_publisher_run(publisher); /* which hears of a refusal, once it is the next */
  }
  if (publisher->state == PRODUCER_BREAKING) {
    hand_out_all(publisher, false, &limit, report, context);
  }
  if (publisher->state == PRODUCER_BREAKING && only_lost_are_left(publisher)) {
    hand_out_all(publisher, true, &limit, report, context);
  }
  publisher->is_reporting = false;
  if (publisher->state == PRODUCER_BREAKING && publisher->count == 0) {
    publisher->state = publisher->is_renewable ? PRODUCER_RENEWING : PRODUCER_BROKEN;
    publisher->until_us = publisher->is_renewable ? world->now_us + dice_magnitude(&world->dice, 1, RENEW_MAX_US) : 0;
  }
  if (publisher->state == PRODUCER_OPEN || publisher->state == PRODUCER_BREAKING || publisher->state == PRODUCER_RENEWING) {
    return VERDICT_OK;
  }
  if (publisher->state == PRODUCER_BROKEN || publisher->state == PRODUCER_REFUSED) {
    publisher->until_us = world->now_us;
  }
  return say_broken(publisher, problem);
}

/* Whoever waits for company waits no longer. */
static void mp_hurry(struct publisher *base)
{
  struct model_publisher *publisher = model_publisher_of(base);

  for (size_t i = 0; i < KAFKA_LANES; i++) {
    if (publisher->lanes[i].send_us > publisher->world->now_us) {
      publisher->lanes[i].send_us = publisher->world->now_us;
    }
  }
  model_publisher_run(publisher);
}

static void mp_figures(const struct publisher *base, struct publisher_figures *ret_figures)
{
  const struct model_publisher *publisher = (const struct model_publisher *)base;
  const struct world *world = publisher->world;

  *ret_figures = (struct publisher_figures){
      .is_connected = publisher->state == PRODUCER_OPEN && publisher->until_us <= world->now_us && world->cluster.down_until_us <= world->now_us &&
                      world->cluster.login_refused_until_us <= world->now_us,
      .queue_events = publisher->count,
      .max_events = world->plan.max_events,
  };
}

static void mp_free(struct publisher *base)
{
  (void)base; /* it lies in the relay */
}

void model_publisher_init(struct model_publisher *publisher, struct world *world, uint32_t relay)
{
  static const struct publisher_ops ops = {
      .open = mp_open, .close = mp_close, .publish = mp_publish, .hurry = mp_hurry, .reports = mp_reports, .figures = mp_figures, .free = mp_free};

  publisher->base.ops = &ops;
  publisher->base.fd = -1;
  publisher->world = world;
  publisher->relay = relay;
  publisher->state = PRODUCER_CLOSED;
  publisher->until_us = 0;
  publisher->full_until_us = 0;
  publisher->last_batch = 0;
  publisher->is_reporting = false;
  producer_forget(publisher);
}
