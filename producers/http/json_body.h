/*
 * json_body.h - a request's body as a JSON document, or what is wrong with it. Pure.
 */
#ifndef HTTP_JSON_BODY_H
#define HTTP_JSON_BODY_H

#include <jansson.h>
#include <stdbool.h>

#include "span.h"

enum { JSON_BODY_MISTAKE_SIZE = 256 };

/* `application/json`, in any case, with any parameters but a charset other than UTF-8. NULL: no. */
bool json_body_is_announced(const char *content_type);
/*
 * One JSON value of any kind (RFC 8259) no deeper than HTTP_JSON_DEPTH_MAX, without a name twice in an object. NULL: none, and where and why in
 * `ret_mistake`.
 */
json_t *json_body_read(struct span body, char ret_mistake[JSON_BODY_MISTAKE_SIZE]);

#endif
