/*
 * embedded_broker.c - a MOCK of a Kafka cluster for demos and quick tests: librdkafka's mock cluster as a program. It proves nothing about Kafka.
 *
 * What it does not do: it keeps nothing on disk and about 5 MiB per partition, does not hide aborted records from read_committed readers, fences no old
 * producer, checks no sequence number of a producer without transactions, knows no TLS, SASL, ACL and no administration by protocol. Topics that nobody made
 * come into being with four partitions when a client asks for them.
 *
 *   embedded_broker [BROKERS]
 *
 * Writes `bootstrap=host:port,...` as its first line, then answers each line of its standard input with `ok` or `error: reason`:
 *
 *   topic NAME PARTITIONS        makes a topic
 *   down | up                    all brokers refuse connections | accept them again
 *   error APIKEY CODE COUNT      the next COUNT requests of that kind (0 is Produce) are answered with that error and not carried out
 *   rtt MS                       answers take so long
 *   quit                         ends; the end of its input does so too
 */
#include <librdkafka/rdkafka.h>

#include <librdkafka/rdkafka_mock.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BROKERS_MAX = 9, PARTITIONS_MAX = 1000, ERRORS_MAX = 100000, WORDS_MAX = 5 };

struct broker {
  rd_kafka_mock_cluster_t *cluster;
  int count;
};

/* A number in [least, most], or false. */
static bool read_number(const char *text, long least, long most, long *ret_number)
{
  char *end;
  long number;

  if (text == NULL || *text == '\0') {
    return false;
  }
  number = strtol(text, &end, 10);
  if (*end != '\0' || number < least || number > most) {
    return false;
  }
  *ret_number = number;
  return true;
}

static const char *make_topic(struct broker *broker, char *const *words)
{
  long partitions;
  rd_kafka_resp_err_t error;

  if (words[1] == NULL || !read_number(words[2], 1, PARTITIONS_MAX, &partitions)) {
    return "topic takes a name and a number of partitions";
  }
  error = rd_kafka_mock_topic_create(broker->cluster, words[1], (int)partitions, 1);
  return error == RD_KAFKA_RESP_ERR_NO_ERROR ? NULL : rd_kafka_err2str(error);
}

static const char *set_down(struct broker *broker, char *const *words)
{
  bool is_down = strcmp(words[0], "down") == 0;

  for (int id = 1; id <= broker->count; id++) {
    rd_kafka_resp_err_t error = is_down ? rd_kafka_mock_broker_set_down(broker->cluster, id) : rd_kafka_mock_broker_set_up(broker->cluster, id);

    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return rd_kafka_err2str(error);
    }
  }
  return NULL;
}

static const char *push_error(struct broker *broker, char *const *words)
{
  long api_key, code, count;
  rd_kafka_resp_err_t *errors;

  if (!read_number(words[1], 0, 100, &api_key) || !read_number(words[2], -1, 200, &code) || !read_number(words[3], 1, ERRORS_MAX, &count)) {
    return "error takes the number of an API, an error code and a count";
  }
  errors = calloc((size_t)count, sizeof(*errors));
  if (errors == NULL) {
    return "out of memory";
  }
  for (long i = 0; i < count; i++) {
    errors[i] = (rd_kafka_resp_err_t)code;
  }
  rd_kafka_mock_push_request_errors_array(broker->cluster, (int16_t)api_key, (size_t)count, errors);
  free(errors);
  return NULL;
}

static const char *set_rtt(struct broker *broker, char *const *words)
{
  long rtt_ms;

  if (!read_number(words[1], 0, 600000, &rtt_ms)) {
    return "rtt takes milliseconds";
  }
  for (int id = 1; id <= broker->count; id++) {
    rd_kafka_resp_err_t error = rd_kafka_mock_broker_set_rtt(broker->cluster, id, (int)rtt_ms);

    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return rd_kafka_err2str(error);
    }
  }
  return NULL;
}

static const struct command {
  const char *name;
  const char *(*run)(struct broker *broker, char *const *words); /* NULL, or what was wrong */
} commands[] = {
    {"topic", make_topic}, {"down", set_down}, {"up", set_down}, {"error", push_error}, {"rtt", set_rtt},
};

static const char *obey(struct broker *broker, char *line)
{
  char *words[WORDS_MAX] = {NULL};
  char *rest = NULL;
  int count = 0;

  for (char *word = strtok_r(line, " \t\r\n", &rest); word != NULL && count < WORDS_MAX - 1; word = strtok_r(NULL, " \t\r\n", &rest)) {
    words[count++] = word;
  }
  if (count == 0) {
    return "an empty line is no command";
  }
  for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
    if (strcmp(words[0], commands[i].name) == 0) {
      return commands[i].run(broker, words);
    }
  }
  return "no such command";
}

int main(int argc, char **argv)
{
  char words[256];
  char *line = NULL;
  size_t size = 0;
  long count = 1;
  struct broker broker;
  rd_kafka_conf_t *conf;
  rd_kafka_t *host;

  if (argc > 2 || (argc == 2 && !read_number(argv[1], 1, BROKERS_MAX, &count))) {
    (void)fprintf(stderr, "usage: embedded_broker [BROKERS]\n");
    return 2;
  }
  conf = rd_kafka_conf_new();
  (void)rd_kafka_conf_set(conf, "log_level", "3", NULL, 0); /* the host connects to nothing and need not say so */
  host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, words, sizeof(words));
  if (host == NULL) {
    (void)fprintf(stderr, "embedded_broker: %s\n", words);
    rd_kafka_conf_destroy(conf);
    return 1;
  }
  broker.count = (int)count;
  broker.cluster = rd_kafka_mock_cluster_new(host, broker.count);
  if (broker.cluster == NULL) {
    (void)fprintf(stderr, "embedded_broker: could not open a listening socket\n");
    rd_kafka_destroy(host);
    return 1;
  }
  printf("bootstrap=%s\n", rd_kafka_mock_cluster_bootstraps(broker.cluster));
  (void)fflush(stdout);
  while (getline(&line, &size, stdin) >= 0 && strcmp(line, "quit\n") != 0) {
    const char *problem = obey(&broker, line);

    if (problem == NULL) {
      printf("ok\n");
    } else {
      printf("error: %s\n", problem);
    }
    (void)fflush(stdout);
  }
  free(line);
  rd_kafka_mock_cluster_destroy(broker.cluster);
  rd_kafka_destroy(host);
  return 0;
}
