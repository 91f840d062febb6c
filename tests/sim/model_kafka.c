/*
 * model_kafka.c - the producer's lanes and what the brokers do with them.
 *
 *   a lane    first -> answered, answered, | wire, wire, wire, | queued, queued <- last
 *                                            unappended          unsent
 *
 * A batch goes on the wire when its lane may have one more there; all its records are appended at one time, or refused together. A report comes later. What a
 * client that ends had on the wire is appended up to some record of each lane, at once: a broker serves the old connection before the new one's first request.
 */
#include "world.h"

enum { REPORT_LATE_MAX_US = 20000000 };

void cluster_init(struct cluster *cluster)
{
  *cluster = (struct cluster){0};
}

static uint32_t lane_of(const struct world *world, uint32_t topic, const struct row *row)
{
  return topic * KAFKA_PARTITIONS_MAX + row->key % world->plan.partitions;
}

static int64_t later(int64_t a, int64_t b)
{
  return a > b ? a : b;
}

/* When a broker answers for that lane. */
static int64_t reachable_us(const struct model_publisher *publisher, size_t lane)
{
  const struct cluster *cluster = &publisher->world->cluster;

  return later(later(cluster->down_until_us, cluster->login_refused_until_us), later(cluster->stalled_until_us[lane], publisher->until_us));
}

/* ---- the flights ---- */

void producer_forget(struct model_publisher *publisher)
{
  publisher->count = 0;
  publisher->free = 0;
  for (uint32_t i = 0; i < publisher->world->plan.max_events; i++) {
    publisher->flights[i].next = i + 1 < publisher->world->plan.max_events ? i + 1 : NO_FLIGHT;
  }
  for (size_t i = 0; i < KAFKA_LANES; i++) {
    publisher->lanes[i] = (struct lane){.first = NO_FLIGHT, .last = NO_FLIGHT, .unsent = NO_FLIGHT, .unappended = NO_FLIGHT};
  }
}

void producer_enqueue(struct model_publisher *publisher, uint32_t topic, const struct flight *flight)
{
  uint32_t number = publisher->free;
  struct lane *lane = &publisher->lanes[lane_of(publisher->world, topic, &publisher->world->history.rows[flight->row])];

  publisher->free = publisher->flights[number].next;
  publisher->count++;
  publisher->flights[number] = *flight;
  publisher->flights[number].next = NO_FLIGHT;
  if (lane->last == NO_FLIGHT) {
    lane->first = number;
  } else {
    publisher->flights[lane->last].next = number;
  }
  lane->last = number;
  if (lane->unsent == NO_FLIGHT) {
    lane->unsent = number;
    lane->send_us = later(lane->send_us, publisher->world->now_us + publisher->world->plan.linger_us);
  }
}

struct flight producer_dequeue(struct model_publisher *publisher, struct lane *lane)
{
  uint32_t number = lane->first;
  const struct flight flight = publisher->flights[number];

  lane->first = flight.next;
  if (lane->first == NO_FLIGHT) {
    lane->last = NO_FLIGHT;
  }
  if ((flight.next == NO_FLIGHT || publisher->flights[flight.next].batch != flight.batch) && lane->on_the_wire > 0) {
    lane->on_the_wire--;
  }
  publisher->flights[number].next = publisher->free;
  publisher->free = number;
  publisher->count--;
  return flight;
}

/* ---- batches ---- */

static void send_batch(struct model_publisher *publisher, struct lane *lane)
{
  struct world *world = publisher->world;
  int64_t append_us = later(lane->append_us, world->now_us + link_latency_us(world));
  int64_t report_us = later(lane->report_us, append_us + link_latency_us(world));
  uint32_t records = 1 + dice_below(&world->dice, world->plan.batch_records);

  if (world->cluster.late_reports > 0) {
    world->cluster.late_reports--;
    report_us += dice_magnitude(&world->dice, 10000, REPORT_LATE_MAX_US);
  }
  publisher->last_batch++;
  lane->append_us = append_us;
  lane->report_us = report_us;
  lane->on_the_wire++;
  for (uint32_t i = 0; i < records && lane->unsent != NO_FLIGHT; i++) {
    struct flight *flight = &publisher->flights[lane->unsent];

    if (lane->unappended == NO_FLIGHT) {
      lane->unappended = lane->unsent;
    }
    flight->state = FLIGHT_WIRE;
    flight->batch = publisher->last_batch;
    flight->append_us = append_us;
    flight->report_us = report_us;
    lane->unsent = flight->next;
  }
}

static uint32_t topic_of(const struct world *world, const struct flight *flight)
{
  return flight->is_dead_letter ? DEAD_LETTER_TOPIC : world->history.rows[flight->row].topic;
}

/* A batch with it is refused. */
static bool is_unwelcome(const struct world *world, const struct flight *flight)
{
  const struct row *row = &world->history.rows[flight->row];

  if (flight->is_dead_letter) {
    return false;
  }
  return (row->kind == ROW_REFUSED && !world->cluster.is_mended) ||
         (world->cluster.topic_shrunk_until_us[row->topic] > world->now_us && row->padding_bytes >= KAFKA_SHRUNK_BYTES);
}

