/*
 * streamed_mutant.c - what a relay would do that asked for proto_version 2 with streaming and took each block of a transaction that is still open for a
 * transaction of its own. A block is kept whatever becomes of it: aborts of transactions and of subtransactions are read and forgotten.
 *
 *   S block begins   xid(4), first(1)                 a begin, with a made-up commit LSN right behind the last one
 *   E block ends                                      a commit at the same place
 *   c commit         xid(4), flags(1), lsn, end       nothing
 *   A abort          xid(4), subtransaction's(4)      nothing
 *   any other one inside a block has the xid (4) behind its type
 */
#include "decode/streamed_mutant.h"

#ifdef CDC_FAULTS

#include <endian.h>
#include <string.h>

enum { END_OF_COMMIT = 10, END_OF_STREAM_COMMIT = 14, XID_BYTES = 4, MESSAGE_MAX_BYTES = 1 << 20 };

static bool is_in_block;
static Lsn last_lsn;
static char stripped[MESSAGE_MAX_BYTES];

static Lsn lsn_at(struct span body, size_t at)
{
  uint64_t integer = 0;

  if (body.length >= at + sizeof(integer)) {
    memcpy(&integer, body.data + at, sizeof(integer));
  }
  return be64toh(integer);
}

bool streamed_mutant_read(struct span *body, struct change *ret_change)
{
  *ret_change = (struct change){.kind = CHANGE_NONE};
  switch (body->data[0]) {
  case 'S':
    is_in_block = true;
    *ret_change = (struct change){.kind = CHANGE_BEGIN, .commit_lsn = ++last_lsn};
    return true;
  case 'E':
    is_in_block = false;
    *ret_change = (struct change){.kind = CHANGE_COMMIT, .commit_lsn = last_lsn, .end_lsn = last_lsn};
    return true;
  case 'c':
    last_lsn = lsn_at(*body, END_OF_STREAM_COMMIT);
    return true;
  case 'A':
    return true;
  case 'B':
    is_in_block = false;
    return false;
  case 'C':
    last_lsn = lsn_at(*body, END_OF_COMMIT);
    return false;
  default:
    break;
  }
  if (is_in_block && body->length > XID_BYTES && body->length - XID_BYTES <= sizeof(stripped)) {
    stripped[0] = body->data[0];
    memcpy(stripped + 1, body->data + 1 + XID_BYTES, body->length - 1 - XID_BYTES);
    *body = span_of(stripped, body->length - XID_BYTES);
  }
  return false;
}

#endif
