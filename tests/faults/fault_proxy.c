/*
 * fault_proxy.c - a proxy that does to connections what networks do, when it is told to.
 *
 *   fault_proxy [-s SEED] [-l PORT] kafka|plain HOST:PORT
 *
 * Listens on 127.0.0.1 (on a free port, or on PORT), says `listen=127.0.0.1:PORT` as its first line, passes each connection on to HOST:PORT, and takes commands
 * as lines on its input; each is answered by `ok` or `error: reason`. The end of its input ends it. README.md beside this file has the commands,
 * proxy_rule.h the rules.
 *
 * One thread, one poll, no allocation after a connection's beginning. Connections beyond LINKS_MAX wait in the kernel's queue.
 */
#include "proxy_link.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINKS_MAX = 256, LINE_BYTES_MAX = 4096, WORDS_MAX = 12, BACKLOG = 128, PORT_TRIES_MAX = 20 };

struct proxy {
  bool is_kafka;
  int listener;
  struct sockaddr_in address;
  struct sockaddr_storage server;
  socklen_t server_length;
  bool is_refusing;
  struct link_mode mode;
  struct proxy_rules rules;
  struct lane_counts counts;
  struct proxy_link *links[LINKS_MAX];
  size_t link_count;
  uint64_t accepted;
  char line[LINE_BYTES_MAX];
  size_t line_length;
};

