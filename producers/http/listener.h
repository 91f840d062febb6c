/*
 * listener.h - the socket that clients find the service by.
 */
#ifndef HTTP_LISTENER_H
#define HTTP_LISTENER_H

#include <stdint.h>

#include "variable.h"
#include "verdict.h"

enum { LISTENER_BACKLOG = 1024 };

/*
 * OK: bound and listening; the port in use in *ret_port, which the kernel chose where 0 was asked for. FATAL: taken, not ours, not allowed. May wait for
 * a resolver.
 */
enum verdict MUST_CHECK listener_open(const struct address *address, int *ret_fd, uint16_t *ret_port, struct problem *problem);

#endif
