/*
 * redis_url.h - REDIS_URL: `redis://[[user]:password@]host[:port][/database]`. An IPv6 address stands in brackets; user and password are percent-decoded. Pure.
 */
#ifndef REDIS_URL_H
#define REDIS_URL_H

#include "redis_reservation.h"

enum { REDIS_PORT_DEFAULT = 6379, REDIS_DATABASE_MAX = 65535 };

/* OK: address, user, password and database of *ret_settings are written, the texts owned by it: redis_settings_done(). FATAL: it is none; the words never quote it. */
enum verdict MUST_CHECK redis_url_read(const char *url, struct redis_settings *ret_settings, struct problem *problem);
void redis_settings_done(struct redis_settings *settings);

#endif
