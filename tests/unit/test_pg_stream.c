/*
 * test_pg_stream.c - the stream against a peer that speaks as much of PostgreSQL's protocol as a stream that has been let in needs: the answer to START_REPLICATION, then
 * messages and notices. Everything in one thread; the loopback is the only one to be waited for.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stream/pg_stream_priv.h"

enum { PATIENCE_MS = 10000 };

struct peer {
  int fd;
  struct config config;
  struct stream *stream;
  struct problem problem;
};

static void say(struct peer *peer, char type, const void *body, size_t length)
{
  char message[1024];
  uint32_t size = htonl((uint32_t)length + 4);

  cr_assert_leq(length + 5, sizeof(message));
  message[0] = type;
  memcpy(message + 1, &size, 4);
  memcpy(message + 5, body, length);
  cr_assert_eq(send(peer->fd, message, length + 5, MSG_NOSIGNAL), (ssize_t)length + 5);
}

/* XLogData whose body is one letter. */
static void say_data(struct peer *peer, char letter)
{
  char body[26] = {'w'};

  body[25] = letter;
  say(peer, 'd', body, sizeof(body));
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

static void say_error(struct peer *peer, const char *sqlstate, const char *words)
{
  char body[256];
  int length = snprintf(body, sizeof(body), "SERROR%cVERROR%cC%s%cM%s%c%c", 0, 0, sqlstate, 0, words, 0, 0);

  say(peer, 'E', body, (size_t)length);
  say(peer, 'Z', "I", 1);
}

/* Waits for bytes and drops them. */
static void hear(struct peer *peer)
{
  struct pollfd polled = {.fd = peer->fd, .events = POLLIN};
  char bytes[4096];

  cr_assert_eq(poll(&polled, 1, PATIENCE_MS), 1);
  cr_assert_gt(recv(peer->fd, bytes, sizeof(bytes), 0), 0);
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

/* A connection that was judged and let in, and the stream started on it. */
static void peer_start(struct peer *peer)
{
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof(address);
  int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  char url[128];
  struct pg_stream *stream;
  PostgresPollingStatusType polling = PGRES_POLLING_WRITING;
  enum verdict verdict;

  cr_assert_eq(bind(listening, (struct sockaddr *)&address, sizeof(address)), 0);
  cr_assert_eq(listen(listening, 1), 0);
  cr_assert_eq(getsockname(listening, (struct sockaddr *)&address, &length), 0);
  (void)snprintf(url, sizeof(url), "host=127.0.0.1 port=%u user=u dbname=d sslmode=disable gssencmode=disable", (unsigned int)ntohs(address.sin_port));
  peer->config.postgres.publication = "shop_outbox";
  peer->config.postgres.slot = "shop_outbox";
  peer->stream = pg_stream_new(&peer->config);
  stream = (struct pg_stream *)peer->stream;
  stream->connection = PQconnectStart(url);
  peer->fd = accept(listening, NULL, NULL);
  close(listening);
  for (bool is_greeted = false; polling != PGRES_POLLING_OK;) {
    struct pollfd polled = {.fd = PQsocket(stream->connection), .events = polling == PGRES_POLLING_WRITING ? POLLOUT : POLLIN};

    cr_assert_eq(poll(&polled, 1, PATIENCE_MS), 1);
    polling = PQconnectPoll(stream->connection);
    cr_assert_neq(polling, PGRES_POLLING_FAILED, "%s", PQerrorMessage(stream->connection));
    if (polling == PGRES_POLLING_READING && !is_greeted) {
      hear(peer);
      say(peer, 'R', "\0\0\0", 4); /* trusted */
      say(peer, 'S', "server_version\00018.6", 20);
      say(peer, 'K', "\0\0\0\1\0\0\0\1", 8);
      say(peer, 'Z', "I", 1);
      is_greeted = true;
    }
  }
  cr_assert_eq(PQsetnonblocking(stream->connection, 1), 0);
  peer->stream->fd = PQsocket(stream->connection);
  stream->step = STEP_READY;
  verdict = stream_start(peer->stream, 0x1000, &peer->problem);
  hear(peer);
  say(peer, 'W', "\0\0", 3);
  while (verdict == VERDICT_WAIT) {
    struct pollfd polled = {.fd = stream_fd(peer->stream), .events = POLLIN};

    cr_assert_eq(poll(&polled, 1, PATIENCE_MS), 1);
    verdict = stream_start(peer->stream, 0x1000, &peer->problem);
  }
  cr_assert_eq(verdict, VERDICT_OK, "%s", peer->problem.text);
}

static void peer_done(struct peer *peer)
{
  stream_free(peer->stream);
  close(peer->fd);
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
