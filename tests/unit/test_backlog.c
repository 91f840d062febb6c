/*
 * test_backlog.c - rows of a cursor on their way to a MOCK cluster (kafka_bench.h says what that is worth). A thread answers the FETCHes, since carrying a batch
 * blocks; it speaks as much of PostgreSQL's protocol as that needs.
 */
#include "commands/backlog.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config_fixture.h"
#include "kafka_bench.h"
#include "postgres_message.h"
#include "publish/dead_letter.h"

enum { COLUMNS = 5, CELLS = 1 + COLUMNS, PRODUCE = 0 };

/* The cursor's id, and the columns. */
static const char *const rows[][CELLS] = {
    {"1", "1", "key", "Made", "value", "0"},
    {"2", "2", "key", "Made", "value", "9"},
    {"3", "3", "key", "Made", "value", "0"},
};

static struct catalog_column columns[COLUMNS] = {
    {.name = "no", .type_oid = 20},   {.name = "about", .type_oid = 25}, {.name = "kind", .type_oid = 25},
    {.name = "body", .type_oid = 25}, {.name = "part", .type_oid = 23},
};

static struct kafka_bench bench;
static struct attempt attempt;
static struct backlog *backlog;
static PGconn *reader;
static pthread_t server;
static int listen_fd;

/* ---- the server ---- */

static void say_row(int fd, const char *const *cells)
{
  char body[512] = {0, CELLS};
  char *at = body + 2;

  for (int i = 0; i < CELLS; i++) {
    *at++ = 'c';
    at += 1 + 18; /* the name's end; no table, no type, text */
  }
  postgres_say(fd, 'T', body, (size_t)(at - body));
  memset(body, 0, sizeof(body));
  body[1] = CELLS;
  at = body + 2;
  for (int i = 0; i < CELLS; i++) {
    uint32_t size = htonl((uint32_t)strlen(cells[i]));

    memcpy(at, &size, 4);
    at = stpcpy(at + 4, cells[i]);
  }
  postgres_say(fd, 'D', body, (size_t)(at - body));
}

static void *serve(void *unused)
{
  int fd = accept(listen_fd, NULL, NULL);
  char bytes[4096];
  size_t next = 0;

  (void)unused;
  cr_assert_gt(recv(fd, bytes, sizeof(bytes), 0), 0);
  postgres_say(fd, 'R', "\0\0\0", 4);
  postgres_say(fd, 'S', "client_encoding\000UTF8", 21);
  postgres_say(fd, 'Z', "I", 1);
  while (recv(fd, bytes, sizeof(bytes), 0) > 0 && bytes[0] == 'Q') {
    cr_assert_lt(next, sizeof(rows) / sizeof(rows[0]));
    say_row(fd, rows[next++]);
    postgres_say(fd, 'C', "FETCH 1", 8);
    postgres_say(fd, 'Z', "T", 1);
  }
  (void)close(fd);
  return NULL;
}

/* ---- before and after ---- */

static void begin(void)
{
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof(address);
  const struct catalog_table table = {.exists = true, .column_count = COLUMNS, .columns = columns};
  struct problem problem;
  char text[1024];

  kafka_bench_init(&bench);
  kafka_bench_topic(&bench, "t", 1);
  kafka_bench_topic(&bench, "t.dead", 1);
  (void)snprintf(text, sizeof(text),
                 "{" MINIMAL_POSTGRES ",\"kafka\":{\"bootstrap.servers\":\"%s\"},\"delivery\":{\"poison\":\"dead-letter\",\"dead.letter.topic\":\"t.dead\"},"
                 "\"outbox\":[{\"table\":\"public.old_events\",\"table.field.event.id\":\"no\",\"table.field.event.key\":\"about\","
                 "\"table.field.event.type\":\"kind\",\"table.field.event.payload\":\"body\",\"route.by.field\":\"kind\",\"route.topic.replacement\":\"t\","
                 "\"route.topic.allow\":[\"t\"],\"table.fields.additional.placement\":\"part:partition\"}]}",
                 rd_kafka_mock_cluster_bootstraps(bench.cluster));
  attempt_begin(&attempt);
  attempt_load(&attempt, text, NULL, NULL);
  cr_assert_not_null(attempt.config, "%s: %s", attempt.problems->problems[0].path, attempt.problems->problems[0].text);

  listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  cr_assert_eq(bind(listen_fd, (struct sockaddr *)&address, sizeof(address)), 0);
  cr_assert_eq(listen(listen_fd, 1), 0);
  cr_assert_eq(getsockname(listen_fd, (struct sockaddr *)&address, &length), 0);
  cr_assert_eq(pthread_create(&server, NULL, serve, NULL), 0);
  (void)snprintf(text, sizeof(text), "host=127.0.0.1 port=%d user=u dbname=d sslmode=disable gssencmode=disable", ntohs(address.sin_port));
  reader = PQconnectdb(text);
  cr_assert_eq(PQstatus(reader), CONNECTION_OK, "%s", PQerrorMessage(reader));
  cr_assert_eq(backlog_new(attempt.config, 0, "no", &table, 0x10, 1, &backlog, &problem), VERDICT_OK, "%s", problem.text);
}

static void end(void)
{
  PQfinish(reader);
  (void)pthread_join(server, NULL);
  (void)close(listen_fd);
  backlog_free(backlog);
  attempt_end(&attempt);
  kafka_bench_done(&bench);
}

TestSuite(backlog, .init = begin, .fini = end, .timeout = 60);

static void carry(const char *id)
{
  struct problem problem;
  size_t fetched = 0, delivered = 0;

  cr_assert_eq(backlog_carry_batch(backlog, reader, &fetched, &problem), VERDICT_OK, "%s", problem.text);
  cr_assert_eq(fetched, 1);
  cr_assert_str_eq(backlog_delivered(backlog, &delivered)[0], id);
  cr_assert_eq(delivered, 1);
}

struct letters {
  int count;
  char reasons[2][32];
};

static void see_letter(void *context, const rd_kafka_message_t *message)
{
  struct letters *letters = context;
  rd_kafka_headers_t *headers;
  const void *reason;
  size_t length;

  cr_assert_eq(rd_kafka_message_headers(message, &headers), RD_KAFKA_RESP_ERR_NO_ERROR);
  cr_assert_eq(rd_kafka_header_get_last(headers, DEAD_LETTER_REASON, &reason, &length), RD_KAFKA_RESP_ERR_NO_ERROR);
  (void)snprintf(letters->reasons[letters->count++], sizeof(letters->reasons[0]), "%.*s", (int)length, (const char *)reason);
}

/* By the client, which knows how many partitions there are since the first row; and by the broker's word. */
Test(backlog, dead_letter_says_who_refused_the_row_and_why)
{
  struct letters letters = {0};

  carry("1");
  carry("2");
  rd_kafka_mock_push_request_errors(bench.cluster, PRODUCE, 1, RD_KAFKA_RESP_ERR_INVALID_RECORD);
  carry("3");
  kafka_bench_read(&bench, "t.dead", 1, 2, see_letter, &letters);
  cr_assert_str_eq(letters.reasons[0], "bad_partition");
  cr_assert_str_eq(letters.reasons[1], "refused_by_broker");
}
