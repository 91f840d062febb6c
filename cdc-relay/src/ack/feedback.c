/*
 * feedback.c - one struct, one rule: is a status due, and what does it say.
 *
 *   in this order                                                            write         flush = apply
 *   1  asked, the spin is ripe, and `safe` is already told                   spin_wal_end  0
 *   2  asked                                                                 received      safe
 *   3  safe moved, and confirm_interval_us have passed since the last        received      safe
 *   4  interval_us have passed since the last                                received      safe
 *
 * Why 1 waits until `safe` is told: what is settled should be confirmed before the server goes, or it comes twice. It costs one more round of the spin.
 *
 * Why the answer's `write` is the spin's own end of WAL: the server lets go only when it equals its position exactly, and `received` may lie further on.
 *
 * What happens behind the answer. The server asks once for each status that it reads, and keeps what the last one said. It reads all that has arrived
 * before it looks, so an ordinary status directly behind the answer would overwrite it unseen; left alone, the answer stays in force until the server is
 * gone. Therefore requests of an answered spin are not answered again. Rules 3 and 4 stay as they are: 3 brings news worth telling, 4 keeps I4, and neither
 * comes in the instant behind the answer. Should one overwrite it all the same, the server asks again, and that counts as a new spin: it is answered half a
 * second later. So a further ordinary status costs time, never an event, and never leaves the server hanging.
 *
 * The spin is measured between requests that came, not against the clock: a relay that was itself stopped for a second has seen no spin.
 */
#include "ack/feedback.h"

#include "ack/invariant.h"
#include "fault_point.h"

void feedback_init(struct feedback *feedback, Lsn confirmed, int64_t wal_sender_timeout_us, int64_t confirm_interval_us, int64_t now_us)
{
  int64_t interval_us = FEEDBACK_INTERVAL_MAX_US;

  if (wal_sender_timeout_us > 0 && wal_sender_timeout_us / 3 < interval_us) {
    interval_us = wal_sender_timeout_us / 3;
  }
  *feedback = (struct feedback){
      .interval_us = interval_us,
      .confirm_interval_us = confirm_interval_us,
      .last_sent_us = now_us,
      .confirmed = confirmed,
      .received = confirmed,
  };
}

static void spin_begin(struct feedback *feedback, Lsn wal_end, int64_t now_us)
{
  feedback->spin_since_us = now_us;
  feedback->spin_last_us = now_us;
  feedback->spin_wal_end = wal_end;
  feedback->spin_answered = false;
}

static void spin_end(struct feedback *feedback)
{
  feedback->spin_since_us = 0;
  feedback->spin_answered = false;
}

static bool spin_is_on(const struct feedback *feedback)
{
  return feedback->spin_since_us != 0;
}

/* Long enough, and nothing but our answer would end it. Once it is answered no reply is owed, so that it is not answered twice. */
static bool spin_is_ripe(const struct feedback *feedback, Lsn safe)
{
  return !MUTANT(SPIN_NEVER_ANSWERED) && spin_is_on(feedback) && feedback->spin_last_us - feedback->spin_since_us >= FEEDBACK_SPIN_US &&
         safe < feedback->spin_wal_end;
}

void feedback_on_received(struct feedback *feedback, Lsn wal_end, bool reply_requested, bool is_pending, int64_t now_us)
{
  if (wal_end > feedback->received) {
    feedback->received = wal_end;
  }
  if (!reply_requested) {
    if (spin_is_on(feedback) && wal_end > feedback->spin_wal_end) {
      spin_end(feedback); /* it still has something to send */
    }
    return;
  }
  if (!is_pending) {
    spin_end(feedback);
  } else if (!spin_is_on(feedback) || wal_end != feedback->spin_wal_end || now_us - feedback->spin_last_us > FEEDBACK_SPIN_GAP_US) {
    spin_begin(feedback, wal_end, now_us);
  } else {
    feedback->spin_last_us = now_us;
  }
  if (!feedback->spin_answered) {
    feedback->reply_is_owed = true;
  }
}

bool feedback_due(const struct feedback *feedback, Lsn safe, int64_t now_us, struct feedback_message *ret_message)
{
  if (safe < feedback->confirmed) {
    invariant_broken("I4", "safe position %s lies before %s, which is confirmed", lsn_text(safe).text, lsn_text(feedback->confirmed).text);
  }
  if (now_us < feedback_deadline_us(feedback, safe)) {
    return false;
  }
  if (feedback->reply_is_owed && safe == feedback->confirmed && spin_is_ripe(feedback, safe)) {
    *ret_message = (struct feedback_message){.write = feedback->spin_wal_end, .flush = 0, .apply = 0};
  } else {
    *ret_message = (struct feedback_message){.write = feedback->received > safe ? feedback->received : safe, .flush = safe, .apply = safe};
  }
  return true;
}

void feedback_sent(struct feedback *feedback, const struct feedback_message *message, int64_t now_us)
{
  feedback->reply_is_owed = false;
  feedback->last_sent_us = now_us;
  if (message->flush == 0 && spin_is_on(feedback)) {
    feedback->spin_answered = true;
    return;
  }
  if (message->flush < feedback->confirmed) {
    invariant_broken("I4", "confirmed %s after %s", lsn_text(message->flush).text, lsn_text(feedback->confirmed).text);
  }
  feedback->confirmed = message->flush;
  if (feedback->spin_answered) {
    spin_end(feedback);
  }
}

int64_t feedback_deadline_us(const struct feedback *feedback, Lsn safe)
{
  int64_t wait_us = feedback->interval_us;

  if (feedback->reply_is_owed) {
    return INT64_MIN;
  }
  if (MUTANT(STATUS_ONLY_WHEN_ASKED)) {
    return INT64_MAX;
  }
  if (safe > feedback->confirmed && feedback->confirm_interval_us < wait_us) {
    wait_us = feedback->confirm_interval_us;
  }
  return feedback->last_sent_us + wait_us;
}
