/*
 * server.c - the life of a request.
 *
 *   head    request_new(): who asks, for what, may it be             refused here: 400 404 405 413 414 415
 *   body    request_collect(): up to HTTP_BODY_MAX_BYTES             refused here: 413
 *   end     request_run(): JSON, a connection, the handler's turn    refused here: 400 500 503
 *           send_answer(): the bytes, the figures, the line in the log
 *
 * libmicrohttpd calls handle() at each of these points, always in the thread of the pool that has the connection; handlers run there too and may block. There are as many
 * database connections as threads, so that one is always free. A thread that waits for a slow database serves its other clients later; new ones find the other threads.
 *
 * libmicrohttpd takes an answer at the head (and closes the connection behind it) or at the end, never in between. What is refused is therefore remembered and its body
 * dropped, so that a client that sends without listening gets the answer and keeps its connection; only a body that is announced as too large, or that waits for
 * `100 Continue`, is answered at once.
 */
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "exchange_priv.h"
#include "json_body.h"
#include "moment.h"
#include "pages.h"
#include "trace_context.h"
#include "uuid.h"

struct server {
  struct MHD_Daemon *daemon;
  struct site *site;
  int listen_fd; /* ours again after server_quiesce(); -1: libmicrohttpd's */
};

struct request {
  struct site *site;
  struct crowd_member *member;
  struct moment began;
  struct exchange exchange;
  struct exchange_priv priv;
  json_t *document;
  char *body;
  size_t length;
  size_t capacity;
  size_t discarded;
  bool is_at_once; /* refused, and the rest of the request is not worth reading */
  bool is_answered;
};

/* ---------------------------------------------------------------------------------------------------------------------------------------------------- */
/* The head */

static const char *header_of(const struct request *request, const char *name)
{
  return MHD_lookup_connection_value(request->priv.connection, MHD_HEADER_KIND, name);
}

struct header_count {
  const char *name;
  size_t count;
};

static enum MHD_Result count_header(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
  struct header_count *wanted = context;

  (void)kind;
  (void)value;
  wanted->count += strcasecmp(name, wanted->name) == 0;
  return MHD_YES;
}

static size_t header_count(const struct request *request, const char *name)
{
  struct header_count wanted = {.name = name};

  (void)MHD_get_connection_values(request->priv.connection, MHD_HEADER_KIND, count_header, &wanted);
  return wanted.count;
}

static bool is_visible(const char *text, size_t most)
{
  size_t length = strlen(text);

  for (size_t i = 0; i < length; i++) {
    if (text[i] <= ' ' || text[i] > '~') {
      return false;
    }
  }
  return length > 0 && length <= most;
}

static void read_origin(struct request *request)
{
  struct origin *origin = &request->exchange.origin;
  const char *correlation_id = header_of(request, "X-Correlation-Id");

  if (correlation_id != NULL && is_visible(correlation_id, OUTBOX_CORRELATION_MAX_BYTES)) {
    memcpy(origin->correlation_id, correlation_id, strlen(correlation_id) + 1);
  } else {
    char id[UUID_SIZE];

    uuid_new(id);
    memcpy(origin->correlation_id, id, sizeof(id));
  }
  traceparent_child(header_of(request, "traceparent"), origin->traceparent);
}

static void read_client(struct request *request)
{
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(request->priv.connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  const struct sockaddr *address = info != NULL ? info->client_addr : NULL;
  char *text = request->priv.client_address;

  if (address != NULL && address->sa_family == AF_INET) {
    struct sockaddr_in v4;

    memcpy(&v4, address, sizeof(v4));
    (void)inet_ntop(AF_INET, &v4.sin_addr, text, INET6_ADDRSTRLEN);
  } else if (address != NULL && address->sa_family == AF_INET6) {
    struct sockaddr_in6 v6;

    memcpy(&v6, address, sizeof(v6));
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) { /* came over IPv4 to a socket that takes both */
      (void)inet_ntop(AF_INET, &v6.sin6_addr.s6_addr[12], text, INET6_ADDRSTRLEN);
    } else {
      (void)inet_ntop(AF_INET6, &v6.sin6_addr, text, INET6_ADDRSTRLEN);
    }
  }
}

/* False: refused. */
static bool find_route(struct request *request)
{
  struct exchange_priv *priv = &request->priv;
  struct exchange *exchange = &request->exchange;
  enum route_answer answer = route_table_match(pages, priv->method, priv->url, &priv->match);

  if (answer == ROUTE_UNKNOWN) {
    answer = route_table_match(request->site->service->routes, priv->method, priv->url, &priv->match);
  }
  switch (answer) {
  case ROUTE_FOUND:
    return true;
  case ROUTE_UNKNOWN:
    http_problem(exchange, MHD_HTTP_NOT_FOUND, "there is nothing under this path");
    break;
  case ROUTE_NO_METHOD:
    http_problem(exchange, MHD_HTTP_METHOD_NOT_ALLOWED, "this path takes %s", priv->match.allow);
    break;
  case ROUTE_TOO_LONG:
    http_problem(exchange, MHD_HTTP_URI_TOO_LONG, "the path is longer than %d bytes", HTTP_PATH_MAX_BYTES);
    break;
  case ROUTE_NO_TEXT:
    http_problem(exchange, MHD_HTTP_BAD_REQUEST, "the path holds an escape that is none, a control character, or bytes that are not UTF-8");
    break;
  }
  return false;
}

