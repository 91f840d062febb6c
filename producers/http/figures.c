/*
 * figures.c - the families of an HTTP service. They carry no label for the service itself: who scrapes knows whom, and `service_info` says it.
 */
#include "figures.h"

#include <stdio.h>
#include <string.h>

void figures_init(struct figures *figures, const char *service, const char *const *event_types)
{
  struct instruments *all = instruments_new();
  struct instrument *info = instrument_gauge(all, "service_info", "the program that answers", "service,version");

  figures->all = all;
  figures->requests = instrument_counter(all, "http_requests_total", "requests answered", "route,method,status");
  figures->seconds = instrument_histogram(all, "http_request_duration_seconds", "from the end of a request's head to its answer", "route,method", NULL);
  figures->connections = instrument_gauge(all, "http_connections", "open connections of clients", "");
  figures->overdue =
      instrument_counter(all, "http_connections_overdue_total", "connections closed because no whole request came, or an answer was not taken, in time", "");
  figures->replayed = instrument_counter(all, "http_idempotent_replays_total", "stored answers given again for an Idempotency-Key", "");
  figures->queue = instrument_gauge(all, "http_queue_length", "requests that wait for a worker", "");
  figures->pool_size = instrument_gauge(all, "database_pool_size", "database connections that requests may use", "");
  figures->pool_in_use = instrument_gauge(all, "database_pool_in_use", "database connections that a request has now", "");
  figures->pool_away = instrument_gauge(all, "database_pool_away", "database connections whose last attempt to connect failed, and no other's since", "");
  figures->answers_swept = instrument_counter(all, "http_idempotent_answers_removed_total", "stored answers removed for their age", "");
  figures->published = instrument_counter(all, "events_published_total", "events written to the outbox by requests that were committed", "type");
  instrument_set(info, 1, service, CDC_RELAY_VERSION);
  instrument_set(figures->connections, 0);
  instrument_add(figures->overdue, 0);
  instrument_add(figures->replayed, 0);
  instrument_add(figures->answers_swept, 0);
  for (size_t i = 0; event_types != NULL && event_types[i] != NULL; i++) {
    instrument_add(figures->published, 0, event_types[i]);
  }
}

void figures_done(struct figures *figures)
{
  instruments_free(figures->all);
}

const char *figures_method(const char *method)
{
  static const char *const known[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"};

  for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
    if (strcmp(known[i], method) == 0) {
      return known[i];
    }
  }
  return "other";
}

void figures_count_request(struct figures *figures, const char *route, const char *method, unsigned int status, double seconds)
{
  char code[12];

  (void)snprintf(code, sizeof(code), "%u", status);
  instrument_add(figures->requests, 1, route, figures_method(method), code);
  instrument_observe(figures->seconds, seconds, route, figures_method(method));
}
