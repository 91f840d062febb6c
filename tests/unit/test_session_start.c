/* test_session_start.c - where a stream really begins: what the slot and the server do between the look at them and the start. */
#include "session_bench.h"

enum { OUR_PID = 101, OLDER_PID = 100 };

/* A session that had confirmed 0x240, was cut off, and has asked for a start that is not answered yet. */
static void begin_again(struct bench *bench)
{
  struct problem lost;

  bench_init(bench);
  bench->facts.backend_pid = OLDER_PID;
  fake_stream_on_connect(bench->stream, VERDICT_OK, &bench->facts, NULL);
  (void)problem_set(&lost, VERDICT_RETRY, EXIT_UNEXPECTED, "network", "connection lost");
  transaction(bench, 0x200, 0x240, KEYS("a"));
  turn(bench, 10000);
  fake_publisher_report_all(bench->publisher);
  turn(bench, US_PER_S);
  cr_assert_eq(highest_flush(bench), 0x240);
  bench->facts.confirmed = 0x240;
  bench->facts.backend_pid = OUR_PID;
  fake_stream_on_connect(bench->stream, VERDICT_OK, &bench->facts, NULL);
  fake_stream_on_start(bench->stream, VERDICT_WAIT, NULL);
  fake_stream_breaks(bench->stream, &lost);
  turn(bench, US_PER_S);
  cr_assert_eq(state_of(bench), RELAY_CONNECTING);
}

/* The slot is moved, and the start succeeds. */
static void expect_hold_of_moved_slot(struct bench *bench)
{
  struct session_figures figures;

  fake_stream_moves_before_start(bench->stream, 0x340, 0x1000);
  fake_stream_on_start(bench->stream, VERDICT_OK, NULL);
  turn(bench, 10000);
  session_figures(bench->session, bench->now, &figures);
  cr_assert_eq(figures.state, RELAY_HELD, "it has forgotten what it confirmed, and goes on behind a gap");
  cr_assert_str_eq(figures.problem.cause, "slot_moved");
}

Test(session_start, a_slot_that_is_moved_between_the_look_and_the_start_is_held_before_anything_is_sent)
{
  struct bench bench;
  struct session_figures figures;
  size_t statuses;

  begin_again(&bench);
  statuses = fake_stream_status_count(bench.stream);
  transaction(&bench, 0x400, 0x440, KEYS("b"));
  fake_stream_moves_before_start(bench.stream, 0x340, 0x1000);
  fake_stream_on_start(bench.stream, VERDICT_OK, NULL);
  turn(&bench, 30 * US_PER_S);
  session_figures(bench.session, bench.now, &figures);
  cr_assert_eq(figures.state, RELAY_HELD);
  cr_assert_eq(figures.problem.code, EXIT_POSITION);
  cr_assert_str_eq(figures.problem.cause, "slot_moved");
  cr_assert_not_null(strstr(figures.problem.text, "from 0/240 to 0/340"), "%s", figures.problem.text);
  cr_assert_eq(fake_stream_status_count(bench.stream), statuses, "it confirmed what somebody else had moved");
  cr_assert_eq(fake_stream_unread(bench.stream), 4, "it read on");
  cr_assert_not(fake_stream_is_open(bench.stream));
  bench_done(&bench);
}

/* WAL goes on between the two looks, and a slot may follow it: one that lies behind the first look's end of WAL is not ahead of its server. */
Test(session_start, the_end_of_wal_is_looked_at_again_with_the_slot)
{
  struct bench bench;
  struct session_figures figures;

  bench_init(&bench);
  fake_stream_moves_before_start(bench.stream, 0x1800, 0x2000);
  turn(&bench, US_PER_S);
  session_figures(bench.session, bench.now, &figures);
  cr_assert_eq(figures.state, RELAY_STREAMING, "a process that knows no position takes the slot as it is");
  cr_assert_eq(figures.safe, 0x1800, "it counts from where the stream was asked for, not from where it begins");
  bench_done(&bench);
}

/* The second connection's answer may have been on its way for long: it shows the walsender that the session had before. */
Test(session_start, an_answer_to_an_older_question_makes_no_other_relay_of_our_former_walsender)
{
  struct bench bench;

  begin_again(&bench);
  session_on_slot_activity(bench.session, true, OLDER_PID, bench.now.mono_us - 2 * US_PER_S, bench.now);
  expect_hold_of_moved_slot(&bench);
  bench_done(&bench);
}

