/* relay_pages.c - gathers the figures of all stages and hands them to the builders in ops/. Runs inside admin_step(), on the loop. */
#include "relay_pages.h"

#include <math.h>
#include <stdlib.h>

#include "ops/status_page.h"
#include "relay_priv.h"

struct gathered {
  struct session_figures session;
  struct publisher_figures publisher;
  struct metric_gauges gauges;
};

static double lag_bytes(Lsn end, Lsn begin)
{
  return end > begin ? (double)(end - begin) : 0;
}

static void gather(struct relay *relay, struct gathered *ret_gathered)
{
  const struct slot_figures *slot = &relay->slot;
  struct session_figures session;
  struct publisher_figures publisher;

  session_figures(relay->session, relay->now, &session);
  publisher_figures(relay->publisher, &publisher);
  *ret_gathered = (struct gathered){.session = session, .publisher = publisher};
  ret_gathered->gauges = (struct metric_gauges){
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
      .routed = *router_counts(relay->router),
  };
  if (relay->has_slot && slot->slot_exists) {
    /* While streaming, our own word is newer than the server's view of it. */
    ret_gathered->gauges.confirmed_lag_bytes =
        lag_bytes(slot->wal_end, session.is_streaming && session.confirmed > slot->confirmed ? session.confirmed : slot->confirmed);
    ret_gathered->gauges.slot_retained_bytes = (double)slot->retained_bytes;
    ret_gathered->gauges.slot_safe_bytes = slot->safe_bytes < 0 ? INFINITY : (double)slot->safe_bytes;
    ret_gathered->gauges.slot_seconds_to_loss = forecast_seconds_to_loss(&relay->forecast, slot->safe_bytes, relay->now.mono_us);
    ret_gathered->gauges.slot_status = slot->status;
  }
}

static struct status_view view_of(const struct relay *relay, const struct gathered *gathered)
{
  return (struct status_view){
      .config = relay->config,
      .metrics = relay->metrics,
      .gauges = &gathered->gauges,
      .now = relay->now,
      .started_wall_us = relay->started_wall_us,
      .turned_us = relay->turned_us,
      .state_since_wall_us = gathered->session.state_since_wall_us,
      .problem = gathered->session.has_problem ? &gathered->session.problem : NULL,
      .is_streaming = gathered->session.is_streaming,
      .kafka_is_reachable = gathered->publisher.is_connected,
      .received = gathered->session.received,
      .safe = gathered->session.safe,
      .confirmed = gathered->session.confirmed,
      .system_id = gathered->session.system_id[0] != '\0' ? gathered->session.system_id : NULL,
      .timeline = gathered->session.timeline,
      .server_version = gathered->session.server_version,
      .slot = relay->has_slot ? &relay->slot : NULL,
  };
}

static void build(struct relay *relay, void (*builder)(const struct status_view *view, struct admin_page *ret_page), struct admin_page *ret_page)
{
  struct gathered gathered;
  struct status_view view;

  gather(relay, &gathered);
  view = view_of(relay, &gathered);
  builder(&view, ret_page);
}

static void page_livez(void *context, const char *accept, struct admin_page *ret_page)
{
  (void)accept;
  build(context, status_page_livez, ret_page);
}

static void page_readyz(void *context, const char *accept, struct admin_page *ret_page)
{
  (void)accept;
  build(context, status_page_readyz, ret_page);
}

static void page_status(void *context, const char *accept, struct admin_page *ret_page)
{
  (void)accept;
  build(context, status_page_status, ret_page);
}

static void page_metrics(void *context, const char *accept, struct admin_page *ret_page)
{
  struct relay *relay = context;
  enum metrics_format format = metrics_format_for(accept);
  struct gathered gathered;

  gather(relay, &gathered);
  ret_page->status = 200;
  ret_page->content_type = metrics_content_type(format);
  ret_page->body = metrics_render(relay->metrics, &gathered.gauges, format, &ret_page->length);
}

const struct admin_route relay_pages[] = {
    {"/livez", page_livez}, {"/readyz", page_readyz}, {"/metrics", page_metrics}, {"/status", page_status}, {NULL, NULL},
};
