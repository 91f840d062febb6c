/*
 * transaction.c - one unit of work.
 *
 *   records --event_reader--> events --by type--> handlers        one that cannot be read fails the unit; one without a handler is done already
 *   BEGIN; inbox rows of all                                      first: a second owner of the partition waits here for us, and then sees what we did
 *   handler of each that is new, with what it publishes
 *   COMMIT
 *
 * With IDEMPOTENCY=redis a reservation stands in the inbox's place, around the transaction: take, BEGIN .. COMMIT, done; release when it failed. What lies between
 * COMMIT and done cannot be made one step: that is why it is no guarantee. Such a unit is always of one event. From the first question to Redis to the
 * answer that the key is gone the key may be ours: the event may be tried again and not given up, and who loses its partition asks once more.
 *
 * With IDEMPOTENCE_HANDLER the handler's own statements know what was handled, and there is neither.
 *
 * A consumer without a database has the handler alone where the transaction would be, with a reservation around it or with nothing: what it did before it failed stays.
 */
#include "transaction.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "consumption.h"
#include "fault_point.h"
#include "moment.h"

/* One event of the unit. */
struct part {
  const struct event *event;
  const char *type_label;
  ConsumerHandler handler; /* NULL: none for its type */
  const char *outcome;
};

void consumer_ignored(struct consumption *consumption)
{
  consumption->is_ignored = true;
}

void *consumer_state(struct consumption *consumption)
{
  return consumption->processing->consumer->state;
}

static enum verdict fail(struct failure *failure, enum verdict verdict, const char *sqlstate, const char *constraint)
{
  (void)snprintf(failure->sqlstate, sizeof(failure->sqlstate), "%s", sqlstate != NULL ? sqlstate : "");
  (void)snprintf(failure->constraint, sizeof(failure->constraint), "%s", constraint != NULL ? constraint : "");
  failure->class = failure_class_of(verdict, failure->sqlstate);
  return verdict;
}

static enum verdict fail_by_database(struct failure *failure, enum verdict verdict, const struct work_outcome *outcome)
{
  failure->problem = outcome->problem;
  failure->is_of_database = failure_is_of_connection(outcome->sqlstate);
  return fail(failure, verdict, outcome->sqlstate, outcome->constraint);
}

/* The handler, and what its type is called in the figures. */
static void find_handler(const struct subscription *subscription, struct part *part)
{
  part->type_label = TYPE_OTHER;
  for (size_t i = 0; i < CONSUMER_TYPES_MAX && subscription->types[i].handler != NULL; i++) {
    const char *type = subscription->types[i].type;

    if (type == NULL || strcmp(type, part->event->type) == 0) {
      part->handler = subscription->types[i].handler;
      part->type_label = type == NULL ? "any" : type[0] == '\0' ? "none" : type;
      return;
    }
  }
}

const char *transaction_type_label(const struct processing *processing, size_t index)
{
  struct part part = {.event = processing_event(processing, index)};

  find_handler(processing_subscription(processing, part.event->topic), &part);
  return part.type_label;
}

static enum verdict read_all(struct processing *processing, struct fetched *const *fetched, size_t count, uint32_t attempt, struct part *parts,
                             struct failure *failure)
{
  for (size_t i = 0; i < count; i++) {
    struct event_reader *reader = &processing->readers[i];
    const struct subscription *subscription = processing_subscription(processing, fetched[i]->record.topic);
    enum verdict verdict = event_reader_read(reader, &fetched[i]->record, subscription, &failure->problem);

    reader->event.attempt = attempt;
    /* Who has nowhere to send dead letters takes what comes. */
    if (verdict != VERDICT_OK && !(subscription->takes_bytes && processing->consumer->dead_letter_suffix == NULL)) {
      failure->is_unreadable = true;
      return fail(failure, verdict, NULL, NULL);
    }
    parts[i] = (struct part){.event = &reader->event, .outcome = OUTCOME_UNHANDLED};
    find_handler(subscription, &parts[i]);
  }
  return VERDICT_OK;
}

