/*
 * request.c - what is looked at before a handler's turn, in the order in which it comes to hand.
 *
 *   head    request_new(): who asks, for what, may it be             refused here: 400 404 405 413 414 415 431
 *   body    request_collect(): up to HTTP_BODY_MAX_BYTES             refused here: 413
 *   end     request_run(): JSON, a connection, the handler           refused here: 400 500 503, on a worker's thread
 *
 * A refusal is an answer like any other; whatever comes after it is read and dropped.
 */
#include "request.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "json_body.h"
#include "pages.h"
#include "trace_context.h"

const char *request_header(const struct request *request, const char *name)
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

struct footers {
  const char *last_header; /* the value of it */
  size_t count;
};

static enum MHD_Result keep_value(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
  struct footers *footers = context;

  (void)kind;
  (void)name;
  footers->last_header = value;
  return MHD_YES;
}

static enum MHD_Result count_footer(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
  struct footers *footers = context;

  (void)kind;
  (void)name;
  footers->count += value != footers->last_header;
  return MHD_YES;
}

/* Where the last byte of a request comes alone, libmicrohttpd 0.9.75 takes the last header for a footer, too. */
bool request_has_footers(const struct request *request)
{
  struct footers footers = {0};

  (void)MHD_get_connection_values(request->priv.connection, MHD_HEADER_KIND, keep_value, &footers);
  (void)MHD_get_connection_values(request->priv.connection, MHD_FOOTER_KIND, count_footer, &footers);
  return footers.count > 0;
}

/*
 * Where the library would refuse with a page of its own, or without a word. A head may be larger than what is allowed, and no larger than its memory: there each field has
 * a note beside its bytes, and what is left must do for the body's buffer and the answer's head. A connection without room would neither get on nor end.
 */
