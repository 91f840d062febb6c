/* test_session.c - the session's state machine between a scripted stream and a publisher whose reports the test gives; decoder and router are the real ones. */
#include <criterion/criterion.h>

#include "session_fakes.h"

struct bench {
  struct config *config;
  struct fake_stream *stream;
  struct fake_publisher *publisher;
  struct session_ports ports;
  struct session_observer observer;
  struct session *session;
  struct moment now;
  struct server_facts facts;
  int delivered, dead_lettered, poisoned, failures, isolations;
  enum route_reason poison_reason;
  struct problem last_failure;
};

static void on_state(void *context, enum relay_state from, enum relay_state to, const struct problem *why)
{
  (void)context;
  (void)why;
  cr_assert_neq(from, to, "a change of state that is none");
}

static void on_started(void *context, const struct server_facts *facts)
{
  (void)context;
  (void)facts;
}

static void on_failed(void *context, enum session_side side, const struct problem *why, int64_t delay_us)
{
  struct bench *bench = context;

  (void)side;
  (void)delay_us;
  bench->failures++;
  bench->last_failure = *why;
}

static void on_delivered(void *context, size_t entry, bool is_dead_letter, int64_t commit_time_us)
{
  struct bench *bench = context;

  (void)entry;
  (void)commit_time_us;
  bench->delivered++;
  bench->dead_lettered += is_dead_letter;
}

static void on_poison(void *context, enum poison_action action, enum route_reason reason, const struct record *record, const struct problem *why)
{
  struct bench *bench = context;

  (void)action;
  (void)record;
  (void)why;
  bench->poisoned++;
  bench->poison_reason = reason;
}

static void on_isolating(void *context, struct position until, const struct problem *why)
{
  struct bench *bench = context;

  (void)until;
  (void)why;
  bench->isolations++;
}

static void bench_init(struct bench *bench)
{
  struct problem_list problems = {0};

  *bench = (struct bench){.config = fake_config(), .now = {.mono_us = 1000000000, .wall_us = 1700000000000000}};
  bench->facts = (struct server_facts){.system_id = "42", .timeline = 1, .server_version = 150000, .wal_end = 0x1000, .confirmed = 0x100};
  bench->facts.wal_sender_timeout_us = 60 * US_PER_S;
  bench->ports.stream = fake_stream_new(&bench->stream);
  bench->ports.publisher = fake_publisher_new(&bench->publisher);
  bench->ports.decoder = decoder_new(PLUGIN_PGOUTPUT);
  bench->ports.router = router_new(bench->config, &problems);
  cr_assert_not_null(bench->ports.router);
  bench->observer = (struct session_observer){bench, on_state, on_started, on_failed, on_delivered, on_poison, on_isolating};
  bench->session = session_new(bench->config, &bench->ports, &bench->observer, 7);
  fake_stream_on_connect(bench->stream, VERDICT_OK, &bench->facts, NULL);
  fake_stream_on_start(bench->stream, VERDICT_OK, NULL);
}

static void bench_done(struct bench *bench)
{
  session_free(bench->session);
  stream_free(bench->ports.stream);
  publisher_free(bench->ports.publisher);
  decoder_free(bench->ports.decoder);
  router_free(bench->ports.router);
}

/* Turns the session for a stretch of time, as the loop would: at once, then at each deadline that falls into the stretch. */
static void turn(struct bench *bench, int64_t stretch_us)
{
  int64_t end_us = bench->now.mono_us + stretch_us;
  int64_t next_us = bench->now.mono_us;

  for (int guard = 0; next_us <= end_us; guard++) {
    cr_assert_lt(guard, 20000, "the session asks to be turned without end");
    bench->now.wall_us += next_us - bench->now.mono_us;
    bench->now.mono_us = next_us;
    session_step(bench->session, bench->now, true);
    next_us = session_deadline_us(bench->session);
    next_us = next_us > bench->now.mono_us + 1000 ? next_us : bench->now.mono_us + 1000;
  }
  bench->now.wall_us += end_us - bench->now.mono_us;
  bench->now.mono_us = end_us;
}

static enum relay_state state_of(struct bench *bench)
{
  struct session_figures figures;

  session_figures(bench->session, bench->now, &figures);
  return figures.state;
}

