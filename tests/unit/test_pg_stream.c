/*
 * test_pg_stream.c - the stream against a peer that speaks as much of PostgreSQL's protocol as a stream that has been let in needs: the answer to START_REPLICATION, the
 * slot's row on the other connection, then messages and notices. Everything in one thread; the loopback is the only one to be waited for.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <endian.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "postgres_message.h"
#include "stream/pg_stream_priv.h"

enum { PATIENCE_MS = 10000, PEER_PID = 4711 };

struct peer {
  int listening;
  int fd;      /* of the connection that streams */
  int look_fd; /* of the one that has read the catalog */
  struct config config;
  struct stream *stream;
  struct stream_beginning beginning;
  struct problem problem;
  const char *asking_pid; /* what the server calls the process that answers the look; NULL: as it was told before */
};

static void say(struct peer *peer, char type, const void *body, size_t length)
{
  postgres_say(peer->fd, type, body, length);
}

/* XLogData whose body is one letter, sent at that time by PostgreSQL's clock. */
static void say_data_of(struct peer *peer, char letter, int64_t pg_time_us)
{
  const uint64_t time = htobe64((uint64_t)pg_time_us);
  char body[26] = {'w'};

  memcpy(body + 17, &time, sizeof(time));
  body[25] = letter;
  say(peer, 'd', body, sizeof(body));
}

static void say_data(struct peer *peer, char letter)
{
  say_data_of(peer, letter, 0);
}

static void say_keepalive(struct peer *peer)
{
  const char body[18] = {'k'};

  say(peer, 'd', body, sizeof(body));
}

static void say_notice(struct peer *peer, const char *sqlstate, const char *origin)
{
  char body[256];
  int length = snprintf(body, sizeof(body), "SWARNUNG%cVWARNING%cC%s%cMPublikation wird ausgelassen%cR%s%c%c", 0, 0, sqlstate, 0, 0, origin, 0, 0);

  say(peer, 'N', body, (size_t)length);
}

static void say_error_to(int fd, const char *sqlstate, const char *words)
{
  char body[256];
  int length = snprintf(body, sizeof(body), "SERROR%cVERROR%cC%s%cM%s%c%c", 0, 0, sqlstate, 0, words, 0, 0);

  postgres_say(fd, 'E', body, (size_t)length);
  postgres_say(fd, 'Z', "I", 1);
}

static void say_error(struct peer *peer, const char *sqlstate, const char *words)
{
  say_error_to(peer->fd, sqlstate, words);
}

/* The answer to the look: who has the slot, and where it stands; `pid` NULL: nobody. */
static void say_slot(struct peer *peer, const char *pid, const char *confirmed, const char *wal_end)
{
  const char *cells[] = {pid, confirmed, wal_end, peer->asking_pid != NULL ? peer->asking_pid : "4711"};
  char body[256] = {0, 4};
  char *at = body + 2;

  for (int i = 0; i < 4; i++) {
    at = stpcpy(at, "column") + 1;
    memset(at, 0, 18); /* no table, type 0, text */
    at += 18;
  }
  postgres_say(peer->look_fd, 'T', body, (size_t)(at - body));
  at = body + 2;
  for (int i = 0; i < 4; i++) {
    uint32_t size = htonl(cells[i] != NULL ? (uint32_t)strlen(cells[i]) : UINT32_MAX);

    memcpy(at, &size, 4);
    at = cells[i] != NULL ? stpcpy(at + 4, cells[i]) : at + 4;
  }
  postgres_say(peer->look_fd, 'D', body, (size_t)(at - body));
  postgres_say(peer->look_fd, 'C', "SELECT 1", 9);
  postgres_say(peer->look_fd, 'Z', "I", 1);
}

