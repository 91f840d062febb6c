/* Many clients at once that ask for much or finish nothing, and the others that must be served all the same. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "http_client.h"

static size_t page_calls;

static void live_page(void *context, const char *accept, struct admin_page *ret_page)
{
  (void)context;
  (void)accept;
  page_calls++;
  *ret_page = (struct admin_page){.status = 200, .content_type = "text/plain; charset=utf-8", .body = strdup("ok\n"), .length = 3};
}

static const struct admin_route routes[] = {{"/livez", live_page}, {NULL, NULL}};

static struct admin *open_on(const char *host)
{
  struct problem problem = {0};
  struct admin *admin = NULL;

  cr_assert_eq(admin_open(&(struct listener_place){.host = host}, routes, NULL, &admin, &problem), VERDICT_OK, "%s", problem.text);
  return admin;
}

/* Takes ADMIN_TIMEOUT_S: as many clients as are kept send a byte now and then, so that they are never silent. */
Test(admin_crowd, tricklers_are_thrown_out_in_time, .timeout = 60)
{
  struct admin *admin = open_on("127.0.0.1");
  int64_t start = moment_now().mono_us;
  int tricklers[ADMIN_CONNECTIONS_KEPT];
  char byte;

  for (size_t i = 0; i < ADMIN_CONNECTIONS_KEPT; i++) {
    tricklers[i] = client_from(admin, "127.0.0.2");
    send_all(admin, tricklers[i], "GET /livez HTTP/1.1\r\nX: ", 24);
  }
  while (moment_now().mono_us - start < INT64_C(9) * US_PER_S) {
    for (size_t i = 0; i < ADMIN_CONNECTIONS_KEPT; i++) {
      cr_assert_eq(send(tricklers[i], "x", 1, MSG_NOSIGNAL), 1, "thrown out too early");
    }
    turn(admin, tricklers[0], 500);
  }
  for (size_t i = 0; i < ADMIN_CONNECTIONS_KEPT; i++) {
    int64_t deadline = start + (INT64_C(5) + ADMIN_TIMEOUT_S) * US_PER_S;

    while (recv(tricklers[i], &byte, 1, 0) < 0 && errno == EAGAIN) {
      cr_assert_lt(moment_now().mono_us, deadline, "trickler %zu is still there", i);
      (void)send(tricklers[i], "x", 1, MSG_NOSIGNAL);
      turn(admin, tricklers[i], 100);
    }
    close(tricklers[i]);
  }
  admin_close(admin);
}

/* All of them at once, since some are given up only when their time is over. */
Test(admin_crowd, clients_that_speak_no_http_are_refused, .timeout = 60)
{
  static const struct {
    const char *bytes;
    size_t length;
  } cases[] = {
#define BYTES(text) {text, sizeof(text) - 1}
      BYTES("\r\n\r\n\r\n\r\n"),
      BYTES("GET\r\n\r\n"),
      BYTES("GET /livez HTTP/1.1\r\n\r\n"), /* no Host */
      BYTES("GET /livez HTTP/1.1\r\nHost x\r\n\r\n"),
      BYTES("GET /livez HTTP/9.9\r\nHost: x\r\n\r\n"),
      BYTES("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
      BYTES("\0\0\0\0\r\n\r\n"),
      BYTES("GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"),
      BYTES("GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n"),
  };
  struct admin *admin = open_on("127.0.0.1");
  int clients[sizeof(cases) / sizeof(*cases)];

  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    clients[i] = client_from(admin, "127.0.0.1");
    send_all(admin, clients[i], cases[i].bytes, cases[i].length);
    cr_assert_eq(shutdown(clients[i], SHUT_WR), 0);
  }
  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    (void)receive_until(admin, clients[i], NULL);
    cr_assert_neq(status_of(response), 200, "case %zu: %s", i, response);
    close(clients[i]);
  }
  cr_assert_eq(page_calls, 0);
  cr_assert_eq(status_of(ask(admin, "GET /livez HTTP/1.1")), 200);
  admin_close(admin);
}

