/*
 * idempotency.h - answers kept for requests that may come again: http_transact() of exchange.h, and the table behind it.
 *
 *     CREATE TABLE orders.request_answer (
 *       key text PRIMARY KEY, route text NOT NULL, digest bytea NOT NULL, status integer, body text, created_at timestamptz NOT NULL DEFAULT now());
 *
 * `body` is the answer's JSON as it went to the client, byte for byte; a column of type json does as well, one of jsonb would give other bytes to whoever asks again.
 * The service's role needs SELECT, INSERT, UPDATE and DELETE on it. An index on created_at makes the removal of old rows cheap.
 */
#ifndef HTTP_IDEMPOTENCY_H
#define HTTP_IDEMPOTENCY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "database.h"
#include "verdict.h"

enum {
  IDEMPOTENCY_BATCH = 500,      /* rows removed in one transaction */
  IDEMPOTENCY_BATCHES_MAX = 20, /* in one sweep */
  IDEMPOTENCY_ATTEMPTS_MAX = 3, /* of a request whose key is taken by an answer that goes away; then 503 */
};

struct idempotency;

/* `table`: as the service's own source names it, schema and all; trusted, put into SQL as it is. */
struct idempotency *idempotency_new(const char *table);
void idempotency_free(struct idempotency *idempotency); /* takes NULL */

/* 1 to HTTP_IDEMPOTENCY_KEY_MAX_BYTES visible ASCII characters. Pure. */
bool idempotency_key_is_sound(const char *key);

/* Removes answers older than `ttl_s`, in small transactions; *ret_removed counts them in any case. Blocks; one caller at a time. */
enum verdict MUST_CHECK idempotency_sweep(struct idempotency *idempotency, struct database *database, int64_t ttl_s, size_t *ret_removed,
                                          struct problem *problem);

#endif
