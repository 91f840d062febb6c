/*
 * server.c - one thread that has all connections, and what passes between it and the workers.
 *
 *   poll()  <--+-- libmicrohttpd's epoll descriptor      bytes, connections
 *              +-- the bell                              a worker has done something, or readiness.h knows
 *              +-- signals                               the caller's
 *
 *   head -> body, piece by piece -> end -+-> answer at once: a page, a refusal
 *                                        +-> parked: queue -> worker -> done -> answer
 *                                                      |`-> overdue --------> refusal
 *                                                      `-> no room: refusal
 *
 * libmicrohttpd calls handle() at each of these points; nothing here waits for a database, so that a database that hangs holds up those who need it and nobody
 * else. A parked request's connection is suspended: the library neither reads nor closes it, and the request is its worker's alone. It is resumed only here.
 *
 * What libmicrohttpd 0.9.75 asks of its users:
 *
 * - Its own loop takes 128 events at a time, and where there were exactly so many it waits for another before it looks at them. Ours never lets it wait.
 * - A connection that is resumed is read once more before it is answered, and a client that has closed its half of the line by then would get no answer. A
 *   request that is whole and has no answer is shown again at once (as documented), and then the library waits for nothing but us: who is suspended there is
 *   answered whatever he has closed.
 * - At the limit of connections it forgets the listening socket until the run behind the next close. So there is one.
 * - It takes an answer at the head (and closes the connection behind it) or at the end, never in between. What is refused is therefore remembered and its body
 *   dropped, so that a client that sends without listening gets the answer and keeps its connection; only a head that others may read in another way, a body
 *   that is announced as too large, or one that waits for `100 Continue`, is answered at once.
 * - Connections that are suspended when it is stopped end the process. There are none when everybody has gone.
 */
#include "server.h"

#include <errno.h>
#include <limits.h>
#include <linux/filter.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pages.h"
#include "readiness.h"
#include "reply.h"
#include "request.h"
#include "workers.h"

enum { LOOK_EVERY_MS = 1000, DRAIN_LOOK_EVERY_MS = 20, RUNS_MAX = 8 };

struct server {
  struct site *site;
  struct MHD_Daemon *daemon;
  struct workers *workers;
  struct readiness *readiness;
  int epoll_fd; /* libmicrohttpd's */
  int bell_fd;
  int listen_fd;   /* libmicrohttpd's until the door is shut; -1: it is */
  bool has_closed; /* a connection, in the last run */
  int64_t door_us; /* not to be shut before; 0: nobody has asked for it */
  int64_t look_us; /* when clients that take too long are looked for next */
};

/* On a worker's thread. */
static enum task_database run_request(struct task *task, struct database *database)
{
  struct request *request = request_of(task);
  enum task_database found = request_run(request, database);

  reply_make(request);
  return found;
}

static enum MHD_Result send_reply(struct request *request)
{
  const struct site *site = request->site;
  struct MHD_Response *response = request->response;
  enum MHD_Result result;

  request->step = REQUEST_ANSWERED;
  if (response == NULL) {
    return MHD_NO; /* closes the connection */
  }
  crowd_begin_answer(request->member, moment_now().mono_us);
  if (site->is_draining || crowd_count(site->crowd) > HTTP_CONNECTIONS_KEPT) {
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
  }
  result = MHD_queue_response(request->priv.connection, request->priv.answer.status, response);
  request->response = NULL;
  MHD_destroy_response(response);
  return result;
}

static enum MHD_Result answer(struct request *request)
{
  reply_make(request);
  return send_reply(request);
}

static void refuse_for_now(struct request *request, const char *reason)
{
  exchange_note(&request->exchange, LOG_WARN, "%s", reason);
  exchange_come_again(&request->exchange, "the service has more to do than it can");
}

static void show_figures(struct server *server)
{
  const struct figures *figures = &server->site->figures;
  struct workers_state state = workers_state(server->workers);

  instrument_set(figures->connections, (double)crowd_count(server->site->crowd));
  instrument_set(figures->queue, (double)state.queued);
  instrument_set(figures->pool_in_use, (double)state.busy);
  instrument_set(figures->pool_away, (double)state.away);
}

