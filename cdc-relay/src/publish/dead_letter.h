/*
 * dead_letter.h - the record that takes a poison row out of the way. Pure.
 *
 * Key, value, timestamp and headers are the row's own; these headers are added, all texts in UTF-8:
 *
 *   dead.letter.reason     a word: `too_large`, `unlisted_topic`, ... (the `reason` label of cdc_relay_poison_events_total)
 *   dead.letter.error      the sentence that the log has, without its hint
 *   dead.letter.table      the outbox entry, `public.outbox` or `message:<prefix>`
 *   dead.letter.position   `<commit LSN>/<index>`, as in the header `lsn`
 *   dead.letter.topic      where it would have gone; left out when the row itself was refused, which then was for no topic
 *
 * A header of the row that has one of these names (a dead letter that was published again) is left out. The partition follows the key, whatever partition
 * the row had asked for, because that may be what was wrong with it; a row without a key gives a record without one.
 */
#ifndef PUBLISH_DEAD_LETTER_H
#define PUBLISH_DEAD_LETTER_H

#include "arena.h"
#include "route/record.h"
#include "route/router.h"
#include "verdict.h"

#define DEAD_LETTER_REASON   "dead.letter.reason"
#define DEAD_LETTER_ERROR    "dead.letter.error"
#define DEAD_LETTER_TABLE    "dead.letter.table"
#define DEAD_LETTER_POSITION "dead.letter.position"
#define DEAD_LETTER_TOPIC    "dead.letter.topic"

enum { DEAD_LETTER_HEADERS = 5 };

/* The reason of a row that publisher_publish() would not take (POISON). What a report refuses is `refused_by_broker`, but for a partition that the topic does not have:
 * that is the client's own word. */
enum route_reason dead_letter_reason(const struct problem *refusal);

/* Why; texts are borrowed, none is NULL. */
struct dead_letter_cause {
  const char *reason;
  const char *error;
  const char *table;
};

/*
 * Builds the record for `topic` (borrowed, zero-terminated) from what is known of the row. Spans of the row are shared, not copied; the rest lies in the
 * arena: borrowed as long as both. Cannot fail; whether Kafka takes it is another matter (a value that was too large still is).
 */
void dead_letter_build(const struct record *row, const struct dead_letter_cause *cause, const char *topic, struct arena *arena, struct record *ret_record);

#endif
