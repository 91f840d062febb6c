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

enum {
  NO_FLIGHT = UINT32_MAX,
  REPORT_LATE_MAX_US = 20000000,
  RENEW_MAX_US = 30000,
  END_MAX_US = 50000,
  GIVE_UP_MAX_US = 5000000,
};

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

static void forget_flights(struct model_publisher *publisher)
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

static void enqueue(struct model_publisher *publisher, struct lane *lane, uint32_t number)
{
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

static void answer(struct world *world, struct flight *flight, enum report_outcome outcome, uint32_t relay)
{
  flight->state = FLIGHT_ANSWERED;
  flight->outcome = outcome;
  if (outcome == REPORT_DELIVERED) {
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
    const struct flight *flight = &publisher->flights[number];

    if (!flight->is_dead_letter && world->history.rows[flight->row].kind == ROW_REFUSED && !world->cluster.is_mended) {
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
static void settle_wire(struct model_publisher *publisher, bool reports)
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
        bool is_bad = !flight->is_dead_letter && world->history.rows[flight->row].kind == ROW_REFUSED;

        goes_on = goes_on && flight->state == FLIGHT_WIRE && !is_bad && !lane->is_refused && dice_percent(&world->dice, 70);
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
  settle_wire(publisher, false);
  forget_flights(publisher);
  publisher->state = PRODUCER_CLOSED;
}

void model_publisher_break(struct model_publisher *publisher, bool reports)
{
  if (publisher->state != PRODUCER_OPEN) {
    return;
  }
  settle_wire(publisher, reports);
  publisher->is_renewable = false;
  if (reports) {
    publisher->state = PRODUCER_BREAKING;
  } else {
    forget_flights(publisher);
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

static bool has_report(const struct model_publisher *publisher, size_t number)
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
    if (has_report(publisher, i) && publisher->flights[lane->first].outcome != REPORT_DELIVERED) {
      /* The client hears of a refused batch: nothing more is sent, and a new client takes its place once all is reported. */
      settle_wire(publisher, true);
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
    if (has_report(publisher, i)) {
      return true;
    }
  }
  return false;
}

/* ---- the port ---- */

static struct model_publisher *model_publisher_of(struct publisher *base)
{
  return (struct model_publisher *)base;
}

static void open_client(struct model_publisher *publisher)
{
  struct world *world = publisher->world;

  forget_flights(publisher);
  publisher->state = PRODUCER_OPEN;
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
    settle_wire(publisher, false);
    forget_flights(publisher);
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

static enum verdict mp_publish(struct publisher *base, const struct record *record, uint64_t token, struct problem *problem)
{
  struct model_publisher *publisher = model_publisher_of(base);
  struct world *world = publisher->world;
  uint32_t number = publisher->free;
  uint32_t topic;
  uint32_t lane;
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
  if (world->cluster.topic_refused_until_us[topic] > world->now_us && dice_percent(&world->dice, 30)) {
    return problem_set(problem, VERDICT_FATAL, EXIT_KAFKA_REFUSES, "unknown_topic", "topic does not exist"); /* it has been told already */
  }
  (void)oracle_on_accepted(world, publisher->relay, &flight);
  lane = lane_of(world, topic, &world->history.rows[flight.row]);
  publisher->free = publisher->flights[number].next;
  publisher->count++;
  publisher->flights[number] = flight;
  enqueue(publisher, &publisher->lanes[lane], number);
  return VERDICT_OK;
}

/* Takes the oldest record of the lane out, and hands out its report. */
static void hand_out(struct model_publisher *publisher, struct lane *lane, ReportFunction report, void *context)
{
  uint32_t number = lane->first;
  const struct flight flight = publisher->flights[number];
  struct model_stream *stream = &publisher->world->relays[publisher->relay].stream;
  struct problem why = {.cause = "none"};

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

    while (*limit > 0 && has_report(publisher, number)) {
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
      .open = mp_open, .close = mp_close, .publish = mp_publish, .reports = mp_reports, .figures = mp_figures, .free = mp_free};

  publisher->base.ops = &ops;
  publisher->base.fd = -1;
  publisher->world = world;
  publisher->relay = relay;
  publisher->state = PRODUCER_CLOSED;
  publisher->until_us = 0;
  publisher->full_until_us = 0;
  publisher->last_batch = 0;
  publisher->is_reporting = false;
  forget_flights(publisher);
}
