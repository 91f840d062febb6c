/*
 * text_out.h - text of unknown length, written like a file: SQL, commands, lists. Text that is cut short would be another command, so a lack of memory ends the
 * process.
 */
#ifndef STREAM_TEXT_OUT_H
#define STREAM_TEXT_OUT_H

#include <stdio.h>

/* Never NULL. *ret_text is there after text_close(), malloc'ed; *ret_size is its length. */
FILE *text_open(char **ret_text, size_t *ret_size);
void text_close(FILE *out);

#endif