/* A handler that failed because the database refused something returns what it likes: the server's word counts. `work` NULL: there is no server. */
static enum verdict judge_handler(struct work *work, enum verdict said, const struct problem *problem, struct failure *failure)
{
  struct work_outcome outcome;

  if (work != NULL) {
    enum verdict verdict = work_sync(work, &outcome);

    if (verdict != VERDICT_OK) {
      return fail_by_database(failure, verdict, &outcome);
    }
  }
  failure->problem = *problem;
  if (problem->cause == NULL) {
    (void)problem_set(&failure->problem, said, EXIT_UNEXPECTED, "handler", "the handler failed and did not say why");
  }
  return fail(failure, said, NULL, NULL);
}

/* Marks duplicates; those without a handler stay as they are. */
static enum verdict claim(struct processing *processing, struct work *work, struct part *parts, size_t count, struct failure *failure)
{
  const struct event **events = arena_array(&processing->arena, count, sizeof(const struct event *));
  bool *is_new = arena_array(&processing->arena, count, sizeof(*is_new));
  struct work_outcome outcome;
  size_t claimed = 0;

  for (size_t i = 0; i < count; i++) {
    if (parts[i].handler != NULL) {
      events[claimed++] = parts[i].event;
    }
  }
  if (!inbox_claim(&processing->inbox, work, events, claimed, &processing->arena, is_new)) {
    enum verdict verdict = work_sync(work, &outcome);

    return fail_by_database(failure, verdict == VERDICT_OK ? VERDICT_RETRY : verdict, &outcome);
  }
  claimed = 0;
  for (size_t i = 0; i < count; i++) {
    if (parts[i].handler != NULL) {
      parts[i].outcome = is_new[claimed++] || MUTANT(KNOWN_EVENT_HANDLED) ? OUTCOME_HANDLED : OUTCOME_DUPLICATE;
    }
  }
  return VERDICT_OK;
}

static enum verdict handle_all(struct work *work, struct part *parts, size_t count, struct consumption *consumption, struct failure *failure)
{
  for (size_t i = 0; i < count; i++) {
    struct problem problem = {0};
    enum verdict verdict;

    if (parts[i].handler == NULL || strcmp(parts[i].outcome, OUTCOME_DUPLICATE) == 0) {
      continue;
    }
    processing_moves(consumption->processing);
    consumption->event = parts[i].event;
    consumption->is_ignored = false;
    verdict = parts[i].handler(parts[i].event, work, consumption, &problem);
    if (verdict != VERDICT_OK) {
      return judge_handler(work, verdict, &problem, failure);
    }
    parts[i].outcome = consumption->is_ignored ? OUTCOME_IGNORED : OUTCOME_HANDLED;
  }
  return VERDICT_OK;
}

static enum verdict try_once(struct processing *processing, struct part *parts, size_t count, struct consumption *consumption, struct failure *failure)
{
  struct work_outcome outcome;
  struct work *work = NULL;
  enum verdict verdict = work_begin(processing->database, &work, &outcome);

  *failure = (struct failure){0};
  if (verdict != VERDICT_OK) {
    (void)fail_by_database(failure, VERDICT_RETRY, &outcome);
    failure->has_no_session = true;
    failure->class = FAILURE_TRANSIENT; /* whatever the server has against us, it has it against every event */
    return VERDICT_RETRY;
  }
  *consumption = (struct consumption){.processing = processing, .work = work};
  if (processing->settings->idempotence == IDEMPOTENCE_INBOX) {
    CRASH_POINT(BEFORE_INBOX);
    verdict = MUTANT(INBOX_SKIPPED) ? VERDICT_OK : claim(processing, work, parts, count, failure);
    CRASH_POINT(AFTER_INBOX);
  }
  if (verdict == VERDICT_OK) {
    verdict = handle_all(work, parts, count, consumption, failure);
  }
  if (verdict != VERDICT_OK) {
    work_rollback(work);
    return verdict;
  }
  CRASH_POINT(AFTER_EFFECT);
  verdict = work_commit(work, &outcome);
  if (verdict != VERDICT_OK) {
    return fail_by_database(failure, verdict, &outcome);
  }
  CRASH_POINT(AFTER_COMMIT);
  processing->has_committed = true;
  return VERDICT_OK;
}

