/*
 * kafka_settings.h - librdkafka's properties out of the environment: KAFKA_SESSION_TIMEOUT_MS=300000 is session.timeout.ms=300000, KAFKA_SASL_PASSWORD_FILE the file
 * that holds sasl.password. What the runtime's promise rests on is refused, and so is what librdkafka does not know; every mistake is reported at once.
 */
#ifndef KAFKA_SETTINGS_H
#define KAFKA_SETTINGS_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "problem_list.h"
#include "verdict.h"

enum { KAFKA_SETTINGS_MAX = 64, KAFKA_PROPERTY_MAX_BYTES = 96, KAFKA_VALUE_MAX_BYTES = 65536 };

struct kafka_setting {
  char variable[KAFKA_PROPERTY_MAX_BYTES + 16];
  char property[KAFKA_PROPERTY_MAX_BYTES];
  char *value; /* owned by the process, for its whole life */
  bool is_secret, is_from_file;
};

struct kafka_settings {
  size_t count;
  struct kafka_setting settings[KAFKA_SETTINGS_MAX];
};

/*
 * Reads `environment` (environ, or a test's). KAFKA_BOOTSTRAP_SERVERS is left to the table of variables, and so are what Kubernetes makes for a Service named kafka
 * (KAFKA_SERVICE_HOST, KAFKA_SERVICE_PORT..., KAFKA_PORT, KAFKA_PORT_<n>_TCP...) and variables that are empty.
 */
void kafka_settings_read(struct kafka_settings *settings, char *const *environment, struct problem_list *problems);
/* Sets them all on `conf`. FATAL: librdkafka refuses one, which settings_read() has said before. */
enum verdict MUST_CHECK kafka_settings_apply(const struct kafka_settings *settings, rd_kafka_conf_t *conf, struct problem *problem);
/* `NAME=value  # environment` a line, as variables_print() does; secrets as `***`. `problems`: of the reading; those of KAFKA_... are listed behind, marked. */
void kafka_settings_print(const struct kafka_settings *settings, const struct problem_list *problems, FILE *out);

#endif
