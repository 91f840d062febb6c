/*
 * proxy_lane.c - a buffer and a ring of pieces over it. The pieces lie in the buffer one behind the other; behind the last may be bytes that are not cut yet,
 * since a head is not whole or the ring is full.
 */
#include "proxy_lane.h"

#include "kafka_patch.h"

#include <stdlib.h>
#include <string.h>

bool lane_init(struct proxy_lane *lane, enum rule_direction direction, struct kafka_calls *calls, struct proxy_rules *rules, struct lane_counts *counts)
{
  memset(lane, 0, sizeof(*lane));
  lane->direction = direction;
  lane->calls = calls;
  lane->rules = rules;
  lane->counts = counts;
  kafka_cutter_init(&lane->cutter, direction == RULE_REQUEST ? KAFKA_REQUEST : KAFKA_RESPONSE);
  lane->bytes = malloc(LANE_BYTES);
  return lane->bytes != NULL;
}

void lane_done(struct proxy_lane *lane)
{
  free(lane->bytes);
  lane->bytes = NULL;
}

size_t lane_room(struct proxy_lane *lane, uint8_t **ret_room)
{
  if (lane->end != LANE_OPEN || lane->count == LANE_PIECES_MAX) {
    return 0;
  }
  if (lane->at > 0 && (lane->length == 0 || LANE_BYTES - lane->at - lane->length < LANE_BYTES / 4)) {
    memmove(lane->bytes, lane->bytes + lane->at, lane->length);
    lane->at = 0;
  }
  *ret_room = lane->bytes + lane->at + lane->length;
  return LANE_BYTES - lane->at - lane->length;
}

static void count_piece(struct lane_counts *counts, enum rule_direction direction, int api)
{
  uint64_t *of = direction == RULE_REQUEST ? counts->request : counts->response;

  of[api >= 0 && api < LANE_APIS ? api : LANE_APIS]++;
}

static struct lane_piece *last_piece(struct proxy_lane *lane)
{
  return &lane->pieces[(lane->first + lane->count - 1) % LANE_PIECES_MAX];
}

/* `frame` is NULL in plain mode. */
static void add_piece(struct proxy_lane *lane, size_t here, const struct kafka_frame *frame, int64_t now_us)
{
  int api = frame != NULL ? frame->api : KAFKA_API_UNKNOWN;
  struct rule_verdict verdict = proxy_rules_judge(lane->rules, lane->direction, api);

  lane->count++;
  *last_piece(lane) = (struct lane_piece){
      .here_bytes = here,
      .to_come_bytes = frame != NULL ? frame->size_bytes - here : 0,
      .due_us = now_us + verdict.delay_us,
      .rules = verdict.rules,
      .fate = verdict.fate,
      .error = verdict.error,
      .api = api,
      .version = frame != NULL ? frame->version : 0,
  };
  lane->cut_bytes += here;
  count_piece(lane->counts, lane->direction, api);
}

static void cut(struct proxy_lane *lane, int64_t now_us)
{
  while (lane->cut_bytes < lane->length && lane->count < LANE_PIECES_MAX && !lane->is_broken) {
    const uint8_t *bytes = lane->bytes + lane->at + lane->cut_bytes;
    size_t length = lane->length - lane->cut_bytes;
    size_t taken;
    struct kafka_frame frame;

    if (lane->calls == NULL) {
      add_piece(lane, length, NULL, now_us);
      continue;
    }
    switch (kafka_cut(&lane->cutter, bytes, length, &taken, &frame)) {
    case KAFKA_CUT_MORE:
      return;
    case KAFKA_CUT_BROKEN:
      lane->is_broken = true;
      break;
    case KAFKA_CUT_BEGINS:
      if (lane->direction == RULE_RESPONSE) {
        kafka_calls_answer(lane->calls, &frame);
      }
      add_piece(lane, taken, &frame, now_us);
      /* One that never arrives gets no answer. */
      if (lane->direction == RULE_REQUEST && last_piece(lane)->fate == FATE_PASS) {
        kafka_calls_ask(lane->calls, &frame);
      }
      break;
    case KAFKA_CUT_GOES_ON:
      last_piece(lane)->here_bytes += taken;
      last_piece(lane)->to_come_bytes -= taken;
      lane->cut_bytes += taken;
      break;
    }
  }
}

