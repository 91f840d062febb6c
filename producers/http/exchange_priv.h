/*
 * exchange_priv.h - the inside of an exchange, for the files of this folder.
 */
#ifndef HTTP_EXCHANGE_PRIV_H
#define HTTP_EXCHANGE_PRIV_H

#include <microhttpd.h>
#include <netinet/in.h>

#include "exchange.h"
#include "log.h"
#include "query.h"
#include "route_table.h"
#include "service.h"
#include "site.h"
#include "span.h"

/* Either a document or a text; neither: an answer without a body. */
struct answer {
  unsigned int status; /* 0: there is none yet */
  json_t *document;    /* owned */
  char *text;          /* owned, malloc'ed */
  size_t text_length;
  const char *content_type; /* static */
  bool is_replayed;
  bool is_in_doubt; /* a repetition may take effect a second time: nobody is asked to come again */
};

struct exchange_priv {
  struct site *site;
  struct MHD_Connection *connection;
  const char *method; /* borrowed from libmicrohttpd until the request's end, as is `url` */
  const char *url;    /* as it came, without the query */
  struct span bytes;  /* of the body */
  struct route_match match;
  struct query query;
  const char *idempotency_key; /* NULL: none, or taken by a unit of work */
  bool has_claim;              /* the unit of work in hand claims a key */
  const char *used_up;         /* NULL: nothing is, and the request may come again; else what to come with instead */
  struct uuid_source ids;      /* for all identifiers of the request */
  char client_address[INET6_ADDRSTRLEN];
  /* What the last attempt of a unit of work has left. */
  struct answer answer;
  unsigned int published[HTTP_EVENT_TYPES_MAX + 1]; /* events by their place in the service's list; the last one: of no type in it */
  /* Why it failed, for the request's line in the log. */
  enum log_level level;
  char reason[PROBLEM_TEXT_MAX];
};

/* Takes `text`. */
void exchange_reply_text(struct exchange *exchange, unsigned int status, const char *content_type, char *text, size_t length);
/* Another attempt, or the request's end: forgets the answer, and the events that were published with it. */
void exchange_clear_answer(struct exchange *exchange);
/* A unit of work is over: counts its events if it was committed. */
void exchange_count_published(struct exchange *exchange, bool is_committed);
/*
 * 503, and in words why, and that nothing was done. Of a request with an Idempotency-Key that is said of this attempt alone: an equal one before it may have taken effect, or be
 * at work still.
 */
void exchange_come_again(struct exchange *exchange, const char *why);
/* Words for the log, never for the client. */
void exchange_note(struct exchange *exchange, enum log_level level, const char *format, ...) PRINTF_LIKE(3, 4);
/* The row of the table as metrics and the log show it; `unmatched`: none. */
const char *exchange_route(const struct exchange *exchange);

#endif
