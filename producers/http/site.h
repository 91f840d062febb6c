/*
 * site.h - what all requests of a service share. Made by service.c before the first request, taken away after the last one.
 */
#ifndef HTTP_SITE_H
#define HTTP_SITE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "crowd.h"
#include "database_pool.h"
#include "figures.h"
#include "idempotency.h"
#include "log.h"
#include "service.h"

struct site {
  const struct http_service *service;
  struct log log;
  struct figures figures;
  struct crowd *crowd;
  struct database_pool *pool;
  struct idempotency *idempotency; /* NULL: the service stores no answers */
  atomic_bool is_draining;
  atomic_size_t in_hand; /* requests whose head is there and whose answer is not out */
};

#endif
