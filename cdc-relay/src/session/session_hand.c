/*
 * session_hand.c - the record in hand and what Kafka says of records: publishing, reports, refusals, poison.
 *
 *   HAND_EMPTY --a row is routed--> HAND_FULL --accepted--> HAND_EMPTY, its report comes later, in company
 *                                             --accepted, alone--> HAND_WATCHED --its report--> HAND_EMPTY, or a dead letter in its place, or a hold
 *
 * There is at most one record in hand. While it is, nothing is read: that is the backpressure, and nothing else needs a buffer. A row that is sent alone
 * (isolation) stays in hand until its report is in, so that the row is still here if it has to become a dead letter.
 */
#include <inttypes.h>

#include "fault_point.h"
#include "publish/dead_letter.h"
#include "session/hoard_mutant.h"
#include "session/session_priv.h"

uint64_t session_token(LedgerSlot slot, bool is_dead_letter)
{
  return slot << 1 | (is_dead_letter ? 1 : 0);
}

/* ---- poison ---- */

/* Puts the dead letter of the record in hand into the hand. */
static void hand_becomes_dead_letter(struct session *session, enum route_reason reason, const struct problem *why)
{
  const struct config_outbox *entry = &session->config->outbox[session->record.entry];
  /* `why` may be gone before the letter is. */
  const struct span error = arena_copy(&session->arena, span_of_text(why->text));
  const struct dead_letter_cause cause = {.reason = route_reason_name(reason), .error = error.data, .table = entry->table};
  struct record letter;

  CRASH_POINT(BEFORE_DEAD_LETTER);
  dead_letter_build(&session->record, &cause, entry->dead_letter_topic, &session->arena, &letter);
  session->observer->poison(session->observer->context, POISON_IS_DEAD_LETTERED, reason, &session->record, why);
  session->record = letter;
  session->hand_is_dead_letter = true;
  session->hand = HAND_FULL;
}

void session_hand_is_poison(struct session *session, enum route_reason reason, bool is_routed, struct problem *why)
{
  const struct config_outbox *entry = &session->config->outbox[session->record.entry];

  if (session->hand_is_dead_letter) {
    problem_hint(why, "the dead letter itself was refused: mend topic %.*s, or set delivery.dead.letter.topic to another", (int)session->record.topic.length,
                 session->record.topic.data);
    session_hold(session, why, &session->record, false);
    return;
  }
  switch (poison_decide(session->config, entry, session->record.position, why)) {
  case POISON_DECISION_DEAD_LETTER:
    hand_becomes_dead_letter(session, reason, why);
    break;
  case POISON_DECISION_HOLD:
    session->observer->poison(session->observer->context, POISON_IS_HELD, reason, &session->record, why);
    /* What Kafka refused it may take after its topic was mended; what the router refused needs another configuration, and so another process. */
    session_hold(session, why, is_routed ? &session->record : NULL, !is_routed);
    break;
  }
}

/* ---- reports ---- */

static void settle(struct session *session, const struct report *report)
{
  LedgerSlot slot = report->token >> 1;
  int64_t commit_time_us = ledger_commit_time_us(session->ledger, slot);

  CRASH_POINT(BEFORE_SETTLE);
  if (MUTANT(CONFIRM_BEFORE_REPORT) || (MUTANT(DEAD_LETTER_NOT_AWAITED) && (report->token & 1) != 0)) {
    return; /* done when it was handed over */
  }
  if (!ledger_settle(session->ledger, slot)) {
    return; /* of an older stream */
  }
  CRASH_POINT(AFTER_SETTLE);
  session->observer->delivered(session->observer->context, report->entry, (report->token & 1) != 0, commit_time_us);
  if (session->hand == HAND_WATCHED && position_compare(report->position, session->record.position) == 0) {
    session->hand = HAND_EMPTY;
  }
}

/* By the client, which goes by what it was told of the topic, and that may be minutes old. */
static bool is_for_no_partition(const struct problem *why)
{
  return dead_letter_reason(why) == ROUTE_REASON_BAD_PARTITION;
}

/* The row was written after the producer's client was made, and its partition may have been, too. */
static bool may_be_news(const struct session *session)
{
  return session->record.position.commit_lsn >= session->client_since || session->facts.timeline != session->client_timeline;
}

static void on_watched_refusal(struct session *session, const struct report *report, const struct problem *why)
{
  struct problem problem = *why;

  if (report->outcome == REPORT_REFUSED_TOPIC) {
    session_hold(session, &problem, &session->record, false);
  } else {
    session_hand_is_poison(session, is_for_no_partition(why) ? ROUTE_REASON_BAD_PARTITION : ROUTE_REASON_REFUSED_BY_BROKER, true, &problem);
  }
}

