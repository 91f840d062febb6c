/*
 * figures.h - what the server counts, as /metrics shows it. Labels are the table's routes and known methods, never a client's text.
 */
#ifndef HTTP_FIGURES_H
#define HTTP_FIGURES_H

#include "instrument.h"

struct figures {
  struct instruments *all;
  struct instrument *requests;      /* route, method, status */
  struct instrument *seconds;       /* route, method */
  struct instrument *connections;   /* open */
  struct instrument *overdue;       /* connections that were shut for their slowness: crowd.h */
  struct instrument *replayed;      /* answers repeated for an Idempotency-Key */
  struct instrument *queue;         /* requests that wait for a worker */
  struct instrument *pool_size;     /* workers, each with a connection */
  struct instrument *pool_in_use;   /* those that have a request */
  struct instrument *pool_away;     /* whose last attempt to connect failed */
  struct instrument *answers_swept; /* stored answers removed for their age */
  struct instrument *published;     /* type */
};

/* `event_types` ends with NULL, or is NULL: they are shown from the beginning. */
void figures_init(struct figures *figures, const char *service, const char *const *event_types);
void figures_done(struct figures *figures);

/* `route`: its path in the table, or `unmatched`. `method` as the client has it: what HTTP does not know counts as `other`. */
void figures_count_request(struct figures *figures, const char *route, const char *method, unsigned int status, double seconds);
/* The word of ours for a client's method. Static. */
const char *figures_method(const char *method);

#endif
