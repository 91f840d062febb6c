/*
 * pace.c - two states and three constants; pace.h has the picture, this is the table.
 *
 *   state    the read brought              then      wait
 *   IDLE     nothing (a false alarm)       IDLE      socket
 *   IDLE     something, slowly             IDLE      socket
 *   IDLE     something, the 16th quick     BEHIND    as below
 *            wake-up in a row, or lag
 *   BEHIND   8 kB or more                  BEHIND    timer, due now
 *   BEHIND   less                          BEHIND    timer, half a millisecond
 *   BEHIND   nothing, after a pause        IDLE      socket
 *
 * Too short a pause wakes too often; too long a one fills the socket and stops the walsender. "Lag is known" only gets us into BEHIND; it does not keep us
 * there, since a server that decodes other tables' changes is behind and silent, and its next message should find us at the socket.
 */
#include "stream/pace.h"

void pace_init(struct pace *pace)
{
  *pace = (struct pace){.last_read_us = INT64_MIN / 2};
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
    pace->has_paused = false;
  }
}

enum pace_wait pace_on_read(struct pace *pace, uint64_t bytes, bool lag_is_known, int64_t now_us, int64_t *ret_deadline_us)
{
  if (bytes == 0 && (!pace->is_behind || pace->has_paused)) {
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
  pace->has_paused = bytes < PACE_LONG_READ_BYTES;
  *ret_deadline_us = pace->has_paused ? now_us + PACE_PAUSE_US : now_us;
  return PACE_TIMER;
}
