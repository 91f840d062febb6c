/*
 * witness.h - what one life of the process remembers of its server, to notice that the slot is not where we left it. Pure.
 *
 * The slot is the only position, so nothing is remembered across restarts of the process: then only the checks marked (*) are possible, and they say less.
 *
 *                                                     found in `facts`                                 verdict of witness_judge()
 *   (*) the slot lies ahead of its own server         confirmed > wal_end                              FATAL 4 `position_ahead`
 *       another server                                system id differs                                FATAL 4 `other_server`
 *       restored, or a standby that lagged            wal_end < what we confirmed                      FATAL 4 `server_behind`
 *   (*) a standby that has not replayed so far        either of these, in recovery                     RETRY `still_replaying`: what it replays may be its own, behind a crash
 *       recreated, or advanced behind our back        confirmed > what we confirmed                    FATAL 4 `slot_moved`
 *       the same, on a promoted server                confirmed > that, or > where it left our line    FATAL 4 `slot_moved`
 *       a crash took back the latest confirmations    confirmed < what we confirmed                    OK: rows come again
 *       promotion                                     a later timeline, all else in order              OK
 *       a standby that lagged was promoted            it left our timeline before what we published    FATAL 4 `server_behind`
 *       the same, and only idle log was lost          behind that, and before what we confirmed        OK
 *       a former primary is back, or a cousin         an earlier timeline, or one not from ours        FATAL 4 `other_timeline`
 */
#ifndef SESSION_WITNESS_H
#define SESSION_WITNESS_H

#include <stdbool.h>

#include "lsn.h"
#include "stream/stream.h"
#include "verdict.h"

struct witness {
  bool has_streamed;  /* ever, in this process; then system_id is known */
  char system_id[24]; /* as in struct server_facts */
  uint32_t timeline;  /* likewise: the latest */
  bool knows_position;
  Lsn confirmed; /* the highest position that this process told the server, or found there when it started to stream; on the latest timeline */
  Lsn published; /* the highest commit record with an event that may be in Kafka; before our first start: all that was confirmed then */
};

void witness_init(struct witness *witness);

/*
 * To be asked after each stream_connect(), and again after stream_start() with what that found, before anything is published or confirmed. OK, RETRY, or FATAL with
 * EXIT_POSITION: `problem` names what does not fit and, where it can be told, the range of positions in which events may be missing; the hint says what a person
 * has to do. Does not change the witness, so that a held relay can ask again. While somebody else holds the slot (facts->slot_is_active) its position is theirs to move and is not compared with ours.
 */
enum verdict MUST_CHECK witness_judge(const struct witness *witness, const struct server_facts *facts, struct problem *problem);

/* Adds to a problem `slot_missing`, which the catalog found, where the events that may be missing begin, if this process knows it. */
void witness_complete(const struct witness *witness, struct problem *problem);

/* Streaming began at facts->confirmed. */
void witness_started(struct witness *witness, const struct server_facts *facts);

/* A status with this flush position is about to be sent. Before, not after: one whose sending failed may have arrived. 0 confirms nothing and is ignored. */
void witness_confirmed(struct witness *witness, Lsn lsn);

/* An event of the transaction whose commit record stands there is about to go to Kafka. */
void witness_published(struct witness *witness, Lsn commit_lsn);

/* Another relay held the slot: it may have confirmed more than we did. The server stays known. */
void witness_forget_position(struct witness *witness);

#endif
