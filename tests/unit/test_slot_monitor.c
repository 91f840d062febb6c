/* The monitor against a peer of ours. What a real server answers is tested in tests/e2e. */
#include <criterion/criterion.h>

#include "postgres_peer.h"

#define S INT64_C(1000000)

Test(slot_monitor, asks_as_soon_as_it_is_connected_and_gives_the_figures_once)
{
  struct peer peer;

  peer_init(&peer);
  cr_assert_eq(slot_monitor_fd(peer.monitor), -1);
  cr_assert_leq(slot_monitor_deadline_us(peer.monitor), peer.now.mono_us);
  until_asked(&peer);
  cr_assert_not_null(strstr(peer.last, "slot_name = 'it''s'"));
  say_rows(&peer, &usual);
  expect(&peer, SLOT_MONITOR_FIGURES);
  cr_assert_eq(peer.figures.confirmed, 0x2000000);
  cr_assert_eq(peer.figures.asked_us, peer.now.mono_us);
  cr_assert_eq(peer.figures.updated[0], 0, "the first answer is the baseline");
  expect(&peer, SLOT_MONITOR_NOTHING);
  peer_done(&peer);
}

Test(slot_monitor, opens_nothing_before_it_is_asked)
{
  struct peer peer;

  peer_init(&peer);
  slot_monitor_free(peer.monitor);
  peer.monitor = slot_monitor_new(&peer.config);
  peer.now.mono_us += 3600 * S;
  expect(&peer, SLOT_MONITOR_NOTHING);
  cr_assert_eq(slot_monitor_fd(peer.monitor), -1);
  cr_assert_gt(slot_monitor_deadline_us(peer.monitor), peer.now.mono_us + 3600 * S);
  slot_monitor_ask_now(peer.monitor);
  cr_assert_leq(slot_monitor_deadline_us(peer.monitor), peer.now.mono_us);
  until_asked(&peer);
  peer_done(&peer);
}

Test(slot_monitor, asks_again_after_the_interval_and_counts_what_was_added)
{
  struct peer peer;
  struct rows later = usual;
  int64_t due;

  peer_init(&peer);
  until_idle(&peer);
  due = slot_monitor_deadline_us(peer.monitor) - peer.now.mono_us;
  cr_assert(due >= 4 * S && due <= 6 * S, "in %ld us", (long)due);
  peer.now.mono_us += due - 1;
  expect(&peer, SLOT_MONITOR_NOTHING);
  cr_assert_eq(peer.questions, 0, "asked too early");
  peer.now.mono_us += 1;
  until_count(&peer, &peer.questions, 1, false);
  later.cells[0][12] = "13";
  later.cells[1][13] = "6";
  say_rows(&peer, &later);
  expect(&peer, SLOT_MONITOR_FIGURES);
  cr_assert_eq(peer.figures.updated[0], 3);
  cr_assert_eq(peer.figures.deleted[0], 0);
  cr_assert_eq(peer.figures.deleted[2], 1);
  peer_done(&peer);
}

Test(slot_monitor, the_time_between_two_questions_varies)
{
  struct peer peer;
  int64_t first = 0;
  bool varies = false;

  peer_init(&peer);
  until_idle(&peer);
  for (size_t i = 0; i < 8; i++) {
    int64_t due = slot_monitor_deadline_us(peer.monitor) - peer.now.mono_us;

    cr_assert(due >= 4 * S && due <= 6 * S);
    first = i == 0 ? due : first;
    varies |= due != first;
    peer.now.mono_us += due;
    until_count(&peer, &peer.questions, i + 1, false);
    say_rows(&peer, &usual);
    expect(&peer, SLOT_MONITOR_FIGURES);
  }
  cr_assert(varies);
  peer_done(&peer);
}

Test(slot_monitor, a_new_interval_takes_effect_at_once_and_repeating_it_puts_nothing_off)
{
  struct peer peer;
  int64_t due;

  peer_init(&peer);
  until_idle(&peer);
  slot_monitor_set_interval(peer.monitor, S);
  due = slot_monitor_deadline_us(peer.monitor);
  cr_assert(due - peer.now.mono_us >= S * 4 / 5 && due - peer.now.mono_us <= S * 6 / 5);
  peer.now.mono_us += S / 2;
  slot_monitor_set_interval(peer.monitor, S);
  cr_assert_eq(slot_monitor_deadline_us(peer.monitor), due);
  peer.now.mono_us = due;
  until_count(&peer, &peer.questions, 1, false);
  peer_done(&peer);
}

