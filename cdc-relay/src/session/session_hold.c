/*
 * session_hold.c - where a person is needed: holding, and looking whether the reason is gone.
 *
 *   held by                                       a look
 *   the database                                  connects again
 *   a record that Kafka refused                   connects again; once the slot is ours, that record is tried alone before anything is read (PROBING)
 *   Kafka as a whole (authentication)             sees whether a broker lets us in, publishing nothing (REACHING); then connects again
 *   a row that is poison by its own content       none: only another configuration mends it, and so another process
 *
 * Looking must not publish everything behind the safe position again and again; hence the record alone, and hence looks that grow rarer (5 s to 60 s).
 */
#include "fault_point.h"
#include "session/session_priv.h"

void session_wait_for_look(struct session *session)
{
  int64_t delay_us = backoff_next_us(&session->look_backoff, chance_next(&session->chance));

  session_enter(session, PHASE_WAITING, session->look_is_useless ? INT64_MAX : session->now.mono_us + delay_us);
}

void session_look_failed(struct session *session)
{
  stream_close(session->ports.stream);
  session_drop_publisher(session);
  session_wait_for_look(session);
}

void session_copy_record(struct arena *arena, const struct record *record, struct record *ret_copy)
{
  struct header *headers = arena_array(arena, record->header_count, sizeof(*headers));

  for (size_t i = 0; i < record->header_count; i++) {
    headers[i] = (struct header){arena_copy(arena, record->headers[i].name), arena_copy(arena, record->headers[i].value)};
  }
  *ret_copy = *record;
  ret_copy->topic = arena_copy(arena, record->topic);
  ret_copy->key = arena_copy(arena, record->key);
  ret_copy->value = arena_copy(arena, record->value);
  ret_copy->event_id = arena_copy(arena, record->event_id);
  ret_copy->headers = headers;
}

/* A copy of its own: the record lies in the stream's message and in the arena, which do not outlive the stream. */
static void keep_record(struct session *session, const struct record *record)
{
  struct arena fresh; /* the record may itself be the one that is kept, and lie in the old one */
  struct record copy;

  arena_init(&fresh, SESSION_ARENA_FIRST_BYTES);
  session_copy_record(&fresh, record, &copy);
  session->kept = copy;
  arena_done(&session->kept_arena);
  session->kept_arena = fresh;
}

void session_hold(struct session *session, const struct problem *why, const struct record *kept, bool look_is_useless)
{
  session->problem = *why;
  session->has_problem = true;
  session->look_is_useless = look_is_useless;
  if (kept != NULL) {
    keep_record(session, kept);
    session->kept_timeline = session->facts.timeline;
    session->kept_why = *why;
  }
  session->has_kept = kept != NULL;
  session->kept_is_published = false;
  session->never_settled = session->hand != HAND_EMPTY && session->hand_is_counted ? 1 : 0;
  session->hand = HAND_EMPTY;
  session->is_to_be_held = true;
  if (session->phase == PHASE_STREAMING) {
    int64_t limit_us = session->now.mono_us + SESSION_SETTLE_TIMEOUT_US;

    session_enter(session, PHASE_SETTLING, session->is_stopping && session->stop_deadline_us < limit_us ? session->stop_deadline_us : limit_us);
  } else {
    session_ended(session);
  }
}

void session_release(struct session *session)
{
  session->has_kept = false;
  session->is_held = false;
  session->has_problem = false;
  session_enter(session, PHASE_STREAMING, INT64_MAX);
}

/*
 * Another relay may have had the slot meanwhile, and we stood by, held no more. It has got past the kept record if that transaction is confirmed; and a server that was
 * promoted need not have it at all. Else the hold goes on as what it was.
 */
void session_take_up_hold(struct session *session)
{
  session->has_kept = session->has_kept && session->kept.position.commit_lsn >= session->facts.confirmed && session->kept_timeline == session->facts.timeline;
  session->kept_is_published = false;
  session->probe_failed = false;
  if (session->has_kept) {
    session->is_held = true;
    session->problem = session->kept_why;
  }
  session->has_problem = session->is_held; /* what a failure was is over; what a hold is about may not be */
}

/* The slot is ours and nothing is read: the record is the only thing in flight, and its report decides (session_hand.c). */
void session_probing_turn(struct session *session, short stream_events)
{
  struct problem problem;
  enum verdict verdict = VERDICT_WAIT;

  if (session->now.mono_us >= session->deadline_us || session->server_is_stopping || session_is_cut_off(session, stream_events)) {
    session_look_failed(session);
    return;
  }
  if (!session->kept_is_published) {
    witness_published(&session->witness, session->kept.position.commit_lsn);
    verdict = publisher_publish(session->ports.publisher, &session->kept, 0, &problem);
    session->kept_is_published = verdict == VERDICT_OK;
    if (session->kept_is_published) {
      CRASH_POINT(AFTER_PROBE);
    }
    session->has_published = verdict == VERDICT_OK;
  }
  if (verdict != VERDICT_OK && verdict != VERDICT_WAIT) {
    session_look_failed(session);
    return;
  }
  session_send_feedback(session);
}

/* Kafka did not let us in: whether it does now is seen without publishing anything. */
void session_reaching_turn(struct session *session)
{
  struct problem problem;
  struct publisher_figures figures;

  if (session->now.mono_us >= session->deadline_us) {
    session_look_failed(session);
    return;
  }
  if (!session->publisher_is_open) {
    enum verdict verdict = publisher_open(session->ports.publisher, &problem);

    session->publisher_is_open = verdict == VERDICT_OK;
    if (verdict == VERDICT_WAIT) {
      return;
    }
    if (verdict != VERDICT_OK) {
      session_look_failed(session);
      return;
    }
  }
  publisher_figures(session->ports.publisher, &figures);
  if (figures.is_connected) {
    session_connect(session);
  }
}

void session_look_again(struct session *session)
{
  CRASH_POINT(BEFORE_LOOK);
  if (session->problem.code == EXIT_KAFKA_REFUSES && !session->has_kept) {
    session_enter(session, PHASE_REACHING, session->now.mono_us + SESSION_PROBE_TIMEOUT_US);
  } else {
    session_connect(session);
  }
}

void session_drop_publisher(struct session *session)
{
  if (session->publisher_is_open) {
    publisher_close(session->ports.publisher);
    session->publisher_is_open = false;
    session->client_is_dated = false;
  }
}

/* What it knows of a topic it learns when the first record for it comes, and so later than this. */
void session_date_client(struct session *session)
{
  if (!session->client_is_dated) {
    session->client_is_dated = true;
    session->client_since = session->facts.wal_end;
    session->client_timeline = session->facts.timeline;
  }
}

void session_end(struct session *session, enum session_side side, enum verdict verdict, const struct problem *why)
{
  if (verdict == VERDICT_FATAL && !session->is_to_be_held) {
    session->phase = PHASE_CONNECTING; /* the stream, or what it feeds, is no more: nothing to settle */
    session_hold(session, why, NULL, false);
  } else {
    session_fail(session, side, why);
  }
}
