/*
 * http_load.c - clients that send one request again and again, each on a connection of its own that stays open, and wait for each answer: what pgbench is to a database.
 *
 *   http_load [-c CLIENTS] [-t SECONDS] [-n REQUESTS] [-k] ADDRESS PORT PATH BODY
 *
 *   -t, -n   no request is sent later, and no more than so many; those that are under way are waited for
 *   -k       an Idempotency-Key with each request, no two alike
 *
 *   idle --send--> under way --the whole answer--> latency noted, and at once the next
 *
 * One thread, epoll. All memory is there before the first request, so that what is measured is the service: a request costs a send, a wait, a receive and two looks at the
 * clock. An answer other than 201, one without a length, a connection that closes, or silence of ANSWER_TIMEOUT_MS ends the program with exit code 1: figures of a run
 * that went wrong are none.
 *
 * Prints NAME=VALUE lines: requests, duration_us (from the first request to the last answer), cpu_us (of this program), and percentiles of latency.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cpu_time.h"
#include "durations.h"
#include "moment.h"

enum {
  CLIENTS_MAX = 512,
  SECONDS_MAX = 3600,
  REQUESTS_MAX = 4000000,
  REQUEST_MAX_BYTES = 4096,
  ANSWER_MAX_BYTES = 8192,
  KEY_LENGTH = 32,
  ANSWER_TIMEOUT_MS = 10000,
  TURN_MS = 200,
  EVENTS_MAX = 64,
};

struct client {
  int fd;
  bool is_under_way;
  bool is_blocked; /* the rest of the request waits for room at the socket */
  size_t sent_bytes;
  size_t received_bytes;
  int64_t began_us;
  char request[REQUEST_MAX_BYTES];
  char answer[ANSWER_MAX_BYTES + 1]; /* a zero behind what has come */
};

struct load {
  struct sockaddr_in address;
  char request[REQUEST_MAX_BYTES];
  size_t request_bytes;
  size_t key_at;    /* where the Idempotency-Key stands in a request; 0: nowhere */
  uint64_t key_run; /* no two runs have the same keys */
  int epoll_fd;
  size_t client_count;
  size_t limit; /* requests */
  size_t begun_count;
  size_t under_way_count;
  int64_t end_us;
  struct durations latency;
  struct client clients[CLIENTS_MAX];
};

static _Noreturn void fail(const char *doing, const char *why)
{
  (void)fprintf(stderr, "http_load: could not %s: %s\n", doing, why);
  exit(1);
}

/* ------------------------------------------------------------------------------------------------------------------------------------------------------- */
/* The request */

static void write_request(struct load *load, const char *path, const char *body, bool has_key)
{
  static const char key_name[] = "Idempotency-Key: ";
  int length = snprintf(load->request, sizeof(load->request),
                        "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n%s%.*s%s\r\n%s", path, strlen(body),
                        has_key ? key_name : "", has_key ? KEY_LENGTH : 0, "00000000000000000000000000000000", has_key ? "\r\n" : "", body);

  if (length < 0 || (size_t)length >= sizeof(load->request)) {
    fail("write the request", "it is too long");
  }
  load->request_bytes = (size_t)length;
  if (has_key) {
    load->key_at = (size_t)(strstr(load->request, key_name) - load->request) + sizeof(key_name) - 1;
    if (getrandom(&load->key_run, sizeof(load->key_run), 0) != (ssize_t)sizeof(load->key_run)) {
      fail("make a key", strerror(errno));
    }
  }
}

static void write_key(const struct load *load, struct client *client)
{
  char key[KEY_LENGTH + 1];

  (void)snprintf(key, sizeof(key), "%016" PRIx64 "%016" PRIx64, load->key_run, (uint64_t)load->begun_count);
  memcpy(client->request + load->key_at, key, KEY_LENGTH);
}

/* ------------------------------------------------------------------------------------------------------------------------------------------------------- */
/* Clients */

