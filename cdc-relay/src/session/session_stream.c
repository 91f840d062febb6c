/*
 * session_stream.c - what a session does while it streams. One turn, in this order:
 *
 *   reports     settle rows, notice refusals                            (session_serve_reports, in session_hand.c, also in other phases)
 *   hand        the record that waits for room, or for its own report   (session_hand.c)
 *   messages    receive -> decode -> txn -> route -> publish, until the hand is full, the socket empty, or the turn long enough
 *   feedback    tell PostgreSQL what is safe, if it is due
 *   stall       leave a stream that brings nothing behind a pause          (stall.h)
 */
#include <math.h>
#include <poll.h>
#include <string.h>

#include "fault_point.h"
#include "session/hoard_mutant.h"
#include "session/session_priv.h"

void session_stream_begin(struct session *session)
{
  session_date_client(session);
  decoder_reset(session->ports.decoder);
  router_reset(session->ports.router);
  ledger_reset(session->ledger, session->facts.confirmed);
  txn_reset(&session->txn);
  feedback_init(&session->feedback, session->facts.confirmed, session->facts.wal_sender_timeout_us, session->config->delivery.confirm_interval_ms * US_PER_MS,
                session->now.mono_us);
  pace_init(&session->pace, session->facts.is_joined);
  session->pace_wait = PACE_SOCKET;
  session->paced_bytes = 0;
  session->fresh_bytes = 0;
  session->keepalive_lsn = 0;
  session->has_more = true; /* what arrived together with the answer to START_REPLICATION wakes no poll() */
  session->sent_us = 0;
  session->full_since_us = 0;
  stall_begin(&session->stall, session->now.mono_us);
  session->hand = HAND_EMPTY;
  if (MUTANT(FULL_QUEUE_HOARDS)) {
    hoard_mutant_forget();
  }
  session->has_refusal = false;
  session->mark_has_risen = false;
  arena_reset(&session->arena);
}

bool session_is_idle(const struct session *session)
{
  return ledger_is_empty(session->ledger) && session->hand == HAND_EMPTY;
}

/* ---- messages ---- */

static void on_row(struct session *session, const struct change *change)
{
  const struct route_transaction transaction = {.xid = session->txn.xid, .commit_time_us = session->txn.commit_time_us};
  struct position position = {0};
  enum route_outcome outcome;
  enum route_reason reason = ROUTE_REASON_COUNT; /* of a row that is poison */
  struct problem problem;
  enum verdict verdict = VERDICT_OK;

  /* A message outside of any transaction is none of ours; the router counts it. */
  if (change->kind != CHANGE_MESSAGE || change->transactional) {
    verdict = txn_next_position(&session->txn, &position, &problem);
  }
  if (verdict == VERDICT_OK) {
    verdict = router_route(session->ports.router, change, &transaction, position, session->now.wall_us, &session->arena, &outcome, &session->record, &reason,
                           &problem);
  }
  switch (verdict) {
  case VERDICT_OK:
    if (outcome == ROUTE_NOTHING) {
      return;
    }
    break;
  case VERDICT_POISON:
    break;
  case VERDICT_FATAL:
    session_hold(session, &problem, NULL, true);
    return;
  case VERDICT_RETRY:
  case VERDICT_WAIT:
    session_fail(session, SESSION_POSTGRES, &problem);
    return;
  }
  isolation_passed(&session->isolation, position);
  session->hand = HAND_FULL;
  session->hand_is_dead_letter = false;
  session->hand_is_counted = false;
  if (verdict == VERDICT_POISON) {
    session_hand_is_poison(session, reason, false, &problem);
  }
}

static void on_data(struct session *session, struct span body)
{
  struct change change;
  struct problem problem;
  enum verdict verdict;

  arena_reset(&session->arena);
  verdict = decoder_read(session->ports.decoder, body, &session->arena, &change, &problem);
  if (verdict == VERDICT_OK) {
    switch (change.kind) {
    case CHANGE_NONE:
      return;
    case CHANGE_BEGIN:
      verdict = txn_begin(&session->txn, &change, &problem);
      break;
    case CHANGE_COMMIT:
      verdict = txn_commit(&session->txn, &change, &problem);
      break;
    case CHANGE_INSERT:
    case CHANGE_UPDATE:
    case CHANGE_DELETE:
    case CHANGE_TRUNCATE:
    case CHANGE_MESSAGE:
      on_row(session, &change);
      return;
    }
  }
  if (verdict != VERDICT_OK) {
    session_end(session, SESSION_POSTGRES, verdict, &problem);
  }
}

