/*
 * config.h - the effective configuration: defaults < file < environment < --set, all errors at once.
 *
 * Tables (options.h, kafka_properties.h) generate this module's parser, the output of `cdc-relay config` and docs/configuration.md. A struct config is immutable
 * after loading, except that config_reload_secrets() replaces values that came from files: the url, admin_url and password under postgres, and values of Kafka
 * properties. The texts that they replace stay valid until config_free(), so nobody holds a dangling pointer; who wants the new one reads the struct again.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "decode/decoder.h"
#include "log.h"
#include "problem_list.h"
#include "route/record.h"
#include "verdict.h"

/* Limits on input, tested. */
enum {
  CONFIG_FILE_MAX_BYTES = 1 << 20,
  CONFIG_SECRET_MAX_BYTES = 64 << 10, /* one secret file; a trailing newline is cut off */
  CONFIG_OUTBOX_MAX = 128,            /* outbox entries */
  CONFIG_ALLOW_MAX = 256,             /* route.topic.allow of one entry */
  CONFIG_STATIC_HEADERS_MAX = 32,
  CONFIG_POISON_ONCE_MAX = 64, /* positions in delivery.poison_once */
  CONFIG_SLOT_NAME_MAX_BYTES = 63,
};

enum poison_policy {
  POISON_STOP,
  POISON_DEAD_LETTER,
};

enum delivery_mode {
  DELIVERY_AT_LEAST_ONCE,
};

enum invalid_operation {
  INVALID_OPERATION_WARN,
  INVALID_OPERATION_IGNORE,
  INVALID_OPERATION_ERROR,
  INVALID_OPERATION_FATAL,
};

struct config_header {
  const char *name;
  const char *value;
};

/* One outbox entry. Texts are zero-terminated, owned by the config, NULL when unset (and an unset option has no default). */
struct config_outbox {
  /* Exactly one of the two: a table `schema.table` (split below; PostgreSQL's quoting rules), or a prefix of logical messages. */
  const char *table; /* canonical display form, `public.outbox`; also the `table` label of metrics. For a message entry `message:<prefix>` */
  const char *table_schema;
  const char *table_name;
  const char *message_prefix;

  const char *field_id;
  const char *field_key;
  const char *field_type;
  const char *field_timestamp; /* NULL: commit time */
  const char *field_payload;
  const char *field_event_headers; /* the default one counts only where it is json or jsonb and serves nothing else */
  /* Whether the user named the column: a built-in one at its default name may be absent from the table, a configured one may not. */
  bool field_id_is_set, field_type_is_set, field_event_headers_is_set;

  const char *placements; /* table.fields.additional.placement as written; NULL: none */
  bool missing_is_error;  /* table.field.additional.missing */
  const char *route_by_field;
  const char *route_regex;
  const char *route_replacement;
  bool tombstone_on_empty_payload;
  bool expand_json_payload;
  enum invalid_operation invalid_operation;
  const char *tracing_field; /* tracing.span.context.field; NULL-able column */
  bool tracing_is_set;

  size_t allow_count;
  const char *const *allow; /* route.topic.allow: exact names or `prefix*`; count 0 only before defaults are applied */
  size_t static_header_count;
  const struct config_header *static_headers;
  bool transaction_header; /* headers.transaction */

  enum poison_policy poison;
  const char *dead_letter_topic; /* NULL: none */
};

/* Whether the stream has to bring updates, since they are mistakes that are to be seen. */
static inline bool config_outbox_wants_updates(const struct config_outbox *entry)
{
  return entry->invalid_operation == INVALID_OPERATION_ERROR || entry->invalid_operation == INVALID_OPERATION_FATAL;
}

struct config_property {
  const char *name; /* librdkafka's */
  const char *value;
  bool is_secret;
};

struct config {
  const char *name;

  struct {
    const char *url;      /* libpq URI or keyword string; may hold a password: never print, see config_print() */
    const char *password; /* from postgres.password_file or postgres.password; NULL: libpq's own ways */
    const char *admin_url;
    enum plugin plugin;
    const char *slot;
    const char *publication;
    bool failover; /* of the slot, when it is made */
  } postgres;

  size_t kafka_count;
  const struct config_property *kafka; /* each name once, aliases resolved: defaults of ours that nobody changed, then what was given */

  size_t outbox_count; /* >= 1 */
  const struct config_outbox *outbox;

  struct {
    enum delivery_mode mode;
    enum poison_policy poison;
    const char *dead_letter_topic;
    size_t poison_once_count;
    struct position poison_once[CONFIG_POISON_ONCE_MAX];
    int64_t drain_timeout_ms;
    int64_t confirm_interval_ms; /* at most so long a settled position waits before PostgreSQL hears of it */
  } delivery;

  struct {
    const char *host; /* of admin.listen; NULL: no admin server */
    uint16_t port;    /* 0: any free one */
  } admin;

  struct {
    enum log_level level;
    enum log_format format;
  } log;

  struct problem_list warnings; /* what has no effect or deserves a word: to be told once, at the start */

  struct config_priv *priv; /* owner of all texts; origins; secret files */
};

/* Where to read from. `environment` is a NULL-terminated list of NAME=VALUE; `sets` are the PATH=VALUE of --set, in order. */
struct config_sources {
  const char *file; /* NULL: none */
  const char *const *environment;
  size_t set_count;
  const char *const *sets;
  /*
   * What only other stages can judge (regular expressions, librdkafka's own checks), so that all mistakes come at once; NULL: not asked. Each is called when the
   * part that it reads is sound, also if another part is not, and adds to `problems`.
   */
  void (*check_outbox)(const struct config *config, struct problem_list *problems);
  void (*check_kafka)(const struct config *config, struct problem_list *problems);
};

/* The whole configuration, or NULL with at least one problem. Reads the file and secret files; blocks on the file system only. */
struct config *config_load(const struct config_sources *sources, struct problem_list *problems);
void config_free(struct config *config); /* takes NULL; overwrites secrets */

/* Reads the secret files again (SIGHUP). OK with *ret_changed, or RETRY when one cannot be read or used: then all old values stay. Blocks on the file system. */
enum verdict MUST_CHECK config_reload_secrets(struct config *config, bool *ret_changed, struct problem *problem);

/* The effective configuration as JSON, secrets masked as "***", each key with its origin: the output of `cdc-relay config`. */
void config_print(const struct config *config, FILE *out);

/* docs/configuration.md, generated from the tables. */
void config_write_reference(FILE *out);

/* A copy of a libpq URI or keyword string with its password masked; malloc'ed. Also masks what cannot be parsed, as a whole. */
char *config_mask_url(const char *url);

#endif
