/*
 * service.c - the program around the routes: arguments, settings, signals, the end.
 *
 *   main thread   signals, connections, requests, pages (server.h)
 *   HTTP_WORKERS  handlers (workers.h)
 *   one more      asks the database when somebody asks for /readyz (readiness.h)
 *   sweeper       removes stored answers that are old; only with a table for them
 *
 * SIGTERM: nobody else may connect; who had before, be it only in the kernel's queue, is let in as soon as there is room. A request whose head
 * is there is waited for, and answered, if its body comes within HTTP_DRAIN_ARRIVAL_MS; a head has as long, but no silence of HTTP_DRAIN_SILENCE_MS in it. Each
 * connection is closed behind its answer, or when nothing comes (crowd.h). All of it within HTTP_DRAIN_TIMEOUT_MS: a handler
 * that takes longer is left behind with its transaction, which the server rolls back unless COMMIT was out already: its client has no answer, as when a line
 * breaks, and neither has who could not be let in for it.
 */
#include "service.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "listener.h"
#include "memory_guard.h"
#include "moment.h"
#include "pages.h"
#include "route_table.h"
#include "server.h"
#include "site.h"
#include "sweeper.h"

enum { FILES_MAX = 4096, TURN_MAX_MS = 1000, DRAIN_TURN_MAX_MS = 20, STATUS_SECOND_SIGNAL = EXIT_UNEXPECTED };

struct settings {
  const char *database_url;
  struct address listen;
  int64_t workers;
  int64_t idempotency_ttl_s;
  int log_level;
  int log_format;
};

enum { OWN_VARIABLES_MAX = 8 };

_Static_assert(HTTP_WORKERS_DEFAULT == 8, "the table below says it in words");

static void list_variables(const struct http_service *service, struct settings *settings, struct variable ret_table[OWN_VARIABLES_MAX])
{
  struct variable *next = ret_table;

  memset(ret_table, 0, OWN_VARIABLES_MAX * sizeof(*ret_table));
  *next++ = (struct variable){.name = "DATABASE_URL", .kind = VARIABLE_POSTGRES, .target = &settings->database_url, .help = "the database to write to"};
  *next++ = (struct variable){.name = "HTTP_LISTEN",
                              .kind = VARIABLE_ADDRESS,
                              .target = &settings->listen,
                              .fallback = service->listen,
                              .help = "where clients find the service; port 0: one that is free"};
  *next++ = (struct variable){.name = "HTTP_WORKERS",
                              .kind = VARIABLE_NUMBER,
                              .target = &settings->workers,
                              .fallback = "8",
                              .help = "threads that answer requests, each with a database connection",
                              .least = 1,
                              .most = HTTP_WORKERS_MAX};
  if (service->answers_table != NULL) {
    *next++ = (struct variable){.name = "IDEMPOTENCY_TTL_S",
                                .kind = VARIABLE_NUMBER,
                                .target = &settings->idempotency_ttl_s,
                                .fallback = "86400",
                                .help = "how long the answer to an Idempotency-Key is kept",
                                .least = 1,
                                .most = 31536000};
  }
  *next++ = (struct variable){.name = "LOG_LEVEL",
                              .kind = VARIABLE_CHOICE,
                              .target = &settings->log_level,
                              .fallback = "info",
                              .help = "lines below are dropped",
                              .choices = log_level_words};
  *next++ = (struct variable){.name = "LOG_FORMAT",
                              .kind = VARIABLE_CHOICE,
                              .target = &settings->log_format,
                              .fallback = "json",
                              .help = "how a line is written",
                              .choices = log_format_words};
}

static void print_help(const struct http_service *service, const struct variable *variables)
{
  printf("usage: %s [--help | --print-config]\n\n%s\n\nroutes:\n", service->name, service->summary);
  for (const struct http_route *route = service->routes; route->path != NULL; route++) {
    printf("  %-6s %s\n", route->method, route->path);
  }
  for (const struct http_route *route = pages; route->path != NULL; route++) {
    printf("  %-6s %s\n", route->method, route->path);
  }
  printf("\nenvironment:\n");
  variables_print_help(variables, stdout);
  if (service->variables != NULL) {
    variables_print_help(service->variables, stdout);
  }
  printf("\nexit codes: 0 ended as asked, 1 unexpected, 2 usage, settings or an address that is taken\n");
}

static void print_config(const struct http_service *service, const struct variable *variables)
{
  variables_print(variables, stdout);
  if (service->variables != NULL) {
    variables_print(service->variables, stdout);
  }
}

/* The usual limit of 1024 is less than all connections take. */
static void allow_files(void)
{
  struct rlimit limit;

  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < FILES_MAX) {
    limit.rlim_cur = limit.rlim_max < FILES_MAX ? limit.rlim_max : FILES_MAX;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
  }
}

/* For all threads that come: signals are read where the main one waits for everything else. */
static int open_signals(void)
{
  sigset_t signals;

  (void)sigemptyset(&signals);
  (void)sigaddset(&signals, SIGTERM);
  (void)sigaddset(&signals, SIGINT);
  (void)sigprocmask(SIG_BLOCK, &signals, NULL);
  (void)signal(SIGPIPE, SIG_IGN);
  return signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
}

/* The signal that came, or 0. */
static int take_signal(int signal_fd)
{
  struct signalfd_siginfo info;

  return read(signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info) ? (int)info.ssi_signo : 0;
}

