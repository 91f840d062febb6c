/*
 * model_kafka.h - a Kafka cluster, and the producer of one relay (the port publisher.h).
 *
 *   publisher_publish() -> [ lane: queued | on the wire | answered ] -> publisher_reports()       one lane for each partition, first in, first out
 *                                              |
 *                                              v  appended, at a time of its own
 *                                            the log
 *
 * It keeps the port's promises: one report for each accepted record, the order of a partition, and nothing behind a refused batch of the same partition is
 * appended. Between partitions there is no order at all.
 */
#ifndef SIM_MODEL_KAFKA_H
#define SIM_MODEL_KAFKA_H

#include "history.h"
#include "publish/publisher_priv.h"

enum {
  KAFKA_PARTITIONS_MAX = 3,
  KAFKA_SHRUNK_BYTES = 20, /* of padding */
  DEAD_LETTER_TOPIC = HISTORY_TOPICS_MAX,
  KAFKA_TOPICS = HISTORY_TOPICS_MAX + 1,
  KAFKA_LANES = KAFKA_TOPICS * KAFKA_PARTITIONS_MAX,
  KAFKA_FLIGHTS_MAX = 600
};

#define DEAD_LETTER_TOPIC_NAME "dead.letters"

struct world;

struct cluster {
  int64_t down_until_us;
  int64_t login_refused_until_us;
  int64_t topic_refused_until_us[KAFKA_TOPICS];
  int64_t topic_shrunk_until_us[KAFKA_TOPICS]; /* it takes no rows with much padding */
  int64_t stalled_until_us[KAFKA_LANES];
  uint32_t appended[KAFKA_TOPICS];
  uint32_t late_reports; /* so many of the next batches lose their acknowledgement */
  bool is_mended;        /* rows that were refused are taken now */
};

enum flight_state { FLIGHT_QUEUED, FLIGHT_WIRE, FLIGHT_ANSWERED };

struct flight {
  enum flight_state state;
  enum report_outcome outcome;
  bool is_dead_letter;
  bool is_probe; /* a record that is tried while the relay is held; its row was not read in this session */
  uint32_t row;
  uint32_t session;
  uint32_t batch;
  size_t entry;
  uint64_t token;
  struct position position;
  int64_t append_us;
  int64_t report_us;
  uint32_t next; /* in its lane, or of the free ones; NO_FLIGHT: none */
};

struct lane {
  uint32_t first, last; /* in the order of publisher_publish() */
  uint32_t unsent;      /* the first that is still queued */
  uint32_t unappended;  /* the first that is on the wire and was not answered */
  uint32_t on_the_wire; /* batches without a report */
  int64_t send_us;      /* when what is queued may go */
  int64_t append_us;    /* of the newest batch */
  int64_t report_us;
  bool is_refused; /* nothing more of this client gets into this partition */
};

enum producer_state { PRODUCER_CLOSED, PRODUCER_OPEN, PRODUCER_BREAKING, PRODUCER_RENEWING, PRODUCER_BROKEN, PRODUCER_REFUSED, PRODUCER_ENDING };

struct model_publisher {
  struct publisher base;
  struct world *world;
  uint32_t relay;
  enum producer_state state;
  int64_t until_us;   /* RENEWING, ENDING: when it is over; OPEN: when a broker has answered; BROKEN: when it was told (0: not yet) */
  int64_t refused_us; /* OPEN: when it gives up that anybody lets it in */
  int64_t full_until_us;
  bool is_renewable;
  bool is_reporting; /* inside of publisher_reports() */
  uint32_t last_batch;
  int64_t learned_us; /* when the client in use learned what topics there are: with its first record; 0: not yet */
  uint32_t count;     /* flights */
  uint32_t free;
  struct flight flights[KAFKA_FLIGHTS_MAX];
  struct lane lanes[KAFKA_LANES];
};

#define NO_FLIGHT UINT32_MAX

void cluster_init(struct cluster *cluster);

/* ---- the lanes (model_kafka.c), for the port ---- */
void producer_forget(struct model_publisher *publisher);
void producer_enqueue(struct model_publisher *publisher, uint32_t topic, const struct flight *flight);
/* The oldest of a lane, taken out. */
struct flight producer_dequeue(struct model_publisher *publisher, struct lane *lane);
/* Of what is on the wire some is appended, of each lane the older ones; all gets its outcome. Not `reports`: nobody hears of it. */
void producer_settle(struct model_publisher *publisher, bool reports);
/* Whether the oldest of the lane has a report that may be handed out now. */
bool producer_has_report(const struct model_publisher *publisher, size_t number);

/* ---- for the world ---- */

void model_publisher_init(struct model_publisher *publisher, struct world *world, uint32_t relay);
/* Sends, appends, answers; when it has to do so next. */
void model_publisher_run(struct model_publisher *publisher);
int64_t model_publisher_work_us(const struct model_publisher *publisher);
/* When the relay's loop may hear of something. */
int64_t model_publisher_next_us(const struct model_publisher *publisher);
/* Whether its descriptor is readable. */
bool model_publisher_is_ready(const struct model_publisher *publisher);
/* How a client breaks. */
enum producer_break {
  BREAK_SILENTLY,     /* a fatal error, and no report comes any more */
  BREAK_WITH_REPORTS, /* a fatal error, behind the reports of all records */
  BREAK_AND_RENEW,    /* the same, but a new client takes its place: only the reports of lost records tell */
};
void model_publisher_break(struct model_publisher *publisher, enum producer_break how);
/* The process is gone. What was on the wire may still be appended. */
void model_publisher_abandon(struct model_publisher *publisher);

#endif
