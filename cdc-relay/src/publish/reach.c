/* reach.c - see the table in reach.h. */
#include "publish/reach.h"

void reach_init(struct reach *reach)
{
  *reach = (struct reach){0};
}

void reach_on_heard(struct reach *reach, int64_t now_us)
{
  reach->is_connected = true;
  reach->heard_us = now_us;
  reach->auth_failed_us = 0;
}

void reach_on_down(struct reach *reach)
{
  reach->is_connected = false;
}

void reach_on_auth_failed(struct reach *reach, int64_t now_us)
{
  if (reach->auth_failed_us == 0) {
    reach->auth_failed_us = now_us;
  }
}

bool reach_look_is_due(const struct reach *reach, int64_t now_us)
{
  return !reach->is_connected || now_us - reach->heard_us >= REACH_QUIET_US;
}

bool reach_is_refused(const struct reach *reach, int64_t now_us)
{
  return !reach->is_connected && reach->auth_failed_us != 0 && now_us - reach->auth_failed_us >= REACH_REFUSED_US;
}
