/*
 * pages.h - /livez, /readyz and /metrics of a consumer, served by a thread of its own, which also takes the signals: the loop may be in the middle of a handler.
 *
 *   /livez     200 while the loop moved within PAGES_LIVE_S: it turned, or took the next event of a batch in hand; and while it waits for the database, which has limits of
 *              its own. A handler that hangs shows here
 *   /readyz    200 while it is a member of its group and the database, if it has one, answered when it was asked last; else 503 and each reason on a line
 *   signals    the first SIGTERM or SIGINT asks the loop to stop; the second ends the process at once, which loses nothing
 */
#ifndef PAGES_H
#define PAGES_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "figures.h"
#include "variable.h"
#include "verdict.h"

enum { PAGES_LIVE_S = 30 };

/* What the loop tells the pages, and they the loop. Safe from both threads. */
struct vitals {
  _Atomic int64_t moved_us; /* monotonic; DATABASE_WAITS_US while the database is waited for */
  atomic_bool is_member;    /* of the group: an assignment came, be it empty */
  atomic_bool is_database_there;
  atomic_bool is_stopping; /* set by a signal */
  pthread_mutex_t lock;
  char trouble[PROBLEM_TEXT_MAX]; /* under the lock: what Kafka's client said of late; empty: nothing is wrong */
};

void vitals_init(struct vitals *vitals);
/* The thread of the loop alone. Copies. */
void vitals_set_trouble(struct vitals *vitals, const char *text);

struct pages;

/*
 * Listens, and starts the thread. SIGTERM and SIGINT are blocked in all threads that exist or come from here. Everything is borrowed until pages_close(). FATAL code 2:
 * the address is taken or not ours. Ends the process (abort) where no thread can be made.
 */
enum verdict MUST_CHECK pages_open(const struct address *listen, struct vitals *vitals, const struct figures *figures, struct pages **ret_pages,
                                   struct problem *problem);
uint16_t pages_port(const struct pages *pages);
void pages_close(struct pages *pages); /* takes NULL */

#endif
