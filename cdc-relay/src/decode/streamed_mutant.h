/* streamed_mutant.h - the reader of the mutant ROLLED_BACK_KEPT (lib/fault_point.h), which has asked for open transactions. Only in a build with CDC_FAULTS. */
#ifndef DECODE_STREAMED_MUTANT_H
#define DECODE_STREAMED_MUTANT_H

#include <stdbool.h>

#include "decode/change.h"

/* True: *ret_change is what the message means. False: *body is to be read as usual. */
bool streamed_mutant_read(struct span *body, struct change *ret_change);

#endif
