/*
 * admin.c - a small, deaf HTTP server: fixed paths, GET and HEAD, no bodies in, no state. libmicrohttpd does the protocol in the loop's own thread; its
 * sockets hang on one epoll fd, which the loop polls.
 *
 *   connection slots    [ fd 12, opened 17:03:10 ] [ free ] [ fd 15, opened 17:03:14 ] ...
 *
 * libmicrohttpd's own timeout counts silence, so a client that sends a byte a second would stay for ever. Here each connection has ADMIN_TIMEOUT_S, counted
 * from its beginning or its last answer; then the socket is shut down and libmicrohttpd clears it away. Who opens many connections and finishes no request
 * must not keep others out for so long: with more than ADMIN_CONNECTIONS_KEPT the oldest have had their time after ADMIN_CROWDED_MS, which is enough for a client
 * that sends its whole request at once. A crowd passes through at that pace, and the others wait in the kernel's queue. Addresses are not told apart: behind a
 * proxy all clients have one.
 *
 * libmicrohttpd says nothing on stderr: its log is not switched on. Paths are compared as they came, without decoding `%`.
 */
#include "admin.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "moment.h"

struct connection_slot {
  int fd; /* -1: free */
  bool is_shut;
  int64_t opened_us;
  int64_t answered_us; /* last, or opened_us */
};

struct admin {
  struct MHD_Daemon *daemon;
  int epoll_fd;
  bool has_closed; /* a connection, in the last step */
  uint16_t port;
  const struct admin_route *routes;
  void *context;
  struct connection_slot connections[ADMIN_CONNECTIONS_MAX];
};

static const char text_plain[] = "text/plain; charset=utf-8";

/* Sends `body`, which the response takes (`mode` MHD_RESPMEM_MUST_FREE) or leaves. */
static enum MHD_Result answer(struct MHD_Connection *connection, unsigned int status, const char *content_type, const char *allow, char *body, size_t length,
                              enum MHD_ResponseMemoryMode mode)
{
  struct MHD_Response *response = MHD_create_response_from_buffer(length, body, mode);
  enum MHD_Result result;

  if (response == NULL) {
    if (mode == MHD_RESPMEM_MUST_FREE) {
      free(body);
    }
    return MHD_NO; /* closes the connection */
  }
  (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
  (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
  (void)MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
  if (allow != NULL) {
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, allow);
  }
  result = MHD_queue_response(connection, status, response);
  MHD_destroy_response(response);
  return result;
}

static enum MHD_Result answer_text(struct MHD_Connection *connection, unsigned int status, const char *allow, const char *text)
{
  return answer(connection, status, text_plain, allow, (char *)(uintptr_t)text, strlen(text), MHD_RESPMEM_PERSISTENT);
}

static bool has_header(struct MHD_Connection *connection, const char *name)
{
  return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name) != NULL;
}

/*
 * Called by libmicrohttpd when a request's head is there, and again behind its end. Answering in the first call makes it stop reading and close the connection
 * behind the answer, which is right for a request with a body or with a method that may have one; a plain one gets its answer in the second, and the
 * connection stays.
 */
static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
                              const char *upload_data, size_t *upload_data_size, void **request_context)
{
  static char head_was_seen;
  const struct admin *admin = context;
  const struct admin_route *route = admin->routes;
  bool is_read = strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
  bool has_body = has_header(connection, MHD_HTTP_HEADER_CONTENT_LENGTH) || has_header(connection, MHD_HTTP_HEADER_TRANSFER_ENCODING);
  struct admin_page page = {.status = MHD_HTTP_OK, .content_type = text_plain};
  const char *accept;

  (void)version;
  (void)upload_data;
  (void)upload_data_size;
  if (*request_context == NULL && is_read && !has_body) {
    *request_context = &head_was_seen;
    return MHD_YES;
  }
  while (route->path != NULL && strcmp(route->path, url) != 0) {
    route++;
  }
  if (route->path == NULL) {
    return answer_text(connection, MHD_HTTP_NOT_FOUND, NULL, "not found\n");
  }
  if (!is_read) {
    return answer_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET, HEAD", "only GET and HEAD are allowed\n");
  }
  accept = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);
  route->page(admin->context, accept != NULL ? accept : "", &page);
  return answer(connection, page.status, page.content_type, NULL, page.body, page.length, MHD_RESPMEM_MUST_FREE);
}

static size_t leave_escapes(void *context, struct MHD_Connection *connection, char *text)
{
  (void)context;
  (void)connection;
  return strlen(text);
}

static void on_connection(void *context, struct MHD_Connection *connection, void **slot_of_connection, enum MHD_ConnectionNotificationCode code)
{
  struct admin *admin = context;
  struct connection_slot *slot = *slot_of_connection;

  if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
    admin->has_closed = true;
    if (slot != NULL) {
      slot->fd = -1;
    }
    return;
  }
  for (slot = admin->connections; slot < admin->connections + ADMIN_CONNECTIONS_MAX; slot++) {
    if (slot->fd < 0) {
      slot->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
      slot->is_shut = false;
      slot->opened_us = moment_now().mono_us;
      slot->answered_us = slot->opened_us;
      *slot_of_connection = slot;
      return;
    }
  }
}

