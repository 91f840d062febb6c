/*
 * service.h - an HTTP service that writes to PostgreSQL, as one table of routes and one function each.
 *
 *     static const struct http_route routes[] = {
 *         {"POST", "/api/orders", create_order},
 *         {"POST", "/api/orders/{orderId}/status", change_status},
 *         {0},
 *     };
 *     int main(int argc, char **argv)
 *     {
 *       static const struct http_service service = {.name = "order-service", .summary = "...", .listen = "127.0.0.1:8081", .routes = routes};
 *       return http_service_main(&service, argc, argv);
 *     }
 *
 * What a handler gets has been checked: the body is one JSON value within the limits, the correlation id is sound or made, the database was reachable a moment
 * ago. Handlers run side by side on HTTP_WORKERS threads, each with a connection of its own; they share nothing but what `service` holds. Connections, pages
 * and what needs no handler are one thread's, which waits for no database: requests that find all workers at work wait in a queue.
 *
 *   settings     DATABASE_URL, HTTP_LISTEN, HTTP_WORKERS, IDEMPOTENCY_TTL_S, LOG_LEVEL, LOG_FORMAT, and the service's own; --help lists them, --print-config
 *                shows them
 *   pages        GET /livez, /readyz (503 while the database is away), /metrics
 *   signals      SIGTERM, SIGINT: no new connections; who is connected already, or waits to be let in, gets his answer, within HTTP_DRAIN_TIMEOUT_MS; exit 0. A
 *                second one ends at once, exit 1
 *   answers      errors are application/problem+json (RFC 9457); X-Correlation-Id is on every answer
 *
 *   unknown path 404   other method 405 with Allow   no JSON 400, its type another 415   too large 413, 414, 431   bug 500
 *   database away, queue full, waited too long in it 503 with Retry-After
 */
#ifndef HTTP_SERVICE_H
#define HTTP_SERVICE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "exchange.h"
#include "variable.h"

enum {
  HTTP_BODY_MAX_BYTES = 65536,
  HTTP_HEAD_MAX_BYTES = 16384,
  HTTP_FIELDS_MAX = 100,     /* headers, cookies and parameters of the query together */
  HTTP_PARAMETERS_MAX = 256, /* of a query that libmicrohttpd is sure to have room to note; with more of them it may end without a word */
  HTTP_JSON_DEPTH_MAX = 16,
  HTTP_PATH_MAX_BYTES = 1024,
  HTTP_PATH_VALUES_MAX = 4,
  HTTP_CONNECTIONS_MAX = 1024,
  HTTP_WORKERS_DEFAULT = 8,
  HTTP_WORKERS_MAX = 64,
  HTTP_CONNECTIONS_KEPT = 768,   /* with more than these, answers close theirs: who asks only now and then makes room */
  HTTP_QUEUE_PER_WORKER = 64,    /* requests that wait, */
  HTTP_QUEUE_MAX = 512,          /* and all together, so that there is always room for probes; more are refused at once */
  HTTP_QUEUE_WAIT_MAX_MS = 5000, /* for a worker; then refused */
  HTTP_IDLE_TIMEOUT_S = 30,      /* for a whole request, from the connection's opening or its last answer on */
  HTTP_ANSWER_TIMEOUT_S = 30,    /* for a client to take a whole answer */
  HTTP_STUCK_MS = 1000,          /* for bytes, or the line's end, that libmicrohttpd does not read */
  HTTP_DRAIN_TIMEOUT_MS = 10000,
  HTTP_DRAIN_ARRIVAL_MS = 5000, /* of these, for requests to become whole: what is left is for those who wait to be let in, and for handlers */
  HTTP_DRAIN_SILENCE_MS = 1000, /* and who has said nothing for so long, and has no request here, is let go */
  HTTP_IDEMPOTENCY_KEY_MAX_BYTES = 255,
  HTTP_ROUTES_MAX = 64,
  HTTP_EVENT_TYPES_MAX = 16,
};

/* Answers with http_reply() or http_problem(), once, or by what it hands to http_transact(). */
typedef void (*HttpHandler)(struct exchange *exchange);

struct http_route {
  const char *method; /* GET (HEAD too), POST, PUT, DELETE */
  const char *path;   /* `{name}` stands for one segment, percent-decoded, not empty */
  HttpHandler handler;
};

/* What clients are told of a constraint of the schema (409 where it is a unique one, else 422): they know the API and not the tables. */
struct http_rule {
  const char *constraint; /* as sql/<system>.sql names it */
  const char *words;      /* in the API's own: `a product of this name exists already` */
};

struct http_service {
  const char *name;    /* application_name, `source` of events, `service` of metrics */
  const char *summary; /* for --help */
  const char *listen;  /* of HTTP_LISTEN by default */
  const struct http_route *routes;
  const struct outbox_table *outbox; /* of http_publish(); NULL: outbox_default */
  const char *const *event_types;    /* that http_publish() gets, for `events_published_total`; ends with NULL; others count together. NULL: none */
  const char *answers_table;         /* of Idempotency-Key, as sql/<system>.sql makes it: `orders.request_answer`; NULL: the header is refused */
  const struct http_rule *rules;     /* ends with {0}; NULL: none. A constraint without words gets a general sentence, and its name is in the log alone */
  const struct variable *variables;  /* the service's own; may be NULL */
  void *state;                       /* the service's own, for exchange->state */
};

/* The program: arguments, settings, server, signals. Returns the exit code: 0; 2 for wrong settings, all listed, or an address that is taken. */
int http_service_main(const struct http_service *service, int argc, char **argv);

#endif
