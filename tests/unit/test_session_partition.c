/* test_session_partition.c - rows that name a partition which the client does not know: it may be new, and what the client knows of a topic is minutes old. */
#include "session_bench.h"

/* The next record is refused before it was sent, as by a client whose metadata does not have the partition. */
static void refuse_next(struct bench *bench)
{
  struct problem problem;

  (void)problem_set(&problem, VERDICT_POISON, EXIT_POISON, "no_partition", "the topic does not have the partition that the row asks for");
  fake_publisher_on_publish(bench->publisher, VERDICT_POISON, &problem);
}

static void set_dead_letters(struct bench *bench)
{
  struct config_outbox *entry = (struct config_outbox *)bench->config->outbox;

  entry->poison = POISON_DEAD_LETTER;
  entry->dead_letter_topic = "dead";
}

static void move_wal_end(struct bench *bench, Lsn wal_end)
{
  bench->facts.wal_end = wal_end;
  fake_stream_on_connect(bench->stream, VERDICT_OK, &bench->facts, NULL);
}

/* Behind a record in flight, b is refused in company, and is newer than the client: WAL ended at 0x1000 when that was made. All comes again. */
static void refuse_in_company(struct bench *bench)
{
  transaction(bench, 0x1200, 0x1240, KEYS("a"));
  turn(bench, 10000);
  cr_assert_eq(fake_publisher_count(bench->publisher), 1);
  refuse_next(bench);
  transaction(bench, 0x1300, 0x1340, KEYS("b", "b"));
  turn(bench, 10000);
  cr_assert_eq(bench->poisoned, 0, "a row was called poison for what the client does not know yet");
  cr_assert_eq(bench->isolations, 1);
  cr_assert_eq(fake_publisher_count(bench->publisher), 1, "a later record of the key was sent before it");
  cr_assert_not(fake_publisher_is_open(bench->publisher), "the client that does not know was kept");
  move_wal_end(bench, 0x1400);
  fake_stream_clear(bench->stream);
  transaction(bench, 0x1200, 0x1240, KEYS("a"));
  transaction(bench, 0x1300, 0x1340, KEYS("b", "b"));
  turn(bench, US_PER_S);
  cr_assert_eq(fake_publisher_opens(bench->publisher), 2);
  cr_assert_eq(fake_publisher_count(bench->publisher), 1, "isolation means one at a time");
}

Test(session_partition, a_row_for_a_partition_that_the_client_does_not_know_is_tried_alone_by_a_fresh_one)
{
  struct bench bench;

  bench_init(&bench);
  set_dead_letters(&bench);
  refuse_in_company(&bench);
  fake_publisher_report(bench.publisher, 0, REPORT_DELIVERED);
  turn(&bench, US_PER_S);
  cr_assert_eq(fake_publisher_count(bench.publisher), 2);
  cr_assert_str_eq(fake_publisher_record(bench.publisher, 1)->topic, "outbox.event.order");
  cr_assert_eq(fake_publisher_record(bench.publisher, 1)->position.index, 0);
  fake_publisher_report(bench.publisher, 1, REPORT_DELIVERED);
  turn(&bench, US_PER_S);
  fake_publisher_report_all(bench.publisher);
  turn(&bench, US_PER_S);
  cr_assert_eq(highest_flush(&bench), 0x1340);
  cr_assert_eq(bench.poisoned, 0);
  cr_assert_eq(bench.dead_lettered, 0);
  cr_assert_eq(bench.isolations, 1);
  bench_done(&bench);
}

Test(session_partition, a_row_that_a_fresh_client_does_not_take_either_becomes_a_dead_letter)
{
  struct bench bench;

  bench_init(&bench);
  set_dead_letters(&bench);
  refuse_in_company(&bench);
  refuse_next(&bench);
  fake_publisher_report(bench.publisher, 0, REPORT_DELIVERED);
  turn(&bench, US_PER_S);
  cr_assert_eq(bench.poisoned, 1);
  cr_assert_eq(bench.poison_reason, ROUTE_REASON_BAD_PARTITION);
  cr_assert_eq(fake_publisher_count(bench.publisher), 2);
  cr_assert_str_eq(fake_publisher_record(bench.publisher, 1)->topic, "dead");
  fake_publisher_report(bench.publisher, 1, REPORT_DELIVERED);
  turn(&bench, US_PER_S);
  fake_publisher_report_all(bench.publisher);
  turn(&bench, US_PER_S);
  cr_assert_eq(highest_flush(&bench), 0x1340);
  cr_assert_eq(bench.dead_lettered, 1);
  bench_done(&bench);
}

