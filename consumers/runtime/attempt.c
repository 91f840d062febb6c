/*
 * attempt.c - what a failure means for the lane.
 *
 *   batch, no session          the head waits, and the others behind it: the database is away. It comes again alone, and then the others as a batch
 *   batch, session lost        the same; when the next batch loses it too, all one by one, since it may be one event that ends it
 *   batch, else                the batch comes again, one by one: the others are not to suffer for one
 *   single, transient          again without end, after 1 s .. 30 s
 *   single, unknown            again as the policy says; after its last retry: dead letter
 *   single, permanent          dead letter
 *   no dead-letter topic       all as transient
 *   dead letter not written    as transient; the handler is asked once more before the next try
 *   Redis keeps its key        the same, and no letter: its redrive would pass for a repetition (IDEMPOTENCY=redis, release failed)
 *   named by GIVE_UP           dead letter, whatever it failed for, once database and Redis are there
 *
 * Who could not even begin, since there was no session to be had, goes on as soon as the database is there again. Who had a session that broke waits for its time: it may
 * have broken it, and would again, in every turn.
 *
 * One log line per failure of an event; an event that waits for the world gets one at first and then one a minute, after five minutes with `event_stuck` beside it.
 */
#include "attempt.h"

#include <stdio.h>
#include <string.h>

#include "backoff.h"
#include "fault_point.h"
#include "moment.h"
#include "retry.h"
#include "transaction.h"

/* The server's own words may quote data: its code and the constraint tell enough. */
static const char *words_of(const struct failure *failure)
{
  return failure->sqlstate[0] != '\0' && !failure->is_unreadable ? NULL : failure->problem.text;
}

static void tell(const struct processing *processing, enum log_level level, const char *what, const struct fetched *fetched, uint32_t attempt,
                 const struct failure *failure, int64_t delay_ms)
{
  const struct event *event = processing_event(processing, 0);
  const struct record *record = &fetched->record;

  log_event(processing->log, level, what, log_text("topic", record->topic), log_int("partition", record->partition), log_int("offset", record->offset),
            log_text("event_id", event->id), log_text("type", event->type), log_text("correlation_id", event->origin.correlation_id),
            log_int("attempt", attempt), log_text("class", failure != NULL ? failure_class_name(failure->class) : NULL),
            log_text("cause", failure != NULL ? failure->problem.cause : NULL), log_text("error", failure != NULL ? words_of(failure) : NULL),
            log_text("sqlstate", failure != NULL && failure->sqlstate[0] != '\0' ? failure->sqlstate : NULL),
            log_text("constraint", failure != NULL && failure->constraint[0] != '\0' ? failure->constraint : NULL),
            log_text("hint", failure != NULL && failure->problem.hint[0] != '\0' ? failure->problem.hint : NULL),
            delay_ms >= 0 ? log_int("retry_in_ms", delay_ms) : log_text("retry_in_ms", NULL));
}

/* For who is woken at night: which partition stands, since when, for what, and the way past this one event. */
static void tell_stuck(const struct processing *processing, const struct fetched *fetched, const struct failure *failure, int64_t waited_us)
{
  const struct event *event = processing_event(processing, 0);
  const struct record *record = &fetched->record;
  char place[RECORD_PLACE_SIZE];
  char hint[RECORD_PLACE_SIZE + 128];

  record_place(record, place);
  (void)snprintf(hint, sizeof(hint), "mend what it fails for; where it fails alone, restart with GIVE_UP=%s, and it becomes a dead letter", place);
  log_event(processing->log, LOG_ERROR, "event_stuck", log_text("topic", record->topic), log_int("partition", record->partition),
            log_int("offset", record->offset), log_text("event_id", event->id), log_text("correlation_id", event->origin.correlation_id),
            log_int("waiting_s", waited_us / US_PER_S), log_text("cause", failure->problem.cause),
            log_text("sqlstate", failure->sqlstate[0] != '\0' ? failure->sqlstate : NULL),
            log_text("error", "nothing behind this event is handled in its partition"),
            log_text("hint", processing->consumer->dead_letter_suffix != NULL ? hint : NULL));
}

