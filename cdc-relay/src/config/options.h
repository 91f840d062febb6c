/*
 * options.h - every option there is, one row each. The rows generate the parser, the names in the environment, the output of `cdc-relay config` and
 * docs/configuration.md; what a row cannot say (a default that depends on another option) stands in config.c and outbox.c.
 *
 *   X(name, type, member, words, preset, min, max, flags, doc)
 *
 * `words` are the values of a word in the order of its enum, of a boolean the two for false and true (NULL: false, true). `preset` is the default as text,
 * NULL for none; with OPTION_DERIVED it is words for the reference only. `member` is where the value goes; rows without a value name any member.
 */
#ifndef CONFIG_OPTIONS_H
#define CONFIG_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "config/config.h"

enum option_type {
  OPTION_TEXT,
  OPTION_INTEGER,
  OPTION_BOOLEAN,
  OPTION_WORD,
  OPTION_LIST,           /* of texts */
  OPTION_OBJECT,         /* of texts */
  OPTION_TABLE,          /* [schema.]table */
  OPTION_LISTEN,         /* host:port or off */
  OPTION_POSITION,       /* <commit LSN>/<index> */
  OPTION_WITHOUT_EFFECT, /* accepted, with a warning that is the doc */
  OPTION_REFUSED,        /* an error that is the doc */
};

enum option_flag {
  OPTION_SECRET = 1,   /* never shown; NAME_file reads it from a file; refused on the command line */
  OPTION_URL = 2,      /* shown with its password masked; NAME_file too; refused on the command line when it holds a password */
  OPTION_DERIVED = 4,  /* the default is worked out from other options */
  OPTION_REQUIRED = 8, /* there is no default */
};

struct option {
  const char *name; /* of a scalar the whole path, `postgres.url`; of an outbox entry the name inside it */
  enum option_type type;
  size_t offset; /* in struct config, or in struct config_outbox */
  const char *words;
  const char *preset;
  int64_t min, max; /* of an integer */
  unsigned flags;
  const char *doc; /* one line of Markdown, no period */
};

#define SCALAR_OPTIONS(X)                                                                                                                                      \
  X("name", TEXT, name, NULL, "cdc-relay", 0, 0, 0,                                                                                                            \
    "what this relay calls itself towards PostgreSQL (`application_name`) and Kafka (`client.id`): letters, digits, `.`, `_`, `-`")                            \
  X("postgres.url", TEXT, postgres.url, NULL, NULL, 0, 0, OPTION_URL | OPTION_REQUIRED,                                                                        \
    "where the database is: a libpq URI or keyword string, also with several hosts; or the folder of a Unix socket")                                           \
  X("postgres.password", TEXT, postgres.password, NULL, NULL, 0, 0, OPTION_SECRET,                                                                             \
    "the password of the role in `postgres.url`; without it libpq's own ways apply (`passfile`, `PGPASSWORD`, `service`)")                                     \
  X("postgres.admin_url", TEXT, postgres.admin_url, NULL, NULL, 0, 0, OPTION_URL,                                                                              \
    "a second address for `init`, `takeover` and `drop`, with a role that may do what the relay's own may not")                                                \
  X("postgres.plugin", WORD, postgres.plugin, "pgoutput|wal2json", "pgoutput", 0, 0, 0, "the output plugin of the slot")                                       \
  X("postgres.slot", TEXT, postgres.slot, NULL, "`<database>_outbox`", 0, 0, OPTION_DERIVED,                                                                   \
    "the replication slot: lower-case letters, digits and `_`, at most 63; slot names are shared by all databases of a server")                                \
  X("postgres.failover", BOOLEAN, postgres.failover, NULL, "false", 0, 0, 0,                                                                                   \
    "the slot is made such that standbys keep a copy of it in step, for streaming to go on after a promotion (PostgreSQL 17 and later)")                       \
  X("postgres.publication", TEXT, postgres.publication, NULL, "`<database>_outbox`", 0, 0, OPTION_DERIVED, "the publication that holds the outbox tables")     \
  X("delivery.mode", WORD, delivery.mode, "at-least-once|exactly-once", "at-least-once", 0, 0, 0,                                                              \
    "what is promised about each event; `exactly-once` is not available in this version")                                                                      \
  X("delivery.poison", WORD, delivery.poison, "stop|dead-letter", "stop", 0, 0, 0,                                                                             \
    "what becomes of a row that can never be published: hold and wait for a person, or send it to the dead letter topic and go on")                            \
  X("delivery.dead.letter.topic", TEXT, delivery.dead_letter_topic, NULL, NULL, 0, 0, 0, "where `dead-letter` sends such rows")                                \
  X("delivery.poison_once", POSITION, delivery.poison_once, NULL, NULL, 0, 0, 0,                                                                               \
    "the position (`16/B374D848/0`) of a row that goes to the dead letter topic although the policy is `stop`: take it from the line that reported the "       \
    "hold; several with commas")                                                                                                                               \
  X("delivery.drain_timeout_ms", INTEGER, delivery.drain_timeout_ms, NULL, "10000", 0, 3600000, 0,                                                             \
    "how long the first signal to stop waits for what is in flight")                                                                                           \
  X("delivery.confirm_interval_ms", INTEGER, delivery.confirm_interval_ms, NULL, "100", 1, 10000, 0,                                                           \
    "the longest time that a settled position waits before PostgreSQL hears of it: shorter means fewer repeats after a crash")                                 \
  X("admin.listen", LISTEN, admin, NULL, "127.0.0.1:9470", 0, 0, 0,                                                                                            \
    "where probes, metrics and status are served: `host:port`, `[::1]:port`, port 0 for any free one, or `off`")                                               \
  X("log.level", WORD, log.level, "debug|info|warn|error", "info", 0, 0, 0, "lines below this level are dropped")                                              \
  X("log.format", WORD, log.format, "json|text", "json", 0, 0, 0, "one JSON object per line, or text for a terminal")

