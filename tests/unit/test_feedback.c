#include <criterion/criterion.h>

#include "ack/feedback.h"
#include "moment.h"
#include "verdict.h"

enum { TIMEOUT_US = 60 * US_PER_S, CONFIRM_US = 100 * US_PER_MS };
#define START_US INT64_C(1000000000)

static struct feedback begin(Lsn confirmed)
{
  struct feedback feedback;

  feedback_init(&feedback, confirmed, TIMEOUT_US, CONFIRM_US, START_US);
  return feedback;
}

static bool is_due(const struct feedback *feedback, Lsn safe, int64_t after_us)
{
  struct feedback_message message;

  return feedback_due(feedback, safe, START_US + after_us, &message);
}

/* Sends what is due and returns it; fails when nothing is. */
static struct feedback_message send_due(struct feedback *feedback, Lsn safe, int64_t after_us)
{
  struct feedback_message message = {0};

  cr_assert(feedback_due(feedback, safe, START_US + after_us, &message), "nothing due after %ld us", after_us);
  feedback_sent(feedback, &message, START_US + after_us);
  return message;
}

Test(feedback, own_timer_is_a_third_of_the_servers_timeout_within_limits)
{
  static const struct {
    int64_t timeout_us;
    int64_t interval_us;
  } cases[] = {{0, FEEDBACK_INTERVAL_MAX_US},
               {-1, FEEDBACK_INTERVAL_MAX_US},
               {3 * US_PER_S, US_PER_S},
               {30 * US_PER_S, 10 * US_PER_S},
               {60 * US_PER_S, FEEDBACK_INTERVAL_MAX_US},
               {INT64_MAX, FEEDBACK_INTERVAL_MAX_US},
               {1000, 333}};

  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    struct feedback feedback;

    feedback_init(&feedback, 100, cases[i].timeout_us, CONFIRM_US, START_US);
    cr_assert_eq(feedback_deadline_us(&feedback, 100), START_US + cases[i].interval_us, "timeout %ld", cases[i].timeout_us);
    cr_assert_not(is_due(&feedback, 100, cases[i].interval_us - 1));
    cr_assert(is_due(&feedback, 100, cases[i].interval_us));
  }
}

Test(feedback, speaks_on_its_own_timer_while_nothing_moves_and_nobody_asks)
{
  struct feedback feedback = begin(100);
  int64_t after_us = 0;

  for (int i = 0; i < 20; i++) {
    after_us = feedback_deadline_us(&feedback, 100) - START_US;
    cr_assert_eq(after_us, (i + 1) * (int64_t)FEEDBACK_INTERVAL_MAX_US);
    cr_assert_eq(send_due(&feedback, 100, after_us).flush, 100);
  }
}

Test(feedback, a_moved_position_waits_for_the_confirm_interval_and_no_longer)
{
  struct feedback feedback = begin(100);

  cr_assert_eq(feedback_deadline_us(&feedback, 200), START_US + CONFIRM_US);
  cr_assert_not(is_due(&feedback, 200, CONFIRM_US - 1));
  cr_assert_eq(send_due(&feedback, 200, CONFIRM_US).flush, 200);
  cr_assert_not(is_due(&feedback, 200, 2 * CONFIRM_US));
  cr_assert_not(is_due(&feedback, 300, 2 * CONFIRM_US - 1));
  cr_assert_eq(send_due(&feedback, 300, 2 * CONFIRM_US).flush, 300);
}

Test(feedback, a_moved_position_after_a_quiet_time_is_told_at_once)
{
  struct feedback feedback = begin(100);

  cr_assert_eq(send_due(&feedback, 200, 5 * US_PER_S).flush, 200);
}

Test(feedback, a_long_confirm_interval_does_not_delay_the_own_timer)
{
  struct feedback feedback;

  feedback_init(&feedback, 100, 3 * US_PER_S, 3600LL * US_PER_S, START_US);
  cr_assert(is_due(&feedback, 200, US_PER_S));
}

Test(feedback, never_says_more_than_safe_whatever_was_received)
{
  struct feedback feedback = begin(100);
  struct feedback_message message;

  feedback_on_received(&feedback, 900, false, true, START_US);
  message = send_due(&feedback, 100, FEEDBACK_INTERVAL_MAX_US);
  cr_assert_eq(message.flush, 100);
  cr_assert_eq(message.apply, 100);
  cr_assert_eq(message.write, 900);
  feedback_on_received(&feedback, 950, true, true, START_US + FEEDBACK_INTERVAL_MAX_US);
  message = send_due(&feedback, 400, FEEDBACK_INTERVAL_MAX_US + 1);
  cr_assert_eq(message.flush, 400);
  cr_assert_eq(message.apply, 400);
  cr_assert_eq(message.write, 950);
  cr_assert_eq(feedback.confirmed, 400);
}

Test(feedback, write_never_lies_before_flush_or_goes_back)
{
  struct feedback feedback = begin(100);

  cr_assert_eq(send_due(&feedback, 500, US_PER_S).write, 500);
  feedback_on_received(&feedback, 900, false, false, START_US);
  feedback_on_received(&feedback, 300, false, false, START_US);
  cr_assert_eq(send_due(&feedback, 500, 20LL * US_PER_S).write, 900);
}

