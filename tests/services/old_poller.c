/*
 * old_poller.c - the kind of program that a take-over ends: every 300 ms it reads the rows of public.member_outbox_event that are not published, sends them to topic
 * member-events, waits for Kafka, and marks them. Killed between the last two steps it sends them again when it is back, which is what such programs do.
 *
 *     old_poller CONNINFO BROKERS [stop-behind-send] [without-headers]
 *
 *     stop-behind-send   it stays there behind its first round with rows, and says `sent` before
 *     without-headers    its records have none, and the event's id in the body alone; else they have `id`, and source=old-poller
 */
#include <libpq-fe.h>
#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROUND_US = 300000, ROWS_MAX = 100, FLUSH_MS = 30000 };

static const char unpublished[] = "SELECT id, event_id, aggregate_id, payload FROM public.member_outbox_event WHERE NOT published ORDER BY id LIMIT $1";
static const char publish[] = "UPDATE public.member_outbox_event SET published = true WHERE id = $1";

static void check(bool is_well, const char *what)
{
  if (!is_well) {
    (void)fprintf(stderr, "old_poller: %s\n", what);
    exit(1);
  }
}

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *context)
{
  (void)client;
  (void)context;
  check(message->err == RD_KAFKA_RESP_ERR_NO_ERROR, rd_kafka_err2str(message->err));
}

static rd_kafka_t *producer_new(const char *brokers)
{
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  char words[256] = "";
  rd_kafka_t *producer;

  check(rd_kafka_conf_set(conf, "bootstrap.servers", brokers, words, sizeof(words)) == RD_KAFKA_CONF_OK, words);
  check(rd_kafka_conf_set(conf, "enable.idempotence", "true", words, sizeof(words)) == RD_KAFKA_CONF_OK, words);
  check(rd_kafka_conf_set(conf, "partitioner", "murmur2_random", words, sizeof(words)) == RD_KAFKA_CONF_OK, words);
  rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
  producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, words, sizeof(words));
  check(producer != NULL, words);
  return producer;
}

static void send_row(rd_kafka_t *producer, const PGresult *rows, int row, bool has_headers)
{
  rd_kafka_headers_t *headers = rd_kafka_headers_new(2);
  rd_kafka_resp_err_t error;

  if (has_headers) {
    (void)rd_kafka_header_add(headers, "id", -1, PQgetvalue(rows, row, 1), -1);
    (void)rd_kafka_header_add(headers, "source", -1, "old-poller", -1);
  }
  error = rd_kafka_producev(producer, RD_KAFKA_V_TOPIC("member-events"), RD_KAFKA_V_KEY(PQgetvalue(rows, row, 2), (size_t)PQgetlength(rows, row, 2)),
                            RD_KAFKA_V_VALUE(PQgetvalue(rows, row, 3), (size_t)PQgetlength(rows, row, 3)), RD_KAFKA_V_HEADERS(headers),
                            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
  check(error == RD_KAFKA_RESP_ERR_NO_ERROR, rd_kafka_err2str(error));
}

static void poll_once(PGconn *connection, rd_kafka_t *producer, bool stops_behind_send, bool has_headers)
{
  char limit[16];
  const char *values[] = {limit};
  PGresult *rows;
  int count;

  (void)snprintf(limit, sizeof(limit), "%d", ROWS_MAX);
  rows = PQexecParams(connection, unpublished, 1, NULL, values, NULL, NULL, 0);
  check(PQresultStatus(rows) == PGRES_TUPLES_OK, PQerrorMessage(connection));
  count = PQntuples(rows);
  for (int row = 0; row < count; row++) {
    send_row(producer, rows, row, has_headers);
  }
  check(rd_kafka_flush(producer, FLUSH_MS) == RD_KAFKA_RESP_ERR_NO_ERROR, "Kafka does not answer");
  if (count > 0 && stops_behind_send) {
    puts("sent");
    (void)fflush(stdout);
    for (;;) {
      (void)pause();
    }
  }
  for (int row = 0; row < count; row++) {
    PGresult *result;

    values[0] = PQgetvalue(rows, row, 0);
    result = PQexecParams(connection, publish, 1, NULL, values, NULL, NULL, 0);
    check(PQresultStatus(result) == PGRES_COMMAND_OK, PQerrorMessage(connection));
    PQclear(result);
  }
  PQclear(rows);
}

static bool has_word(int argc, char **argv, const char *word)
{
  for (int i = 3; i < argc; i++) {
    if (strcmp(argv[i], word) == 0) {
      return true;
    }
  }
  return false;
}

int main(int argc, char **argv)
{
  PGconn *connection;
  rd_kafka_t *producer;

  check(argc >= 3, "usage: old_poller CONNINFO BROKERS [stop-behind-send] [without-headers]");
  connection = PQconnectdb(argv[1]);
  check(PQstatus(connection) == CONNECTION_OK, PQerrorMessage(connection));
  producer = producer_new(argv[2]);
  for (;;) {
    poll_once(connection, producer, has_word(argc, argv, "stop-behind-send"), !has_word(argc, argv, "without-headers"));
    (void)usleep(ROUND_US);
  }
}
