#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stream/pg_connection.h"

static const struct {
  const char *sqlstate;
  enum verdict verdict;
  enum exit_code code;
} cases[] = {
    {"", VERDICT_RETRY, EXIT_UNEXPECTED},
    {"08006", VERDICT_RETRY, EXIT_UNEXPECTED},
    {"57P01", VERDICT_RETRY, EXIT_UNEXPECTED},
    {"57P03", VERDICT_RETRY, EXIT_UNEXPECTED},
    {"55006", VERDICT_RETRY, EXIT_UNEXPECTED},
    {"53300", VERDICT_RETRY, EXIT_UNEXPECTED},
    {"40001", VERDICT_RETRY, EXIT_UNEXPECTED},
    {"XX000", VERDICT_RETRY, EXIT_UNEXPECTED},
    {"58030", VERDICT_RETRY, EXIT_UNEXPECTED},
    {"28P01", VERDICT_FATAL, EXIT_DATABASE_REFUSES},
    {"42501", VERDICT_FATAL, EXIT_DATABASE_REFUSES},
    {"3D000", VERDICT_FATAL, EXIT_DATABASE_REFUSES},
    {"53400", VERDICT_FATAL, EXIT_DATABASE_REFUSES},
    {"22021", VERDICT_FATAL, EXIT_DATABASE_REFUSES},
    {"42P01", VERDICT_FATAL, EXIT_DATABASE_REFUSES},
};

Test(sqlstate, what_may_heal_is_retried_and_what_a_person_must_mend_is_held)
{
  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    enum exit_code code;
    const char *cause;

    cr_assert_eq(sqlstate_verdict(cases[i].sqlstate, &code, &cause), cases[i].verdict, "%s", cases[i].sqlstate);
    cr_assert_eq(code, cases[i].code, "%s", cases[i].sqlstate);
    cr_assert_not_null(cause);
  }
}

/* A connection that a server has refused with `words`: of such a one libpq 15 keeps nothing else. */
static PGconn *refused_with(const char *words)
{
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof(address);
  int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  char url[128];
  char message[512];
  uint32_t size;
  PGconn *connection;
  int fd;

  cr_assert_eq(bind(listening, (struct sockaddr *)&address, sizeof(address)), 0);
  cr_assert_eq(listen(listening, 1), 0);
  cr_assert_eq(getsockname(listening, (struct sockaddr *)&address, &length), 0);
  (void)snprintf(url, sizeof(url), "host=127.0.0.1 port=%u user=u dbname=d sslmode=disable gssencmode=disable", (unsigned int)ntohs(address.sin_port));
  connection = PQconnectStart(url);
  fd = accept(listening, NULL, NULL);
  cr_assert_geq(fd, 0);
  size = (uint32_t)snprintf(message + 5, sizeof(message) - 5, "SFATAL%cC53300%cM%s%c", '\0', '\0', words, '\0') + 5;
  message[0] = 'E';
  memcpy(message + 1, &(uint32_t){htonl(size)}, 4);
  cr_assert_eq(send(fd, message, size + 1, MSG_NOSIGNAL), (ssize_t)size + 1);
  for (PostgresPollingStatusType next = PGRES_POLLING_WRITING; next != PGRES_POLLING_FAILED; next = PQconnectPoll(connection)) {
    struct pollfd polled = {.fd = PQsocket(connection), .events = next == PGRES_POLLING_READING ? POLLIN : POLLOUT};

    cr_assert_neq(next, PGRES_POLLING_OK);
    cr_assert_eq(poll(&polled, 1, 5000), 1);
  }
  close(fd);
  close(listening);
  return connection;
}

Test(sqlstate, who_finds_no_walsender_free_is_told_that_a_start_needs_two)
{
  PGconn *connection = refused_with("number of requested standby connections exceeds max_wal_senders (currently 1)");
  struct problem problem = {0};

  cr_assert_eq(pg_problem(connection, NULL, "connect", &problem), VERDICT_RETRY);
  cr_expect_str_eq(problem.cause, "too_many_walsenders", "%s", problem.text);
  cr_expect_not_null(strstr(problem.hint, "two of max_wal_senders"), "%s", problem.hint);
  PQfinish(connection);
  connection = refused_with("sorry, too many clients already");
  cr_assert_eq(pg_problem(connection, NULL, "connect", &problem), VERDICT_RETRY);
  cr_expect_str_eq(problem.cause, "too_many_connections", "%s", problem.text);
  cr_expect_str_empty(problem.hint, "%s", problem.hint);
  PQfinish(connection);
}

Test(sqlstate, who_is_one_too_many_for_the_role_is_told_of_its_limit)
{
  PGconn *connection = refused_with("too many connections for role \"shop_relay\"");
  struct problem problem = {0};

  cr_assert_eq(pg_problem(connection, NULL, "connect", &problem), VERDICT_RETRY);
  cr_expect_str_eq(problem.cause, "too_many_connections", "%s", problem.text);
  cr_expect_not_null(strstr(problem.text, "shop_relay"), "%s", problem.text);
  cr_expect_not_null(strstr(problem.hint, "CONNECTION LIMIT <three times the number of relays>"), "%s", problem.hint);
  PQfinish(connection);
}

Test(sqlstate, no_answer_at_all_is_retried)
{
  enum exit_code code;
  const char *cause;

  cr_assert_eq(sqlstate_verdict(NULL, &code, &cause), VERDICT_RETRY);
  cr_assert_str_eq(cause, "network");
}
