/*
 * pace.c - two states and a few constants; pace.h has the picture, this is the table.
 *
 *   state    the read brought              then      wait
 *   IDLE     nothing (a false alarm)       IDLE      socket
 *   IDLE     something, slowly             IDLE      socket
 *   IDLE     something, the 16th quick     BEHIND    as below
 *            wake-up in a row, or lag
 *   BEHIND   something                     BEHIND    timer, PACE_PAUSE_US; with lag, where messages are joined, PACE_LONG_PAUSE_US,
 *                                                    but first the rest of what has been joined: after PACE_MORE_BYTES still PACE_PAUSE_US
 *   BEHIND   nothing                       IDLE      socket
 *   BEHIND   nothing, but lag is known     BEHIND    timer; the 20th in a row: IDLE
 *
 * Too short a pause wakes too often; too long a one fills the socket (a Unix socket holds 36 kB of small rows) and stops the walsender. That a pause brings nothing now and then
 * while there is a backlog only means that the walsender had no processor; one that decodes other tables' changes is behind and silent for longer, and its next
 * message should find us at the socket.
 */
#include "stream/pace.h"

void pace_init(struct pace *pace, bool is_joined)
{
  *pace = (struct pace){.is_joined = is_joined, .last_read_us = INT64_MIN / 2};
}

static void note_wake_up(struct pace *pace, bool lag_is_known, int64_t now_us)
{
  if (now_us - pace->last_read_us < PACE_QUICK_US) {
    pace->quick_reads++;
  } else {
    pace->quick_reads = 0;
  }
  if (lag_is_known || pace->quick_reads >= PACE_QUICK_READS) {
    pace->is_behind = true;
    pace->empty_pauses = 0;
  }
}

enum pace_wait pace_on_read(struct pace *pace, uint64_t bytes, bool lag_is_known, int64_t now_us, int64_t *ret_deadline_us)
{
  pace->is_long = false;
  pace->empty_pauses = bytes > 0 ? 0 : pace->empty_pauses + 1;
  if (bytes == 0 && (!pace->is_behind || !lag_is_known || pace->empty_pauses >= PACE_EMPTY_PAUSES)) {
    pace->is_behind = false;
    pace->quick_reads = 0;
    return PACE_SOCKET;
  }
  if (!pace->is_behind) {
    note_wake_up(pace, lag_is_known, now_us);
  }
  pace->last_read_us = now_us;
  if (!pace->is_behind) {
    return PACE_SOCKET;
  }
  pace->is_long = pace->is_joined && lag_is_known && bytes > 0;
  *ret_deadline_us = now_us + (pace->is_long && bytes < PACE_MORE_BYTES ? PACE_LONG_PAUSE_US : PACE_PAUSE_US);
  return PACE_TIMER;
}
