/*
 * kafka_error.c - the table of error codes.
 *
 *   REFUSED_ROW     permanent, and the row may be the reason: it is tried alone before anybody calls it poison
 *   REFUSED_TOPIC   permanent, and no row can help it: topic, authorization, cluster
 *   LOST            says nothing about the row: the producer broke, or its neighbour was refused
 *
 * A code that is not in the table is LOST: an unknown error must never make a row poison. Only codes that librdkafka does not retry by itself need a line.
 * The causes of LOST ones are seen when the producer has broken (`cdc_relay_reconnects_total{side="kafka"}`), hence their names.
 */
#include "publish/kafka_error.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum hint {
  HINT_NONE,
  HINT_SIZE,
  HINT_TIMESTAMP,
  HINT_PARTITION,
  HINT_KEY,
  HINT_CREATE_TOPIC,
  HINT_TOPIC_ACL,
  HINT_CLUSTER_ACL,
  HINT_CLUSTER_VERSION,
};

struct kafka_error {
  rd_kafka_resp_err_t code;
  enum report_outcome outcome;
  const char *cause;
  const char *words; /* NULL: librdkafka's */
  enum hint hint;
};

static const struct kafka_error errors[] = {
    {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, REPORT_REFUSED_ROW, "too_large", "the record or its batch is larger than the limit", HINT_SIZE},
    {RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, REPORT_REFUSED_ROW, "too_large", "the batch is larger than a segment of the topic", HINT_SIZE},
    {RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE, REPORT_REFUSED_ROW, "invalid_record", "the size of the record is invalid", HINT_NONE},
    {RD_KAFKA_RESP_ERR_INVALID_RECORD, REPORT_REFUSED_ROW, "invalid_record", "the broker found a record invalid", HINT_KEY},
    {RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP, REPORT_REFUSED_ROW, "invalid_timestamp", "a timestamp is outside of what the topic allows", HINT_TIMESTAMP},
    {RD_KAFKA_RESP_ERR_POLICY_VIOLATION, REPORT_REFUSED_ROW, "policy", "a policy of the cluster refused the record", HINT_NONE},
    {RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT, REPORT_REFUSED_ROW, "message_format", "the topic's message format does not allow the record",
     HINT_CLUSTER_VERSION},
    {RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, REPORT_REFUSED_ROW, "no_partition", "the topic does not have the partition that the row asks for", HINT_PARTITION},
    {RD_KAFKA_RESP_ERR__BAD_MSG, REPORT_REFUSED_ROW, "invalid_record", "the record cannot be encoded", HINT_NONE},
    {RD_KAFKA_RESP_ERR__INVALID_ARG, REPORT_REFUSED_ROW, "invalid_record", "the client does not take the record", HINT_NONE},

    {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, REPORT_REFUSED_TOPIC, "topic_unknown", "the topic does not exist", HINT_CREATE_TOPIC},
    {RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, REPORT_REFUSED_TOPIC, "topic_unknown", "the topic does not exist", HINT_CREATE_TOPIC},
    {RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, REPORT_REFUSED_TOPIC, "topic_invalid", "the broker does not accept the topic", HINT_NONE},
    {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, REPORT_REFUSED_TOPIC, "topic_not_authorized", "not authorized to write to the topic", HINT_TOPIC_ACL},
    {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, REPORT_REFUSED_TOPIC, "cluster_not_authorized", "not authorized to write idempotently to the cluster",
     HINT_CLUSTER_ACL},
    {RD_KAFKA_RESP_ERR_UNSUPPORTED_COMPRESSION_TYPE, REPORT_REFUSED_TOPIC, "compression", "the broker does not know this kafka.compression.type", HINT_NONE},
    {RD_KAFKA_RESP_ERR_INVALID_REQUIRED_ACKS, REPORT_REFUSED_TOPIC, "acks", "the broker does not accept acks=all", HINT_NONE},
    {RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION, REPORT_REFUSED_TOPIC, "broker_too_old", "the broker does not support what the relay needs", HINT_CLUSTER_VERSION},
    {RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE, REPORT_REFUSED_TOPIC, "broker_too_old", "the broker does not support what the relay needs", HINT_CLUSTER_VERSION},

    /* Kafka's CORRUPT_MESSAGE: the checksum is wrong, by the way or the broker's disk. librdkafka sends such a batch again; one that does not leaves it to us. */
    {RD_KAFKA_RESP_ERR_INVALID_MSG, REPORT_LOST, "fatal_corrupt", "the broker found the batch corrupt", HINT_NONE},
    {RD_KAFKA_RESP_ERR__GAPLESS_GUARANTEE, REPORT_LOST, "fatal_batch_refused", NULL, HINT_NONE},
    {RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, REPORT_LOST, "fatal_out_of_order", NULL, HINT_NONE},
    {RD_KAFKA_RESP_ERR_DUPLICATE_SEQUENCE_NUMBER, REPORT_LOST, "fatal_duplicate_sequence", NULL, HINT_NONE},
    {RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID, REPORT_LOST, "fatal_unknown_producer", NULL, HINT_NONE},
    {RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, REPORT_LOST, "fatal_epoch", NULL, HINT_NONE},
    {RD_KAFKA_RESP_ERR__FENCED, REPORT_LOST, "fatal_fenced", NULL, HINT_NONE},
    {RD_KAFKA_RESP_ERR__INCONSISTENT, REPORT_LOST, "fatal_inconsistent", "nothing proves that the record arrived", HINT_NONE},
    {RD_KAFKA_RESP_ERR__FATAL, REPORT_LOST, "fatal_producer", NULL, HINT_NONE},
    {RD_KAFKA_RESP_ERR__PURGE_QUEUE, REPORT_LOST, "fatal_purged", NULL, HINT_NONE},
    {RD_KAFKA_RESP_ERR__PURGE_INFLIGHT, REPORT_LOST, "fatal_purged", NULL, HINT_NONE},
    {RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, REPORT_LOST, "fatal_timed_out", NULL, HINT_NONE},
    {RD_KAFKA_RESP_ERR__DESTROY, REPORT_LOST, "fatal_destroyed", NULL, HINT_NONE},
};

