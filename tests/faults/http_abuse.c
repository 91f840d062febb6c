/*
 * http_abuse.c - clients that an HTTP server would rather not have, many at once, in one thread.
 *
 *   http_abuse KIND PORT [--connections N] [--sources N] [--seconds N] [--seed N]
 *
 * A request is made of four parts, none of which has to be HTTP:   prefix, filler x times, suffix
 * A kind is a list of requests, and manners: how many bytes at a time, how long between, whether the answer is read. A connection that the server ends is
 * opened again with the next request of the list, until the time is over; lists of "once" end when each has been tried.
 *
 * --sources spreads the connections over so many addresses of the loopback net (127.0.0.2 and on). The one line of output counts what came back:
 *
 *   {"kind":"methods","opened":9,"refused":0,"silent":1,"sent_bytes":640,"statuses":{"405":7,"400":1}}
 *
 * "opened" are connections that were established, and "silent" those that ended without any status line. What that means is for the caller to judge.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS_MAX = 1000, PIECE_MAX = 4096, GARBAGE_BYTES = 65536, STATUS_MAX = 1000 };
#define US_PER_S INT64_C(1000000)
#define LINE     " HTTP/1.1\r\nHost: localhost\r\n"
#define END      "Connection: close\r\n\r\n"

struct request {
  const char *prefix;
  const char *filler; /* NULL: garbage */
  size_t filler_count;
  const char *suffix;
};

struct kind {
  const char *name;
  const struct request *requests; /* ends with a NULL prefix */
  size_t piece_bytes;             /* at most so many at a time */
  int64_t pause_us;               /* between two pieces */
  bool reads;
  bool once;
  bool resets; /* as soon as connected */
};

static const struct request slow[] = {{"GET /metrics" LINE "X-Slow: ", "a", 1000000, "\r\n\r\n"}, {0}};
static const struct request half[] = {{"GET /metrics HT", "", 0, NULL}, {"", "", 0, NULL}, {"GET /livez" LINE, "", 0, NULL}, {0}};
static const struct request headers[] = {{"GET /metrics" LINE "X-Large: ", "a", 10000000, "\r\n\r\n"},
                                         {"GET /metrics" LINE, "X-Many: of us\r\n", 700000, "\r\n"},
                                         {"GET /", "a", 10000000, LINE END},
                                         {"GET /metrics" LINE "Content-Length: 10000000\r\n\r\n", "a", 10000000, ""},
                                         {0}};
static const struct request methods[] = {{"POST /metrics" LINE END, "", 0, ""},  {"PUT /livez" LINE END, "", 0, ""},     {"DELETE /status" LINE END, "", 0, ""},
                                         {"PATCH /readyz" LINE END, "", 0, ""},  {"OPTIONS /livez" LINE END, "", 0, ""}, {"TRACE /livez" LINE END, "", 0, ""},
                                         {"CONNECT /livez" LINE END, "", 0, ""}, {"BREW /livez" LINE END, "", 0, ""},    {"get /livez" LINE END, "", 0, ""},
                                         {"G\tET /livez" LINE END, "", 0, ""},   {"", "M", 5000, " /livez" LINE END},    {0}};
static const struct request paths[] = {{"GET /../../etc/passwd" LINE END, "", 0, ""},    {"GET /..%2f..%2fetc/passwd" LINE END, "", 0, ""},
                                       {"GET /livez/../metrics" LINE END, "", 0, ""},    {"GET //metrics" LINE END, "", 0, ""},
                                       {"GET /metrics%00" LINE END, "", 0, ""},          {"GET /%6detrics" LINE END, "", 0, ""},
                                       {"GET http://other/metrics" LINE END, "", 0, ""}, {"GET /metrics/ HTTP/1.1\r\nHost: \r\n" END, "", 0, ""},
                                       {"GET /", "../", 1000, "metrics" LINE END},       {0}};
static const struct request pipeline[] = {{"", "GET /metrics" LINE "\r\n", 500, "GET /livez" LINE END}, {0}};
static const struct request garbage[] = {{"", NULL, 1, "\r\n\r\n"}, {"GET /", NULL, 1, LINE END}, {"\x16\x03\x01\x02", NULL, 1, "\r\n\r\n"}, {0}};
static const struct request nothing[] = {{"", "", 0, NULL}, {0}};

static const struct kind kinds[] = {
    {.name = "slowloris", .requests = slow, .piece_bytes = 1, .pause_us = US_PER_S / 2, .reads = true},
    {.name = "half", .requests = half, .piece_bytes = PIECE_MAX, .reads = true},
    {.name = "headers", .requests = headers, .piece_bytes = PIECE_MAX, .reads = true, .once = true},
    {.name = "methods", .requests = methods, .piece_bytes = PIECE_MAX, .reads = true, .once = true},
    {.name = "paths", .requests = paths, .piece_bytes = PIECE_MAX, .reads = true, .once = true},
    {.name = "pipeline", .requests = pipeline, .piece_bytes = PIECE_MAX, .reads = true, .once = true},
    {.name = "deaf", .requests = pipeline, .piece_bytes = PIECE_MAX},
    {.name = "garbage", .requests = garbage, .piece_bytes = 700, .reads = true},
    {.name = "resets", .requests = nothing, .piece_bytes = 1, .resets = true},
};

