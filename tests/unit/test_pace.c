#include <criterion/criterion.h>

#include "backoff.h"
#include "moment.h"
#include "stream/pace.h"

#define START_US INT64_C(1000000000)

enum { SHORT_BYTES = 250 };

/* `count` short reads, `gap_us` apart, the first at `from_us`; returns what the last one said. */
static enum pace_wait reads(struct pace *pace, int count, int64_t gap_us, int64_t from_us, int64_t *ret_deadline_us)
{
  enum pace_wait wait = PACE_SOCKET;

  for (int i = 0; i < count; i++) {
    wait = pace_on_read(pace, SHORT_BYTES, false, from_us + i * gap_us, ret_deadline_us);
  }
  return wait;
}

static struct pace behind(int64_t at_us)
{
  struct pace pace;
  int64_t deadline_us;

  pace_init(&pace, false);
  cr_assert_eq(pace_on_read(&pace, SHORT_BYTES, true, at_us, &deadline_us), PACE_TIMER);
  return pace;
}

Test(pace, slow_messages_are_waited_for_at_the_socket)
{
  struct pace pace;
  int64_t deadline_us = -1;

  pace_init(&pace, false);
  cr_assert_eq(reads(&pace, 1000, PACE_QUICK_US, START_US, &deadline_us), PACE_SOCKET);
  cr_assert_eq(deadline_us, -1);
}

Test(pace, quick_wake_ups_in_a_row_mean_behind_and_one_fewer_does_not)
{
  struct pace pace;
  int64_t deadline_us = -1;

  pace_init(&pace, false);
  cr_assert_eq(reads(&pace, PACE_QUICK_READS, PACE_QUICK_US - 1, START_US, &deadline_us), PACE_SOCKET); /* the first follows nothing */
  cr_assert_eq(deadline_us, -1);
  cr_assert_eq(pace_on_read(&pace, SHORT_BYTES, false, START_US + PACE_QUICK_READS * (PACE_QUICK_US - 1), &deadline_us), PACE_TIMER);
  cr_assert_eq(deadline_us, START_US + PACE_QUICK_READS * (PACE_QUICK_US - 1) + PACE_PAUSE_US);
}

Test(pace, one_slow_wake_up_breaks_the_row)
{
  struct pace pace;
  int64_t deadline_us = -1;
  int64_t at_us = START_US;

  pace_init(&pace, false);
  for (int i = 0; i < 20; i++) {
    cr_assert_eq(reads(&pace, PACE_QUICK_READS, 10, at_us, &deadline_us), PACE_SOCKET);
    at_us += PACE_QUICK_READS * 10 + PACE_QUICK_US;
  }
}

Test(pace, one_large_transaction_while_idle_does_not_delay_its_successor)
{
  struct pace pace;
  int64_t deadline_us = -1;

  pace_init(&pace, false);
  cr_assert_eq(pace_on_read(&pace, 16384, false, START_US, &deadline_us), PACE_SOCKET);
}

Test(pace, known_lag_means_behind_at_once)
{
  struct pace pace;
  int64_t deadline_us = -1;

  pace_init(&pace, false);
  cr_assert_eq(pace_on_read(&pace, SHORT_BYTES, true, START_US, &deadline_us), PACE_TIMER);
  cr_assert_eq(deadline_us, START_US + PACE_PAUSE_US);
  pace_init(&pace, false);
  cr_assert_eq(pace_on_read(&pace, 0, true, START_US, &deadline_us), PACE_SOCKET); /* nothing there: there is nothing to hurry for */
}

