/*
 * site.h - what all requests of a service share. Made by service.c before the first request, taken away after the last one. What workers use is safe from any
 * thread; the rest is for the thread that has the connections.
 */
#ifndef HTTP_SITE_H
#define HTTP_SITE_H

#include <stdbool.h>
#include <stddef.h>

#include "crowd.h"
#include "figures.h"
#include "idempotency.h"
#include "log.h"
#include "service.h"

struct site {
  const struct http_service *service;
  struct log log;
  struct figures figures;
  struct idempotency *idempotency; /* NULL: the service stores no answers */
  /* For the thread that has the connections alone. */
  bool is_draining;
  struct crowd *crowd;
  size_t in_hand; /* requests whose head is there and whose answer is not out */
};

#endif
