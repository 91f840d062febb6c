/*
 * outbox.h - the one place that writes an outbox: an event becomes a row in the transaction of what it tells about.
 *
 *     outbox_publish(work, &service->outbox, &(struct outbox_event){
 *         .topic = "order.created.v1", .key = order_id, .type = "OrderCreated", .id = event_id, .origin = &exchange->origin, .body = body});
 *
 * Headers of every event: id and eventType by the relay; source, timestamp, version, correlationId, causationId, traceparent by this module, as a json object
 * in the default table, in columns of their own where an older table has them.
 */
#ifndef OUTBOX_H
#define OUTBOX_H

#include <jansson.h>

#include "trace_context.h"
#include "uuid.h"
#include "work.h"

enum { OUTBOX_CORRELATION_MAX_BYTES = 128 };

/* Where a request or an event came from: what an event that follows from it carries on. */
struct origin {
  char correlation_id[OUTBOX_CORRELATION_MAX_BYTES + 1];
  char causation_id[OUTBOX_CORRELATION_MAX_BYTES + 1]; /* the id of the event that caused this one; empty: a request did */
  char traceparent[TRACEPARENT_SIZE];
};

struct outbox_event {
  const char *topic;   /* what the relay routes by */
  const char *key;     /* the aggregate's id: events with the same key keep their order */
  const char *type;    /* header eventType */
  const char *version; /* `major.minor`; NULL: 1.0 */
  const char *id;      /* a uuid, as in the body */
  const struct origin *origin;
  const json_t *body; /* borrowed */
};

/* What a column of the table takes. */
enum outbox_column {
  OUTBOX_END,
  OUTBOX_ID,
  OUTBOX_TOPIC,
  OUTBOX_KEY,
  OUTBOX_TYPE,
  OUTBOX_BODY,
  OUTBOX_HEADERS,
  OUTBOX_VERSION,
  OUTBOX_CORRELATION,
  OUTBOX_CAUSATION,
  OUTBOX_TRACEPARENT
};

/* A table of any shape: the INSERT and what its parameters $1, $2, ... take, in their order, up to OUTBOX_END. Static. */
struct outbox_table {
  struct statement insert;
  enum outbox_column columns[12];
};

/* public.outbox of sql/outbox.sql. */
extern const struct outbox_table outbox_default;

/* Queues the INSERT. `source`: the service's name. */
void outbox_publish(struct work *work, const struct outbox_table *table, const char *source, const struct outbox_event *event);

/* Now, in UTC: `2026-01-25T10:15:30.123456Z`; with `is_local` without the Z, as older documents have it. */
enum { OUTBOX_TIME_SIZE = 32 };
void outbox_time(int64_t wall_us, bool is_local, char ret_text[OUTBOX_TIME_SIZE]);

#endif
