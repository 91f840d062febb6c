#include <criterion/criterion.h>

#include "proxy_lane.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NOW_US = 1000000, OUT_BYTES_MAX = 1024 * 1024 };

static struct proxy_rules rules;
static struct lane_counts counts;
static struct kafka_calls calls;
static struct proxy_lane requests;
static struct proxy_lane responses;

static void set(const char *text)
{
  static char line[256];
  char *words[8];
  size_t count = 0;
  rule_set replaced;

  (void)snprintf(line, sizeof(line), "%s", text);
  for (char *word = strtok(line, " "); word != NULL; word = strtok(NULL, " ")) {
    words[count++] = word;
  }
  cr_assert_null(proxy_rules_set(&rules, words, count, true, &replaced));
}

static void begin(bool is_kafka)
{
  proxy_rules_init(&rules, 1);
  memset(&counts, 0, sizeof(counts));
  kafka_calls_init(&calls);
  cr_assert(lane_init(&requests, RULE_REQUEST, is_kafka ? &calls : NULL, &rules, &counts));
  cr_assert(lane_init(&responses, RULE_RESPONSE, is_kafka ? &calls : NULL, &rules, &counts));
}

static void end(void)
{
  lane_done(&requests);
  lane_done(&responses);
}

/* As a read of the socket would; returns how much of it there was room for. */
static size_t give(struct proxy_lane *lane, const void *bytes, size_t length)
{
  uint8_t *room;
  size_t space = lane_room(lane, &room);

  length = length < space ? length : space;
  if (length > 0) {
    memcpy(room, bytes, length);
    lane_took(lane, length, NOW_US);
  }
  return length;
}

static uint8_t out[OUT_BYTES_MAX];
static size_t out_length;

/* Takes all that is offered, and returns what comes then. */
static enum lane_offer take(struct proxy_lane *lane, int64_t now_us, int64_t *ret_again_us)
{
  const uint8_t *bytes;
  size_t length;
  enum lane_offer offer;

  while ((offer = lane_offer(lane, now_us, &bytes, &length, ret_again_us)) == LANE_SEND) {
    cr_assert_leq(out_length + length, sizeof(out));
    memcpy(out + out_length, bytes, length);
    out_length += length;
    (void)lane_sent(lane, length);
  }
  return offer;
}

static enum lane_offer take_now(struct proxy_lane *lane)
{
  int64_t again_us;

  return take(lane, NOW_US, &again_us);
}

/* A request of 12 + body bytes, each byte of the body being `fill`. */
static size_t request(uint8_t *at, int api, int32_t correlation, size_t body, int fill)
{
  uint32_t size = (uint32_t)(8 + body);
  const uint8_t head[12] = {(uint8_t)(size >> 24), (uint8_t)(size >> 16), (uint8_t)(size >> 8), (uint8_t)size, 0, (uint8_t)api, 0, 0, 0, 0, 0,
                            (uint8_t)correlation};

  memcpy(at, head, sizeof(head));
  memset(at + 12, fill, body);
  return 12 + body;
}

static size_t response(uint8_t *at, int32_t correlation, size_t body)
{
  const uint8_t head[8] = {0, 0, (uint8_t)((4 + body) >> 8), (uint8_t)(4 + body), 0, 0, 0, (uint8_t)correlation};

  memcpy(at, head, sizeof(head));
  memset(at + 8, correlation, body);
  return 8 + body;
}

static void begin_out(void)
{
  out_length = 0;
}

Test(proxy_lane, what_comes_in_goes_out_wherever_reads_end)
{
  uint8_t stream[256];
  size_t length = request(stream, 0, 1, 50, 'a');

  length += request(stream + length, 3, 2, 0, 0);
  length += request(stream + length, 0, 3, 30, 'c');
  for (size_t at = 1; at < length; at++) {
    begin(true);
    begin_out();
    cr_assert_eq(give(&requests, stream, at), at);
    cr_assert_eq(take_now(&requests), LANE_IDLE);
    cr_assert_eq(give(&requests, stream + at, length - at), length - at);
    cr_assert_eq(take_now(&requests), LANE_IDLE);
    cr_assert_eq(out_length, length);
    cr_assert_eq(memcmp(out, stream, length), 0);
    cr_assert_eq(counts.request[0], 2);
    cr_assert_eq(counts.request[3], 1);
    end();
  }
}