/* The request is whole. */
static enum MHD_Result take(struct server *server, struct request *request)
{
  const struct http_route *route = request->priv.match.route;

  if (!crowd_begin_work(request->member)) {
    return MHD_NO; /* an effect whose answer is lost for certain is one that the client may ask for twice */
  }
  if (request->priv.answer.status == 0 && request_has_footers(request)) {
    /* They take memory that the answer needs: what was committed could not be told. */
    http_problem(&request->exchange, MHD_HTTP_BAD_REQUEST, "fields behind the body are not taken");
  }
  if (request->priv.answer.status == 0 && pages_have(route)) {
    show_figures(server);
    route->handler(&request->exchange);
  }
  if (request->priv.answer.status != 0) {
    return answer(request);
  }
  request->step = REQUEST_WHOLE;
  return MHD_YES;
}

static enum MHD_Result park(struct server *server, struct request *request)
{
  int64_t now_us = moment_now().mono_us;

  if (pages_have(request->priv.match.route)) {
    readiness_ask(server->readiness, &request->task, now_us);
  } else if (!workers_put(server->workers, &request->task, now_us)) {
    refuse_for_now(request, "the queue is full");
    return answer(request);
  }
  request->step = REQUEST_PARKED;
  MHD_suspend_connection(request->priv.connection);
  return MHD_YES;
}

/* A request's head is there; a piece of its body; its end, and once more while there is no answer. */
static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
                              const char *upload_data, size_t *upload_data_size, void **request_of_connection)
{
  struct server *server = context;
  struct request *request = *request_of_connection;

  if (request == NULL) {
    request = request_new(server->site, connection, url, method, version);
    if (request == NULL) {
      return MHD_NO;
    }
    *request_of_connection = request;
    crowd_begin_request(request->member, request);
    if (request->priv.answer.status != 0 && (request->is_at_once || request_header(request, MHD_HTTP_HEADER_EXPECT) != NULL)) {
      return answer(request);
    }
    return MHD_YES;
  }
  if (*upload_data_size > 0) {
    bool goes_on = request_collect(request, upload_data, *upload_data_size);

    *upload_data_size = 0;
    return goes_on ? MHD_YES : MHD_NO;
  }
  switch (request->step) {
  case REQUEST_ARRIVING:
    return take(server, request);
  case REQUEST_WHOLE:
    return park(server, request);
  case REQUEST_PARKED: /* and resumed */
    return send_reply(request);
  case REQUEST_ANSWERED:
    break;
  }
  return MHD_YES;
}

static void end_request(struct request *request)
{
  crowd_end_request(request->member, moment_now().mono_us);
  request_free(request);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **request_of_connection, enum MHD_RequestTerminationCode code)
{
  struct server *server = context;
  struct request *request = *request_of_connection;

  (void)connection;
  (void)code;
  if (request == NULL) {
    return;
  }
  if (request->step != REQUEST_ANSWERED) {
    log_event(&server->site->log, LOG_DEBUG, "request_given_up", log_text("method", figures_method(request->priv.method)),
              log_text("route", exchange_route(&request->exchange)), log_text("correlation_id", request->exchange.origin.correlation_id));
  }
  end_request(request);
  *request_of_connection = NULL;
}

static void on_connection(void *context, struct MHD_Connection *connection, void **member_of_connection, enum MHD_ConnectionNotificationCode code)
{
  struct server *server = context;
  struct crowd *crowd = server->site->crowd;

  if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
    server->has_closed = true;
    /* libmicrohttpd 1.0.1 does not say that a request is over which it has refused itself, amid a body, for want of memory. What it has read of it is gone by now. */
    if (crowd_request(*member_of_connection) != NULL) {
      end_request(crowd_request(*member_of_connection));
    }
    crowd_leave(crowd, *member_of_connection);
    *member_of_connection = NULL;
  } else {
    int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;

    *member_of_connection = crowd_enter(crowd, fd, moment_now().mono_us);
  }
}

/* Paths and queries are decoded by our own modules, which know a slash that came as %2F from one that parts segments. */
static size_t leave_escapes(void *context, struct MHD_Connection *connection, char *text)
{
  (void)context;
  (void)connection;
  return strlen(text);
}

