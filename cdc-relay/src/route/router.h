/*
 * router.h - outbox row -> event -> record, after Debezium's outbox event router (option names and meaning; the differences are listed in docs/routing.md).
 * Pure: no I/O, no clock (time is an argument), no log. One router serves all outbox entries of one relay.
 */
#ifndef ROUTE_ROUTER_H
#define ROUTE_ROUTER_H

#include "arena.h"
#include "config/config.h"
#include "decode/change.h"
#include "route/record.h"
#include "verdict.h"

/* Why a row is poison; the name is the `reason` label of cdc_relay_poison_events_total. ROUTE_REASONS(X): X(symbol, name). */
#define ROUTE_REASONS(X)                                                                                                                                       \
  X(NULL_KEY, "null_key")                                                                                                                                      \
  X(EMPTY_KEY, "empty_key")                                                                                                                                    \
  X(NULL_ROUTE, "null_route")                                                                                                                                  \
  X(ILLEGAL_TOPIC, "illegal_topic")                                                                                                                            \
  X(UNLISTED_TOPIC, "unlisted_topic")                                                                                                                          \
  X(MISSING_COLUMN, "missing_column")                                                                                                                          \
  X(BAD_VALUE, "bad_value")                                                                                                                                    \
  X(BAD_HEADERS, "bad_headers")                                                                                                                                \
  X(BAD_PARTITION, "bad_partition")                                                                                                                            \
  X(BAD_MESSAGE, "bad_message")                                                                                                                                \
  X(TOO_LARGE, "too_large")                                                                                                                                    \
  X(INVALID_OPERATION, "invalid_operation")                                                                                                                    \
  X(REFUSED_BY_BROKER, "refused_by_broker")

enum route_reason {
#define X(symbol, name) ROUTE_REASON_##symbol,
  ROUTE_REASONS(X)
#undef X
      ROUTE_REASON_COUNT
};
const char *route_reason_name(enum route_reason reason);

enum route_outcome {
  ROUTE_EVENT,   /* *ret_record is to be published */
  ROUTE_NOTHING, /* not for us: another table, another prefix, an ignored operation; counted in `struct route_counts` where it matters */
};

/* Limits on what a writer may put into one event; tested, documented in docs/routing.md. */
enum {
  ROUTE_TOPIC_MAX_BYTES = 249,            /* Kafka's limit on a topic name */
  ROUTE_VALUE_MAX_BYTES = 1024,           /* of the route column, before the regular expression sees it */
  ROUTE_HEADERS_MAX = 64,                 /* headers of one record, all sources together */
  ROUTE_EVENT_HEADERS_MAX = 48,           /* of them from the table.field.event.headers column */
  ROUTE_EVENT_HEADERS_MAX_BYTES = 65536,  /* names and values of these together */
  ROUTE_TIMESTAMP_AHEAD_MAX_MS = 3600000, /* a timestamp further ahead of now gets the commit time instead */
};

/* What the router noticed and did not make an error of; plain counters, read by ops/. */
struct route_counts {
  uint64_t timestamps_replaced;   /* outside (0, now + 1 h] */
  uint64_t payloads_not_expanded; /* table.expand.json.payload on a text that is no JSON */
  uint64_t messages_not_transactional;
  uint64_t operations_ignored; /* update, delete, truncate that reached the stream, all entries; a truncate counts once per outbox table */
  uint64_t operations_error;   /* of them the updates and truncates of entries with table.op.invalid.behavior=error: the caller logs when it grows */
};

struct router;

/*
 * Compiles the outbox entries (regular expressions, replacements, placements, names of static headers). Every mistake of every entry is added to `problems`
 * with its configuration path; NULL when there was one. The allow lists, and that no two entries have one source, are config_load()'s business.
 * `config` is borrowed for the router's life.
 */
struct router *router_new(const struct config *config, struct problem_list *problems);
void router_free(struct router *router); /* takes NULL */

/* Forgets what was learned of relations; call with decoder_reset(). */
void router_reset(struct router *router);

/* What every event of a transaction shares. */
struct route_transaction {
  uint32_t xid;
  int64_t commit_time_us; /* since 1970-01-01 */
};

/*
 * Routes one INSERT, UPDATE, DELETE, TRUNCATE or MESSAGE. `position` is the position that the event will have if it is one. Never blocks.
 * OK: *ret_outcome, and *ret_record with ROUTE_EVENT. POISON: *ret_reason, `problem` says which table and column and why, and *ret_record holds what could be
 * had for a dead letter: key, payload's bytes as value, event id and headers as far as they are known, topic null. FATAL (code 5) only for
 * table.op.invalid.behavior=fatal. The record is borrowed from `arena`, `change` and the router's configuration until the arena's next reset.
 */
enum verdict MUST_CHECK router_route(struct router *router, const struct change *change, const struct route_transaction *transaction, struct position position,
                                     int64_t now_wall_us, struct arena *arena, enum route_outcome *ret_outcome, struct record *ret_record,
                                     enum route_reason *ret_reason, struct problem *problem);

const struct route_counts *router_counts(const struct router *router);

/* A topic name that Kafka accepts and that is not one of its internal ones: [a-zA-Z0-9._-]{1,249}, not `.` or `..`, not beginning with `__`. */
bool topic_is_legal(struct span topic);

#endif