static bool check_head(struct request *request, const char *version)
{
  const union MHD_ConnectionInfo *size = MHD_get_connection_info(request->priv.connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
  size_t hosts = header_count(request, MHD_HTTP_HEADER_HOST);
  int fields = MHD_get_connection_values(request->priv.connection, MHD_HEADER_KIND | MHD_COOKIE_KIND | MHD_GET_ARGUMENT_KIND, NULL, NULL);
  int parameters = MHD_get_connection_values(request->priv.connection, MHD_GET_ARGUMENT_KIND, NULL, NULL);
  bool is_large = size != NULL && size->header_size > HTTP_HEAD_MAX_BYTES;
  bool has_blank = strchr(request->priv.url, ' ') != NULL;
  bool lacks_host = strcmp(version, MHD_HTTP_VERSION_1_0) != 0 && hosts == 0;

  if (parameters > HTTP_PARAMETERS_MAX) { /* has its answer, and no connection: this is for the log and the figures */
    http_problem(&request->exchange, MHD_HTTP_URI_TOO_LONG, "the query has more than %d parameters", HTTP_PARAMETERS_MAX);
  } else if (is_large) {
    http_problem(&request->exchange, MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE, "the head of the request is larger than %d bytes", HTTP_HEAD_MAX_BYTES);
  } else if (fields > HTTP_FIELDS_MAX) {
    http_problem(&request->exchange, MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE, "the head of the request has more than %d headers, cookies and parameters",
                 HTTP_FIELDS_MAX);
  } else if (has_blank) {
    http_problem(&request->exchange, MHD_HTTP_BAD_REQUEST, "the path holds a blank: write it as %%20");
  } else if (lacks_host || hosts > 1) {
    http_problem(&request->exchange, MHD_HTTP_BAD_REQUEST, "a request has one header Host");
  }
  request->is_at_once = request->priv.answer.status != 0;
  return !request->is_at_once;
}

static enum MHD_Result look_for_blank(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
  bool *has_blank = context;

  (void)kind;
  (void)value;
  *has_blank = *has_blank || name[strcspn(name, " \t")] != '\0';
  return MHD_YES;
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
  const char *correlation_id = request_header(request, "X-Correlation-Id");

  if (correlation_id != NULL && is_visible(correlation_id, OUTBOX_CORRELATION_MAX_BYTES)) {
    memcpy(origin->correlation_id, correlation_id, strlen(correlation_id) + 1);
  } else {
    char id[UUID_SIZE];

    http_uuid_new(&request->exchange, id);
    memcpy(origin->correlation_id, id, sizeof(id));
  }
  traceparent_child(request_header(request, "traceparent"), &request->priv.ids, origin->traceparent);
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
  const char *key = request_header(request, "Idempotency-Key");

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
  const char *length = request_header(request, MHD_HTTP_HEADER_CONTENT_LENGTH);

  return request_header(request, MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL || (length != NULL && strtoull(length, NULL, 10) > 0);
}

static bool check_length(struct request *request, const char *version)
{
  const char *length = request_header(request, MHD_HTTP_HEADER_CONTENT_LENGTH);
  const char *coding = request_header(request, MHD_HTTP_HEADER_TRANSFER_ENCODING);
  size_t codings = header_count(request, MHD_HTTP_HEADER_TRANSFER_ENCODING);
  bool has_blank = false;

  /* Where two readers may see two ends of a request, one of them can be made to see a second request. `Content-Length :` is such a place. */
  (void)MHD_get_connection_values(request->priv.connection, MHD_HEADER_KIND, look_for_blank, &has_blank);
  if (has_blank || (coding != NULL && strcasecmp(coding, "chunked") != 0)) {
    http_problem(&request->exchange, MHD_HTTP_BAD_REQUEST, has_blank ? "a header's name holds a blank" : "a body comes as it is, or chunked");
    request->is_at_once = true;
    return false;
  }
  if (codings > 0 && strcmp(version, MHD_HTTP_VERSION_1_0) == 0) { /* which has none, so that whoever passed it on may have seen another end */
    http_problem(&request->exchange, MHD_HTTP_BAD_REQUEST, "a body of HTTP/1.0 comes as it is, with its length");
    request->is_at_once = true;
    return false;
  }
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
  const char *encoding = request_header(request, MHD_HTTP_HEADER_CONTENT_ENCODING);

  if (!has_body(request)) {
    return true;
  }
  if (!json_body_is_announced(request_header(request, MHD_HTTP_HEADER_CONTENT_TYPE)) || header_count(request, MHD_HTTP_HEADER_CONTENT_TYPE) > 1) {
    http_problem(&request->exchange, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "a body is application/json in UTF-8");
    return false;
  }
  if (encoding != NULL && strcasecmp(encoding, "identity") != 0) {
    http_problem(&request->exchange, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "a body is sent as it is, without Content-Encoding");
    return false;
  }
  return true;
}

struct request *request_new(struct site *site, struct MHD_Connection *connection, const char *url, const char *method, const char *version)
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
  site->in_hand++;
  read_origin(request);
  read_client(request);
  /* The first that refuses is the one that is told. */
  (void)(check_head(request, version) && check_length(request, version) && find_route(request) && read_query(request) && check_type(request) &&
         read_idempotency_key(request));
  return request;
}

bool request_collect(struct request *request, const char *bytes, size_t length)
{
  if (request->priv.answer.status == 0 && length > HTTP_BODY_MAX_BYTES - request->length) {
    refuse_too_large(request);
  }
  if (request->priv.answer.status != 0) {
    request->discarded += length;
    return request->discarded <= REQUEST_DISCARD_MAX_BYTES;
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

static void run_handler(struct request *request, struct database *database)
{
  struct exchange *exchange = &request->exchange;
  struct problem problem;
  enum verdict verdict = database_connect(database, &problem);

  if (verdict != VERDICT_OK) {
    exchange_note(exchange, verdict == VERDICT_FATAL ? LOG_ERROR : LOG_WARN, "%s", problem.text);
    exchange_come_again(exchange, "the database is away");
    return;
  }
  exchange->database = database;
  request->priv.match.route->handler(exchange);
  if (request->priv.answer.status == 0) {
    exchange_note(exchange, LOG_ERROR, "the handler gave no answer");
    http_problem(exchange, MHD_HTTP_INTERNAL_SERVER_ERROR, "the request could not be carried out, and the reason is not in it");
  }
}

enum task_database request_run(struct request *request, struct database *database)
{
  enum task_database found = TASK_DATABASE_NOT_ASKED;

  if (read_document(request)) {
    run_handler(request, database);
    found = database_connection(database) == NULL ? TASK_DATABASE_AWAY : TASK_DATABASE_THERE;
  }
  request->exchange.body = NULL;
  json_decref(request->document); /* in the thread that made it: cheaper than in another */
  request->document = NULL;
  return found;
}

void request_free(struct request *request)
{
  exchange_clear_answer(&request->exchange);
  if (request->response != NULL) {
    MHD_destroy_response(request->response);
  }
  json_decref(request->document);
  free(request->body);
  request->site->in_hand--;
  free(request);
}
