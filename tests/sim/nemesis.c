/*
 * nemesis.c - what goes wrong, and when. Which kinds are possible in a history is the plan's; which of them comes when, how long it lasts and whom it hits is drawn here.
 * All ends at heal_us: what is broken is mended, who is dead begins again, and from then on the relay has to recover. Only a line that stalls does so by itself, or not at
 * all: it is left to the relay.
 */
#include "world.h"

enum {
  CLOCK_JUMP_MAX_S = 2 * 86400,
  RETRY_MAX_S = 120, /* TCP_RTO_MAX of Linux */
};

/* From a millisecond to so many seconds from now: mostly short, so that recoveries are disturbed, too; often long enough for every timeout. */
static int64_t until(struct world *world, int64_t seconds)
{
  bool is_long = dice_percent(&world->dice, 30);

  return world->now_us + (is_long ? dice_between(&world->dice, 0, seconds_us(seconds)) : dice_magnitude(&world->dice, US_PER_MS, seconds_us(seconds)));
}

static enum sim_fault draw_kind(struct world *world)
{
  enum sim_fault kind;

  do {
    kind = dice_below(&world->dice, FAULTS_TIMED);
  } while ((world->plan.faults & UINT32_C(1) << kind) == 0);
  return kind;
}

void nemesis_init(struct world *world)
{
  int64_t mean_us = world->plan.fault_count > 0 ? world->plan.active_us / world->plan.fault_count : 0;
  int64_t at_us = world->now_us;

  world->fault_next = 0;
  world->faults_drawn = 0;
  for (uint32_t i = 0; i < world->plan.fault_count; i++) {
    /* Sometimes one upon the other. */
    at_us += dice_percent(&world->dice, 25) ? dice_magnitude(&world->dice, 1, 100000) : dice_between(&world->dice, 0, 2 * mean_us);
    world->fault_us[i] = at_us;
    world->fault_kind[i] = draw_kind(world);
  }
  world->heal_us = world->now_us + world->plan.active_us;
  world->mend_us = world->plan.dead_letters ? INT64_MAX : world->now_us + dice_between(&world->dice, 0, world->plan.active_us);
  world->is_healed = false;
  world->slot_is_to_move = false;
  world->slot_is_to_be_taken = SLOT_NOT_TAKEN;
}

int64_t nemesis_next_us(const struct world *world)
{
  int64_t next_us = world->mend_us;

  if (world->is_healed) {
    return INT64_MAX;
  }
  next_us = world->heal_us < next_us ? world->heal_us : next_us;
  if (world->fault_next < world->plan.fault_count && world->fault_us[world->fault_next] < next_us) {
    next_us = world->fault_us[world->fault_next];
  }
  return next_us;
}

static struct walsender *active_sender(struct world *world)
{
  for (size_t i = 0; i < SERVER_WALSENDERS_MAX; i++) {
    if (world->server.senders[i].is_used && !world->server.senders[i].is_over) {
      return &world->server.senders[i];
    }
  }
  return NULL;
}

/* Only where nothing is on its way to Kafka, so that it is certain what is given away. */
static void advance_slot(struct world *world, const struct relay *relay)
{
  const struct history *history = &world->history;
  uint32_t first = history_first_from(history, world->server.confirmed);

  if (world->plan.relays == 1 && world->server.active_pid == 0 && relay->publisher.count == 0 && relay->stream.step < STEP_STREAMING &&
      world->server.state == SERVER_UP && first < history->transaction_count) {
    const struct transaction *last = &history->transactions[first + dice_below(&world->dice, history->transaction_count - first)];

    if (last->end_lsn <= history->flushed) {
      oracle_on_slot_moved(world, last->end_lsn);
      world->server.confirmed = last->end_lsn;
      world->server.saved = last->end_lsn;
    }
  }
}