#define OUTBOX_OPTIONS(X)                                                                                                                                      \
  X("table", TABLE, table, NULL, NULL, 0, 0, 0,                                                                                                                \
    "the outbox table, quoted as in SQL: `outbox` is `public.outbox`, `\"Shop\".\"Events\"` keeps its capitals; this or `message.prefix`")                     \
  X("message.prefix", TEXT, message_prefix, NULL, NULL, 0, 0, 0,                                                                                               \
    "no table: logical messages (`pg_logical_emit_message`) with exactly this prefix are the events")                                                          \
  X("table.field.event.id", TEXT, field_id, NULL, "id", 0, 0, 0, "the column of the header `id`; the default one may be missing from the table")               \
  X("table.field.event.key", TEXT, field_key, NULL, "aggregateid", 0, 0, 0, "the column of the record's key")                                                  \
  X("table.field.event.type", TEXT, field_type, NULL, "type", 0, 0, 0, "the column of the header `eventType`; the default one may be missing from the table")  \
  X("table.field.event.timestamp", TEXT, field_timestamp, NULL, NULL, 0, 0, 0,                                                                                 \
    "the column of the record's timestamp; without it the time of the transaction's commit")                                                                   \
  X("table.field.event.payload", TEXT, field_payload, NULL, "payload", 0, 0, 0, "the column whose bytes are the record's value")                               \
  X("table.field.event.headers", TEXT, field_event_headers, NULL, "headers", 0, 0, 0,                                                                          \
    "a json column of further headers: an object, or a list of [name, base64] pairs; the default one may be missing, and counts for nothing where it is no "   \
    "json or jsonb, or has a placement")                                                                                                                       \
  X("table.fields.additional.placement", TEXT, placements, NULL, NULL, 0, 0, 0,                                                                                \
    "further columns and where they go: `column:header[:alias]`, `column:envelope[:alias]`, `column:partition`, separated by commas")                          \
  X("table.field.additional.missing", BOOLEAN, missing_is_error, "ignore|error", "error", 0, 0, 0, "what a column of a placement is that the table lacks")     \
  X("route.by.field", TEXT, route_by_field, NULL, "aggregatetype", 0, 0, 0, "the column that the topic is made from")                                          \
  X("route.topic.regex", TEXT, route_regex, NULL, "(?<routedByValue>.*)", 0, 0, 0,                                                                             \
    "a regular expression (PCRE2, which reads Java's named groups) that must match the whole of that column")                                                  \
  X("route.topic.replacement", TEXT, route_replacement, NULL, "outbox.event.${routedByValue}", 0, 0, 0,                                                        \
    "the topic, with `${name}`, `$name` or `$1` for groups of the expression")                                                                                 \
  X("route.topic.allow", LIST, allow, NULL, "what the replacement can produce: `outbox.event.*`", 0, 0, OPTION_DERIVED,                                        \
    "topics that may be written to: exact names, or `prefix*`; a row for any other is poison")                                                                 \
  X("route.tombstone.on.empty.payload", BOOLEAN, tombstone_on_empty_payload, NULL, "false", 0, 0, 0,                                                           \
    "a NULL or empty payload becomes a record without a value, which deletes the key from a compacted topic")                                                  \
  X("table.expand.json.payload", BOOLEAN, expand_json_payload, NULL, "false", 0, 0, 0,                                                                         \
    "in an envelope, a text payload that is valid JSON is embedded as JSON")                                                                                   \
  X("table.op.invalid.behavior", WORD, invalid_operation, "warn|ignore|error|fatal", "warn", 0, 0, 0,                                                          \
    "what an UPDATE of the outbox causes: `warn` and `ignore` count it from the table's statistics; `error` and `fatal` add updates to the publication, for "  \
    "which the table needs a replica identity")                                                                                                                \
  X("tracing.span.context.field", TEXT, tracing_field, NULL, "tracingspancontext", 0, 0, 0,                                                                    \
    "a column in the format of Java's properties, from which `traceparent` goes into a header")                                                                \
  X("headers.static", OBJECT, static_headers, NULL, NULL, 0, 0, 0, "constant headers for every record of this entry, name and value")                          \
  X("headers.transaction", BOOLEAN, transaction_header, NULL, "false", 0, 0, 0, "adds the header `txid`")                                                      \
  X("poison", WORD, poison, "stop|dead-letter", "`delivery.poison`", 0, 0, OPTION_DERIVED, "as `delivery.poison`, for this entry")                             \
  X("dead.letter.topic", TEXT, dead_letter_topic, NULL, "`delivery.dead.letter.topic`", 0, 0, OPTION_DERIVED,                                                  \
    "as `delivery.dead.letter.topic`, for this entry")                                                                                                         \
  X("table.json.payload.null.behavior", WITHOUT_EFFECT, table, NULL, NULL, 0, 0, 0, "has no effect: the payload goes through as it is, with its null fields")  \
  X("table.json.payload.empty.array.behavior", WITHOUT_EFFECT, table, NULL, NULL, 0, 0, 0,                                                                     \
    "has no effect: the payload goes through as it is, with its empty arrays")                                                                                 \
  X("tracing.operation.name", WITHOUT_EFFECT, table, NULL, NULL, 0, 0, 0, "has no effect: the relay carries the trace on and adds no span of its own")         \
  X("tracing.with.context.field.only", WITHOUT_EFFECT, table, NULL, NULL, 0, 0, 0, "has no effect: a trace is carried on only where the row has one")          \
  X("table.field.event.schema.version", REFUSED, table, NULL, NULL, 0, 0, 0,                                                                                   \
    "records have no schema here; send the column as a header: table.fields.additional.placement=<column>:header:version")                                     \
  X("predicate", REFUSED, table, NULL, NULL, 0, 0, 0,                                                                                                          \
    "only the tables under `outbox` are read, so there is nothing to exclude; choose rows with a row filter of the publication")                               \
  X("negate", REFUSED, table, NULL, NULL, 0, 0, 0, "belongs to predicate; choose rows with a row filter of the publication")                                   \
  X("key.converter", REFUSED, table, NULL, NULL, 0, 0, 0, "nothing is converted: the key column's text, or the bytes of a bytea, are the key")                 \
  X("value.converter", REFUSED, table, NULL, NULL, 0, 0, 0, "nothing is converted: the payload column's bytes are the value; for a binary format store bytea") \
  X("header.converter", REFUSED, table, NULL, NULL, 0, 0, 0, "nothing is converted: a column's text is the header's value")

#define X(name, ...) +1
enum { SCALAR_OPTION_COUNT = 0 SCALAR_OPTIONS(X), OUTBOX_OPTION_COUNT = 0 OUTBOX_OPTIONS(X) };
#undef X

extern const struct option scalar_options[SCALAR_OPTION_COUNT];
extern const struct option outbox_options[OUTBOX_OPTION_COUNT];

/* The row of that exact name, or NULL. `length` bytes of `name` count. */
const struct option *scalar_option_find(const char *name, size_t length);
const struct option *outbox_option_find(const char *name, size_t length);

/* The index of `text` in `words` ("stop|dead-letter"), or -1. */
int words_index(const char *words, const char *text);
/* The word at `index`, copied into a struct by value. */
struct word {
  char text[32];
};
struct word words_at(const char *words, int index);

#endif
