/* test_session_poison.c - rows that cannot be published: isolation, dead letters, holds and looks. */
#include "session_bench.h"

/* ---- holds ---- */

Test(session_poison, a_refusal_of_the_database_holds_and_goes_on_when_it_is_gone)
{
  struct bench bench;
  struct problem refused;

  bench_init(&bench);
  (void)problem_set(&refused, VERDICT_FATAL, EXIT_DATABASE_REFUSES, "privilege", "no");
  fake_stream_on_connect(bench.stream, VERDICT_FATAL, NULL, &refused);
  turn(&bench, 30 * US_PER_S);
  cr_assert_eq(state_of(&bench), RELAY_HELD);
  fake_stream_on_connect(bench.stream, VERDICT_OK, &bench.facts, NULL);
  turn(&bench, 61 * US_PER_S);
  cr_assert_eq(state_of(&bench), RELAY_STREAMING);
  bench_done(&bench);
}

Test(session_poison, a_position_that_was_moved_behind_our_back_is_held)
{
  struct bench bench;
  struct problem lost;
  struct session_figures figures;

  bench_init(&bench);
  (void)problem_set(&lost, VERDICT_RETRY, EXIT_UNEXPECTED, "network", "connection lost");
  fake_stream_breaks(bench.stream, &lost);
  turn(&bench, 10000);
  bench.facts.confirmed = 0x700;
  fake_stream_on_connect(bench.stream, VERDICT_OK, &bench.facts, NULL);
  turn(&bench, 2 * US_PER_S);
  session_figures(bench.session, bench.now, &figures);
  cr_assert_eq(figures.state, RELAY_HELD);
  cr_assert_eq(figures.problem.code, EXIT_POSITION);
  cr_assert_not_null(strstr(figures.problem.text, "0/100"));
  cr_assert_not_null(strstr(figures.problem.text, "0/700"));
  cr_assert_eq(fake_stream_starts(bench.stream), 1);
  bench_done(&bench);
}

/* ---- poison ---- */

Test(session_poison, a_poison_row_is_held_and_what_was_before_it_is_published)
{
  struct bench bench;

  bench_init(&bench);
  transaction(&bench, 0x200, 0x240, KEYS("a", "", "c"));
  turn(&bench, US_PER_S);
  cr_assert_eq(state_of(&bench), RELAY_DRAINING);
  fake_publisher_report_all(bench.publisher);
  turn(&bench, US_PER_S);
  cr_assert_eq(state_of(&bench), RELAY_HELD);
  cr_assert_eq(bench.poisoned, 1);
  cr_assert_eq(bench.poison_reason, ROUTE_REASON_NULL_KEY);
  cr_assert_eq(fake_publisher_count(bench.publisher), 1, "something behind the poison row was published");
  cr_assert_leq(highest_flush(&bench), 0x100);
  /* Nothing but another configuration mends it: no look publishes the row before it again and again. */
  turn(&bench, 600 * US_PER_S);
  cr_assert_eq(fake_stream_starts(bench.stream), 1);
  bench_done(&bench);
}

Test(session_poison, what_is_settled_is_confirmed_before_a_row_is_held)
{
  struct bench bench;

  bench_init(&bench);
  transaction(&bench, 0x200, 0x240, KEYS("a"));
  transaction(&bench, 0x300, 0x340, KEYS(""));
  turn(&bench, 1000);
  cr_assert(fake_stream_is_open(bench.stream));
  fake_publisher_report_all(bench.publisher);
  turn(&bench, 1000);
  cr_assert_eq(state_of(&bench), RELAY_HELD);
  cr_assert(fake_stream_was_finished(bench.stream));
  cr_assert_eq(highest_flush(&bench), 0x240);
  bench_done(&bench);
}

Test(session_poison, a_row_is_held_within_seconds_though_kafka_is_away)
{
  struct bench bench;

  bench_init(&bench);
  transaction(&bench, 0x200, 0x240, KEYS("a"));
  transaction(&bench, 0x300, 0x340, KEYS(""));
  turn(&bench, 6 * US_PER_S);
  cr_assert_eq(state_of(&bench), RELAY_HELD);
  cr_assert_not(fake_stream_is_open(bench.stream));
  cr_assert_leq(highest_flush(&bench), 0x100);
  bench_done(&bench);
}

Test(session_poison, a_server_that_shuts_down_while_a_row_is_about_to_be_held_is_left_at_once)
{
  struct bench bench;

  bench_init(&bench);
  transaction(&bench, 0x200, 0x240, KEYS("a"));
  transaction(&bench, 0x300, 0x340, KEYS(""));
  turn(&bench, 1000);
  session_on_server_shutdown(bench.session, bench.now);
  turn(&bench, 1000);
  cr_assert_not(fake_stream_is_open(bench.stream));
  cr_assert_eq(state_of(&bench), RELAY_HELD);
  bench_done(&bench);
}

