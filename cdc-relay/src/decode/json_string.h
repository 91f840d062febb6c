/* json_string.h - the inside of a JSON string; the part of json_scanner.h that looks at every byte, eight at a time where it can. */
#ifndef DECODE_JSON_STRING_H
#define DECODE_JSON_STRING_H

#include "arena.h"
#include "span.h"

/*
 * `at` stands on the opening quote. Returns the byte behind the closing one; NULL when there is none before `end`, or a control character or an escape that JSON
 * does not know comes first. *ret_has_escapes is set unless NULL is returned.
 */
const char *json_string_end(const char *at, const char *end, bool *ret_has_escapes);

/* The text of what stands between the quotes of a string that json_string_end() found, in the arena. False: \u0000, or half of a surrogate pair. */
bool json_string_unescape(struct span escaped, struct arena *arena, struct span *ret_text);

#endif
