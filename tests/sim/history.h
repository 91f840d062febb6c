/*
 * history.h - the database as the writers see it: tables, transactions, WAL. It is the truth that the oracle judges by, and what the model server streams.
 *
 *   writers        w1  B---r-------r-----C          each step moves the end of WAL
 *                  w2      B-r-r---R                rolled back: its rows never appear
 *                  w3             B-r-C             committed first, so sent first, although it began last
 *   transactions   [w3][w1]                         in the order of their commit records
 */
#ifndef SIM_HISTORY_H
#define SIM_HISTORY_H

#include <stdbool.h>
#include <stddef.h>

#include "lsn.h"
#include "plan.h"

enum {
  HISTORY_ROWS_MAX = 8192,
  HISTORY_ITEMS_MAX = 10240,
  HISTORY_TRANSACTIONS_MAX = 1024,
  HISTORY_WRITERS_MAX = 8,
  HISTORY_WRITER_ITEMS_MAX = 1024,
  HISTORY_KEYS_MAX = 8,
  HISTORY_TOPICS_MAX = 3,
  HISTORY_SHAPES = 4,
  HISTORY_RELAYS_MAX = 2,
  HISTORY_COMMIT_RECORD_BYTES = 48,
};

/* What is the matter with a row. */
enum row_kind {
  ROW_SOUND,
  ROW_REFUSED,   /* a broker refuses every batch with it; with policy stop until the topic is mended */
  ROW_TOO_LARGE, /* the producer refuses it, the same */
  ROW_NULL_KEY,  /* the router refuses it, for ever */
  ROW_BAD_ROUTE, /* the same */
};

struct row {
  enum row_kind kind;
  bool is_committed;
  uint8_t topic;
  uint8_t key;
  uint16_t padding_bytes; /* of the payload */
  uint32_t transaction;
  uint32_t index;     /* of the event in its transaction */
  bool is_given_away; /* somebody moved the slot past it before it was in Kafka */
  uint32_t rank;      /* among the rows of its topic and key that belong there, in commit order */

  /* what became of it */
  uint32_t appended;     /* times in its topic */
  uint32_t dead_letters; /* times in the dead letter topic */
  /* of each relay, by the world's numbers, which begin with 1 */
  uint32_t read_in[HISTORY_RELAYS_MAX];      /* the session that last read it */
  uint32_t published_in[HISTORY_RELAYS_MAX]; /* the session that last published it */
  uint32_t buried_in[HISTORY_RELAYS_MAX];    /* the session that last published its dead letter */
  uint32_t settled_in[HISTORY_RELAYS_MAX];   /* the session that last heard that it is in Kafka */
};

enum item_kind {
  ITEM_EVENT,       /* a row of the outbox */
  ITEM_OTHER_TABLE, /* a row of another table of the publication */
  ITEM_MESSAGE,     /* a logical message of nobody's prefix */
};

/* What a transaction sends between begin and commit. */
struct item {
  enum item_kind kind;
  uint32_t row; /* ITEM_EVENT */
  Lsn lsn;
};

struct transaction {
  Lsn commit_lsn;
  Lsn end_lsn;
  uint32_t xid;
  int64_t commit_time_us; /* since 1970-01-01 */
  uint32_t first_item;
  uint32_t item_count;
  uint32_t event_count;
  uint32_t unappended; /* events that are not in Kafka */
  uint8_t shape;       /* of the outbox table */

  uint32_t settled_session[HISTORY_RELAYS_MAX]; /* whose reports are counted */
  uint32_t settled[HISTORY_RELAYS_MAX];
};

struct writer {
  int64_t next_us;
  bool is_open;
  uint32_t xid;
  uint32_t steps;  /* still to be taken before the end */
  uint32_t rows;   /* per step, about */
  bool is_foreign; /* writes other tables only */
  bool rolls_back;
  uint32_t item_count;
  struct item items[HISTORY_WRITER_ITEMS_MAX];
};

struct history {
  const struct plan *plan;
  struct dice *dice;
  Lsn end;     /* of WAL */
  Lsn flushed; /* what a walsender may see */
  uint32_t last_xid;
  uint8_t shape;
  int64_t flush_us; /* when the WAL writer flushes next */
  uint32_t transactions_begun;
  bool is_over; /* no writer begins anything new */

  uint32_t row_count;
  uint32_t item_count;
  uint32_t transaction_count;
  uint32_t key_rows[HISTORY_TOPICS_MAX][HISTORY_KEYS_MAX]; /* committed ones that belong there */
  struct row rows[HISTORY_ROWS_MAX];
  struct item items[HISTORY_ITEMS_MAX];
  struct transaction transactions[HISTORY_TRANSACTIONS_MAX];
  struct writer writers[HISTORY_WRITERS_MAX];
};

void history_init(struct history *history, const struct plan *plan, struct dice *dice, int64_t now_us);

/* When a writer does something next; INT64_MAX: never. */
int64_t history_next_us(const struct history *history);
/* Lets the writers do what is due; `commit_time_us` for commits. True when the flushed end of WAL moved. */
bool history_run(struct history *history, int64_t now_us, int64_t commit_time_us);

/* WAL of others: a running-transactions record, another database. */
void history_write_foreign(struct history *history, uint32_t bytes);
/* The server is stopped: open transactions are rolled back. */
void history_stop(struct history *history, int64_t resume_us);
/* The server crashed: the same, and what was not flushed never was. */
void history_crash(struct history *history, int64_t resume_us);

/* The first transaction that a stream from `start` on sends: PostgreSQL skips those whose commit record begins before it. */
uint32_t history_first_from(const struct history *history, Lsn start);

/* Whether the row is to end up in its own topic; else in the dead letter topic. */
bool history_row_belongs_to_its_topic(const struct history *history, const struct row *row);

#endif