/*
 * pg_replication_slot_advance() needs a slot that nobody streams from: the first such fault ends the walsender, the next one moves the slot, unless somebody has moved
 * it in the worst of moments before that, when a relay had looked at it and its start was on the way.
 */
static void move_slot(struct world *world, const struct relay *relay, struct walsender *sender)
{
  if (sender != NULL) {
    world->slot_seen_us = world->now_us;
    world->slot_seen_pid = sender->pid;
    walsender_die(world, sender, DOWN_LOST, true);
    world->slot_is_to_move = dice_percent(&world->dice, 50);
  } else {
    advance_slot(world, relay);
  }
}

/* What the second connection asked while the walsender was there is answered only now: that process had the slot. */
static void answer_late(struct world *world, struct relay *relay)
{
  if (relay->monitor.asked_us <= world->slot_seen_us) {
    relay->monitor.asked_us = world->slot_seen_us;
    relay->monitor.is_active = true;
    relay->monitor.active_pid = world->slot_seen_pid;
    relay->monitor.answer_us = world->now_us;
  }
}

void nemesis_on_start(struct world *world, struct relay *relay)
{
  if (world->slot_is_to_be_taken == SLOT_TAKEN_BEFORE_START) {
    world->slot_is_to_be_taken = SLOT_NOT_TAKEN;
    server_lend_slot(world, until(world, 20));
  }
  if (world->slot_is_to_move) {
    world->slot_is_to_move = false;
    if (active_sender(world) == NULL) {
      advance_slot(world, relay);
    }
    if (dice_percent(&world->dice, 50)) {
      answer_late(world, relay);
    }
  }
}

/* At once, or in a moment that a draw would seldom meet: between a relay's look at the slot and its start, or between that start and the look that follows. */
static void take_slot(struct world *world, struct walsender *sender)
{
  world->slot_is_to_be_taken = (enum slot_taking)dice_below(&world->dice, 3);
  if (sender != NULL) {
    walsender_die(world, sender, DOWN_LOST, true);
  }
  if (world->slot_is_to_be_taken == SLOT_NOT_TAKEN) {
    server_lend_slot(world, until(world, 20));
  }
}

void nemesis_on_look(struct world *world, struct walsender *sender)
{
  if (world->slot_is_to_be_taken == SLOT_TAKEN_BEFORE_LOOK) {
    world->slot_is_to_be_taken = SLOT_NOT_TAKEN;
    if (!sender->is_over) {
      walsender_die(world, sender, dice_percent(&world->dice, 30) ? DOWN_REFUSED : DOWN_LOST, true);
    }
    if (dice_percent(&world->dice, 80)) {
      server_lend_slot(world, until(world, 20));
    }
  }
}

/*
 * While nothing is read the relay's kernel drops what no longer fits, and the server's sends that again after a time that doubles with each try: so it may be as long as the
 * pause was until it does, but for a limit. Whoever connects anew has a connection without such a past.
 */
void nemesis_on_read(struct world *world, struct walsender *sender, int64_t unread_us)
{
  int64_t length_us = unread_us < seconds_us(RETRY_MAX_S) ? unread_us : seconds_us(RETRY_MAX_S);

  if ((world->plan.faults & UINT32_C(1) << FAULT_LINE_STALLS) != 0 && sender->down_count > 1 && !sender->is_over && dice_percent(&world->dice, 75)) {
    length_us = dice_between(&world->dice, 0, length_us);
    TRACE(world, "fault", "%s, for %d ms", sim_fault_text(FAULT_LINE_STALLS), (int)(length_us / US_PER_MS));
    world->faults_drawn++;
    world->stalls++;
    walsender_stall(world, sender, world->now_us + length_us);
  }
}

