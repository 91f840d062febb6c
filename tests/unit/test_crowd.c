#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "crowd.h"
#include "moment.h"
#include "service.h"

struct bench {
  struct crowd *crowd;
  struct crowd_member *member;
  int64_t began_us;
  int client_fd;
  int server_fd;
};

static struct bench bench_of(int client_fd, int server_fd)
{
  struct bench bench = {.crowd = crowd_new(), .began_us = moment_now().mono_us, .client_fd = client_fd, .server_fd = server_fd};

  bench.member = crowd_enter(bench.crowd, bench.server_fd, bench.began_us);
  return bench;
}

/* A line whose kernel knows nothing of bytes that came and were read. */
static struct bench bench_open(void)
{
  int ends[2];

  cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  return bench_of(ends[0], ends[1]);
}

static struct bench bench_open_tcp(void)
{
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof(address);
  int listen_fd = socket(AF_INET, SOCK_STREAM, 0);
  int client_fd = socket(AF_INET, SOCK_STREAM, 0);
  struct bench bench;

  cr_assert_eq(bind(listen_fd, (struct sockaddr *)&address, sizeof(address)), 0);
  cr_assert_eq(listen(listen_fd, 1), 0);
  cr_assert_eq(getsockname(listen_fd, (struct sockaddr *)&address, &size), 0);
  cr_assert_eq(connect(client_fd, (struct sockaddr *)&address, sizeof(address)), 0);
  bench = bench_of(client_fd, accept(listen_fd, NULL, NULL));
  cr_assert_geq(bench.server_fd, 0);
  (void)close(listen_fd);
  return bench;
}

/* Whether it is shut, for the client. */
static bool is_shut(const struct bench *bench)
{
  struct pollfd polled = {.fd = bench->client_fd, .events = POLLIN};

  return poll(&polled, 1, 0) == 1;
}

static void bench_close(struct bench *bench)
{
  crowd_leave(bench->crowd, bench->member);
  crowd_free(bench->crowd);
  (void)close(bench->client_fd);
  (void)close(bench->server_fd);
}

static int64_t after_us(const struct bench *bench, int64_t ms)
{
  return bench->began_us + ms * US_PER_MS;
}

static size_t shut_after(const struct bench *bench, int64_t ms)
{
  return crowd_shut_overdue(bench->crowd, after_us(bench, ms));
}

Test(crowd, a_request_that_comes_after_its_connection_was_shut_is_not_begun)
{
  struct bench bench = bench_open();

  cr_expect_eq(shut_after(&bench, HTTP_IDLE_TIMEOUT_S * 1000), 1);
  crowd_begin_request(bench.member, &bench);
  cr_expect_not(crowd_begin_work(bench.member));
  cr_expect_eq(shut_after(&bench, HTTP_IDLE_TIMEOUT_S * 2000), 0, "it is shut once");
  bench_close(&bench);
}

Test(crowd, a_head_wins_no_time_for_the_rest)
{
  struct bench bench = bench_open();

  crowd_begin_request(bench.member, &bench);
  cr_expect_eq(shut_after(&bench, HTTP_IDLE_TIMEOUT_S * 1000 - 1), 0);
  cr_expect_eq(shut_after(&bench, HTTP_IDLE_TIMEOUT_S * 1000), 1);
  bench_close(&bench);
}

Test(crowd, who_is_worked_for_is_not_shut)
{
  struct bench bench = bench_open();

  crowd_begin_request(bench.member, &bench);
  cr_expect(crowd_begin_work(bench.member));
  cr_expect_eq(shut_after(&bench, HTTP_IDLE_TIMEOUT_S * 2000), 0);
  crowd_begin_answer(bench.member, after_us(&bench, HTTP_IDLE_TIMEOUT_S * 2000));
  crowd_end_request(bench.member, after_us(&bench, HTTP_IDLE_TIMEOUT_S * 2000));
  cr_expect_eq(shut_after(&bench, HTTP_IDLE_TIMEOUT_S * 3000 - 1), 0, "the time for the next request begins behind the answer");
  cr_expect_eq(shut_after(&bench, HTTP_IDLE_TIMEOUT_S * 3000), 1);
  bench_close(&bench);
}

Test(crowd, who_does_not_take_its_answer_is_shut)
{
  struct bench bench = bench_open();

  crowd_begin_request(bench.member, &bench);
  cr_expect(crowd_begin_work(bench.member));
  crowd_begin_answer(bench.member, after_us(&bench, 1000));
  cr_expect_eq(shut_after(&bench, HTTP_ANSWER_TIMEOUT_S * 1000), 0);
  cr_expect_eq(shut_after(&bench, HTTP_ANSWER_TIMEOUT_S * 1000 + 1000), 1);
  bench_close(&bench);
}

Test(crowd, at_the_end_the_silent_are_let_go)
{
  struct bench bench = bench_open();

  cr_expect_eq(shut_after(&bench, 10000), 0);
  crowd_stop(bench.crowd, after_us(&bench, 10000));
  (void)shut_after(&bench, 10000 + HTTP_DRAIN_SILENCE_MS - 1);
  cr_expect_not(is_shut(&bench));
  cr_expect_eq(shut_after(&bench, 10000 + HTTP_DRAIN_SILENCE_MS), 0, "it was not too slow");
  cr_expect(is_shut(&bench));
  bench_close(&bench);
}