Test(session_start, a_relay_that_was_seen_with_the_slot_since_the_look_may_have_moved_it)
{
  struct bench bench;

  begin_again(&bench);
  session_on_slot_activity(bench.session, true, 4711, bench.now.mono_us, bench.now);
  fake_stream_moves_before_start(bench.stream, 0x340, 0x1000);
  fake_stream_on_start(bench.stream, VERDICT_OK, NULL);
  turn(&bench, 10000);
  cr_assert_eq(state_of(&bench), RELAY_STREAMING);
  bench_done(&bench);
}

/* Behind a pooler the number that the connection was told is not that of the walsender, and the second connection sees the walsender. */
Test(session_start, our_walsender_that_a_pooler_gave_another_number_is_no_other_relay)
{
  struct bench bench;

  begin_again(&bench);
  bench.facts.backend_pid = 4711; /* the true one */
  fake_stream_on_connect(bench.stream, VERDICT_OK, &bench.facts, NULL);
  session_on_slot_activity(bench.session, true, 4711, bench.now.mono_us, bench.now);
  expect_hold_of_moved_slot(&bench);
  bench_done(&bench);
}

Test(session_start, of_two_walsenders_that_were_seen_one_is_another_relay)
{
  struct bench bench;

  begin_again(&bench);
  bench.facts.backend_pid = 4711;
  fake_stream_on_connect(bench.stream, VERDICT_OK, &bench.facts, NULL);
  session_on_slot_activity(bench.session, true, 4710, bench.now.mono_us, bench.now);
  session_on_slot_activity(bench.session, true, 4711, bench.now.mono_us, bench.now);
  fake_stream_moves_before_start(bench.stream, 0x340, 0x1000);
  fake_stream_on_start(bench.stream, VERDICT_OK, NULL);
  turn(&bench, 10000);
  cr_assert_eq(state_of(&bench), RELAY_STREAMING);
  bench_done(&bench);
}

Test(session_start, a_relay_that_was_seen_before_a_start_that_failed_may_have_moved_the_slot)
{
  struct bench bench;
  struct problem lost;

  begin_again(&bench);
  (void)problem_set(&lost, VERDICT_RETRY, EXIT_UNEXPECTED, "network", "connection lost");
  session_on_slot_activity(bench.session, true, 4711, bench.now.mono_us, bench.now);
  fake_stream_on_start(bench.stream, VERDICT_RETRY, &lost);
  turn(&bench, 10000);
  bench.facts.confirmed = 0x340;
  fake_stream_on_connect(bench.stream, VERDICT_OK, &bench.facts, NULL);
  fake_stream_on_start(bench.stream, VERDICT_OK, NULL);
  turn(&bench, 30 * US_PER_S);
  cr_assert_eq(state_of(&bench), RELAY_STREAMING);
  bench_done(&bench);
}

/* A session whose stream has broken with records that Kafka has not taken, and whose first way back hangs. */
static void hang_on_the_way_back(struct bench *bench)
{
  struct problem lost;

  bench_init(bench);
  bench->facts.backend_pid = OUR_PID;
  fake_stream_on_connect(bench->stream, VERDICT_OK, &bench->facts, NULL);
  (void)problem_set(&lost, VERDICT_RETRY, EXIT_UNEXPECTED, "network", "connection lost");
  transaction(bench, 0x200, 0x240, KEYS("a", "b"));
  turn(bench, US_PER_S);
  fake_stream_on_connect(bench->stream, VERDICT_WAIT, NULL, NULL);
  fake_stream_breaks(bench->stream, &lost);
  turn(bench, US_PER_S);
  cr_assert_eq(state_of(bench), RELAY_CONNECTING);
  cr_assert(fake_publisher_is_open(bench->publisher));
}