/* In company: remember, and end the session when all reports of the batch are in, so that the mark reaches the highest refused position. */
static void on_refusal_in_company(struct session *session, struct position position, const struct problem *why)
{
  isolation_begin(&session->isolation, position);
  session->mark_has_risen = true;
  if (!session->has_refusal) {
    session->has_refusal = true;
    session->refusal = *why;
  }
}

/* A look that failed ends the publisher, which must not happen from inside of a report: session_serve_reports() does it. */
static void on_probe_report(struct session *session, const struct report *report)
{
  if (report->outcome == REPORT_DELIVERED) {
    session_release(session);
    return;
  }
  session->probe_failed = true;
  if (report->outcome == REPORT_REFUSED_ROW && session->problem.code != EXIT_POISON) {
    /* What it was held for is mended, and now the row itself is refused: it comes again from the stream, alone, and the policy decides. */
    isolation_begin(&session->isolation, session->kept.position);
    session->has_kept = false;
  }
}

static void on_report(void *context, const struct report *report, const struct problem *why)
{
  struct session *session = context;

  if (session->phase == PHASE_PROBING) {
    on_probe_report(session, report);
    return;
  }
  if (MUTANT(FAILED_REPORT_SETTLES) || (MUTANT(POISON_IN_COMPANY) && report->outcome == REPORT_REFUSED_ROW)) {
    settle(session, report);
    return;
  }
  if (session->phase == PHASE_SETTLING) {
    if (report->outcome == REPORT_DELIVERED) {
      settle(session, report);
    }
    return;
  }
  if (session->phase != PHASE_STREAMING) {
    return; /* of a stream that has ended: the server sends those rows again */
  }
  switch (report->outcome) {
  case REPORT_DELIVERED:
    settle(session, report);
    break;
  case REPORT_REFUSED_ROW:
  case REPORT_REFUSED_TOPIC:
    if (!ledger_knows(session->ledger, report->token >> 1)) {
      break; /* an older stream's */
    }
    if (session->hand == HAND_WATCHED && position_compare(report->position, session->record.position) == 0) {
      on_watched_refusal(session, report, why);
    } else {
      on_refusal_in_company(session, report->position, why);
    }
    break;
  case REPORT_LOST:
    if (ledger_knows(session->ledger, report->token >> 1) && !session->has_refusal && !MUTANT(LOST_REPORT_IGNORED)) {
      session->has_refusal = true;
      session->refusal = *why;
    }
    break;
  }
}

/* The rows up to the mark come again, each alone. */
static void leave_for_refusal(struct session *session)
{
  CRASH_POINT(AT_REFUSAL);
  if (session->isolation.is_on) {
    session->observer->isolating(session->observer->context, session->isolation.until, &session->refusal);
  }
  if (session->mark_has_risen) {
    backoff_reset(&session->kafka_backoff); /* Kafka is there, and each such round gets further: the mark only rises */
  }
  session->has_refusal = false;
  session->mark_has_risen = false;
  session_fail(session, SESSION_KAFKA, &session->refusal);
}

/*
 * librdkafka waits for times of day (cnd_timedwait), so when the wall clock goes back, what it waits for without a connection comes later by as much: a reconnect after a
 * day. A fresh client waits by the new time.
 */
static void notice_clock_going_back(struct session *session)
{
  int64_t ahead_us = session->now.wall_us - session->now.mono_us;
  int64_t back_us = session->wall_ahead_us - ahead_us;
  struct problem problem;

  session->wall_ahead_us = ahead_us;
  if (back_us < SESSION_CLOCK_BACK_US || !session->publisher_is_open || session->is_stopping) {
    return;
  }
  switch (session->phase) {
  case PHASE_STREAMING:
    (void)problem_set(&problem, VERDICT_RETRY, EXIT_UNEXPECTED, "clock_went_back",
                      "the wall clock went back by %" PRId64 " s, and the Kafka client waits by it: it is made anew", back_us / US_PER_S);
    backoff_reset(&session->kafka_backoff); /* Kafka is not to blame */
    session_fail(session, SESSION_KAFKA, &problem);
    break;
  case PHASE_PROBING:
  case PHASE_REACHING:
    session_look_failed(session);
    break;
  case PHASE_SETTLING:
  case PHASE_FINISHING:
  case PHASE_STOPPED:
    break; /* all of these have a limit by the monotonic clock, and the producer ends with them */
  case PHASE_OPENING:
  case PHASE_CONNECTING:
  case PHASE_STARTING:
  case PHASE_BACKOFF:
  case PHASE_STANDBY:
  case PHASE_WAITING:
    session_drop_publisher(session);
    break;
  }
}

