#include <criterion/criterion.h>
#include <sys/socket.h>
#include <unistd.h>

#include "crowd.h"
#include "moment.h"
#include "service.h"

static int64_t after_us(int64_t seconds)
{
  return moment_now().mono_us + seconds * US_PER_S;
}

Test(crowd, a_request_that_comes_after_its_connection_was_shut_is_not_begun)
{
  struct crowd *crowd = crowd_new();
  struct crowd_member *member;
  int ends[2];

  cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  member = crowd_enter(crowd, ends[0]);
  cr_expect_eq(crowd_shut_overdue(crowd, after_us(HTTP_IDLE_TIMEOUT_S + 1)), 1);
  cr_expect_not(crowd_begin_work(crowd, member));
  crowd_leave(crowd, member);
  crowd_free(crowd);
  (void)close(ends[0]);
  (void)close(ends[1]);
}

Test(crowd, who_is_worked_for_is_not_shut)
{
  struct crowd *crowd = crowd_new();
  struct crowd_member *member;
  int ends[2];

  cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  member = crowd_enter(crowd, ends[0]);
  cr_expect(crowd_begin_work(crowd, member));
  cr_expect_eq(crowd_shut_overdue(crowd, after_us(HTTP_IDLE_TIMEOUT_S + 1)), 0);
  crowd_end_work(crowd, member, moment_now().mono_us);
  cr_expect_eq(crowd_shut_overdue(crowd, after_us(HTTP_IDLE_TIMEOUT_S + 1)), 1);
  crowd_leave(crowd, member);
  crowd_free(crowd);
  (void)close(ends[0]);
  (void)close(ends[1]);
}