struct client {
  int fd;       /* -1: none */
  bool is_open; /* established */
  const struct request *request;
  size_t at; /* bytes of the request that were sent */
  int64_t due_us;
  char tail[16]; /* the newest bytes of the answer, since a status line may come in two pieces */
  size_t tail_length;
  size_t statuses;
};

static struct {
  const struct kind *kind;
  uint16_t port;
  size_t connections;
  unsigned int sources;
  size_t next;
  unsigned long opened;
  unsigned long refused;
  unsigned long silent;
  unsigned long long sent_bytes;
  unsigned long statuses[STATUS_MAX];
  struct client clients[CLIENTS_MAX];
} all;

static char garbage_bytes[GARBAGE_BYTES + 1];

static int64_t now_us(void)
{
  struct timespec now;

  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * US_PER_S + now.tv_nsec / 1000;
}

static const char *filler_of(const struct request *request)
{
  return request->filler != NULL ? request->filler : garbage_bytes;
}

/* Bytes of the request from `at` on, at most `capacity`; 0 when it is complete. */
static size_t request_bytes(const struct request *request, size_t at, char *into, size_t capacity)
{
  size_t prefix = strlen(request->prefix);
  size_t unit = request->filler != NULL ? strlen(request->filler) : GARBAGE_BYTES;
  size_t filled = prefix + unit * request->filler_count;
  size_t end = filled + (request->suffix != NULL ? strlen(request->suffix) : 0);
  size_t count = 0;

  for (; count < capacity && at < end; count++, at++) {
    into[count] = at < prefix ? request->prefix[at] : at < filled ? filler_of(request)[(at - prefix) % unit] : request->suffix[at - filled];
  }
  return count;
}

static void client_close(struct client *client)
{
  (void)close(client->fd);
  client->fd = -1;
  all.silent += client->is_open && client->statuses == 0;
}

/* Returns false when the list of requests is at its end. */
static bool client_open(struct client *client)
{
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(all.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct sockaddr_in from = {.sin_family = AF_INET};
  const struct request *request = &all.kind->requests[all.next];

  if (request->prefix == NULL) {
    if (all.kind->once) {
      return false;
    }
    all.next = 0;
    request = &all.kind->requests[0];
  }
  *client = (struct client){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), .request = request, .due_us = now_us()};
  from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (uint32_t)((size_t)(client - all.clients) % all.sources));
  if (client->fd < 0 || bind(client->fd, (struct sockaddr *)&from, sizeof(from)) != 0) {
    perror("http_abuse: socket");
    exit(2);
  }
  if (connect(client->fd, (struct sockaddr *)&to, sizeof(to)) != 0 && errno != EINPROGRESS) {
    all.refused++;
    (void)close(client->fd);
    client->fd = -1;
    return true;
  }
  all.next++;
  return true;
}

/* Writable for the first time, or with an error in its place. Returns whether it is established. */
static bool client_is_established(struct client *client)
{
  int error = 0;
  socklen_t length = sizeof(error);

  if (!client->is_open && getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == 0) {
    client->is_open = true;
    all.opened++;
  }
  return client->is_open;
}

static bool client_wants_to_send(const struct client *client)
{
  char byte;

  return all.kind->resets || request_bytes(client->request, client->at, &byte, 1) != 0;
}

static void client_send(struct client *client)
{
  char piece[PIECE_MAX];
  size_t length = request_bytes(client->request, client->at, piece, all.kind->piece_bytes);
  ssize_t sent;

  if (all.kind->resets) {
    (void)setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
    client_close(client);
    return;
  }
  sent = send(client->fd, piece, length, MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN && errno != EINTR) {
    if (all.kind->reads) {
      client->at = SIZE_MAX; /* the answer may still be there to be read */
    } else {
      client_close(client);
    }
    return;
  }
  client->at += sent > 0 ? (size_t)sent : 0;
  all.sent_bytes += sent > 0 ? (size_t)sent : 0;
  client->due_us = now_us() + all.kind->pause_us;
}

static void client_count_statuses(struct client *client, const char *bytes, size_t length)
{
  static const char line[] = "HTTP/1.1 ";
  enum { WANTED = sizeof(line) - 1 + 3 };

  for (size_t i = 0; i < length; i++) {
    if (client->tail_length == WANTED) {
      memmove(client->tail, client->tail + 1, WANTED - 1);
      client->tail_length--;
    }
    client->tail[client->tail_length++] = bytes[i];
    if (client->tail_length == WANTED && memcmp(client->tail, line, sizeof(line) - 1) == 0) {
      char digits[4] = {client->tail[WANTED - 3], client->tail[WANTED - 2], client->tail[WANTED - 1], 0};
      unsigned long status = strtoul(digits, NULL, 10);

      all.statuses[status < STATUS_MAX ? status : 0]++;
      client->statuses++;
    }
  }
}

