/*
 * exposition_text.h - the parts of Prometheus' text exposition (0.0.4) and of OpenMetrics that any bytes and any number may stand in. Errors stay in `out`.
 */
#ifndef EXPOSITION_TEXT_H
#define EXPOSITION_TEXT_H

#include <stdio.h>

#define EXPOSITION_TEXT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* With as many digits as it takes to read the same number again; `NaN`, `+Inf`, `-Inf`. */
void exposition_text_put_number(FILE *out, double value);
/* `{name="value"`, with `separator` for the brace; `name` as it is, `value` escaped, UTF-8 whatever it was. */
void exposition_text_put_label(FILE *out, const char *separator, const char *name, const char *value);
/* What stands behind `# HELP name `: escaped as 0.0.4 has it, where a quote is none. */
void exposition_text_put_help(FILE *out, const char *help);

#endif
