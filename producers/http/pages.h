/*
 * pages.h - what every service serves beside its own routes: /livez, /readyz, /metrics.
 */
#ifndef HTTP_PAGES_H
#define HTTP_PAGES_H

#include <stdbool.h>

#include "service.h"

/* Routes as those of a service, ends with {0}. */
extern const struct http_route pages[];
bool pages_have(const struct http_route *route);

#endif
