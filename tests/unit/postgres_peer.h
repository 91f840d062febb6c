/*
 * postgres_peer.h - a peer that speaks as much of PostgreSQL's protocol as the slot monitor needs, in the same thread as the monitor; time is an argument, so no
 * test waits for it.
 */
#ifndef TESTS_POSTGRES_PEER_H
#define TESTS_POSTGRES_PEER_H

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ops/slot_monitor.h"
#include "postgres_message.h"
#include "slot_rows.h"

/* What has to come is waited for so often, about a minute in all: the machine may be busy with others. */
enum { ROUNDS_MAX = 5000 };

/* The peer and the monitor that talks to it. */
struct peer {
  int listen_fd;
  int fd; /* -1: nobody is connected */
  size_t accepted;
  size_t questions; /* that came in since the last reset by a test */
  char last[8192];  /* text of the last one */
  unsigned int port;
  char url[192];
  struct config config;
  struct slot_monitor *monitor;
  struct moment now;
  struct slot_figures figures;
  struct problem problem;
};

static void peer_init(struct peer *peer)
{
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof(address);

  memset(peer, 0, sizeof(*peer));
  peer->fd = -1;
  peer->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  cr_assert_eq(bind(peer->listen_fd, (struct sockaddr *)&address, sizeof(address)), 0);
  cr_assert_eq(listen(peer->listen_fd, 8), 0);
  cr_assert_eq(getsockname(peer->listen_fd, (struct sockaddr *)&address, &length), 0);
  peer->port = ntohs(address.sin_port);
  (void)snprintf(peer->url, sizeof(peer->url), "host=127.0.0.1 port=%u user=u dbname=d sslmode=disable gssencmode=disable", peer->port);
  peer->config = plain;
  peer->config.postgres.url = peer->url;
  peer->monitor = slot_monitor_new(&peer->config);
  slot_monitor_ask_now(peer->monitor);
  peer->now.mono_us = INT64_C(1000) * US_PER_S;
}

static void peer_hang_up(struct peer *peer)
{
  if (peer->fd >= 0) {
    close(peer->fd);
    peer->fd = -1;
  }
}

static void peer_done(struct peer *peer)
{
  slot_monitor_free(peer->monitor);
  peer_hang_up(peer);
  if (peer->listen_fd >= 0) {
    close(peer->listen_fd);
  }
}

static void say(struct peer *peer, char type, const void *body, size_t length)
{
  postgres_say(peer->fd, type, body, length);
}

static void say_ready(struct peer *peer)
{
  say(peer, 'Z', "I", 1);
}

static void say_error(struct peer *peer, const char *severity, const char *sqlstate, const char *words)
{
  char body[256];
  int length = snprintf(body, sizeof(body), "S%s%cV%s%cC%s%cM%s%c%c", severity, 0, severity, 0, sqlstate, 0, words, 0, 0);

  say(peer, 'E', body, (size_t)length);
}

static void say_rows(struct peer *peer, const struct rows *rows)
{
  char body[2048];
  char *at = body;

  *at++ = 0;
  *at++ = COLUMNS;
  for (int i = 0; i < COLUMNS; i++) {
    at = stpcpy(at, column_names[i]) + 1;
    memset(at, 0, 18); /* no table, type 0, text */
    at += 18;
  }
  say(peer, 'T', body, (size_t)(at - body));
  for (size_t row = 0; row < rows->count; row++) {
    at = body;
    *at++ = 0;
    *at++ = COLUMNS;
    for (int i = 0; i < COLUMNS; i++) {
      const char *cell = rows->cells[row][i];
      bool is_null = strcmp(cell, "-") == 0;
      uint32_t size = htonl(is_null ? UINT32_MAX : (uint32_t)strlen(cell));

      memcpy(at, &size, 4);
      at += 4;
      if (!is_null) {
        memcpy(at, cell, strlen(cell));
        at += strlen(cell);
      }
    }
    say(peer, 'D', body, (size_t)(at - body));
  }
  say(peer, 'C', "SELECT 1", 9);
  say_ready(peer);
}

