/*
 * exchange.h - one request and its answer, as a handler sees them.
 */
#ifndef HTTP_EXCHANGE_H
#define HTTP_EXCHANGE_H

#include <jansson.h>
#include <stdbool.h>

#include "fields.h"
#include "outbox.h"
#include "work.h"

struct exchange_priv;

struct exchange {
  void *state;               /* the service's own */
  const json_t *body;        /* NULL: the request had none. Borrowed until the handler returns */
  struct origin origin;      /* X-Correlation-Id or made; traceparent: a child of the request's */
  struct database *database; /* this worker's */
  struct exchange_priv *priv;
};

/* The text of `{name}` in the route's path; never NULL for a name that the route has. */
const char *http_path_value(const struct exchange *exchange, const char *name);
/* `?name=`, decoded; NULL: absent. */
const char *http_query_value(const struct exchange *exchange, const char *name);
/* A header of the request, name in any case; NULL: absent, or not UTF-8. */
const char *http_request_header(const struct exchange *exchange, const char *name);
/* The other end of the connection, an IPv4 or IPv6 address; behind a proxy that is the proxy. Never NULL. */
const char *http_client_address(const struct exchange *exchange);

/* A new identifier, random, as uuid_new() makes it; the kernel is asked once for those of a whole request. */
void http_uuid_new(struct exchange *exchange, char ret_text[UUID_SIZE]);

/* The answer; takes `body` (NULL: none). A second answer replaces the first. */
void http_reply(struct exchange *exchange, unsigned int status, json_t *body);
/* A problem (RFC 9457) with `detail` in words. */
void http_problem(struct exchange *exchange, unsigned int status, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Adds a member of the service's own to the problem that was given last (RFC 9457, 3.2); takes `value`. */
void http_problem_tell(struct exchange *exchange, const char *name, json_t *value);
/* False and a problem 400 that lists every mistake, if there is one. */
bool http_fields_are_sound(struct exchange *exchange, const struct fields *fields);

/*
 * Publishes an event within a unit of work: outbox_publish() into the service's outbox, with its name as source and the request as origin unless the event has
 * one. Counted by its type when the unit is committed.
 */
void http_publish(struct exchange *exchange, struct work *work, const struct outbox_event *event);

/*
 * Runs a unit of work that ends in the answer: `function` calls http_reply() or http_problem() and returns WORK_COMMIT or WORK_ROLLBACK. With Idempotency-Key
 * the answer is stored in the same transaction under key, route and a digest of path, query, Authorization and body: a repeated request gets the stored answer and
 * does nothing, the same key with another of these gets 422. Only answers below 400 that were committed are stored; where a handler calls this several times, the
 * key is the first call's. What the database refuses is answered here: 503 where it is away or the conflict does not pass, 500 else; 409 for a violated unique
 * constraint, 422 for another constraint or value, in the words of the service's `rules`, unless `function` looked first.
 */
void http_transact(struct exchange *exchange, WorkFunction function, void *context);
/*
 * Within such a function, before it asks somebody outside who cannot be asked twice (a provider whose codes are good for one question): claims the request's Idempotency-Key
 * now, instead of with the next statement. False: the function returns WORK_FAILED, since the key has an answer, which is given then, or the database failed. Behind it a
 * repetition of this request waits until the unit has ended, and no longer than lock_timeout (5 s): 503 then. It gets the answer where that was committed and is below 400. A
 * refusal is not stored, nor is what fails behind the question: the repetition claims the key anew and asks again. Whoever cannot be asked twice must therefore be the last who
 * can refuse, or the client must come with something new to ask by, and with a new key: http_use_up() says so of failures, and the function's own refusals must.
 * Without a key: true, and nothing is sent. With one the transaction is open while somebody else answers: that needs a time limit far below 15 s
 * (idle_in_transaction_session_timeout). The function may run again: what it was told it keeps in its context.
 */
bool MUST_CHECK http_claim(struct exchange *exchange, struct work *work);
/*
 * Right before that question: from now on what the request came with may be used up, and its repetition cannot succeed. What fails is answered with `words`, which say what to
 * come with instead, and not with "try again". No answer has Retry-After any more, but one: behind a COMMIT without an answer, to who sent a key, since the repetition may find the
 * stored answer. `words` is borrowed until the answer is sent.
 */
void http_use_up(struct exchange *exchange, const char *words);

#endif
