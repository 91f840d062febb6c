/*
 * session.c - the life of a session: open, connect, start, stream (session_stream.c), and every way to end and begin again.
 *
 *            +-------------------------------- look again ----------------------------------+
 *            v                                                                              |
 *   OPENING -> CONNECTING -> STARTING -> STREAMING -> FINISHING -> STOPPED          WAITING <-> REACHING
 *      ^          |    \_______ any failure ___/ \___ a person is needed (SETTLING) ____^
 *      |          v                |
 *      |       STANDBY             v
 *      +----------+------------ BACKOFF
 *
 * There is one way back, whatever failed: close the stream, wait, connect, let the server say where we are (I5). A broken publisher is replaced on that way.
 * While held, the machine may be connecting underneath; users see `held` until streaming goes on.
 *
 * Only the owner of the slot publishes. So a refused record that is to be tried again is tried between STARTING and STREAMING (PROBING), and whoever lets the
 * slot go while another may take it (hold, standby) ends the producer, with all that it still has.
 */
#include "session/session.h"

#include <stdlib.h>
#include <string.h>

#include "fault_point.h"
#include "session/session_priv.h"

enum {
  BACKOFF_FIRST_US = 100000,
  BACKOFF_MAX_US = 15000000,
};

static enum relay_state visible_state(const struct session *session)
{
  if (session->is_held) {
    return RELAY_HELD;
  }
  if (session->is_stopping) {
    return RELAY_DRAINING;
  }
  switch (session->phase) {
  case PHASE_OPENING:
  case PHASE_CONNECTING:
  case PHASE_STARTING:
    return RELAY_CONNECTING;
  case PHASE_STREAMING:
    return session->full_since_us != 0 && session->now.mono_us - session->full_since_us >= SESSION_PAUSED_AFTER_US ? RELAY_PAUSED : RELAY_STREAMING;
  case PHASE_SETTLING:
  case PHASE_FINISHING:
  case PHASE_STOPPED:
    return RELAY_DRAINING;
  case PHASE_BACKOFF:
    return RELAY_BACKOFF;
  case PHASE_STANDBY:
    return RELAY_STANDBY;
  case PHASE_WAITING:
  case PHASE_REACHING:
  case PHASE_PROBING:
    return RELAY_HELD;
  }
  return RELAY_CONNECTING;
}

static void show_state(struct session *session)
{
  enum relay_state before = session->state;

  session->state = visible_state(session);
  if (session->state != before) {
    session->state_since_wall_us = session->now.wall_us;
    session->observer->state_changed(session->observer->context, before, session->state, session->has_problem ? &session->problem : NULL);
  }
}

void session_enter(struct session *session, enum phase phase, int64_t deadline_us)
{
  session->phase = phase;
  session->deadline_us = deadline_us;
  show_state(session);
}

void session_connect(struct session *session)
{
  if (session->seen_pid != 0) { /* the start failed, so that nobody can tell whether that was us */
    session->seen_pid = 0;
    witness_forget_position(&session->witness);
  }
  session_enter(session, PHASE_OPENING, session->now.mono_us + SESSION_CONNECT_TIMEOUT_US);
}

void session_ended(struct session *session)
{
  bool is_to_be_held = session->is_to_be_held;
  bool is_to_reconnect = session->is_to_reconnect;

  stream_close(session->ports.stream);
  session->is_to_be_held = false;
  session->is_to_reconnect = false;
  if (session->is_stopping || (!is_to_be_held && !is_to_reconnect)) {
    session_enter(session, PHASE_STOPPED, INT64_MAX);
    return;
  }
  session_drop_publisher(session); /* for a reload, since its secrets may be new, too */
  if (!is_to_be_held) {
    session_connect(session);
    return;
  }
  /* Older rows that never got through come first again, from the stream; the kept record must not overtake them. */
  session->has_kept = session->has_kept && (MUTANT(KEPT_RECORD_OVERTAKES) || ledger_events_in_flight(session->ledger) <= session->never_settled);
  if (!session->is_held && session->now.mono_us - session->started_us >= SESSION_STEADY_US) {
    backoff_reset(&session->look_backoff);
  }
  session->is_held = true;
  session_wait_for_look(session);
}