/* A client that has nothing of the topic yet takes the record, and refuses it in a report when it knows. */
Test(session_partition, the_reason_is_the_partition_also_where_a_report_tells_it)
{
  struct bench bench;

  bench_init(&bench);
  set_dead_letters(&bench);
  refuse_in_company(&bench);
  fake_publisher_report(bench.publisher, 0, REPORT_DELIVERED);
  turn(&bench, US_PER_S);
  fake_publisher_refuses_for(bench.publisher, "no_partition");
  fake_publisher_report(bench.publisher, 1, REPORT_REFUSED_ROW);
  turn(&bench, US_PER_S);
  cr_assert_eq(bench.poisoned, 1);
  cr_assert_eq(bench.poison_reason, ROUTE_REASON_BAD_PARTITION);
  bench_done(&bench);
}

Test(session_partition, a_row_that_a_fresh_client_does_not_take_either_is_held_and_looked_after)
{
  struct bench bench;
  struct session_figures figures;

  bench_init(&bench);
  refuse_in_company(&bench);
  refuse_next(&bench);
  fake_publisher_report(bench.publisher, 0, REPORT_DELIVERED);
  turn(&bench, US_PER_S);
  session_figures(bench.session, bench.now, &figures);
  cr_assert_eq(figures.state, RELAY_HELD);
  cr_assert_eq(figures.problem.code, EXIT_POISON);
  cr_assert_eq(highest_flush(&bench), 0x1240);
  /* The look tries it, with another fresh client, and it has the partition by now. */
  fake_stream_clear(bench.stream);
  transaction(&bench, 0x1300, 0x1340, KEYS("b", "b"));
  turn(&bench, 10 * US_PER_S);
  cr_assert_eq(fake_publisher_count(bench.publisher), 1);
  fake_publisher_report(bench.publisher, 0, REPORT_DELIVERED);
  turn(&bench, US_PER_S);
  cr_assert_eq(state_of(&bench), RELAY_STREAMING);
  bench_done(&bench);
}

/* What a fresh client would say of it, too, needs no second look. */
Test(session_partition, a_row_that_is_refused_for_its_own_size_is_poison_at_once)
{
  struct bench bench;
  struct problem problem;

  bench_init(&bench);
  set_dead_letters(&bench);
  transaction(&bench, 0x1200, 0x1240, KEYS("a"));
  turn(&bench, 10000);
  (void)problem_set(&problem, VERDICT_POISON, EXIT_POISON, "too_large", "the record is larger than the limit");
  fake_publisher_on_publish(bench.publisher, VERDICT_POISON, &problem);
  transaction(&bench, 0x1300, 0x1340, KEYS("b"));
  turn(&bench, 10000);
  cr_assert_eq(bench.isolations, 0);
  cr_assert_eq(bench.poison_reason, ROUTE_REASON_TOO_LARGE);
  cr_assert_str_eq(fake_publisher_record(bench.publisher, 1)->topic, "dead");
  cr_assert_eq(fake_publisher_opens(bench.publisher), 1);
  bench_done(&bench);
}

Test(session_partition, a_relay_that_is_to_stop_leaves_such_a_row_to_the_next_process)
{
  struct bench bench;

  bench_init(&bench);
  set_dead_letters(&bench);
  transaction(&bench, 0x1200, 0x1240, KEYS("a"));
  turn(&bench, 10000);
  fake_publisher_report_all(bench.publisher);
  turn(&bench, US_PER_S);
  refuse_next(&bench);
  fake_stream_begin(bench.stream, 0x1300, 0x1300);
  fake_stream_relation(bench.stream);
  turn(&bench, 10000);
  session_stop(bench.session, bench.now);
  fake_stream_row(bench.stream, "id", "order", "b", "{}");
  fake_stream_commit(bench.stream, 0x1300, 0x1340);
  turn(&bench, US_PER_S);
  cr_assert_eq(bench.poisoned, 0);
  cr_assert_eq(highest_flush(&bench), 0x1240);
  cr_assert(session_is_stopped(bench.session));
  bench_done(&bench);
}