static void answer(struct world *world, struct flight *flight, enum report_outcome outcome, uint32_t relay)
{
  flight->state = FLIGHT_ANSWERED;
  flight->outcome = outcome;
  if (outcome == REPORT_DELIVERED) {
    world->cluster.appended[topic_of(world, flight)]++;
    oracle_on_append(world, relay, flight);
  }
}

/* What the broker says of the batch that begins there: one bad row is enough. */
static enum report_outcome judge_batch(const struct model_publisher *publisher, size_t lane, uint32_t number)
{
  const struct world *world = publisher->world;
  uint32_t batch = publisher->flights[number].batch;

  if (publisher->lanes[lane].is_refused) {
    return REPORT_LOST; /* out of sequence behind what was refused */
  }
  if (world->cluster.topic_refused_until_us[lane / KAFKA_PARTITIONS_MAX] > world->now_us) {
    return REPORT_REFUSED_TOPIC;
  }
  for (; number != NO_FLIGHT && publisher->flights[number].state == FLIGHT_WIRE && publisher->flights[number].batch == batch;
       number = publisher->flights[number].next) {
    if (is_unwelcome(world, &publisher->flights[number])) {
      return REPORT_REFUSED_ROW;
    }
  }
  return REPORT_DELIVERED;
}

static void append_batch(struct model_publisher *publisher, size_t number)
{
  struct lane *lane = &publisher->lanes[number];
  enum report_outcome outcome = judge_batch(publisher, number, lane->unappended);
  uint32_t batch = publisher->flights[lane->unappended].batch;

  if (outcome != REPORT_DELIVERED) {
    TRACE(publisher->world, "kafka", "refuses a batch of lane %zu", number);
    lane->is_refused = true;
  }
  while (lane->unappended != NO_FLIGHT && publisher->flights[lane->unappended].state == FLIGHT_WIRE && publisher->flights[lane->unappended].batch == batch) {
    struct flight *flight = &publisher->flights[lane->unappended];

    answer(publisher->world, flight, outcome, publisher->relay);
    lane->unappended = flight->next;
  }
  if (lane->unappended == lane->unsent) {
    lane->unappended = NO_FLIGHT;
  }
}

/* ---- the end of a client ---- */

/* Some of what is on the wire arrives: of each lane the older ones. */
void producer_settle(struct model_publisher *publisher, bool reports)
{
  struct world *world = publisher->world;

  for (size_t i = 0; i < KAFKA_LANES; i++) {
    struct lane *lane = &publisher->lanes[i];
    bool goes_on = world->cluster.down_until_us <= world->now_us && world->cluster.topic_refused_until_us[i / KAFKA_PARTITIONS_MAX] <= world->now_us;
    bool is_heard = true;

    for (uint32_t number = lane->first; number != NO_FLIGHT; number = publisher->flights[number].next) {
      struct flight *flight = &publisher->flights[number];

      if (flight->state == FLIGHT_ANSWERED) {
        is_heard = is_heard && (flight->report_us <= world->now_us || dice_percent(&world->dice, 50));
      } else {
        goes_on = goes_on && flight->state == FLIGHT_WIRE && !is_unwelcome(world, flight) && !lane->is_refused && dice_percent(&world->dice, 70);
        is_heard = is_heard && reports && goes_on && dice_percent(&world->dice, 50);
        answer(world, flight, goes_on ? REPORT_DELIVERED : REPORT_LOST, publisher->relay);
      }
      if (!is_heard) {
        flight->outcome = REPORT_LOST; /* perhaps appended, and nobody says so */
      }
      flight->report_us = world->now_us;
    }
    lane->unsent = NO_FLIGHT;
    lane->unappended = NO_FLIGHT;
  }
}

void model_publisher_abandon(struct model_publisher *publisher)
{
  producer_settle(publisher, false);
  producer_forget(publisher);
  publisher->state = PRODUCER_CLOSED;
}

void model_publisher_break(struct model_publisher *publisher, enum producer_break how)
{
  if (publisher->state != PRODUCER_OPEN) {
    return;
  }
  producer_settle(publisher, how != BREAK_SILENTLY);
  publisher->is_renewable = how == BREAK_AND_RENEW;
  if (how != BREAK_SILENTLY) {
    publisher->state = PRODUCER_BREAKING;
  } else {
    producer_forget(publisher);
    publisher->state = PRODUCER_BROKEN;
  }
  publisher->until_us = 0;
}

/* ---- time ---- */

