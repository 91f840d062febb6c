/*
 * outbox.c - puts an event into the columns of an outbox.
 *
 *   event      id  topic          key          type  body     source, version, origin, now
 *               |    |             |             |     |          |
 *   outbox     id  aggregatetype  aggregateid  type  payload  headers {"source": "order-service", "timestamp": "...", ...}
 *
 * Numbers of a body that are no integers are written with 15 digits: every decimal of so many comes out as it went in (0.1 as 0.1), whatever double it is kept
 * in.
 */
#include "outbox.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "moment.h"
#include "outbox_priv.h"
#include "utf8.h"

const struct outbox_table outbox_default = {
    .insert = {"outbox_insert", "INSERT INTO public.outbox (id, aggregatetype, aggregateid, type, payload, headers) "
                                "VALUES ($1::uuid, $2::text, $3::text, $4::text, $5::json, $6::jsonb)"},
    .columns = {OUTBOX_ID, OUTBOX_TOPIC, OUTBOX_KEY, OUTBOX_TYPE, OUTBOX_BODY, OUTBOX_HEADERS},
};

void outbox_time(int64_t wall_us, bool is_local, char ret_text[OUTBOX_TIME_SIZE])
{
  int64_t us = (wall_us % US_PER_S + US_PER_S) % US_PER_S;
  time_t seconds = (time_t)((wall_us - us) / US_PER_S);
  struct tm utc;
  size_t length;

  if (gmtime_r(&seconds, &utc) == NULL) {
    abort(); /* no clock is that wrong */
  }
  length = strftime(ret_text, OUTBOX_TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &utc);
  (void)snprintf(ret_text + length, OUTBOX_TIME_SIZE - length, ".%06d%s", (int)us, is_local ? "" : "Z");
}

/* NULL for what is empty or no text: a correlation id may have come from anywhere. */
static const char *sound(const char *text)
{
  return text != NULL && text[0] != '\0' && utf8_is_valid(span_of_text(text)) ? text : NULL;
}

static const char *version_of(const struct outbox_event *event)
{
  return event->version != NULL ? event->version : "1.0";
}

static void put(json_t *headers, const char *name, const char *text)
{
  if (text != NULL && json_object_set_new(headers, name, json_string(text)) != 0) {
    abort(); /* out of memory */
  }
}

char *outbox_headers(const char *source, const struct outbox_event *event, int64_t wall_us)
{
  json_t *headers = json_object();
  char timestamp[OUTBOX_TIME_SIZE];
  char *text;

  outbox_time(wall_us, false, timestamp);
  put(headers, "source", sound(source));
  put(headers, "timestamp", timestamp);
  put(headers, "version", sound(version_of(event)));
  if (event->origin != NULL) {
    put(headers, "correlationId", sound(event->origin->correlation_id));
    put(headers, "causationId", sound(event->origin->causation_id));
    put(headers, "traceparent", sound(event->origin->traceparent));
  }
  text = json_dumps(headers, JSON_COMPACT);
  json_decref(headers);
  if (text == NULL) {
    abort();
  }
  return text;
}

void outbox_publish(struct work *work, const struct outbox_table *table, const char *source, const struct outbox_event *event)
{
  static const struct origin nowhere;
  const struct origin *origin = event->origin != NULL ? event->origin : &nowhere;
  const char *texts[sizeof(table->columns) / sizeof(table->columns[0])];
  char *body = event->body != NULL ? json_dumps(event->body, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15)) : NULL;
  char *headers = outbox_headers(source, event, moment_now().wall_us);
  size_t count = 0;

  for (; count < sizeof(texts) / sizeof(*texts) && table->columns[count] != OUTBOX_END; count++) {
    switch (table->columns[count]) {
    case OUTBOX_END:
      break;
    case OUTBOX_ID:
      texts[count] = event->id;
      break;
    case OUTBOX_TOPIC:
      texts[count] = event->topic;
      break;
    case OUTBOX_KEY:
      texts[count] = event->key;
      break;
    case OUTBOX_TYPE:
      texts[count] = event->type;
      break;
    case OUTBOX_BODY:
      texts[count] = body;
      break;
    case OUTBOX_HEADERS:
      texts[count] = headers;
      break;
    case OUTBOX_VERSION:
      texts[count] = version_of(event);
      break;
    case OUTBOX_CORRELATION:
      texts[count] = sound(origin->correlation_id);
      break;
    case OUTBOX_CAUSATION:
      texts[count] = sound(origin->causation_id);
      break;
    case OUTBOX_TRACEPARENT:
      texts[count] = sound(origin->traceparent);
      break;
    }
  }
  work_queue_texts(work, &table->insert, count, texts);
  free(body);
  free(headers);
}
