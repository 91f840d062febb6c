/*
 * redis_reservation.h - idempotence by a cache: a key per event, taken before its effect. What a document wants it may have; it is no guarantee:
 *
 *   - whoever dies between take and done leaves the key: the event is skipped as a duplicate until the key expires, and lost if it does not come again then;
 *   - a key that expired, was evicted, or was not yet on the replica that took over lets the event through once more.
 *
 *   key `<consumer>:<unique id>`   absent --take--> token --done--> DONE        with a time to live at each step
 *                                     ^---release---/  (of one's own token only)
 *
 * One connection, blocking, of one thread; opened when it is first needed and again after it broke. What Redis cannot do now is RETRY and never anything else.
 * The process ignores SIGPIPE. No TLS.
 */
#ifndef CONSUMER_REDIS_RESERVATION_H
#define CONSUMER_REDIS_RESERVATION_H

#include <stdint.h>

#include "uuid.h"
#include "variable.h"
#include "verdict.h"

enum {
  REDIS_CONNECT_TIMEOUT_MS = 2000,
  REDIS_ANSWER_TIMEOUT_MS = 2000,
  REDIS_KEY_MAX_BYTES = 640, /* consumer, colon and an event's unique id */
};

struct redis_settings {
  struct address address;
  const char *user;     /* NULL or empty: none */
  const char *password; /* the same */
  int64_t database;
  int64_t ttl_s; /* from 1 */
};

struct redis_reservation;

/* Settings and consumer are borrowed. Does not connect. */
struct redis_reservation *redis_reservation_new(const struct redis_settings *settings, const char *consumer);
void redis_reservation_free(struct redis_reservation *reservation); /* takes NULL */

enum reservation {
  RESERVATION_RESERVED,  /* ours: go on */
  RESERVATION_DUPLICATE, /* reserved by somebody, or done */
};

/*
 * `token` (uuid_new) is one per event in hand, the same at each attempt: a reservation whose answer was lost is recognised as ours. OK with the answer, or
 * RETRY. POISON: the key would be longer than REDIS_KEY_MAX_BYTES.
 */
enum verdict MUST_CHECK redis_reservation_take(struct redis_reservation *reservation, const char *event_id, const char token[UUID_SIZE],
                                               enum reservation *ret_reservation, struct problem *problem);
/* The effect is there. Where the key expired meanwhile it is written again; one that somebody else took then is left alone. */
enum verdict MUST_CHECK redis_reservation_done(struct redis_reservation *reservation, const char *event_id, const char token[UUID_SIZE],
                                               struct problem *problem);
/* The effect failed: whoever comes next may try. A key that is not ours any more is left alone. */
enum verdict MUST_CHECK redis_reservation_release(struct redis_reservation *reservation, const char *event_id, const char token[UUID_SIZE],
                                                  struct problem *problem);

#endif
