#include <criterion/criterion.h>

#include "kafka_frame.h"

#include <stdlib.h>
#include <string.h>

enum { STREAM_BYTES_MAX = 4096, SEEN_MAX = 32 };

struct seen {
  struct kafka_frame frames[SEEN_MAX];
  size_t bytes[SEEN_MAX]; /* that came under it */
  size_t count;
  bool is_broken;
};

static void put_u32(uint8_t *at, uint32_t number)
{
  at[0] = (uint8_t)(number >> 24);
  at[1] = (uint8_t)(number >> 16);
  at[2] = (uint8_t)(number >> 8);
  at[3] = (uint8_t)number;
}

/* A request with a body of so many bytes behind its head; returns its size. */
static size_t put_request(uint8_t *at, int api, int32_t correlation, size_t body)
{
  put_u32(at, (uint32_t)(8 + body));
  at[4] = (uint8_t)(api >> 8);
  at[5] = (uint8_t)api;
  at[6] = 0;
  at[7] = 9;
  put_u32(at + 8, (uint32_t)correlation);
  memset(at + 12, 0xff, body);
  return 12 + body;
}

static size_t put_response(uint8_t *at, int32_t correlation, size_t body)
{
  put_u32(at, (uint32_t)(4 + body));
  put_u32(at + 4, (uint32_t)correlation);
  memset(at + 8, 0xff, body);
  return 8 + body;
}

/* Gives the stream in reads that end at the cuts (and at its end), keeping what was not taken as the proxy does. */
static struct seen feed(enum kafka_direction direction, const uint8_t *stream, size_t length, const size_t *cuts, size_t cut_count)
{
  struct kafka_cutter cutter;
  struct seen seen = {.count = 0};
  size_t begin = 0;

  kafka_cutter_init(&cutter, direction);
  for (size_t i = 0; i <= cut_count; i++) {
    size_t end = i < cut_count ? cuts[i] : length;

    while (begin < end) {
      /* A copy of its own, so that a read beyond the end is seen by the sanitizer. */
      uint8_t *bytes = malloc(end - begin);
      size_t taken = 0;
      struct kafka_frame frame;
      enum kafka_cut cut;

      memcpy(bytes, stream + begin, end - begin);
      cut = kafka_cut(&cutter, bytes, end - begin, &taken, &frame);
      free(bytes);
      if (cut == KAFKA_CUT_MORE) {
        break;
      }
      if (cut == KAFKA_CUT_BROKEN) {
        seen.is_broken = true;
        return seen;
      }
      if (cut == KAFKA_CUT_BEGINS) {
        cr_assert_lt(seen.count, SEEN_MAX);
        seen.frames[seen.count++] = frame;
      }
      cr_assert_gt(taken, 0);
      seen.bytes[seen.count - 1] += taken;
      begin += taken;
    }
  }
  return seen;
}

static size_t three_requests(uint8_t *stream)
{
  size_t length = put_request(stream, 18, 1, 5);

  length += put_request(stream + length, 0, 2, 40);
  length += put_request(stream + length, 3, 3, 0);
  return length;
}

static void assert_three_requests(const struct seen *seen, size_t cut)
{
  cr_assert_not(seen->is_broken, "cut at %zu", cut);
  cr_assert_eq(seen->count, 3, "cut at %zu: %zu frames", cut, seen->count);
  cr_assert_eq(seen->frames[0].api, 18);
  cr_assert_eq(seen->frames[1].api, 0);
  cr_assert_eq(seen->frames[2].api, 3);
  for (size_t i = 0; i < 3; i++) {
    cr_assert_eq(seen->frames[i].correlation, (int32_t)i + 1, "cut at %zu", cut);
    cr_assert_eq(seen->bytes[i], seen->frames[i].size_bytes, "cut at %zu", cut);
    cr_assert_eq(seen->frames[i].version, 9);
  }
}

Test(kafka_frame, several_requests_in_one_read_are_all_seen)
{
  uint8_t stream[STREAM_BYTES_MAX];
  struct seen seen = feed(KAFKA_REQUEST, stream, three_requests(stream), NULL, 0);

  assert_three_requests(&seen, 0);
}

Test(kafka_frame, a_stream_cut_at_any_byte_gives_the_same_frames)
{
  uint8_t stream[STREAM_BYTES_MAX];
  size_t length = three_requests(stream);

  for (size_t cut = 1; cut < length; cut++) {
    struct seen seen = feed(KAFKA_REQUEST, stream, length, &cut, 1);

    assert_three_requests(&seen, cut);
  }
}

Test(kafka_frame, a_stream_in_single_bytes_gives_the_same_frames)
{
  uint8_t stream[STREAM_BYTES_MAX];
  size_t cuts[STREAM_BYTES_MAX];
  size_t length = three_requests(stream);
  struct seen seen;

  for (size_t i = 0; i < length; i++) {
    cuts[i] = i + 1;
  }
  seen = feed(KAFKA_REQUEST, stream, length, cuts, length);
  assert_three_requests(&seen, 0);
}

