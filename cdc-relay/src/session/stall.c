/* stall.c - see stall.h. */
#include "session/stall.h"

void stall_begin(struct stall *stall, int64_t now_us)
{
  *stall = (struct stall){.attended_us = now_us, .is_unattended = true, .left = stall->left, .left_confirmed = stall->left_confirmed};
}

void stall_before_read(struct stall *stall, bool may_read, Lsn confirmed, int64_t now_us)
{
  int64_t long_us = stall->is_unattended ? STALL_PAUSE_US : STALL_SUSPENDED_US;

  if (confirmed > stall->left_confirmed) {
    stall->left = 0;
  }
  if (may_read) {
    stall->is_to_ask = stall->is_to_ask || (now_us - stall->attended_us >= long_us && stall->left < STALL_LEFT_MAX);
    stall->attended_us = now_us;
  }
}

void stall_after_read(struct stall *stall, bool may_read, uint64_t bytes_read, bool was_readable, int64_t now_us)
{
  stall->is_unattended = !may_read;
  if (stall->asked_us != 0 && (!may_read || was_readable || bytes_read != stall->asked_bytes)) {
    stall->asked_us = now_us;
    stall->asked_bytes = bytes_read;
  }
}

void stall_asked(struct stall *stall, uint64_t bytes_read, int64_t now_us)
{
  stall->is_to_ask = false;
  stall->asked_us = now_us;
  stall->asked_bytes = bytes_read;
}

void stall_answered(struct stall *stall)
{
  stall->asked_us = 0;
}

int64_t stall_deadline_us(const struct stall *stall)
{
  return stall->asked_us == 0 || stall->is_to_ask ? INT64_MAX : stall->asked_us + ((int64_t)STALL_ANSWER_US << stall->left);
}

void stall_left(struct stall *stall, Lsn confirmed)
{
  stall->left++;
  stall->left_confirmed = confirmed;
}