void session_fail(struct session *session, enum session_side side, const struct problem *why)
{
  struct backoff *backoff = side == SESSION_KAFKA ? &session->kafka_backoff : &session->postgres_backoff;
  int64_t delay_us;

  stream_close(session->ports.stream);
  session->hand = HAND_EMPTY;
  /*
   * In isolation also for PostgreSQL's sake: what the producer still holds would be company for the rows that are to be sent alone. And where the first way back did not lead
   * to a stream: another relay may have the slot by now, and what a client of the stream before still holds would come behind what that one sends.
   */
  if (side == SESSION_KAFKA || session->isolation.is_on || (session->phase != PHASE_STREAMING && session->client_is_dated)) {
    session_drop_publisher(session);
  }
  if (session->is_stopping || session->is_to_be_held || session->is_to_reconnect) {
    session_ended(session);
    return;
  }
  if (session->is_held) {
    session_look_failed(session); /* also the producer goes: it is long until the next look, and another relay may take the slot */
    return;
  }
  if (session->phase == PHASE_STREAMING && session->now.mono_us - session->started_us >= SESSION_WORKED_US) {
    backoff_reset(&session->postgres_backoff);
  }
  if (session->phase == PHASE_STREAMING && session->now.mono_us - session->started_us >= SESSION_STEADY_US) {
    backoff_reset(&session->kafka_backoff);
  }
  delay_us = backoff_next_us(backoff, chance_next(&session->chance));
  session->problem = *why;
  session->has_problem = true;
  session->observer->failed(session->observer->context, side, why, delay_us);
  session_enter(session, PHASE_BACKOFF, session->now.mono_us + delay_us);
}

static bool timed_out(struct session *session, enum session_side side, const char *cause, const char *doing)
{
  struct problem problem;

  if (session->now.mono_us < session->deadline_us) {
    return false;
  }
  (void)problem_set(&problem, VERDICT_RETRY, EXIT_UNEXPECTED, cause, "could not %s: no answer in %d s", doing, SESSION_CONNECT_TIMEOUT_US / US_PER_S);
  session_fail(session, side, &problem);
  return true;
}

static void turn_opening(struct session *session)
{
  if (!session->publisher_is_open) {
    struct problem problem;
    enum verdict verdict = publisher_open(session->ports.publisher, &problem);

    if (verdict == VERDICT_WAIT) {
      (void)timed_out(session, SESSION_KAFKA, "producer_not_ended", "end the Kafka producer before");
      return;
    }
    if (verdict != VERDICT_OK) {
      session_end(session, SESSION_KAFKA, verdict, &problem);
      return;
    }
    session->publisher_is_open = true;
  }
  session->attempt_us = session->now.mono_us;
  session_enter(session, PHASE_CONNECTING, session->deadline_us);
}

static void turn_connecting(struct session *session)
{
  struct problem problem;
  enum verdict verdict = stream_connect(session->ports.stream, session->now, &session->facts, &problem);

  if (verdict == VERDICT_WAIT) {
    (void)timed_out(session, SESSION_POSTGRES, "timeout", "connect to PostgreSQL");
    return;
  }
  if (verdict == VERDICT_OK) {
    /* One that stops lets nobody in: what was told before was told of another, or of its life before. What was told since may be of this one. */
    session->server_is_stopping = session->server_is_stopping && session->stopping_us > session->attempt_us;
    session->looked_us = session->now.mono_us;
    verdict = witness_judge(&session->witness, &session->facts, &problem);
  } else if (verdict == VERDICT_FATAL) {
    witness_complete(&session->witness, &problem);
  }
  if (verdict != VERDICT_OK) {
    session_end(session, SESSION_POSTGRES, verdict, &problem);
    return;
  }
  if (session->facts.slot_is_active) {
    int64_t jitter_us = (int64_t)(chance_next(&session->chance) % (SESSION_STANDBY_US / 2));

    stream_close(session->ports.stream);
    if (!MUTANT(STANDBY_KEEPS_PRODUCER)) {
      session_drop_publisher(session);
    }
    witness_forget_position(&session->witness);
    session->is_held = false;
    session->has_problem = false;
    session->caught_up_wall_us = 0; /* the other one knows how far it is */
    session_enter(session, PHASE_STANDBY, session->now.mono_us + SESSION_STANDBY_US / 2 + jitter_us);
    return;
  }
  CRASH_POINT(BEFORE_START);
  session_enter(session, PHASE_STARTING, session->deadline_us);
}

/* Somebody may have moved the slot after it was judged and before it was ours. From now on nobody can, so the facts are corrected, and judged for good. */
static enum verdict judge_beginning(struct session *session, const struct stream_beginning *beginning, struct problem *problem)
{
  session->facts.backend_pid = beginning->active_pid;
  if (session->seen_pid != 0 && session->seen_pid != beginning->active_pid) {
    witness_forget_position(&session->witness);
  }
  session->seen_pid = 0;
  if (MUTANT(START_NOT_JUDGED)) {
    return VERDICT_OK;
  }
  session->facts.confirmed = beginning->confirmed;
  session->facts.wal_end = beginning->wal_end;
  return witness_judge(&session->witness, &session->facts, problem);
}