static Lsn highest_flush(const struct bench *bench)
{
  Lsn highest = 0;

  for (size_t i = 0; i < fake_stream_status_count(bench->stream); i++) {
    struct fake_status status = fake_stream_status(bench->stream, i);

    highest = status.flush > highest ? status.flush : highest;
  }
  return highest;
}

/* One transaction with one row per key, to topic outbox.event.order. */
static void transaction(struct bench *bench, Lsn commit_lsn, Lsn end_lsn, const char *const *keys)
{
  fake_stream_begin(bench->stream, commit_lsn, (uint32_t)commit_lsn);
  fake_stream_relation(bench->stream);
  for (; *keys != NULL; keys++) {
    fake_stream_row(bench->stream, "id", "order", (*keys)[0] != '\0' ? *keys : NULL, "{}");
  }
  fake_stream_commit(bench->stream, commit_lsn, end_lsn);
}

#define KEYS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* ---- positions ---- */

Test(session, confirms_the_end_of_a_transaction_and_only_after_all_its_reports)
{
  struct bench bench;

  bench_init(&bench);
  transaction(&bench, 0x200, 0x240, KEYS("a", "b"));
  turn(&bench, US_PER_S);
  cr_assert_eq(fake_publisher_count(bench.publisher), 2);
  cr_assert_leq(highest_flush(&bench), 0x100, "confirmed what is not settled");
  fake_publisher_report(bench.publisher, 0, REPORT_DELIVERED);
  turn(&bench, 20 * US_PER_S);
  cr_assert_leq(highest_flush(&bench), 0x100, "confirmed half a transaction");
  fake_publisher_report(bench.publisher, 1, REPORT_DELIVERED);
  turn(&bench, US_PER_S);
  cr_assert_eq(highest_flush(&bench), 0x240);
  cr_assert_eq(bench.delivered, 2);
  bench_done(&bench);
}

Test(session, a_younger_transaction_does_not_confirm_an_older_one)
{
  struct bench bench;

  bench_init(&bench);
  transaction(&bench, 0x200, 0x240, KEYS("a"));
  transaction(&bench, 0x300, 0x340, KEYS("b"));
  turn(&bench, US_PER_S);
  fake_publisher_report(bench.publisher, 1, REPORT_DELIVERED);
  turn(&bench, US_PER_S);
  cr_assert_leq(highest_flush(&bench), 0x100);
  fake_publisher_report(bench.publisher, 0, REPORT_DELIVERED);
  turn(&bench, US_PER_S);
  cr_assert_eq(highest_flush(&bench), 0x340);
  bench_done(&bench);
}

Test(session, a_keepalive_confirms_only_when_nothing_is_pending)
{
  struct bench bench;

  bench_init(&bench);
  fake_stream_keepalive(bench.stream, 0x180, false);
  turn(&bench, US_PER_S);
  cr_assert_eq(highest_flush(&bench), 0x180, "an idle outbox retains WAL");
  transaction(&bench, 0x200, 0x240, KEYS("a"));
  fake_stream_keepalive(bench.stream, 0x900, true);
  turn(&bench, US_PER_S);
  cr_assert_eq(highest_flush(&bench), 0x180, "a keepalive confirmed what is not settled");
  bench_done(&bench);
}

Test(session, a_keepalive_inside_a_transaction_confirms_nothing)
{
  struct bench bench;

  bench_init(&bench);
  fake_stream_begin(bench.stream, 0x200, 1);
  fake_stream_keepalive(bench.stream, 0x900, true);
  turn(&bench, US_PER_S);
  cr_assert_leq(highest_flush(&bench), 0x100);
  bench_done(&bench);
}

Test(session, a_status_goes_out_by_our_own_timer_while_nothing_moves)
{
  struct bench bench;

  bench_init(&bench);
  turn(&bench, 65 * US_PER_S);
  cr_assert_geq(fake_stream_status_count(bench.stream), 6);
  bench_done(&bench);
}