static void on_message(struct session *session, const struct stream_message *message)
{
  /* A status says as written what has come, not where WAL ends: a server that was told its very end sends no keepalive, and an idle slot would not follow. */
  Lsn received = message->kind == STREAM_DATA ? message->start : ledger_is_open(session->ledger) ? 0 : message->wal_end;

  feedback_on_received(&session->feedback, received, message->reply_requested, !session_is_idle(session), session->now.mono_us);
  if (message->kind == STREAM_DATA) {
    session->keepalive_lsn = MUTANT(CONFIRM_UNSENT_LOG) ? message->wal_end : session->keepalive_lsn;
    session->sent_us = message->sent_us;
    on_data(session, message->body);
    return;
  }
  if (!MUTANT(ANSWER_NOT_HEARD)) {
    stall_answered(&session->stall);
  }
  if (!ledger_is_open(session->ledger) || MUTANT(KEEPALIVE_IN_TRANSACTION)) {
    CRASH_POINT(AT_KEEPALIVE);
    session->keepalive_lsn = message->wal_end;
  }
}

/* Nothing more is read once a drain has come to the end of the transaction in hand. */
static bool may_receive(const struct session *session)
{
  return session->phase == PHASE_STREAMING && session->hand == HAND_EMPTY && (!session->is_stopping || ledger_is_open(session->ledger));
}

/* What was read last was committed a while ago. Both times are the server's, so that no clock of ours comes into it. */
static bool is_old(const struct session *session)
{
  return session->sent_us != 0 && moment_distance(session->txn.commit_time_us, session->sent_us) >= SESSION_LAG_US;
}

/* There is a backlog: nothing but old events for a while. A server's disk that stalls makes a commit old, and the burst behind it should not wait. */
static bool is_late(const struct session *session)
{
  return is_old(session) && stream_bytes_read(session->ports.stream) - session->fresh_bytes >= SESSION_LAG_BYTES;
}

static void receive(struct session *session)
{
  struct stream_message message;
  struct problem problem;
  enum verdict verdict = VERDICT_OK;
  bool is_caught_up = false;
  int count = 0;

  while (count < SESSION_TURN_MESSAGES && may_receive(session)) {
    verdict = stream_receive(session->ports.stream, true, &message, &problem);
    if (verdict != VERDICT_OK) {
      break;
    }
    count++;
    on_message(session, &message);
    is_caught_up = message.kind == STREAM_KEEPALIVE && !ledger_is_open(session->ledger);
    if (session->phase == PHASE_STREAMING) {
      session_work_hand(session);
    }
  }
  if (session->phase != PHASE_STREAMING) {
    return;
  }
  if (verdict != VERDICT_OK && verdict != VERDICT_WAIT) {
    session_end(session, SESSION_POSTGRES, verdict, &problem);
    return;
  }
  session->has_more = verdict == VERDICT_OK;
  session->sent_us = is_caught_up && !session->has_more ? 0 : session->sent_us; /* what was old is over: the next event need not be */
  if (!is_old(session)) {
    session->fresh_bytes = stream_bytes_read(session->ports.stream);
  }
  if (!session->has_more) {
    uint64_t bytes = stream_bytes_read(session->ports.stream);

    session->pace_wait = pace_on_read(&session->pace, bytes - session->paced_bytes, is_late(session), session->now.mono_us, &session->pace_deadline_us);
    session->paced_bytes = bytes;
  }
}

static bool read_is_due(const struct session *session, bool stream_is_ready)
{
  if (!may_receive(session)) {
    return false;
  }
  if (session->has_more) {
    return true;
  }
  return session->pace_wait == PACE_TIMER ? session->now.mono_us >= session->pace_deadline_us : stream_is_ready;
}

/* More is there or expected within the next pause, and nobody waits for a report of its own. */
static bool is_reading_on(const struct session *session)
{
  return session->phase == PHASE_STREAMING && !session->is_stopping && session->hand != HAND_WATCHED &&
         (session->has_more || session->pace_wait == PACE_TIMER || session->hand == HAND_FULL);
}

