/*
 * event_reader.h - a record becomes an event: who it is, what it tells, and what follows from it carries on. Pure but for the chance in a span's id.
 *
 *   id           header `id`, else the body's `eventId`, else what the subscription's natural_id makes, else its place: event_place()
 *   unique id    the id where it is a uuid, else `<topic>/<id>`: old publishers may count per topic, and a consumer of two topics would take the second 17 for a
 *                repetition of the first
 *   type         header `eventType`, else the body's `eventType`, else ""
 *   origin       correlation id: header `correlationId`, else the body's, else the event's id; causation id: the event's id (both cut to what an origin holds);
 *                trace: a child of header `traceparent`
 *
 * A header without a value and a member that is null or "" count as missing, so that records of old publishers, which have no headers, are events like any
 * other. Of a header that is there more than once the last counts.
 */
#ifndef CONSUMER_EVENT_READER_H
#define CONSUMER_EVENT_READER_H

#include <jansson.h>
#include <stdbool.h>

#include "consumer.h"
#include "record.h"
#include "verdict.h"

enum {
  EVENT_ID_MAX_BYTES = 200,
  EVENT_UNIQUE_ID_MAX_BYTES = 249 + 1 + EVENT_ID_MAX_BYTES, /* Kafka's longest topic, a stroke and an id */
  EVENT_TYPE_MAX_BYTES = 255,                               /* what an outbox takes */
};

enum event_id_source {
  EVENT_ID_OF_HEADER,
  EVENT_ID_OF_BODY,
  EVENT_ID_NATURAL,
  EVENT_ID_OF_PLACE, /* nobody gave one: the same event published again is another event */
};

/* Zero-initialised before its first use. `event` holds pointers into it: it is not moved. */
struct event_reader {
  struct event event;
  enum event_id_source id_source;
  json_t *document; /* owned */
  char id[EVENT_ID_MAX_BYTES + 1];
  char unique_id[EVENT_UNIQUE_ID_MAX_BYTES + 1];
  char type[EVENT_TYPE_MAX_BYTES + 1];
};

/*
 * Reads `record`, borrowed for as long as reader->event is used; `attempt` is 1, and the caller's to raise. OK: the event is whole. RETRY: out of memory.
 *
 * POISON: it can be none: the value is no JSON object or deeper than CONSUMER_JSON_DEPTH_MAX; id, eventId or type is longer than its limit, holds a control
 * character, is not UTF-8 or is of another kind than a text (or, eventId, a whole number). problem->text says what, without a byte of the value;
 * problem->cause is one of `not_json`, `too_deep`, `bad_id`, `bad_type`. The event can be dead-lettered and logged even so: its id is what was read of it
 * before, else its place; its type may be "", its body is NULL.
 */
enum verdict MUST_CHECK event_reader_read(struct event_reader *reader, const struct record *record, const struct subscription *subscription,
                                          struct problem *problem);
/*
 * Where a record lies, as a text that no other record has: `<topic>/<partition>/<offset>@<timestamp>`, less the timestamp where it has none, and a digest for the end of
 * a name that is very long. The timestamp is there since places are given again when a topic is deleted and made anew.
 */
void event_place(const struct record *record, char ret_place[EVENT_ID_MAX_BYTES + 1]);

/* Gives back what the last event held. Reading the next one does so too. */
void event_reader_reset(struct event_reader *reader);

#endif