static int64_t now_us(void)
{
  struct timespec now;

  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ------------------------------------------------------------------------------------------------------------------------------------------------------ */
/* Addresses */

/* HOST:PORT, as it stands when it is asked. NULL, or what is wrong. */
static const char *set_server(struct proxy *proxy, const char *text)
{
  char host[256];
  const char *colon = strrchr(text, ':');
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
  struct addrinfo *found;
  size_t length = colon == NULL ? 0 : (size_t)(colon - text);

  if (length == 0 || length >= sizeof(host) || colon[1] == '\0') {
    return "a server is HOST:PORT";
  }
  memcpy(host, text, length);
  host[length] = '\0';
  if (getaddrinfo(host, colon + 1, &hints, &found) != 0) {
    return "the server's name is not known";
  }
  memcpy(&proxy->server, found->ai_addr, found->ai_addrlen);
  proxy->server_length = found->ai_addrlen;
  freeaddrinfo(found);
  return NULL;
}

/* Listens on that port. A socket bound to a port by name keeps it when `refuse` shuts it down; one to which the kernel gave a port would not. */
static bool listen_on(struct proxy *proxy, uint16_t port)
{
  int on = 1;
  int size = LINK_SOCKET_BYTES;

  proxy->address.sin_port = htons(port);
  proxy->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (proxy->listener < 0) {
    return false;
  }
  (void)setsockopt(proxy->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  (void)setsockopt(proxy->listener, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
  (void)setsockopt(proxy->listener, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
  if (bind(proxy->listener, (const struct sockaddr *)&proxy->address, sizeof(proxy->address)) == 0 && listen(proxy->listener, BACKLOG) == 0) {
    return true;
  }
  (void)close(proxy->listener);
  return false;
}

/* A port that is free now, or 0. */
static uint16_t find_port(void)
{
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof(address);
  int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  if (probe >= 0) {
    if (bind(probe, (const struct sockaddr *)&address, sizeof(address)) != 0 || getsockname(probe, (struct sockaddr *)&address, &length) != 0) {
      address.sin_port = 0;
    }
    (void)close(probe);
  }
  return ntohs(address.sin_port);
}

/* Port 0: any that is free. */
static bool start_listening(struct proxy *proxy, uint16_t port)
{
  proxy->address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  for (int tries = 0; port == 0 && tries < PORT_TRIES_MAX; tries++) {
    if (listen_on(proxy, find_port())) {
      return true;
    }
  }
  return port != 0 && listen_on(proxy, port);
}

/* ------------------------------------------------------------------------------------------------------------------------------------------------------ */
/* Commands: NULL, or what is wrong */

/* Takes rules off all that is held; they are still in the table then. */
static void forget(struct proxy *proxy, rule_set forgotten)
{
  for (size_t i = 0; i < proxy->link_count; i++) {
    lane_forget(&proxy->links[i]->request, forgotten);
    lane_forget(&proxy->links[i]->response, forgotten);
  }
}

static const char *command_rule(struct proxy *proxy, char *const *words, size_t count)
{
  struct proxy_rules before = proxy->rules;
  rule_set replaced;
  const char *problem = proxy_rules_set(&proxy->rules, words + 1, count - 1, proxy->is_kafka, &replaced);

  if (problem == NULL && replaced != 0) {
    struct proxy_rules after = proxy->rules;

    proxy->rules = before;
    forget(proxy, replaced);
    proxy->rules = after;
  }
  return problem;
}

static const char *command_clear(struct proxy *proxy, char *const *words, size_t count)
{
  rule_set cleared = proxy_rules_find(&proxy->rules, count > 1 ? words[1] : NULL);

  if (count > 1 && cleared == 0) {
    return "there is no such rule";
  }
  forget(proxy, cleared);
  proxy_rules_clear(&proxy->rules, cleared);
  return NULL;
}

static const char *command_release(struct proxy *proxy, char *const *words, size_t count)
{
  rule_set released = count > 1 ? proxy_rules_find(&proxy->rules, words[1]) : 0;

  if (released == 0 || !proxy_rules_act(&proxy->rules, released, RULE_HOLD)) {
    return "there is no such rule that holds";
  }
  forget(proxy, released);
  return NULL;
}

/* A listening socket that is shut down keeps its port, and the kernel refuses who comes. */
static const char *command_refuse(struct proxy *proxy, char *const *words, size_t count)
{
  (void)words;
  (void)count;
  if (!proxy->is_refusing && shutdown(proxy->listener, SHUT_RD) != 0) {
    return "the listening socket could not be shut down";
  }
  proxy->is_refusing = true;
  return NULL;
}

static const char *command_accept(struct proxy *proxy, char *const *words, size_t count)
{
  (void)words;
  (void)count;
  if (proxy->is_refusing && listen(proxy->listener, BACKLOG) != 0) {
    return "the port could not be listened on again";
  }
  proxy->is_refusing = false;
  return NULL;
}

static const char *command_cut(struct proxy *proxy, char *const *words, size_t count)
{
  (void)words;
  (void)count;
  printf("cut %zu\n", proxy->link_count);
  while (proxy->link_count > 0) {
    link_reset(proxy->links[--proxy->link_count]);
  }
  return NULL;
}

static const char *command_freeze(struct proxy *proxy, char *const *words, size_t count)
{
  bool is_request = count == 1 || strcmp(words[1], "request") == 0;
  bool is_response = count == 1 || strcmp(words[1], "response") == 0;

  if (!is_request && !is_response) {
    return "freeze takes request, response or nothing";
  }
  proxy->mode.request_is_frozen |= is_request;
  proxy->mode.response_is_frozen |= is_response;
  return NULL;
}

static const char *command_thaw(struct proxy *proxy, char *const *words, size_t count)
{
  (void)words;
  (void)count;
  proxy->mode = (struct link_mode){false, false};
  return NULL;
}

static const char *command_target(struct proxy *proxy, char *const *words, size_t count)
{
  return count == 2 ? set_server(proxy, words[1]) : "target takes HOST:PORT";
}

static const char *command_count(struct proxy *proxy, char *const *words, size_t count)
{
  (void)words;
  (void)count;
  for (int api = 0; api <= LANE_APIS; api++) {
    const char *name = api == LANE_APIS ? "unknown" : kafka_api_name(api);

    if (proxy->counts.request[api] == 0 && proxy->counts.response[api] == 0) {
      continue;
    }
    if (!proxy->is_kafka) {
      name = "plain";
    }
    if (name == NULL) {
      printf("frames %d", api);
    } else {
      printf("frames %s", name);
    }
    printf(" request %llu response %llu\n", (unsigned long long)proxy->counts.request[api], (unsigned long long)proxy->counts.response[api]);
  }
  for (size_t i = 0; i < RULES_MAX; i++) {
    const struct proxy_rule *rule = &proxy->rules.rules[i];

    if (rule->is_used) {
      printf("rule %s seen %llu applied %llu\n", rule->name, (unsigned long long)rule->seen, (unsigned long long)rule->applied);
    }
  }
  printf("accepted %llu\nconnections %zu\n", (unsigned long long)proxy->accepted, proxy->link_count);
  return NULL;
}

static const struct command {
  const char *name;
  const char *(*run)(struct proxy *proxy, char *const *words, size_t count);
} commands[] = {
    {"rule", command_rule}, {"clear", command_clear},   {"release", command_release}, {"refuse", command_refuse}, {"accept", command_accept},
    {"cut", command_cut},   {"freeze", command_freeze}, {"thaw", command_thaw},       {"target", command_target}, {"count", command_count},
};

static const char *obey(struct proxy *proxy, char *line)
{
  char *words[WORDS_MAX];
  char *rest = NULL;
  size_t count = 0;

  for (char *word = strtok_r(line, " \t\r", &rest); word != NULL; word = strtok_r(NULL, " \t\r", &rest)) {
    if (count == WORDS_MAX) {
      return "there are too many words";
    }
    words[count++] = word;
  }
  for (size_t i = 0; count > 0 && i < sizeof(commands) / sizeof(commands[0]); i++) {
    if (strcmp(words[0], commands[i].name) == 0) {
      return commands[i].run(proxy, words, count);
    }
  }
  return "no such command";
}

/* False: the input has ended, or said quit. */
static bool read_commands(struct proxy *proxy)
{
  ssize_t length = read(STDIN_FILENO, proxy->line + proxy->line_length, sizeof(proxy->line) - proxy->line_length);
  char *end;

  if (length <= 0) {
    return length < 0 && (errno == EAGAIN || errno == EINTR);
  }
  proxy->line_length += (size_t)length;
  while ((end = memchr(proxy->line, '\n', proxy->line_length)) != NULL) {
    const char *problem;

    *end = '\0';
    if (strcmp(proxy->line, "quit") == 0) {
      return false;
    }
    problem = obey(proxy, proxy->line);
    if (problem == NULL) {
      printf("ok\n");
    } else {
      printf("error: %s\n", problem);
    }
    (void)fflush(stdout);
    proxy->line_length -= (size_t)(end + 1 - proxy->line);
    memmove(proxy->line, end + 1, proxy->line_length);
  }
  return proxy->line_length < sizeof(proxy->line);
}

/* ------------------------------------------------------------------------------------------------------------------------------------------------------ */
/* The loop */

static void accept_one(struct proxy *proxy)
{
  int client = accept4(proxy->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  struct proxy_link *link;

  if (client < 0) {
    return;
  }
  proxy->accepted++;
  link = link_open(client, &proxy->server, proxy->server_length, proxy->is_kafka, &proxy->rules, &proxy->counts);
  if (link != NULL) {
    proxy->links[proxy->link_count++] = link;
  }
}

/* Works on every link, and takes the last one's place for one that is over. `pairs` are in the order of the links. */
static void work(struct proxy *proxy, struct pollfd *pairs, int64_t *ret_wake_us)
{
  *ret_wake_us = INT64_MAX;
  for (size_t i = proxy->link_count; i-- > 0;) {
    struct proxy_link *link = proxy->links[i];
    enum link_state state = link_work(link, &proxy->mode, pairs + 2 * i, now_us(), ret_wake_us);

    if (link->response.is_unpatched) {
      (void)fprintf(stderr, "fault_proxy: an error could not be written into a response, which passed as it was\n");
      link->response.is_unpatched = false;
    }
    if (state == LINK_GOES_ON) {
      continue;
    }
    if (state == LINK_IS_OVER) {
      link_close(link);
    } else {
      if (link->request.is_broken || link->response.is_broken) {
        (void)fprintf(stderr, "fault_proxy: a connection does not speak Kafka's protocol and was reset\n");
      }
      link_reset(link);
    }
    proxy->links[i] = proxy->links[--proxy->link_count];
  }
}

static int timeout_ms(int64_t wake_us)
{
  int64_t wait_us;

  if (wake_us == INT64_MAX) {
    return -1;
  }
  wait_us = wake_us - now_us();
  return wait_us <= 0 ? 0 : wait_us > 60000000 ? 60000 : (int)((wait_us + 999) / 1000);
}

static void run(struct proxy *proxy)
{
  static struct pollfd found[2 + 2 * LINKS_MAX];
  int64_t wake_us = INT64_MAX;

  for (;;) {
    found[0] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
    found[1] = (struct pollfd){.fd = proxy->is_refusing || proxy->link_count == LINKS_MAX ? -1 : proxy->listener, .events = POLLIN};
    for (size_t i = 0; i < proxy->link_count; i++) {
      link_wishes(proxy->links[i], &proxy->mode, found + 2 + 2 * i);
    }
    if (poll(found, (nfds_t)(2 + 2 * proxy->link_count), timeout_ms(wake_us)) < 0 && errno != EINTR) {
      return;
    }
    /* Links first, while the order of what was found is theirs. */
    work(proxy, found + 2, &wake_us);
    if (found[1].revents != 0) {
      accept_one(proxy);
      wake_us = 0;
    }
    if (found[0].revents != 0) {
      if (!read_commands(proxy)) {
        return;
      }
      wake_us = 0;
    }
  }
}

int main(int argc, char **argv)
{
  static struct proxy proxy;
  const char *problem;
  unsigned long seed = 1;
  unsigned long port = 0;
  int option;

  while ((option = getopt(argc, argv, "s:l:")) != -1) {
    if (option == 's') {
      seed = strtoul(optarg, NULL, 10);
    } else if (option == 'l') {
      port = strtoul(optarg, NULL, 10);
    } else {
      optind = argc;
    }
  }
  if (argc - optind != 2 || port > UINT16_MAX || (strcmp(argv[optind], "kafka") != 0 && strcmp(argv[optind], "plain") != 0)) {
    (void)fprintf(stderr, "usage: fault_proxy [-s SEED] [-l PORT] kafka|plain HOST:PORT\n");
    return 2;
  }
  proxy.is_kafka = strcmp(argv[optind], "kafka") == 0;
  proxy_rules_init(&proxy.rules, seed);
  problem = set_server(&proxy, argv[optind + 1]);
  if (problem == NULL && !start_listening(&proxy, (uint16_t)port)) {
    problem = strerror(errno);
  }
  if (problem != NULL) {
    (void)fprintf(stderr, "fault_proxy: %s\n", problem);
    return 1;
  }
  printf("listen=127.0.0.1:%d\n", ntohs(proxy.address.sin_port));
  (void)fflush(stdout);
  run(&proxy);
  while (proxy.link_count > 0) {
    link_reset(proxy.links[--proxy.link_count]);
  }
  (void)close(proxy.listener);
  return 0;
}
