#include <criterion/criterion.h>

#include "kafka_patch.h"

#include <stdlib.h>
#include <string.h>

enum { PRODUCE = 0, FETCH = 1, METADATA = 3, VERSIONS = 18, INIT = 22, FRAME_BYTES_MAX = 512, CODE = 0x0102 };

/* A frame in the making; where an error code stands is marked with E E, whatever else is 0x20 and up. */
struct frame {
  uint8_t bytes[FRAME_BYTES_MAX];
  size_t length;
};

static void put(struct frame *frame, size_t size, uint32_t number)
{
  for (size_t i = size; i-- > 0;) {
    frame->bytes[frame->length++] = (uint8_t)(number >> 8 * i);
  }
}

static void put_error(struct frame *frame)
{
  put(frame, 2, 0xeeee);
}

static void put_filler(struct frame *frame, size_t count)
{
  while (count-- > 0) {
    put(frame, 1, 0x20);
  }
}

/* A string; NULL is a null string. */
static void put_string(struct frame *frame, const char *text)
{
  put(frame, 2, text != NULL ? (uint32_t)strlen(text) : 0xffff);
  for (; text != NULL && *text != '\0'; text++) {
    put(frame, 1, (uint8_t)*text);
  }
}

static void put_head(struct frame *frame)
{
  frame->length = 0;
  put(frame, 4, 77);
  put(frame, 4, 5);
}

static void make_produce(struct frame *frame, int version)
{
  put_head(frame);
  put(frame, 4, 2);
  for (int topic = 0; topic < 2; topic++) {
    put_string(frame, topic == 0 ? "orders" : "x");
    put(frame, 4, (uint32_t)topic + 1);
    for (int partition = 0; partition <= topic; partition++) {
      put(frame, 4, (uint32_t)partition);
      put_error(frame);
      put_filler(frame, version >= 5 ? 24 : 16);
      if (version >= 8) {
        put(frame, 4, 1);
        put(frame, 4, 0);
        put_string(frame, NULL);
        put_string(frame, "why");
      }
    }
  }
  put(frame, 4, 0);
}

static void make_metadata(struct frame *frame, int version)
{
  put_head(frame);
  if (version >= 3) {
    put(frame, 4, 0);
  }
  put(frame, 4, 2);
  for (int broker = 0; broker < 2; broker++) {
    put(frame, 4, (uint32_t)broker);
    put_string(frame, "127.0.0.1");
    put(frame, 4, 9092);
    put_string(frame, broker == 0 ? NULL : "rack");
  }
  if (version >= 2) {
    put_string(frame, "cluster");
  }
  put(frame, 4, 1);
  put(frame, 4, 2);
  for (int topic = 0; topic < 2; topic++) {
    put_error(frame);
    put_string(frame, "orders");
    put(frame, 1, 0);
    put(frame, 4, 1);
    put(frame, 2, 0);
    put(frame, 4, 0);
    put(frame, 4, 1);
    if (version >= 7) {
      put(frame, 4, 9);
    }
    put(frame, 4, 2);
    put_filler(frame, 8);
    put(frame, 4, 1);
    put_filler(frame, 4);
    if (version >= 5) {
      put(frame, 4, 0);
    }
    if (version >= 8) {
      put(frame, 4, 0);
    }
  }
  if (version >= 8) {
    put(frame, 4, 0);
  }
}

static void make_init(struct frame *frame, int version)
{
  put_head(frame);
  if (version >= 2) {
    put(frame, 1, 0);
  }
  put(frame, 4, 0);
  put_error(frame);
  put_filler(frame, 10);
}

static void make_versions(struct frame *frame, int version)
{
  (void)version;
  put_head(frame);
  put_error(frame);
  put_filler(frame, 20);
}

static const struct layout {
  int api;
  int first;
  int last;
  int errors;
  bool is_whole; /* walked to its end */
  void (*make)(struct frame *frame, int version);
} layouts[] = {
    {PRODUCE, 3, 8, 3, true, make_produce},
    {METADATA, 1, 8, 2, true, make_metadata},
    {INIT, 0, 4, 1, false, make_init},
    {VERSIONS, 0, 3, 1, false, make_versions},
};

enum { LAYOUTS = sizeof(layouts) / sizeof(layouts[0]) };

/* As kafka_patch_error, on a copy of exactly that size, so that a step beyond it is seen by the sanitizer. */
static bool patch(struct frame *frame, size_t length, int api, int version)
{
  uint8_t *copy = malloc(length + (length == 0));
  bool is_patched;

  memcpy(copy, frame->bytes, length);
  is_patched = kafka_patch_error(copy, length, api, version, CODE);
  memcpy(frame->bytes, copy, length);
  free(copy);
  return is_patched;
}

Test(kafka_patch, every_error_code_and_nothing_else_is_written)
{
  for (size_t i = 0; i < LAYOUTS; i++) {
    for (int version = layouts[i].first; version <= layouts[i].last; version++) {
      struct frame frame;
      struct frame expected;
      int errors = 0;

      layouts[i].make(&frame, version);
      expected = frame;
      for (size_t at = 0; at + 1 < frame.length; at++) {
        if (frame.bytes[at] == 0xee && frame.bytes[at + 1] == 0xee) {
          expected.bytes[at] = CODE >> 8;
          expected.bytes[at + 1] = CODE & 0xff;
          errors++;
        }
      }
      cr_assert_eq(errors, layouts[i].errors);
      cr_assert(patch(&frame, frame.length, layouts[i].api, version), "api %d version %d", layouts[i].api, version);
      cr_assert_eq(memcmp(frame.bytes, expected.bytes, frame.length), 0, "api %d version %d", layouts[i].api, version);
    }
  }
}

Test(kafka_patch, a_frame_that_is_cut_short_is_refused_and_unchanged)
{
  for (size_t i = 0; i < LAYOUTS; i++) {
    for (int version = layouts[i].first; version <= layouts[i].last; version++) {
      struct frame whole;

      layouts[i].make(&whole, version);
      for (size_t length = 0; length < (layouts[i].is_whole ? whole.length : 10); length++) {
        struct frame frame = whole;

        cr_assert_not(patch(&frame, length, layouts[i].api, version), "api %d version %d length %zu", layouts[i].api, version, length);
        cr_assert_eq(memcmp(frame.bytes, whole.bytes, whole.length), 0);
      }
    }
  }
}

Test(kafka_patch, the_layout_of_another_version_is_refused)
{
  struct frame frame;

  make_produce(&frame, 7);
  cr_assert_not(patch(&frame, frame.length, PRODUCE, 4));
  cr_assert_not(patch(&frame, frame.length, PRODUCE, 2));
  cr_assert_not(patch(&frame, frame.length, PRODUCE, 9));
  cr_assert_not(patch(&frame, frame.length, METADATA, 4));
  cr_assert_not(patch(&frame, frame.length, METADATA, 9));
  cr_assert_not(patch(&frame, frame.length, FETCH, 4));
}

Test(kafka_patch, a_count_without_end_is_refused)
{
  struct frame frame;

  put_head(&frame);
  put(&frame, 4, 0x7fffffff);
  put_filler(&frame, 100);
  cr_assert_not(patch(&frame, frame.length, PRODUCE, 7));
  cr_assert_not(patch(&frame, frame.length, METADATA, 1));
}

Test(kafka_patch, only_four_apis_are_known)
{
  for (int api = -1; api < 100; api++) {
    cr_assert_eq(kafka_patch_knows(api), api == PRODUCE || api == METADATA || api == VERSIONS || api == INIT, "%d", api);
  }
}
