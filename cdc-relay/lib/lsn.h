/*
 * lsn.h - positions in PostgreSQL's write-ahead log. Text form as PostgreSQL prints pg_lsn: two hexadecimal halves, `16/B374D848`.
 */
#ifndef LSN_H
#define LSN_H

#include <stdint.h>

#include "verdict.h"

typedef uint64_t Lsn; /* byte position; 0 is PostgreSQL's InvalidXLogRecPtr */

enum { LSN_TEXT_SIZE = 18 }; /* "FFFFFFFF/FFFFFFFF" and the zero */

struct lsn_text {
  char text[LSN_TEXT_SIZE];
};

/* By value, so that it can stand in an argument list: lsn_text(lsn).text. */
struct lsn_text lsn_text(Lsn lsn);

/* Reads `length` bytes, all of them, as PostgreSQL's pg_lsn input does (1 to 8 hexadecimal digits each side). OK, or FATAL (*ret_lsn untouched). */
enum verdict MUST_CHECK lsn_parse(const char *text, size_t length, Lsn *ret_lsn);

#endif