Test(feedback, a_request_is_answered_at_once_and_once)
{
  struct feedback feedback = begin(100);

  feedback_on_received(&feedback, 150, true, false, START_US + 1);
  cr_assert_leq(feedback_deadline_us(&feedback, 100), START_US + 1);
  cr_assert_eq(send_due(&feedback, 100, 1).write, 150);
  cr_assert_not(is_due(&feedback, 100, 2));
}

Test(feedback, going_back_ends_the_process, .exit_code = EXIT_INVARIANT)
{
  struct feedback feedback = begin(100);

  (void)is_due(&feedback, 99, 0);
}

/* The spin. A server that shuts down asks every `gap_us`; each request is answered as soon as it is due. */

struct spin {
  Lsn confirmed;
  Lsn safe;
  Lsn wal_end;
  Lsn wal_end_step; /* per request */
  int64_t gap_us;
  int64_t length_us;
  bool is_pending;
};

struct spin_result {
  int ordinary;
  int let_go;
  int64_t first_let_go_us; /* since the first request */
  struct feedback_message let_go_message;
};

static struct spin_result spin(struct feedback *feedback, const struct spin *spin, int64_t from_us)
{
  struct spin_result result = {.first_let_go_us = -1};
  Lsn wal_end = spin->wal_end;

  for (int64_t at = from_us; at <= from_us + spin->length_us; at += spin->gap_us) {
    struct feedback_message message;

    feedback_on_received(feedback, wal_end, true, spin->is_pending, START_US + at);
    wal_end += spin->wal_end_step;
    if (!feedback_due(feedback, spin->safe, START_US + at, &message)) {
      continue;
    }
    feedback_sent(feedback, &message, START_US + at);
    if (message.flush != 0) {
      cr_assert_eq(message.flush, spin->safe);
      result.ordinary++;
    } else {
      result.first_let_go_us = result.let_go == 0 ? at - from_us : result.first_let_go_us;
      result.let_go++;
      result.let_go_message = message;
    }
  }
  return result;
}

Test(feedback, a_server_that_asks_on_and_on_is_let_go_once_without_confirming)
{
  struct feedback feedback = begin(100);
  const struct spin shutdown = {.safe = 100, .wal_end = 900, .gap_us = 1000, .length_us = 3 * US_PER_S, .is_pending = true};
  const struct spin_result result = spin(&feedback, &shutdown, 0);

  cr_assert_eq(result.let_go, 1);
  cr_assert_eq(result.first_let_go_us, FEEDBACK_SPIN_US);
  cr_assert_eq(result.ordinary, FEEDBACK_SPIN_US / 1000, "requests before the answer are answered, those behind it are not: %d", result.ordinary);
  cr_assert_eq(result.let_go_message.write, 900);
  cr_assert_eq(result.let_go_message.flush, 0);
  cr_assert_eq(result.let_go_message.apply, 0);
  cr_assert_eq(feedback.confirmed, 100);
  cr_assert_not(is_due(&feedback, 100, shutdown.length_us + 1));
}

Test(feedback, what_is_no_spin_is_not_let_go)
{
  static const struct {
    const char *what;
    struct spin spin;
  } cases[] = {
      {"nothing pending", {.safe = 900, .wal_end = 900, .gap_us = 1000, .length_us = 2 * US_PER_S, .is_pending = false}},
      {"nothing pending, safe behind", {.safe = 100, .wal_end = 900, .gap_us = 1000, .length_us = 2 * US_PER_S, .is_pending = false}},
      {"safe has reached the end", {.safe = 900, .wal_end = 900, .gap_us = 1000, .length_us = 2 * US_PER_S, .is_pending = true}},
      {"the end moves", {.safe = 100, .wal_end = 900, .wal_end_step = 1, .gap_us = 1000, .length_us = 2 * US_PER_S, .is_pending = true}},
      {"gaps", {.safe = 100, .wal_end = 900, .gap_us = FEEDBACK_SPIN_GAP_US + 1, .length_us = 5 * US_PER_S, .is_pending = true}},
      {"too short", {.safe = 100, .wal_end = 900, .gap_us = 1000, .length_us = FEEDBACK_SPIN_US - 1000, .is_pending = true}},
  };

  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    struct feedback feedback = begin(100);
    const struct spin_result result = spin(&feedback, &cases[i].spin, 0);

    cr_assert_eq(result.let_go, 0, "%s", cases[i].what);
    cr_assert_eq(result.ordinary, cases[i].spin.length_us / cases[i].spin.gap_us + 1, "%s: not every request was answered", cases[i].what);
  }
}

Test(feedback, gaps_just_within_the_limit_are_a_spin)
{
  struct feedback feedback = begin(100);
  const struct spin slow = {.safe = 100, .wal_end = 900, .gap_us = FEEDBACK_SPIN_GAP_US, .length_us = US_PER_S, .is_pending = true};

  cr_assert_eq(spin(&feedback, &slow, 0).let_go, 1);
}

