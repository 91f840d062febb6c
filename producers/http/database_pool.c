/*
 * database_pool.c - a stack of free ones: under little load few connections are ever opened.
 */
#include "database_pool.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "service.h"

struct place {
  struct database *database;
  bool is_away;
};

struct database_pool {
  pthread_mutex_t lock;
  struct figures *figures;
  size_t size;
  size_t free_count;
  size_t free[HTTP_WORKERS_MAX]; /* places; the last one is taken first */
  struct place places[HTTP_WORKERS_MAX];
};

/* Under the lock. */
static void show(const struct database_pool *pool)
{
  size_t away = 0;

  for (size_t i = 0; i < pool->size; i++) {
    away += pool->places[i].is_away;
  }
  instrument_set(pool->figures->pool_in_use, (double)(pool->size - pool->free_count));
  instrument_set(pool->figures->pool_away, (double)away);
}

struct database_pool *database_pool_new(size_t size, const char *conninfo, const char *program, struct figures *figures)
{
  struct database_pool *pool = calloc(1, sizeof(*pool));

  assert(size > 0 && size <= HTTP_WORKERS_MAX);
  if (pool == NULL) {
    abort();
  }
  (void)pthread_mutex_init(&pool->lock, NULL);
  pool->figures = figures;
  pool->size = size;
  for (size_t i = 0; i < size; i++) {
    pool->places[i].database = database_new(conninfo, program);
    pool->free[pool->free_count++] = size - 1 - i;
  }
  instrument_set(figures->pool_size, (double)size);
  show(pool);
  return pool;
}

void database_pool_free(struct database_pool *pool)
{
  if (pool == NULL) {
    return;
  }
  for (size_t i = 0; i < pool->size; i++) {
    database_free(pool->places[i].database);
  }
  (void)pthread_mutex_destroy(&pool->lock);
  free(pool);
}

struct database *database_pool_take(struct database_pool *pool)
{
  struct database *database;

  (void)pthread_mutex_lock(&pool->lock);
  assert(pool->free_count > 0);
  database = pool->places[pool->free[--pool->free_count]].database;
  show(pool);
  (void)pthread_mutex_unlock(&pool->lock);
  return database;
}

void database_pool_give(struct database_pool *pool, struct database *database, bool is_away)
{
  size_t place = 0;

  (void)pthread_mutex_lock(&pool->lock);
  while (pool->places[place].database != database) {
    place++;
  }
  pool->places[place].is_away = is_away;
  pool->free[pool->free_count++] = place;
  show(pool);
  (void)pthread_mutex_unlock(&pool->lock);
}
