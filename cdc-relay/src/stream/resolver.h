/*
 * resolver.h - names to addresses without blocking the loop: getaddrinfo() on a thread of its own, which touches nothing but its own request and signals an
 * eventfd when it is done.
 */
#ifndef STREAM_RESOLVER_H
#define STREAM_RESOLVER_H

#include <stdbool.h>
#include <stddef.h>

enum { RESOLVER_HOSTS_MAX = 32, RESOLVER_ADDRESSES_MAX = 64 };

/* One address to try, in the order of the request; `host` is the name as it was asked for (TLS checks it), `address` its numeric form. */
struct resolved {
  size_t request; /* index into the names asked for */
  char address[64];
};

struct resolver;

/* Starts to resolve `count` (at most RESOLVER_HOSTS_MAX) names, copied. Entries that are NULL are skipped. NULL: no thread could be started. */
struct resolver *resolver_new(const char *const *names, size_t count);
/* Gives the request up: a thread that still runs ends by itself and frees it. Takes NULL. */
void resolver_free(struct resolver *resolver);

int resolver_fd(const struct resolver *resolver); /* readable when done */
bool resolver_is_done(struct resolver *resolver);
/* After it is done: addresses in order. */
size_t resolver_count(const struct resolver *resolver);
const struct resolved *resolver_at(const struct resolver *resolver, size_t index);
/* Why name `request` has no address; NULL when it has one. Static text. */
const char *resolver_error(const struct resolver *resolver, size_t request);

#endif