Test(session_poison, a_poison_row_becomes_a_dead_letter_in_its_place)
{
  struct bench bench;
  struct config_outbox *entry;

  bench_init(&bench);
  entry = (struct config_outbox *)bench.config->outbox;
  entry->poison = POISON_DEAD_LETTER;
  entry->dead_letter_topic = "dead";
  transaction(&bench, 0x200, 0x240, KEYS("a", "", "c"));
  turn(&bench, US_PER_S);
  cr_assert_eq(fake_publisher_count(bench.publisher), 3);
  cr_assert_str_eq(fake_publisher_record(bench.publisher, 1)->topic, "dead");
  cr_assert_eq(fake_publisher_record(bench.publisher, 1)->position.index, 1);
  cr_assert_leq(highest_flush(&bench), 0x100);
  fake_publisher_report_all(bench.publisher);
  turn(&bench, US_PER_S);
  cr_assert_eq(highest_flush(&bench), 0x240);
  cr_assert_eq(bench.delivered, 3);
  cr_assert_eq(bench.dead_lettered, 1);
  bench_done(&bench);
}

/* A refused batch: all of it is refused, and only one row is to blame. */
static void refuse_batch(struct bench *bench)
{
  transaction(bench, 0x200, 0x240, KEYS("a", "b", "c"));
  turn(bench, 10000);
  cr_assert_eq(fake_publisher_count(bench->publisher), 3);
  for (size_t i = 0; i < 3; i++) {
    fake_publisher_report(bench->publisher, i, REPORT_REFUSED_ROW);
  }
  turn(bench, 10000);
  cr_assert_eq(bench->isolations, 1);
  cr_assert_eq(bench->poisoned, 0, "a row was called poison for its neighbour's fault");
  fake_stream_clear(bench->stream);
  transaction(bench, 0x200, 0x240, KEYS("a", "b", "c"));
  transaction(bench, 0x300, 0x340, KEYS("d", "e"));
  turn(bench, US_PER_S);
  cr_assert_eq(fake_publisher_opens(bench->publisher), 2);
}

Test(session_poison, refused_rows_are_sent_one_by_one_and_only_the_guilty_one_is_poison)
{
  struct bench bench;

  bench_init(&bench);
  refuse_batch(&bench);
  cr_assert_eq(fake_publisher_count(bench.publisher), 1, "isolation means one at a time");
  fake_publisher_report(bench.publisher, 0, REPORT_DELIVERED);
  turn(&bench, US_PER_S);
  cr_assert_eq(fake_publisher_count(bench.publisher), 2);
  fake_publisher_report(bench.publisher, 1, REPORT_REFUSED_ROW);
  turn(&bench, 100000);
  cr_assert_eq(bench.poisoned, 1);
  cr_assert_eq(bench.poison_reason, ROUTE_REASON_REFUSED_BY_BROKER);
  cr_assert_eq(state_of(&bench), RELAY_HELD);
  bench_done(&bench);
}

Test(session_poison, isolation_ends_behind_the_highest_refused_row)
{
  struct bench bench;

  bench_init(&bench);
  refuse_batch(&bench);
  for (size_t i = 0; i < 3; i++) {
    cr_assert_eq(fake_publisher_count(bench.publisher), i + 1);
    fake_publisher_report(bench.publisher, i, REPORT_DELIVERED);
    turn(&bench, US_PER_S);
  }
  cr_assert_eq(fake_publisher_count(bench.publisher), 5, "what follows goes together again");
  fake_publisher_report_all(bench.publisher);
  turn(&bench, US_PER_S);
  cr_assert_eq(highest_flush(&bench), 0x340);
  bench_done(&bench);
}

Test(session_poison, a_row_that_fails_alone_becomes_a_dead_letter_and_is_counted_once)
{
  struct bench bench;
  struct config_outbox *entry;

  bench_init(&bench);
  entry = (struct config_outbox *)bench.config->outbox;
  entry->poison = POISON_DEAD_LETTER;
  entry->dead_letter_topic = "dead";
  refuse_batch(&bench);
  fake_publisher_report(bench.publisher, 0, REPORT_REFUSED_ROW);
  turn(&bench, US_PER_S);
  cr_assert_eq(fake_publisher_count(bench.publisher), 2);
  cr_assert_str_eq(fake_publisher_record(bench.publisher, 1)->topic, "dead");
  cr_assert_str_eq(fake_publisher_record(bench.publisher, 1)->key, "a");
  for (size_t i = 1; i < 4; i++) {
    fake_publisher_report(bench.publisher, i, REPORT_DELIVERED);
    turn(&bench, US_PER_S);
  }
  fake_publisher_report_all(bench.publisher);
  turn(&bench, US_PER_S);
  cr_assert_eq(highest_flush(&bench), 0x340);
  cr_assert_eq(bench.dead_lettered, 1);
  bench_done(&bench);
}