Test(pace, a_long_pause_needs_known_lag_and_a_sender_that_joins)
{
  struct pace pace;
  int64_t deadline_us = -1;

  pace_init(&pace, true);
  cr_assert_eq(pace_on_read(&pace, SHORT_BYTES, true, START_US, &deadline_us), PACE_TIMER);
  cr_assert_eq(deadline_us, START_US + PACE_LONG_PAUSE_US);
  cr_assert(pace.is_long);
  cr_assert_eq(pace_on_read(&pace, 0, true, START_US, &deadline_us), PACE_TIMER);
  cr_assert_eq(deadline_us, START_US + PACE_PAUSE_US); /* nothing came meanwhile: nothing is there to be joined */
  cr_assert_not(pace.is_long);
  cr_assert_eq(pace_on_read(&pace, SHORT_BYTES, false, START_US, &deadline_us), PACE_TIMER);
  cr_assert_eq(deadline_us, START_US + PACE_PAUSE_US);
}

Test(pace, what_was_joined_is_taken_in_short_pauses_until_there_is_little)
{
  struct pace pace;
  int64_t deadline_us = -1;

  pace_init(&pace, true);
  cr_assert_eq(pace_on_read(&pace, PACE_MORE_BYTES, true, START_US, &deadline_us), PACE_TIMER);
  cr_assert_eq(deadline_us, START_US + PACE_PAUSE_US);
  cr_assert(pace.is_long, "the buffer keeps its size meanwhile");
  cr_assert_eq(pace_on_read(&pace, PACE_MORE_BYTES - 1, true, START_US, &deadline_us), PACE_TIMER);
  cr_assert_eq(deadline_us, START_US + PACE_LONG_PAUSE_US);
}

Test(pace, behind_pauses_for_the_same_time_whatever_came)
{
  static const uint64_t bytes[] = {1, SHORT_BYTES, 1 << 20, UINT64_MAX};

  for (size_t i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++) {
    struct pace pace = behind(START_US);
    int64_t at_us = START_US + 400;
    int64_t deadline_us = -1;

    cr_assert_eq(pace_on_read(&pace, bytes[i], false, at_us, &deadline_us), PACE_TIMER, "%zu", i);
    cr_assert_eq(deadline_us, at_us + PACE_PAUSE_US, "%zu", i);
  }
}

Test(pace, a_pause_that_brought_nothing_ends_behind)
{
  struct pace pace = behind(START_US);
  int64_t deadline_us = -1;

  cr_assert_eq(pace_on_read(&pace, 0, false, START_US + PACE_PAUSE_US, &deadline_us), PACE_SOCKET);
  cr_assert_eq(pace_on_read(&pace, SHORT_BYTES, false, START_US + PACE_PAUSE_US + 10, &deadline_us), PACE_SOCKET);
}

Test(pace, with_known_lag_it_takes_several_in_a_row)
{
  struct pace pace = behind(START_US);
  int64_t deadline_us = START_US + PACE_PAUSE_US;

  for (int round = 0; round < 3; round++) { /* what comes in between begins the count anew */
    for (int i = 1; i < PACE_EMPTY_PAUSES; i++) {
      int64_t at_us = deadline_us;

      cr_assert_eq(pace_on_read(&pace, 0, true, at_us, &deadline_us), PACE_TIMER, "%d", i);
      cr_assert_eq(deadline_us, at_us + PACE_PAUSE_US);
    }
    cr_assert_eq(pace_on_read(&pace, SHORT_BYTES, true, deadline_us, &deadline_us), PACE_TIMER);
  }
  for (int i = 1; i < PACE_EMPTY_PAUSES; i++) {
    cr_assert_eq(pace_on_read(&pace, 0, true, deadline_us, &deadline_us), PACE_TIMER, "%d", i);
  }
  cr_assert_eq(pace_on_read(&pace, 0, true, deadline_us, &deadline_us), PACE_SOCKET);
}

Test(pace, false_alarms_while_idle_count_for_nothing)
{
  struct pace pace;
  int64_t deadline_us = -1;

  pace_init(&pace, false);
  for (int i = 0; i < 100; i++) {
    cr_assert_eq(pace_on_read(&pace, 0, false, START_US + i, &deadline_us), PACE_SOCKET);
  }
}

/*
 * Two simulated seconds of Poisson arrivals (each microsecond brings a transaction with probability rate / 10^6), read by a reader that needs 12 us per read
 * and obeys the pace. A transaction of one event is three messages, each sent by itself, some microseconds apart.
 */
