/*
 * settings.h - what a consumer is told from outside: the runtime's variables, the program's own, and librdkafka's properties, read and shown as one.
 */
#ifndef SETTINGS_H
#define SETTINGS_H

#include "consumer.h"
#include "kafka_settings.h"

enum {
  SETTINGS_VARIABLES_MAX = 64,
  SETTINGS_TTL_MAX_S = 31536000,
  SETTINGS_RECORDS_LEAST_BYTES = 1048576,
  SETTINGS_RECORDS_MOST_BYTES = 1073741824, /* RECORDS_MAX_BYTES=67108864 by default */
};

struct settings {
  const char *database_url; /* NULL: the consumer has none */
  const char *brokers;
  const char *group_id;
  const char *group_instance_id; /* "" : a dynamic member */
  const char *give_up;           /* TOPIC/PARTITION/OFFSET of an event; "": none */
  int64_t records_max_bytes;     /* taken from Kafka and waiting, all partitions together, but for one record of each */
  struct address listen;
  int idempotence_word; /* of IDEMPOTENCY: its index */
  enum idempotence idempotence;
  const char *redis_url;
  int64_t idempotency_ttl_s;
  int log_level;  /* enum log_level */
  int log_format; /* enum log_format */
  bool has_no_database;
  struct kafka_settings kafka;
  struct variable table[SETTINGS_VARIABLES_MAX]; /* the runtime's and the program's, {0} at the end */
};

/* The table alone: for --help. `settings` and `consumer` live as long as the process. */
void settings_init(struct settings *settings, const struct consumer *consumer);
/* After settings_init(). */
void settings_read(struct settings *settings, char *const *environment, struct problem_list *problems);
void settings_print_help(const struct settings *settings, FILE *out);
/* All, with what is wrong marked; `problems` are those of the reading. */
void settings_print(const struct settings *settings, const struct problem_list *problems, FILE *out);

#endif
