/*
 * sweeper.h - a thread that removes stored answers when they are old, on a connection of its own.
 */
#ifndef HTTP_SWEEPER_H
#define HTTP_SWEEPER_H

#include <stdint.h>

#include "site.h"

enum { SWEEPER_PAUSE_MAX_S = 60, SWEEPER_STOP_MAX_S = 1 };

struct sweeper;

/* `site` (with idempotency) and `conninfo` are borrowed until sweeper_stop(). */
struct sweeper *sweeper_start(struct site *site, const char *conninfo, int64_t ttl_s);
/* Waits for the transaction in hand, up to SWEEPER_STOP_MAX_S. False: it is still there, with all that it uses. Takes NULL. */
bool MUST_CHECK sweeper_stop(struct sweeper *sweeper);

#endif