Test(session, a_server_that_spins_in_shutdown_is_let_go_without_confirming)
{
  struct bench bench;
  bool let_go = false;

  bench_init(&bench);
  transaction(&bench, 0x200, 0x240, KEYS("a"));
  for (int i = 0; i < 700; i++) {
    fake_stream_keepalive(bench.stream, 0x240, true);
    turn(&bench, 1000);
  }
  for (size_t i = 0; i < fake_stream_status_count(bench.stream); i++) {
    struct fake_status status = fake_stream_status(bench.stream, i);

    let_go = let_go || (status.flush == 0 && status.write == 0x240);
    cr_assert_leq(status.flush, 0x100);
  }
  cr_assert(let_go);
  bench_done(&bench);
}

/* ---- backpressure ---- */

Test(session, a_full_queue_stops_reading_and_loses_nothing)
{
  struct bench bench;

  bench_init(&bench);
  fake_publisher_limit(bench.publisher, 2);
  transaction(&bench, 0x200, 0x240, KEYS("a", "b", "c", "d"));
  turn(&bench, 3 * US_PER_S);
  cr_assert_eq(fake_publisher_count(bench.publisher), 2);
  cr_assert_eq(state_of(&bench), RELAY_PAUSED);
  cr_assert_gt(fake_stream_unread(bench.stream), 0, "read on while there was no room");
  cr_assert_not(session_wants_stream(bench.session));
  fake_publisher_report_all(bench.publisher);
  turn(&bench, US_PER_S);
  cr_assert_eq(fake_publisher_count(bench.publisher), 4);
  cr_assert_str_eq(fake_publisher_record(bench.publisher, 2)->key, "c");
  cr_assert_str_eq(fake_publisher_record(bench.publisher, 3)->key, "d");
  fake_publisher_report_all(bench.publisher);
  turn(&bench, US_PER_S);
  cr_assert_eq(highest_flush(&bench), 0x240);
  cr_assert_eq(state_of(&bench), RELAY_STREAMING);
  bench_done(&bench);
}

Test(session, a_paused_session_still_sends_its_status)
{
  struct bench bench;
  size_t before;

  bench_init(&bench);
  fake_publisher_limit(bench.publisher, 0);
  transaction(&bench, 0x200, 0x240, KEYS("a"));
  turn(&bench, US_PER_S);
  before = fake_stream_status_count(bench.stream);
  turn(&bench, 35 * US_PER_S);
  cr_assert_geq(fake_stream_status_count(bench.stream) - before, 3);
  bench_done(&bench);
}

Test(session, a_paused_session_leaves_a_server_that_shuts_down)
{
  struct bench bench;

  bench_init(&bench);
  fake_publisher_limit(bench.publisher, 0);
  transaction(&bench, 0x200, 0x240, KEYS("a"));
  turn(&bench, US_PER_S);
  session_on_server_shutdown(bench.session, bench.now);
  fake_stream_on_connect(bench.stream, VERDICT_WAIT, NULL, NULL);
  turn(&bench, 10000);
  cr_assert_not(fake_stream_is_open(bench.stream));
  cr_assert_eq(bench.failures, 1);
  cr_assert_eq(highest_flush(&bench), 0);
  bench_done(&bench);
}

/* ---- failures ---- */

Test(session, after_a_lost_connection_it_starts_where_the_server_says)
{
  struct bench bench;
  struct problem lost;

  bench_init(&bench);
  (void)problem_set(&lost, VERDICT_RETRY, EXIT_UNEXPECTED, "network", "connection lost");
  transaction(&bench, 0x200, 0x240, KEYS("a"));
  fake_stream_breaks(bench.stream, &lost);
  turn(&bench, 10000);
  cr_assert_eq(bench.failures, 1);
  fake_stream_clear(bench.stream);
  transaction(&bench, 0x200, 0x240, KEYS("a"));
  turn(&bench, 2 * US_PER_S);
  cr_assert_eq(fake_stream_starts(bench.stream), 2);
  cr_assert_eq(fake_stream_last_start(bench.stream), 0x100);
  cr_assert_eq(fake_publisher_opens(bench.publisher), 1, "a lost PostgreSQL is no reason for a new producer");
  /* The report of the first sending settles nothing of the second stream. */
  fake_publisher_report(bench.publisher, 0, REPORT_DELIVERED);
  turn(&bench, US_PER_S);
  cr_assert_leq(highest_flush(&bench), 0x100);
  fake_publisher_report(bench.publisher, 1, REPORT_DELIVERED);
  turn(&bench, US_PER_S);
  cr_assert_eq(highest_flush(&bench), 0x240);
  bench_done(&bench);
}