/* A target, before libmicrohttpd takes it apart: the only time to answer to one that it cannot. */
static void *look_at_target(void *context, const char *target, struct MHD_Connection *connection)
{
  static const char refusal[] = "HTTP/1.1 414 URI Too Long\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
  struct server *server = context;
  size_t parameters = 1;

  for (const char *at = strchr(target, '&'); at != NULL; at = strchr(at + 1, '&')) {
    parameters++;
  }
  if (parameters > HTTP_PARAMETERS_MAX) {
    int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;

    (void)send(fd, refusal, sizeof(refusal) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    crowd_shut(MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context);
    server->has_closed = true;
  }
  return NULL; /* of the request, which is made behind its head */
}

static struct MHD_Daemon *start_daemon(struct server *server)
{
  return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, handle, server,    /**/
                          MHD_OPTION_LISTEN_SOCKET, server->listen_fd,                                /**/
                          MHD_OPTION_CONNECTION_LIMIT, (unsigned int)HTTP_CONNECTIONS_MAX,            /**/
                          MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)HTTP_IDLE_TIMEOUT_S,           /**/
                          MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)SERVER_CONNECTION_MEMORY_BYTES, /**/
                          MHD_OPTION_STRICT_FOR_CLIENT, 0,                                            /* request.c is, in words of ours */
                          MHD_OPTION_UNESCAPE_CALLBACK, leave_escapes, NULL,                          /**/
                          MHD_OPTION_URI_LOG_CALLBACK, look_at_target, server,                        /**/
                          MHD_OPTION_NOTIFY_CONNECTION, on_connection, server,                        /**/
                          MHD_OPTION_NOTIFY_COMPLETED, on_completed, server, MHD_OPTION_END);
}

enum verdict server_open(struct site *site, int listen_fd, size_t workers, const char *conninfo, struct server **ret_server, struct problem *problem)
{
  struct server *server = calloc(1, sizeof(*server));