static void count_all(struct processing *processing, struct fetched *const *fetched, const struct part *parts, size_t count,
                      const struct consumption *consumption, int64_t began_us)
{
  struct figures *figures = processing->figures;
  struct moment now = moment_now();
  const char *topic = fetched[0]->record.topic;

  for (size_t i = 0; i < count; i++) {
    const struct record *record = &fetched[i]->record;

    figures_consumed(figures, topic, parts[i].type_label, parts[i].outcome);
    if (strcmp(parts[i].outcome, OUTCOME_DUPLICATE) == 0) {
      instrument_add(figures->duplicates, 1, topic);
    }
    if (strcmp(parts[i].outcome, OUTCOME_HANDLED) == 0 && record->time != RECORD_TIME_NONE) {
      double age_s = (double)(now.wall_us - record->timestamp_ms * US_PER_MS) / US_PER_S;

      instrument_observe(figures->freshness, age_s > 0 ? age_s : 0, topic);
    }
  }
  for (size_t i = 0; i < consumption->published_count; i++) {
    instrument_add(figures->published, 1, figures->service, consumption->published[i]);
  }
  instrument_observe(figures->processing, (double)(now.mono_us - began_us) / US_PER_S, topic);
}

/* What the next attempt need not meet again: a deadlock, a serialization failure, a plan or a name that the session had and that is of no use any more (only of an old
 * connection is that RETRY; work.c opens another). */
static bool is_worth_repeating(enum verdict verdict, const struct failure *failure)
{
  return strncmp(failure->sqlstate, "40", 2) == 0 ||
         (verdict == VERDICT_RETRY && (strcmp(failure->sqlstate, "0A000") == 0 || strcmp(failure->sqlstate, "26000") == 0));
}

static enum verdict run_in_database(struct processing *processing, struct part *parts, size_t count, struct consumption *consumption, struct failure *failure)
{
  enum verdict verdict = VERDICT_RETRY;

  for (int attempt = 1; attempt <= TRANSACTION_ATTEMPTS_MAX; attempt++) {
    verdict = try_once(processing, parts, count, consumption, failure);
    if (verdict == VERDICT_OK || !is_worth_repeating(verdict, failure)) {
      break;
    }
  }
  return verdict;
}

static enum verdict run_without_database(struct processing *processing, struct part *part, struct consumption *consumption, struct failure *failure)
{
  enum verdict verdict;

  *consumption = (struct consumption){.processing = processing};
  verdict = handle_all(NULL, part, 1, consumption, failure);
  if (verdict == VERDICT_OK) {
    CRASH_POINT(AFTER_EFFECT);
  }
  return verdict;
}

static enum verdict run_effects(struct processing *processing, struct part *parts, size_t count, struct consumption *consumption, struct failure *failure)
{
  if (processing->database == NULL) {
    assert(count == 1);
    return run_without_database(processing, parts, consumption, failure);
  }
  return run_in_database(processing, parts, count, consumption, failure);
}

static void warn_of_redis(const struct processing *processing, const struct event *event, const char *step, const struct problem *problem)
{
  log_event(processing->log, LOG_WARN, "reservation_not_kept", log_text("step", step), log_text("topic", event->topic), log_int("partition", event->partition),
            log_int("offset", event->offset), log_text("event_id", event->id), log_text("correlation_id", event->origin.correlation_id),
            log_text("error", problem->text));
}

enum verdict transaction_release(struct processing *processing, struct fetched *fetched, struct failure *ret_failure)
{
  const struct event *event = processing_event(processing, 0);