static const struct kafka_error unknown = {RD_KAFKA_RESP_ERR_UNKNOWN, REPORT_LOST, "fatal_producer", NULL, HINT_NONE};

static const struct kafka_error *find(rd_kafka_resp_err_t code)
{
  for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
    if (errors[i].code == code) {
      return &errors[i];
    }
  }
  return &unknown;
}

static const char *property(const struct config *config, const char *name)
{
  const char *value = NULL;

  for (size_t i = 0; i < config->kafka_count; i++) {
    if (strcmp(config->kafka[i].name, name) == 0) {
      value = config->kafka[i].value;
    }
  }
  return value;
}

void kafka_address_init(struct kafka_address *address, const struct config *config)
{
  const char *servers = property(config, "bootstrap.servers");
  const char *user = property(config, "sasl.username");
  const char *protocol = property(config, "security.protocol");

  if (servers == NULL) {
    servers = "localhost:9092";
  }
  (void)snprintf(address->server, sizeof(address->server), "%.*s", (int)strcspn(servers, ", "), servers);
  (void)snprintf(address->user, sizeof(address->user), "%s", user != NULL ? user : "");
  address->needs_client_settings = protocol != NULL && strcasecmp(protocol, "plaintext") != 0;
}

enum report_outcome kafka_error_outcome(rd_kafka_resp_err_t error, int32_t partition)
{
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
    return REPORT_DELIVERED;
  }
  if (error == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION && partition == RECORD_PARTITION_BY_KEY) {
    return REPORT_LOST;
  }
  return find(error)->outcome;
}

enum verdict kafka_error_verdict(rd_kafka_resp_err_t error, int32_t partition)
{
  if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
    return VERDICT_WAIT;
  }
  switch (kafka_error_outcome(error, partition)) {
  case REPORT_DELIVERED:
    return VERDICT_OK;
  case REPORT_REFUSED_ROW:
    return VERDICT_POISON;
  case REPORT_REFUSED_TOPIC:
    return VERDICT_FATAL;
  case REPORT_LOST:
    break;
  }
  return VERDICT_RETRY;
}

const char *kafka_error_text(rd_kafka_resp_err_t error)
{
  return rd_kafka_err2str(error);
}

