/*
 * pace.c - two states and a few constants; pace.h has the picture, this is the table.
 *
 *   state    the read brought              then      wait
 *   IDLE     nothing (a false alarm)       IDLE      socket
 *   IDLE     something, slowly             IDLE      socket
 *   IDLE     something, the 16th quick     BEHIND    as below
 *            wake-up in a row, or lag
 *   BEHIND   something                     BEHIND    timer: until a lump is there at the rate of this read, 100 to 500 us
 *   BEHIND   nothing                       IDLE      socket
 *   BEHIND   nothing, but lag is known     BEHIND    timer, 500 us; the 20th in a row: IDLE
 *
 * Too short a pause wakes too often; too long a one fills the socket and stops the walsender, the sooner the faster it is. That a pause brings nothing now and then
 * while there is a backlog only means that the walsender had no processor; one that decodes other tables' changes is behind and silent for longer, and its next
 * message should find us at the socket.
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
    pace->empty_pauses = 0;
  }
}

/* How long a lump takes to arrive if it comes as these bytes came in these microseconds. */
static int64_t pause_us(uint64_t bytes, int64_t elapsed_us)
{
  int64_t lump_us = PACE_PAUSE_US;

  if (bytes > 0 && elapsed_us < (int64_t)PACE_PAUSE_US * 1000) {
    lump_us = elapsed_us * PACE_LUMP_BYTES / (int64_t)(bytes < INT32_MAX ? bytes : INT32_MAX);
  }
  lump_us = lump_us < PACE_PAUSE_US ? lump_us : PACE_PAUSE_US;
  return lump_us > PACE_PAUSE_MIN_US ? lump_us : PACE_PAUSE_MIN_US;
}

enum pace_wait pace_on_read(struct pace *pace, uint64_t bytes, bool lag_is_known, int64_t now_us, int64_t *ret_deadline_us)
{
  int64_t elapsed_us = now_us - pace->last_read_us;

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
  *ret_deadline_us = now_us + pause_us(bytes, elapsed_us);
  return PACE_TIMER;
}