Test(session_poison, a_dead_letter_that_is_refused_is_held)
{
  struct bench bench;
  struct config_outbox *entry;

  bench_init(&bench);
  entry = (struct config_outbox *)bench.config->outbox;
  entry->poison = POISON_DEAD_LETTER;
  entry->dead_letter_topic = "dead";
  refuse_batch(&bench);
  fake_publisher_report(bench.publisher, 0, REPORT_REFUSED_ROW);
  turn(&bench, US_PER_S);
  fake_publisher_report(bench.publisher, 1, REPORT_REFUSED_ROW);
  turn(&bench, 100000);
  cr_assert_eq(state_of(&bench), RELAY_HELD);
  cr_assert_leq(highest_flush(&bench), 0x100);
  bench_done(&bench);
}

Test(session_poison, an_unknown_topic_holds_and_a_look_tries_that_record_alone)
{
  struct bench bench;
  struct session_figures figures;

  bench_init(&bench);
  transaction(&bench, 0x200, 0x240, KEYS("a", "b"));
  turn(&bench, 10000);
  fake_publisher_report(bench.publisher, 0, REPORT_DELIVERED);
  fake_publisher_report(bench.publisher, 1, REPORT_REFUSED_TOPIC);
  turn(&bench, 10000);
  fake_stream_clear(bench.stream);
  transaction(&bench, 0x200, 0x240, KEYS("a", "b"));
  turn(&bench, US_PER_S);
  fake_publisher_report(bench.publisher, 0, REPORT_DELIVERED);
  turn(&bench, 10000);
  fake_publisher_report(bench.publisher, 1, REPORT_REFUSED_TOPIC);
  turn(&bench, 10000);
  session_figures(bench.session, bench.now, &figures);
  cr_assert_eq(figures.state, RELAY_HELD);
  cr_assert_eq(figures.problem.code, EXIT_KAFKA_REFUSES);
  cr_assert_eq(bench.poisoned, 0, "a topic that is missing is no property of a row");
  cr_assert_not(fake_publisher_is_open(bench.publisher), "a held relay kept a producer with records of its own");
  /* The look: the slot is ours, and of it all that record alone is sent, with a fresh producer; nothing is read. */
  fake_stream_clear(bench.stream);
  transaction(&bench, 0x200, 0x240, KEYS("a", "b"));
  turn(&bench, 10 * US_PER_S);
  cr_assert_eq(fake_publisher_count(bench.publisher), 1);
  cr_assert_str_eq(fake_publisher_record(bench.publisher, 0)->key, "b");
  cr_assert_eq(fake_stream_starts(bench.stream), 3);
  cr_assert_eq(fake_stream_unread(bench.stream), 5);
  cr_assert_eq(state_of(&bench), RELAY_HELD);
  fake_publisher_report(bench.publisher, 0, REPORT_DELIVERED);
  turn(&bench, US_PER_S);
  cr_assert_eq(state_of(&bench), RELAY_STREAMING);
  fake_publisher_report_all(bench.publisher);
  turn(&bench, US_PER_S);
  fake_publisher_report_all(bench.publisher);
  turn(&bench, US_PER_S);
  cr_assert_eq(highest_flush(&bench), 0x240);
  bench_done(&bench);
}

Test(session_poison, a_look_publishes_nothing_while_another_relay_has_the_slot)
{
  struct bench bench;

  bench_init(&bench);
  hold_on_topic(&bench);
  bench.facts.slot_is_active = true;
  fake_stream_on_connect(bench.stream, VERDICT_OK, &bench.facts, NULL);
  turn(&bench, 61 * US_PER_S);
  cr_assert_eq(state_of(&bench), RELAY_STANDBY);
  cr_assert_not(fake_publisher_is_open(bench.publisher));
  bench_done(&bench);
}