/* Waits for bytes; what came is put into `ret_bytes` (of 4096, with a zero behind), where that is not NULL. False: the other end has closed. */
static bool hear_from(int fd, char *ret_bytes)
{
  struct pollfd polled = {.fd = fd, .events = POLLIN};
  char bytes[4096];
  ssize_t length;

  cr_assert_eq(poll(&polled, 1, PATIENCE_MS), 1);
  length = recv(fd, bytes, sizeof(bytes) - 1, 0);
  cr_assert_geq(length, 0);
  bytes[length] = '\0';
  if (ret_bytes != NULL) {
    memcpy(ret_bytes, bytes, (size_t)length + 1);
  }
  return length > 0;
}

static void hear(int fd)
{
  cr_assert(hear_from(fd, NULL));
}

static enum verdict receive(struct peer *peer, struct stream_message *message)
{
  enum verdict verdict = stream_receive(peer->stream, true, message, &peer->problem);

  while (verdict == VERDICT_WAIT) {
    struct pollfd polled = {.fd = stream_fd(peer->stream), .events = POLLIN};

    cr_assert_eq(poll(&polled, 1, PATIENCE_MS), 1, "nothing came");
    verdict = stream_receive(peer->stream, true, message, &peer->problem);
  }
  return verdict;
}

static char receive_letter(struct peer *peer)
{
  struct stream_message message;

  cr_assert_eq(receive(peer, &message), VERDICT_OK, "%s", peer->problem.text);
  cr_assert_eq(message.kind, STREAM_DATA);
  return message.body.data[0];
}

static void peer_listen(struct peer *peer)
{
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

  peer->listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  cr_assert_eq(bind(peer->listening, (struct sockaddr *)&address, sizeof(address)), 0);
  cr_assert_eq(listen(peer->listening, 1), 0);
  peer->config.name = "shop";
  peer->config.postgres.publication = "shop_outbox";
  peer->config.postgres.slot = "shop_outbox";
}

static unsigned int port_of(const struct peer *peer)
{
  struct sockaddr_in address = {0};
  socklen_t length = sizeof(address);

  cr_assert_eq(getsockname(peer->listening, (struct sockaddr *)&address, &length), 0);
  return ntohs(address.sin_port);
}

/* A connection that is let in; the peer's end of it in *ret_fd. */
static PGconn *let_in(struct peer *peer, int *ret_fd)
{
  PostgresPollingStatusType polling = PGRES_POLLING_WRITING;
  char url[128];
  PGconn *connection;

  (void)snprintf(url, sizeof(url), "host=127.0.0.1 port=%u user=u dbname=d sslmode=disable gssencmode=disable", port_of(peer));
  connection = PQconnectStart(url);
  *ret_fd = accept(peer->listening, NULL, NULL);
  for (bool is_greeted = false; polling != PGRES_POLLING_OK;) {
    struct pollfd polled = {.fd = PQsocket(connection), .events = polling == PGRES_POLLING_WRITING ? POLLOUT : POLLIN};

    cr_assert_eq(poll(&polled, 1, PATIENCE_MS), 1);
    polling = PQconnectPoll(connection);
    cr_assert_neq(polling, PGRES_POLLING_FAILED, "%s", PQerrorMessage(connection));
    if (polling == PGRES_POLLING_READING && !is_greeted) {
      hear(*ret_fd);
      postgres_say(*ret_fd, 'R', "\0\0\0", 4); /* trusted */
      postgres_say(*ret_fd, 'S', "server_version\00018.6", 20);
      postgres_say(*ret_fd, 'K', "\0\0\x12\x67\0\0\0\1", 8); /* PEER_PID */
      postgres_say(*ret_fd, 'Z', "I", 1);
      is_greeted = true;
    }
  }
  cr_assert_eq(PQsetnonblocking(connection, 1), 0);
  return connection;
}

/* Two connections that were judged and let in, START_REPLICATION on one of them, and its answer on the way. */
static void peer_begin(struct peer *peer)
{
  struct pg_stream *stream;

  peer_listen(peer);
  peer->stream = pg_stream_new(&peer->config);
  stream = (struct pg_stream *)peer->stream;
  stream->aside = let_in(peer, &peer->look_fd);
  stream->connection = let_in(peer, &peer->fd);
  stream->facts.backend_pid = PQbackendPID(stream->connection);
  cr_assert_eq(stream->facts.backend_pid, PEER_PID);
  stream->base.fd = PQsocket(stream->connection);
  stream->step = STEP_READY;
  cr_assert_eq(stream_start(peer->stream, 0x1000, &peer->beginning, &peer->problem), VERDICT_WAIT);
  hear(peer->fd);
  say(peer, 'W', "\0\0", 3);
}

