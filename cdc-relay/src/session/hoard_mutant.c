/*
 * hoard_mutant.c - what a session would do that knows no backpressure: a record for which the publisher has no room is copied, counted as in flight, and more is read. All
 * of them go out in their order once there is room, so that nothing is lost, late or out of order by it: what is wrong is the memory alone. For one session at a time.
 */
#include "session/hoard_mutant.h"

#ifdef CDC_FAULTS

#include <stdlib.h>

#include "session/session_priv.h"

enum { RECORD_FIRST_BYTES = 1024 };

struct hoarded {
  struct arena arena;
  struct record record;
  uint64_t token;
  struct hoarded *next;
};

static struct hoarded *oldest;
static struct hoarded **behind_newest = &oldest;

static void drop_oldest(void)
{
  struct hoarded *hoarded = oldest;

  oldest = hoarded->next;
  behind_newest = oldest == NULL ? &oldest : behind_newest;
  arena_done(&hoarded->arena);
  free(hoarded);
}

void hoard_mutant_forget(void)
{
  while (oldest != NULL) {
    drop_oldest();
  }
}

bool hoard_mutant_keep(struct session *session)
{
  struct hoarded *hoarded;

  if (session->phase != PHASE_STREAMING || session->hand_is_counted || !ledger_has_room(session->ledger) ||
      isolation_covers(&session->isolation, session->record.position)) {
    return false;
  }
  hoarded = calloc(1, sizeof(*hoarded));
  if (hoarded == NULL) {
    abort();
  }
  arena_init(&hoarded->arena, RECORD_FIRST_BYTES);
  session_copy_record(&hoarded->arena, &session->record, &hoarded->record);
  hoarded->token = session_token(txn_add_event(&session->txn), session->hand_is_dead_letter);
  *behind_newest = hoarded;
  behind_newest = &hoarded->next;
  session->hand = HAND_EMPTY;
  session->full_since_us = 0;
  return true;
}

bool hoard_mutant_publish(struct session *session)
{
  while (oldest != NULL) {
    struct problem problem;
    enum verdict verdict;

    witness_published(&session->witness, oldest->record.position.commit_lsn);
    verdict = publisher_publish(session->ports.publisher, &oldest->record, oldest->token, &problem);

    if (verdict == VERDICT_WAIT) {
      return false;
    }
    if (verdict != VERDICT_OK) {
      if (verdict == VERDICT_POISON) {
        isolation_begin(&session->isolation, oldest->record.position);
      }
      session_fail(session, SESSION_KAFKA, &problem);
      return false;
    }
    session->has_published = true;
    drop_oldest();
  }
  return true;
}

#endif