/* Half requests, from the honest client's own address and from many: each client behind them is answered soon. */
Test(admin_crowd, clients_that_finish_no_request_make_room_for_others, .timeout = 60)
{
  enum { HALVES = ADMIN_CONNECTIONS_MAX * 2 };
  static const char half[] = "GET /livez HTTP/1.1\r\nX: ";
  struct admin *admin = open_on("127.0.0.1");
  int64_t start = moment_now().mono_us;
  int halves[HALVES];
  size_t open = 0;
  char byte;

  for (size_t i = 0; i < HALVES; i++) {
    char source[32];

    (void)snprintf(source, sizeof(source), "127.0.0.%zu", i % 2 == 0 ? 1 : i % 20 + 2);
    halves[i] = client_from(admin, source);
    (void)send(halves[i], half, sizeof(half) - 1, MSG_NOSIGNAL);
    if (i % 50 == 0) {
      cr_assert_eq(status_of(ask(admin, "GET /livez HTTP/1.1")), 200, "behind %zu of them", i);
    }
  }
  cr_assert_eq(status_of(ask(admin, "GET /livez HTTP/1.1")), 200);
  cr_assert_lt(moment_now().mono_us - start, INT64_C(1) * US_PER_S * ADMIN_TIMEOUT_S / 2, "served only when the others had timed out");
  turn(admin, -1, 0);
  for (size_t i = 0; i < HALVES; i++) {
    open += recv(halves[i], &byte, 1, 0) < 0 && errno == EAGAIN;
    close(halves[i]);
  }
  /* No more are thrown out than is needed. */
  cr_assert_leq(open, ADMIN_CONNECTIONS_MAX);
  cr_assert_geq(open, ADMIN_CONNECTIONS_KEPT - 1);
  admin_close(admin);
}

/* Between connecting and sending there may be a while; a crowd of others does not throw the client out in it. */
Test(admin_crowd, a_crowd_leaves_each_client_the_time_to_send_its_request)
{
  static const char request[] = "GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  struct admin *admin = open_on("127.0.0.1");
  int halves[ADMIN_CONNECTIONS_MAX - 1];
  int honest = client_from(admin, "127.0.0.1");
  int64_t start = moment_now().mono_us;

  for (size_t i = 0; i < ADMIN_CONNECTIONS_MAX - 1; i++) {
    halves[i] = client_from(admin, "127.0.0.2");
  }
  for (int i = 0; i < ADMIN_CONNECTIONS_MAX; i++) {
    turn(admin, -1, 0);
  }
  if (moment_now().mono_us - start < ADMIN_CROWDED_MS * US_PER_MS / 2) {
    send_all(admin, honest, request, strlen(request));
    cr_assert_eq(status_of(receive_until(admin, honest, NULL)), 200);
  }
  for (size_t i = 0; i < ADMIN_CONNECTIONS_MAX - 1; i++) {
    close(halves[i]);
  }
  close(honest);
  admin_close(admin);
}

/* Clients that ask all the time have each answer in time, and are in the way all the same. */
Test(admin_crowd, clients_that_only_ask_make_room_for_others, .timeout = 60)
{
  static const char request[] = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
  struct admin *admin = open_on("127.0.0.1");
  int askers[ADMIN_CONNECTIONS_MAX];
  int64_t start = moment_now().mono_us;
  int honest;

  for (size_t i = 0; i < ADMIN_CONNECTIONS_MAX; i++) {
    askers[i] = client_from(admin, "127.0.0.1");
  }
  turn(admin, -1, 0);
  honest = client_from(admin, "127.0.0.1");
  send_all(admin, honest, request, strlen(request));
  while (recv(honest, response, sizeof(response), MSG_PEEK) < 0) {
    cr_assert_lt(moment_now().mono_us - start, INT64_C(1) * US_PER_S * ADMIN_TIMEOUT_S / 2, "not served while the others ask");
    for (size_t i = 0; i < ADMIN_CONNECTIONS_MAX; i++) {
      (void)send(askers[i], request, sizeof(request) - 1, MSG_NOSIGNAL);
      (void)recv(askers[i], response, sizeof(response), 0);
    }
    turn(admin, -1, 0);
  }
  for (size_t i = 0; i < ADMIN_CONNECTIONS_MAX; i++) {
    close(askers[i]);
  }
  close(honest);
  admin_close(admin);
}

/* At its limit libmicrohttpd does not listen; only the step behind a close makes it listen again. */
Test(admin_crowd, a_step_is_due_at_once_when_a_connection_was_closed)
{
  struct admin *admin = open_on("127.0.0.1");
  int fd = client_from(admin, "127.0.0.1");

  turn(admin, -1, 0);
  cr_assert_neq(admin_timeout_ms(admin), 0);
  close(fd);
  turn(admin, -1, 1000);
  cr_assert_eq(admin_timeout_ms(admin), 0);
  turn(admin, -1, 0);
  cr_assert_eq(admin_timeout_ms(admin), -1);
  admin_close(admin);
}