/* The start, to its end. */
static enum verdict peer_start_on(struct peer *peer)
{
  enum verdict verdict = stream_start(peer->stream, 0x1000, &peer->beginning, &peer->problem);

  while (verdict == VERDICT_WAIT) {
    struct pollfd polled = {.fd = stream_fd(peer->stream), .events = POLLIN};

    cr_assert_eq(poll(&polled, 1, PATIENCE_MS), 1);
    verdict = stream_start(peer->stream, 0x1000, &peer->beginning, &peer->problem);
  }
  return verdict;
}

static void peer_start(struct peer *peer)
{
  peer_begin(peer);
  say_slot(peer, "4711", "0/1000", "0/2000");
  cr_assert_eq(peer_start_on(peer), VERDICT_OK, "%s", peer->problem.text);
}

static void peer_done(struct peer *peer)
{
  stream_free(peer->stream);
  close(peer->fd);
  close(peer->look_fd);
  close(peer->listening);
}

Test(pg_stream, a_server_that_takes_the_connection_and_says_nothing_is_left_after_connect_timeout)
{
  struct moment now = {.mono_us = 1000 * US_PER_S};
  struct peer peer = {0};
  struct server_facts facts;
  struct pollfd polled;
  char url[128];

  peer_listen(&peer);
  (void)snprintf(url, sizeof(url), "host=127.0.0.1 port=%u user=u dbname=d connect_timeout=5", port_of(&peer));
  peer.config.postgres.url = url;
  peer.stream = pg_stream_new(&peer.config);
  do {
    cr_assert_eq(stream_connect(peer.stream, now, &facts, &peer.problem), VERDICT_WAIT, "%s", peer.problem.text);
    polled = (struct pollfd){.fd = stream_fd(peer.stream), .events = stream_events(peer.stream)};
  } while (poll(&polled, 1, 50) > 0);
  now.mono_us += 5 * US_PER_S - 1;
  cr_assert_eq(stream_connect(peer.stream, now, &facts, &peer.problem), VERDICT_WAIT, "%s", peer.problem.text);
  now.mono_us++;
  cr_assert_eq(stream_connect(peer.stream, now, &facts, &peer.problem), VERDICT_RETRY);
  cr_assert_str_eq(peer.problem.cause, "timeout");
  stream_free(peer.stream);
  close(peer.listening);
}

Test(pg_stream, a_connection_beside_another_goes_where_that_one_has_got_to)
{
  struct peer peer = {0};
  struct pg_attempt *attempt;
  struct pollfd polled;

  peer_begin(&peer);
  peer.config.postgres.url = "host=nowhere.invalid,127.0.0.1 port=1,1 user=u dbname=d";
  attempt = pg_attempt_new(&peer.config, PG_REPLICATION, ((struct pg_stream *)peer.stream)->connection);
  polled = (struct pollfd){.fd = peer.listening, .events = POLLIN};
  cr_assert_eq(poll(&polled, 1, PATIENCE_MS), 1, "it goes by the URL");
  pg_attempt_free(attempt);
  peer_done(&peer);
}

