/* assignment.c - a small array of slots; a member has tens of partitions, seldom hundreds, so that it is searched from the beginning. */
#include "assignment.h"

#include <stdlib.h>
#include <string.h>

#include "fetched.h"

void assignment_init(struct assignment *assignment, size_t batch, int64_t wait_us, size_t bytes)
{
  *assignment = (struct assignment){.batch = batch, .wait_us = wait_us, .bytes = bytes};
}

/* After a change of their number. One that has more than its new share takes nothing until it has less. */
static void share_bytes(struct assignment *assignment)
{
  for (size_t i = 0; i < assignment->count; i++) {
    assignment->slots[i]->lane.share = assignment->bytes / assignment->count;
  }
}

static void free_slot(struct slot *slot)
{
  struct fetched *fetched;

  while ((fetched = lane_drop(&slot->lane)) != NULL) {
    fetched_free(fetched);
  }
  lane_end(&slot->lane);
  free(slot->topic);
  free(slot);
}

void assignment_end(struct assignment *assignment)
{
  for (size_t i = 0; i < assignment->count; i++) {
    free_slot(assignment->slots[i]);
  }
  free(assignment->slots);
  *assignment = (struct assignment){0};
}

struct slot *assignment_find(const struct assignment *assignment, const char *topic, int32_t partition)
{
  for (size_t i = 0; i < assignment->count; i++) {
    if (assignment->slots[i]->partition == partition && strcmp(assignment->slots[i]->topic, topic) == 0) {
      return assignment->slots[i];
    }
  }
  return NULL;
}

struct slot *assignment_add(struct assignment *assignment, const char *topic, int32_t partition)
{
  struct slot *slot = assignment_find(assignment, topic, partition);

  if (slot != NULL) {
    return slot;
  }
  if (assignment->count == assignment->capacity) {
    assignment->capacity = assignment->capacity == 0 ? 16 : 2 * assignment->capacity;
    assignment->slots = reallocarray(assignment->slots, assignment->capacity, sizeof(struct slot *));
  }
  slot = calloc(1, sizeof(*slot));
  if (assignment->slots == NULL || slot == NULL) {
    abort();
  }
  slot->topic = strdup(topic);
  if (slot->topic == NULL) {
    abort();
  }
  slot->partition = partition;
  slot->asked_end = -1;
  lane_init(&slot->lane, assignment->batch, assignment->wait_us);
  assignment->slots[assignment->count++] = slot;
  share_bytes(assignment);
  return slot;
}

void assignment_remove(struct assignment *assignment, const char *topic, int32_t partition)
{
  for (size_t i = 0; i < assignment->count; i++) {
    struct slot *slot = assignment->slots[i];

    if (slot->partition == partition && strcmp(slot->topic, topic) == 0) {
      memmove(&assignment->slots[i], &assignment->slots[i + 1], (assignment->count - i - 1) * sizeof(struct slot *));
      assignment->count--;
      free_slot(slot);
      share_bytes(assignment);
      return;
    }
  }
}

struct slot *assignment_next(struct assignment *assignment, int64_t now_us, struct lane_action *ret_action)
{
  struct lane_action action = {.step = LANE_IDLE, .due_us = INT64_MAX};
  struct slot *runner = NULL;

  for (size_t i = 0; i < assignment->count; i++) {
    struct slot *slot = assignment->slots[(assignment->next + i) % assignment->count];
    struct lane_action own = lane_next(&slot->lane, now_us);

    switch (own.step) {
    case LANE_PAUSE:
    case LANE_RESUME:
      slot->asked_end = -1; /* told by fetches from now on, or of a pause before */
      *ret_action = own;
      return slot;
    case LANE_RUN:
      if (runner == NULL) {
        runner = slot;
        action = own;
      }
      break;
    case LANE_IDLE:
      if (runner == NULL && own.due_us < action.due_us) {
        action.due_us = own.due_us;
      }
      break;
    }
  }
  *ret_action = action;
  return runner;
}

void assignment_ran(struct assignment *assignment, const struct slot *slot)
{
  for (size_t i = 0; i < assignment->count; i++) {
    if (assignment->slots[i] == slot) {
      assignment->next = i + 1;
    }
  }
}

rd_kafka_topic_partition_list_t *assignment_paused(const struct assignment *assignment)
{
  rd_kafka_topic_partition_list_t *paused = rd_kafka_topic_partition_list_new((int)assignment->count);

  for (size_t i = 0; i < assignment->count; i++) {
    if (assignment->slots[i]->lane.is_paused) {
      (void)rd_kafka_topic_partition_list_add(paused, assignment->slots[i]->topic, assignment->slots[i]->partition);
    }
  }
  return paused;
}

rd_kafka_topic_partition_list_t *assignment_offsets(const struct assignment *assignment, bool is_last)
{
  rd_kafka_topic_partition_list_t *offsets = rd_kafka_topic_partition_list_new((int)assignment->count);

  for (size_t i = 0; i < assignment->count; i++) {
    const struct slot *slot = assignment->slots[i];
    int64_t offset = is_last ? lane_unkept_offset(&slot->lane) : lane_untold_offset(&slot->lane);

    if (offset >= 0) {
      rd_kafka_topic_partition_list_add(offsets, slot->topic, slot->partition)->offset = offset;
    }
  }
  return offsets;
}

void assignment_note_commit(const struct assignment *assignment, const rd_kafka_topic_partition_t *offset, rd_kafka_resp_err_t error)
{
  struct slot *slot = assignment_find(assignment, offset->topic, offset->partition);

  if (slot == NULL) {
    return;
  }
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
    lane_keep_offset(&slot->lane, offset->offset);
  } else if (error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
    lane_forget_log(&slot->lane);
  } else {
    lane_refuse_offset(&slot->lane);
  }
}