Test(session_poison, a_kept_record_that_another_relay_has_got_past_is_not_sent_again)
{
  struct bench bench;

  bench_init(&bench);
  hold_on_topic(&bench);
  session_on_slot_activity(bench.session, true, 4711, bench.now.mono_us, bench.now);
  bench.facts.confirmed = 0x240;
  fake_stream_on_connect(bench.stream, VERDICT_OK, &bench.facts, NULL);
  fake_stream_clear(bench.stream);
  turn(&bench, 61 * US_PER_S);
  cr_assert_eq(state_of(&bench), RELAY_STREAMING);
  cr_assert_eq(fake_publisher_count(bench.publisher), 0, "a stale record was sent behind newer ones");
  bench_done(&bench);
}

Test(session_poison, a_look_that_fails_gives_the_slot_back_and_holds_on)
{
  struct bench bench;

  bench_init(&bench);
  hold_on_topic(&bench);
  fake_stream_clear(bench.stream);
  for (int i = 0; i < 61 && fake_stream_starts(bench.stream) < 3; i++) {
    turn(&bench, US_PER_S);
  }
  cr_assert_eq(fake_publisher_count(bench.publisher), 1);
  fake_publisher_report(bench.publisher, 0, REPORT_REFUSED_TOPIC);
  turn(&bench, 10000);
  cr_assert_eq(state_of(&bench), RELAY_HELD);
  cr_assert_not(fake_stream_is_open(bench.stream));
  cr_assert_not(fake_publisher_is_open(bench.publisher));
  bench_done(&bench);
}

Test(session_poison, a_look_whose_server_is_gone_ends_at_once)
{
  struct bench bench;

  bench_init(&bench);
  hold_on_topic(&bench);
  fake_stream_clear(bench.stream);
  for (int i = 0; i < 61 && fake_stream_starts(bench.stream) < 3; i++) {
    turn(&bench, US_PER_S);
  }
  cr_assert_neq(session_poll_events(bench.session) & POLLRDHUP, 0);
  session_step(bench.session, bench.now, POLLRDHUP);
  cr_assert_eq(state_of(&bench), RELAY_HELD);
  cr_assert_not(fake_stream_is_open(bench.stream));
  cr_assert_not(fake_publisher_is_open(bench.publisher));
  bench_done(&bench);
}

Test(session_poison, a_row_that_is_refused_itself_once_its_topic_is_mended_goes_by_the_policy)
{
  struct bench bench;
  struct config_outbox *entry;

  bench_init(&bench);
  entry = (struct config_outbox *)bench.config->outbox;
  entry->poison = POISON_DEAD_LETTER;
  entry->dead_letter_topic = "dead";
  hold_on_topic(&bench);
  fake_stream_clear(bench.stream);
  for (int i = 0; i < 61 && fake_stream_starts(bench.stream) < 3; i++) {
    turn(&bench, US_PER_S);
  }
  cr_assert_eq(fake_publisher_count(bench.publisher), 1);
  fake_publisher_report(bench.publisher, 0, REPORT_REFUSED_ROW);
  turn(&bench, 10000);
  transaction(&bench, 0x200, 0x240, KEYS("a"));
  for (int i = 0; i < 61 && fake_stream_starts(bench.stream) < 4; i++) {
    turn(&bench, US_PER_S);
  }
  cr_assert_eq(fake_publisher_count(bench.publisher), 1);
  fake_publisher_report(bench.publisher, 0, REPORT_REFUSED_ROW);
  turn(&bench, US_PER_S);
  cr_assert_eq(fake_publisher_count(bench.publisher), 2);
  cr_assert_str_eq(fake_publisher_record(bench.publisher, 1)->topic, "dead");
  fake_publisher_report(bench.publisher, 1, REPORT_DELIVERED);
  turn(&bench, US_PER_S);
  cr_assert_eq(highest_flush(&bench), 0x240);
  cr_assert_eq(state_of(&bench), RELAY_STREAMING);
  bench_done(&bench);
}

Test(session_poison, a_hold_whose_stream_breaks_before_it_is_over_leaves_no_producer_behind)
{
  struct bench bench;
  struct problem problem;

  bench_init(&bench);
  (void)problem_set(&problem, VERDICT_FATAL, EXIT_DATABASE_REFUSES, "publication_missing", "publication does not exist");
  fake_stream_on_connect(bench.stream, VERDICT_FATAL, NULL, &problem);
  turn(&bench, 10000);
  cr_assert_eq(state_of(&bench), RELAY_HELD);
  fake_stream_on_connect(bench.stream, VERDICT_OK, &bench.facts, NULL);
  transaction(&bench, 0x200, 0x240, KEYS("a"));
  for (int i = 0; i < 61 && fake_publisher_count(bench.publisher) == 0; i++) {
    turn(&bench, US_PER_S);
  }
  cr_assert_eq(state_of(&bench), RELAY_HELD, "streaming has not gone on for long enough to end the hold");
  cr_assert(fake_publisher_is_open(bench.publisher));
  (void)problem_set(&problem, VERDICT_RETRY, EXIT_UNEXPECTED, "network", "connection lost");
  fake_stream_breaks(bench.stream, &problem);
  turn(&bench, 10000);
  cr_assert_not(fake_publisher_is_open(bench.publisher), "the record in flight may come behind what another relay sends");
  bench_done(&bench);
}

