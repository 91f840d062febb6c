/*
 * loop.c - one turn: poll, take, run the next lane that may run, commit offsets, look at the clock.
 *
 *                 client_poll --record--> lane of its partition
 *                      |                        |  lane_next: PAUSE and RESUME are obeyed at once
 *                 assigned, revoked             v  RUN
 *                      |                   attempt_run --> done offsets --> client_commit, now and then and before a partition goes
 *
 * Every turn polls, so that the group hears from us however long a partition waits; a lane that is ready only makes the poll not wait. Once one has a whole batch, no
 * more than one record comes in per turn, and lanes take turns, so that the records in memory are few and no partition starves.
 *
 * Callbacks of the client come out of its poll and close, never while an event is in hand: a partition that is revoked has its events done or not begun.
 */
#include "loop.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "assignment.h"
#include "attempt.h"
#include "backoff.h"
#include "end_offsets.h"
#include "fault_point.h"
#include "moment.h"
#include "transaction.h"

enum { PARTITIONS_TEXT_SIZE = 1024 };

struct loop {
  struct processing *processing;
  struct vitals *vitals;
  const struct log *log;
  struct client *client;
  struct burial *burial;
  struct assignment assignment;
  struct end_offsets ends;
  uint64_t chance;
  int64_t committed_us, lag_us, ends_us, probed_us;
  bool is_database_away;
};

/* `topic/0,topic/1,...`, cut where it is long. */
static void partitions_text(const rd_kafka_topic_partition_list_t *partitions, char text[PARTITIONS_TEXT_SIZE])
{
  size_t length = 0;

  text[0] = '\0';
  for (int i = 0; i < partitions->cnt && length < PARTITIONS_TEXT_SIZE; i++) {
    length += (size_t)snprintf(text + length, PARTITIONS_TEXT_SIZE - length, "%s%s/%d", i > 0 ? "," : "", partitions->elems[i].topic,
                               (int)partitions->elems[i].partition);
  }
}

static void tell_partitions(const struct loop *loop, const char *what, const rd_kafka_topic_partition_list_t *partitions, bool is_lost)
{
  char text[PARTITIONS_TEXT_SIZE];

  partitions_text(partitions, text);
  log_event(loop->log, LOG_INFO, what, log_int("count", partitions->cnt), log_text("partitions", text),
            is_lost ? log_bool("lost", true) : log_text("lost", NULL));
}

static void on_assigned(void *context, const rd_kafka_topic_partition_list_t *partitions)
{
  struct loop *loop = context;

  for (int i = 0; i < partitions->cnt; i++) {
    (void)assignment_add(&loop->assignment, partitions->elems[i].topic, partitions->elems[i].partition);
  }
  atomic_store(&loop->vitals->is_member, true);
  instrument_set(loop->processing->figures->assigned, (double)loop->assignment.count);
  tell_partitions(loop, "assigned", partitions, false);
}

static void on_committed(void *context, const rd_kafka_topic_partition_t *offset, rd_kafka_resp_err_t error)
{
  struct loop *loop = context;

  assignment_note_commit(&loop->assignment, offset, error);
}

static void commit(struct loop *loop, bool is_last)
{
  rd_kafka_topic_partition_list_t *offsets = assignment_offsets(&loop->assignment, is_last);
  struct problem problem;

  if (offsets->cnt > 0) {
    CRASH_POINT(BEFORE_OFFSET);
    if (client_commit(loop->client, offsets, is_last, &problem) != VERDICT_OK) {
      log_event(loop->log, LOG_WARN, "offset_commit_failed", log_text("error", problem.text));
    } else {
      for (size_t i = 0; i < loop->assignment.count; i++) {
        loop->assignment.slots[i]->lane.told_offset = loop->assignment.slots[i]->lane.done_offset;
      }
    }
  }
  rd_kafka_topic_partition_list_destroy(offsets);
  loop->committed_us = moment_now().mono_us;
}

