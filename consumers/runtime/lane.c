/*
 * lane.c - the order of one partition.
 *
 *   state of the head       lane_next() says                       ended by
 *   fresh, batch not full   IDLE until the oldest waited wait_us   a record, or time
 *   fresh                   RUN min(count, batch)                  lane_done, lane_split, lane_postpone
 *   one of `singles`        RUN 1                                  lane_done, lane_postpone
 *   in retry                PAUSE, then IDLE until due             time
 *   due again               RUN 1, still paused                    lane_done, lane_postpone
 *
 * A lane also asks for a pause when it is full to one place, or has its share of bytes, whatever the head does: what is not fetched needs no memory. It asks for more
 * when it is half empty, by both measures, and no head is in retry. A batch does not wait for a rest that has no room. Each pause throws away what the client had
 * fetched in advance, so one lasts from a head's first failure until it is done.
 */
#include "lane.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

void lane_init(struct lane *lane, size_t batch, int64_t wait_us)
{
  size_t capacity = 2 * batch > LANE_RECORDS_LEAST ? 2 * batch : LANE_RECORDS_LEAST;

  assert(batch >= 1);
  *lane = (struct lane){.capacity = capacity, .share = SIZE_MAX, .batch = batch, .wait_us = wait_us, .next_offset = -1};
  lane_forget_log(lane);
  lane->records = calloc(capacity, sizeof(*lane->records));
  if (lane->records == NULL) {
    abort();
  }
}

void lane_end(struct lane *lane)
{
  assert(lane->count == 0);
  free(lane->records);
  lane->records = NULL;
}

/* An offset alone does not tell: a topic that was made anew has the same ones. */
static bool is_here(const struct lane *lane, const struct lane_record *record)
{
  for (size_t i = 0; i < lane->count; i++) {
    const struct lane_record *one = lane_at(lane, i);

    if (one->offset == record->offset && one->timestamp_ms == record->timestamp_ms && one->bytes == record->bytes) {
      return true;
    }
  }
  return false;
}

bool lane_take(struct lane *lane, const struct lane_record *record)
{
  if (record->offset < lane->next_offset) {
    if (is_here(lane, record)) {
      return false;
    }
    lane_forget_log(lane); /* it begins again: a topic made anew, or an end that was cut away */
  }
  assert(lane->count < lane->capacity);
  lane->records[(lane->first + lane->count) % lane->capacity] = *record;
  lane->count++;
  lane->bytes += record->bytes;
  lane->next_offset = record->offset + 1;
  return true;
}

const struct lane_record *lane_at(const struct lane *lane, size_t index)
{
  assert(index < lane->count);
  return &lane->records[(lane->first + index) % lane->capacity];
}

void *lane_drop(struct lane *lane)
{
  void *message;

  if (lane->count == 0) {
    return NULL;
  }
  message = lane->records[lane->first].message;
  lane->bytes -= lane->records[lane->first].bytes;
  lane->first = (lane->first + 1) % lane->capacity;
  lane->count--;
  lane->head = (struct lane_head){0};
  lane->due_us = 0;
  if (lane->singles > 0) {
    lane->singles--;
  }
  if (lane->former > 0) {
    lane->former--;
  }
  return message;
}

static bool is_full(const struct lane *lane)
{
  return lane->count + 1 >= lane->capacity || (lane->count > 0 && lane->bytes >= lane->share);
}

bool lane_has_batch(const struct lane *lane)
{
  return lane->count >= lane->batch || is_full(lane);
}

/* How many may run now; 0 with *ret_due_us. */
static size_t runnable(const struct lane *lane, int64_t now_us, int64_t *ret_due_us)
{
  *ret_due_us = INT64_MAX;
  if (lane->count == 0) {
    return 0;
  }
  if (lane->due_us > now_us) {
    *ret_due_us = lane->due_us;
    return 0;
  }
  if (lane->due_us != 0 || lane->singles > 0) {
    return 1;
  }
  if (lane_has_batch(lane)) {
    return lane->count < lane->batch ? lane->count : lane->batch;
  }
  if (lane_at(lane, 0)->arrived_us + lane->wait_us > now_us) {
    *ret_due_us = lane_at(lane, 0)->arrived_us + lane->wait_us;
    return 0;
  }
  return lane->count;
}

struct lane_action lane_next(struct lane *lane, int64_t now_us)
{
  struct lane_action action = {.step = LANE_IDLE};
  bool is_in_retry = lane->due_us != 0;

  if (!lane->is_paused && (is_in_retry || is_full(lane))) {
    lane->is_paused = true;
    action.step = LANE_PAUSE;
    return action;
  }
  if (lane->is_paused && !is_in_retry && lane->count <= lane->capacity / 2 && lane->bytes <= lane->share / 2) {
    lane->is_paused = false;
    action.step = LANE_RESUME;
    return action;
  }
  action.count = runnable(lane, now_us, &action.due_us);
  if (action.count > 0) {
    action.step = LANE_RUN;
  }
  return action;
}

void *lane_done(struct lane *lane)
{
  if (lane->former == 0) {
    lane->done_offset = lane_at(lane, 0)->offset + 1;
  }
  return lane_drop(lane);
}

void lane_split(struct lane *lane, size_t count)
{
  assert(count <= lane->count);
  lane->singles = count;
}

void lane_postpone(struct lane *lane, bool is_counted, int64_t due_us, int64_t wall_us)
{
  assert(lane->count > 0 && due_us > 0);
  lane->due_us = due_us;
  lane->head.attempts++;
  if (is_counted) {
    lane->head.failures++;
    lane->head.transients = 0;
  } else {
    lane->head.transients++;
  }
  if (lane->head.first_failed_us == 0) {
    lane->head.first_failed_us = wall_us;
  }
}

void lane_hurry(struct lane *lane, int64_t now_us)
{
  if (lane->due_us > now_us && lane->head.transients > 0) {
    lane->due_us = now_us;
  }
}

int64_t lane_untold_offset(const struct lane *lane)
{
  return lane->done_offset != lane->told_offset ? lane->done_offset : -1;
}

int64_t lane_unkept_offset(const struct lane *lane)
{
  return lane->done_offset != lane->kept_offset ? lane->done_offset : -1;
}

void lane_keep_offset(struct lane *lane, int64_t offset)
{
  lane->kept_offset = offset;
}

void lane_refuse_offset(struct lane *lane)
{
  lane->told_offset = lane->kept_offset;
}

void lane_forget_log(struct lane *lane)
{
  lane->done_offset = -1;
  lane->told_offset = -1;
  lane->kept_offset = -1;
  lane->former = lane->count;
}
