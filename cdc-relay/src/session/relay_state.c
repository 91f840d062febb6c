/* relay_state.c - the states' names. */
#include "session/relay_state.h"

const char *relay_state_name(enum relay_state state)
{
  static const char *const names[RELAY_STATE_COUNT] = {"connecting", "streaming", "paused", "draining", "backoff", "standby", "held"};

  return names[state];
}
