/*
 * invariant.h - the end of a process that has caught itself in a bug. An invariant that broke means that our idea of the safe position cannot be trusted
 * any more; going on could confirm what Kafka does not have. Ending at once is harmless: PostgreSQL still holds everything behind the last confirmation (I5).
 */
#ifndef ACK_INVARIANT_H
#define ACK_INVARIANT_H

#include "verdict.h"

enum { INVARIANT_LINE_MAX_BYTES = 512 };

/*
 * Writes one line to stderr, `cdc-relay: invariant <name> is broken: <text>`, and ends the process with EXIT_INVARIANT. Never returns. One write(), no
 * buffers, no exit handlers: libraries' own threads may still run, and none of them is to be given another chance to send anything.
 * For bugs of ours only; bytes from outside are refused by whoever reads them.
 */
_Noreturn void invariant_broken(const char *name, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
