/*
 * failed_event.h - a dead letter as a row of dday.failed_event: one row per event, however often it failed, for people to look at and to decide about.
 *
 *     NEW --retry--> RETRIED --fails again--> NEW          RESOLVED, IGNORED --fails again--> NEW
 *      '--close--> RESOLVED or IGNORED
 *
 * A letter that comes twice, as the relay may bring it after a restart, tells of one failure: its identity is the same, and whoever stores it claims that first.
 *
 * Texts of a dead letter come from outside. What a column cannot hold is changed, not refused: a letter that cannot be stored would be one that nobody sees.
 */
#ifndef FAILED_EVENT_H
#define FAILED_EVENT_H

#include <jansson.h>
#include <stdbool.h>

#include "arena.h"
#include "consumer.h"
#include "dead_letter.h"
#include "record.h"
#include "work.h"

enum {
  FAILED_EVENT_ID_MAX = 200,
  FAILED_EVENT_TEXT_MAX = 2000,
  FAILED_EVENT_BODY_MAX_BYTES = 1048576, /* a longer one is stored and not searched */
};

/* What the letter says, as it is stored. In the arena; NULL: not known. */
struct failed_event {
  const char *identity; /* which failure: the same in each repetition of the letter, and in no other letter */
  const char *event_id;
  const char *event_type;
  const char *member_id;
  const char *topic; /* where it failed */
  const char *partition;
  const char *offset;
  struct span key;
  struct span payload;
  const char *headers; /* JSON */
  const char *error_class;
  const char *error_message;
  const char *attempts;
  const char *first_failed_at;
  const char *last_failed_at;
  /* For the log alone. */
  const char *consumer;
  const char *host;
  const char *sqlstate;
  const char *key_text;
  const char *own_headers; /* JSON: without those of the failure */
};

/* Pure. `event` is the dead letter as the runtime saw it. */
void failed_event_read(struct failed_event *failed, const struct event *event, struct arena *arena);

/* Queues the row, or what it adds to the row that is there. */
void failed_event_store(const struct failed_event *failed, struct work *work);

/* [{"name": ..., "value": text}] or, for bytes that are no text, "base16"; null for a null value. Owned by the caller. */
json_t *failed_event_headers_write(const struct record *record);
/* The same back, in the arena. False: it is not such a list. */
bool failed_event_headers_read(const json_t *headers, struct arena *arena, struct record_header **ret_headers, size_t *ret_count);

#endif
