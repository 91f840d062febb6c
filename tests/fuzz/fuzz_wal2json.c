/*
 * fuzz_wal2json.c - the decoder of wal2json, and the scanner under it. Input: lines as they come in one session. Each is also read by jansson (wal2json_reference.h):
 * both must accept and refuse alike, and read the same.
 */
#include "decode/json_scanner.h"
#include "decoded.h"
#include "wal2json_reference.h"

static void compare(struct span line, bool is_accepted, const struct change *change)
{
  json_error_t error;
  json_t *reference = json_loadb(line.data, line.length, JSON_REJECT_DUPLICATES, &error);
  const char *action = json_string_value(json_object_get(reference, "action"));

  if (reference == NULL) {
    FUZZ_EXPECT(!is_accepted || reference_is_undecided(line, &error));
  } else if (action == NULL || (strcmp(action, "B") != 0 && strcmp(action, "C") != 0)) {
    FUZZ_EXPECT(is_accepted == reference_accepts(reference));
    FUZZ_EXPECT(!is_accepted || reference_says_the_same(change, reference));
  }
  json_decref(reference);
}

static void read_line(struct decoder *decoder, struct span line, struct arena *arena)
{
  char *exact = fuzz_exact_copy(line);
  struct span text = span_of(exact, line.length);
  struct change change = {.kind = CHANGE_NONE};
  struct problem problem;
  bool is_accepted = decoder_read(decoder, text, arena, &change, &problem) == VERDICT_OK;

  if (is_accepted) {
    decoded_expect_sound(&change);
  }
  /* jansson passes over a zero byte behind a number. */
  if (line.length > 0 && memchr(line.data, '\0', line.length) == NULL) {
    compare(line, is_accepted, &change);
  }
  (void)json_validate(text);
  if (!is_accepted) {
    decoder_reset(decoder);
  }
  free(exact);
  arena_reset(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct decoder *decoder = decoder_new(PLUGIN_WAL2JSON);
  struct span rest = span_of((const char *)data, size);
  struct span line;
  struct arena arena;

  arena_init(&arena, 1024);
  while (fuzz_next_piece(&rest, '\n', &line)) {
    read_line(decoder, line, &arena);
  }
  decoder_free(decoder);
  arena_done(&arena);
  return 0;
}
