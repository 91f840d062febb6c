/*
 * text_out.h - text of unknown length, written like a file: SQL, commands, lists, pages. Text that is cut short, or has a hole, would be another command, so a lack of
 * memory ends the process.
 */
#ifndef TEXT_OUT_H
#define TEXT_OUT_H

#include <stddef.h>
#include <stdio.h>

/* Never NULL. *ret_text is whole after text_close(), malloc'ed, the caller's; *ret_length is its length. */
FILE *text_open(char **ret_text, size_t *ret_length);
void text_close(FILE *out);

#endif