/* Asked in every phase, also when the producer is closed: its descriptor is polled, and only this makes it quiet. */
void session_serve_reports(struct session *session)
{
  struct problem problem;
  enum verdict verdict;

  notice_clock_going_back(session);
  verdict = publisher_reports(session->ports.publisher, SESSION_TURN_REPORTS, on_report, session, &problem);

  if (verdict != VERDICT_OK && session->publisher_is_open) {
    if (session->phase == PHASE_STREAMING || session->phase == PHASE_SETTLING) {
      session_end(session, SESSION_KAFKA, verdict, &problem);
    } else if (session->phase == PHASE_PROBING || session->phase == PHASE_REACHING) {
      session_look_failed(session);
    } else {
      session_drop_publisher(session);
    }
  }
  if (session->phase == PHASE_PROBING && session->probe_failed) {
    session_look_failed(session);
  }
  if (session->phase == PHASE_STREAMING && session->has_refusal) {
    leave_for_refusal(session);
  }
  if (session->phase == PHASE_STREAMING && session_is_idle(session)) {
    session->caught_up_wall_us = session->now.wall_us;
  }
}

/* ---- the record in hand ---- */

/* Tries to give the record in hand to the publisher. */
static void publish_hand(struct session *session)
{
  bool is_alone = !MUTANT(ISOLATION_IN_COMPANY) && isolation_covers(&session->isolation, session->record.position);
  LedgerSlot slot = ledger_next_slot(session->ledger);
  struct problem problem;
  enum verdict verdict;

  if ((!session->hand_is_counted && !ledger_has_room(session->ledger)) ||
      (is_alone && ledger_events_in_flight(session->ledger) > (session->hand_is_counted ? 1 : 0)) ||
      (MUTANT(FULL_QUEUE_HOARDS) && !hoard_mutant_publish(session))) { /* which stays behind all that is kept */
    verdict = VERDICT_WAIT;
  } else {
    CRASH_POINT(BEFORE_PUBLISH);
    witness_published(&session->witness, session->record.position.commit_lsn);
    verdict = publisher_publish(session->ports.publisher, &session->record, session_token(slot, session->hand_is_dead_letter), &problem);
  }
  switch (verdict) {
  case VERDICT_OK:
    CRASH_POINT(AFTER_PUBLISH);
    if (session->hand_is_dead_letter) {
      CRASH_POINT(AFTER_DEAD_LETTER);
    }
    if (!session->hand_is_counted) {
      (void)txn_add_event(&session->txn);
      session->hand_is_counted = true;
    }
    session->has_published = true;
    session->hand = is_alone ? HAND_WATCHED : HAND_EMPTY;
    if (MUTANT(CONFIRM_BEFORE_REPORT) || (MUTANT(DEAD_LETTER_NOT_AWAITED) && session->hand_is_dead_letter)) {
      (void)ledger_settle(session->ledger, slot);
      session->hand = HAND_EMPTY;
    }
    if (is_alone) {
      CRASH_POINT(SENT_ALONE);
    }
    session->full_since_us = 0;
    break;
  case VERDICT_WAIT:
    if (session->full_since_us == 0 && !is_alone) {
      CRASH_POINT(QUEUE_FULL);
      session->full_since_us = session->now.mono_us;
    }
    if (MUTANT(QUEUE_FULL_DROPS) && !is_alone) {
      session->hand = HAND_EMPTY;
    }
    if (MUTANT(FULL_QUEUE_HOARDS)) {
      (void)hoard_mutant_keep(session);
    }
    break;
  case VERDICT_POISON:
    if (is_for_no_partition(&problem) && may_be_news(session) && !is_alone && !MUTANT(POISON_IN_COMPANY)) {
      on_refusal_in_company(session, session->record.position, &problem);
      leave_for_refusal(session);
    } else {
      session_hand_is_poison(session, dead_letter_reason(&problem), true, &problem);
    }
    break;
  case VERDICT_FATAL:
    session_hold(session, &problem, &session->record, false);
    break;
  case VERDICT_RETRY:
    session_fail(session, SESSION_KAFKA, &problem);
    break;
  }
}

/* Publishes until the hand is empty or stuck: a row may become a dead letter on the way. */
void session_work_hand(struct session *session)
{
  bool is_another = session->hand == HAND_FULL;

  while (is_another) {
    bool was_dead_letter = session->hand_is_dead_letter;

    publish_hand(session);
    is_another = session->phase == PHASE_STREAMING && session->hand == HAND_FULL && session->hand_is_dead_letter != was_dead_letter;
  }
}