static enum MHD_Result add_query_value(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
  struct request *request = context;

  (void)kind;
  if (query_add(&request->priv.query, name, value)) {
    return MHD_YES;
  }
  http_problem(&request->exchange, MHD_HTTP_BAD_REQUEST, "the query has more than %d parameters or %d bytes, or one that is not UTF-8 text", QUERY_VALUES_MAX,
               QUERY_MAX_BYTES);
  return MHD_NO;
}

static bool read_query(struct request *request)
{
  (void)MHD_get_connection_values(request->priv.connection, MHD_GET_ARGUMENT_KIND, add_query_value, request);
  return request->priv.answer.status == 0;
}

static bool is_read_only(const struct request *request)
{
  return strcmp(request->priv.method, MHD_HTTP_METHOD_GET) == 0 || strcmp(request->priv.method, MHD_HTTP_METHOD_HEAD) == 0;
}

static bool read_idempotency_key(struct request *request)
{
  const char *key = header_of(request, "Idempotency-Key");

  if (key == NULL || is_read_only(request)) {
    return true;
  }
  if (request->site->idempotency == NULL) {
    http_problem(&request->exchange, MHD_HTTP_BAD_REQUEST, "this service stores no answers: it takes no Idempotency-Key");
    return false;
  }
  if (!idempotency_key_is_sound(key) || header_count(request, "Idempotency-Key") > 1) {
    http_problem(&request->exchange, MHD_HTTP_BAD_REQUEST, "Idempotency-Key is one value of 1 to %d visible ASCII characters", HTTP_IDEMPOTENCY_KEY_MAX_BYTES);
    return false;
  }
  request->priv.idempotency_key = key;
  return true;
}

static void refuse_too_large(struct request *request)
{
  http_problem(&request->exchange, MHD_HTTP_CONTENT_TOO_LARGE, "the body is larger than %d bytes", HTTP_BODY_MAX_BYTES);
}