Test(slot_monitor, ask_now_asks_once_and_also_behind_a_question_under_way)
{
  struct peer peer;

  peer_init(&peer);
  until_idle(&peer);
  slot_monitor_ask_now(peer.monitor);
  cr_assert_leq(slot_monitor_deadline_us(peer.monitor), peer.now.mono_us);
  until_count(&peer, &peer.questions, 1, false);
  slot_monitor_ask_now(peer.monitor);
  expect(&peer, SLOT_MONITOR_NOTHING);
  cr_assert_eq(peer.questions, 1, "two questions at a time");
  say_rows(&peer, &usual);
  expect(&peer, SLOT_MONITOR_FIGURES);
  until_count(&peer, &peer.questions, 2, false);
  say_rows(&peer, &usual);
  expect(&peer, SLOT_MONITOR_FIGURES);
  expect(&peer, SLOT_MONITOR_NOTHING);
  cr_assert_eq(peer.questions, 2, "asked more than once");
  peer_done(&peer);
}

/* The end of a connection is told once, and the next attempt comes after a pause in [least, most]. */
static void expect_end(struct peer *peer, enum slot_monitor_event wanted, const char *words, int64_t least, int64_t most)
{
  int64_t pause;

  expect(peer, wanted);
  cr_assert_not_null(strstr(peer->problem.text, words), "%s", peer->problem.text);
  pause = slot_monitor_deadline_us(peer->monitor) - peer->now.mono_us;
  cr_assert(pause >= least && pause <= most, "pause of %ld us", (long)pause);
  cr_assert_eq(slot_monitor_fd(peer->monitor), -1);
  expect(peer, SLOT_MONITOR_NOTHING);
}

Test(slot_monitor, a_server_that_shuts_down_while_the_connection_is_idle_is_noticed)
{
  static const char *const states[] = {"57P01", "57P02", "57P03"};

  for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++) {
    struct peer peer;

    peer_init(&peer);
    until_idle(&peer);
    say_error(&peer, "FATAL", states[i], "the last words");
    peer_hang_up(&peer);
    expect_end(&peer, SLOT_MONITOR_SHUTDOWN, "the last words", S / 5, S * 2 / 5);
    peer_done(&peer);
  }
}

Test(slot_monitor, a_shutdown_is_noticed_before_the_server_hangs_up)
{
  struct peer peer;

  peer_init(&peer);
  until_idle(&peer);
  say_error(&peer, "FATAL", "57P01", "the last words");
  expect_end(&peer, SLOT_MONITOR_SHUTDOWN, "the last words", S / 5, S * 2 / 5);
  peer_done(&peer);
}

Test(slot_monitor, a_server_that_shuts_down_during_a_question_is_noticed)
{
  struct peer peer;

  peer_init(&peer);
  until_asked(&peer);
  say_error(&peer, "FATAL", "57P01", "the last words");
  peer_hang_up(&peer);
  expect_end(&peer, SLOT_MONITOR_SHUTDOWN, "the last words", S / 5, S * 2 / 5);
  peer_done(&peer);
}

Test(slot_monitor, a_server_that_refuses_since_it_shuts_down_is_noticed)
{
  struct peer peer;

  peer_init(&peer);
  until_count(&peer, &peer.accepted, 1, true);
  say_error(&peer, "FATAL", "57P03", "the database system is shutting down");
  peer_hang_up(&peer);
  expect_end(&peer, SLOT_MONITOR_SHUTDOWN, "shutting down", S / 5, S * 2 / 5);
  peer_done(&peer);
}

Test(slot_monitor, other_last_words_and_none_are_a_loss)
{
  for (int i = 0; i < 4; i++) {
    struct peer peer;

    peer_init(&peer);
    if (i % 2 == 0) {
      until_idle(&peer);
    } else {
      until_asked(&peer);
    }
    if (i < 2) {
      say_error(&peer, "FATAL", "57P05", "idle for too long");
    }
    peer_hang_up(&peer);
    expect_end(&peer, SLOT_MONITOR_LOST, "could not read the slot's figures", S / 5, S * 2 / 5);
    peer_done(&peer);
  }
}

