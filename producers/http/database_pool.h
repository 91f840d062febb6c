/*
 * database_pool.h - as many database connections as there are workers, lent to one request at a time. Safe from any thread.
 */
#ifndef HTTP_DATABASE_POOL_H
#define HTTP_DATABASE_POOL_H

#include <stdbool.h>
#include <stddef.h>

#include "database.h"
#include "figures.h"

struct database_pool;

/* Opens none. `conninfo`, `program` and `figures` are borrowed for the pool's life. */
struct database_pool *database_pool_new(size_t size, const char *conninfo, const char *program, struct figures *figures);
void database_pool_free(struct database_pool *pool); /* takes NULL */

/* Waits for nothing: who takes no more than `size` at once always gets one. The one that was given back last comes first. */
struct database *database_pool_take(struct database_pool *pool);
/* `is_away`: the last attempt to connect failed. */
void database_pool_give(struct database_pool *pool, struct database *database, bool is_away);

#endif