void lane_took(struct proxy_lane *lane, size_t length, int64_t now_us)
{
  lane->length += length;
  cut(lane, now_us);
}

void lane_ended(struct proxy_lane *lane, enum lane_end how)
{
  lane->end = how;
}

static void consume(struct proxy_lane *lane, size_t length)
{
  struct lane_piece *piece = &lane->pieces[lane->first];

  lane->at += length;
  lane->length -= length;
  if (lane->count == 0) {
    return;
  }
  lane->cut_bytes -= length;
  piece->here_bytes -= length;
  if (piece->here_bytes == 0 && piece->to_come_bytes == 0) {
    lane->first = (lane->first + 1) % LANE_PIECES_MAX;
    lane->count--;
  }
}

enum lane_offer lane_offer(struct proxy_lane *lane, int64_t now_us, const uint8_t **ret_bytes, size_t *ret_length, int64_t *ret_again_us)
{
  /* The ring may have been too full for all that was read. */
  for (cut(lane, now_us); lane->count > 0; cut(lane, now_us)) {
    struct lane_piece *piece = &lane->pieces[lane->first];

    if (lane->is_sink) {
      if (piece->here_bytes == 0) {
        return LANE_IDLE;
      }
      consume(lane, piece->here_bytes);
      continue;
    }
    if (proxy_rules_act(lane->rules, piece->rules, RULE_HOLD)) {
      *ret_again_us = INT64_MAX;
      return LANE_WAIT;
    }
    if (piece->due_us > now_us) {
      *ret_again_us = piece->due_us;
      return LANE_WAIT;
    }
    switch (piece->fate) {
    case FATE_RESET:
      return LANE_RESET;
    case FATE_HALF_CLOSE:
      lane->is_sink = true;
      return LANE_HALF_CLOSE;
    case FATE_DROP:
    case FATE_PASS:
      break;
    }
    if (piece->here_bytes == 0) {
      return LANE_IDLE;
    }
    if (piece->error != 0 && piece->to_come_bytes > 0 && lane->length < LANE_BYTES) {
      return LANE_IDLE;
    }
    if (piece->error != 0) {
      lane->is_unpatched |= !kafka_patch_error(lane->bytes + lane->at, piece->here_bytes, piece->api, piece->version, piece->error);
      piece->error = 0;
    }
    if (piece->fate == FATE_DROP) {
      consume(lane, piece->here_bytes);
      continue;
    }
    *ret_length = proxy_rules_allow(lane->rules, piece->rules, piece->here_bytes, now_us, ret_again_us);
    *ret_bytes = lane->bytes + lane->at;
    return *ret_length > 0 ? LANE_SEND : LANE_WAIT;
  }
  if (lane->is_broken) {
    return LANE_RESET;
  }
  if (lane->end != LANE_OPEN && lane->length > 0) {
    /* Half a head, and its rest will not come: it belongs to no frame and passes as it is. */
    *ret_bytes = lane->bytes + lane->at;
    *ret_length = lane->length;
    if (!lane->is_sink) {
      return LANE_SEND;
    }
    consume(lane, lane->length);
  }
  return LANE_IDLE;
}

bool lane_sent(struct proxy_lane *lane, size_t length)
{
  rule_set of = lane->count > 0 ? lane->pieces[lane->first].rules : 0;

  proxy_rules_sent(lane->rules, of, length);
  consume(lane, length);
  return proxy_rules_act(lane->rules, of, RULE_SLICE);
}

void lane_forget(struct proxy_lane *lane, rule_set forgotten)
{
  for (size_t i = 0; i < lane->count; i++) {
    struct lane_piece *piece = &lane->pieces[(lane->first + i) % LANE_PIECES_MAX];

    for (size_t bit = 0; bit < RULES_MAX; bit++) {
      if ((piece->rules & forgotten & (rule_set)1 << bit) != 0 && lane->rules->rules[bit].action == RULE_DELAY) {
        piece->due_us = 0;
      }
    }
    piece->rules &= ~forgotten;
  }
}
