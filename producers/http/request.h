/*
 * request.h - one request from its head to its answer. Used by one thread at a time: the one that has the connections, or the worker that it was given to.
 */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "exchange_priv.h"
#include "moment.h"
#include "site.h"
#include "workers.h"

/* So much of a body that is refused is read and dropped, so that its sender gets the answer. */
enum { REQUEST_DISCARD_MAX_BYTES = 16777216 };

enum request_step {
  REQUEST_ARRIVING, /* its end is not there */
  REQUEST_WHOLE,    /* it is, and there is no answer at once */
  REQUEST_PARKED,   /* somebody else has it, until he brings the answer */
  REQUEST_ANSWERED,
};

struct request {
  struct task task; /* the first: request_of() */
  enum request_step step;
  struct site *site;
  struct crowd_member *member;
  struct moment began;
  struct exchange exchange;
  struct exchange_priv priv;
  json_t *document;
  char *body;
  size_t length;
  size_t capacity;
  size_t discarded;
  bool is_at_once;               /* refused, and the rest of the request is not worth reading */
  struct MHD_Response *response; /* owned, until it is sent */
};

static inline struct request *request_of(struct task *task)
{
  return (struct request *)task;
}

/* Behind the head. The three texts are borrowed. NULL: no memory. */
struct request *request_new(struct site *site, struct MHD_Connection *connection, const char *url, const char *method, const char *version);
void request_free(struct request *request);
/* A piece of the body. False: there is too much of it, or no memory; the connection is to be closed. */
bool request_collect(struct request *request, const char *bytes, size_t length);
/*
 * Behind the end, unless it is refused already: the handler's turn. There is an answer afterwards. May block. Returns what it has learnt of the database.
 */
enum task_database request_run(struct request *request, struct database *database);
/* Behind the end: whether there are fields behind the body. */
bool request_has_footers(const struct request *request);
/* A header of the request; NULL: absent. */
const char *request_header(const struct request *request, const char *name);

#endif
