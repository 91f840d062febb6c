/* relay_state.h - the states that users see (`cdc_relay_state`, /status, log lines). */
#ifndef SESSION_RELAY_STATE_H
#define SESSION_RELAY_STATE_H

enum relay_state { RELAY_CONNECTING, RELAY_STREAMING, RELAY_PAUSED, RELAY_DRAINING, RELAY_BACKOFF, RELAY_STANDBY, RELAY_HELD, RELAY_STATE_COUNT };

const char *relay_state_name(enum relay_state state);

#endif
