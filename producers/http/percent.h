/*
 * percent.h - `%20` and the like (RFC 3986, section 2.1) read back into text. Pure.
 */
#ifndef HTTP_PERCENT_H
#define HTTP_PERCENT_H

#include <stdbool.h>
#include <stddef.h>

#include "span.h"

/*
 * Writes the text that `encoded` means and a zero behind it; `ret_text` has room for encoded.length + 1. False where it means no text: an escape that is none,
 * a control character, or bytes that are not UTF-8.
 */
bool percent_decode(struct span encoded, char *ret_text);

#endif
