/* decoder.c - picks the implementation by plugin and forwards. */
#include "decode/decoder.h"

#include "decode/decoder_priv.h"

struct decoder *decoder_new(enum plugin plugin)
{
  return plugin == PLUGIN_WAL2JSON ? wal2json_new() : pgoutput_new();
}

void decoder_free(struct decoder *decoder)
{
  if (decoder != NULL) {
    decoder->ops->free(decoder);
  }
}

void decoder_reset(struct decoder *decoder)
{
  decoder->ops->reset(decoder);
}

enum verdict decoder_read(struct decoder *decoder, struct span body, struct arena *arena, struct change *ret_change, struct problem *problem)
{
  return decoder->ops->read(decoder, body, arena, ret_change, problem);
}
