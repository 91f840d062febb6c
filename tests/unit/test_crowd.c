#include <criterion/criterion.h>
#include <sys/socket.h>
#include <unistd.h>

#include "crowd.h"
#include "moment.h"
#include "service.h"

struct bench {
  struct crowd *crowd;
  struct crowd_member *member;
  int client_fd;
  int server_fd;
};

static struct bench bench_open(void)
{
  struct bench bench = {.crowd = crowd_new()};
  int ends[2];

  cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  bench.client_fd = ends[0];
  bench.server_fd = ends[1];
  bench.member = crowd_enter(bench.crowd, bench.server_fd);
  return bench;
}

static void bench_close(struct bench *bench)
{
  crowd_leave(bench->crowd, bench->member);
  crowd_free(bench->crowd);
  (void)close(bench->client_fd);
  (void)close(bench->server_fd);
}

static int64_t after_us(int64_t ms)
{
  return moment_now().mono_us + ms * US_PER_MS;
}

Test(crowd, a_request_that_comes_after_its_connection_was_shut_is_not_begun)
{
  struct bench bench = bench_open();

  cr_expect_eq(crowd_shut_overdue(bench.crowd, after_us(HTTP_IDLE_TIMEOUT_S * 1000 + 1000)), 1);
  cr_expect_not(crowd_begin_work(bench.member));
  bench_close(&bench);
}

Test(crowd, who_is_worked_for_is_not_shut)
{
  struct bench bench = bench_open();

  cr_expect(crowd_begin_work(bench.member));
  cr_expect_eq(crowd_shut_overdue(bench.crowd, after_us(HTTP_IDLE_TIMEOUT_S * 1000 + 1000)), 0);
  crowd_end_work(bench.member, moment_now().mono_us);
  cr_expect_eq(crowd_shut_overdue(bench.crowd, after_us(HTTP_IDLE_TIMEOUT_S * 1000 + 1000)), 1);
  bench_close(&bench);
}

Test(crowd, a_newcomer_is_waited_for_and_not_for_ever)
{
  struct bench bench = bench_open();

  cr_expect(crowd_expects_request(bench.crowd, after_us(0)));
  cr_expect_not(crowd_expects_request(bench.crowd, after_us(HTTP_NEWCOMER_MS)));
  bench_close(&bench);
}

Test(crowd, who_has_had_an_answer_is_not_waited_for_unless_bytes_are_there)
{
  struct bench bench = bench_open();

  cr_expect(crowd_begin_work(bench.member));
  crowd_end_work(bench.member, moment_now().mono_us);
  cr_expect_not(crowd_expects_request(bench.crowd, after_us(0)));
  cr_assert_eq(write(bench.client_fd, "G", 1), 1);
  cr_expect(crowd_expects_request(bench.crowd, after_us(HTTP_NEWCOMER_MS)));
  bench_close(&bench);
}

Test(crowd, who_was_shut_is_not_waited_for)
{
  struct bench bench = bench_open();

  cr_assert_eq(write(bench.client_fd, "G", 1), 1);
  cr_expect_eq(crowd_shut_overdue(bench.crowd, after_us(HTTP_IDLE_TIMEOUT_S * 1000 + 1000)), 1);
  cr_expect_not(crowd_expects_request(bench.crowd, after_us(0)));
  bench_close(&bench);
}
