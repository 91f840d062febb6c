#include <criterion/criterion.h>
#include <stdlib.h>

#include "http_client.h"

static const char *body_of(const char *text)
{
  const char *end = strstr(text, "\r\n\r\n");

  cr_assert_not_null(end, "no end of the head: %.200s", text);
  return end + 4;
}

static size_t count_of(const char *text, const char *fragment)
{
  size_t count = 0;

  for (const char *at = strstr(text, fragment); at != NULL; at = strstr(at + 1, fragment)) {
    count++;
  }
  return count;
}

static char last_accept[256];
static size_t page_calls;

static void page_of(const char *text, unsigned int status, struct admin_page *ret_page)
{
  page_calls++;
  *ret_page = (struct admin_page){.status = status, .content_type = "text/plain; charset=utf-8", .body = strdup(text), .length = strlen(text)};
}

static void live_page(void *context, const char *accept, struct admin_page *ret_page)
{
  (void)snprintf(last_accept, sizeof(last_accept), "%s", accept);
  page_of(context, 200, ret_page);
}

static void ready_page(void *context, const char *accept, struct admin_page *ret_page)
{
  (void)context;
  (void)accept;
  page_of("not ready\n", 503, ret_page);
}

enum { BIG_BYTES = 3000000 };

static void big_page(void *context, const char *accept, struct admin_page *ret_page)
{
  (void)context;
  (void)accept;
  *ret_page = (struct admin_page){.status = 200, .content_type = "text/plain; charset=utf-8", .body = malloc(BIG_BYTES), .length = BIG_BYTES};
  memset(ret_page->body, 'b', BIG_BYTES);
}

static const struct admin_route routes[] = {{"/livez", live_page}, {"/readyz", ready_page}, {"/big", big_page}, {NULL, NULL}};

static enum verdict open_at(const char *host, uint16_t port, struct admin **ret_admin, struct problem *problem)
{
  const struct listener_place place = {.host = host, .port = port, .setting = "PAGES_AT", .cause = "pages_listen"};

  return admin_open(&place, routes, (void *)(uintptr_t) "ok\n", ret_admin, problem);
}

static struct admin *open_on(const char *host)
{
  struct problem problem = {0};
  struct admin *admin = NULL;

  cr_assert_eq(open_at(host, 0, &admin, &problem), VERDICT_OK, "%s", problem.text);
  cr_assert_neq(admin_port(admin), 0);
  return admin;
}

Test(admin, get_answers_with_the_page_and_the_safe_headers)
{
  struct admin *admin = open_on("127.0.0.1");

  (void)ask(admin, "GET /livez?x=1 HTTP/1.1");
  cr_assert_eq(status_of(response), 200, "%s", response);
  cr_assert_str_eq(body_of(response), "ok\n");
  cr_assert_not_null(strstr(response, "\r\nContent-Type: text/plain; charset=utf-8\r\n"));
  cr_assert_not_null(strstr(response, "\r\nCache-Control: no-store\r\n"));
  cr_assert_not_null(strstr(response, "\r\nX-Content-Type-Options: nosniff\r\n"));
  cr_assert_not_null(strstr(response, "\r\nContent-Length: 3\r\n"));
  cr_assert_null(strstr(response, "\r\nServer:"));
  (void)ask(admin, "GET /readyz HTTP/1.1");
  cr_assert_eq(status_of(response), 503);
  cr_assert_str_eq(body_of(response), "not ready\n");
  admin_close(admin);
}

Test(admin, head_has_the_length_but_no_body)
{
  struct admin *admin = open_on("127.0.0.1");

  (void)ask(admin, "HEAD /readyz HTTP/1.1");
  cr_assert_eq(status_of(response), 503);
  cr_assert_str_eq(body_of(response), "");
  cr_assert_not_null(strstr(response, "\r\nContent-Length: 10\r\n"));
  admin_close(admin);
}

Test(admin, unknown_paths_are_404_and_compared_as_they_came)
{
  static const char *const lines[] = {"GET / HTTP/1.1",         "GET /livez/ HTTP/1.1",   "GET /livezz HTTP/1.1",
                                      "GET //livez HTTP/1.1",   "GET /LIVEZ HTTP/1.1",    "GET /live%7a HTTP/1.1",
                                      "GET /livez%00 HTTP/1.1", "GET /../livez HTTP/1.1", "POST /x HTTP/1.1"};
  struct admin *admin = open_on("127.0.0.1");

  for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
    cr_assert_eq(status_of(ask(admin, lines[i])), 404, "%s: %s", lines[i], response);
    cr_assert_not_null(strstr(response, "\r\nX-Content-Type-Options: nosniff\r\n"));
  }
  cr_assert_eq(page_calls, 0);
  admin_close(admin);
}

