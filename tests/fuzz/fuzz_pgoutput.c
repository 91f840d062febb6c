/*
 * fuzz_pgoutput.c - the decoder of pgoutput. Input: messages as they come in one session, each with its length before it (two bytes, high first); the last one may be
 * cut short. A damaged message ends the session, as in the relay: the decoder is reset and goes on with the next one.
 */
#include "decoded.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct decoder *decoder = decoder_new(PLUGIN_PGOUTPUT);
  struct arena arena;
  size_t at = 0;

  arena_init(&arena, 1024);
  while (size - at >= 2) {
    size_t wanted = (size_t)data[at] << 8 | data[at + 1];
    size_t length = wanted < size - at - 2 ? wanted : size - at - 2;
    char *message = fuzz_exact_copy(span_of((const char *)data + at + 2, length));
    struct change change;
    struct problem problem;

    if (decoder_read(decoder, span_of(message, length), &arena, &change, &problem) == VERDICT_OK) {
      decoded_expect_sound(&change);
    } else {
      decoder_reset(decoder);
    }
    free(message);
    arena_reset(&arena);
    at += 2 + length;
  }
  decoder_free(decoder);
  arena_done(&arena);
  return 0;
}
