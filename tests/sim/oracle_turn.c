/*
 * oracle_turn.c - what a relay owes by the clock and by its state, judged after each of its turns; and the words by which it holds, stops or leaves a connection.
 */
#include "oracle.h"

#include "stream/pace.h"
#include "world.h"

enum {
  LATE_US = 50000,          /* of a status, behind the time at which it is due */
  CONFIRM_LATE_US = 100000, /* and of a confirmation, which may just have missed one */
  STATUS_MAX_US = 10000000, /* FEEDBACK_INTERVAL_MAX_US, as documented */
  SILENCE_MIN_US = 5000000, /* what a server that was asked may take to say something, as documented, */
  LEFT_MAX = 5,             /* and after how many streams that were left in a row it is waited for */
  STALLED_MORE_US =
      11000000, /* and behind that: a process may not notice that it was suspended for less than fifteen seconds, and what that put off takes no longer */
};

static void judge_timeliness(struct world *world, const struct relay *relay)
{
  const struct model_stream *stream = &relay->stream;
  int64_t interval_us = STATUS_MAX_US;
  int64_t late_us = LATE_US + 2 * world->plan.turn_us;

  if (stream->step != STEP_STREAMING || stream->is_cut || stream->has_partial) {
    return;
  }
  if (world->plan.wal_sender_timeout_us != 0 && world->plan.wal_sender_timeout_us / 3 < interval_us) {
    interval_us = world->plan.wal_sender_timeout_us / 3;
  }
  if (world->now_us - stream->record.status_us > interval_us + late_us) {
    world_finds(world, "I4", "%s has sent no status for %d ms", relay_name(relay), (int)((world->now_us - stream->record.status_us) / US_PER_MS));
  }
  interval_us = world->plan.confirm_interval_ms * US_PER_MS < interval_us ? world->plan.confirm_interval_ms * US_PER_MS : interval_us;
  if (stream->record.settled_us != 0 && world->now_us - stream->record.settled_us > interval_us + late_us + CONFIRM_LATE_US) {
    world_finds(world, "I1", "%s has settled %s for %d ms, and not said so", relay_name(relay), lsn_text(stream->record.settled_lsn).text,
                (int)((world->now_us - stream->record.settled_us) / US_PER_MS));
  }
}

/* After a turn: had a read been due, this turn would have read. However long the next one is away, by then the buffer is read or the kernel's. */
static void judge_buffer(struct world *world, const struct relay *relay)
{
  const struct model_stream *stream = &relay->stream;

  if (stream->is_bounded && !stream->facts.is_joined) {
    world_finds(world, "O9", "%s has fixed the size of its receive buffer, and nothing is joined on the other side", relay_name(relay));
  }
  if (stream->is_bounded && world->now_us - stream->read_us > PACE_LONG_PAUSE_US) {
    world_finds(world, "O9", "%s has read nothing for %d ms from a receive buffer whose size it has fixed", relay_name(relay),
                (int)((world->now_us - stream->read_us) / US_PER_MS));
  }
}

static int64_t later(int64_t one_us, int64_t other_us)
{
  return one_us > other_us ? one_us : other_us;
}

/* Since when nothing else keeps the relay, which has nothing under way, from leaving a line that stalls: not Kafka, nor its own process, nor the other direction. */
static int64_t free_since_us(const struct world *world, const struct relay *relay)
{
  const struct cluster *cluster = &world->cluster;
  int64_t since_us = later(later(relay->frozen_until_us, relay->publisher.full_until_us), later(relay->link.frozen_until_us, relay->link.blocked_until_us));

  since_us = later(since_us, later(cluster->down_until_us, cluster->login_refused_until_us));
  since_us = world->is_healed ? later(since_us, world->heal_us) : since_us; /* which has put out those times */
  return since_us;
}

/* How long it owes this stream before it may leave it as stalled, as documented: twice as long as the one before, unless it has told more; for ever behind the fifth. */
static int64_t patience_us(const struct session_record *record)
{
  return record->left < LEFT_MAX ? (int64_t)SILENCE_MIN_US << record->left : INT64_MAX / 2;
}

static Lsn told_of(const struct session_record *record)
{
  return record->flush > record->start ? record->flush : record->start;
}

