/*
 * settling_publisher.c - a Kafka that has everything at once: each record is counted, thrown away, and reported as delivered when reports are next asked for.
 *
 * The program bench_decode is the relay with this in the place of kafka_publisher.c, so that what it measures is the whole relay but for librdkafka: stream,
 * decoder, ledger, router, session, feedback, metrics, loop. It prints NAME=VALUE lines when it ends: records, their bytes, and the time and the CPU time from
 * the first record to the last one.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cpu_time.h"
#include "moment.h"
#include "publish/kafka_publisher.h"
#include "publish/publisher_priv.h"

enum { PLACES = 20000 }; /* as many as the relay's default for queue.buffering.max.messages */

struct settling_publisher {
  struct publisher port;
  uint32_t count;
  struct report waiting[PLACES];
  int64_t records;
  int64_t bytes;
  int64_t first_us;
  int64_t last_us;
  int64_t first_cpu_us;
};

static enum verdict open_publisher(struct publisher *port, struct problem *problem)
{
  (void)problem;
  ((struct settling_publisher *)port)->count = 0;
  return VERDICT_OK;
}

static void close_publisher(struct publisher *port)
{
  ((struct settling_publisher *)port)->count = 0;
}

static enum verdict publish(struct publisher *port, const struct record *record, uint64_t token, struct problem *problem)
{
  struct settling_publisher *publisher = (struct settling_publisher *)port;
  const uint64_t one = 1;

  (void)problem;
  if (publisher->count == PLACES) {
    return VERDICT_WAIT;
  }
  if (publisher->count == 0) {
    (void)!write(port->fd, &one, sizeof(one));
  }
  publisher->waiting[publisher->count++] = (struct report){.token = token, .outcome = REPORT_DELIVERED, .position = record->position, .entry = record->entry};
  if (publisher->records++ == 0) {
    publisher->first_us = moment_now().mono_us;
    publisher->first_cpu_us = cpu_time_us();
  }
  publisher->bytes += (int64_t)(record->key.length + record->value.length);
  return VERDICT_OK;
}

static enum verdict reports(struct publisher *port, int limit, ReportFunction report, void *context, struct problem *problem)
{
  static const struct problem nothing = {.cause = "none"};
  struct settling_publisher *publisher = (struct settling_publisher *)port;
  uint32_t count = publisher->count < (uint32_t)limit ? publisher->count : (uint32_t)limit;
  uint64_t wakes;

  (void)problem;
  if (count == 0) {
    return VERDICT_OK;
  }
  if (count == publisher->count) {
    (void)!read(port->fd, &wakes, sizeof(wakes));
  }
  for (uint32_t i = 0; i < count; i++) {
    report(context, &publisher->waiting[i], &nothing);
  }
  publisher->count -= count;
  for (uint32_t i = 0; i < publisher->count; i++) {
    publisher->waiting[i] = publisher->waiting[i + count];
  }
  publisher->last_us = moment_now().mono_us;
  return VERDICT_OK;
}

static void figures(const struct publisher *port, struct publisher_figures *ret_figures)
{
  const struct settling_publisher *publisher = (const struct settling_publisher *)port;

  *ret_figures = (struct publisher_figures){.is_connected = true, .queue_events = publisher->count, .max_events = PLACES};
}

static void free_publisher(struct publisher *port)
{
  struct settling_publisher *publisher = (struct settling_publisher *)port;

  printf("records=%" PRId64 "\nbytes=%" PRId64 "\nlast_us=%" PRId64 "\ncpu_us=%" PRId64 "\n", publisher->records, publisher->bytes,
         publisher->last_us - publisher->first_us, publisher->records > 0 ? cpu_time_us() - publisher->first_cpu_us : 0);
  (void)close(port->fd);
  free(publisher);
}

struct publisher *kafka_publisher_new(const struct config *config, const struct log *log, struct problem_list *problems)
{
  static const struct publisher_ops ops = {
      .open = open_publisher,
      .close = close_publisher,
      .publish = publish,
      .reports = reports,
      .figures = figures,
      .free = free_publisher,
  };
  struct settling_publisher *publisher = calloc(1, sizeof(*publisher));

  (void)config;
  (void)log;
  (void)problems;
  if (publisher == NULL) {
    abort();
  }
  publisher->port.ops = &ops;
  publisher->port.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  return &publisher->port;
}