Test(pg_stream, where_it_begins_is_asked_on_the_other_connection_once_it_has_begun)
{
  struct peer peer = {0};
  char heard[4096];

  peer_begin(&peer);
  say_data(&peer, 'a'); /* before the answer to the look, as a server does that has something to send */
  while (((struct pg_stream *)peer.stream)->step == STEP_STARTING) {
    struct pollfd polled = {.fd = stream_fd(peer.stream), .events = POLLIN};

    cr_assert_eq(poll(&polled, 1, PATIENCE_MS), 1);
    cr_assert_eq(stream_start(peer.stream, 0x1000, &peer.beginning, &peer.problem), VERDICT_WAIT);
  }
  cr_assert(hear_from(peer.look_fd, heard));
  cr_expect_eq(heard[0], 'Q');
  cr_expect_not_null(strstr(heard + 5, "pg_replication_slots"));
  say_slot(&peer, "4711", "0/1800", "0/2800");
  cr_assert_eq(peer_start_on(&peer), VERDICT_OK, "%s", peer.problem.text);
  cr_expect_eq(peer.beginning.confirmed, 0x1800);
  cr_expect_eq(peer.beginning.wal_end, 0x2800);
  cr_assert(hear_from(peer.look_fd, heard));
  cr_expect_eq(heard[0], 'X');
  cr_expect_not(hear_from(peer.look_fd, NULL), "the connection that has run SQL is kept");
  cr_expect_eq(receive_letter(&peer), 'a');
  peer_done(&peer);
}

Test(pg_stream, a_slot_that_is_not_ours_after_all_ends_the_start)
{
  struct peer peer = {0};

  peer_begin(&peer);
  say_slot(&peer, "4712", "0/1000", "0/2000");
  cr_assert_eq(peer_start_on(&peer), VERDICT_RETRY);
  cr_expect_str_eq(peer.problem.cause, "slot_active");
  cr_expect_eq(stream_fd(peer.stream), -1);
  peer_done(&peer);
}

/* What the walsender said last decides, not that the slot is free: a person may have to be told. */
Test(pg_stream, a_stream_that_has_ended_before_the_look_ends_with_its_own_words)
{
  struct peer peer = {0};

  peer_begin(&peer);
  say_data(&peer, 'a');
  say_error_to(peer.fd, "42704", "publication \"shop_outbox\" does not exist");
  say_slot(&peer, NULL, "0/1000", "0/2000");
  cr_expect_eq(peer_start_on(&peer), VERDICT_FATAL, "%s", peer.problem.text);
  cr_expect_str_eq(peer.problem.cause, "publication_missing", "%s", peer.problem.text);
  cr_expect_eq(stream_fd(peer.stream), -1);
  peer_done(&peer);
}

Test(pg_stream, behind_a_pooler_process_numbers_mean_nothing)
{
  struct peer peer = {.asking_pid = "99"};

  peer_begin(&peer);
  say_slot(&peer, "812", "0/1000", "0/2000");
  cr_expect_eq(peer_start_on(&peer), VERDICT_OK, "%s", peer.problem.text);
  cr_expect_eq(peer.beginning.active_pid, 812, "the second connection will tell the server's own number");
  peer_done(&peer);
}

Test(pg_stream, a_look_that_fails_ends_the_start)
{
  struct peer peer = {0};

  peer_begin(&peer);
  say_error_to(peer.look_fd, "57P01", "terminating connection due to administrator command");
  cr_assert_eq(peer_start_on(&peer), VERDICT_RETRY);
  cr_expect_str_eq(peer.problem.cause, "server_shutdown");
  cr_expect_eq(stream_fd(peer.stream), -1);
  peer_done(&peer);
}

/* PostgreSQL 18 goes on without the rows: what comes behind the notice must not be seen, or it would be confirmed. */
Test(pg_stream, a_publication_that_the_server_does_not_find_ends_the_stream_before_what_comes_next)
{
  static const bool by_keepalive[] = {false, true};

  for (size_t i = 0; i < sizeof(by_keepalive) / sizeof(*by_keepalive); i++) {
    struct peer peer = {0};
    struct stream_message message;

    peer_start(&peer);
    say_data(&peer, 'a');
    say_data(&peer, 'b');
    say_notice(&peer, "55000", "LoadPublications");
    if (by_keepalive[i]) {
      say_keepalive(&peer);
    } else {
      say_data(&peer, 'c');
    }
    cr_expect_eq(receive_letter(&peer), 'a');
    cr_expect_eq(receive_letter(&peer), 'b');
    cr_assert_eq(receive(&peer, &message), VERDICT_FATAL);
    cr_expect_eq(peer.problem.code, EXIT_DATABASE_REFUSES);
    cr_expect_str_eq(peer.problem.cause, "publication_missing");
    cr_expect_not_null(strstr(peer.problem.text, "\"shop_outbox\""));
    cr_expect_neq(peer.problem.hint[0], '\0');
    cr_expect_eq(stream_fd(peer.stream), -1);
    peer_done(&peer);
  }
}

