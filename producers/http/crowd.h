/*
 * crowd.h - the connections of clients, and how long each may take to say what it wants and to take what it gets. For one thread.
 *
 *   asking --head--> arriving --its end--> working --answer--> taking --all of it--> asking
 *
 * libmicrohttpd's own timeout counts silence: a client that sends or takes a byte now and then would stay for ever. Here a connection has HTTP_IDLE_TIMEOUT_S
 * for a whole request, counted from its opening or from its last answer, and HTTP_ANSWER_TIMEOUT_S to take an answer; then its socket is shut down, and
 * libmicrohttpd clears it away. So it is where libmicrohttpd has not read what is there for HTTP_STUCK_MS, be it the end of the line: it never will.
 *
 * At the end of the service (crowd_stop()) each is let go as soon as it has nothing here: who has said nothing for HTTP_DRAIN_SILENCE_MS and has no request,
 * and who has begun one and does not get on with it within HTTP_DRAIN_ARRIVAL_MS.
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

struct crowd_member *crowd_enter(struct crowd *crowd, int fd, int64_t now_us);
void crowd_leave(struct crowd *crowd, struct crowd_member *member); /* before the descriptor is closed */
size_t crowd_count(const struct crowd *crowd);

/* A request's head is there. The request is borrowed until crowd_end_request(). */
void crowd_begin_request(struct crowd_member *member, void *request);
/* NULL: the client has none here. */
void *crowd_request(const struct crowd_member *member);
/* All of it is, and is worked on: no time runs. False: it came too late; its connection is shut, and an answer would reach nobody. */
bool MUST_CHECK crowd_begin_work(struct crowd_member *member);
/* There is an answer, to the whole request or to its head alone. */
void crowd_begin_answer(struct crowd_member *member, int64_t now_us);
/* The answer is out, or will never be. */
void crowd_end_request(struct crowd_member *member, int64_t now_us);

/* The service ends. To be called once. */
void crowd_stop(struct crowd *crowd, int64_t now_us);
/* At once. */
void crowd_shut(struct crowd_member *member);
/* Shuts who has had its time, and who is done: returns how many of the first kind. */
size_t crowd_shut_overdue(struct crowd *crowd, int64_t now_us);

#endif