Test(session_poison, finding_the_bad_rows_of_many_batches_does_not_take_ever_longer_pauses)
{
  struct bench bench;

  bench_init(&bench);
  for (Lsn round = 0; round < 10; round++) {
    /* Each time behind the mark, so in company; two are refused at once. */
    fake_stream_clear(bench.stream);
    transaction(&bench, 0x1000 + 0x100 * round, 0x1040 + 0x100 * round, KEYS("a", "b"));
    turn(&bench, 150000);
    cr_assert_eq(fake_stream_starts(bench.stream), (int)round + 1);
    cr_assert_eq(fake_publisher_count(bench.publisher), 2);
    fake_publisher_report(bench.publisher, 0, REPORT_REFUSED_ROW);
    fake_publisher_report(bench.publisher, 1, REPORT_REFUSED_ROW);
    turn(&bench, 10000);
    cr_assert_eq(bench.isolations, (int)round + 1);
  }
  bench_done(&bench);
}

Test(session_poison, a_refused_record_does_not_overtake_older_ones_that_never_got_through)
{
  struct bench bench;
  struct problem refused;

  bench_init(&bench);
  transaction(&bench, 0x200, 0x240, KEYS("k", "k"));
  turn(&bench, 10000);
  cr_assert_eq(fake_publisher_count(bench.publisher), 2);
  (void)problem_set(&refused, VERDICT_FATAL, EXIT_KAFKA_REFUSES, "topic_unknown", "no such topic");
  fake_publisher_on_publish(bench.publisher, VERDICT_FATAL, &refused);
  transaction(&bench, 0x300, 0x340, KEYS("k"));
  turn(&bench, 6 * US_PER_S);
  cr_assert_eq(state_of(&bench), RELAY_HELD);
  fake_stream_clear(bench.stream);
  transaction(&bench, 0x200, 0x240, KEYS("k", "k"));
  transaction(&bench, 0x300, 0x340, KEYS("k"));
  turn(&bench, 61 * US_PER_S);
  cr_assert_eq(fake_publisher_count(bench.publisher), 3);
  cr_assert_eq(fake_publisher_record(bench.publisher, 0)->position.commit_lsn, 0x200, "the newest came first");
  bench_done(&bench);
}

Test(session_poison, rows_that_are_sent_alone_share_nothing_with_what_an_older_stream_left)
{
  struct bench bench;
  struct problem lost;

  bench_init(&bench);
  refuse_batch(&bench);
  (void)problem_set(&lost, VERDICT_RETRY, EXIT_UNEXPECTED, "network", "connection lost");
  fake_publisher_report(bench.publisher, 0, REPORT_DELIVERED);
  fake_stream_breaks(bench.stream, &lost);
  turn(&bench, 10000);
  session_on_server_shutdown(bench.session, bench.now); /* the stream is left while a row is watched */
  turn(&bench, 10000);
  fake_stream_clear(bench.stream);
  transaction(&bench, 0x200, 0x240, KEYS("a", "b", "c"));
  turn(&bench, 2 * US_PER_S);
  cr_assert_eq(fake_publisher_opens(bench.publisher), 3);
  bench_done(&bench);
}

Test(session_poison, a_stream_that_is_refused_again_and_again_is_a_hold_that_looks_ever_more_rarely)
{
  struct bench bench;
  struct problem refused;
  int starts;

  bench_init(&bench);
  turn(&bench, 31 * US_PER_S);
  (void)problem_set(&refused, VERDICT_FATAL, EXIT_DATABASE_REFUSES, "publication_missing", "publication does not exist");
  starts = fake_stream_starts(bench.stream);
  for (int i = 0; i < 600; i++) {
    fake_stream_clear(bench.stream);
    fake_stream_refuses(bench.stream, &refused);
    turn(&bench, US_PER_S);
  }
  cr_assert_eq(state_of(&bench), RELAY_HELD);
  cr_assert_leq(fake_stream_starts(bench.stream) - starts, 20, "%d starts in ten minutes", fake_stream_starts(bench.stream) - starts);
  bench_done(&bench);
}
