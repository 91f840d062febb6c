/* relay_pages.c - gathers the figures and hands them to the builders in ops/. */
#include "relay_pages.h"

#include <math.h>
#include <string.h>

#include "relay_priv.h"

static void gather(struct relay *relay, struct metric_gauges *ret_gauges)
{
  struct session_figures session;
  struct publisher_figures publisher;

  session_figures(relay->session, relay->now, &session);
  publisher_figures(relay->publisher, &publisher);
  *ret_gauges = (struct metric_gauges){
      .state = session.state,
      .in_flight_events = (double)session.events_in_flight,
      .in_flight_transactions = (double)session.transactions_in_flight,
      .unconfirmed_events = (double)session.unconfirmed_events,
      .confirmed_lag_bytes = NAN,
      .oldest_unsettled_seconds = session.oldest_unsettled_seconds,
      .slot_retained_bytes = NAN,
      .slot_safe_bytes = NAN,
      .slot_seconds_to_loss = NAN,
      .slot_status = SLOT_UNKNOWN,
      .kafka_queue_events = (double)publisher.queue_events,
      .kafka_queue_bytes = (double)publisher.queue_bytes,
  };
}

static void page_metrics(void *context, const char *accept, struct admin_page *ret_page)
{
  struct relay *relay = context;
  struct metric_gauges gauges;

  (void)accept;
  gather(relay, &gauges);
  ret_page->status = 200;
  ret_page->content_type = "text/plain; version=0.0.4; charset=utf-8";
  ret_page->body = metrics_render(relay->metrics, &gauges, METRICS_PROMETHEUS, &ret_page->length);
}

const struct admin_route relay_pages[] = {{"/metrics", page_metrics}, {NULL, NULL}};
