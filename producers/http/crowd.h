/*
 * crowd.h - the connections of clients, and how long each may take to say what it wants. For one thread.
 *
 * libmicrohttpd's own timeout counts silence: a client that sends a byte now and then would stay for ever. Here a connection has HTTP_IDLE_TIMEOUT_S for a
 * whole request, counted from its opening or from its last answer; then its socket is shut down, and libmicrohttpd clears it away.
 */
#ifndef HTTP_CROWD_H
#define HTTP_CROWD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "verdict.h"

struct crowd;
struct crowd_member;

struct crowd *crowd_new(void);
void crowd_free(struct crowd *crowd); /* takes NULL; nobody is in it any more */

struct crowd_member *crowd_enter(struct crowd *crowd, int fd);
void crowd_leave(struct crowd *crowd, struct crowd_member *member); /* before the descriptor is closed */
size_t crowd_count(const struct crowd *crowd);

/* A whole request is there and is worked on: no time runs. False: it came too late; its connection is shut, and an answer would reach nobody. */
bool MUST_CHECK crowd_begin_work(struct crowd_member *member);
/* The answer is out, or will never be. */
void crowd_end_work(struct crowd_member *member, int64_t now_us);

/* Shuts who has had its time; returns how many. */
size_t crowd_shut_overdue(struct crowd *crowd, int64_t now_us);
/*
 * Whether a request is to be expected that nobody has looked at yet: somebody's bytes wait in the kernel unread, or somebody came less than HTTP_NEWCOMER_MS
 * ago and has had no answer so far.
 */
bool crowd_expects_request(const struct crowd *crowd, int64_t now_us);

#endif
