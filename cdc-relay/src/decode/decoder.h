/*
 * decoder.h - one plugin's bytes -> one neutral change. Pure: no clock, no socket, no log. Two implementations, pgoutput.c and wal2json.c.
 *
 * Bytes from the wire are the world, never asserted: anything malformed, truncated or unknown gives VERDICT_RETRY with the words "damaged ..." and the
 * session is restarted from the server's position.
 */
#ifndef DECODE_DECODER_H
#define DECODE_DECODER_H

#include "arena.h"
#include "decode/change.h"
#include "verdict.h"

enum plugin {
  PLUGIN_PGOUTPUT,
  PLUGIN_WAL2JSON,
};

/* As PostgreSQL knows it; static. */
static inline const char *plugin_name(enum plugin plugin)
{
  return plugin == PLUGIN_WAL2JSON ? "wal2json" : "pgoutput";
}

struct decoder; /* owned by the caller */

/* A fresh decoder; never NULL. Cheap to keep, to be reset at every START_REPLICATION. */
struct decoder *decoder_new(enum plugin plugin);
void decoder_free(struct decoder *decoder); /* takes NULL */

/* Forgets every relation: the server sends them anew after START_REPLICATION, and a relation may have changed meanwhile. */
void decoder_reset(struct decoder *decoder);

/*
 * Decodes the body of one XLogData message. `body` must stay as it is until the arena's reset: results point into it.
 * OK: *ret_change is filled. RETRY: the bytes are damaged (including a row of an unknown relation); the decoder must be reset. Never blocks.
 * Implementation limit: a message is at most 1 GiB (PostgreSQL's MaxAllocSize).
 */
enum verdict MUST_CHECK decoder_read(struct decoder *decoder, struct span body, struct arena *arena, struct change *ret_change, struct problem *problem);

#endif
