/* kafka_publisher_priv.h - what kafka_publisher.c (states, client, publishing) and kafka_reports.c (events, reports) share. */
#ifndef PUBLISH_KAFKA_PUBLISHER_PRIV_H
#define PUBLISH_KAFKA_PUBLISHER_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "publish/client_log.h"
#include "publish/kafka_client.h"
#include "publish/kafka_error.h"
#include "publish/partition_counts.h"
#include "publish/publisher_priv.h"
#include "publish/reach.h"

enum {
  LOOK_MS = 200, /* period of the timer while not connected, breaking or ending */
  QUIET_MS = 2000,
  BREAKING_MAX_US = 2000000,
  ENDING_MAX_US = 30000000, /* an old client that is not gone by then is left behind */
  FREE_MAX_MS = 2000,
};

enum kafka_publisher_state { CLOSED, OPEN, BREAKING, RENEWING, BROKEN, REFUSED, ENDING };

struct kafka_publisher {
  struct publisher port;
  const struct config *config;
  struct kafka_address address;
  struct client_log log;
  int wake_fd;
  int timer_fd;
  int timer_ms;
  int64_t max_events;

  enum kafka_publisher_state state;
  int64_t since_us;             /* of the state */
  int64_t served_us;            /* when reports were last served: once a turn, which is exact enough for what is asked per record */
  struct kafka_client *client;  /* in OPEN, BREAKING, BROKEN, REFUSED */
  struct kafka_client_end *end; /* in ENDING and RENEWING */
  struct in_flight *lost;       /* in BREAKING: reports kept back, newest first */
  uint32_t lost_count;
  struct reach reach;
  struct partition_counts partitions; /* outlives clients: a topic may change while one takes the other's place */
  enum verdict broken_verdict;        /* in BREAKING, BROKEN and REFUSED: what to say, and why */
  bool is_renewable;                  /* in BREAKING: nothing but a refused batch */
  struct problem broken;
  char refusal[256]; /* what librdkafka said when authentication failed */
};

/* CLOCK_MONOTONIC. */
int64_t kafka_publisher_now_us(void);
/* Makes the descriptor readable. */
void kafka_publisher_wake(const struct kafka_publisher *publisher);
/* Makes it quiet; always before looking at what it may have announced. True: the timer had run out. */
bool kafka_publisher_clear(const struct kafka_publisher *publisher);
void kafka_publisher_set_state(struct kafka_publisher *publisher, enum kafka_publisher_state state);
/* Gives the timer the period that the state needs. */
void kafka_publisher_set_timer(struct kafka_publisher *publisher);
/* A record has its place in `topic`, fnv1a_64() of `name`: says so where its partition was computed from another number of partitions than before. */
void kafka_publisher_look_for_moved_keys(struct kafka_publisher *publisher, const struct in_flight *place, struct span name, uint64_t topic);
/* Begins BREAKING if the producer has a fatal error. */
void kafka_publisher_look_for_fatal(struct kafka_publisher *publisher);
/* Towards a new client: `state` is ENDING or RENEWING. What is in flight is forgotten. */
void kafka_publisher_end_client(struct kafka_publisher *publisher, enum kafka_publisher_state state);
/* The old client is gone, or has had its time: CLOSED. */
void kafka_publisher_forget_end(struct kafka_publisher *publisher);
/* OK: OPEN. WAIT while the old client is not gone. RETRY: it could not be made. */
enum verdict kafka_publisher_make_client(struct kafka_publisher *publisher, struct problem *problem);
/* What every call says that cannot do its work: the problem that ended it. */
enum verdict kafka_publisher_say_broken(const struct kafka_publisher *publisher, struct problem *problem);

/* publisher_reports(). */
enum verdict kafka_publisher_reports(struct publisher *port, int limit, ReportFunction report, void *context, struct problem *problem);

#endif
