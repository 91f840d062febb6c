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
};

struct exchange_priv {
  struct site *site;
  struct MHD_Connection *connection;
  const char *method; /* borrowed from libmicrohttpd until the request's end, as is `url` */
  const char *url;    /* as it came, without the query */
  struct span bytes;  /* of the body */
  struct route_match match;
  struct query query;
  const char *idempotency_key; /* NULL: none, or used */
  char client_address[INET6_ADDRSTRLEN];
  struct answer answer;
  /* Why it failed, for the request's line in the log. */
  enum log_level level;
  char reason[PROBLEM_TEXT_MAX];
};

/* Takes `text`. */
void exchange_reply_text(struct exchange *exchange, unsigned int status, const char *content_type, char *text, size_t length);
void exchange_clear_answer(struct exchange *exchange);
/* Words for the log, never for the client. */
void exchange_note(struct exchange *exchange, enum log_level level, const char *format, ...) PRINTF_LIKE(3, 4);
/* The row of the table as metrics and the log show it; `unmatched`: none. */
const char *exchange_route(const struct exchange *exchange);

#endif