static bool has_body(const struct request *request)
{
  const char *length = header_of(request, MHD_HTTP_HEADER_CONTENT_LENGTH);

  return header_of(request, MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL || (length != NULL && strtoull(length, NULL, 10) > 0);
}

static bool check_length(struct request *request)
{
  const char *length = header_of(request, MHD_HTTP_HEADER_CONTENT_LENGTH);
  size_t codings = header_count(request, MHD_HTTP_HEADER_TRANSFER_ENCODING);

  /* Where two readers may see two ends of a request, one of them can be made to see a second request. */
  if ((length != NULL && codings > 0) || header_count(request, MHD_HTTP_HEADER_CONTENT_LENGTH) > 1 || codings > 1) {
    http_problem(&request->exchange, MHD_HTTP_BAD_REQUEST, "the request says more than once how long its body is");
    request->is_at_once = true;
    return false;
  }
  if (length != NULL && strtoull(length, NULL, 10) > HTTP_BODY_MAX_BYTES) {
    refuse_too_large(request);
    request->is_at_once = true;
    return false;
  }
  return true;
}

static bool check_type(struct request *request)
{
  const char *encoding = header_of(request, MHD_HTTP_HEADER_CONTENT_ENCODING);

  if (!has_body(request)) {
    return true;
  }
  if (!json_body_is_announced(header_of(request, MHD_HTTP_HEADER_CONTENT_TYPE)) || header_count(request, MHD_HTTP_HEADER_CONTENT_TYPE) > 1) {
    http_problem(&request->exchange, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "a body is application/json in UTF-8");
    return false;
  }
  if (encoding != NULL && strcasecmp(encoding, "identity") != 0) {
    http_problem(&request->exchange, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "a body is sent as it is, without Content-Encoding");
    return false;
  }
  return true;
}

static struct request *request_new(struct site *site, struct MHD_Connection *connection, const char *url, const char *method)
{
  struct request *request = calloc(1, sizeof(*request));

  if (request == NULL) {
    return NULL;
  }
  request->site = site;
  request->began = moment_now();
  request->member = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
  request->priv.site = site;
  request->priv.connection = connection;
  request->priv.method = method;
  request->priv.url = url;
  request->priv.level = LOG_INFO;
  request->exchange.priv = &request->priv;
  request->exchange.state = site->service->state;
  (void)atomic_fetch_add(&site->in_hand, 1);
  read_origin(request);
  read_client(request);
  /* The first that refuses is the one that is told. */
  (void)(check_length(request) && find_route(request) && read_query(request) && check_type(request) && read_idempotency_key(request));
  return request;
}

/* ---------------------------------------------------------------------------------------------------------------------------------------------------- */
/* The body */

/* False: the client goes on and on, and the connection is to be closed. */
static bool request_collect(struct request *request, const char *bytes, size_t length)
{
  if (request->priv.answer.status == 0 && length > HTTP_BODY_MAX_BYTES - request->length) {
    refuse_too_large(request);
  }
  if (request->priv.answer.status != 0) {
    request->discarded += length;
    return request->discarded <= SERVER_DISCARD_MAX_BYTES;
  }
  if (length > request->capacity - request->length) {
    size_t capacity = request->capacity > 0 ? request->capacity : 1024;
    char *body;

    while (capacity - request->length < length) {
      capacity *= 2;
    }
    body = realloc(request->body, capacity);
    if (body == NULL) {
      return false;
    }
    request->body = body;
    request->capacity = capacity;
  }
  memcpy(request->body + request->length, bytes, length);
  request->length += length;
  return true;
}

/* ---------------------------------------------------------------------------------------------------------------------------------------------------- */
/* The end */

static bool read_document(struct request *request)
{
  char mistake[JSON_BODY_MISTAKE_SIZE];

  request->priv.bytes = span_of(request->body, request->length);
  if (request->length == 0) {
    return true;
  }
  request->document = json_body_read(request->priv.bytes, mistake);
  if (request->document == NULL) {
    http_problem(&request->exchange, MHD_HTTP_BAD_REQUEST, "%s", mistake);
    return false;
  }
  request->exchange.body = request->document;
  return true;
}

static void request_run(struct request *request)
{
  struct exchange *exchange = &request->exchange;
  const struct http_route *route = request->priv.match.route;
  struct database *database;
  struct problem problem;
  enum verdict verdict;

  if (pages_have(route)) {
    route->handler(exchange);
    return;
  }
  if (!read_document(request)) {
    return;
  }
  database = database_pool_take(request->site->pool);
  verdict = database_connect(database, &problem);
  if (verdict == VERDICT_OK) {
    exchange->database = database;
    route->handler(exchange);
    if (request->priv.answer.status == 0) {
      exchange_note(exchange, LOG_ERROR, "the handler gave no answer");
      http_problem(exchange, MHD_HTTP_INTERNAL_SERVER_ERROR, "the request could not be carried out, and the reason is not in it");
    }
  } else {
    exchange_note(exchange, verdict == VERDICT_FATAL ? LOG_ERROR : LOG_WARN, "%s", problem.text);
    http_problem(exchange, MHD_HTTP_SERVICE_UNAVAILABLE, "the database is away, and nothing was done; try again in a moment");
  }
  database_pool_give(request->site->pool, database, database_connection(database) == NULL);
}

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
    return MHD_NO; /* no memory: closes the connection */
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

/* ---------------------------------------------------------------------------------------------------------------------------------------------------- */
/* libmicrohttpd's callbacks, from any of its threads */

static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *url, const char *method, const char *version, const char *upload_data,
                              size_t *upload_data_size, void **request_of_connection)
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
    if (request->priv.answer.status != 0 && (request->is_at_once || header_of(request, MHD_HTTP_HEADER_EXPECT) != NULL)) {
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
  crowd_begin_work(site->crowd, request->member);
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
    log_event(&site->log, LOG_DEBUG, "request_given_up", log_text("method", figures_method(request->priv.method)), log_text("route", exchange_route(&request->exchange)),
              log_text("correlation_id", request->exchange.origin.correlation_id));
  }
  crowd_end_work(site->crowd, request->member, moment_now().mono_us);
  exchange_clear_answer(&request->exchange);
  json_decref(request->document);
  free(request->body);
  free(request);
  *request_of_connection = NULL;
  (void)atomic_fetch_sub(&site->in_hand, 1);
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

/* ---------------------------------------------------------------------------------------------------------------------------------------------------- */

enum verdict server_open(struct site *site, int listen_fd, unsigned int workers, struct server **ret_server, struct problem *problem)
{
  struct server *server = calloc(1, sizeof(*server));
  int error;

  if (server == NULL) {
    abort();
  }
  server->site = site;
  server->listen_fd = -1;
  server->daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC, 0, NULL, NULL, handle, site,  /**/
                                    MHD_OPTION_LISTEN_SOCKET, listen_fd,                                       /**/
                                    MHD_OPTION_THREAD_POOL_SIZE, workers > 1 ? workers : 0U,                   /**/
                                    MHD_OPTION_CONNECTION_LIMIT, (unsigned int)HTTP_CONNECTIONS_MAX,           /**/
                                    MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)HTTP_IDLE_TIMEOUT_S,          /**/
                                    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)SERVER_CONNECTION_MEMORY_BYTES, /**/
                                    MHD_OPTION_STRICT_FOR_CLIENT, 1,                                           /**/
                                    MHD_OPTION_UNESCAPE_CALLBACK, leave_escapes, NULL,                         /**/
                                    MHD_OPTION_NOTIFY_CONNECTION, on_connection, site,                         /**/
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