static void client_receive(struct client *client)
{
  char bytes[65536];
  ssize_t received = recv(client->fd, bytes, sizeof(bytes), 0);

  if (received > 0) {
    client_count_statuses(client, bytes, (size_t)received);
  } else if (received == 0 || (errno != EAGAIN && errno != EINTR)) {
    client_close(client);
  }
}

/* Returns the number of connections that are open. */
static size_t turn(int64_t end_us)
{
  struct pollfd polled[CLIENTS_MAX];
  int64_t now = now_us();
  int64_t due_us = now + US_PER_S / 5;
  size_t open = 0;

  for (size_t i = 0; i < all.connections; i++) {
    struct client *client = &all.clients[i];
    bool sends;

    if (client->fd < 0 && now < end_us) {
      (void)client_open(client);
    }
    sends = client->fd >= 0 && client->at != SIZE_MAX && client_wants_to_send(client);
    polled[i] = (struct pollfd){.fd = client->fd, .events = all.kind->reads ? POLLIN : 0};
    if ((sends && client->due_us <= now) || (client->fd >= 0 && !client->is_open)) {
      polled[i].events |= POLLOUT;
    } else if (sends && client->due_us < due_us) {
      due_us = client->due_us;
    }
    open += client->fd >= 0;
  }
  if (open == 0 && now < end_us && !all.kind->once) {
    (void)poll(NULL, 0, 10); /* refused: not in a busy loop */
    return 1;
  }
  if (open == 0 || poll(polled, all.connections, (int)((due_us - now) / 1000 + 1)) < 0) {
    return open;
  }
  for (size_t i = 0; i < all.connections; i++) {
    struct client *client = &all.clients[i];

    if (client->fd >= 0 && (polled[i].revents & POLLOUT) != 0) {
      if (!client_is_established(client)) {
        all.refused++;
        client_close(client);
      } else if (client->at != SIZE_MAX && client_wants_to_send(client)) {
        client_send(client);
      }
    }
    if (client->fd >= 0 && (polled[i].revents & POLLIN) != 0) {
      client_receive(client);
    } else if (client->fd >= 0 && (polled[i].revents & (POLLERR | POLLHUP)) != 0) {
      client_close(client);
    }
  }
  return open;
}

static void report(void)
{
  const char *comma = "";

  printf("{\"kind\":\"%s\",\"opened\":%lu,\"refused\":%lu,\"silent\":%lu,\"sent_bytes\":%llu,\"statuses\":{", all.kind->name, all.opened, all.refused,
         all.silent, all.sent_bytes);
  for (size_t status = 0; status < STATUS_MAX; status++) {
    if (all.statuses[status] != 0) {
      printf("%s\"%zu\":%lu", comma, status, all.statuses[status]);
      comma = ",";
    }
  }
  printf("}}\n");
}

static int usage(void)
{
  (void)fprintf(stderr, "usage: http_abuse KIND PORT [--connections N] [--sources N] [--seconds N] [--seed N]\nkinds:");
  for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
    (void)fprintf(stderr, " %s", kinds[i].name);
  }
  (void)fputc('\n', stderr);
  return 2;
}

int main(int argc, char **argv)
{
  unsigned long seconds = 10;
  unsigned long seed = 1;
  int64_t end_us;

  all.connections = 1;
  all.sources = 1;
  for (size_t i = 0; argc >= 3 && i < sizeof(kinds) / sizeof(*kinds); i++) {
    if (strcmp(argv[1], kinds[i].name) == 0) {
      all.kind = &kinds[i];
    }
  }
  if (all.kind == NULL || argc % 2 == 0) {
    return usage();
  }
  all.port = (uint16_t)strtoul(argv[2], NULL, 10);
  for (int i = 3; i < argc; i += 2) {
    unsigned long value = strtoul(argv[i + 1], NULL, 10);

    if (strcmp(argv[i], "--connections") == 0 && value >= 1 && value <= CLIENTS_MAX) {
      all.connections = value;
    } else if (strcmp(argv[i], "--sources") == 0 && value >= 1 && value <= 250) {
      all.sources = (unsigned int)value;
    } else if (strcmp(argv[i], "--seconds") == 0) {
      seconds = value;
    } else if (strcmp(argv[i], "--seed") == 0) {
      seed = value;
    } else {
      return usage();
    }
  }
  for (size_t i = 0; i < GARBAGE_BYTES; i++) {
    seed = seed * 6364136223846793005UL + 1442695040888963407UL;
    garbage_bytes[i] = (char)(seed >> 56);
  }
  for (size_t i = 0; i < all.connections; i++) {
    all.clients[i].fd = -1;
  }
  end_us = now_us() + (int64_t)seconds * US_PER_S;
  /* Lists of "once" end by themselves, since the server ends each connection in time; the others when the time is over. */
  while (turn(end_us) != 0 && (now_us() < end_us || (all.kind->once && now_us() < end_us + 30 * US_PER_S))) {
  }
  report();
  return 0;
}