  if (server == NULL) {
    abort();
  }
  *server = (struct server){.site = site, .listen_fd = listen_fd, .bell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  server->daemon = server->bell_fd >= 0 ? start_daemon(server) : NULL;
  if (server->daemon == NULL) {
    int error = errno;

    if (server->bell_fd >= 0) {
      (void)close(server->bell_fd);
    }
    (void)close(listen_fd);
    free(server);
    return problem_set(problem, VERDICT_FATAL, EXIT_UNEXPECTED, "http_start", "could not start the HTTP server: %s", strerror(error));
  }
  server->epoll_fd = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
  server->workers = workers_start(workers, conninfo, site->service->name, server->bell_fd, run_request);
  server->readiness = readiness_start(conninfo, site->service->name, server->bell_fd);
  instrument_set(site->figures.pool_size, (double)workers);
  *ret_server = server;
  return VERDICT_OK;
}

bool server_close(struct server *server)
{
  if (server == NULL) {
    return true;
  }
  MHD_stop_daemon(server->daemon); /* closes the listening socket, too, where it is still its own */
  workers_stop(server->workers);
  if (!readiness_stop(server->readiness)) {
    return false;
  }
  (void)close(server->bell_fd);
  free(server);
  return true;
}

/* Who has been waited for comes back with an answer, which goes out in the run that follows. */
static void resume_answered(struct server *server, int64_t now_us)
{
  enum verdict verdict;
  struct problem problem;
  struct task *task;

  for (task = workers_take_done(server->workers); task != NULL; task = task->next) {
    MHD_resume_connection(request_of(task)->priv.connection);
  }
  while ((task = workers_take_overdue(server->workers, now_us)) != NULL) {
    refuse_for_now(request_of(task), "no worker was free in time");
    reply_make(request_of(task));
    MHD_resume_connection(request_of(task)->priv.connection);
  }
  while ((task = readiness_take(server->readiness, now_us, &verdict, &problem)) != NULL) {
    pages_tell_readiness(&request_of(task)->exchange, verdict, &problem);
    reply_make(request_of(task));
    MHD_resume_connection(request_of(task)->priv.connection);
  }
}

static void look_for_slow_clients(struct server *server, int64_t now_us)
{
  if (now_us >= server->look_us) {
    size_t shut = crowd_shut_overdue(server->site->crowd, now_us);

    instrument_add(server->site->figures.overdue, (double)shut);
    server->look_us = now_us + (int64_t)(server->site->is_draining ? DRAIN_LOOK_EVERY_MS : LOOK_EVERY_MS) * US_PER_MS;
  }
}

/* Behind the last one who waits before it. */
static void shut_door(struct server *server, int64_t now_us)
{
  struct pollfd door = {.fd = server->listen_fd, .events = POLLIN};

  if (server->door_us > 0 && server->listen_fd >= 0 && now_us >= server->door_us && poll(&door, 1, 0) == 0) {
    (void)close(MHD_quiesce_daemon(server->daemon));
    server->listen_fd = -1;
  }
}

/* Whether libmicrohttpd would go on at once: it takes one step of a connection in a run. */
static bool has_more(struct server *server)
{
  MHD_UNSIGNED_LONG_LONG daemon_ms;

  return server->has_closed || (MHD_get_timeout(server->daemon, &daemon_ms) == MHD_YES && daemon_ms == 0);
}

static int64_t least(int64_t a, int64_t b)
{
  return a < b ? a : b;
}

/* Until something is to be done by time alone. */
static int idle_ms(struct server *server, int64_t now_us, int most_ms)
{
  int64_t due_us = least(workers_due_us(server->workers), readiness_due_us(server->readiness));
  int64_t left_ms = most_ms;
  MHD_UNSIGNED_LONG_LONG daemon_ms;

  if (server->has_closed) {
    return 0;
  }
  if (MHD_get_timeout(server->daemon, &daemon_ms) == MHD_YES && daemon_ms < (unsigned long long)left_ms) {
    left_ms = (int64_t)daemon_ms;
  }
  if (due_us != INT64_MAX) {
    left_ms = due_us <= now_us ? 0 : least(left_ms, (due_us - now_us) / US_PER_MS + 1);
  }
  return (int)left_ms;
}

bool server_turn(struct server *server, int signal_fd, int most_ms)
{
  struct pollfd polled[] = {{.fd = server->epoll_fd, .events = POLLIN}, {.fd = server->bell_fd, .events = POLLIN}, {.fd = signal_fd, .events = POLLIN}};
  eventfd_t rings;
  int64_t now_us;

  if (poll(polled, sizeof(polled) / sizeof(*polled), idle_ms(server, moment_now().mono_us, most_ms)) < 0 && errno != EINTR) {
    abort();
  }
  if (polled[2].revents != 0) {
    return true;
  }
  if (polled[1].revents != 0) {
    (void)eventfd_read(server->bell_fd, &rings); /* before the list is looked at, or it may ring for a list that we have already */
  }
  now_us = moment_now().mono_us;
  resume_answered(server, now_us);
  look_for_slow_clients(server, now_us);
  shut_door(server, now_us);
  for (int i = 0; i < RUNS_MAX && (i == 0 || has_more(server)); i++) {
    server->has_closed = false;
    (void)MHD_run(server->daemon);
  }
  return false;
}

/*
 * Between the last look at the kernel's queue of connections and the closing of its socket one more may come in, and would be reset. So the kernel is told to
 * drop every SYN from now on: who sends one sends it again a second later, to a port that is closed by then, or to our successor. Where that is not allowed the
 * gap stays as small as it is.
 */
static void let_nobody_connect(int listen_fd)
{
  enum { TCP_FLAGS_AT = 13, TCP_SYN = 0x02 };
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, TCP_FLAGS_AT),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, TCP_SYN, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0),
      BPF_STMT(BPF_RET | BPF_K, UINT_MAX),
  };
  struct sock_fprog program = {.len = sizeof(code) / sizeof(*code), .filter = code};

  (void)setsockopt(listen_fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

void server_drain(struct server *server)
{
  int64_t now_us = moment_now().mono_us;

  server->site->is_draining = true;
  server->look_us = now_us;
  server->door_us = now_us + (int64_t)SERVER_DOOR_MS * US_PER_MS;
  crowd_stop(server->site->crowd, now_us);
  let_nobody_connect(server->listen_fd);
}

bool server_is_idle(const struct server *server)
{
  return server->listen_fd < 0 && crowd_count(server->site->crowd) == 0;
}
