/*
 * publisher.h - the port to Kafka. Implementations: kafka_publisher.c (at-least-once), and fakes in tests. Later the exactly-once publisher, whose
 * transaction boundaries follow the sealed transactions (docs/architecture.md).
 *
 * Rules for every implementation: records of one partition reach Kafka in the order of publisher_publish(); exactly one report for each accepted record;
 * nothing blocks; a broken publisher says RETRY from every call until publisher_open() is called again, and FATAL where Kafka refuses us as a whole.
 */
#ifndef PUBLISH_PUBLISHER_H
#define PUBLISH_PUBLISHER_H

#include <stdbool.h>
#include <stdint.h>

#include "route/record.h"
#include "verdict.h"

/* How a report ended. */
enum report_outcome {
  REPORT_DELIVERED,
  REPORT_REFUSED_ROW,   /* permanent, and may be this row's fault: isolate, then poison (too large, invalid record, partition out of range, ...) */
  REPORT_REFUSED_TOPIC, /* permanent, and no property of a row: topic unknown, not authorized: hold */
  REPORT_LOST,          /* purged, or the producer broke: says nothing about the row */
};

struct report {
  uint64_t token; /* as given to publisher_publish() */
  enum report_outcome outcome;
  struct position position; /* of the record */
  size_t entry;             /* its outbox entry */
  const char *error;        /* static text for what is not DELIVERED */
};

/* `problem` holds the words for what is not DELIVERED, borrowed for the call. The function must not open, close or free the publisher: an event of its client is
 * being read. */
typedef void (*ReportFunction)(void *context, const struct report *report, const struct problem *problem);

struct publisher_figures {
  bool is_connected; /* at least one broker is up */
  int64_t queue_events;
  int64_t queue_bytes;
  int64_t max_events; /* never more are in flight at once; the ledger's capacity follows it */
};

struct publisher;

void publisher_free(struct publisher *publisher); /* takes NULL; waits at most two seconds for the client's threads */

/* Begins anew with a fresh client; what was in flight is dropped without reports. WAIT while the client before is still being destroyed (its fd tells). */
enum verdict MUST_CHECK publisher_open(struct publisher *publisher, struct problem *problem);

/* Ends the client, dropping what is in flight without reports: nothing of it is sent from now on. Until publisher_open() every other call says RETRY. */
void publisher_close(struct publisher *publisher);

/*
 * Takes one record (copies all of it). OK: one report with `token` will come. WAIT: queue full, nothing happened. POISON: this record can never be sent,
 * no report comes (problem->code EXIT_POISON); of a partition that the topic does not have (no_partition) this client knows no better, and a fresh one may.
 * FATAL: refused for its topic (EXIT_KAFKA_REFUSES). RETRY: the client is broken.
 */
enum verdict MUST_CHECK publisher_publish(struct publisher *publisher, const struct record *record, uint64_t token, struct problem *problem);

/*
 * What was published goes out now. Without it a record may wait some milliseconds for company (a full batch costs the broker a tenth of what its records cost
 * one by one), so call it once behind the last record, unless so much is behind those that nobody would notice. A record that is never hurried goes out too.
 */
void publisher_hurry(struct publisher *publisher);

/*
 * Hands out up to `limit` reports; when the client breaks, all that are left, refusals before the lost ones. OK. RETRY: the client is broken (fatal error).
 * FATAL: Kafka refuses us as a whole (authentication). A refused batch alone is no reason for RETRY: nothing behind it in its partition reaches Kafka, each
 * record gets its report, and the publisher goes on with a fresh client (publish says WAIT meanwhile).
 */
enum verdict MUST_CHECK publisher_reports(struct publisher *publisher, int limit, ReportFunction report, void *context, struct problem *problem);

/* Readable when publisher_reports() or publisher_open() has something to do. Constant for the publisher's life. */
int publisher_fd(const struct publisher *publisher);

void publisher_figures(const struct publisher *publisher, struct publisher_figures *ret_figures);

#endif