void session_hurry(struct session *session)
{
  if (session->has_published && !(is_late(session) && is_reading_on(session))) {
    publisher_hurry(session->ports.publisher);
    session->has_published = false;
  }
}

void session_bound(struct session *session)
{
  stream_bound(session->ports.stream, session->pace.is_long && (may_receive(session) || MUTANT(BUFFER_STAYS_FIXED)));
}

/* ---- feedback ---- */

void session_send_feedback(struct session *session)
{
  const bool asks = session->stall.is_to_ask && session->phase == PHASE_STREAMING && session->hand == HAND_EMPTY && !session->has_more;
  Lsn safe;
  struct feedback_message message;
  struct problem problem;
  enum verdict verdict = VERDICT_OK;

  session->feedback.reply_is_owed = session->feedback.reply_is_owed || asks;
  /* All before the last keepalive's end of WAL came before that keepalive. If it came while something was in flight, the server does not say it again: what it
   * was told as written is as far as it has sent. */
  if (session->hand == HAND_EMPTY) {
    ledger_advance_idle(session->ledger, session->keepalive_lsn);
  }
  safe = MUTANT(DRAIN_CONFIRMS_READ) && session->is_stopping ? session->txn.last_end_lsn : ledger_safe(session->ledger);
  if ((stream_events(session->ports.stream) & POLLOUT) != 0) {
    verdict = stream_flush(session->ports.stream, &problem);
  }
  if (verdict == VERDICT_OK && feedback_due(&session->feedback, safe, session->now.mono_us, &message)) {
    ledger_check(session->ledger);
    CRASH_POINT(BEFORE_STATUS);
    if (MUTANT(STATUS_MOVES_BACK) && message.flush == session->feedback.confirmed) {
      message.flush = session->facts.confirmed;
    }
    witness_confirmed(&session->witness, message.flush);
    verdict = stream_send_status(session->ports.stream, message.write, message.flush, message.apply, asks, session->now, &problem);
    if (verdict == VERDICT_OK) {
      if (asks) {
        stall_asked(&session->stall, stream_bytes_read(session->ports.stream), session->now.mono_us);
      }
      CRASH_POINT(AFTER_STATUS);
      feedback_sent(&session->feedback, &message, session->now.mono_us);
      if (message.flush == safe) {
        ledger_confirmed(session->ledger);
      }
    }
  }
  if (verdict != VERDICT_OK && verdict != VERDICT_WAIT) {
    session_end(session, SESSION_POSTGRES, verdict, &problem);
  }
}

/* Everything is settled, or the limit reached. The last status goes out at once and the stream is ended in order, so that it is read. */
static void end_stream(struct session *session, int64_t limit_us)
{
  Lsn safe = ledger_safe(session->ledger);
  enum phase before = session->phase;

  session->feedback.reply_is_owed = session->feedback.reply_is_owed || safe > session->feedback.confirmed;
  session_send_feedback(session);
  if (session->phase != before || (session->feedback.confirmed < safe && session->now.mono_us < limit_us)) {
    return; /* broken; or the socket does not take the status yet */
  }
  CRASH_POINT(BEFORE_FINISH);
  session_enter(session, PHASE_FINISHING, session->now.mono_us + SESSION_FINISH_TIMEOUT_US);
}

bool session_is_cut_off(const struct session *session, short stream_events)
{
  return (stream_events & (POLLRDHUP | POLLHUP | POLLERR)) != 0 && !may_receive(session);
}

void session_settling_turn(struct session *session, short stream_events)
{
  session->drained = ledger_is_empty(session->ledger);
  if (session->server_is_stopping || session_is_cut_off(session, stream_events)) {
    session_ended(session);
  } else if (ledger_events_in_flight(session->ledger) <= session->never_settled || session->now.mono_us >= session->deadline_us) {
    end_stream(session, session->deadline_us);
  } else {
    session_send_feedback(session);
  }
}

static void leave_stopping_server(struct session *session)
{
  struct problem problem;

  (void)problem_set(&problem, VERDICT_RETRY, EXIT_UNEXPECTED, "server_shutdown",
                    "server is shutting down while Kafka takes nothing: the stream was closed so that the server can stop");
  session_fail(session, SESSION_POSTGRES, &problem);
}