/* Of the head alone: no other was begun. Returns whether Redis is to be asked about the next one. */
static bool give_back(struct loop *loop, const struct slot *slot, bool is_redis_asked)
{
  return slot != NULL && slot->lane.count > 0 ? transaction_abandon(loop->processing, lane_at(&slot->lane, 0)->message, is_redis_asked) : is_redis_asked;
}

static void on_revoked(void *context, const rd_kafka_topic_partition_list_t *partitions, bool is_lost)
{
  struct loop *loop = context;
  bool is_redis_asked = true;

  if (!is_lost) {
    commit(loop, true);
  }
  for (int i = 0; i < partitions->cnt; i++) {
    const rd_kafka_topic_partition_t *one = &partitions->elems[i];
    char number[16];

    (void)snprintf(number, sizeof(number), "%d", (int)one->partition);
    instrument_set(loop->processing->figures->lag, 0, one->topic, number);
    instrument_set(loop->processing->figures->waiting, 0, one->topic, number);
    is_redis_asked = give_back(loop, assignment_find(&loop->assignment, one->topic, one->partition), is_redis_asked);
    assignment_remove(&loop->assignment, one->topic, one->partition);
  }
  atomic_store(&loop->vitals->is_member, false);
  instrument_set(loop->processing->figures->assigned, (double)loop->assignment.count);
  tell_partitions(loop, "revoked", partitions, is_lost);
}

/* What lanes ask of Kafka is done; the next slot that may run, with how many records. NULL: none before ret_action->due_us. */
static struct slot *ready(struct loop *loop, int64_t now_us, struct lane_action *ret_action)
{
  struct slot *slot = assignment_next(&loop->assignment, now_us, ret_action);

  while (slot != NULL && ret_action->step != LANE_RUN) {
    client_pause(loop->client, slot->topic, slot->partition, ret_action->step == LANE_PAUSE);
    slot = assignment_next(&loop->assignment, now_us, ret_action);
  }
  return slot;
}

/* Whether the lane has what it runs as one now. */
static bool take(struct loop *loop, struct fetched *fetched)
{
  const struct record *record = &fetched->record;
  struct slot *slot = assignment_find(&loop->assignment, record->topic, record->partition);
  int64_t now_us = moment_now().mono_us;
  struct lane_action action;

  /* Of a partition that is not ours any more, or one that came before. */
  if (slot == NULL ||
      !lane_take(&slot->lane,
                 &(struct lane_record){
                     .offset = record->offset, .timestamp_ms = record->timestamp_ms, .arrived_us = now_us, .bytes = fetched->bytes, .message = fetched})) {
    fetched_free(fetched);
    return false;
  }
  (void)ready(loop, now_us, &action); /* a lane that is full now gets no more */
  return lane_has_batch(&slot->lane);
}

/* Until there is a whole batch of one partition, the first record waited for. A pause costs what was fetched in advance, so that no lane is filled further. */
static enum verdict poll_records(struct loop *loop, int timeout_ms, size_t most, struct problem *problem)
{
  for (size_t i = 0; i < most; i++) {
    struct fetched *fetched = NULL;
    enum verdict verdict = client_poll(loop->client, i == 0 ? timeout_ms : 0, &fetched, problem);

    if (verdict != VERDICT_OK) {
      return verdict;
    }
    if (fetched == NULL || take(loop, fetched)) {
      break;
    }
  }
  return VERDICT_OK;
}

/* `problem`: of a probe; NULL: the event's own log line says it. */
static void learn(struct loop *loop, enum attempt_database database, const struct problem *problem, int64_t now_us)
{
  if (database == ATTEMPT_DATABASE_UNKNOWN) {
    return;
  }
  if (database == ATTEMPT_DATABASE_DOUBTFUL) {
    loop->probed_us = 0; /* the next look at the clock asks it */
    return;
  }
  if (loop->is_database_away != (database == ATTEMPT_DATABASE_AWAY)) {
    loop->is_database_away = database == ATTEMPT_DATABASE_AWAY;
    log_event(loop->log, loop->is_database_away ? LOG_WARN : LOG_INFO, loop->is_database_away ? "database_away" : "database_there",
              log_text("error", loop->is_database_away && problem != NULL ? problem->text : NULL));
  }
  atomic_store(&loop->vitals->is_database_there, !loop->is_database_away);
  if (!loop->is_database_away) {
    for (size_t i = 0; i < loop->assignment.count; i++) {
      if (loop->assignment.slots[i]->is_waiting_for_database) {
        lane_hurry(&loop->assignment.slots[i]->lane, now_us);
      }
    }
  }
  loop->probed_us = now_us;
}