static void strike_postgres(struct world *world, enum sim_fault kind, struct relay *relay)
{
  struct walsender *sender = active_sender(world);

  switch (kind) {
  case FAULT_CUT:
  case FAULT_HALF_OPEN:
    model_stream_cut(&relay->stream, kind == FAULT_HALF_OPEN);
    break;
  case FAULT_BACKEND_ENDED:
    if (sender != NULL) {
      walsender_die(world, sender, DOWN_LOST, dice_percent(&world->dice, 80));
    }
    break;
  case FAULT_FREEZE:
    relay->link.frozen_until_us = until(world, 70);
    break;
  case FAULT_STATUS_BLOCKED:
    relay->link.blocked_until_us = until(world, 20);
    break;
  case FAULT_SERVER_CRASH:
    if (world->server.state != SERVER_DOWN) {
      server_crash(world, until(world, 20));
    }
    break;
  case FAULT_SERVER_RESTART:
    if (world->server.state == SERVER_UP) {
      server_stop(world, until(world, 20));
    }
    break;
  case FAULT_SILENCE:
    if (sender != NULL) {
      sender->busy_until_us = until(world, 30);
    }
    break;
  case FAULT_SERVER_FULL:
    world->server.full_until_us = until(world, 20);
    break;
  case FAULT_SLOT_MOVED:
    move_slot(world, relay, sender);
    break;
  case FAULT_SLOT_TAKEN:
    take_slot(world, sender);
    break;
  case FAULT_DATABASE_REFUSES:
    world->server.refused_until_us = until(world, 40);
    if (sender != NULL && dice_percent(&world->dice, 50)) {
      walsender_die(world, sender, DOWN_REFUSED, true);
    }
    break;
  default:
    break;
  }
}

/*
 * A topic that gets records, now and then that of dead letters: what hits another one shows nothing. Mostly one that holds some already: a producer that is known there,
 * and rows that were published before, behave in another way than first ones. The topic of dead letters is mostly met before its first one.
 */
static uint32_t draw_topic(struct world *world)
{
  uint32_t topic = dice_percent(&world->dice, 15) ? DEAD_LETTER_TOPIC : dice_below(&world->dice, world->plan.topics);

  if (topic != DEAD_LETTER_TOPIC && dice_percent(&world->dice, 75)) {
    for (uint32_t i = 0; i < 4 && world->cluster.appended[topic] == 0; i++) {
      topic = dice_below(&world->dice, world->plan.topics);
    }
  }
  return topic;
}

/* With dead letters a row that is sound but too large for now would be buried for good, and rightly: so this is for those who wait. */
static void refuse_topic(struct world *world, bool only_large)
{
  struct cluster *cluster = &world->cluster;

  if (only_large && !world->plan.dead_letters) {
    cluster->topic_shrunk_until_us[draw_topic(world)] = until(world, 60);
  } else {
    cluster->topic_refused_until_us[draw_topic(world)] = until(world, 60);
  }
}

static uint32_t draw_lane(struct world *world)
{
  return draw_topic(world) * KAFKA_PARTITIONS_MAX + dice_below(&world->dice, world->plan.partitions);
}

static void strike_kafka(struct world *world, enum sim_fault kind, struct relay *relay)
{
  struct cluster *cluster = &world->cluster;

  switch (kind) {
  case FAULT_BROKERS_DOWN:
    cluster->down_until_us = until(world, 60);
    break;
  case FAULT_PARTITION_STALLS:
    cluster->stalled_until_us[draw_lane(world)] = until(world, 30);
    break;
  case FAULT_ACK_LOST:
    cluster->late_reports += 1 + dice_below(&world->dice, 4);
    break;
  case FAULT_CLIENT_BREAKS:
    model_publisher_break(&relay->publisher, (enum producer_break)dice_below(&world->dice, 3));
    break;
  case FAULT_QUEUE_FULL:
    relay->publisher.full_until_us = until(world, 20);
    break;
  case FAULT_TOPIC_REFUSED:
  case FAULT_TOPIC_SHRINKS:
    refuse_topic(world, kind == FAULT_TOPIC_SHRINKS);
    break;
  case FAULT_LOGIN_REFUSED:
    cluster->login_refused_until_us = until(world, 40);
    break;
  default:
    break;
  }
}