static void leave_lost_server(struct session *session)
{
  struct problem problem;

  (void)problem_set(&problem, VERDICT_RETRY, EXIT_UNEXPECTED, "network", "connection to PostgreSQL was closed while nothing was read from it");
  session_fail(session, SESSION_POSTGRES, &problem);
}

static void leave_stalled_stream(struct session *session)
{
  struct problem problem;

  (void)problem_set(&problem, VERDICT_RETRY, EXIT_UNEXPECTED, "stream_stalled",
                    "nothing has come from PostgreSQL for %d s behind a pause in which nothing was read, though it was asked: what it sent meanwhile may wait "
                    "for TCP's timers",
                    (int)((session->now.mono_us - session->stall.asked_us) / US_PER_S));
  stall_left(&session->stall, session->feedback.confirmed);
  session_fail(session, SESSION_POSTGRES, &problem);
}

/* What is in flight, or settled and not yet told, would come twice. (So do the rows of an open transaction, once for each stream that is left.) */
static bool is_stalled(const struct session *session)
{
  return session->now.mono_us >= stall_deadline_us(&session->stall) && !MUTANT(STALL_WAITED_OUT) && ledger_events_in_flight(session->ledger) == 0 &&
         session->feedback.confirmed >= ledger_safe(session->ledger) && (stream_events(session->ports.stream) & POLLOUT) == 0;
}

/* A hold is over when what it was about has been passed, not when a stream could be started: what is wrong may lie in the stream. */
static void release_hold(struct session *session)
{
  if (session->is_held && (ledger_safe(session->ledger) > session->facts.confirmed || session->now.mono_us - session->started_us >= SESSION_RELEASE_US)) {
    session_release(session);
  }
}

void session_stream_turn(struct session *session, short stream_events)
{
  bool was_stuck = session->hand != HAND_EMPTY;

  session_work_hand(session);
  if (MUTANT(FULL_QUEUE_HOARDS) && session->phase == PHASE_STREAMING) {
    (void)hoard_mutant_publish(session);
  }
  if (session->phase == PHASE_STREAMING && was_stuck && session->hand == HAND_EMPTY) {
    pace_init(&session->pace, session->facts.is_joined);
    session->has_more = true;
  }
  stall_before_read(&session->stall, session->hand == HAND_EMPTY, session->feedback.confirmed, session->now.mono_us);
  if (session->phase == PHASE_STREAMING && read_is_due(session, (stream_events & ~POLLOUT) != 0)) {
    receive(session);
  }
  stall_after_read(&session->stall, session->hand == HAND_EMPTY, stream_bytes_read(session->ports.stream), (stream_events & POLLIN) != 0, session->now.mono_us);
  if (session->phase == PHASE_STREAMING && session->server_is_stopping && session->hand != HAND_EMPTY) {
    leave_stopping_server(session);
  }
  if (session->phase == PHASE_STREAMING && session_is_cut_off(session, stream_events)) {
    leave_lost_server(session);
  }
  if (session->phase != PHASE_STREAMING) {
    return;
  }
  release_hold(session);
  if (MUTANT(PAUSED_SAYS_NOTHING) && session->hand != HAND_EMPTY) {
    return;
  }
  if (session->is_stopping && ((session_is_idle(session) && !may_receive(session)) || session->now.mono_us >= session->stop_deadline_us)) {
    session->drained = session_is_idle(session);
    end_stream(session, session->stop_deadline_us);
    return;
  }
  session_send_feedback(session);
  if (session->phase == PHASE_STREAMING && is_stalled(session)) {
    leave_stalled_stream(session);
  }
}

/* ---- what the owner polls for, and asks ---- */

/* The mark of the server that the stream which runs is from; empty: none runs, or it is not known. */
static const char *server_of_stream(const struct session *session)
{
  return session->phase == PHASE_STREAMING || session->phase == PHASE_PROBING ? session->facts.catalog.server : "";
}

bool session_is_elsewhere(const struct session *session, const struct catalog_mark *seen)
{
  return server_of_stream(session)[0] != '\0' && strcmp(server_of_stream(session), seen->server) != 0;
}