static enum exit_code exit_code_of(enum report_outcome outcome)
{
  switch (outcome) {
  case REPORT_REFUSED_ROW:
    return EXIT_POISON;
  case REPORT_REFUSED_TOPIC:
    return EXIT_KAFKA_REFUSES;
  case REPORT_DELIVERED:
  case REPORT_LOST:
    break;
  }
  return EXIT_UNEXPECTED;
}

/* The command that mends it. `topic` is NULL where no single topic is meant. */
static void add_hint(enum hint hint, const char *topic, const struct kafka_address *address, struct problem *problem)
{
  const char *settings = address->needs_client_settings ? " --command-config client.properties" : "";
  const char *user = address->user[0] != '\0' ? address->user : "<the relay's principal>";
  const char *server = address->server;

  if (topic == NULL) {
    topic = "<topic>";
  }
  switch (hint) {
  case HINT_NONE:
    return;
  case HINT_SIZE:
    problem_hint(problem,
                 "raise kafka.message.max.bytes and the topic's limit: kafka-configs.sh --bootstrap-server %s%s --alter --entity-type topics "
                 "--entity-name %s --add-config max.message.bytes=<bytes>",
                 server, settings, topic);
    return;
  case HINT_TIMESTAMP:
    problem_hint(problem,
                 "kafka-configs.sh --bootstrap-server %s%s --describe --entity-type topics --entity-name %s shows message.timestamp.* as the topic has them",
                 server, settings, topic);
    return;
  case HINT_PARTITION:
    problem_hint(problem, "kafka-topics.sh --bootstrap-server %s%s --alter --topic %s --partitions <count> adds partitions; existing keys may move", server,
                 settings, topic);
    return;
  case HINT_KEY:
    problem_hint(problem, "a compacted topic takes no record without a key; the broker's log names other reasons");
    return;
  case HINT_CREATE_TOPIC:
    problem_hint(problem, "kafka-topics.sh --bootstrap-server %s%s --create --topic %s", server, settings, topic);
    return;
  case HINT_TOPIC_ACL:
    problem_hint(problem, "kafka-acls.sh --bootstrap-server %s%s --add --allow-principal 'User:%s' --operation Write --operation Describe --topic %s", server,
                 settings, user, topic);
    return;
  case HINT_CLUSTER_ACL:
    problem_hint(problem, "kafka-acls.sh --bootstrap-server %s%s --add --allow-principal 'User:%s' --operation IdempotentWrite --cluster", server, settings,
                 user);
    return;
  case HINT_CLUSTER_VERSION:
    problem_hint(problem, "the relay needs Kafka 0.11 or newer, with message format 0.11 or newer on the topic");
    return;
  }
}

enum verdict kafka_error_explain(rd_kafka_resp_err_t error, const char *topic, const struct kafka_address *address, enum verdict verdict,
                                 struct problem *problem)
{
  const struct kafka_error *entry = find(error);

  if (problem == NULL) {
    return verdict;
  }
  (void)problem_set(problem, verdict, exit_code_of(entry->outcome), entry->cause, "could not publish to topic \"%s\": %s", topic,
                    entry->words != NULL ? entry->words : rd_kafka_err2str(error));
  add_hint(entry->hint, topic, address, problem);
  return verdict;
}

enum verdict kafka_error_explain_fatal(rd_kafka_resp_err_t error, const char *words, const struct kafka_address *address, struct problem *problem)
{
  const struct kafka_error *entry = find(error);
  enum verdict verdict = entry->outcome == REPORT_REFUSED_TOPIC ? VERDICT_FATAL : VERDICT_RETRY;

  (void)problem_set(problem, verdict, exit_code_of(entry->outcome), entry->outcome == REPORT_REFUSED_ROW ? unknown.cause : entry->cause,
                    "the Kafka producer broke: %s", words);
  if (verdict == VERDICT_FATAL && problem != NULL) {
    add_hint(entry->hint, NULL, address, problem);
  }
  return verdict;
}

enum verdict kafka_error_explain_authentication(const char *words, const struct kafka_address *address, struct problem *problem)
{
  (void)problem_set(problem, VERDICT_FATAL, EXIT_KAFKA_REFUSES, "authentication", "Kafka refuses authentication%s%s: %s",
                    address->user[0] != '\0' ? " of user " : "", address->user, words);
  problem_hint(problem, "check kafka.sasl.mechanism, kafka.sasl.username and kafka.sasl.password_file against the cluster's users");
  return VERDICT_FATAL;
}
