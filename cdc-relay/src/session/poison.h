/*
 * poison.h - what to do with a row that did not get through, and which rows have to be sent alone to find out. Pure.
 *
 *   the row                                            policy           dead letter topic   decision
 *   refused in company (by a report of the broker)                                          none yet: isolation, it may be its neighbour's fault
 *   for a partition that the client does not know, and newer than the client                none yet: isolation, it may be the client's fault
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
#include "verdict.h"

enum poison_decision {
  POISON_DECISION_DEAD_LETTER, /* publish it to entry->dead_letter_topic */
  POISON_DECISION_HOLD,        /* state held, code EXIT_POISON */
};

/*
 * The row there is bad by its own content, or was refused while nothing else was in flight. `config` for delivery.poison_once, `entry` for policy and topic. With HOLD,
 * `problem`, already filled with what is wrong with the row, gets the code EXIT_POISON and the ways out behind its hint; its text stays. With DEAD_LETTER `problem`
 * is left alone. NULL is allowed.
 */
enum poison_decision poison_decide(const struct config *config, const struct config_outbox *entry, struct position position, struct problem *problem);

/*
 * Which rows are to be sent alone: all up to the highest refused position. The session ends with the refusals, and resumes from the server's position. Outlives
 * sessions: positions are the same after a redelivery.
 */
struct isolation {
  bool is_on;
  struct position until;
};

void isolation_init(struct isolation *isolation);
/* The row there was refused. The mark only rises. */
void isolation_begin(struct isolation *isolation, struct position position);
/* Whether the row there is to be sent alone: nothing else in flight, and nothing after it until its report is in. */
bool isolation_covers(const struct isolation *isolation, struct position position);
/* The stream has come to the row there; call before isolation_covers(). Ends the isolation when the row stands behind the mark. */
void isolation_passed(struct isolation *isolation, struct position position);

#endif
