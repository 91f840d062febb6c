/*
 * server.c - libmicrohttpd and what it calls.
 *
 *   accepted -> head -> body, piece by piece -> end -> answer -> completed -> head of the next one, or closed
 *
 * It calls handle() at each of these points of a request, always in the thread of the pool that has the connection; handlers run there too and may block.
 * There are as many database connections as threads, so that one is always free. A thread that waits for a slow database serves its other clients later; new
 * clients find the other threads.
 *
 * libmicrohttpd takes an answer at the head (and closes the connection behind it) or at the end, never in between. What is refused is therefore remembered and
 * its body dropped, so that a client that sends without listening gets the answer and keeps its connection; only a body that is announced as too large, or
 * that waits for `100 Continue`, is answered at once.
 */
#include "server.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pages.h"
#include "request.h"

struct server {
  struct MHD_Daemon *daemon;
  struct site *site;
  int listen_fd; /* ours again after server_quiesce(); -1: libmicrohttpd's */
};

static void log_request(const struct request *request, double seconds)
{
  const struct exchange_priv *priv = &request->priv;
  enum log_level level = pages_have(priv->match.route) && priv->level == LOG_INFO ? LOG_DEBUG : priv->level;

  log_event(&request->site->log, level, "request", log_text("method", figures_method(priv->method)), log_text("route", exchange_route(&request->exchange)),
            log_int("status", priv->answer.status), log_real("duration_ms", (double)(int64_t)(seconds * 1e6) / 1e3),
            log_text("correlation_id", request->exchange.origin.correlation_id), log_text("replayed", priv->answer.is_replayed ? "true" : NULL),
            log_text("reason", priv->reason[0] != '\0' ? priv->reason : NULL));
}

static void add_header(struct MHD_Response *response, const char *name, const char *value)
{
  (void)MHD_add_response_header(response, name, value);
}

static struct MHD_Response *make_response(struct request *request)
{
  struct answer *answer = &request->priv.answer;
  struct MHD_Response *response;

  if (answer->document != NULL) {
    answer->text = json_dumps(answer->document, JSON_COMPACT | JSON_ENCODE_ANY);
    if (answer->text == NULL) {
      return NULL;
    }
    answer->text_length = strlen(answer->text);
  }
  if (answer->text == NULL) {
    response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
  } else {
    response = MHD_create_response_from_buffer(answer->text_length, answer->text, MHD_RESPMEM_MUST_FREE);
    if (response != NULL) {
      answer->text = NULL; /* libmicrohttpd's now */
      add_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->content_type);
    }
  }
  return response;
}

static enum MHD_Result send_answer(struct request *request)
{
  struct site *site = request->site;
  struct answer *answer = &request->priv.answer;
  double seconds = (double)(moment_now().mono_us - request->began.mono_us) / US_PER_S;
  struct MHD_Response *response = make_response(request);
  enum MHD_Result result;

  if (response == NULL) {
    log_event(&site->log, LOG_ERROR, "request_without_answer", log_text("route", exchange_route(&request->exchange)),
              log_text("correlation_id", request->exchange.origin.correlation_id), log_text("reason", "out of memory, or the answer is no JSON"));
    return MHD_NO; /* closes the connection */
  }
  add_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
  add_header(response, "X-Content-Type-Options", "nosniff");
  add_header(response, "X-Correlation-Id", request->exchange.origin.correlation_id);
  if (answer->status == MHD_HTTP_SERVICE_UNAVAILABLE) {
    add_header(response, MHD_HTTP_HEADER_RETRY_AFTER, "1");
  }
  if (answer->status == MHD_HTTP_METHOD_NOT_ALLOWED) {
    add_header(response, MHD_HTTP_HEADER_ALLOW, request->priv.match.allow);
  }
  if (answer->is_replayed) {
    add_header(response, "Idempotency-Replayed", "true");
  }
  if (atomic_load(&site->is_draining)) {
    add_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
  }
  /* Before the answer is out: who has read it may look at the figures next. */
  figures_count_request(&site->figures, exchange_route(&request->exchange), request->priv.method, answer->status, seconds);
  log_request(request, seconds);
  request->is_answered = true;
  result = MHD_queue_response(request->priv.connection, answer->status, response);
  MHD_destroy_response(response);
  return result;
}