static void turn_starting(struct session *session)
{
  struct stream_beginning beginning;
  Lsn start = session->facts.confirmed;
  struct problem problem;
  enum verdict verdict;

  if (!session->publisher_is_open) { /* it broke meanwhile */
    stream_close(session->ports.stream);
    session_connect(session);
    return;
  }
  if (MUTANT(RESUME_FROM_MEMORY) && session->txn.last_end_lsn > start) {
    start = session->txn.last_end_lsn;
  }
  verdict = stream_start(session->ports.stream, start, &beginning, &problem);
  if (verdict == VERDICT_WAIT) {
    (void)timed_out(session, SESSION_POSTGRES, "timeout", "start replication");
    return;
  }
  if (verdict == VERDICT_OK) {
    verdict = judge_beginning(session, &beginning, &problem);
  }
  if (verdict != VERDICT_OK) {
    if (strcmp(problem.cause, "slot_active") == 0) {
      witness_forget_position(&session->witness); /* another relay was faster, and may confirm */
    }
    session_end(session, SESSION_POSTGRES, verdict, &problem);
    return;
  }
  CRASH_POINT(AFTER_START);
  witness_started(&session->witness, &session->facts);
  session->started_us = session->now.mono_us;
  session_stream_begin(session);
  session->observer->started(session->observer->context, &session->facts);
  session_take_up_hold(session);
  if (session->has_kept) {
    session_enter(session, PHASE_PROBING, session->now.mono_us + SESSION_PROBE_TIMEOUT_US);
  } else {
    session_enter(session, PHASE_STREAMING, INT64_MAX);
  }
}

static void turn_finishing(struct session *session)
{
  struct problem problem;

  if (stream_finish(session->ports.stream, &problem) != VERDICT_WAIT || session->now.mono_us >= session->deadline_us) {
    CRASH_POINT(AFTER_FINISH);
    session_ended(session);
  }
}

void session_step(struct session *session, struct moment now, short stream_events)
{
  enum phase before;

  session->now = now;
  session_serve_reports(session);
  do {
    before = session->phase;
    switch (session->phase) {
    case PHASE_OPENING:
      turn_opening(session);
      break;
    case PHASE_CONNECTING:
      turn_connecting(session);
      break;
    case PHASE_STARTING:
      turn_starting(session);
      stream_events = 0; /* the stream begins on another descriptor */
      break;
    case PHASE_STREAMING:
      session_stream_turn(session, stream_events);
      break;
    case PHASE_SETTLING:
      session_settling_turn(session, stream_events);
      break;
    case PHASE_FINISHING:
      turn_finishing(session);
      break;
    case PHASE_BACKOFF:
    case PHASE_STANDBY:
      if (now.mono_us >= session->deadline_us) {
        session_connect(session);
      }
      break;
    case PHASE_WAITING:
      if (now.mono_us >= session->deadline_us) {
        session_look_again(session);
      }
      break;
    case PHASE_REACHING:
      session_reaching_turn(session);
      break;
    case PHASE_PROBING:
      session_probing_turn(session, stream_events);
      break;
    case PHASE_STOPPED:
      break;
    }
  } while (session->phase != before && session->phase != PHASE_BACKOFF && session->phase != PHASE_WAITING);
  session_hurry(session);
  session_bound(session);
  show_state(session);
}

struct session *session_new(const struct config *config, const struct session_ports *ports, const struct session_observer *observer, uint64_t seed)
{
  struct session *session = calloc(1, sizeof(*session));
  struct publisher_figures figures;

  if (session == NULL) {
    abort();
  }
  session->config = config;
  session->ports = *ports;
  session->observer = observer;
  session->chance = seed;
  session->phase = PHASE_BACKOFF; /* one that is over: the first turn connects */
  session->state = RELAY_CONNECTING;
  session->deadline_us = INT64_MIN;
  witness_init(&session->witness);
  isolation_init(&session->isolation);
  backoff_init(&session->postgres_backoff, BACKOFF_FIRST_US, BACKOFF_MAX_US);
  backoff_init(&session->kafka_backoff, BACKOFF_FIRST_US, BACKOFF_MAX_US);
  backoff_init(&session->look_backoff, SESSION_LOOK_FIRST_US, SESSION_LOOK_MAX_US);
  arena_init(&session->arena, SESSION_ARENA_FIRST_BYTES);
  arena_init(&session->kept_arena, SESSION_ARENA_FIRST_BYTES);
  publisher_figures(ports->publisher, &figures);
  session->ledger = ledger_new((uint32_t)figures.max_events + 1);
  txn_init(&session->txn, session->ledger);
  return session;
}