Test(slot_monitor, a_warning_while_idle_does_no_harm)
{
  struct peer peer;

  peer_init(&peer);
  until_idle(&peer);
  say(&peer, 'N', "SWARNING\0VWARNING\0C01000\0Mcareful\0", 35);
  expect(&peer, SLOT_MONITOR_NOTHING);
  slot_monitor_ask_now(peer.monitor);
  until_count(&peer, &peer.questions, 1, false);
  peer_done(&peer);
}

Test(slot_monitor, a_refused_question_is_a_loss_with_the_servers_words)
{
  struct peer peer;

  peer_init(&peer);
  until_asked(&peer);
  say_error(&peer, "ERROR", "42501", "permission denied for function x");
  say_ready(&peer);
  expect_end(&peer, SLOT_MONITOR_LOST, "permission denied for function x", S / 5, S * 2 / 5);
  peer_done(&peer);
}

Test(slot_monitor, an_answer_of_another_form_is_a_loss)
{
  struct rows strange = usual;
  struct peer peer;

  strange.cells[0][0] = "nowhere";
  peer_init(&peer);
  until_asked(&peer);
  say_rows(&peer, &strange);
  expect_end(&peer, SLOT_MONITOR_LOST, "not of its column's type", S / 5, S * 2 / 5);
  peer_done(&peer);
}

Test(slot_monitor, silence_is_a_loss_at_every_step)
{
  for (int i = 0; i < 3; i++) {
    struct peer peer;

    peer_init(&peer);
    if (i == 0) {
      until_count(&peer, &peer.accepted, 1, true); /* connected, not greeted */
    } else if (i == 1) {
      until_count(&peer, &peer.questions, 1, false); /* settings not approved */
    } else {
      until_asked(&peer);
    }
    cr_assert_eq(slot_monitor_deadline_us(peer.monitor), peer.now.mono_us + (i == 0 ? 10 * S : SLOT_MONITOR_ANSWER_LIMIT_US));
    peer.now.mono_us = slot_monitor_deadline_us(peer.monitor) - 1;
    cr_assert_eq(converse_as(&peer, true), SLOT_MONITOR_NOTHING, "step %d", i);
    peer.now.mono_us += 1;
    expect_end(&peer, SLOT_MONITOR_LOST, i == 0 ? "no answer from \"127.0.0.1\" (127.0.0.1) port" : "no answer from the server for 30 s", S / 5, S * 2 / 5);
    peer_done(&peer);
  }
}

/* Its kernel takes the connections, and nobody says anything: a stopped postmaster, a proxy with nothing behind it. It is named twice, and has its time for each. */
Test(slot_monitor, a_host_that_says_nothing_is_left_for_the_next_one)
{
  struct peer silent, peer;

  peer_init(&silent);
  peer_init(&peer);
  (void)snprintf(peer.url, sizeof(peer.url), "host=127.0.0.1,127.0.0.1,127.0.0.1 port=%u,%u,%u user=u dbname=d sslmode=disable gssencmode=disable", silent.port,
                 silent.port, peer.port);
  for (int i = 0; i < 2; i++) {
    expect(&peer, SLOT_MONITOR_NOTHING);
    cr_assert_eq(peer.accepted, 0);
    cr_assert_eq(slot_monitor_deadline_us(peer.monitor), peer.now.mono_us + 10 * S, "time %d", i);
    peer.now.mono_us += 10 * S - 1;
    expect(&peer, SLOT_MONITOR_NOTHING);
    cr_assert_eq(peer.accepted, 0, "left too early, time %d", i);
    peer.now.mono_us += 1;
  }
  until_idle(&peer);
  peer_done(&silent);
  peer_done(&peer);
}

Test(slot_monitor, a_host_that_said_nothing_is_named_where_the_others_refuse)
{
  struct peer silent, peer;

  peer_init(&silent);
  peer_init(&peer);
  (void)snprintf(peer.url, sizeof(peer.url), "host=127.0.0.1,127.0.0.1 port=%u,%u user=u dbname=d sslmode=disable gssencmode=disable connect_timeout=3",
                 silent.port, peer.port);
  close(peer.listen_fd);
  peer.listen_fd = -1;
  expect(&peer, SLOT_MONITOR_NOTHING);
  peer.now.mono_us += 3 * S;
  expect(&peer, SLOT_MONITOR_LOST);
  cr_assert_not_null(strstr(peer.problem.text, "refused"), "%s", peer.problem.text);
  cr_assert_not_null(strstr(peer.problem.text, "; before, no answer from \"127.0.0.1\" (127.0.0.1) port"), "%s", peer.problem.text);
  peer_done(&silent);
  peer_done(&peer);
}