static void probe(struct loop *loop, int64_t now_us)
{
  int64_t interval_ms = loop->is_database_away ? LOOP_PROBE_AWAY_INTERVAL_MS : LOOP_PROBE_INTERVAL_MS;

  if (loop->probed_us == 0 || now_us - loop->probed_us >= interval_ms * US_PER_MS) {
    struct problem problem;
    enum verdict verdict = processing_probe(loop->processing, &problem);

    learn(loop, verdict == VERDICT_OK ? ATTEMPT_DATABASE_THERE : ATTEMPT_DATABASE_AWAY, &problem, moment_now().mono_us);
  }
}

/* What was answered of those that are paused still; and the next question. */
static void learn_ends(struct loop *loop, int64_t now_us)
{
  rd_kafka_topic_partition_list_t *answered = end_offsets_take(&loop->ends);

  for (int i = 0; answered != NULL && i < answered->cnt; i++) {
    struct slot *slot = assignment_find(&loop->assignment, answered->elems[i].topic, answered->elems[i].partition);

    if (slot != NULL && slot->lane.is_paused && answered->elems[i].offset >= 0) {
      slot->asked_end = answered->elems[i].offset;
    }
  }
  if (answered != NULL) {
    rd_kafka_topic_partition_list_destroy(answered);
  }
  if (loop->ends_us == 0 || now_us - loop->ends_us >= LOOP_ENDS_INTERVAL_MS * INT64_C(1000)) {
    rd_kafka_topic_partition_list_t *paused = assignment_paused(&loop->assignment);

    loop->ends_us = paused->cnt > 0 ? now_us : 0; /* the next one that is paused is asked about at once */
    end_offsets_ask(&loop->ends, paused);
  }
}

static void tell_places(struct loop *loop)
{
  int64_t wall_us = moment_now().wall_us;

  for (size_t i = 0; i < loop->assignment.count; i++) {
    const struct slot *slot = loop->assignment.slots[i];
    int64_t end = slot->asked_end >= 0 ? slot->asked_end : client_end_offset(loop->client, slot->topic, slot->partition);
    int64_t done = slot->lane.count > 0 ? lane_at(&slot->lane, 0)->offset : slot->lane.done_offset >= 0 ? slot->lane.done_offset : end;
    int64_t waited_us = slot->lane.head.first_failed_us != 0 ? wall_us - slot->lane.head.first_failed_us : 0;
    char number[16];

    (void)snprintf(number, sizeof(number), "%d", (int)slot->partition);
    instrument_set(loop->processing->figures->waiting, waited_us > 0 ? (double)waited_us / US_PER_S : 0, slot->topic, number);
    if (end >= 0) {
      instrument_set(loop->processing->figures->lag, end > done ? (double)(end - done) : 0, slot->topic, number);
    }
  }
}

static void look_at_the_clock(struct loop *loop)
{
  int64_t now_us = moment_now().mono_us;

  if (now_us - loop->committed_us >= LOOP_COMMIT_INTERVAL_MS * INT64_C(1000)) {
    commit(loop, false);
  }
  if (now_us - loop->lag_us >= LOOP_LAG_INTERVAL_MS * INT64_C(1000)) {
    learn_ends(loop, now_us);
    tell_places(loop);
    loop->lag_us = now_us;
  }
  if (loop->processing->database != NULL) {
    probe(loop, now_us);
  }
  vitals_set_trouble(loop->vitals, client_trouble(loop->client));
}

