/* relay_state.c - the states' names. */
#include "session/relay_state.h"

static const char *const names[] = {"connecting", "streaming", "paused", "draining", "backoff", "standby", "held"};

_Static_assert(sizeof(names) / sizeof(*names) == RELAY_STATE_COUNT, "a name for each state");

const char *relay_state_name(enum relay_state state)
{
  return names[state];
}
