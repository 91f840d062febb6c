/*
 * poison.h - what to do with a row that did not get through, and which rows have to be sent alone to find out. Pure.
 *
 *   the row                                            policy           dead letter topic   decision
 *   refused in company (by a report of the broker)     any              any                 ISOLATE: it may be its neighbour's fault
 *   refused alone, or bad by its own content           stop             any                 HOLD
 *                                                      dead-letter      set                 DEAD_LETTER
 *                                                      dead-letter      none                HOLD
 *   the same, and delivery.poison_once names it        any              set                 DEAD_LETTER
 *                                                      any              none                HOLD
 *
 * No decision drops a row: it is settled by its dead letter's delivery, or not at all (I2).
 */
#ifndef SESSION_POISON_H
#define SESSION_POISON_H

#include <stdbool.h>

#include "config/config.h"
#include "route/record.h"
#include "route/router.h"
#include "verdict.h"

enum poison_decision {
  POISON_DECISION_ISOLATE,     /* isolation_begin() with each refused position, end the session, resume from the server's position */
  POISON_DECISION_DEAD_LETTER, /* publish it to entry->dead_letter_topic */
  POISON_DECISION_HOLD,        /* state held, code EXIT_POISON */
};

struct poison_row {
  enum route_reason reason; /* ROUTE_REASON_REFUSED_BY_BROKER for a delivery report that says REPORT_REFUSED_ROW, and for nothing else */
  struct position position;
  bool was_alone; /* it was in isolation: nothing else was in flight with it */
};

/*
 * `config` for delivery.poison_once, `entry` for policy and topic. With HOLD, `problem`, already filled with what is wrong with the row, gets the code
 * EXIT_POISON and the ways out behind its hint; its text stays. With the other decisions `problem` is left alone. NULL is allowed.
 */
enum poison_decision poison_decide(const struct config *config, const struct config_outbox *entry, const struct poison_row *row, struct problem *problem);

/* Which rows are to be sent alone: all up to the highest refused position. Outlives sessions: positions are the same after a redelivery. */
struct isolation {
  bool is_on;
  struct position until;
};

void isolation_init(struct isolation *isolation);
/* The row there was refused. The mark only rises. */
void isolation_begin(struct isolation *isolation, struct position position);
/* Whether the row there is to be sent alone: nothing else in flight, and nothing after it until its report is in. */
bool isolation_covers(const struct isolation *isolation, struct position position);
/* The stream has come to the row there; call before isolation_covers(). True when this ended the isolation: the row stands behind the mark. */
bool isolation_passed(struct isolation *isolation, struct position position);

#endif