Test(proxy_lane, a_dropped_request_leaves_no_byte_and_its_neighbours_whole)
{
  uint8_t stream[256];
  size_t first = request(stream, 3, 1, 5, 'a');
  size_t second = request(stream + first, 0, 2, 100, 'b');
  size_t third = request(stream + first + second, 3, 3, 7, 'c');

  for (size_t at = 1; at < first + second + third; at++) {
    begin(true);
    begin_out();
    set("r api=Produce drop");
    (void)give(&requests, stream, at);
    (void)take_now(&requests);
    (void)give(&requests, stream + at, first + second + third - at);
    cr_assert_eq(take_now(&requests), LANE_IDLE);
    cr_assert_eq(out_length, first + third, "read ended at %zu", at);
    cr_assert_eq(memcmp(out, stream, first), 0);
    cr_assert_eq(memcmp(out + first, stream + first + second, third), 0);
    cr_assert_eq(calls.count, 2);
    end();
  }
}

Test(proxy_lane, a_rule_for_responses_of_one_api_finds_them_by_correlation)
{
  uint8_t stream[256];
  size_t length = request(stream, 3, 1, 5, 'a');
  size_t first;

  begin(true);
  begin_out();
  set("r api=Produce lose");
  length += request(stream + length, 0, 2, 5, 'b');
  (void)give(&requests, stream, length);
  cr_assert_eq(take_now(&requests), LANE_IDLE);
  begin_out();
  first = response(stream, 1, 20);
  length = first + response(stream + first, 2, 20);
  (void)give(&responses, stream, length);
  cr_assert_eq(take_now(&responses), LANE_RESET);
  cr_assert_eq(out_length, first);
  cr_assert_eq(counts.response[0], 1);
  cr_assert_eq(counts.response[3], 1);
  end();
}

Test(proxy_lane, an_error_is_written_when_the_response_is_whole_and_a_frame_it_does_not_fit_passes)
{
  uint8_t stream[256];
  size_t length = request(stream, 18, 1, 5, 'a');
  size_t first;

  length += request(stream + length, 0, 2, 5, 'b');
  for (size_t at = 1; at < 28 + 28; at++) {
    uint8_t answers[256];

    begin(true);
    set("v api=ApiVersions error=35");
    set("p api=Produce error=6");
    (void)give(&requests, stream, length);
    begin_out();
    first = response(answers, 1, 20);
    (void)response(answers + first, 2, 20);
    (void)give(&responses, answers, at);
    cr_assert_eq(take_now(&responses), LANE_IDLE);
    cr_assert_not(at < first && out_length > 0, "a part of the frame went out at %zu", at);
    (void)give(&responses, answers + at, 56 - at);
    cr_assert_eq(take_now(&responses), LANE_IDLE);
    cr_assert_eq(out_length, 56);
    cr_assert_eq(out[8], 0);
    cr_assert_eq(out[9], 35);
    cr_assert_eq(memcmp(out + 10, answers + 10, 46), 0);
    cr_assert(responses.is_unpatched);
    end();
  }
}

Test(proxy_lane, what_is_held_waits_with_all_behind_it_until_it_is_forgotten)
{
  uint8_t stream[256];
  size_t first = request(stream, 3, 1, 5, 'a');
  size_t length = first + request(stream + first, 0, 2, 5, 'b');
  int64_t again_us = 0;

  begin(true);
  begin_out();
  set("r api=Produce count=1 hold");
  length += request(stream + length, 3, 3, 5, 'c');
  (void)give(&requests, stream, length);
  cr_assert_eq(take(&requests, NOW_US, &again_us), LANE_WAIT);
  cr_assert_eq(again_us, INT64_MAX);
  cr_assert_eq(out_length, first);
  lane_forget(&requests, 1);
  cr_assert_eq(take_now(&requests), LANE_IDLE);
  cr_assert_eq(out_length, length);
  end();
}

Test(proxy_lane, a_delay_counts_from_the_arrival_and_a_cleared_one_is_over)
{
  uint8_t stream[64];
  size_t length = request(stream, 3, 1, 5, 'a');
  int64_t again_us = 0;

  begin(true);
  begin_out();
  set("r delay=70");
  (void)give(&requests, stream, length);
  cr_assert_eq(take(&requests, NOW_US + 69999, &again_us), LANE_WAIT);
  cr_assert_eq(again_us, NOW_US + 70000);
  cr_assert_eq(out_length, 0);
  cr_assert_eq(take(&requests, NOW_US + 70000, &again_us), LANE_IDLE);
  cr_assert_eq(out_length, length);
  (void)give(&requests, stream, length);
  cr_assert_eq(take(&requests, NOW_US, &again_us), LANE_WAIT);
  lane_forget(&requests, 1);
  cr_assert_eq(take(&requests, NOW_US, &again_us), LANE_IDLE);
  end();
}

