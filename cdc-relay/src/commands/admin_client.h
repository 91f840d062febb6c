/* admin_client.h - one GET on a running relay's admin server. Blocks, at most ADMIN_CLIENT_TIMEOUT_S per step. */
#ifndef COMMANDS_ADMIN_CLIENT_H
#define COMMANDS_ADMIN_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "verdict.h"

enum { ADMIN_CLIENT_TIMEOUT_S = 5, ADMIN_CLIENT_BODY_MAX_BYTES = 4 << 20 };

/*
 * OK: *ret_status, and *ret_body (malloc'ed, zero-terminated) unless NULL. RETRY: nobody listens, no answer in time, or one that is no HTTP. A listening address that
 * means all (0.0.0.0, ::) is asked by loopback.
 */
enum verdict MUST_CHECK admin_client_get(const char *host, uint16_t port, const char *path, int *ret_status, char **ret_body, struct problem *problem);

#endif
