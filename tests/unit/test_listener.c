/* test_listener.c - real sockets on the loopback interface; a machine without IPv6 is this one with a socket() that knows no such family. */
#include "listener.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool is_ipv6_missing;

/* In place of the C library's, for the listener too. */
int socket(int domain, int type, int protocol)
{
  if (is_ipv6_missing && domain == AF_INET6) {
    errno = EAFNOSUPPORT;
    return -1;
  }
  return (int)syscall(SYS_socket, domain, type, protocol);
}

static enum verdict open_at(const char *host, uint16_t port, int *ret_fd, uint16_t *ret_port, struct problem *problem)
{
  return listener_open(&(struct listener_place){.host = host, .port = port, .setting = "SHOP_LISTEN", .cause = "shop_listen"}, ret_fd, ret_port, problem);
}

static int open_on(const char *host, uint16_t *ret_port)
{
  struct problem problem = {0};
  int fd = -1;

  cr_assert_eq(open_at(host, 0, &fd, ret_port, &problem), VERDICT_OK, "%s: %s", host, problem.text);
  cr_assert_geq(fd, 0);
  cr_assert_neq(*ret_port, 0);
  return fd;
}

static bool connects(int family, uint16_t port)
{
  struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  bool does = connect(fd, family == AF_INET6 ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4, family == AF_INET6 ? sizeof(v6) : sizeof(v4)) == 0;

  (void)close(fd);
  return does;
}

static void skip_without_ipv6(void)
{
  struct sockaddr_in6 loopback = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  bool is_there = bind(fd, (struct sockaddr *)&loopback, sizeof(loopback)) == 0;

  (void)close(fd);
  if (!is_there) {
    cr_skip_test("no IPv6 here");
  }
}

Test(listener, a_taken_port_is_fatal_and_the_hint_names_it_and_the_setting)
{
  static const char *const hosts[] = {"127.0.0.1", "localhost", ""};
  struct problem problem = {0};
  uint16_t port = 0, second_port = 0;
  int fd = open_on("", &port);
  int second = -1;
  char words[16];

  (void)snprintf(words, sizeof(words), "port %u", (unsigned int)port);
  for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++) {
    cr_assert_eq(open_at(hosts[i], port, &second, &second_port, &problem), VERDICT_FATAL, "%s", hosts[i]);
    cr_assert_eq(problem.code, EXIT_USAGE);
    cr_assert_str_eq(problem.cause, "shop_listen");
    cr_assert_not_null(strstr(problem.text, hosts[i][0] != '\0' ? hosts[i] : "all addresses"), "%s", problem.text);
    cr_assert_not_null(strstr(problem.text, words), "%s", problem.text);
    cr_assert_not_null(strstr(problem.text, "Address already in use"), "%s", problem.text);
    cr_assert_not_null(strstr(problem.hint, words), "%s", problem.hint);
    cr_assert_not_null(strstr(problem.hint, "set SHOP_LISTEN to"), "%s", problem.hint);
  }
  cr_assert_eq(second, -1);
  cr_assert_eq(second_port, 0);
  (void)close(fd);
}

Test(listener, no_other_address_of_a_name_is_taken_in_place_of_a_taken_one)
{
  struct problem problem = {0};
  uint16_t port = 0, second_port = 0;
  int fd = open_on("127.0.0.1", &port);
  int second = -1;

  cr_assert_eq(open_at("localhost", port, &second, &second_port, &problem), VERDICT_FATAL);
  (void)close(fd);
  cr_assert_eq(open_at("localhost", port, &second, &second_port, &problem), VERDICT_OK, "%s", problem.text);
  cr_assert_eq(second_port, port);
  (void)close(second);
}

Test(listener, ipv6_may_have_brackets)
{
  static const char *const hosts[] = {"::1", "[::1]"};

  skip_without_ipv6();
  for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++) {
    uint16_t port = 0;
    int fd = open_on(hosts[i], &port);

    cr_assert(connects(AF_INET6, port), "%s", hosts[i]);
    (void)close(fd);
  }
}

Test(listener, a_named_address_is_the_only_one)
{
  struct sockaddr_in bound = {0};
  socklen_t size = sizeof(bound);
  uint16_t port = 0;
  int fd = open_on("127.0.0.1", &port);

  cr_assert(connects(AF_INET, port));
  cr_assert_eq(getsockname(fd, (struct sockaddr *)&bound, &size), 0);
  cr_assert_eq(bound.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
  cr_assert_eq(ntohs(bound.sin_port), port);
  (void)close(fd);
}

Test(listener, an_empty_host_and_two_colons_are_all_addresses_of_both_families)
{
  static const char *const hosts[] = {"", "::", "[::]"};

  skip_without_ipv6();
  for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++) {
    uint16_t port = 0;
    int fd = open_on(hosts[i], &port);

    cr_assert(connects(AF_INET, port), "%s", hosts[i]);
    cr_assert(connects(AF_INET6, port), "%s", hosts[i]);
    (void)close(fd);
  }
}

Test(listener, an_empty_host_is_all_of_ipv4_where_there_is_no_ipv6)
{
  struct problem problem = {0};
  uint16_t port = 0;
  int fd;

  is_ipv6_missing = true;
  fd = open_on("", &port);
  cr_assert(connects(AF_INET, port));
  (void)close(fd);
  cr_assert_eq(open_at("::1", 0, &fd, &port, &problem), VERDICT_FATAL);
  cr_assert_not_null(strstr(problem.hint, "no address of this machine"), "%s", problem.hint);
}

Test(listener, foreign_and_unresolvable_addresses_are_fatal)
{
  static const char *const hosts[] = {"192.0.2.1", "no-such-host.invalid", "[", "[]", "999.1.1.1", "::g", "[::1", "::1]"};

  for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++) {
    struct problem problem = {0};
    uint16_t port = 0;
    int fd = -1;

    cr_assert_eq(open_at(hosts[i], 0, &fd, &port, &problem), VERDICT_FATAL, "%s", hosts[i]);
    cr_assert_eq(problem.code, EXIT_USAGE);
    cr_assert_eq(fd, -1);
    cr_assert_not_null(strstr(problem.hint, "no address of this machine: set SHOP_LISTEN to one"), "%s: %s", hosts[i], problem.hint);
  }
}
