/* relay_pages.h - /livez, /readyz, /metrics, /status: what the running relay shows, gathered from all stages. */
#ifndef RELAY_PAGES_H
#define RELAY_PAGES_H

#include "admin.h"

/* For admin_open(); the context is the struct relay. */
extern const struct admin_route relay_pages[];

#endif