static void serve(struct site *site, struct server *server, int signal_fd)
{
  int signal_number = 0;

  while (signal_number == 0) {
    if (server_turn(server, signal_fd, TURN_MAX_MS)) {
      signal_number = take_signal(signal_fd);
    }
  }
  log_event(&site->log, LOG_INFO, "http_stopping", log_text("signal", signal_number == SIGTERM ? "SIGTERM" : "SIGINT"),
            log_int("in_hand", (int64_t)site->in_hand));
}

/* False: some did not end in time. */
static bool drain(struct site *site, struct server *server, int signal_fd)
{
  int64_t until_us = moment_now().mono_us + (int64_t)HTTP_DRAIN_TIMEOUT_MS * US_PER_MS;

  server_drain(server);
  while (!server_is_idle(server)) {
    if (moment_now().mono_us >= until_us) {
      return false;
    }
    if (server_turn(server, signal_fd, DRAIN_TURN_MAX_MS) && take_signal(signal_fd) != 0) {
      log_event(&site->log, LOG_WARN, "http_stopped", log_bool("drained", false), log_text("reason", "a second signal"));
      _exit(STATUS_SECOND_SIGNAL);
    }
  }
  return true;
}

/* Serves until a signal says stop. */
static int run(struct site *site, const struct settings *settings, int signal_fd)
{
  const struct listener_place place = {.host = settings->listen.host, .port = settings->listen.port, .setting = "HTTP_LISTEN", .cause = "http_listen"};
  struct problem problem = {0};
  struct server *server = NULL;
  struct sweeper *sweeper = NULL;
  uint16_t port = 0;
  bool has_ended;
  int fd = -1;

  if (listener_open(&place, &fd, &port, &problem) != VERDICT_OK ||
      server_open(site, fd, (size_t)settings->workers, settings->database_url, &server, &problem) != VERDICT_OK) {
    log_event(&site->log, LOG_ERROR, problem.cause, log_text("reason", problem.text), log_text("hint", problem.hint[0] != '\0' ? problem.hint : NULL));
    return (int)problem.code;
  }
  log_event(&site->log, LOG_INFO, "http_listening", log_text("host", settings->listen.host[0] != '\0' ? settings->listen.host : "*"), log_int("port", port),
            log_text("service", site->service->name), log_text("version", CDC_RELAY_VERSION), log_int("workers", settings->workers));
  if (site->idempotency != NULL) {
    sweeper = sweeper_start(site, settings->database_url, settings->idempotency_ttl_s);
  }
  serve(site, server, signal_fd);
  if (!drain(site, server, signal_fd)) {
    log_event(&site->log, LOG_WARN, "http_stopped", log_bool("drained", false), log_int("in_hand", (int64_t)site->in_hand),
              log_int("connections", (int64_t)crowd_count(site->crowd)));
    _exit(EXIT_DONE); /* whoever waits for the handlers that are left waits too long */
  }
  has_ended = server_close(server);
  log_event(&site->log, LOG_INFO, "http_stopped", log_bool("drained", true));
  if (!sweeper_stop(sweeper) || !has_ended) {
    _exit(EXIT_DONE); /* nobody waits for what a database that hangs has left */
  }
  return EXIT_DONE;
}

static int run_site(const struct http_service *service, const struct settings *settings)
{
  struct site site = {.service = service,
                      .log = {.level = (enum log_level)settings->log_level, .format = (enum log_format)settings->log_format, .fd = STDERR_FILENO}};
  int signal_fd = open_signals();
  int code;

  if (signal_fd < 0) {
    abort();
  }
  json_object_seed(0); /* before there are threads that would each want to be first */
  allow_files();
  figures_init(&site.figures, service->name, service->event_types);
  site.crowd = crowd_new();
  site.idempotency = service->answers_table != NULL ? idempotency_new(service->answers_table) : NULL;
  code = run(&site, settings, signal_fd);
  idempotency_free(site.idempotency);
  crowd_free(site.crowd);
  figures_done(&site.figures);
  (void)close(signal_fd);
  return code;
}

static bool is_sound(const struct http_service *service)
{
  size_t types = 0;

  while (service->event_types != NULL && service->event_types[types] != NULL) {
    types++;
  }
  return types <= HTTP_EVENT_TYPES_MAX && route_table_is_sound(service->routes);
}

int http_service_main(const struct http_service *service, int argc, char **argv)
{
  struct settings settings = {0};
  struct variable variables[OWN_VARIABLES_MAX];
  struct problem_list problems = {0};

  memory_guard_set();
  list_variables(service, &settings, variables);
  if (!is_sound(service)) {
    (void)fprintf(stderr, "%s: a route of this service cannot be served, or it has too many types of events: a bug of ours\n", service->name);
    return EXIT_INVARIANT;
  }
  if (argc == 2 && strcmp(argv[1], "--help") == 0) {
    print_help(service, variables);
    return EXIT_DONE;
  }
  if (argc > 2 || (argc == 2 && strcmp(argv[1], "--print-config") != 0)) {
    (void)fprintf(stderr, "%s: takes --help or --print-config and nothing else\n", service->name);
    return EXIT_USAGE;
  }
  variables_read(variables, &problems);
  if (service->variables != NULL) {
    variables_read(service->variables, &problems);
  }
  if (argc == 2) {
    print_config(service, variables);
  }
  if (problems.count > 0) {
    problem_list_print(&problems, stderr);
    return EXIT_USAGE;
  }
  return argc == 2 ? EXIT_DONE : run_site(service, &settings);
}