Test(kafka_frame, responses_are_cut_by_their_shorter_head)
{
  uint8_t stream[STREAM_BYTES_MAX];
  size_t length = put_response(stream, 7, 0);
  size_t first = length;

  length += put_response(stream + length, -8, 100);
  for (size_t cut = 1; cut < length; cut++) {
    struct seen seen = feed(KAFKA_RESPONSE, stream, length, &cut, 1);

    cr_assert_eq(seen.count, 2);
    cr_assert_eq(seen.frames[0].correlation, 7);
    cr_assert_eq(seen.frames[0].size_bytes, first);
    cr_assert_eq(seen.frames[1].correlation, -8);
    cr_assert_eq(seen.bytes[1], 108);
    cr_assert_eq(seen.frames[1].api, KAFKA_API_UNKNOWN);
  }
}

Test(kafka_frame, a_size_that_no_frame_has_is_broken)
{
  static const struct {
    uint32_t size;
    enum kafka_direction direction;
    bool is_broken;
  } table[] = {
      {0, KAFKA_REQUEST, true},
      {7, KAFKA_REQUEST, true},
      {8, KAFKA_REQUEST, false},
      {3, KAFKA_RESPONSE, true},
      {4, KAFKA_RESPONSE, false},
      {KAFKA_FRAME_BYTES_MAX - 4, KAFKA_REQUEST, false},
      {KAFKA_FRAME_BYTES_MAX - 3, KAFKA_REQUEST, true},
      {0x7fffffff, KAFKA_RESPONSE, true},
      {0x80000000, KAFKA_RESPONSE, true},
      {0xffffffff, KAFKA_REQUEST, true},
      {0x16030101, KAFKA_REQUEST, true}, /* as TLS begins */
  };

  for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
    uint8_t stream[12] = {0};
    struct seen seen;

    put_u32(stream, table[i].size);
    seen = feed(table[i].direction, stream, table[i].direction == KAFKA_REQUEST ? 12 : 8, NULL, 0);
    cr_assert_eq(seen.is_broken, table[i].is_broken, "size %u", table[i].size);
  }
}

Test(kafka_frame, an_oversize_frame_is_seen_from_its_first_four_bytes)
{
  uint8_t stream[4];

  put_u32(stream, 0x7fffffff);
  cr_assert(feed(KAFKA_REQUEST, stream, sizeof(stream), NULL, 0).is_broken);
}

static struct kafka_calls calls;

static void ask(int32_t correlation, int api)
{
  kafka_calls_ask(&calls, &(struct kafka_frame){.correlation = correlation, .api = api, .version = 7});
}

static int answer(int32_t correlation)
{
  struct kafka_frame response = {.correlation = correlation, .api = 99};

  kafka_calls_answer(&calls, &response);
  cr_assert(response.api == KAFKA_API_UNKNOWN || response.version == 7);
  return response.api;
}

Test(kafka_frame, a_response_has_the_api_of_its_request)
{
  kafka_calls_init(&calls);
  ask(1, 18);
  ask(2, 0);
  ask(3, 3);
  cr_assert_eq(answer(1), 18);
  cr_assert_eq(answer(2), 0);
  cr_assert_eq(answer(3), 3);
  cr_assert_eq(calls.count, 0);
}

Test(kafka_frame, requests_without_an_answer_are_forgotten_by_a_later_one)
{
  kafka_calls_init(&calls);
  ask(1, 0);
  ask(2, 0);
  ask(3, 3);
  ask(4, 0);
  cr_assert_eq(answer(3), 3);
  cr_assert_eq(calls.count, 1);
  cr_assert_eq(answer(1), KAFKA_API_UNKNOWN);
  cr_assert_eq(answer(4), 0);
}

Test(kafka_frame, an_answer_to_nothing_changes_nothing)
{
  kafka_calls_init(&calls);
  cr_assert_eq(answer(5), KAFKA_API_UNKNOWN);
  ask(1, 22);
  cr_assert_eq(answer(5), KAFKA_API_UNKNOWN);
  cr_assert_eq(answer(1), 22);
}

Test(kafka_frame, of_too_many_requests_the_oldest_are_forgotten)
{
  kafka_calls_init(&calls);
  for (int32_t i = 0; i < KAFKA_CALLS_MAX + 10; i++) {
    ask(i, i % 100);
  }
  cr_assert_eq(calls.count, KAFKA_CALLS_MAX);
  cr_assert_eq(answer(9), KAFKA_API_UNKNOWN);
  cr_assert_eq(answer(10), 10);
  cr_assert_eq(answer(KAFKA_CALLS_MAX + 9), (KAFKA_CALLS_MAX + 9) % 100);
  cr_assert_eq(calls.count, 0);
}

Test(kafka_frame, an_api_has_a_name_or_a_number)
{
  cr_assert_eq(kafka_api_parse("Produce"), 0);
  cr_assert_eq(kafka_api_parse("InitProducerId"), 22);
  cr_assert_eq(kafka_api_parse("61"), 61);
  cr_assert_eq(kafka_api_parse("Prod"), KAFKA_API_UNKNOWN);
  cr_assert_eq(kafka_api_parse("-1"), KAFKA_API_UNKNOWN);
  cr_assert_eq(kafka_api_parse("1x"), KAFKA_API_UNKNOWN);
  cr_assert_eq(kafka_api_parse("99999999999999999999"), KAFKA_API_UNKNOWN);
  cr_assert_eq(kafka_api_parse(""), KAFKA_API_UNKNOWN);
  cr_assert_str_eq(kafka_api_name(3), "Metadata");
  cr_assert_null(kafka_api_name(61));
}
