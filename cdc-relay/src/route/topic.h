/*
 * topic.h - from the route value to the topic: route.topic.regex, route.topic.replacement, route.topic.allow. One rule per outbox entry.
 *
 * A rule remembers what it found for up to TOPIC_CACHE_SLOTS route values, so that the expression runs once per value and not once per row.
 */
#ifndef ROUTE_TOPIC_H
#define ROUTE_TOPIC_H

#include <stdint.h>

#include "arena.h"
#include "config/config.h"
#include "problem_list.h"
#include "span.h"

enum {
  TOPIC_CACHE_SLOTS = 256,            /* a power of two; a value that meets another in its slot takes it over */
  TOPIC_REGEX_MATCH_LIMIT = 100000,   /* steps of one match; a usual expression needs some dozens */
  TOPIC_REGEX_HEAP_LIMIT_KIB = 1024,  /* for backtracking */
  TOPIC_REPLACEMENT_PIECES_MAX = 128, /* literals and group references in one replacement */
};

enum topic_outcome {
  TOPIC_FOUND,
  TOPIC_ILLEGAL,   /* no name that Kafka takes from us */
  TOPIC_UNLISTED,  /* legal, and not on the allow list */
  TOPIC_TOO_LONG,  /* the route value is longer than ROUTE_VALUE_MAX_BYTES; the expression was not run */
  TOPIC_UNDECIDED, /* the expression reached its limit on this value */
};

struct topic_rule;

/* Never NULL; a rule that added to `problems` is only good for topic_rule_free(). `path` is the entry's, `outbox[0]`. `outbox` is borrowed for its life. */
struct topic_rule *topic_rule_new(const struct config_outbox *outbox, const char *path, struct problem_list *problems);
void topic_rule_free(struct topic_rule *rule); /* takes NULL */

/*
 * The topic for a route value that is not null. *ret_topic is in the arena, zero-terminated; it is also set for ILLEGAL (cut to ROUTE_TOPIC_MAX_BYTES + 1) and
 * UNLISTED, for a message. A value that the expression does not match as a whole is the topic itself.
 */
enum topic_outcome topic_rule_apply(struct topic_rule *rule, struct span value, struct arena *arena, struct span *ret_topic);

/* How often the expression was run. */
uint64_t topic_rule_matches(const struct topic_rule *rule);

#endif