Test(admin, other_methods_are_405_with_allow)
{
  static const char *const methods[] = {"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "get", "BREW"};
  struct admin *admin = open_on("127.0.0.1");

  for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
    char line[64];

    (void)snprintf(line, sizeof(line), "%s /livez HTTP/1.1", methods[i]);
    cr_assert_eq(status_of(ask(admin, line)), 405, "%s: %s", line, response);
    cr_assert_not_null(strstr(response, "\r\nAllow: GET, HEAD\r\n"), "%s", response);
  }
  cr_assert_eq(page_calls, 0);
  admin_close(admin);
}

Test(admin, the_accept_header_reaches_the_page)
{
  static const char with[] = "GET /livez HTTP/1.1\r\nHost: x\r\nAccept: application/openmetrics-text;q=0.5\r\nConnection: close\r\n\r\n";
  struct admin *admin = open_on("127.0.0.1");

  (void)ask_bytes(admin, with, strlen(with));
  cr_assert_str_eq(last_accept, "application/openmetrics-text;q=0.5");
  (void)ask(admin, "GET /livez HTTP/1.1");
  cr_assert_str_eq(last_accept, "");
  admin_close(admin);
}

Test(admin, pipelined_requests_are_answered_in_order)
{
  static const char requests[] = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\nHEAD /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /nope HTTP/1.1\r\nHost: x\r\n\r\n"
                                 "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  static const int statuses[] = {200, 200, 404, 503};
  struct admin *admin = open_on("127.0.0.1");
  const char *at = ask_bytes(admin, requests, strlen(requests));

  for (size_t i = 0; i < sizeof(statuses) / sizeof(*statuses); i++) {
    at = strstr(at, "HTTP/1.1 ");
    cr_assert_not_null(at, "answer %zu is missing", i);
    cr_assert_eq(status_of(at), statuses[i], "answer %zu", i);
    at++;
  }
  cr_assert_eq(count_of(response, "HTTP/1.1 "), 4);
  admin_close(admin);
}

Test(admin, the_body_of_a_refused_request_is_never_read_as_the_next_request)
{
  static const char *const requests[] = {
      "POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 38\r\n\r\nGET /livez HTTP/1.1\r\nHost: smuggled\r\n\r\n",
      "GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 38\r\n\r\nGET /livez HTTP/1.1\r\nHost: smuggled\r\n\r\n",
      "GET /nope HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n26\r\nGET /livez HTTP/1.1\r\nHost: smuggled\r\n\r\n\r\n0\r\n\r\n",
  };
  struct admin *admin = open_on("127.0.0.1");

  for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++) {
    (void)ask_bytes(admin, requests[i], strlen(requests[i]));
    cr_assert_leq(count_of(response, "HTTP/1.1 "), 1, "%s", response);
  }
  cr_assert_eq(status_of(ask(admin, "GET /livez HTTP/1.1")), 200);
  admin_close(admin);
}

Test(admin, a_large_upload_is_not_taken_in)
{
  static char request[1 << 20];
  struct admin *admin = open_on("127.0.0.1");

  memset(request, 'x', sizeof(request));
  memcpy(request, "POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n", 60);
  (void)ask_bytes(admin, request, sizeof(request));
  cr_assert_eq(status_of(ask(admin, "GET /livez HTTP/1.1")), 200);
  admin_close(admin);
}

Test(admin, oversized_urls_and_headers_are_refused)
{
  static char request[ADMIN_CONNECTION_MEMORY_BYTES * 4];
  static const char *const heads[] = {"GET /", "GET /livez HTTP/1.1\r\nHost: x\r\nA: ", "GET /livez HTTP/1.1\r\nHost: x\r\n"};
  struct admin *admin = open_on("127.0.0.1");

  for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++) {
    size_t length = strlen(heads[i]);

    memset(request, 'a', sizeof(request));
    memcpy(request, heads[i], length);
    for (size_t at = length; i == 2 && at + 8 <= sizeof(request); at += 8) {
      memcpy(request + at, "a: bbb\r\n", 8);
    }
    memcpy(request + sizeof(request) - 4, "\r\n\r\n", 4);
    (void)ask_bytes(admin, request, sizeof(request));
    /* The reset that ends the connection may overtake the answer. */
    cr_assert(response[0] == '\0' || (status_of(response) >= 400 && status_of(response) < 500), "case %zu: %.200s", i, response);
    cr_assert_eq(status_of(ask(admin, "GET /livez HTTP/1.1")), 200);
  }
  cr_assert_eq(page_calls, 3);
  admin_close(admin);
}