Test(session, damaged_bytes_begin_a_new_session)
{
  struct bench bench;

  bench_init(&bench);
  fake_stream_bytes(bench.stream, "Z?", 2);
  turn(&bench, 10000);
  cr_assert_eq(bench.failures, 1);
  fake_stream_clear(bench.stream);
  turn(&bench, 2 * US_PER_S);
  cr_assert_eq(state_of(&bench), RELAY_STREAMING);
  bench_done(&bench);
}

Test(session, a_broken_producer_is_replaced_and_the_stream_begun_again)
{
  struct bench bench;
  struct problem fatal;

  bench_init(&bench);
  (void)problem_set(&fatal, VERDICT_RETRY, EXIT_UNEXPECTED, "fatal", "fatal producer error");
  transaction(&bench, 0x200, 0x240, KEYS("a"));
  turn(&bench, 10000);
  fake_publisher_on_reports(bench.publisher, VERDICT_RETRY, &fatal);
  turn(&bench, 10000);
  fake_stream_clear(bench.stream);
  transaction(&bench, 0x200, 0x240, KEYS("a"));
  turn(&bench, 2 * US_PER_S);
  cr_assert_eq(fake_publisher_opens(bench.publisher), 2);
  cr_assert_eq(fake_stream_starts(bench.stream), 2);
  fake_publisher_report_all(bench.publisher);
  turn(&bench, US_PER_S);
  cr_assert_eq(highest_flush(&bench), 0x240);
  bench_done(&bench);
}

Test(session, backoff_grows_while_the_server_is_away)
{
  struct bench bench;
  struct problem refused;

  bench_init(&bench);
  (void)problem_set(&refused, VERDICT_RETRY, EXIT_UNEXPECTED, "network", "connection refused");
  fake_stream_on_connect(bench.stream, VERDICT_RETRY, NULL, &refused);
  turn(&bench, 60 * US_PER_S);
  cr_assert_geq(bench.failures, 5);
  cr_assert_leq(bench.failures, 20, "%d tries in a minute", bench.failures);
  cr_assert_neq(state_of(&bench), RELAY_HELD);
  bench_done(&bench);
}

Test(session, a_connection_that_never_answers_is_given_up)
{
  struct bench bench;

  bench_init(&bench);
  fake_stream_on_connect(bench.stream, VERDICT_WAIT, NULL, NULL);
  turn(&bench, 35 * US_PER_S);
  cr_assert_eq(bench.failures, 1);
  cr_assert_str_eq(bench.last_failure.cause, "timeout");
  bench_done(&bench);
}

/* ---- standby ---- */

Test(session, an_active_slot_means_standby_and_its_release_means_start)
{
  struct bench bench;

  bench_init(&bench);
  bench.facts.slot_is_active = true;
  fake_stream_on_connect(bench.stream, VERDICT_OK, &bench.facts, NULL);
  turn(&bench, US_PER_S);
  cr_assert_eq(state_of(&bench), RELAY_STANDBY);
  cr_assert_eq(fake_stream_starts(bench.stream), 0);
  cr_assert_not(fake_stream_is_open(bench.stream), "a standby keeps a walsender");
  session_on_slot_activity(bench.session, true, bench.now);
  turn(&bench, 1000);
  cr_assert_eq(state_of(&bench), RELAY_STANDBY);
  bench.facts.slot_is_active = false;
  fake_stream_on_connect(bench.stream, VERDICT_OK, &bench.facts, NULL);
  session_on_slot_activity(bench.session, false, bench.now);
  turn(&bench, 1000);
  cr_assert_eq(state_of(&bench), RELAY_STREAMING);
  bench_done(&bench);
}

/* ---- holds ---- */

Test(session, a_refusal_of_the_database_holds_and_goes_on_when_it_is_gone)
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

Test(session, a_position_that_was_moved_behind_our_back_is_held)
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

Test(session, a_poison_row_is_held_and_what_was_before_it_is_published)
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

Test(session, what_is_settled_is_confirmed_before_a_row_is_held)
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