static void watch(const struct load *load, struct client *client, int operation, uint32_t events)
{
  struct epoll_event event = {.events = events, .data.ptr = client};

  if (epoll_ctl(load->epoll_fd, operation, client->fd, &event) != 0) {
    fail("watch a connection", strerror(errno));
  }
}

static void open_client(const struct load *load, struct client *client)
{
  const int on = 1;

  client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (client->fd < 0 || connect(client->fd, (const struct sockaddr *)&load->address, sizeof(load->address)) != 0 ||
      setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 || fcntl(client->fd, F_SETFL, O_NONBLOCK) != 0) {
    fail("connect", strerror(errno));
  }
  memcpy(client->request, load->request, load->request_bytes);
  watch(load, client, EPOLL_CTL_ADD, EPOLLIN);
}

static void send_rest(const struct load *load, struct client *client)
{
  ssize_t sent = send(client->fd, client->request + client->sent_bytes, load->request_bytes - client->sent_bytes, MSG_NOSIGNAL);
  bool is_blocked;

  if (sent < 0 && errno != EAGAIN && errno != EINTR) {
    fail("send a request", strerror(errno));
  }
  client->sent_bytes += sent > 0 ? (size_t)sent : 0;
  is_blocked = client->sent_bytes < load->request_bytes;
  if (is_blocked != client->is_blocked) {
    client->is_blocked = is_blocked;
    watch(load, client, EPOLL_CTL_MOD, is_blocked ? EPOLLIN | EPOLLOUT : EPOLLIN);
  }
}

/* Unless the run is over. */
static void begin_request(struct load *load, struct client *client)
{
  int64_t began_us = moment_now().mono_us;

  if (load->begun_count == load->limit || began_us >= load->end_us) {
    return;
  }
  if (load->key_at != 0) {
    write_key(load, client);
  }
  load->begun_count++;
  load->under_way_count++;
  client->is_under_way = true;
  client->sent_bytes = 0;
  client->received_bytes = 0;
  client->began_us = began_us;
  send_rest(load, client);
}

/* ------------------------------------------------------------------------------------------------------------------------------------------------------- */
/* Answers */

/* The value of Content-Length; -1: there is none. `head` ends with an empty line. */
static int64_t content_length(const char *head)
{
  static const char name[] = "content-length:";

  for (const char *line = strstr(head, "\r\n"); line != NULL && strncmp(line, "\r\n\r\n", 4) != 0; line = strstr(line + 2, "\r\n")) {
    if (strncasecmp(line + 2, name, sizeof(name) - 1) == 0) {
      return strtoll(line + 2 + sizeof(name) - 1, NULL, 10);
    }
  }
  return -1;
}

/* False: there is more to come. Ends the program where it is not the answer that was expected. */
static bool is_whole(struct client *client)
{
  static const char expected[] = "HTTP/1.1 201 ";
  const char *end;
  int64_t length;
  size_t all;

  client->answer[client->received_bytes] = '\0';
  end = strstr(client->answer, "\r\n\r\n");
  if (end == NULL) {
    return false;
  }
  length = content_length(client->answer);
  all = (size_t)(end + 4 - client->answer) + (length > 0 ? (size_t)length : 0);
  if (length < 0 || all > ANSWER_MAX_BYTES || client->received_bytes > all) {
    fail("read an answer", length < 0 ? "it does not say how long it is" : "it is too long");
  }
  if (client->received_bytes < all) {
    return false;
  }
  if (strncmp(client->answer, expected, sizeof(expected) - 1) != 0) {
    fail("get a 201", client->answer);
  }
  return true;
}

static void receive(struct load *load, struct client *client)
{
  ssize_t received = recv(client->fd, client->answer + client->received_bytes, ANSWER_MAX_BYTES - client->received_bytes, 0);

  if (received < 0 && (errno == EAGAIN || errno == EINTR)) {
    return;
  }
  if (received <= 0 || !client->is_under_way) {
    fail("read an answer", received < 0 ? strerror(errno) : received == 0 ? "the connection was closed" : "nothing was asked");
  }
  client->received_bytes += (size_t)received;
  if (is_whole(client)) {
    durations_add(&load->latency, moment_now().mono_us - client->began_us);
    client->is_under_way = false;
    load->under_way_count--;
    begin_request(load, client);
  }
}

