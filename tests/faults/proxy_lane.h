/*
 * proxy_lane.h - one direction of one connection of fault_proxy: bytes come in as they were read, are cut into pieces, each is shown to the rules, and bytes are
 * offered for sending as the rules allow. It knows no socket and no clock.
 *
 *   read -> lane_room, lane_took -> [pieces, in their order] -> lane_offer -> send -> lane_sent
 *
 * A lane holds at most LANE_BYTES and LANE_PIECES_MAX pieces. When it is full there is no room, and nobody reads until there is: that is the backpressure. A
 * frame larger than that passes through all the same, since what becomes of it is decided by its head.
 */
#ifndef CDC_TESTS_FAULTS_PROXY_LANE_H
#define CDC_TESTS_FAULTS_PROXY_LANE_H

#include "kafka_frame.h"
#include "proxy_rule.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LANE_BYTES = 256 * 1024, LANE_PIECES_MAX = 1024, LANE_APIS = 128 };

/* Frames or pieces that came, by API, of all connections; the last slot is for those without. */
struct lane_counts {
  uint64_t request[LANE_APIS + 1];
  uint64_t response[LANE_APIS + 1];
};

struct lane_piece {
  size_t here_bytes;    /* in the lane now */
  size_t to_come_bytes; /* not read yet */
  int64_t due_us;
  rule_set rules;
  enum rule_fate fate;
  int16_t error; /* to be written into it once it is here as a whole; 0: none */
  int api;
  int version;
};

enum lane_end { LANE_OPEN, LANE_ENDED_IN_ORDER, LANE_ENDED_BY_RESET };

struct proxy_lane {
  enum rule_direction direction;
  struct kafka_calls *calls; /* borrowed, of both lanes of a connection; NULL: plain mode */
  struct proxy_rules *rules; /* borrowed, of all lanes, as are the counts */
  struct lane_counts *counts;
  struct kafka_cutter cutter;
  uint8_t *bytes; /* owned */
  size_t at;      /* of the first byte that is held */
  size_t length;
  size_t cut_bytes; /* of these, those that belong to a piece */
  struct lane_piece pieces[LANE_PIECES_MAX];
  size_t first;
  size_t count;
  enum lane_end end; /* of what is read */
  bool is_sink;      /* whatever comes is swallowed: its receiver is gone, or a rule half-closed it */
  bool is_broken;    /* what came is not Kafka's protocol */
  bool is_unpatched; /* an error could not be written into a frame, which passed as it was */
};

/* False: out of memory. */
bool lane_init(struct proxy_lane *lane, enum rule_direction direction, struct kafka_calls *calls, struct proxy_rules *rules, struct lane_counts *counts);
void lane_done(struct proxy_lane *lane);

/* Where to read to, and how much. 0: it is full, or has ended. */
size_t lane_room(struct proxy_lane *lane, uint8_t **ret_room);

/* So many bytes were read to there. */
void lane_took(struct proxy_lane *lane, size_t length, int64_t now_us);

/* Nothing more will be read. What is held is offered all the same. */
void lane_ended(struct proxy_lane *lane, enum lane_end how);

enum lane_offer {
  LANE_IDLE,       /* nothing to send; with lane->end set: and nothing will come */
  LANE_WAIT,       /* not before *ret_again_us; INT64_MAX: not before a command */
  LANE_SEND,       /* *ret_length bytes at *ret_bytes; say by lane_sent how many were */
  LANE_HALF_CLOSE, /* once: shut the sending side down; the lane is a sink from now on */
  LANE_RESET,      /* reset the connection: a rule says so, or is_broken */
};

enum lane_offer lane_offer(struct proxy_lane *lane, int64_t now_us, const uint8_t **ret_bytes, size_t *ret_length, int64_t *ret_again_us);

/* So many of the bytes offered were sent. True: the next come only in the next round of the loop, so that a slice is a send of its own. */
bool lane_sent(struct proxy_lane *lane, size_t length);

/* Takes these rules, which are still in the table, off all pieces; what was to wait by one of them goes on. */
void lane_forget(struct proxy_lane *lane, rule_set forgotten);

#endif
