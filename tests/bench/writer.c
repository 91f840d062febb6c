/*
 * writer.c - services at work: single rows, each in a transaction of its own, arriving at random.
 *
 *   writer CONNINFO ROWS-PER-SECOND SECONDS CONNECTIONS LEAD-IN-SECONDS
 *
 * Arrivals are a Poisson process: each connection, on a thread of its own, draws exponential gaps at its share of the rate, and the sum of such processes is one.
 * The schedule does not wait for the database: a writer that is late writes at once until it has caught up, and how late it was is printed, because a benchmark
 * that slows down with what it measures flatters it. The payload is 250 bytes of JSON whose "sent_us" is this machine's clock right before the INSERT is sent.
 * The same goes on for LEAD-IN-SECONDS before SECONDS begin: rows of that time have a "sent_us" of 0 and are in no percentile. A line `measured=1` says that it is over.
 *
 * Prints rows= and lead_in_rows=, and percentiles of commit (INSERT sent to answer, the database's fsync included) and late (behind the schedule).
 */
#include <libpq-fe.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "durations.h"

enum { CONNECTIONS_MAX = 64, PAYLOAD_BYTES = 250, AGGREGATES = 10000 };

struct service {
  pthread_t thread;
  PGconn *connection;
  double rate; /* rows per second */
  int64_t start_us;
  int64_t measured_us; /* the lead-in is over */
  int64_t end_us;
  unsigned short random[3];
  struct durations commit;
  struct durations late;
  long lead_in_rows;
  bool has_failed;
};

static int64_t clock_us(clockid_t clock)
{
  struct timespec now;

  (void)clock_gettime(clock, &now);
  return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

static void sleep_until(int64_t us)
{
  const struct timespec until = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};

  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0) {
  }
}

static bool insert(struct service *service, int64_t sent_us)
{
  char key[32], payload[PAYLOAD_BYTES + 1];
  const char *values[2] = {key, payload};
  PGresult *result;
  bool is_done;
  int length;

  (void)snprintf(key, sizeof(key), "agg-%ld", nrand48(service->random) % AGGREGATES);
  length = snprintf(payload, sizeof(payload), "{\"sent_us\":%lld,\"pad\":\"", (long long)sent_us);
  memset(payload + length, 'x', (size_t)(PAYLOAD_BYTES - length));
  memcpy(payload + PAYLOAD_BYTES - 2, "\"}", 3);
  result = PQexecPrepared(service->connection, "insert_event", 2, values, NULL, NULL, 0);
  is_done = PQresultStatus(result) == PGRES_COMMAND_OK;
  PQclear(result);
  return is_done;
}

static void *serve(void *argument)
{
  struct service *service = argument;
  double due_us = (double)service->start_us;

  while (!service->has_failed) {
    bool is_measured;
    int64_t began_us;

    due_us += -log(1 - erand48(service->random)) / service->rate * 1e6;
    if (due_us >= (double)service->end_us) {
      break;
    }
    sleep_until((int64_t)due_us);
    is_measured = due_us >= (double)service->measured_us;
    began_us = clock_us(CLOCK_MONOTONIC);
    service->has_failed = !insert(service, is_measured ? clock_us(CLOCK_REALTIME) : 0);
    if (is_measured) {
      durations_add(&service->late, began_us - (int64_t)due_us);
      durations_add(&service->commit, clock_us(CLOCK_MONOTONIC) - began_us);
    } else {
      service->lead_in_rows++;
    }
  }
  return NULL;
}

static bool open_service(struct service *service, const char *conninfo)
{
  PGresult *result;
  bool is_open;

  service->connection = PQconnectdb(conninfo);
  result = PQprepare(service->connection, "insert_event",
                     "INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES ('bench', $1, 'Happened', $2::json)", 2, NULL);
  is_open = PQresultStatus(result) == PGRES_COMMAND_OK;
  PQclear(result);
  return is_open;
}

int main(int argc, char **argv)
{
  static struct service services[CONNECTIONS_MAX];
  struct durations commit = {0}, late = {0};
  bool has_failed = false;
  double rate, seconds, lead_in;
  long lead_in_rows = 0;
  int count;

  if (argc != 6) {
    (void)fprintf(stderr, "usage: writer CONNINFO ROWS-PER-SECOND SECONDS CONNECTIONS LEAD-IN-SECONDS\n");
    return 2;
  }
  rate = strtod(argv[2], NULL);
  seconds = strtod(argv[3], NULL);
  count = atoi(argv[4]);
  lead_in = strtod(argv[5], NULL);
  if (!(rate > 0) || !(seconds > 0) || !(lead_in >= 0) || count < 1 || count > CONNECTIONS_MAX) {
    (void)fprintf(stderr, "writer: rate and seconds are above 0, the lead-in is not below, connections from 1 to %d\n", CONNECTIONS_MAX);
    return 2;
  }
  for (int i = 0; i < count; i++) {
    if (!open_service(&services[i], argv[1])) {
      (void)fprintf(stderr, "writer: %s", PQerrorMessage(services[i].connection));
      return 1;
    }
  }
  for (int i = 0; i < count; i++) {
    struct service *service = &services[i];

    service->rate = rate / count;
    service->start_us = clock_us(CLOCK_MONOTONIC);
    service->measured_us = service->start_us + (int64_t)(lead_in * 1e6);
    service->end_us = service->measured_us + (int64_t)(seconds * 1e6);
    service->random[0] = (unsigned short)(i + 1); /* the same arrivals in every run */
    if (pthread_create(&service->thread, NULL, serve, service) != 0) {
      abort();
    }
  }
  sleep_until(services[count - 1].measured_us);
  printf("measured=1\n");
  (void)fflush(stdout);
  for (int i = 0; i < count; i++) {
    struct service *service = &services[i];

    (void)pthread_join(service->thread, NULL);
    if (service->has_failed) {
      (void)fprintf(stderr, "writer: %s", PQerrorMessage(service->connection));
      has_failed = true;
    }
    PQfinish(service->connection);
    lead_in_rows += service->lead_in_rows;
    durations_add_all(&commit, &service->commit);
    durations_add_all(&late, &service->late);
    durations_done(&service->commit);
    durations_done(&service->late);
  }
  printf("rows=%zu\nlead_in_rows=%ld\n", commit.count, lead_in_rows);
  durations_print(&commit, "commit");
  durations_print(&late, "late");
  durations_done(&commit);
  durations_done(&late);
  return has_failed ? 1 : 0;
}
