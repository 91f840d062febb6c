/*
 * What auth-service's answers mean to an event. The stand-in is a thread that takes one connection after the other, reads a request's head, and says what the test has given it.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "auth_client.h"

enum { MEMBER = 7, TIMEOUT_MS = 5000, REQUEST_MAX = 8192 };

struct standin {
  int listen_fd;
  char url[64];
  pthread_t thread;
  const char *answer; /* whole, as it goes on the wire; behind it the connection is closed */
  char request[REQUEST_MAX];
};

static void *serve(void *context)
{
  struct standin *standin = context;
  int fd = accept(standin->listen_fd, NULL, NULL);
  size_t length = 0;

  while (fd >= 0 && strstr(standin->request, "\r\n\r\n") == NULL) {
    ssize_t count = recv(fd, standin->request + length, REQUEST_MAX - 1 - length, 0);

    if (count <= 0) {
      break;
    }
    length += (size_t)count;
    standin->request[length] = '\0';
  }
  for (size_t sent = 0, size = strlen(standin->answer); fd >= 0 && sent < size;) {
    ssize_t count = send(fd, standin->answer + sent, size - sent, MSG_NOSIGNAL);

    if (count <= 0) {
      break; /* the client has heard enough */
    }
    sent += (size_t)count;
  }
  if (fd >= 0) {
    close(fd);
  }
  return NULL;
}

static void standin_open(struct standin *standin)
{
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof(address);

  *standin = (struct standin){.listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  cr_assert_eq(bind(standin->listen_fd, (struct sockaddr *)&address, sizeof(address)), 0);
  cr_assert_eq(listen(standin->listen_fd, 1), 0);
  cr_assert_eq(getsockname(standin->listen_fd, (struct sockaddr *)&address, &length), 0);
  (void)snprintf(standin->url, sizeof(standin->url), "http://127.0.0.1:%u", (unsigned int)ntohs(address.sin_port));
}

/* One question, answered with `answer`; what the client asked is in standin->request. */
static enum verdict ask(struct standin *standin, const char *url_end, const char *answer, struct auth_member *ret_member, struct problem *problem)
{
  struct auth_client *client;
  enum verdict verdict;
  char url[128];

  standin_open(standin);
  standin->answer = answer;
  (void)snprintf(url, sizeof(url), "%s%s", standin->url, url_end);
  cr_assert_eq(pthread_create(&standin->thread, NULL, serve, standin), 0);
  cr_assert_eq(auth_client_open(url, TIMEOUT_MS, &client, problem), VERDICT_OK);
  verdict = auth_client_ask(client, MEMBER, "c-1", ret_member, problem);
  auth_client_free(client);
  (void)pthread_join(standin->thread, NULL);
  close(standin->listen_fd);
  return verdict;
}

#define HEAD(status) "HTTP/1.1 " status " X\r\nConnection: close\r\n\r\n"

Test(auth_client, a_member_is_told_as_auth_service_tells_it)
{
  struct standin standin;
  struct auth_member member;
  struct problem problem;

  cr_assert_eq(
      ask(&standin, "", HEAD("200") "{\"memberId\": 7, \"nickname\": \"anna\", \"email\": \"a@example.com\", \"status\": \"ACTIVE\"}", &member, &problem),
      VERDICT_OK, "%s", problem.text);
  cr_assert(member.is_active);
  cr_assert_str_eq(member.nickname, "anna");
  cr_assert_str_eq(member.email, "a@example.com");
  cr_assert_not_null(strstr(standin.request, "GET /api/members/7 HTTP/1.1\r\n"), "%s", standin.request);
  cr_assert_not_null(strstr(standin.request, "X-Correlation-Id: c-1\r\n"), "%s", standin.request);
  cr_assert_eq(ask(&standin, "", HEAD("200") "{\"memberId\": 7, \"nickname\": null, \"email\": null, \"status\": \"DELETED\"}", &member, &problem), VERDICT_OK,
               "%s", problem.text);
  cr_assert_not(member.is_active);
  cr_assert_str_eq(member.email, "");
}

Test(auth_client, slashes_at_the_end_of_the_address_make_no_other_path)
{
  struct standin standin;
  struct auth_member member;
  struct problem problem;

  (void)ask(&standin, "/members-of/it//", HEAD("404") "{}", &member, &problem);
  cr_assert_not_null(strstr(standin.request, "GET /members-of/it/api/members/7 HTTP/1.1\r\n"), "%s", standin.request);
}

/* FATAL ends in a dead letter: only a member that auth-service does not know may. */
Test(auth_client, only_an_unknown_member_is_about_the_event)
{
  static const struct {
    const char *answer;
    enum verdict verdict;
    const char *cause;
    bool has_hint; /* a person must mend it */
  } cases[] = {
      {HEAD("404") "{\"type\": \"about:blank\", \"status\": 404, \"detail\": \"there is no member 7\", \"memberId\": 7}", VERDICT_FATAL, "unknown_member",
       false},
      /* What a service of ours says that has no such route. */
      {HEAD("404") "{\"type\": \"about:blank\", \"title\": \"Not Found\", \"status\": 404, \"detail\": \"there is nothing under this path\", "
                   "\"correlationId\": \"c-1\"}",
       VERDICT_RETRY, "auth_answer", true},
      {HEAD("404") "{\"status\": 404, \"memberId\": 8}", VERDICT_RETRY, "auth_answer", true},
      {HEAD("404") "{\"status\": 404, \"memberId\": \"7\"}", VERDICT_RETRY, "auth_answer", true},
      {HEAD("404") "<html>404</html>", VERDICT_RETRY, "auth_answer", true},
      {HEAD("404"), VERDICT_RETRY, "auth_answer", true},
      {HEAD("404") "\"404\"", VERDICT_RETRY, "auth_answer", true},
      {HEAD("301"), VERDICT_RETRY, "auth_answer", true},
      {"HTTP/1.1 302 X\r\nLocation: https://login.example/\r\nConnection: close\r\n\r\n", VERDICT_RETRY, "auth_answer", true},
      {HEAD("400") "{}", VERDICT_RETRY, "auth_answer", true},
      {HEAD("410") "{}", VERDICT_RETRY, "auth_answer", true},
      {HEAD("422") "{}", VERDICT_RETRY, "auth_answer", true},
      {HEAD("401") "{}", VERDICT_RETRY, "auth_refused", true},
      {HEAD("403") "{}", VERDICT_RETRY, "auth_refused", true},
      {HEAD("407"), VERDICT_RETRY, "auth_refused", true},
      {HEAD("408"), VERDICT_RETRY, "auth_away", false},
      {HEAD("425"), VERDICT_RETRY, "auth_away", false},
      {HEAD("429"), VERDICT_RETRY, "auth_away", false},
      {HEAD("500"), VERDICT_RETRY, "auth_away", false},
      {HEAD("503"), VERDICT_RETRY, "auth_away", false},
      {HEAD("200"), VERDICT_RETRY, "auth_answer", true},
      {HEAD("204"), VERDICT_RETRY, "auth_answer", true},
      {HEAD("200") "<html>log in</html>", VERDICT_RETRY, "auth_answer", true},
      {HEAD("200") "[]", VERDICT_RETRY, "auth_answer", true},
      {HEAD("200") "{\"memberId\": 8, \"nickname\": \"anna\", \"status\": \"ACTIVE\"}", VERDICT_RETRY, "auth_answer", true},
      {HEAD("200") "{\"memberId\": \"7\", \"nickname\": \"anna\", \"status\": \"ACTIVE\"}", VERDICT_RETRY, "auth_answer", true},
      {HEAD("200") "{\"memberId\": 7, \"nickname\": \"anna\"}", VERDICT_RETRY, "auth_answer", true},
      {HEAD("200") "{\"memberId\": 7, \"nickname\": \"anna\", \"status\": \"SUSPENDED\"}", VERDICT_RETRY, "auth_answer", true},
      {HEAD("200") "{\"memberId\": 7, \"nickname\": null, \"status\": \"ACTIVE\"}", VERDICT_RETRY, "auth_answer", true},
      {HEAD("200") "{\"memberId\": 7, \"nickname\": 3, \"status\": \"ACTIVE\"}", VERDICT_RETRY, "auth_answer", true},
      {"", VERDICT_RETRY, "auth_away", false}, /* closed without a word */
  };

  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    struct standin standin;
    struct auth_member member;
    struct problem problem = {0};
    enum verdict verdict = ask(&standin, "", cases[i].answer, &member, &problem);

    cr_expect_eq(verdict, cases[i].verdict, "%s: verdict %d", cases[i].answer, (int)verdict);
    cr_expect_str_eq(problem.cause, cases[i].cause, "%s: %s", cases[i].answer, problem.cause);
    cr_expect_eq(problem.hint[0] != '\0', cases[i].has_hint, "%s: %s", cases[i].answer, problem.hint);
  }
}

