/*
 * kafka_patch.c - four layouts, each walked once to check it and once to write. A cursor fails once and stays failed.
 *
 *   ApiVersions      size correlation ERROR ...                                                            (its head never has tags)
 *   InitProducerId   size correlation [tags, 2 and later] throttle ERROR ...
 *   Produce 3 to 8   size correlation [topic [partition ERROR offset append_time start_offset(5) ...(8)]] throttle
 *   Metadata 1 to 8  size correlation throttle(3) [broker host port rack] cluster(2) controller [ERROR topic is_internal [partition ...]] ...
 *
 * Produce from 9 and Metadata from 9 on are written in compact form, which no client of these tests asks for yet.
 */
#include "kafka_patch.h"

#include "kafka_frame.h"

enum { HEAD_BYTES = 8, API_PRODUCE = 0, API_METADATA = 3, API_VERSIONS = 18, API_INIT_PRODUCER_ID = 22, COUNT_MAX = 100000 };

struct cursor {
  uint8_t *bytes;
  size_t length;
  size_t at;
  bool is_broken;
  bool writes;
  int16_t code;
};

static void skip(struct cursor *cursor, size_t count)
{
  if (cursor->is_broken || count > cursor->length - cursor->at) {
    cursor->is_broken = true;
    return;
  }
  cursor->at += count;
}

/* A big-endian number of so many bytes; -1 when it is not there. */
static int32_t take(struct cursor *cursor, size_t size)
{
  uint32_t number = 0;
  size_t from = cursor->at;

  skip(cursor, size);
  if (cursor->is_broken) {
    return -1;
  }
  for (size_t i = 0; i < size; i++) {
    number = number << 8 | cursor->bytes[from + i];
  }
  return size == 2 ? (int16_t)number : (int32_t)number;
}

static void skip_string(struct cursor *cursor)
{
  int32_t length = take(cursor, 2);

  if (length > 0) {
    skip(cursor, (size_t)length);
  }
}

/* Elements of an array that is about to be read. */
static int32_t take_count(struct cursor *cursor)
{
  int32_t count = take(cursor, 4);

  if (count > COUNT_MAX) {
    cursor->is_broken = true;
  }
  return cursor->is_broken ? 0 : count;
}

static void put_error(struct cursor *cursor)
{
  size_t from = cursor->at;

  skip(cursor, 2);
  if (!cursor->is_broken && cursor->writes) {
    cursor->bytes[from] = (uint8_t)((uint16_t)cursor->code >> 8);
    cursor->bytes[from + 1] = (uint8_t)cursor->code;
  }
}

static void walk_produce_partition(struct cursor *cursor, int version)
{
  skip(cursor, 4);
  put_error(cursor);
  skip(cursor, version >= 5 ? 24 : 16);
  if (version >= 8) {
    for (int32_t left = take_count(cursor); left > 0 && !cursor->is_broken; left--) {
      skip(cursor, 4);
      skip_string(cursor);
    }
    skip_string(cursor);
  }
}

static void walk_produce(struct cursor *cursor, int version)
{
  for (int32_t topics = take_count(cursor); topics > 0 && !cursor->is_broken; topics--) {
    skip_string(cursor);
    for (int32_t partitions = take_count(cursor); partitions > 0 && !cursor->is_broken; partitions--) {
      walk_produce_partition(cursor, version);
    }
  }
  skip(cursor, 4);
}

static void skip_numbers(struct cursor *cursor)
{
  skip(cursor, 4 * (size_t)take_count(cursor));
}

static void walk_metadata_topic(struct cursor *cursor, int version)
{
  put_error(cursor);
  skip_string(cursor);
  skip(cursor, 1);
  for (int32_t partitions = take_count(cursor); partitions > 0 && !cursor->is_broken; partitions--) {
    skip(cursor, version >= 7 ? 14 : 10);
    skip_numbers(cursor);
    skip_numbers(cursor);
    if (version >= 5) {
      skip_numbers(cursor);
    }
  }
  if (version >= 8) {
    skip(cursor, 4);
  }
}

static void walk_metadata(struct cursor *cursor, int version)
{
  if (version >= 3) {
    skip(cursor, 4);
  }
  for (int32_t brokers = take_count(cursor); brokers > 0 && !cursor->is_broken; brokers--) {
    skip(cursor, 4);
    skip_string(cursor);
    skip(cursor, 4);
    skip_string(cursor);
  }
  if (version >= 2) {
    skip_string(cursor);
  }
  skip(cursor, 4);
  for (int32_t topics = take_count(cursor); topics > 0 && !cursor->is_broken; topics--) {
    walk_metadata_topic(cursor, version);
  }
  if (version >= 8) {
    skip(cursor, 4);
  }
}

static bool walk(struct cursor *cursor, int api, int version)
{
  skip(cursor, HEAD_BYTES);
  switch (api) {
  case API_PRODUCE:
    if (version < 3 || version > 8) {
      return false;
    }
    walk_produce(cursor, version);
    return !cursor->is_broken && cursor->at == cursor->length;
  case API_METADATA:
    if (version < 1 || version > 8) {
      return false;
    }
    walk_metadata(cursor, version);
    return !cursor->is_broken && cursor->at == cursor->length;
  case API_VERSIONS:
    put_error(cursor);
    return !cursor->is_broken;
  case API_INIT_PRODUCER_ID:
    skip(cursor, version >= 2 ? 5 : 4);
    put_error(cursor);
    return !cursor->is_broken;
  default:
    return false;
  }
}

bool kafka_patch_knows(int api)
{
  return api == API_PRODUCE || api == API_METADATA || api == API_VERSIONS || api == API_INIT_PRODUCER_ID;
}

bool kafka_patch_error(uint8_t *frame, size_t length, int api, int version, int16_t code)
{
  struct cursor look = {.bytes = frame, .length = length};
  struct cursor write = {.bytes = frame, .length = length, .writes = true, .code = code};

  return walk(&look, api, version) && walk(&write, api, version);
}
