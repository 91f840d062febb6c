/*
 * kafka_error.h - what each of librdkafka's error codes means for a row, for its topic and for the producer. One table, read by reports, by refusals at
 * the moment of publishing, and by fatal errors. Pure.
 */
#ifndef PUBLISH_KAFKA_ERROR_H
#define PUBLISH_KAFKA_ERROR_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "publish/publisher.h"
#include "verdict.h"

/* What the hints need to name the cluster and us; copies, since a configuration may get new values while a client is at work. Too long ones are cut. */
struct kafka_address {
  char server[256];           /* the first of bootstrap.servers */
  char user[128];             /* sasl.username; empty: none */
  bool needs_client_settings; /* Kafka's own tools need --command-config on this cluster */
};

void kafka_address_init(struct kafka_address *address, const struct config *config);

/*
 * How a report with this error ended. `partition` is the one that the record asked for: "no such partition" is the row's fault only when the row named one
 * (a topic that was made anew with fewer partitions gives it for any key).
 */
enum report_outcome kafka_error_outcome(rd_kafka_resp_err_t error, int32_t partition);

/* What a refusal by rd_kafka_producev() is for the caller of publisher_publish(). */
enum verdict kafka_error_verdict(rd_kafka_resp_err_t error, int32_t partition);

/* Fills the problem: words, code and hint for a record that was meant for `topic`. `verdict` is handed back. */
enum verdict kafka_error_explain(rd_kafka_resp_err_t error, const char *topic, const struct kafka_address *address, enum verdict verdict,
                                 struct problem *problem);

/* The same for a fatal error of the producer, `words` being librdkafka's own: RETRY, or FATAL where a person is needed. */
enum verdict kafka_error_explain_fatal(rd_kafka_resp_err_t error, const char *words, const struct kafka_address *address, struct problem *problem);

/* Nobody lets us in: FATAL. `words` is what librdkafka said. */
enum verdict kafka_error_explain_authentication(const char *words, const struct kafka_address *address, struct problem *problem);

/* Static: librdkafka's sentence, for `struct report`. */
const char *kafka_error_text(rd_kafka_resp_err_t error);

#endif