Test(session_start, a_relay_that_hears_of_another_on_its_way_back_ends_its_producer)
{
  struct bench bench;

  hang_on_the_way_back(&bench);
  session_on_slot_activity(bench.session, false, 0, bench.now.mono_us, bench.now);
  session_on_slot_activity(bench.session, true, OUR_PID, bench.now.mono_us, bench.now);
  session_on_slot_activity(bench.session, true, OLDER_PID, bench.now.mono_us - 3 * US_PER_S, bench.now);
  cr_assert(fake_publisher_is_open(bench.publisher), "nobody else was seen with the slot");
  session_on_slot_activity(bench.session, true, 4711, bench.now.mono_us, bench.now);
  cr_assert_not(fake_publisher_is_open(bench.publisher), "old records would come behind those of the other relay");
  fake_stream_on_connect(bench.stream, VERDICT_OK, &bench.facts, NULL);
  turn(&bench, US_PER_S);
  cr_assert_eq(state_of(&bench), RELAY_STREAMING);
  cr_assert_eq(fake_publisher_opens(bench.publisher), 2);
  bench_done(&bench);
}

/* A client that has seen no stream holds nothing: it is not made anew with each answer. */
Test(session_start, a_producer_without_records_outlives_the_news_of_another_relay)
{
  struct bench bench;

  hang_on_the_way_back(&bench);
  for (int i = 0; i < 5; i++) {
    session_on_slot_activity(bench.session, true, 4711, bench.now.mono_us, bench.now);
    turn(&bench, 40 * US_PER_S);
  }
  cr_assert_leq(fake_publisher_opens(bench.publisher), 2);
  bench_done(&bench);
}

Test(session_start, a_relay_that_hears_of_another_while_it_waits_for_its_next_try_ends_its_producer)
{
  struct bench bench;
  struct problem lost;

  bench_init(&bench);
  bench.facts.backend_pid = OUR_PID;
  fake_stream_on_connect(bench.stream, VERDICT_OK, &bench.facts, NULL);
  (void)problem_set(&lost, VERDICT_RETRY, EXIT_UNEXPECTED, "network", "connection lost");
  transaction(&bench, 0x200, 0x240, KEYS("a"));
  turn(&bench, 10000);
  fake_stream_breaks(bench.stream, &lost);
  session_step(bench.session, bench.now, POLLIN);
  cr_assert_eq(state_of(&bench), RELAY_BACKOFF);
  cr_assert(fake_publisher_is_open(bench.publisher));
  session_on_slot_activity(bench.session, true, 4711, bench.now.mono_us, bench.now);
  cr_assert_not(fake_publisher_is_open(bench.publisher));
  bench_done(&bench);
}

/* A session with a record in hand that waits for room: what a server that stops would wait for. */
static void wait_for_room(struct bench *bench)
{
  fake_publisher_limit(bench->publisher, 1);
  bench->facts.backend_pid = OUR_PID;
  fake_stream_on_connect(bench->stream, VERDICT_OK, &bench->facts, NULL);
  transaction(bench, 0x200, 0x240, KEYS("a", "b"));
  turn(bench, 10000);
}

Test(session_start, a_server_that_lets_us_in_is_not_the_one_that_was_about_to_stop)
{
  struct bench bench;

  bench_init(&bench);
  session_on_server_shutdown(bench.session, bench.now); /* of the former one, in the turn in which the next one begins to be reached, or before */
  wait_for_room(&bench);
  cr_assert_eq(bench.failures, 0, "%s", bench.last_failure.text);
  cr_assert_eq(fake_publisher_count(bench.publisher), 1);
  bench_done(&bench);
}

/* It may have let us in before it began to stop, and both be heard in one turn. */
Test(session_start, a_server_that_begins_to_stop_while_it_is_being_reached_is_left)
{
  struct bench bench;

  bench_init(&bench);
  fake_stream_on_connect(bench.stream, VERDICT_WAIT, NULL, NULL);
  turn(&bench, 1000);
  session_on_server_shutdown(bench.session, bench.now);
  wait_for_room(&bench);
  cr_assert_eq(bench.failures, 1, "a server that stops waits for whoever reads nothing");
  cr_assert_str_eq(bench.last_failure.cause, "server_shutdown");
  fake_stream_clear(bench.stream);
  transaction(&bench, 0x200, 0x240, KEYS("a", "b"));
  turn(&bench, 10 * US_PER_S);
  cr_assert_eq(state_of(&bench), RELAY_PAUSED, "nothing waits for room");
  cr_assert_eq(bench.failures, 1, "the same news counted for the next attempt: %s", bench.last_failure.text);
  bench_done(&bench);
}

