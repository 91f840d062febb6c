/*
 * topic_facts.h - what the brokers say of a topic, and for how long that is believed.
 *
 *   there       believed for a minute
 *   missing     asked again a second later: somebody may just make it
 *   unknown     no broker answered, or we may not know: what was known before stays, and it is asked again after 1 s, doubled up to 30 s, since asking may block
 */
#ifndef TOPIC_FACTS_H
#define TOPIC_FACTS_H

#include <librdkafka/rdkafka.h>
#include <stdint.h>

#include "consumer.h"
#include "dead_letter.h"

enum {
  TOPIC_FACTS_BELIEVED_MS = 60000,
  TOPIC_FACTS_MISSING_MS = 1000,
  TOPIC_FACTS_AGAIN_FIRST_MS = 1000,
  TOPIC_FACTS_AGAIN_MOST_MS = 30000,
};

enum topic_presence { TOPIC_UNKNOWN, TOPIC_MISSING, TOPIC_THERE };

struct topic_facts {
  enum topic_presence presence;
  int32_t partitions;       /* 0: not known */
  int64_t record_max_bytes; /* max.message.bytes; 0: not known, nobody may have to tell us */
};

/* Asks. Blocks for twice `timeout_ms` at most. A topic is never made by asking, as long as `kafka` is a consumer. */
struct topic_facts topic_facts_ask(rd_kafka_t *kafka, const char *topic, int timeout_ms);

/* Zero-initialised: nothing is known. Of more topics than it has places for it forgets the one that was noted longest ago. Pure. */
struct topic_memory {
  struct topic_entry {
    char name[DEAD_LETTER_TOPIC_MAX_BYTES + 1];
    struct topic_facts facts;
    uint32_t failures; /* to learn anything, in a row */
    int64_t noted_us, again_us;
  } entries[CONSUMER_SUBSCRIPTIONS_MAX];
};

/* What is believed of the topic at that time; NULL: ask, and note the answer. Borrowed until the next note. */
const struct topic_facts *topic_memory_find(const struct topic_memory *memory, const char *topic, int64_t now_us);
/* Returns what is believed from now on. */
const struct topic_facts *topic_memory_note(struct topic_memory *memory, const char *topic, const struct topic_facts *answer, int64_t now_us);

#endif