/* A request's head is there; a piece of its body; its end. From any thread of the pool. */
static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
                              const char *upload_data, size_t *upload_data_size, void **request_of_connection)
{
  struct site *site = context;
  struct request *request = *request_of_connection;

  (void)version;
  if (request == NULL) {
    request = request_new(site, connection, url, method);
    if (request == NULL) {
      return MHD_NO;
    }
    *request_of_connection = request;
    if (request->priv.answer.status != 0 && (request->is_at_once || request_header(request, MHD_HTTP_HEADER_EXPECT) != NULL)) {
      return send_answer(request);
    }
    return MHD_YES;
  }
  if (*upload_data_size > 0) {
    bool goes_on = request_collect(request, upload_data, *upload_data_size);

    *upload_data_size = 0;
    return goes_on ? MHD_YES : MHD_NO;
  }
  if (request->is_answered) {
    return MHD_YES;
  }
  if (!crowd_begin_work(site->crowd, request->member)) {
    return MHD_NO; /* an effect whose answer is lost for certain is one that the client may ask for twice */
  }
  if (request->priv.answer.status == 0) {
    request_run(request);
  }
  return send_answer(request);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **request_of_connection, enum MHD_RequestTerminationCode code)
{
  struct site *site = context;
  struct request *request = *request_of_connection;

  (void)connection;
  (void)code;
  if (request == NULL) {
    return;
  }
  if (!request->is_answered) {
    log_event(&site->log, LOG_DEBUG, "request_given_up", log_text("method", figures_method(request->priv.method)),
              log_text("route", exchange_route(&request->exchange)), log_text("correlation_id", request->exchange.origin.correlation_id));
  }
  crowd_end_work(site->crowd, request->member, moment_now().mono_us);
  request_free(request);
  *request_of_connection = NULL;
}

static void on_connection(void *context, struct MHD_Connection *connection, void **member_of_connection, enum MHD_ConnectionNotificationCode code)
{
  struct site *site = context;

  if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
    crowd_leave(site->crowd, *member_of_connection);
    *member_of_connection = NULL;
  } else {
    *member_of_connection = crowd_enter(site->crowd, MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd);
  }
}

/* Paths and queries are decoded by our own modules, which know a slash that came as %2F from one that parts segments. */
static size_t leave_escapes(void *context, struct MHD_Connection *connection, char *text)
{
  (void)context;
  (void)connection;
  return strlen(text);
}

enum verdict server_open(struct site *site, int listen_fd, unsigned int workers, struct server **ret_server, struct problem *problem)
{
  struct server *server = calloc(1, sizeof(*server));
  int error;

  if (server == NULL) {
    abort();
  }
  server->site = site;
  server->listen_fd = -1;
  /*
   * Not by epoll: libmicrohttpd 0.9.75 takes 128 events at a time, and where there were exactly so many it waits for another one before it looks at them. A thread that
   * is full has 128 connections here, and a crowd of clients would stand before it until their timeouts.
   */
  server->daemon = MHD_start_daemon(MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_ITC, 0, NULL, NULL, handle, site,    /**/
                                    MHD_OPTION_LISTEN_SOCKET, listen_fd,                                        /**/
                                    MHD_OPTION_THREAD_POOL_SIZE, workers > 1 ? workers : 0U,                    /**/
                                    MHD_OPTION_CONNECTION_LIMIT, (unsigned int)HTTP_CONNECTIONS_MAX,            /**/
                                    MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)HTTP_IDLE_TIMEOUT_S,           /**/
                                    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)SERVER_CONNECTION_MEMORY_BYTES, /**/
                                    MHD_OPTION_STRICT_FOR_CLIENT, 1,                                            /**/
                                    MHD_OPTION_UNESCAPE_CALLBACK, leave_escapes, NULL,                          /**/
                                    MHD_OPTION_NOTIFY_CONNECTION, on_connection, site,                          /**/
                                    MHD_OPTION_NOTIFY_COMPLETED, on_completed, site, MHD_OPTION_END);
  if (server->daemon == NULL) {
    error = errno;
    (void)close(listen_fd);
    free(server);
    return problem_set(problem, VERDICT_FATAL, EXIT_UNEXPECTED, "http_start", "could not start the HTTP server with %u threads: %s", workers, strerror(error));
  }
  *ret_server = server;
  return VERDICT_OK;
}

void server_quiesce(struct server *server)
{
  server->listen_fd = MHD_quiesce_daemon(server->daemon);
}

bool server_is_idle(struct server *server)
{
  return atomic_load(&server->site->in_hand) == 0 && !crowd_has_unread(server->site->crowd);
}

void server_close(struct server *server)
{
  if (server == NULL) {
    return;
  }
  MHD_stop_daemon(server->daemon);
  if (server->listen_fd >= 0) { /* not before: a thread may be looking at it still */
    (void)close(server->listen_fd);
  }
  free(server);
}
