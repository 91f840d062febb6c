/*
 * kafka_frame.c - heads of frames, and a ring of what was asked. A head is looked at only when it is whole, so that where a read ends makes no difference.
 */
#include "kafka_frame.h"

#include <stdlib.h>
#include <string.h>

enum { SIZE_BYTES = 4, REQUEST_HEAD_BYTES = 12, RESPONSE_HEAD_BYTES = 8, API_MAX = 100 };

static const struct {
  int api;
  const char *name;
} apis[] = {
    {0, "Produce"},          {1, "Fetch"},         {2, "ListOffsets"},      {3, "Metadata"},         {10, "FindCoordinator"},  {17, "SaslHandshake"},
    {18, "ApiVersions"},     {19, "CreateTopics"}, {20, "DeleteTopics"},    {21, "DeleteRecords"},   {22, "InitProducerId"},   {24, "AddPartitionsToTxn"},
    {25, "AddOffsetsToTxn"}, {26, "EndTxn"},       {28, "TxnOffsetCommit"}, {32, "DescribeConfigs"}, {36, "SaslAuthenticate"}, {37, "CreatePartitions"},
};

int kafka_api_parse(const char *text)
{
  char *end;
  long number;

  for (size_t i = 0; i < sizeof(apis) / sizeof(apis[0]); i++) {
    if (strcmp(text, apis[i].name) == 0) {
      return apis[i].api;
    }
  }
  if (text[0] < '0' || text[0] > '9') {
    return KAFKA_API_UNKNOWN;
  }
  number = strtol(text, &end, 10);
  return *end == '\0' && number <= API_MAX ? (int)number : KAFKA_API_UNKNOWN;
}

const char *kafka_api_name(int api)
{
  for (size_t i = 0; i < sizeof(apis) / sizeof(apis[0]); i++) {
    if (apis[i].api == api) {
      return apis[i].name;
    }
  }
  return NULL;
}

static uint32_t read_u32(const uint8_t *bytes)
{
  return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

void kafka_cutter_init(struct kafka_cutter *cutter, enum kafka_direction direction)
{
  *cutter = (struct kafka_cutter){.direction = direction};
}

enum kafka_cut kafka_cut(struct kafka_cutter *cutter, const uint8_t *bytes, size_t length, size_t *ret_taken, struct kafka_frame *ret_frame)
{
  size_t head_bytes = cutter->direction == KAFKA_REQUEST ? REQUEST_HEAD_BYTES : RESPONSE_HEAD_BYTES;
  uint32_t body_bytes;
  size_t taken;

  if (cutter->left_bytes > 0) {
    taken = length < cutter->left_bytes ? length : cutter->left_bytes;
    if (taken == 0) {
      return KAFKA_CUT_MORE;
    }
    cutter->left_bytes -= taken;
    *ret_taken = taken;
    return KAFKA_CUT_GOES_ON;
  }
  if (length < SIZE_BYTES) {
    return KAFKA_CUT_MORE;
  }
  body_bytes = read_u32(bytes);
  if (body_bytes < head_bytes - SIZE_BYTES || body_bytes > KAFKA_FRAME_BYTES_MAX - SIZE_BYTES) {
    return KAFKA_CUT_BROKEN;
  }
  if (length < head_bytes) {
    return KAFKA_CUT_MORE;
  }
  ret_frame->size_bytes = SIZE_BYTES + (size_t)body_bytes;
  ret_frame->api = cutter->direction == KAFKA_REQUEST ? (int)(int16_t)(bytes[4] << 8 | bytes[5]) : KAFKA_API_UNKNOWN;
  ret_frame->version = cutter->direction == KAFKA_REQUEST ? (int)(int16_t)(bytes[6] << 8 | bytes[7]) : 0;
  ret_frame->correlation = (int32_t)read_u32(bytes + head_bytes - SIZE_BYTES);
  taken = length < ret_frame->size_bytes ? length : ret_frame->size_bytes;
  cutter->left_bytes = ret_frame->size_bytes - taken;
  *ret_taken = taken;
  return KAFKA_CUT_BEGINS;
}

void kafka_calls_init(struct kafka_calls *calls)
{
  calls->oldest = 0;
  calls->count = 0;
}

void kafka_calls_ask(struct kafka_calls *calls, const struct kafka_frame *request)
{
  size_t at;

  if (calls->count == KAFKA_CALLS_MAX) {
    calls->oldest = (calls->oldest + 1) % KAFKA_CALLS_MAX;
    calls->count--;
  }
  at = (calls->oldest + calls->count) % KAFKA_CALLS_MAX;
  calls->ring[at].correlation = request->correlation;
  calls->ring[at].api = request->api;
  calls->ring[at].version = request->version;
  calls->count++;
}

void kafka_calls_answer(struct kafka_calls *calls, struct kafka_frame *io_response)
{
  io_response->api = KAFKA_API_UNKNOWN;
  for (size_t i = 0; i < calls->count; i++) {
    size_t at = (calls->oldest + i) % KAFKA_CALLS_MAX;

    if (calls->ring[at].correlation == io_response->correlation) {
      io_response->api = calls->ring[at].api;
      io_response->version = calls->ring[at].version;
      calls->oldest = (at + 1) % KAFKA_CALLS_MAX;
      calls->count -= i + 1;
      return;
    }
  }
}