Test(session_start, a_server_that_stops_is_left_although_another_one_answers)
{
  struct bench bench;

  bench_init(&bench);
  wait_for_room(&bench);
  session_on_server_shutdown(bench.session, bench.now);
  session_on_slot_activity(bench.session, false, 0, bench.now.mono_us, bench.now); /* of a standby, say, that the second connection got to */
  turn(&bench, 10000);
  cr_assert_eq(bench.failures, 1, "a server that stops waits for whoever reads nothing");
  cr_assert_str_eq(bench.last_failure.cause, "server_shutdown");
  bench_done(&bench);
}

Test(session_start, a_server_that_ended_the_second_connection_alone_is_not_left)
{
  struct bench bench;

  bench_init(&bench);
  wait_for_room(&bench);
  session_on_server_shutdown(bench.session, bench.now);
  session_on_slot_activity(bench.session, true, OUR_PID, bench.now.mono_us, bench.now);
  turn(&bench, US_PER_S);
  cr_assert_eq(bench.failures, 0, "%s", bench.last_failure.text);
  bench_done(&bench);
}

Test(session_start, a_server_that_begins_to_stop_before_the_stream_has_begun_is_left)
{
  struct bench bench;

  bench_init(&bench);
  fake_publisher_limit(bench.publisher, 1);
  fake_stream_on_start(bench.stream, VERDICT_WAIT, NULL);
  transaction(&bench, 0x200, 0x240, KEYS("a", "b"));
  turn(&bench, 1000);
  session_on_server_shutdown(bench.session, bench.now);
  fake_stream_on_start(bench.stream, VERDICT_OK, NULL);
  turn(&bench, 10000);
  cr_assert_eq(bench.failures, 1, "a server that stops waits for whoever reads nothing");
  cr_assert_str_eq(bench.last_failure.cause, "server_shutdown");
  bench_done(&bench);
}

/* The other relay came and went between the look at the slot and the start, and nobody saw it. */
Test(session_start, a_kept_record_is_not_tried_where_the_stream_begins_behind_it)
{
  struct bench bench;
  struct session_figures figures;

  bench_init(&bench);
  hold_on_topic(&bench);
  fake_stream_clear(bench.stream);
  fake_stream_moves_before_start(bench.stream, 0x240, 0x1000);
  turn(&bench, 61 * US_PER_S);
  session_figures(bench.session, bench.now, &figures);
  cr_assert_eq(figures.state, RELAY_HELD);
  cr_assert_str_eq(figures.problem.cause, "slot_moved");
  cr_assert_not(fake_publisher_is_open(bench.publisher));
  cr_assert_eq(fake_publisher_count(bench.publisher), 0, "a stale record was sent behind newer ones");
  bench_done(&bench);
}

Test(session_start, a_kept_record_that_another_relay_has_got_past_meanwhile_is_let_go)
{
  struct bench bench;

  bench_init(&bench);
  hold_on_topic(&bench);
  session_on_slot_activity(bench.session, true, 4711, bench.now.mono_us, bench.now);
  fake_stream_clear(bench.stream);
  fake_stream_moves_before_start(bench.stream, 0x240, 0x1000);
  turn(&bench, 61 * US_PER_S);
  cr_assert_eq(state_of(&bench), RELAY_STREAMING);
  cr_assert_eq(fake_publisher_count(bench.publisher), 0, "a stale record was sent behind newer ones");
  bench_done(&bench);
}

/* ---- the catalog under the stream ---- */

static const struct catalog_mark judged = {"2024-01-01 00:00:00.5+00", 7};

/* Streams, and its catalog was judged as that. */
static void stream_judged(struct bench *bench)
{
  bench_init(bench);
  bench->facts.catalog = judged;
  fake_stream_on_connect(bench->stream, VERDICT_OK, &bench->facts, NULL);
  turn(bench, US_PER_S);
  cr_assert_eq(state_of(bench), RELAY_STREAMING);
}

