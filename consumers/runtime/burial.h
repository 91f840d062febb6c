/*
 * burial.h - an event that is given up goes to its dead-letter topic: by the outbox, so that the relay carries it, or, where the outbox does not take it (no key, too
 * large, or the consumer has no database at all), by a producer of our own, whose acknowledgement is waited for. Either way it is there for good before its offset moves.
 *
 * The inbox has no row of it: a redrive brings the same event id, and must find the door open.
 *
 * What holds an event back: its dead-letter topic is not there (the brokers say so; written to the outbox, the letter would hold the relay, and with it all events of the
 * database), or does not take it even bare; database or brokers are away. All else of the consumer goes on.
 */
#ifndef BURIAL_H
#define BURIAL_H

#include "lane.h"
#include "processing.h"

enum {
  BURIAL_ANSWER_TIMEOUT_MS = 5000,
  BURIAL_RELAY_ADDS_BYTES = 512, /* at most, to a letter of the outbox: lsn, txid, a span */
  BURIAL_PRODUCE_TIMEOUT_MS = 10000,
};

struct burial;

/* Everything is borrowed for its life. Makes no producer before one is needed. */
struct burial *burial_new(struct processing *processing, struct client *client);
void burial_free(struct burial *burial); /* takes NULL */

/*
 * Buries the event that transaction_run() was last called with alone, for `failure`. `head` tells of its earlier attempts. OK: it is committed, or acknowledged. Else
 * *ret_failure: to be tried again, always; where a person is needed its problem has a hint. Blocks for the database, and at most for the limits above, for each detail that
 * the topic does not take once more.
 */
enum verdict MUST_CHECK burial_run(struct burial *burial, const struct fetched *fetched, const struct lane_head *head, const struct failure *failure,
                                   struct failure *ret_failure);

#endif