/* `reports`: also when there is something to tell. */
static int64_t lane_next_us(const struct model_publisher *publisher, size_t number, bool reports)
{
  const struct lane *lane = &publisher->lanes[number];
  int64_t next_us = INT64_MAX;
  int64_t reachable = reachable_us(publisher, number);

  if (lane->first == NO_FLIGHT) {
    return INT64_MAX;
  }
  if (reports && publisher->flights[lane->first].state == FLIGHT_ANSWERED) {
    next_us = publisher->state == PRODUCER_BREAKING ? publisher->flights[lane->first].report_us : later(publisher->flights[lane->first].report_us, reachable);
  }
  if (lane->unappended != NO_FLIGHT) {
    int64_t append_us = later(publisher->flights[lane->unappended].append_us, reachable);

    next_us = append_us < next_us ? append_us : next_us;
  }
  if (lane->unsent != NO_FLIGHT && lane->on_the_wire < publisher->world->plan.batches_on_the_wire) {
    int64_t send_us = later(lane->send_us, reachable);

    next_us = send_us < next_us ? send_us : next_us;
  }
  return next_us;
}

int64_t model_publisher_work_us(const struct model_publisher *publisher)
{
  int64_t next_us = INT64_MAX;

  if (publisher->state != PRODUCER_OPEN) {
    return INT64_MAX;
  }
  if (publisher->world->cluster.login_refused_until_us > publisher->world->now_us) {
    return publisher->refused_us;
  }
  for (size_t i = 0; publisher->count > 0 && i < KAFKA_LANES; i++) {
    int64_t lane_us = lane_next_us(publisher, i, false);

    next_us = lane_us < next_us ? lane_us : next_us;
  }
  return next_us;
}

int64_t model_publisher_next_us(const struct model_publisher *publisher)
{
  int64_t next_us = INT64_MAX;

  switch (publisher->state) {
  case PRODUCER_CLOSED:
    return INT64_MAX;
  case PRODUCER_RENEWING:
  case PRODUCER_ENDING:
    return publisher->until_us;
  case PRODUCER_BROKEN:
  case PRODUCER_REFUSED:
    return publisher->until_us == 0 ? 0 : INT64_MAX;
  case PRODUCER_OPEN:
    if (publisher->world->cluster.login_refused_until_us > publisher->world->now_us) {
      return publisher->refused_us;
    }
    break;
  case PRODUCER_BREAKING:
    if (publisher->count == 0) {
      return 0;
    }
    break;
  }
  if (publisher->count > 0) {
    for (size_t i = 0; i < KAFKA_LANES; i++) {
      int64_t lane_us = lane_next_us(publisher, i, true);

      next_us = lane_us < next_us ? lane_us : next_us;
    }
  }
  return next_us;
}

bool producer_has_report(const struct model_publisher *publisher, size_t number)
{
  const struct lane *lane = &publisher->lanes[number];
  const struct flight *flight = lane->first != NO_FLIGHT ? &publisher->flights[lane->first] : NULL;

  return flight != NULL && flight->state == FLIGHT_ANSWERED && flight->report_us <= publisher->world->now_us &&
         (publisher->state == PRODUCER_BREAKING || reachable_us(publisher, number) <= publisher->world->now_us);
}

void model_publisher_run(struct model_publisher *publisher)
{
  int64_t now_us = publisher->world->now_us;

  if (publisher->state == PRODUCER_OPEN && publisher->world->cluster.login_refused_until_us > now_us) {
    if (now_us >= publisher->refused_us) {
      publisher->state = PRODUCER_REFUSED;
      publisher->until_us = 0;
    }
    return;
  }
  if (publisher->state != PRODUCER_OPEN || publisher->count == 0) {
    return;
  }
  for (size_t i = 0; i < KAFKA_LANES; i++) {
    struct lane *lane = &publisher->lanes[i];

    if (lane->first == NO_FLIGHT || reachable_us(publisher, i) > now_us) {
      continue;
    }
    while (lane->unappended != NO_FLIGHT && publisher->flights[lane->unappended].append_us <= now_us) {
      append_batch(publisher, i);
    }
    while (lane->unsent != NO_FLIGHT && lane->send_us <= now_us && lane->on_the_wire < publisher->world->plan.batches_on_the_wire) {
      send_batch(publisher, lane);
    }
    if (producer_has_report(publisher, i) && publisher->flights[lane->first].outcome != REPORT_DELIVERED) {
      /* The client hears of a refused batch: nothing more is sent, and a new client takes its place once all is reported. */
      producer_settle(publisher, true);
      publisher->is_renewable = true;
      publisher->state = PRODUCER_BREAKING;
      publisher->until_us = 0;
      return;
    }
  }
}

bool model_publisher_is_ready(const struct model_publisher *publisher)
{
  switch (publisher->state) {
  case PRODUCER_CLOSED:
    return false;
  case PRODUCER_RENEWING:
  case PRODUCER_ENDING:
    return publisher->until_us <= publisher->world->now_us;
  case PRODUCER_BROKEN:
  case PRODUCER_REFUSED:
    return publisher->until_us == 0;
  case PRODUCER_BREAKING:
    if (publisher->count == 0) {
      return true;
    }
    break;
  case PRODUCER_OPEN:
    break;
  }
  for (size_t i = 0; publisher->count > 0 && i < KAFKA_LANES; i++) {
    if (producer_has_report(publisher, i)) {
      return true;
    }
  }
  return false;
}