Test(crowd, at_the_end_a_newcomer_has_its_time)
{
  struct bench bench = bench_open();

  crowd_stop(bench.crowd, after_us(&bench, -10000));
  (void)shut_after(&bench, HTTP_DRAIN_SILENCE_MS - 1);
  cr_expect_not(is_shut(&bench));
  (void)shut_after(&bench, HTTP_DRAIN_SILENCE_MS);
  cr_expect(is_shut(&bench));
  bench_close(&bench);
}

Test(crowd, at_the_end_bytes_that_lie_unread_are_waited_for_and_not_for_ever)
{
  struct bench bench = bench_open();

  crowd_stop(bench.crowd, bench.began_us);
  cr_assert_eq(write(bench.client_fd, "G", 1), 1);
  (void)shut_after(&bench, HTTP_DRAIN_ARRIVAL_MS - 1);
  cr_expect_not(is_shut(&bench));
  cr_expect_eq(shut_after(&bench, HTTP_DRAIN_ARRIVAL_MS), 1);
  bench_close(&bench);
}

Test(crowd, at_the_end_half_a_head_that_came_just_now_is_waited_for)
{
  struct bench bench = bench_open_tcp();
  struct pollfd polled = {.fd = bench.server_fd, .events = POLLIN};
  char byte;

  crowd_stop(bench.crowd, bench.began_us);
  cr_assert_eq(write(bench.client_fd, "G", 1), 1);
  cr_assert_eq(poll(&polled, 1, 5000), 1);
  cr_assert_eq(read(bench.server_fd, &byte, 1), 1);
  (void)shut_after(&bench, HTTP_DRAIN_SILENCE_MS);
  cr_expect_not(is_shut(&bench), "it is read, and came less than that ago");
  cr_expect_eq(shut_after(&bench, HTTP_DRAIN_ARRIVAL_MS), 1);
  bench_close(&bench);
}

Test(crowd, at_the_end_half_a_request_has_longer_than_silence)
{
  struct bench bench = bench_open();

  crowd_stop(bench.crowd, after_us(&bench, 10000));
  crowd_begin_request(bench.member, &bench);
  (void)shut_after(&bench, 10000 + HTTP_DRAIN_ARRIVAL_MS - 1);
  cr_expect_not(is_shut(&bench));
  cr_expect_eq(shut_after(&bench, 10000 + HTTP_DRAIN_ARRIVAL_MS), 1);
  bench_close(&bench);
}

Test(crowd, at_the_end_who_is_worked_for_or_takes_its_answer_stays)
{
  struct bench bench = bench_open();

  crowd_stop(bench.crowd, bench.began_us);
  crowd_begin_request(bench.member, &bench);
  cr_expect(crowd_begin_work(bench.member));
  cr_expect_eq(shut_after(&bench, HTTP_DRAIN_TIMEOUT_MS), 0);
  crowd_begin_answer(bench.member, after_us(&bench, 100));
  cr_expect_eq(shut_after(&bench, HTTP_DRAIN_TIMEOUT_MS), 0);
  bench_close(&bench);
}

Test(crowd, bytes_that_are_never_read_end_the_connection)
{
  struct bench bench = bench_open_tcp();
  struct pollfd polled = {.fd = bench.server_fd, .events = POLLIN};
  char bytes[2];

  cr_assert_eq(write(bench.client_fd, "GET ", 4), 4);
  cr_assert_eq(poll(&polled, 1, 5000), 1);
  (void)shut_after(&bench, 0);
  cr_assert_eq(read(bench.server_fd, bytes, sizeof(bytes)), sizeof(bytes));
  (void)shut_after(&bench, HTTP_STUCK_MS);
  (void)shut_after(&bench, 2 * HTTP_STUCK_MS - 1);
  cr_expect_not(is_shut(&bench), "some were read since");
  (void)shut_after(&bench, 2 * HTTP_STUCK_MS);
  cr_expect(is_shut(&bench));
  bench_close(&bench);
}

Test(crowd, a_line_that_has_ended_is_not_kept)
{
  struct bench bench = bench_open_tcp();
  struct pollfd polled = {.fd = bench.server_fd, .events = POLLIN};

  cr_assert_eq(shutdown(bench.client_fd, SHUT_WR), 0);
  cr_assert_eq(poll(&polled, 1, 5000), 1);
  (void)shut_after(&bench, 0);
  (void)shut_after(&bench, HTTP_STUCK_MS - 1);
  cr_expect_not(is_shut(&bench));
  (void)shut_after(&bench, HTTP_STUCK_MS);
  cr_expect(is_shut(&bench));
  bench_close(&bench);
}

Test(crowd, who_is_worked_for_may_send_more)
{
  struct bench bench = bench_open_tcp();
  struct pollfd polled = {.fd = bench.server_fd, .events = POLLIN};

  crowd_begin_request(bench.member, &bench);
  cr_expect(crowd_begin_work(bench.member));
  cr_assert_eq(write(bench.client_fd, "GET ", 4), 4);
  cr_assert_eq(poll(&polled, 1, 5000), 1);
  (void)shut_after(&bench, 0);
  (void)shut_after(&bench, 10 * HTTP_STUCK_MS);
  cr_expect_not(is_shut(&bench));
  bench_close(&bench);
}
