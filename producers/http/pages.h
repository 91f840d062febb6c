/*
 * pages.h - what every service serves beside its own routes: /livez, /readyz, /metrics.
 */
#ifndef HTTP_PAGES_H
#define HTTP_PAGES_H

#include <stdbool.h>

#include "service.h"

/* Routes as those of a service, ends with {0}. Their handlers never block; that of /readyz leaves no answer where the database has to be asked. */
extern const struct http_route pages[];
bool pages_have(const struct http_route *route);
/* The answer of /readyz: OK, or why not. */
void pages_tell_readiness(struct exchange *exchange, enum verdict verdict, const struct problem *problem);

#endif