/* The second connection got in late: it has no answer before to compare with. */
Test(session_start, the_first_answer_of_the_second_connection_is_compared_with_what_was_judged)
{
  struct catalog_mark seen = judged;
  struct bench bench;

  stream_judged(&bench);
  cr_assert_not(session_is_misjudged(bench.session, &seen, false, bench.now.mono_us));
  seen.number = 8;
  cr_assert(session_is_misjudged(bench.session, &seen, false, bench.now.mono_us), "rows of a table that is not published any more are lost in silence");
  session_reload(bench.session, bench.now);
  cr_assert_not(session_is_misjudged(bench.session, &seen, false, bench.now.mono_us), "told twice");
  bench.facts.catalog = seen;
  fake_stream_on_connect(bench.stream, VERDICT_OK, &bench.facts, NULL);
  turn(&bench, US_PER_S);
  cr_assert_eq(fake_stream_starts(bench.stream), 2);
  cr_assert_not(session_is_misjudged(bench.session, &seen, false, bench.now.mono_us), "what has been judged anew is what was seen");
  bench_done(&bench);
}

Test(session_start, an_answer_that_is_older_than_the_look_says_nothing_of_the_stream)
{
  struct catalog_mark seen = judged;
  struct bench bench;

  stream_judged(&bench);
  seen.number = 6;
  cr_assert_not(session_is_misjudged(bench.session, &seen, true, bench.now.mono_us - 2 * US_PER_S));
  cr_assert_not(session_is_misjudged(bench.session, &judged, true, bench.now.mono_us), "it has changed, and been judged since");
  bench_done(&bench);
}

/* Several hosts, and the second connection got to a standby that lags, or to another database: the two never agree. */
Test(session_start, of_another_server_than_the_streams_only_a_change_counts)
{
  const struct catalog_mark seen = {"2024-01-01 00:00:00.6+00", 8};
  struct bench bench;

  stream_judged(&bench);
  cr_assert_not(session_is_misjudged(bench.session, &seen, false, bench.now.mono_us), "the relay would begin anew with each answer");
  cr_assert(session_is_misjudged(bench.session, &seen, true, bench.now.mono_us));
  bench_done(&bench);
}

/* A standby may have a slot of the same name, and stops when it likes: neither is the stream's. */
Test(session_start, what_another_server_says_of_slot_and_shutdown_is_not_of_the_stream)
{
  const struct catalog_mark other = {"2024-01-01 00:00:00.6+00", 7};
  struct bench bench;

  bench_init(&bench);
  cr_assert_not(session_is_elsewhere(bench.session, &other), "nothing is known yet");
  bench_done(&bench);
  stream_judged(&bench);
  cr_assert_not(session_is_elsewhere(bench.session, &judged));
  cr_assert(session_is_elsewhere(bench.session, &other));
  session_reload(bench.session, bench.now);
  fake_stream_on_connect(bench.stream, VERDICT_WAIT, NULL, NULL);
  turn(&bench, 10 * US_PER_S);
  cr_assert_eq(state_of(&bench), RELAY_CONNECTING);
  cr_assert_not(session_is_elsewhere(bench.session, &other), "the next stream may be that server's");
  bench_done(&bench);
}

Test(session_start, a_hold_is_looked_at_again_when_the_catalog_changes)
{
  struct bench bench;
  struct problem refused;

  bench_init(&bench);
  (void)problem_set(&refused, VERDICT_FATAL, EXIT_DATABASE_REFUSES, "not_published", "table is not published");
  fake_stream_on_connect(bench.stream, VERDICT_FATAL, NULL, &refused);
  turn(&bench, US_PER_S);
  cr_assert_eq(state_of(&bench), RELAY_HELD);
  cr_assert_not(session_is_misjudged(bench.session, &judged, false, bench.now.mono_us));
  cr_assert(session_is_misjudged(bench.session, &judged, true, bench.now.mono_us));
  bench_done(&bench);
}

Test(session_start, a_stop_needs_no_judgement_any_more)
{
  struct catalog_mark seen = judged;
  struct bench bench;

  stream_judged(&bench);
  transaction(&bench, 0x200, 0x240, KEYS("a"));
  turn(&bench, 10000);
  session_stop(bench.session, bench.now);
  seen.number = 8;
  cr_assert_not(session_is_misjudged(bench.session, &seen, false, bench.now.mono_us), "it would say so with every answer, and cannot reconnect");
  bench_done(&bench);
}
