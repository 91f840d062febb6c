/*
 * dead_letter_names.h - for dead_letter*.c alone: the headers of three conventions, and what they share.
 */
#ifndef CONSUMER_DEAD_LETTER_NAMES_H
#define CONSUMER_DEAD_LETTER_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"
#include "span.h"

/* Spring for Apache Kafka, KafkaHeaders.java */
#define SPRING_PREFIX         "kafka_dlt-"
#define SPRING_TOPIC          SPRING_PREFIX "original-topic"
#define SPRING_PARTITION      SPRING_PREFIX "original-partition"
#define SPRING_OFFSET         SPRING_PREFIX "original-offset"
#define SPRING_TIMESTAMP      SPRING_PREFIX "original-timestamp"
#define SPRING_TIMESTAMP_TYPE SPRING_PREFIX "original-timestamp-type"
#define SPRING_GROUP          SPRING_PREFIX "original-consumer-group"
#define SPRING_CLASS          SPRING_PREFIX "exception-fqcn"
#define SPRING_MESSAGE        SPRING_PREFIX "exception-message"

/* Kafka Connect, DeadLetterQueueReporter.java */
#define CONNECT_PREFIX        "__connect.errors."
#define CONNECT_TOPIC         CONNECT_PREFIX "topic"
#define CONNECT_PARTITION     CONNECT_PREFIX "partition"
#define CONNECT_OFFSET        CONNECT_PREFIX "offset"
#define CONNECT_NAME          CONNECT_PREFIX "connector.name"
#define CONNECT_TASK          CONNECT_PREFIX "task.id"
#define CONNECT_STAGE         CONNECT_PREFIX "stage"
#define CONNECT_CLASS         CONNECT_PREFIX "class.name"
#define CONNECT_ERROR_CLASS   CONNECT_PREFIX "exception.class.name"
#define CONNECT_ERROR_MESSAGE CONNECT_PREFIX "exception.message"

#define OUR_PREFIX "dlt."

/* A header that tells of a death: of one of the prefixes above, but for DEAD_LETTER_ORIGINAL. */
bool dead_letter_says_why(const char *name);
/* A header that a dead letter has anew: id, eventType, lsn, txid. */
bool dead_letter_is_replaced(const char *name);
/* At most `most` bytes of it, whole characters, in the arena: control characters are blanks, bytes that are no UTF-8 question marks. */
const char *dead_letter_clean_text(struct span text, size_t most, struct arena *arena);

#endif