Test(auth_client, an_answer_without_an_end_is_not_read_to_the_end)
{
  static char answer[sizeof(HEAD("200")) + 2 * AUTH_ANSWER_MAX_BYTES];
  struct standin standin;
  struct auth_member member;
  struct problem problem;

  memset(answer, ' ', sizeof(answer) - 1);
  memcpy(answer, HEAD("200"), strlen(HEAD("200")));
  cr_assert_eq(ask(&standin, "", answer, &member, &problem), VERDICT_RETRY);
  cr_assert_str_eq(problem.cause, "auth_answer");
}

Test(auth_client, nobody_there_is_away)
{
  struct standin standin;
  struct auth_client *client;
  struct auth_member member;
  struct problem problem;

  standin_open(&standin);
  close(standin.listen_fd);
  cr_assert_eq(auth_client_open(standin.url, TIMEOUT_MS, &client, &problem), VERDICT_OK);
  cr_assert_eq(auth_client_ask(client, MEMBER, "c-1", &member, &problem), VERDICT_RETRY);
  cr_assert_str_eq(problem.cause, "auth_away");
  auth_client_free(client);
}

/* Found when the program starts, not at the first event that asks. */
Test(auth_client, an_address_that_is_none_is_refused_at_once)
{
  static const char *const wrong[] = {"",         "auth:8081", "ftp://auth", "file:///etc/passwd", "http:/auth",  "http://",
                                      "https://", "http:///",  "http:////",  "http:///members",    "http://:8081"};
  char longer[AUTH_URL_MAX_BYTES + 64] = "http://";
  struct auth_client *client = NULL;
  struct problem problem;

  for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
    cr_assert_eq(auth_client_open(wrong[i], TIMEOUT_MS, &client, &problem), VERDICT_FATAL, "%s", wrong[i]);
    cr_assert_eq(problem.code, EXIT_USAGE);
  }
  memset(longer + strlen(longer), 'x', AUTH_URL_MAX_BYTES);
  cr_assert_eq(auth_client_open(longer, TIMEOUT_MS, &client, &problem), VERDICT_FATAL);
  cr_assert_null(client);
  cr_assert_eq(auth_client_open("HTTPS://auth", TIMEOUT_MS, &client, &problem), VERDICT_OK);
  auth_client_free(client);
}