Test(feedback, a_relay_that_was_stopped_between_two_requests_has_seen_no_spin)
{
  struct feedback feedback = begin(100);

  feedback_on_received(&feedback, 900, true, true, START_US);
  (void)send_due(&feedback, 100, 0);
  feedback_on_received(&feedback, 900, true, true, START_US + 5LL * US_PER_S);
  cr_assert_eq(send_due(&feedback, 100, 5LL * US_PER_S).flush, 100);
}

Test(feedback, progress_is_confirmed_before_the_server_is_let_go)
{
  struct feedback feedback = begin(100);
  const struct spin shutdown = {.safe = 100, .wal_end = 900, .gap_us = 1000, .length_us = FEEDBACK_SPIN_US - 1000, .is_pending = true};

  (void)spin(&feedback, &shutdown, 0);
  feedback_on_received(&feedback, 900, true, true, START_US + FEEDBACK_SPIN_US);
  cr_assert_eq(send_due(&feedback, 200, FEEDBACK_SPIN_US).flush, 200);
  feedback_on_received(&feedback, 900, true, true, START_US + FEEDBACK_SPIN_US + 40);
  cr_assert_eq(send_due(&feedback, 200, FEEDBACK_SPIN_US + 40).flush, 0);
  cr_assert_eq(feedback.confirmed, 200);
}

Test(feedback, write_of_the_answer_is_the_spins_end_of_wal_exactly)
{
  struct feedback feedback = begin(100);
  const struct spin shutdown = {.safe = 100, .wal_end = 900, .gap_us = 1000, .length_us = US_PER_S, .is_pending = true};

  feedback_on_received(&feedback, 950, false, true, START_US);
  cr_assert_eq(spin(&feedback, &shutdown, 10).let_go_message.write, 900);
}

Test(feedback, data_that_still_comes_ends_the_spin)
{
  struct feedback feedback = begin(100);

  for (int64_t at = 0; at < US_PER_S; at += 1000) {
    feedback_on_received(&feedback, 900, true, true, START_US + at);
    cr_assert_eq(send_due(&feedback, 100, at).flush, 100);
    if (at % 400000 == 399000) {
      feedback_on_received(&feedback, 901, false, true, START_US + at);
    }
  }
}

Test(feedback, a_keepalive_without_a_request_at_the_same_end_leaves_the_spin_alone)
{
  struct feedback feedback = begin(100);
  bool is_let_go = false;

  for (int64_t at = 0; at <= FEEDBACK_SPIN_US; at += 1000) {
    feedback_on_received(&feedback, 900, false, true, START_US + at);
    feedback_on_received(&feedback, 900, true, true, START_US + at);
    is_let_go = send_due(&feedback, 100, at).flush == 0;
  }
  cr_assert(is_let_go);
}

Test(feedback, own_timer_goes_on_after_the_answer_and_a_server_that_asks_again_is_answered_again)
{
  struct feedback feedback = begin(100);
  const struct spin shutdown = {.safe = 100, .wal_end = 900, .gap_us = 1000, .length_us = US_PER_S, .is_pending = true};
  const int64_t timer_us = FEEDBACK_SPIN_US + FEEDBACK_INTERVAL_MAX_US;

  cr_assert_eq(spin(&feedback, &shutdown, 0).let_go, 1);
  cr_assert_eq(feedback_deadline_us(&feedback, 100), START_US + timer_us);
  cr_assert_eq(send_due(&feedback, 100, timer_us).flush, 100);
  cr_assert_eq(spin(&feedback, &shutdown, timer_us + 1).first_let_go_us, FEEDBACK_SPIN_US);
}

Test(feedback, an_answer_that_was_overwritten_is_given_again_in_a_spin_without_a_gap)
{
  struct feedback feedback = begin(100);
  const struct spin before = {.safe = 100, .wal_end = 900, .gap_us = 1000, .length_us = FEEDBACK_SPIN_US + 50000, .is_pending = true};
  const struct spin after = {.safe = 200, .wal_end = 900, .gap_us = 1000, .length_us = 2 * US_PER_S, .is_pending = true};
  struct spin_result result;

  cr_assert_eq(spin(&feedback, &before, 0).let_go, 1);
  result = spin(&feedback, &after, before.length_us + 1000); /* the safe position moves on, which is told */
  cr_assert_eq(feedback.confirmed, 200);
  cr_assert_eq(result.let_go, 1);
  cr_assert_lt(result.first_let_go_us, US_PER_S);
}

Test(feedback, progress_after_the_answer_is_told)
{
  struct feedback feedback = begin(100);
  const struct spin shutdown = {.safe = 100, .wal_end = 900, .gap_us = 1000, .length_us = FEEDBACK_SPIN_US, .is_pending = true};

  cr_assert_eq(spin(&feedback, &shutdown, 0).let_go, 1);
  cr_assert_eq(send_due(&feedback, 300, FEEDBACK_SPIN_US + CONFIRM_US).flush, 300);
}