Test(slot_monitor, a_connect_timeout_of_0_waits_for_as_long_as_an_attempt_lasts)
{
  struct peer peer;

  peer_init(&peer);
  (void)snprintf(peer.url, sizeof(peer.url), "host=127.0.0.1 port=%u user=u dbname=d sslmode=disable gssencmode=disable connect_timeout=0", peer.port);
  until_count(&peer, &peer.accepted, 1, true);
  cr_assert_eq(slot_monitor_deadline_us(peer.monitor), peer.now.mono_us + SLOT_MONITOR_CONNECT_LIMIT_US);
  peer.now.mono_us += SLOT_MONITOR_CONNECT_LIMIT_US;
  expect_end(&peer, SLOT_MONITOR_LOST, "no answer from the server for 60 s", S / 5, S * 2 / 5);
  peer_done(&peer);
}

Test(slot_monitor, pauses_grow_and_an_answer_ends_that)
{
  struct peer peer;

  peer_init(&peer);
  for (size_t i = 0; i < 10; i++) {
    int64_t cap = i < 5 ? (S * 2 / 5) << i : 10 * S;

    until_count(&peer, &peer.accepted, i + 1, true);
    peer_hang_up(&peer);
    expect_end(&peer, SLOT_MONITOR_LOST, "could not connect", cap / 2, cap);
    peer.now.mono_us = slot_monitor_deadline_us(peer.monitor);
  }
  until_idle(&peer);
  peer_hang_up(&peer);
  expect_end(&peer, SLOT_MONITOR_LOST, "could not read", S / 5, S * 2 / 5);
  peer_done(&peer);
}

Test(slot_monitor, no_attempt_is_made_during_the_pause)
{
  struct peer peer;

  peer_init(&peer);
  until_idle(&peer);
  peer_hang_up(&peer);
  expect(&peer, SLOT_MONITOR_LOST);
  peer.now.mono_us = slot_monitor_deadline_us(peer.monitor) - 1;
  expect(&peer, SLOT_MONITOR_NOTHING);
  cr_assert_eq(peer.accepted, 1);
  peer.now.mono_us++;
  until_count(&peer, &peer.accepted, 2, false);
  peer_done(&peer);
}

Test(slot_monitor, counts_go_on_over_a_new_connection_to_the_same_server)
{
  struct peer peer;
  struct rows later = usual;

  peer_init(&peer);
  until_idle(&peer);
  peer_hang_up(&peer);
  expect(&peer, SLOT_MONITOR_LOST);
  peer.now.mono_us = slot_monitor_deadline_us(peer.monitor);
  until_asked(&peer);
  later.cells[0][12] = "11";
  say_rows(&peer, &later);
  expect(&peer, SLOT_MONITOR_FIGURES);
  cr_assert_eq(peer.figures.updated[0], 1);
  peer_done(&peer);
}

Test(slot_monitor, reconnect_leaves_the_old_connection_and_any_pause_at_once)
{
  struct peer peer;

  peer_init(&peer);
  until_idle(&peer);
  slot_monitor_reconnect(peer.monitor);
  cr_assert_leq(slot_monitor_deadline_us(peer.monitor), peer.now.mono_us);
  until_idle(&peer);
  cr_assert_eq(peer.accepted, 2);
  peer_hang_up(&peer);
  expect(&peer, SLOT_MONITOR_LOST);
  slot_monitor_reconnect(peer.monitor);
  until_idle(&peer);
  cr_assert_eq(peer.accepted, 3);
  peer_done(&peer);
}

Test(slot_monitor, a_port_where_nobody_listens_is_a_loss)
{
  struct peer peer;

  peer_init(&peer);
  close(peer.listen_fd);
  peer.listen_fd = -1;
  expect_end(&peer, SLOT_MONITOR_LOST, "could not connect to PostgreSQL", S / 5, S * 2 / 5);
  peer_done(&peer);
}

Test(slot_monitor, free_takes_null_and_every_phase)
{
  slot_monitor_free(NULL);
  for (int i = 0; i < 3; i++) {
    struct peer peer;

    peer_init(&peer);
    if (i == 1) {
      until_count(&peer, &peer.accepted, 1, true);
    } else if (i == 2) {
      until_asked(&peer);
    }
    peer_done(&peer);
  }
}