/* With nothing behind it, too: the next message may be hours away. */
Test(pg_stream, a_publication_that_the_server_does_not_find_is_told_at_once)
{
  struct peer peer = {0};
  struct stream_message message;

  peer_start(&peer);
  say_notice(&peer, "55000", "LoadPublications");
  cr_assert_eq(receive(&peer, &message), VERDICT_FATAL);
  cr_expect_str_eq(peer.problem.cause, "publication_missing");
  peer_done(&peer);
}

Test(pg_stream, other_notices_change_nothing)
{
  struct peer peer = {0};

  peer_start(&peer);
  say_notice(&peer, "01000", "LoadPublications");
  say_notice(&peer, "55000", "pgoutput_change");
  say_data(&peer, 'a');
  cr_expect_eq(receive_letter(&peer), 'a');
  peer_done(&peer);
}

Test(pg_stream, a_time_that_does_not_fit_is_not_known)
{
  static const struct {
    int64_t pg_time_us, sent_us;
  } cases[] = {
      {0, PG_EPOCH_US}, {-1, PG_EPOCH_US - 1}, {INT64_MIN, INT64_MIN + PG_EPOCH_US}, {INT64_MAX - PG_EPOCH_US, INT64_MAX}, {INT64_MAX - PG_EPOCH_US + 1, 0},
      {INT64_MAX, 0},
  };
  struct peer peer = {0};

  peer_start(&peer);
  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    struct stream_message message;

    say_data_of(&peer, 'a', cases[i].pg_time_us);
    cr_assert_eq(receive(&peer, &message), VERDICT_OK, "%s", peer.problem.text);
    cr_expect_eq(message.sent_us, cases[i].sent_us, "%" PRId64 " became %" PRId64, cases[i].pg_time_us, message.sent_us);
  }
  peer_done(&peer);
}

/* One SQLSTATE, different things for a person to do. */
Test(pg_stream, an_error_that_ends_the_stream_is_told_apart_by_its_words)
{
  static const struct {
    const char *sqlstate, *words;
    enum verdict verdict;
    enum exit_code code;
    const char *cause;
  } cases[] = {
      {"55000", "logical decoding requires \"wal_level\" >= \"logical\"", VERDICT_FATAL, EXIT_DATABASE_REFUSES, "prerequisite"},
      {"55000", "can no longer get changes from replication slot \"s\"", VERDICT_FATAL, EXIT_POSITION, "slot_lost"},
      {"55000", "can no longer access replication slot \"s\"", VERDICT_FATAL, EXIT_POSITION, "slot_lost"},
      {"55000", "replication slot \"standby_1\" specified in parameter \"synchronized_standby_slots\" does not have active_pid", VERDICT_RETRY, EXIT_UNEXPECTED,
       "server_shutdown"},
      {"42704", "replication slot \"s\" does not exist", VERDICT_FATAL, EXIT_POSITION, "slot_missing"},
      {"42704", "publication \"p\" does not exist", VERDICT_FATAL, EXIT_DATABASE_REFUSES, "publication_missing"},
      {"57P01", "terminating connection due to administrator command", VERDICT_RETRY, EXIT_UNEXPECTED, "server_shutdown"},
  };

  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    struct peer peer = {0};
    struct stream_message message;

    peer_start(&peer);
    say_error(&peer, cases[i].sqlstate, cases[i].words);
    cr_expect_eq(receive(&peer, &message), cases[i].verdict, "%s", cases[i].words);
    cr_expect_eq(peer.problem.code, cases[i].code, "%s", cases[i].words);
    cr_expect_str_eq(peer.problem.cause, cases[i].cause, "%s", cases[i].words);
    peer_done(&peer);
  }
}