/* An answer is out: the next request of the connection has its own time. */
static void on_completed(void *context, struct MHD_Connection *connection, void **request_context, enum MHD_RequestTerminationCode code)
{
  struct connection_slot *slot = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;

  (void)context;
  (void)request_context;
  (void)code;
  if (slot != NULL) {
    slot->answered_us = moment_now().mono_us;
  }
}

/* The connection whose time is over first, and when; NULL: there is none. In a crowd answers prolong nothing, or clients that only ask would keep others out. */
static struct connection_slot *first_due(struct admin *admin, int64_t *ret_due_us)
{
  struct connection_slot *first = NULL;
  size_t open = 0;
  bool is_crowded;

  for (size_t i = 0; i < ADMIN_CONNECTIONS_MAX; i++) {
    open += admin->connections[i].fd >= 0 && !admin->connections[i].is_shut;
  }
  is_crowded = open > ADMIN_CONNECTIONS_KEPT;
  for (size_t i = 0; i < ADMIN_CONNECTIONS_MAX; i++) {
    struct connection_slot *slot = &admin->connections[i];
    int64_t due_us = is_crowded ? slot->opened_us + (int64_t)ADMIN_CROWDED_MS * US_PER_MS : slot->answered_us + (int64_t)ADMIN_TIMEOUT_S * US_PER_S;

    if (slot->fd >= 0 && !slot->is_shut && (first == NULL || due_us < *ret_due_us)) {
      first = slot;
      *ret_due_us = due_us;
    }
  }
  return first;
}

static void shut_overdue(struct admin *admin)
{
  int64_t now_us = moment_now().mono_us;
  int64_t due_us = 0;
  struct connection_slot *slot;

  while ((slot = first_due(admin, &due_us)) != NULL && due_us <= now_us) {
    (void)shutdown(slot->fd, SHUT_RDWR); /* libmicrohttpd sees the end and closes it */
    slot->is_shut = true;
  }
}

static struct MHD_Daemon *start_daemon(struct admin *admin, int listen_fd)
{
  return MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, handle, admin,                               /**/
                          MHD_OPTION_LISTEN_SOCKET, listen_fd,                                       /**/
                          MHD_OPTION_CONNECTION_LIMIT, (unsigned int)ADMIN_CONNECTIONS_MAX,          /**/
                          MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)ADMIN_TIMEOUT_S,              /**/
                          MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)ADMIN_CONNECTION_MEMORY_BYTES, /**/
                          MHD_OPTION_STRICT_FOR_CLIENT, 1,                                           /**/
                          MHD_OPTION_UNESCAPE_CALLBACK, leave_escapes, NULL,                         /**/
                          MHD_OPTION_NOTIFY_CONNECTION, on_connection, admin,                        /**/
                          MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_END);
}

enum verdict admin_open(const struct listener_place *place, const struct admin_route *routes, void *context, struct admin **ret_admin, struct problem *problem)
{
  struct admin *admin;
  uint16_t port = 0;
  int fd = -1;

  if (listener_open(place, &fd, &port, problem) != VERDICT_OK) {
    return VERDICT_FATAL;
  }
  admin = calloc(1, sizeof(*admin));
  if (admin == NULL) {
    abort();
  }
  for (size_t i = 0; i < ADMIN_CONNECTIONS_MAX; i++) {
    admin->connections[i].fd = -1;
  }
  admin->routes = routes;
  admin->context = context;
  admin->port = port;
  admin->daemon = start_daemon(admin, fd);
  if (admin->daemon == NULL) {
    (void)close(fd);
    free(admin);
    return problem_set(problem, VERDICT_FATAL, EXIT_USAGE, place->cause, "could not start the HTTP server on port %u", (unsigned int)port);
  }
  admin->epoll_fd = MHD_get_daemon_info(admin->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
  *ret_admin = admin;
  return VERDICT_OK;
}

void admin_close(struct admin *admin)
{
  if (admin != NULL) {
    MHD_stop_daemon(admin->daemon); /* closes the listening socket too */
    free(admin);
  }
}

int admin_fd(const struct admin *admin)
{
  return admin->epoll_fd;
}

uint16_t admin_port(const struct admin *admin)
{
  return admin->port;
}

void admin_step(struct admin *admin)
{
  admin->has_closed = false;
  shut_overdue(admin);
  (void)MHD_run(admin->daemon);
}

int64_t admin_timeout_ms(struct admin *admin)
{
  int64_t due_us = 0;
  int64_t due_ms = -1;
  MHD_UNSIGNED_LONG_LONG daemon_ms;

  /* At its limit libmicrohttpd takes the listening socket out of its epoll set, and puts it back in the run that follows a close; nothing else would wake us. */
  if (admin->has_closed) {
    return 0;
  }
  if (first_due(admin, &due_us) != NULL) {
    int64_t left_us = due_us - moment_now().mono_us;

    due_ms = left_us <= 0 ? 0 : left_us / US_PER_MS + 1;
  }
  if (MHD_get_timeout(admin->daemon, &daemon_ms) == MHD_YES && (due_ms < 0 || (int64_t)daemon_ms < due_ms)) {
    return (int64_t)daemon_ms;
  }
  return due_ms;
}