bool session_is_misjudged(const struct session *session, const struct catalog_mark *seen, bool has_changed, int64_t asked_us)
{
  if (strcmp(server_of_stream(session), seen->server) != 0 || seen->server[0] == '\0') {
    return has_changed;
  }
  /* An older answer may show what was there before the look, and what has changed since that answer may have been judged. */
  return asked_us >= session->looked_us && seen->number != session->facts.catalog.number && !session->is_stopping;
}

int64_t session_deadline_us(const struct session *session)
{
  int64_t deadline_us = session->deadline_us;
  int64_t feedback_us;

  if (session->phase != PHASE_STREAMING && session->phase != PHASE_SETTLING && session->phase != PHASE_PROBING) {
    return deadline_us;
  }
  if (session->phase == PHASE_STREAMING && session->has_more && may_receive(session)) {
    return session->now.mono_us;
  }
  feedback_us = feedback_deadline_us(&session->feedback, ledger_safe(session->ledger));
  /* A status that the socket would not take yet goes out when it is writable, not in a loop. */
  if (feedback_us <= session->now.mono_us) {
    feedback_us = session->now.mono_us + SESSION_NUDGE_US;
  }
  deadline_us = feedback_us < deadline_us ? feedback_us : deadline_us;
  if (stall_deadline_us(&session->stall) > session->now.mono_us && stall_deadline_us(&session->stall) < deadline_us) {
    deadline_us = stall_deadline_us(&session->stall); /* when it is over, the last report or the last status is awaited */
  }
  if (session->is_stopping && session->stop_deadline_us < deadline_us) {
    deadline_us = session->stop_deadline_us;
  }
  if (session->is_held && session->phase == PHASE_STREAMING && session->started_us + SESSION_RELEASE_US < deadline_us) {
    deadline_us = session->started_us + SESSION_RELEASE_US;
  }
  if (session->pace_wait == PACE_TIMER && may_receive(session) && session->pace_deadline_us < deadline_us) {
    deadline_us = session->pace_deadline_us;
  }
  if (session->hand == HAND_FULL && session->now.mono_us + SESSION_NUDGE_US < deadline_us) {
    deadline_us = session->now.mono_us + SESSION_NUDGE_US; /* room is told by the publisher's fd; this is for a queue that others emptied */
  }
  return deadline_us;
}

short session_poll_events(const struct session *session)
{
  short wanted = stream_events(session->ports.stream);
  bool is_reading = session->phase == PHASE_STREAMING ? may_receive(session) : session->phase != PHASE_SETTLING && session->phase != PHASE_PROBING;

  if (!is_reading) {
    return (short)((wanted & POLLOUT) | POLLRDHUP);
  }
  if (session->phase == PHASE_STREAMING && session->pace_wait == PACE_TIMER) {
    return (short)(wanted & POLLOUT);
  }
  return wanted;
}

bool session_wants_reports(const struct session *session)
{
  return !is_reading_on(session) || session->hand == HAND_FULL;
}

void session_figures(const struct session *session, struct moment now, struct session_figures *ret_figures)
{
  bool is_streaming = session->phase == PHASE_STREAMING;
  int64_t since_us = is_streaming ? ledger_oldest_commit_time_us(session->ledger) : session->caught_up_wall_us;
  double oldest_seconds = since_us != 0 ? (double)moment_distance(since_us, now.wall_us) / US_PER_S : 0;

  *ret_figures = (struct session_figures){
      .state = session->state,
      .state_since_wall_us = session->state_since_wall_us,
      .has_problem = session->has_problem,
      .problem = session->problem,
      .is_streaming = is_streaming,
      .confirmed = session->feedback.confirmed,
      .safe = ledger_safe(session->ledger),
      .received = session->feedback.received,
      .events_in_flight = ledger_events_in_flight(session->ledger),
      .transactions_in_flight = ledger_transactions_in_flight(session->ledger),
      .unconfirmed_events = ledger_unconfirmed_events(session->ledger),
      .oldest_unsettled_seconds = fmax(oldest_seconds, 0),
      .drained = session->drained && session->feedback.confirmed >= ledger_safe(session->ledger),
      .timeline = session->facts.timeline,
      .server_version = session->facts.server_version,
  };
  memcpy(ret_figures->system_id, session->facts.system_id, sizeof(ret_figures->system_id));
}