enum { SIM_US = 2 * US_PER_S, SIM_READ_US = 12, SIM_MESSAGE_GAP_US = 15, SIM_MESSAGES = 3, SIM_MESSAGE_BYTES = 100 };

struct sim {
  uint64_t messages;
  uint64_t reads;
  int64_t behind_us;
  int64_t longest_wait_us; /* of a message in the socket */
};

static struct sim simulate(uint64_t rate, uint64_t seed)
{
  static uint8_t arrivals[SIM_US + SIM_MESSAGES * SIM_MESSAGE_GAP_US];
  struct sim sim = {0};
  struct pace pace;
  enum pace_wait wait = PACE_SOCKET;
  int64_t deadline_us = 0;
  int64_t busy_until_us = 0;
  int64_t oldest_us = -1;
  uint64_t bytes = 0;

  memset(arrivals, 0, sizeof(arrivals));
  for (int64_t t = 0; t < SIM_US; t++) {
    if (chance_next(&seed) % US_PER_S < rate) {
      for (int i = 0; i < SIM_MESSAGES; i++) {
        arrivals[t + i * SIM_MESSAGE_GAP_US]++;
      }
    }
  }
  pace_init(&pace, false);
  for (int64_t t = 0; t < SIM_US; t++) {
    if (arrivals[t] > 0) {
      sim.messages += arrivals[t];
      bytes += (uint64_t)arrivals[t] * SIM_MESSAGE_BYTES;
      oldest_us = oldest_us < 0 ? t : oldest_us;
    }
    sim.behind_us += pace.is_behind;
    if (t >= busy_until_us && (wait == PACE_SOCKET ? bytes > 0 : t >= deadline_us)) {
      sim.reads++;
      if (oldest_us >= 0 && t - oldest_us > sim.longest_wait_us) {
        sim.longest_wait_us = t - oldest_us;
      }
      wait = pace_on_read(&pace, bytes, false, t, &deadline_us);
      bytes = 0;
      oldest_us = -1;
      busy_until_us = t + SIM_READ_US;
    }
  }
  return sim;
}

Test(pace, a_thousand_transactions_a_second_stay_idle)
{
  for (uint64_t seed = 1; seed <= 5; seed++) {
    const struct sim sim = simulate(1000, seed);

    cr_assert_lt(sim.behind_us, SIM_US / 50, "seed %lu: behind for %ld us", seed, sim.behind_us);
  }
}

Test(pace, a_hundred_transactions_a_second_are_never_kept_waiting)
{
  const struct sim sim = simulate(100, 1);

  cr_assert_eq(sim.behind_us, 0);
  cr_assert_leq(sim.longest_wait_us, SIM_READ_US);
}

Test(pace, thirty_thousand_transactions_a_second_are_read_in_lumps)
{
  for (uint64_t seed = 1; seed <= 5; seed++) {
    const struct sim sim = simulate(30000, seed);

    cr_assert_gt(sim.behind_us, SIM_US / 100 * 98, "seed %lu: behind for %ld us only", seed, sim.behind_us);
    cr_assert_lt(sim.reads, sim.messages / 20, "seed %lu: %lu reads for %lu messages", seed, sim.reads, sim.messages);
    cr_assert_leq(sim.longest_wait_us, PACE_PAUSE_US + SIM_READ_US, "seed %lu: %ld us", seed, sim.longest_wait_us);
  }
}

Test(pace, when_the_flood_ends_the_reader_is_back_at_the_socket_within_two_pauses)
{
  struct pace pace = behind(START_US);
  int64_t deadline_us = START_US + PACE_PAUSE_US;

  cr_assert_eq(pace_on_read(&pace, SHORT_BYTES, false, deadline_us, &deadline_us), PACE_TIMER);
  cr_assert_eq(deadline_us, START_US + 2 * PACE_PAUSE_US);
  cr_assert_eq(pace_on_read(&pace, 0, false, deadline_us, &deadline_us), PACE_SOCKET);
}
