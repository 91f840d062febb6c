/* decoder_priv.h - the seam between the two plugins; included by decoder.c, pgoutput.c and wal2json.c only. */
#ifndef DECODE_DECODER_PRIV_H
#define DECODE_DECODER_PRIV_H

#include "decode/decoder.h"

struct decoder_ops {
  enum verdict (*read)(struct decoder *decoder, struct span body, struct arena *arena, struct change *ret_change, struct problem *problem);
  void (*reset)(struct decoder *decoder);
  void (*free)(struct decoder *decoder);
};

/* First member of each implementation's own struct. */
struct decoder {
  const struct decoder_ops *ops;
};

struct decoder *pgoutput_new(void);
struct decoder *wal2json_new(void);

#endif
