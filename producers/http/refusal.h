/*
 * refusal.h - a problem document (RFC 9457): what a client reads of an answer from 400 up. Pure.
 *
 *   {"type":"about:blank","title":"Bad Request","status":400,"detail":"2 fields are wrong","correlationId":"...","errors":[{"field":"price","message":"..."}]}
 */
#ifndef HTTP_REFUSAL_H
#define HTTP_REFUSAL_H

#include <jansson.h>

#include "fields.h"

enum { REFUSAL_DETAIL_SIZE = 1024 };

/* `fields` NULL: no list of errors. Texts may hold any bytes: what is no UTF-8 is shown as `?`. */
json_t *refusal_new(unsigned int status, const char *correlation_id, const char *detail, const struct fields *fields);

#endif