void session_free(struct session *session)
{
  if (session == NULL) {
    return;
  }
  ledger_free(session->ledger);
  arena_done(&session->arena);
  arena_done(&session->kept_arena);
  free(session);
}

/* While a start is on its way, the number that we know for our walsender may be one that a pooler made up: the beginning tells the true one. */
static void see_walsender(struct session *session, int32_t active_pid)
{
  if (session->phase != PHASE_STARTING || (session->seen_pid != 0 && session->seen_pid != active_pid)) {
    witness_forget_position(&session->witness); /* another relay has it, and may confirm */
    if (session->client_is_dated && (session->phase <= PHASE_STARTING || session->phase == PHASE_BACKOFF)) {
      session_drop_publisher(session); /* a way back may hang for a minute */
    }
  } else {
    session->seen_pid = active_pid;
  }
}

void session_on_slot_activity(struct session *session, bool is_active, int32_t active_pid, int64_t asked_us, struct moment now)
{
  session->now = now;
  if (is_active && asked_us >= session->looked_us) { /* older news may still show a walsender that we had before; a start has judged by better ones since */
    if (active_pid != session->facts.backend_pid) {
      see_walsender(session, active_pid);
    } else {
      session->server_is_stopping = false; /* the server that we stream from has let the second connection in again: that alone was ended */
    }
  }
  if (session->phase == PHASE_STANDBY && is_active) {
    session->deadline_us = now.mono_us + SESSION_STANDBY_US; /* no need to look ourselves */
  } else if (session->phase == PHASE_STANDBY) {
    session_connect(session);
  }
}

void session_on_server_shutdown(struct session *session, struct moment now)
{
  session->now = now;
  session->server_is_stopping = true;
  session->stopping_us = now.mono_us;
}

void session_reload(struct session *session, struct moment now)
{
  session->now = now;
  if (session->is_stopping) {
    return;
  }
  switch (session->phase) {
  case PHASE_STREAMING:
    session->is_to_reconnect = true;
    session->hand = HAND_EMPTY;
    session->never_settled = 0;
    session_enter(session, PHASE_SETTLING, now.mono_us + SESSION_SETTLE_TIMEOUT_US);
    break;
  case PHASE_SETTLING:
  case PHASE_FINISHING:
  case PHASE_STOPPED:
    break; /* a new connection comes, or none */
  case PHASE_WAITING:
  case PHASE_REACHING:
  case PHASE_PROBING:
    stream_close(session->ports.stream);
    session_drop_publisher(session);
    if (session->look_is_useless) {
      session_wait_for_look(session);
    } else {
      session_look_again(session);
    }
    break;
  case PHASE_OPENING:
  case PHASE_CONNECTING:
  case PHASE_STARTING:
  case PHASE_BACKOFF:
  case PHASE_STANDBY:
    stream_close(session->ports.stream);
    session_drop_publisher(session);
    session_connect(session);
    break;
  }
}

void session_stop(struct session *session, struct moment now)
{
  session->now = now;
  if (session->is_stopping) {
    return;
  }
  session->is_stopping = true;
  session->is_held = false;
  session->stop_deadline_us = now.mono_us + session->config->delivery.drain_timeout_ms * US_PER_MS;
  switch (session->phase) {
  case PHASE_STREAMING:
    session->drained = false;
    break;
  case PHASE_SETTLING:
    session->deadline_us = session->stop_deadline_us < session->deadline_us ? session->stop_deadline_us : session->deadline_us;
    break;
  case PHASE_FINISHING:
    break;
  case PHASE_OPENING:
  case PHASE_CONNECTING:
  case PHASE_STARTING:
  case PHASE_BACKOFF:
  case PHASE_STANDBY:
  case PHASE_WAITING:
  case PHASE_REACHING:
  case PHASE_PROBING:
  case PHASE_STOPPED:
    session->drained = ledger_is_empty(session->ledger);
    session_ended(session);
    break;
  }
  show_state(session);
}

bool session_is_stopped(const struct session *session)
{
  return session->phase == PHASE_STOPPED;
}