static void postpone(const struct processing *processing, struct slot *slot, const char *what, const struct failure *failure, bool is_counted, int64_t delay_ms)
{
  struct lane *lane = &slot->lane;
  const struct fetched *fetched = lane_at(lane, 0)->message;
  struct moment now = moment_now();
  const char *cause = failure->problem.cause != NULL ? failure->problem.cause : "";
  bool is_told = !is_counted && lane->head.told_us != 0 && strcmp(lane->head.told_cause, cause) == 0 &&
                 now.mono_us - lane->head.told_us < ATTEMPT_TELL_INTERVAL_S * INT64_C(1000000);

  instrument_add(processing->figures->retries, 1, fetched->record.topic, failure_class_name(failure->class));
  if (!is_told) {
    int64_t waited_us = lane->head.first_failed_us != 0 ? now.wall_us - lane->head.first_failed_us : 0;

    /* With a hint it is for a person. */
    tell(processing, failure->problem.hint[0] != '\0' ? LOG_ERROR : LOG_WARN, what, fetched, lane->head.attempts + 1, failure, delay_ms);
    if (!is_counted && !failure->has_no_session && waited_us >= ATTEMPT_STUCK_S * INT64_C(1000000)) {
      tell_stuck(processing, fetched, failure, waited_us);
    }
    lane->head.told_us = now.mono_us;
    lane->head.told_cause = cause;
  }
  lane_postpone(lane, is_counted, now.mono_us + delay_ms * US_PER_MS + 1, now.wall_us);
  slot->is_waiting_for_database = failure->has_no_session && !is_counted;
}

static void postpone_transient(const struct processing *processing, struct slot *slot, const char *what, const struct failure *failure, uint64_t *chance)
{
  postpone(processing, slot, what, failure, false, retry_transient_delay_ms(slot->lane.head.transients + 1, chance_next(chance)));
}

static enum attempt_database database_after(const struct failure *failure)
{
  return failure->has_no_session ? ATTEMPT_DATABASE_AWAY : failure->is_of_database ? ATTEMPT_DATABASE_DOUBTFUL : ATTEMPT_DATABASE_UNKNOWN;
}

static enum attempt_database bury(struct processing *processing, struct burial *burial, struct slot *slot, const struct failure *failure, uint64_t *chance)
{
  struct fetched *fetched = lane_at(&slot->lane, 0)->message;
  struct failure refusal;

  processing_moves(processing);
  if (transaction_release(processing, fetched, &refusal) != VERDICT_OK || burial_run(burial, fetched, &slot->lane.head, failure, &refusal) != VERDICT_OK) {
    instrument_add(processing->figures->refused, 1, fetched->record.topic, refusal.problem.cause);
    postpone_transient(processing, slot, "dead_letter_failed", &refusal, chance);
    return database_after(&refusal);
  }
  instrument_add(processing->figures->dead_letters, 1, fetched->record.topic, failure_class_name(failure->class));
  figures_consumed(processing->figures, fetched->record.topic, transaction_type_label(processing, 0), OUTCOME_DEAD_LETTER);
  tell(processing, LOG_ERROR, "dead_letter", fetched, slot->lane.head.attempts + 1, failure, -1);
  fetched_free(lane_done(&slot->lane));
  return ATTEMPT_DATABASE_UNKNOWN;
}

enum attempt_end attempt_judge(const struct attempted *attempted)
{
  const struct failure *failure = attempted->failure;

