/*
 * dead_letter.h - what becomes of an event that cannot be handled: the same key, value, headers and partition in another topic, and headers that say why. Pure.
 *
 *   id                    the event's id, made or given: what is redriven is the same event, and an inbox knows it
 *   eventType             the event's type; without a value where it has none
 *   <all other headers>   as they were, in their order, but for those that an earlier death left: these are written anew
 *   dlt.original.<name>   what the header <name> was where it could not stay: `lsn` and `txid`, which the relay gives to the dead letter itself; `id` and
 *                         `eventType` where they could be none. A second death does not overwrite it
 *   kafka_dlt-*           Spring's: original-topic, -partition (4 bytes), -offset, -timestamp (8 bytes, all big-endian), -timestamp-type, -consumer-group,
 *                         exception-fqcn, exception-message
 *   __connect.errors.*    Kafka Connect's, texts: topic, partition, offset, connector.name, task.id, stage, class.name, exception.class.name, exception.message
 *   dlt.*                 ours, texts: attempts, first-failure, last-failure, consumer, error.class, error.sqlstate, error.message, host
 *
 * A topic that takes no record as large as all this makes it gets a letter that says less: enum dead_letter_detail.
 *
 * Two ways to Kafka, with one look. Through public.outbox_binary, so that the relay publishes it: as sure as every event. Or by a producer of the caller's, for
 * what the outbox does not take (dead_letter_fits_outbox): records without a key, values of more than 900,000 bytes, headers beyond its limits; and for all of a consumer
 * without a database.
 *
 * In the outbox the row's own id is not the event's. Several consumers of one database may give up the same event, and one may give it up again after a
 * redrive: each is a dead letter of its own. So the row's id is a digest of consumer, place and event: an INSERT that is done again after a crash (dead letter
 * committed, offset not) finds its row, and makes no second dead letter. The event's id, which need not be a uuid, stands in the column event_id. The relay's
 * entry:
 *
 *     {"table": "public.outbox_binary", "table.field.event.id": "event_id", "table.fields.additional.placement": "partition:partition",
 *      "route.topic.replacement": "${routedByValue}", "route.topic.allow": ["order.created.v1.dlq"], "route.tombstone.on.empty.payload": true}
 */
#ifndef CONSUMER_DEAD_LETTER_H
#define CONSUMER_DEAD_LETTER_H

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "consumer.h"
#include "record.h"
#include "work.h"

enum {
  DEAD_LETTER_TOPIC_MAX_BYTES = 249, /* Kafka's limit */
  DEAD_LETTER_MESSAGE_MAX_BYTES = 1024,
  DEAD_LETTER_MESSAGE_SHORT_BYTES = 100, /* of one that is to be short */
  DEAD_LETTER_ROOM_BYTES = 8192,         /* more than a whole letter adds to its record */
  DEAD_LETTER_ADDED_MAX = 32,            /* headers that it may add */
  DEAD_LETTER_OUTBOX_HEADERS_MAX = 48,   /* these and the following: limits of sql/outbox.sql */
  DEAD_LETTER_OUTBOX_HEADERS_MAX_BYTES = 65536,
  DEAD_LETTER_OUTBOX_TOPIC_MAX_BYTES = 200,
  DEAD_LETTER_OUTBOX_KEY_MAX_BYTES = 1024,
  DEAD_LETTER_OUTBOX_VALUE_MAX_BYTES = 900000,
  DEAD_LETTER_PARTITION_BY_KEY = -1,
  DEAD_LETTER_PARAMETERS = 8,
};

#define DEAD_LETTER_ORIGINAL       "dlt.original." /* and a name */
#define DEAD_LETTER_ATTEMPTS       "dlt.attempts"
#define DEAD_LETTER_FIRST_FAILURE  "dlt.first-failure" /* `2026-01-25T10:15:30.123456Z` */
#define DEAD_LETTER_LAST_FAILURE   "dlt.last-failure"
#define DEAD_LETTER_CONSUMER       "dlt.consumer"
#define DEAD_LETTER_ERROR_CLASS    "dlt.error.class"
#define DEAD_LETTER_ERROR_SQLSTATE "dlt.error.sqlstate" /* left out where there is none */
#define DEAD_LETTER_ERROR_MESSAGE  "dlt.error.message"
#define DEAD_LETTER_HOST           "dlt.host"