static void greet(struct peer *peer)
{
  say(peer, 'R', "\0\0\0", 4); /* trusted */
  say(peer, 'S', "server_version\00015.20", 21);
  say(peer, 'S', "client_encoding\000UTF8", 21);
  say(peer, 'S', "standard_conforming_strings\000on", 31);
  say(peer, 'K', "\0\0\0\1\0\0\0\1", 8);
  say_ready(peer);
}

static void approve_settings(struct peer *peer)
{
  say(peer, 'C', "SET", 4);
  say(peer, 'C', "SET", 4);
  say_ready(peer);
}

/* Takes in a new connection, or what the monitor says on the old one. True when it was something. `silent`: do not greet. */
static bool peer_listen(struct peer *peer, bool silent)
{
  char bytes[8192];
  ssize_t length;
  int fd = accept4(peer->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

  if (fd >= 0) {
    cr_assert_eq(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)), 0); /* each message goes out at once */
    peer_hang_up(peer);
    peer->fd = fd;
    peer->accepted++;
    return true;
  }
  length = peer->fd >= 0 ? recv(peer->fd, bytes, sizeof(bytes) - 1, 0) : -1;
  if (length <= 0) {
    return false;
  }
  bytes[length] = '\0';
  if (bytes[0] == 'Q') {
    peer->questions++;
    (void)snprintf(peer->last, sizeof(peer->last), "%s", bytes + 5);
  } else if (bytes[0] == 0 && !silent) { /* the startup message has no type */
    greet(peer);
  }
  return true;
}

/* Lets both sides go on, without any time passing, until the monitor has an event or both have nothing more to do. */
static enum slot_monitor_event converse_as(struct peer *peer, bool silent)
{
  int idle = 0;

  while (idle < 5) {
    struct pollfd polled = {.fd = slot_monitor_fd(peer->monitor), .events = slot_monitor_events(peer->monitor)};
    enum slot_monitor_event event = slot_monitor_step(peer->monitor, peer->now, &peer->figures, &peer->problem);

    if (event != SLOT_MONITOR_NOTHING) {
      return event;
    }
    idle = peer_listen(peer, silent) ? 0 : idle + 1;
    (void)poll(&polled, 1, 2); /* the kernel hands bytes over the loopback in its own time */
  }
  return SLOT_MONITOR_NOTHING;
}

static enum slot_monitor_event converse(struct peer *peer)
{
  return converse_as(peer, false);
}

static void expect(struct peer *peer, enum slot_monitor_event wanted)
{
  enum slot_monitor_event event = converse(peer);

  for (int round = 0; event == SLOT_MONITOR_NOTHING && wanted != SLOT_MONITOR_NOTHING && round < ROUNDS_MAX; round++) {
    event = converse(peer);
  }
  cr_assert_eq(event, wanted, "event %d, not %d: %s", (int)event, (int)wanted, peer->problem.text);
}

/* Until one of the peer's counts is so high, and no higher. `silent`: do not greet. */
static void until_count(struct peer *peer, const size_t *count, size_t wanted, bool silent)
{
  for (int round = 0; round == 0 || (*count < wanted && round < ROUNDS_MAX); round++) {
    enum slot_monitor_event event = converse_as(peer, silent);

    cr_assert_eq(event, SLOT_MONITOR_NOTHING, "event %d: %s", (int)event, peer->problem.text);
  }
  cr_assert_eq(*count, wanted);
}

/* Connected, settings made, the first question asked. */
static void until_asked(struct peer *peer)
{
  peer->questions = 0;
  until_count(peer, &peer->questions, 1, false);
  cr_assert_eq(strncmp(peer->last, "SET ", 4), 0, "first said: %s", peer->last);
  approve_settings(peer);
  until_count(peer, &peer->questions, 2, false);
  cr_assert_not_null(strstr(peer->last, "pg_replication_slots"), "then said: %s", peer->last);
  peer->questions = 0;
}

static void until_idle(struct peer *peer)
{
  until_asked(peer);
  say_rows(peer, &usual);
  expect(peer, SLOT_MONITOR_FIGURES);
  expect(peer, SLOT_MONITOR_NOTHING);
  cr_assert_eq(peer->questions, 0);
}

#endif