static enum verdict turn(struct loop *loop, struct problem *problem)
{
  int64_t now_us = moment_now().mono_us;
  struct lane_action action;
  struct slot *slot = ready(loop, now_us, &action);
  int64_t left_us = slot != NULL ? 0 : action.due_us - now_us;
  int timeout_ms = slot != NULL ? 0 : left_us >= LOOP_TURN_MS * INT64_C(1000) ? LOOP_TURN_MS : (int)(left_us / US_PER_MS + 1);
  enum verdict verdict;

  processing_moves(loop->processing);
  verdict = poll_records(loop, timeout_ms, slot != NULL && lane_has_batch(&slot->lane) ? 1 : loop->processing->batch, problem);
  if (verdict != VERDICT_OK) {
    return verdict;
  }
  /* The poll may have taken the slot away. */
  now_us = moment_now().mono_us;
  slot = ready(loop, now_us, &action);
  if (slot != NULL) {
    if (MUTANT(OFFSET_BEFORE_COMMIT)) {
      slot->lane.done_offset = lane_at(&slot->lane, action.count - 1)->offset + 1;
      commit(loop, true);
    }
    assignment_ran(&loop->assignment, slot);
    learn(loop, attempt_run(loop->processing, loop->burial, slot, action.count, &loop->chance), NULL, moment_now().mono_us);
  }
  look_at_the_clock(loop);
  return VERDICT_OK;
}

int loop_run(struct processing *processing, struct vitals *vitals)
{
  struct loop loop = {.processing = processing, .vitals = vitals, .log = processing->log};
  const struct client_hooks hooks = {.assigned = on_assigned, .revoked = on_revoked, .committed = on_committed, .context = &loop};
  struct problem problem;
  enum client_end end;
  bool is_redis_asked = true;
  enum verdict verdict = client_open(processing->consumer, processing->settings, processing->log, &hooks, &loop.client, &problem);

  if (verdict != VERDICT_OK) {
    log_event(loop.log, LOG_ERROR, "failed", log_text("cause", problem.cause), log_text("error", problem.text));
    return (int)problem.code;
  }
  processing_tell(processing, &vitals->moved_us);
  atomic_store(&vitals->is_database_there, processing->database == NULL); /* nobody waits for what there is none of */
  loop.chance = (uint64_t)moment_now().wall_us ^ ((uint64_t)getpid() << 40);
  assignment_init(&loop.assignment, processing->batch, processing->consumer->batch.wait_ms * US_PER_MS, (size_t)processing->settings->records_max_bytes);
  loop.burial = burial_new(processing, loop.client);
  end_offsets_init(&loop.ends, loop.client);
  while (verdict == VERDICT_OK && !atomic_load(&vitals->is_stopping)) {
    verdict = turn(&loop, &problem);
  }
  atomic_store(&vitals->is_stopping, true);
  if (verdict != VERDICT_OK) {
    log_event(loop.log, LOG_ERROR, "failed", log_text("cause", problem.cause), log_text("error", problem.text));
  }
  end_offsets_done(&loop.ends);
  end = client_close(loop.client);
  for (size_t i = 0; i < loop.assignment.count; i++) { /* after a fatal error nothing is revoked */
    is_redis_asked = give_back(&loop, loop.assignment.slots[i], is_redis_asked);
  }
  if (end == CLIENT_NOT_LEFT && verdict == VERDICT_OK) {
    log_event(loop.log, LOG_WARN, "group_not_left", log_text("error", "the client did not close in time: the group waits for the session's end"));
  }
  if (end == CLIENT_NOT_ENDED) {
    log_event(loop.log, LOG_WARN, "client_not_ended",
              log_text("error", "the group is left, but librdkafka's threads did not end: the process ends without them"));
  }
  if (end != CLIENT_ENDED) {
    _exit(verdict == VERDICT_OK ? EXIT_DONE : (int)problem.code);
  }
  burial_free(loop.burial);
  assignment_end(&loop.assignment);
  return verdict == VERDICT_OK ? EXIT_DONE : (int)problem.code;
}
