/* file_text.h - the whole of a small file, with a limit. */
#ifndef CONFIG_FILE_TEXT_H
#define CONFIG_FILE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "config/texts.h"
#include "verdict.h"

/*
 * Reads a regular file of at most `max_bytes`; a pipe or a folder is refused, since it could block or has no end. OK: *ret_text is the pool's, zero-terminated,
 * *ret_length without the zero. RETRY: it cannot be read; `problem` says why and names the file, never what is in it.
 */
enum verdict MUST_CHECK file_text_read(const char *path, size_t max_bytes, struct texts *texts, const char **ret_text, size_t *ret_length,
                                       struct problem *problem);

/*
 * The same for a secret: at most CONFIG_SECRET_MAX_BYTES, one newline at the end cut off, neither empty nor with control characters (`has_lines`: line breaks
 * and tabs are allowed).
 */
enum verdict MUST_CHECK secret_file_read(const char *path, bool has_lines, struct texts *texts, const char **ret_text, struct problem *problem);

/* NULL when every byte may stand in a configuration text, else what is wrong; static. `is_secret`: need not be UTF-8, as it is never shown. */
const char *text_refusal(const char *text, size_t length, bool has_lines, bool is_secret);

#endif
