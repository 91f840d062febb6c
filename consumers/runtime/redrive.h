/*
 * redrive.h - a dead letter goes back to where it came from: whether it may, and with which headers. Pure.
 *
 *   header            in the dead letter           in what is redriven
 *   why it failed     see dead_letter.h            left out, and the event's own ones back in their places (dead_letter_restore)
 *   redrive.count     how often it went before     one more
 *   redrive.of        -                            TOPIC/PARTITION/OFFSET of the dead letter
 *   all others        as they came                 as they came, in their order
 *
 * The event's id stays: whoever handled the event before drops it, and only who did not handles it now. The count is kept in the record and not by us, since the record
 * is what comes back when the event fails again.
 */
#ifndef REDRIVE_H
#define REDRIVE_H

#include <stdint.h>

#include "arena.h"
#include "record.h"
#include "verdict.h"

#define REDRIVE_COUNT "redrive.count"
#define REDRIVE_OF    "redrive.of"

/* How often it was redriven already: 0 for none and for what is no number. */
uint32_t redrive_count(const struct record *letter);

/*
 * Whether `topic`, which came out of a dead letter's headers, is one that a person meant. OK; POISON: empty, no legal name, one of Kafka's own (`__`), or the dead letter's
 * own topic.
 */
enum verdict MUST_CHECK redrive_check_topic(const char *topic, const char *dead_letter_topic, struct problem *problem);

/* The headers of what is redriven. Array and new values lie in the arena, the others in the record. Returns how many. */
size_t redrive_headers(const struct record *letter, struct arena *arena, struct record_header **ret_headers);

#endif