  *ret_failure = (struct failure){0};
  if (!fetched->may_be_reserved) {
    return VERDICT_OK;
  }
  if (redis_reservation_release(processing->redis, event->unique_id, fetched->token, &ret_failure->problem) == VERDICT_RETRY) {
    warn_of_redis(processing, event, "release", &ret_failure->problem);
    return fail(ret_failure, VERDICT_RETRY, NULL, NULL);
  }
  fetched->may_be_reserved = false; /* also where the key is too long for Redis, which has none then */
  return VERDICT_OK;
}

bool transaction_abandon(struct processing *processing, struct fetched *fetched, bool is_redis_asked)
{
  struct failure failure;

  if (!fetched->may_be_reserved) {
    return is_redis_asked;
  }
  arena_reset(&processing->arena);
  (void)!event_reader_read(&processing->readers[0], &fetched->record, processing_subscription(processing, fetched->record.topic), &failure.problem);
  if (is_redis_asked) {
    return transaction_release(processing, fetched, &failure) == VERDICT_OK;
  }
  (void)problem_set(&failure.problem, VERDICT_RETRY, EXIT_UNEXPECTED, "redis", "redis was not asked: it did not take back another one");
  warn_of_redis(processing, processing_event(processing, 0), "release", &failure.problem);
  return false;
}

/* One event, under a reservation. */
static enum verdict run_reserved(struct processing *processing, struct fetched *fetched, struct part *part, struct consumption *consumption,
                                 struct failure *failure)
{
  enum reservation reservation = RESERVATION_RESERVED;
  struct failure unreleased;
  struct problem problem;
  enum verdict verdict;

  if (fetched->token[0] == '\0') {
    uuid_new(fetched->token);
  }
  fetched->may_be_reserved = true;
  CRASH_POINT(BEFORE_RESERVATION);
  verdict = redis_reservation_take(processing->redis, part->event->unique_id, fetched->token, &reservation, &failure->problem);
  if (verdict != VERDICT_OK) {
    return fail(failure, verdict, NULL, NULL);
  }
  if (reservation == RESERVATION_DUPLICATE) {
    part->outcome = OUTCOME_DUPLICATE;
    return VERDICT_OK;
  }
  CRASH_POINT(AFTER_RESERVATION);
  verdict = run_effects(processing, part, 1, consumption, failure);
  if (verdict == VERDICT_OK) {
    if (redis_reservation_done(processing->redis, part->event->unique_id, fetched->token, &problem) != VERDICT_OK) {
      warn_of_redis(processing, part->event, "done", &problem);
    }
    CRASH_POINT(AFTER_DONE);
  } else {
    (void)!transaction_release(processing, fetched, &unreleased); /* the next attempt knows its token again, and a burial asks once more */
  }
  return verdict;
}

enum verdict transaction_run(struct processing *processing, struct fetched *const *fetched, size_t count, uint32_t attempt, struct failure *ret_failure)
{
  int64_t began_us = moment_now().mono_us;
  struct consumption *consumption;
  enum verdict verdict;
  struct part *parts;
  bool is_wanted = false;

  assert(count >= 1 && count <= processing->batch);
  processing->has_committed = false;
  arena_reset(&processing->arena);
  parts = arena_array(&processing->arena, count, sizeof(*parts));
  consumption = arena_alloc(&processing->arena, sizeof(*consumption));
  consumption->published_count = 0;
  *ret_failure = (struct failure){0};
  verdict = read_all(processing, fetched, count, attempt, parts, ret_failure);
  if (verdict != VERDICT_OK) {
    return verdict;
  }
  for (size_t i = 0; i < count; i++) {
    is_wanted = is_wanted || parts[i].handler != NULL;
  }
  if (is_wanted) {
    verdict = processing->redis != NULL ? run_reserved(processing, fetched[0], &parts[0], consumption, ret_failure)
                                        : run_effects(processing, parts, count, consumption, ret_failure);
  }
  if (verdict == VERDICT_OK) {
    count_all(processing, fetched, parts, count, consumption, began_us);
  }
  return verdict;
}