static void look_for_silence(const struct load *load)
{
  int64_t latest_us = moment_now().mono_us - (int64_t)ANSWER_TIMEOUT_MS * US_PER_MS;

  for (size_t i = 0; i < load->client_count; i++) {
    if (load->clients[i].is_under_way && load->clients[i].began_us < latest_us) {
      fail("wait any longer", "there was no answer within 10 s");
    }
  }
}

/* ------------------------------------------------------------------------------------------------------------------------------------------------------- */
/* The run */

static void run(struct load *load)
{
  int64_t looked_us = moment_now().mono_us;

  for (size_t i = 0; i < load->client_count; i++) {
    begin_request(load, &load->clients[i]);
  }
  while (load->under_way_count > 0) {
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(load->epoll_fd, events, EVENTS_MAX, TURN_MS);

    if (count < 0 && errno != EINTR) {
      fail("wait for answers", strerror(errno));
    }
    for (int i = 0; i < count; i++) {
      struct client *client = events[i].data.ptr;

      if (client->is_blocked) {
        send_rest(load, client);
      }
      if ((events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0) {
        receive(load, client);
      }
    }
    if (moment_now().mono_us - looked_us >= (int64_t)TURN_MS * US_PER_MS) {
      look_for_silence(load);
      looked_us = moment_now().mono_us;
    }
  }
}

/* From 1 to `most`. */
static size_t number(const char *text, size_t most)
{
  char *end;
  unsigned long value = strtoul(text, &end, 10);

  if (*text < '0' || *text > '9' || *end != '\0' || value < 1 || value > most) {
    (void)fprintf(stderr, "http_load: \"%s\" is no number from 1 to %zu\n", text, most);
    exit(2);
  }
  return value;
}

int main(int argc, char **argv)
{
  static struct load load = {.client_count = 1, .limit = REQUESTS_MAX};
  size_t seconds = 10;
  bool has_key = false;
  int64_t began_us, began_cpu_us, duration_us;
  int option;

  while ((option = getopt(argc, argv, "c:t:n:k")) != -1) {
    switch (option) {
    case 'c':
      load.client_count = number(optarg, CLIENTS_MAX);
      break;
    case 't':
      seconds = number(optarg, SECONDS_MAX);
      break;
    case 'n':
      load.limit = number(optarg, REQUESTS_MAX);
      break;
    case 'k':
      has_key = true;
      break;
    default:
      return 2;
    }
  }
  load.address.sin_family = AF_INET;
  if (argc - optind != 4 || inet_pton(AF_INET, argv[optind], &load.address.sin_addr) != 1) {
    (void)fprintf(stderr, "usage: http_load [-c CLIENTS] [-t SECONDS] [-n REQUESTS] [-k] ADDRESS PORT PATH BODY\n");
    return 2;
  }
  load.address.sin_port = htons((uint16_t)number(argv[optind + 1], UINT16_MAX));
  write_request(&load, argv[optind + 2], argv[optind + 3], has_key);
  load.latency.us = calloc(load.limit, sizeof(load.latency.us[0]));
  load.latency.capacity = load.limit;
  load.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (load.latency.us == NULL || load.epoll_fd < 0) {
    fail("begin", strerror(errno));
  }
  for (size_t i = 0; i < load.client_count; i++) {
    open_client(&load, &load.clients[i]);
  }
  began_us = moment_now().mono_us;
  began_cpu_us = cpu_time_us();
  load.end_us = began_us + (int64_t)seconds * US_PER_S;
  run(&load);
  duration_us = moment_now().mono_us - began_us;
  printf("requests=%zu\nduration_us=%" PRId64 "\ncpu_us=%" PRId64 "\n", load.latency.count, duration_us, cpu_time_us() - began_cpu_us);
  durations_print(&load.latency, "latency");
  durations_done(&load.latency);
  return 0;
}
