/* hex.h - one hexadecimal digit. */
#ifndef HEX_H
#define HEX_H

/* Of either case; -1: it is none. */
static inline int hex_value(char digit)
{
  if (digit >= '0' && digit <= '9') {
    return digit - '0';
  }
  if (digit >= 'a' && digit <= 'f') {
    return digit - 'a' + 10;
  }
  return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

#endif