Test(session, a_row_is_held_within_seconds_though_kafka_is_away)
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

Test(session, a_server_that_shuts_down_while_a_row_is_about_to_be_held_is_left_at_once)
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

Test(session, a_poison_row_becomes_a_dead_letter_in_its_place)
{
  struct bench bench;
  struct config_outbox *entry = fake_config_outbox();

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

Test(session, refused_rows_are_sent_one_by_one_and_only_the_guilty_one_is_poison)
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

Test(session, isolation_ends_behind_the_highest_refused_row)
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

Test(session, a_row_that_fails_alone_becomes_a_dead_letter_and_is_counted_once)
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

Test(session, a_dead_letter_that_is_refused_is_held)
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

Test(session, an_unknown_topic_holds_and_a_look_tries_that_record_alone)
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
  /* The look: the record alone, with a fresh producer, and no stream. */
  turn(&bench, 10 * US_PER_S);
  cr_assert_eq(fake_publisher_count(bench.publisher), 1);
  cr_assert_str_eq(fake_publisher_record(bench.publisher, 0)->key, "b");
  cr_assert_eq(fake_stream_starts(bench.stream), 2);
  fake_publisher_report(bench.publisher, 0, REPORT_DELIVERED);
  fake_stream_clear(bench.stream);
  transaction(&bench, 0x200, 0x240, KEYS("a", "b"));
  turn(&bench, US_PER_S);
  cr_assert_eq(state_of(&bench), RELAY_STREAMING);
  fake_publisher_report_all(bench.publisher);
  turn(&bench, US_PER_S);
  fake_publisher_report_all(bench.publisher);
  turn(&bench, US_PER_S);
  cr_assert_eq(highest_flush(&bench), 0x240);
  bench_done(&bench);
}

/* ---- stopping ---- */

Test(session, a_stop_settles_confirms_and_ends_the_stream_in_order)
{
  struct bench bench;
  struct session_figures figures;

  bench_init(&bench);
  transaction(&bench, 0x200, 0x240, KEYS("a"));
  turn(&bench, 10000);
  session_stop(bench.session, bench.now);
  transaction(&bench, 0x300, 0x340, KEYS("b"));
  turn(&bench, 10000);
  cr_assert_eq(state_of(&bench), RELAY_DRAINING);
  fake_publisher_report_all(bench.publisher);
  turn(&bench, 10000);
  cr_assert(session_is_stopped(bench.session));
  session_figures(bench.session, bench.now, &figures);
  cr_assert(figures.drained);
  cr_assert(fake_stream_was_finished(bench.stream));
  cr_assert_eq(highest_flush(&bench), 0x240);
  cr_assert_eq(fake_publisher_count(bench.publisher), 1, "read on after the stop");
  bench_done(&bench);
}

Test(session, a_stop_reads_the_transaction_in_hand_to_its_end)
{
  struct bench bench;

  bench_init(&bench);
  fake_publisher_limit(bench.publisher, 1);
  transaction(&bench, 0x200, 0x240, KEYS("a", "b"));
  turn(&bench, 10000);
  session_stop(bench.session, bench.now);
  fake_publisher_report_all(bench.publisher);
  turn(&bench, 10000);
  fake_publisher_report_all(bench.publisher);
  turn(&bench, 10000);
  cr_assert(session_is_stopped(bench.session));
  cr_assert_eq(highest_flush(&bench), 0x240);
  bench_done(&bench);
}

Test(session, a_stop_with_kafka_down_ends_within_its_limit_and_confirms_nothing)
{
  struct bench bench;
  struct session_figures figures;

  bench_init(&bench);
  transaction(&bench, 0x200, 0x240, KEYS("a"));
  turn(&bench, 10000);
  session_stop(bench.session, bench.now);
  turn(&bench, 9 * US_PER_S);
  cr_assert_not(session_is_stopped(bench.session));
  turn(&bench, 2 * US_PER_S);
  cr_assert(session_is_stopped(bench.session));
  session_figures(bench.session, bench.now, &figures);
  cr_assert_not(figures.drained);
  cr_assert_eq(figures.events_in_flight, 1);
  cr_assert_leq(highest_flush(&bench), 0x100);
  bench_done(&bench);
}
