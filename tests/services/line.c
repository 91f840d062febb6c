/*
 * line.c - passes bytes between a client and a server on the loopback interface.
 *
 *   program --> listening socket, one connection --> 127.0.0.1:server port
 *
 * The thread waits with poll() and looks every few milliseconds whether it is to end.
 */
#include "line.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LOOK_MS = 20 };

struct line {
  pthread_t thread;
  int listener;
  uint16_t port;
  uint16_t server_port;
  atomic_bool is_ending;
  atomic_uint trips;
  atomic_int fault; /* enum line_fault; set behind the word */
  const char *_Atomic word;
  int client;
  int server;
  bool is_servers_turn; /* the client has spoken since the server did */
  bool is_silent;
  char chunk[LINE_CHUNK_BYTES];
};

static struct sockaddr_in loopback(uint16_t port)
{
  return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void close_both(struct line *line)
{
  struct linger abort_it = {.l_onoff = 1};

  if (line->client >= 0) {
    /* As a line breaks: no orderly end. */
    (void)setsockopt(line->client, SOL_SOCKET, SO_LINGER, &abort_it, sizeof(abort_it));
    (void)close(line->client);
  }
  if (line->server >= 0) {
    (void)close(line->server);
  }
  line->client = -1;
  line->server = -1;
  line->is_servers_turn = false;
  line->is_silent = false;
}

static bool write_all(int fd, const char *bytes, size_t length)
{
  while (length > 0) {
    ssize_t written = send(fd, bytes, length, MSG_NOSIGNAL);

    if (written <= 0) {
      return false;
    }
    bytes += written;
    length -= (size_t)written;
  }
  return true;
}

static void accept_client(struct line *line)
{
  struct sockaddr_in address = loopback(line->server_port);

  line->client = accept(line->listener, NULL, NULL);
  if (line->client < 0) {
    return;
  }
  line->server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (line->server < 0 || connect(line->server, (struct sockaddr *)&address, sizeof(address)) != 0) {
    close_both(line);
  }
}

static void pass_to_server(struct line *line)
{
  ssize_t length = recv(line->client, line->chunk, sizeof(line->chunk), 0);
  const char *word = atomic_load(&line->word);
  char *found;
  enum line_fault fault = LINE_WHOLE;

  if (length <= 0) {
    close_both(line);
    return;
  }
  if (!line->is_servers_turn) {
    line->is_servers_turn = true;
    (void)atomic_fetch_add(&line->trips, 1);
  }
  found = word != NULL ? memmem(line->chunk, (size_t)length, word, strlen(word)) : NULL;
  if (found != NULL) {
    fault = (enum line_fault)atomic_load(&line->fault);
    atomic_store(&line->word, NULL);
  }
  switch (fault) {
  case LINE_CUT_BEFORE:
    close_both(line);
    return;
  case LINE_SILENT:
    line->is_silent = true;
    return;
  case LINE_SWAP:
    memset(found, ' ', strlen(word));
    memcpy(found, "ABORT", strlen("ABORT"));
    break;
  case LINE_CUT_BEHIND:
    if (write_all(line->server, line->chunk, (size_t)length)) {
      (void)recv(line->server, line->chunk, sizeof(line->chunk), 0);
    }
    close_both(line);
    return;
  case LINE_WHOLE:
    break;
  }
  if (!line->is_silent && !write_all(line->server, line->chunk, (size_t)length)) {
    close_both(line);
  }
}

static void pass_to_client(struct line *line)
{
  ssize_t length = recv(line->server, line->chunk, sizeof(line->chunk), 0);

  line->is_servers_turn = false;
  if (length <= 0 || !write_all(line->client, line->chunk, (size_t)length)) {
    close_both(line);
  }
}

static void *carry(void *argument)
{
  struct line *line = argument;

  while (!atomic_load(&line->is_ending)) {
    struct pollfd fds[3] = {{line->client < 0 ? line->listener : -1, POLLIN, 0}, {line->client, POLLIN, 0}, {line->server, POLLIN, 0}};

    if (poll(fds, 3, LOOK_MS) <= 0) {
      continue;
    }
    if (fds[0].revents != 0) {
      accept_client(line);
      continue;
    }
    if (fds[2].revents != 0) {
      pass_to_client(line);
      continue;
    }
    if (fds[1].revents != 0) {
      pass_to_server(line);
    }
  }
  close_both(line);
  return NULL;
}

struct line *line_new(uint16_t server_port)
{
  struct line *line = calloc(1, sizeof(*line));
  struct sockaddr_in address = loopback(0);
  socklen_t size = sizeof(address);

  if (line == NULL) {
    abort();
  }
  line->client = -1;
  line->server = -1;
  line->server_port = server_port;
  line->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (line->listener < 0 || bind(line->listener, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(line->listener, 8) != 0 ||
      getsockname(line->listener, (struct sockaddr *)&address, &size) != 0 || pthread_create(&line->thread, NULL, carry, line) != 0) {
    abort();
  }
  line->port = ntohs(address.sin_port);
  return line;
}

void line_free(struct line *line)
{
  atomic_store(&line->is_ending, true);
  (void)pthread_join(line->thread, NULL);
  (void)close(line->listener);
  free(line);
}

uint16_t line_port(const struct line *line)
{
  return line->port;
}

unsigned line_trips(struct line *line)
{
  return atomic_exchange(&line->trips, 0);
}

void line_break_at(struct line *line, const char *word, enum line_fault fault)
{
  atomic_store(&line->fault, (int)fault);
  atomic_store(&line->word, word);
}