Test(proxy_lane, a_slice_is_offered_alone)
{
  const uint8_t *bytes;
  size_t length;
  int64_t again_us;

  begin(false);
  set("r slice=2");
  (void)give(&requests, "12345", 5);
  cr_assert_eq(lane_offer(&requests, NOW_US, &bytes, &length, &again_us), LANE_SEND);
  cr_assert_eq(length, 2);
  cr_assert(lane_sent(&requests, 2));
  cr_assert_eq(lane_offer(&requests, NOW_US, &bytes, &length, &again_us), LANE_SEND);
  cr_assert(lane_sent(&requests, 1)); /* the kernel took less */
  cr_assert_eq(lane_offer(&requests, NOW_US, &bytes, &length, &again_us), LANE_SEND);
  cr_assert_eq(length, 2);
  cr_assert_eq(memcmp(bytes, "45", 2), 0);
  cr_assert(lane_sent(&requests, 2));
  cr_assert_eq(lane_offer(&requests, NOW_US, &bytes, &length, &again_us), LANE_IDLE);
  end();
}

Test(proxy_lane, after_a_half_close_all_is_swallowed)
{
  begin(false);
  begin_out();
  set("r count=1 skip=1 half-close");
  (void)give(&requests, "12345", 5);
  cr_assert_eq(take_now(&requests), LANE_IDLE);
  (void)give(&requests, "678", 3);
  cr_assert_eq(take_now(&requests), LANE_HALF_CLOSE);
  cr_assert_eq(take_now(&requests), LANE_IDLE);
  (void)give(&requests, "9", 1);
  cr_assert_eq(take_now(&requests), LANE_IDLE);
  cr_assert_eq(out_length, 5);
  cr_assert_eq(requests.length, 0);
  end();
}

Test(proxy_lane, a_full_lane_takes_no_more_and_a_frame_larger_than_it_passes)
{
  size_t size = OUT_BYTES_MAX - 100;
  uint8_t *stream = malloc(size);
  size_t given = 0;

  begin(true);
  begin_out();
  cr_assert_eq(request(stream, 0, 1, size - 12, 'x'), size);
  set("r api=Produce hold");
  given += give(&requests, stream, size);
  cr_assert_eq(given, LANE_BYTES);
  cr_assert_eq(give(&requests, stream + given, size - given), 0);
  cr_assert_eq(take_now(&requests), LANE_WAIT);
  cr_assert_eq(give(&requests, stream + given, size - given), 0);
  lane_forget(&requests, 1);
  while (given < size) {
    cr_assert_eq(take_now(&requests), LANE_IDLE);
    given += give(&requests, stream + given, size - given);
  }
  cr_assert_eq(take_now(&requests), LANE_IDLE);
  cr_assert_eq(out_length, size);
  cr_assert_eq(memcmp(out, stream, size), 0);
  cr_assert_eq(counts.request[0], 1);
  free(stream);
  end();
}

Test(proxy_lane, more_frames_in_one_read_than_it_counts_go_on_without_another_read)
{
  enum { FRAMES = LANE_PIECES_MAX * 3 };
  uint8_t *stream = malloc((size_t)FRAMES * 12);
  size_t length = 0;
  int64_t again_us;

  begin(true);
  begin_out();
  for (int i = 0; i < FRAMES; i++) {
    length += request(stream + length, 3, i % 256, 0, 0);
  }
  set("r skip=3071 drop");
  cr_assert_eq(give(&requests, stream, length), length);
  cr_assert_eq(take(&requests, NOW_US, &again_us), LANE_IDLE);
  cr_assert_eq(out_length, length - 12);
  cr_assert_eq(counts.request[3], FRAMES);
  free(stream);
  end();
}

Test(proxy_lane, half_a_head_at_the_end_passes)
{
  begin(true);
  begin_out();
  (void)give(&requests, "\0\0\0\x20\0", 5);
  cr_assert_eq(take_now(&requests), LANE_IDLE);
  cr_assert_eq(out_length, 0);
  lane_ended(&requests, LANE_ENDED_IN_ORDER);
  cr_assert_eq(take_now(&requests), LANE_IDLE);
  cr_assert_eq(out_length, 5);
  cr_assert_eq(requests.length, 0);
  end();
}

Test(proxy_lane, what_is_not_kafka_is_reset_after_what_was)
{
  uint8_t stream[64];
  size_t length = request(stream, 3, 1, 5, 'a');

  begin(true);
  begin_out();
  memset(stream + length, 0xff, 20);
  (void)give(&requests, stream, length + 20);
  cr_assert_eq(take_now(&requests), LANE_RESET);
  cr_assert(requests.is_broken);
  cr_assert_eq(out_length, length);
  end();
}