static void strike_relay(struct world *world, enum sim_fault kind, struct relay *relay)
{
  switch (kind) {
  case FAULT_RELAY_KILLED:
    relay_kill(relay, until(world, 5));
    break;
  case FAULT_RELAY_STOPPED:
    relay_stop(relay, world->now_us); /* supervised: again at once */
    break;
  case FAULT_RELAY_RELOADS:
    relay_reload(relay);
    break;
  case FAULT_RELAY_FROZEN:
    relay->frozen_until_us = relay->is_alive ? until(world, 70) : 0;
    relay->stop_us = relay->frozen_until_us; /* a suspended process does not stop; it has its time afterwards */
    break;
  case FAULT_CLOCK_JUMPS:
    relay->wall_offset_us += dice_between(&world->dice, -seconds_us(CLOCK_JUMP_MAX_S), seconds_us(CLOCK_JUMP_MAX_S));
    break;
  default:
    break;
  }
}

static void strike(struct world *world, enum sim_fault kind)
{
  struct relay *relay = &world->relays[dice_below(&world->dice, world->plan.relays)];

  TRACE(world, "fault", "%s", sim_fault_text(kind));
  world->faults_drawn++;
  if (kind <= FAULT_DATABASE_REFUSES) {
    strike_postgres(world, kind, relay);
  } else if (kind <= FAULT_LOGIN_REFUSED) {
    strike_kafka(world, kind, relay);
  } else {
    strike_relay(world, kind, relay);
  }
}

void nemesis_heal(struct world *world)
{
  struct server *server = &world->server;

  TRACE(world, "world", "all is mended");
  world->is_healed = true;
  world->slot_is_to_move = false;
  world->slot_is_to_be_taken = SLOT_NOT_TAKEN;
  world->history.is_over = true;
  server->back_us = server->back_us < world->now_us + US_PER_S ? server->back_us : world->now_us + US_PER_S;
  server->full_until_us = 0;
  server->refused_until_us = 0;
  server->foreign_until_us = server->foreign_until_us != 0 ? world->now_us : 0;
  cluster_init(&world->cluster);
  world->cluster.is_mended = !world->plan.dead_letters;
  for (size_t i = 0; i < SERVER_WALSENDERS_MAX; i++) {
    if (server->senders[i].is_used && server->senders[i].busy_until_us != 0) {
      server->senders[i].busy_until_us = world->now_us;
    }
  }
  for (uint32_t i = 0; i < world->plan.relays; i++) {
    struct relay *relay = &world->relays[i];

    relay->link.frozen_until_us = relay->link.frozen_until_us < world->now_us ? relay->link.frozen_until_us : world->now_us;
    relay->link.blocked_until_us = relay->link.blocked_until_us < world->now_us ? relay->link.blocked_until_us : world->now_us;
    if (relay->frozen_until_us > world->now_us) {
      relay->frozen_until_us = 0;
      relay->stop_us = world->now_us; /* it may have been told to stop meanwhile, and hears of it now */
    }
    relay->publisher.full_until_us = 0;
    relay->begin_us = relay->begin_us < world->now_us + US_PER_S ? relay->begin_us : world->now_us + US_PER_S;
  }
}

void nemesis_run(struct world *world)
{
  if (world->is_healed) {
    return;
  }
  if (world->mend_us <= world->now_us) {
    TRACE(world, "person", "mends the topics that refuse rows");
    world->mend_us = INT64_MAX;
    world->cluster.is_mended = true;
  }
  if (world->heal_us <= world->now_us) {
    nemesis_heal(world);
    return;
  }
  while (world->fault_next < world->plan.fault_count && world->fault_us[world->fault_next] <= world->now_us) {
    strike(world, world->fault_kind[world->fault_next++]);
  }
}