/* What such a client does not know was not there when the row was written, and a fresh one would be the hundredth to say so. */
Test(session_partition, a_row_that_is_older_than_the_client_needs_no_fresh_one)
{
  struct bench bench;

  bench_init(&bench);
  set_dead_letters(&bench);
  transaction(&bench, 0x200, 0x240, KEYS("a"));
  turn(&bench, 10000);
  refuse_next(&bench);
  transaction(&bench, 0x300, 0x340, KEYS("b"));
  turn(&bench, 10000);
  cr_assert_eq(bench.isolations, 0);
  cr_assert_eq(bench.poisoned, 1);
  cr_assert_str_eq(fake_publisher_record(bench.publisher, 1)->topic, "dead");
  cr_assert_eq(fake_publisher_opens(bench.publisher), 1);
  bench_done(&bench);
}

Test(session_partition, one_fresh_client_is_enough_for_all_that_was_written_before_it)
{
  struct bench bench;

  bench_init(&bench);
  set_dead_letters(&bench);
  turn(&bench, 10000);
  refuse_next(&bench);
  transaction(&bench, 0x1200, 0x1240, KEYS("a"));
  move_wal_end(&bench, 0x1400);
  turn(&bench, 10000);
  cr_assert_eq(bench.isolations, 1);
  fake_stream_clear(bench.stream);
  transaction(&bench, 0x1200, 0x1240, KEYS("a"));
  transaction(&bench, 0x1300, 0x1340, KEYS("b", "b"));
  turn(&bench, US_PER_S);
  refuse_next(&bench);
  fake_publisher_report(bench.publisher, 0, REPORT_DELIVERED);
  turn(&bench, US_PER_S);
  cr_assert_eq(bench.isolations, 1, "a client was made anew for a row that was there before it");
  cr_assert_eq(bench.poisoned, 1);
  cr_assert_str_eq(fake_publisher_record(bench.publisher, 1)->topic, "dead");
  bench_done(&bench);
}

/* The producer stays when PostgreSQL fails, and with it what it knows. */
Test(session_partition, a_new_stream_makes_no_client_younger)
{
  struct bench bench;
  struct problem lost;

  bench_init(&bench);
  set_dead_letters(&bench);
  turn(&bench, 10000);
  (void)problem_set(&lost, VERDICT_RETRY, EXIT_UNEXPECTED, "network", "connection lost");
  fake_stream_breaks(bench.stream, &lost);
  move_wal_end(&bench, 0x1400);
  turn(&bench, 10000);
  fake_stream_clear(bench.stream);
  turn(&bench, US_PER_S);
  cr_assert_eq(fake_stream_starts(bench.stream), 2);
  cr_assert_eq(fake_publisher_opens(bench.publisher), 1);
  refuse_next(&bench);
  transaction(&bench, 0x1300, 0x1340, KEYS("b"));
  turn(&bench, 10000);
  cr_assert_eq(bench.poisoned, 0);
  cr_assert_eq(bench.isolations, 1);
  bench_done(&bench);
}

/* One that was promoted has its own log behind where the two part. */
Test(session_partition, positions_of_another_timeline_say_nothing_of_the_clients_age)
{
  struct bench bench;
  struct problem lost;

  bench_init(&bench);
  set_dead_letters(&bench);
  turn(&bench, 10000);
  (void)problem_set(&lost, VERDICT_RETRY, EXIT_UNEXPECTED, "network", "connection lost");
  fake_stream_breaks(bench.stream, &lost);
  bench.facts.timeline = 2;
  move_wal_end(&bench, 0x800);
  turn(&bench, 10000);
  fake_stream_clear(bench.stream);
  turn(&bench, US_PER_S);
  cr_assert_eq(fake_stream_starts(bench.stream), 2);
  refuse_next(&bench);
  transaction(&bench, 0x900, 0x940, KEYS("b"));
  turn(&bench, 10000);
  cr_assert_eq(bench.poisoned, 0);
  cr_assert_eq(bench.isolations, 1);
  bench_done(&bench);
}