  if (attempted->count > 1) {
    return failure->has_no_session || (failure->is_of_database && !attempted->has_lost_session) ? ATTEMPT_AGAIN : ATTEMPT_SPLIT;
  }
  /* Also where the session broke: it may be this event that breaks it. With the database away the burial waits by itself. */
  if (attempted->is_given_up) {
    return ATTEMPT_BURIED;
  }
  if (failure->class == FAILURE_TRANSIENT || !attempted->has_dead_letters) {
    return ATTEMPT_AGAIN;
  }
  return failure->class == FAILURE_UNKNOWN ? ATTEMPT_COUNTED : ATTEMPT_BURIED;
}

static void split(const struct processing *processing, struct slot *slot, size_t count, const struct failure *failure)
{
  const struct fetched *first = lane_at(&slot->lane, 0)->message;

  log_event(processing->log, LOG_INFO, "batch_split", log_text("topic", first->record.topic), log_int("partition", first->record.partition),
            log_int("offset", first->record.offset), log_int("events", (int64_t)count), log_text("class", failure_class_name(failure->class)),
            log_text("cause", failure->problem.cause), log_text("sqlstate", failure->sqlstate[0] != '\0' ? failure->sqlstate : NULL));
  lane_split(&slot->lane, count);
}

static enum attempt_database enter_failure(struct processing *processing, struct burial *burial, struct slot *slot, size_t count, const struct failure *failure,
                                           uint64_t *chance)
{
  const struct fetched *first = lane_at(&slot->lane, 0)->message;
  const struct attempted attempted = {.failure = failure,
                                      .count = count,
                                      .has_lost_session = slot->has_lost_session,
                                      .is_given_up = count == 1 && processing_is_given_up(processing, &first->record),
                                      .has_dead_letters = processing->consumer->dead_letter_suffix != NULL};
  int64_t delay_ms;

  switch (attempt_judge(&attempted)) {
  case ATTEMPT_SPLIT:
    slot->has_lost_session = false;
    split(processing, slot, count, failure);
    return database_after(failure);
  case ATTEMPT_AGAIN:
    slot->has_lost_session = slot->has_lost_session || (count > 1 && !failure->has_no_session);
    postpone_transient(processing, slot, "attempt_failed", failure, chance);
    return database_after(failure);
  case ATTEMPT_COUNTED:
    delay_ms = retry_delay_ms(&processing->consumer->retry, slot->lane.head.failures + 1, chance_next(chance));
    if (delay_ms == RETRY_GIVE_UP) {
      return bury(processing, burial, slot, failure, chance);
    }
    postpone(processing, slot, "attempt_failed", failure, true, delay_ms);
    return ATTEMPT_DATABASE_UNKNOWN;
  case ATTEMPT_BURIED:
    return bury(processing, burial, slot, failure, chance);
  }
  return ATTEMPT_DATABASE_UNKNOWN;
}

enum attempt_database attempt_run(struct processing *processing, struct burial *burial, struct slot *slot, size_t count, uint64_t *chance)
{
  struct fetched *fetched[CONSUMER_BATCH_MAX] = {NULL};
  uint32_t attempt = slot->lane.head.attempts + 1;
  struct failure failure;

  slot->is_waiting_for_database = false;
  for (size_t i = 0; i < count; i++) {
    fetched[i] = lane_at(&slot->lane, i)->message;
  }
  if (transaction_run(processing, fetched, count, attempt, &failure) != VERDICT_OK &&
      !(MUTANT(LOCKED_COUNTS_AS_DONE) && strcmp(failure.sqlstate, "55P03") == 0)) {
    return enter_failure(processing, burial, slot, count, &failure, chance);
  }
  if (count == 1) {
    tell(processing, LOG_DEBUG, "event_done", lane_at(&slot->lane, 0)->message, attempt, NULL, -1);
  } else {
    slot->has_lost_session = false;
  }
  for (size_t i = 0; i < count; i++) {
    fetched_free(lane_done(&slot->lane));
  }
  return processing->has_committed ? ATTEMPT_DATABASE_THERE : ATTEMPT_DATABASE_UNKNOWN;
}
