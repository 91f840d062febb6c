/*
 * session_bench.h - a session between a scripted stream and a publisher whose reports the test gives; decoder and router are the real ones. Time passes only in
 * turn(), which turns the session as the loop would.
 */
#ifndef SESSION_BENCH_H
#define SESSION_BENCH_H

#include <criterion/criterion.h>
#include <poll.h>

#include "session/session_priv.h"
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
  enum session_side failed_side;
};

static inline void on_state(void *context, enum relay_state from, enum relay_state to, const struct problem *why)
{
  (void)context;
  cr_assert_neq(from, to, "a change of state that is none");
  cr_assert(to != RELAY_HELD || why != NULL, "held, and nobody is told why");
}

static inline void on_started(void *context, const struct server_facts *facts)
{
  (void)context;
  (void)facts;
}

static inline void on_failed(void *context, enum session_side side, const struct problem *why, int64_t delay_us)
{
  struct bench *bench = context;

  (void)delay_us;
  bench->failures++;
  bench->failed_side = side;
  bench->last_failure = *why;
}

static inline void on_delivered(void *context, size_t entry, bool is_dead_letter, int64_t commit_time_us)
{
  struct bench *bench = context;

  (void)entry;
  (void)commit_time_us;
  bench->delivered++;
  bench->dead_lettered += is_dead_letter;
}

static inline void on_poison(void *context, enum poison_action action, enum route_reason reason, const struct record *record, const struct problem *why)
{
  struct bench *bench = context;

  (void)action;
  (void)record;
  (void)why;
  bench->poisoned++;
  bench->poison_reason = reason;
}

static inline void on_isolating(void *context, struct position until, const struct problem *why)
{
  struct bench *bench = context;

  (void)until;
  (void)why;
  bench->isolations++;
}

static inline void bench_init(struct bench *bench)
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

static inline void bench_done(struct bench *bench)
{
  session_free(bench->session);
  stream_free(bench->ports.stream);
  publisher_free(bench->ports.publisher);
  decoder_free(bench->ports.decoder);
  router_free(bench->ports.router);
}

/* Turns the session for a stretch of time, as the loop would: at once, then at each deadline that falls into the stretch. */
static inline void turn(struct bench *bench, int64_t stretch_us)
{
  int64_t end_us = bench->now.mono_us + stretch_us;
  int64_t next_us = bench->now.mono_us;

  for (int guard = 0; next_us <= end_us; guard++) {
    cr_assert_lt(guard, 20000, "the session asks to be turned without end");
    bench->now.wall_us += next_us - bench->now.mono_us;
    bench->now.mono_us = next_us;
    session_step(bench->session, bench->now, bench->session->phase != PHASE_STREAMING || fake_stream_is_readable(bench->stream) ? POLLIN : 0);
    next_us = session_deadline_us(bench->session);
    next_us = next_us > bench->now.mono_us + 1000 ? next_us : bench->now.mono_us + 1000;
  }
  bench->now.wall_us += end_us - bench->now.mono_us;
  bench->now.mono_us = end_us;
}

static inline enum relay_state state_of(struct bench *bench)
{
  struct session_figures figures;

  session_figures(bench->session, bench->now, &figures);
  return figures.state;
}

static inline Lsn highest_flush(const struct bench *bench)
{
  Lsn highest = 0;

  for (size_t i = 0; i < fake_stream_status_count(bench->stream); i++) {
    struct fake_status status = fake_stream_status(bench->stream, i);

    highest = status.flush > highest ? status.flush : highest;
  }
  return highest;
}

/* One transaction with one row per key, to topic outbox.event.order. */
static inline void transaction(struct bench *bench, Lsn commit_lsn, Lsn end_lsn, const char *const *keys)
{
  fake_stream_begin(bench->stream, commit_lsn, (uint32_t)commit_lsn);
  fake_stream_relation(bench->stream);
  for (; *keys != NULL; keys++) {
    fake_stream_row(bench->stream, "id", "order", (*keys)[0] != '\0' ? *keys : NULL, "{}");
  }
  fake_stream_commit(bench->stream, commit_lsn, end_lsn);
}

#define KEYS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* One of a single row and of so many bytes. */
static inline void large_transaction(struct bench *bench, Lsn commit_lsn, uint64_t bytes)
{
  fake_stream_weighs(bench->stream, bytes);
  transaction(bench, commit_lsn, commit_lsn + 0x40, KEYS("a"));
}

/* One of a single row, so large and committed so long before it is sent that the session is late. */
static inline void late_transaction(struct bench *bench)
{
  fake_stream_sent_after(bench->stream, SESSION_LAG_US);
  large_transaction(bench, 0x200, SESSION_LAG_BYTES);
}

/* Holds on the topic of a record with the key a (one transaction 0x200 .. 0x240): refused in company, then alone. */
static inline void hold_on_topic(struct bench *bench)
{
  transaction(bench, 0x200, 0x240, KEYS("a"));
  turn(bench, 10000);
  fake_publisher_report(bench->publisher, 0, REPORT_REFUSED_TOPIC);
  turn(bench, 10000);
  fake_stream_clear(bench->stream);
  transaction(bench, 0x200, 0x240, KEYS("a"));
  turn(bench, US_PER_S);
  fake_publisher_report(bench->publisher, 0, REPORT_REFUSED_TOPIC);
  turn(bench, 10000);
  cr_assert_eq(state_of(bench), RELAY_HELD);
}

#endif
