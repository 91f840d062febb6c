/* outbox_priv.h - for outbox.c and its test. */
#ifndef OUTBOX_PRIV_H
#define OUTBOX_PRIV_H

#include "outbox.h"

/* The headers of an event as a JSON object, malloc'ed: what is not known is left out. Pure. */
char *outbox_headers(const char *source, const struct outbox_event *event, int64_t wall_us);

#endif