/* While it stalls; what comes behind the end of it has come by itself. */
static void judge_stalled_line(struct world *world, const struct relay *relay)
{
  struct session_record *record = &world->relays[relay->number].stream.record;
  const struct walsender *sender = relay->stream.sender;
  int64_t since_us;

  if (relay->publisher.count > 0 || relay->state == RELAY_HELD) {
    record->busy_us = world->now_us;
  }
  if (relay->stream.step == STEP_STREAMING && (told_of(record) > record->left_lsn || record->left_process != relay->process)) {
    record->left = 0;
  }
  if (relay->stream.step != STEP_STREAMING || sender == NULL || sender->stalled_until_us <= world->now_us || relay->is_stopping) {
    return;
  }
  since_us = later(later(sender->stalled_us, record->busy_us), free_since_us(world, relay));
  if (world->now_us - since_us > patience_us(record) + STALLED_MORE_US) {
    world_finds(world, "O10", "%s has got nothing from PostgreSQL for %d ms behind a pause, and keeps the connection", relay_name(relay),
                (int)((world->now_us - since_us) / US_PER_MS));
  }
}

void oracle_on_left_for_stalled(struct world *world, const struct relay *relay)
{
  const struct model_stream *stream = &relay->stream;
  struct session_record *record = &world->relays[relay->number].stream.record;
  int64_t silent_us = world->now_us - later(stream->heard_us, stream->asked_us);

  if (stream->asked_us == 0 || silent_us < patience_us(record) || stream->left_unread) {
    world_finds(world, "O10", "%s leaves a connection that does not stall: %s, the last message %d ms ago%s", relay_name(relay),
                stream->asked_us == 0 ? "the server was not asked or has answered" : "the server was asked",
                (int)((world->now_us - stream->heard_us) / US_PER_MS), stream->left_unread ? ", and one unread" : "");
  }
  if (stream->record.settled_lsn > stream->record.flush || stream->left_blocked) {
    world_finds(world, "I1", "%s leaves a connection, has settled %s and not said so", relay_name(relay), lsn_text(stream->record.settled_lsn).text);
  }
  record->left++;
  record->left_lsn = told_of(record);
  record->left_process = relay->process;
}

/* Only the owner of the slot has records that are still to be sent; who was the owner, for one way back, and while nobody says that another one is. */
static void judge_ownership(struct world *world, const struct relay *relay)
{
  if (relay->stream.step == STEP_CLOSED && (relay->state == RELAY_STANDBY || relay->state == RELAY_HELD) && relay->publisher.count > 0) {
    world_finds(world, "I5", "%s is %s, and its producer has %u records", relay_name(relay), relay_state_name(relay->state), relay->publisher.count);
  }
  if (relay->stream.step < STEP_STREAMING && relay->publisher.count > 0 && (relay->stream.record.failures > 1 || relay->stream.record.has_heard_of_other)) {
    world_finds(world, "I5", "%s %s, and its producer has %u records", relay_name(relay),
                relay->stream.record.has_heard_of_other ? "has heard that another one has the slot" : "has not got back to PostgreSQL", relay->publisher.count);
  }
}

/* Where two relays are, one may have missed that the other had the slot, and then holds as documented. */
void oracle_on_position_held(struct world *world, const struct relay *relay, const struct problem *problem)
{
  if (world->plan.relays == 1 && world->oracle.touched_process != relay->process) {
    world_finds(world, "O10", "%s needs a person, and nobody has touched its slot: %s", relay_name(relay), problem->text);
  }
}

void oracle_on_stopped(struct world *world, const struct relay *relay, bool says_drained)
{
  const struct model_stream *stream = &relay->stream;

  TRACE(world, relay_name(relay), "has stopped%s", says_drained ? ", drained" : "");
  if (says_drained && stream->record.number != 0 && stream->record.process == relay->process &&
      (stream->record.unsettled < stream->record.complete || stream->record.flush < stream->record.settled_lsn)) {
    world_finds(world, "R-03", "%s says that it has drained: it has settled %s, and confirmed %s", relay_name(relay), lsn_text(stream->record.settled_lsn).text,
                lsn_text(stream->record.flush).text);
  }
}

void oracle_on_turn(struct world *world, const struct relay *relay, const struct session_figures *figures)
{
  judge_timeliness(world, relay);
  judge_ownership(world, relay);
  judge_buffer(world, relay);
  judge_stalled_line(world, relay);
  if (figures->events_in_flight > world->plan.max_events + 1 || figures->transactions_in_flight > world->plan.max_events + 1) {
    world_finds(world, "I6", "%s has %lu events of %lu transactions in flight; the publisher's limit is %u", relay_name(relay),
                (unsigned long)figures->events_in_flight, (unsigned long)figures->transactions_in_flight, world->plan.max_events);
  }
  if (figures->state == RELAY_HELD && !figures->has_problem) {
    world_finds(world, "O11", "%s is held, and does not say why", relay_name(relay));
  }
}