/* How much a letter says. The record itself is whole in each; what is added becomes less. */
enum dead_letter_detail {
  DEAD_LETTER_WHOLE, /* all of the above: 1 to 4 kB */
  DEAD_LETTER_SHORT, /* without Connect's headers and with the message cut short: less than 1 kB beside the names of topic and consumer */
  DEAD_LETTER_LEAST, /* id, eventType, Spring's topic, partition, offset, dlt.last-failure, .consumer, .error.class: to redrive it, and to know it again */
  DEAD_LETTER_BARE,  /* the record as it came, with the headers that it had: no byte more. By a producer alone; redriving it needs a topic's name */
};

/* Why, and who says so. Texts are borrowed; none is NULL but where it says so. */
struct dead_letter_cause {
  const char *consumer;
  const char *group;
  const char *host;
  const struct problem *problem; /* `cause` becomes the error's class, `text` its message */
  const char *sqlstate;   /* NULL or empty: none. With one the message names it and the constraint, and not the text, in which the server may quote data */
  const char *constraint; /* the same */
  bool is_unreadable;     /* the record is no event; else its handler failed */
  enum dead_letter_detail detail;
  uint32_t attempts;
  int64_t first_failure_us; /* wall clock */
  int64_t last_failure_us;
};

/* Spans, key and value are the record's; the rest lies in the arena. */
struct dead_letter {
  const char *topic;
  int32_t partition; /* or DEAD_LETTER_PARTITION_BY_KEY */
  struct span key;
  struct span value;
  const char *id;
  const char *type; /* NULL: none */
  size_t header_count;
  const struct record_header *headers; /* all, id and eventType first: what a producer of the caller's sends */
  const char *identity;                /* what the row's id is a digest of */
};

/* What a letter says of its cause, in the arena: UTF-8 without control characters, at most `most` bytes. */
const char *dead_letter_message(const struct dead_letter_cause *cause, size_t most, struct arena *arena);

/* `<topic><suffix>`, in the arena. NULL: longer than a topic's name may be. */
const char *dead_letter_topic(const char *topic, const char *suffix, struct arena *arena);

/*
 * `event` is what event_reader_read() made of the record, whatever its verdict. `partitions` are those of `topic`: the partition stays the same where the
 * topic has it, else it follows the key; 0: not known, by the key too.
 */
void dead_letter_build(struct dead_letter *letter, const struct record *record, const struct event *event, const struct dead_letter_cause *cause,
                       const char *topic, int32_t partitions, struct arena *arena);

/* At most so many bytes of max.message.bytes a record takes for it, alone in a batch that is not compressed. */
size_t dead_letter_bytes(const struct dead_letter *letter);

/* Whether the outbox takes it, and the relay what the outbox took; else problem->text says what it does not take (`problem` may be NULL). */
bool dead_letter_fits_outbox(const struct dead_letter *letter, struct problem *problem);

/*
 * The INSERT, which does nothing where the row is there already, and asks for no more than INSERT on the table, and its parameters, for work_queue(). They are
 * borrowed from letter and arena. Only what fits.
 */
extern const struct statement dead_letter_insert;
void dead_letter_parameters(const struct dead_letter *letter, struct arena *arena, struct parameter ret_parameters[DEAD_LETTER_PARAMETERS]);

/* ------------------------------------------------------------------------------------------------------------------------------------------------------- */
/* The other direction, for those who read dead letters. */

/* What the headers of a dead letter say; of Spring's or Connect's own dead letters as much as theirs do. Texts lie in the arena, "" where nothing is said. */
struct dead_letter_story {
  const char *topic; /* "": it is no dead letter */
  int32_t partition; /* -1: not said, here and below */
  int64_t offset;
  int64_t timestamp_ms;
  const char *consumer;
  const char *error_class;
  const char *error_sqlstate;
  const char *error_message;
  const char *host;
  const char *first_failure;
  const char *last_failure;
  uint32_t attempts; /* 0: not said */
};

void dead_letter_read(const struct record *letter, struct arena *arena, struct dead_letter_story *ret_story);

/*
 * The headers that the record had, for publishing it again: without those that say why, without the relay's lsn and txid, and with those of dlt.original.* back
 * under their names, but for `id`, which stays. The array lies in the arena, names and values in the record; two more headers have room in it.
 */
size_t dead_letter_restore(const struct record *letter, struct arena *arena, struct record_header **ret_headers);

#endif