Test(admin, a_page_larger_than_the_connections_memory_arrives_whole)
{
  struct admin *admin = open_on("127.0.0.1");

  (void)ask(admin, "GET /big HTTP/1.1");
  cr_assert_eq(status_of(response), 200);
  cr_assert_eq(strspn(body_of(response), "b"), BIG_BYTES);
  cr_assert_eq(strlen(body_of(response)), BIG_BYTES);
  admin_close(admin);
}

Test(admin, a_client_that_leaves_in_the_middle_of_an_answer_does_no_harm)
{
  static const char request[] = "GET /big HTTP/1.1\r\nHost: x\r\n\r\n";
  struct admin *admin = open_on("127.0.0.1");

  for (int i = 0; i < 5; i++) {
    int fd = client_from(admin, "127.0.0.1");

    send_all(admin, fd, request, strlen(request));
    (void)receive_until(admin, fd, "HTTP/1.1 200");
    cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger)), 0);
    close(fd); /* with a reset */
  }
  cr_assert_eq(status_of(ask(admin, "GET /livez HTTP/1.1")), 200);
  admin_close(admin);
}

Test(admin, step_without_work_returns_at_once)
{
  struct admin *admin = open_on("127.0.0.1");
  int64_t before = moment_now().mono_us;

  cr_assert_eq(admin_timeout_ms(admin), -1);
  for (int i = 0; i < 100; i++) {
    admin_step(admin);
  }
  cr_assert_lt(moment_now().mono_us - before, US_PER_S);
  admin_close(admin);
}

Test(admin, a_taken_port_is_fatal_and_the_hint_names_it_and_the_programs_own_setting)
{
  struct admin *admin = open_on("127.0.0.1");
  struct admin *second = NULL;
  struct problem problem = {0};
  char port[16];

  (void)snprintf(port, sizeof(port), "port %u", (unsigned int)admin_port(admin));
  cr_assert_eq(open_at("127.0.0.1", admin_port(admin), &second, &problem), VERDICT_FATAL);
  cr_assert_null(second);
  cr_assert_eq(problem.code, EXIT_USAGE);
  cr_assert_not_null(strstr(problem.hint, port), "%s", problem.hint);
  cr_assert_not_null(strstr(problem.hint, "PAGES_AT"), "%s", problem.hint);
  admin_close(admin);
}

Test(admin, a_port_is_free_again_at_once)
{
  struct admin *admin = open_on("127.0.0.1");
  uint16_t port = admin_port(admin);
  struct problem problem = {0};

  (void)ask(admin, "GET /livez HTTP/1.1"); /* leaves a connection in TIME_WAIT on our side */
  admin_close(admin);
  cr_assert_eq(open_at("127.0.0.1", port, &admin, &problem), VERDICT_OK, "%s", problem.text);
  cr_assert_eq(admin_port(admin), port);
  admin_close(admin);
}

static void check_ipv6(const char *host)
{
  struct admin *admin = open_on(host);
  struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(admin_port(admin)), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  static const char request[] = "GET /livez HTTP/1.1\r\nHost: [::1]\r\nConnection: close\r\n\r\n";
  int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

  cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
  cr_assert_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
  send_all(admin, fd, request, strlen(request));
  cr_assert_eq(status_of(receive_until(admin, fd, NULL)), 200);
  close(fd);
  admin_close(admin);
}

Test(admin, ipv6_literals_are_understood)
{
  int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in6 loopback = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};

  if (fd < 0 || bind(fd, (struct sockaddr *)&loopback, sizeof(loopback)) != 0) {
    cr_skip_test("no IPv6 here");
  }
  close(fd);
  check_ipv6("::1");
  check_ipv6("[::1]");
  check_ipv6("::");
}

Test(admin, any_address_takes_ipv4_and_localhost_is_loopback)
{
  static const char *const hosts[] = {"0.0.0.0", "localhost"};

  for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++) {
    struct admin *admin = open_on(hosts[i]);

    cr_assert_eq(status_of(ask(admin, "GET /livez HTTP/1.1")), 200);
    admin_close(admin);
  }
}

Test(admin, connections_come_and_go_without_end)
{
  struct admin *admin = open_on("127.0.0.1");

  for (size_t i = 0; i < (size_t)ADMIN_CONNECTIONS_MAX * 3; i++) {
    cr_assert_eq(status_of(ask(admin, "GET /livez HTTP/1.1")), 200, "request %zu", i);
  }
  cr_assert_eq(admin_timeout_ms(admin), -1);
  admin_close(admin);
}

Test(admin, close_with_clients_connected_leaks_nothing)
{
  struct admin *admin = open_on("127.0.0.1");
  int fd = client_from(admin, "127.0.0.1");

  send_all(admin, fd, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n", 30);
  (void)receive_until(admin, fd, "HTTP/1.1 200");
  admin_close(admin);
  close(fd);
  admin_close(NULL);
}
