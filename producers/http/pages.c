/*
 * pages.c - probes and figures.
 *
 *   /livez     200 while requests are answered at all: it asks nobody, since a service whose database is away must not be started again for it
 *   /readyz    200 when the database answers a question, 503 when not, and while the service ends
 *   /metrics   Prometheus' text
 */
#include "pages.h"

#include <stdlib.h>
#include <string.h>

#include "exchange_priv.h"
#include "exposition_text.h"
#include "work.h"

static const char text_plain[] = "text/plain; charset=utf-8";

static void say(struct exchange *exchange, unsigned int status, const char *words)
{
  char *text = strdup(words);

  exchange_reply_text(exchange, status, text_plain, text, text != NULL ? strlen(text) : 0);
}

static void livez(struct exchange *exchange)
{
  say(exchange, MHD_HTTP_OK, "alive\n");
}

static enum work_end ask(struct work *work, void *context)
{
  static const struct statement question = {"http_ready", "SELECT 1"};

  (void)context;
  return work_query(work, &question, 0, NULL) != NULL ? WORK_ROLLBACK : WORK_FAILED;
}

static void readyz(struct exchange *exchange)
{
  struct site *site = exchange->priv->site;
  struct database *database;
  struct work_outcome outcome;
  struct problem problem;
  enum verdict verdict;

  if (atomic_load(&site->is_draining)) {
    say(exchange, MHD_HTTP_SERVICE_UNAVAILABLE, "not ready: the service ends\n");
    return;
  }
  database = database_pool_take(site->pool);
  verdict = database_connect(database, &problem);
  if (verdict == VERDICT_OK) {
    verdict = work_run(database, ask, NULL, &outcome);
    problem = outcome.problem;
  }
  database_pool_give(site->pool, database, verdict != VERDICT_OK);
  if (verdict == VERDICT_OK) {
    say(exchange, MHD_HTTP_OK, "ready\n");
  } else {
    exchange_note(exchange, LOG_WARN, "%s", problem.text);
    say(exchange, MHD_HTTP_SERVICE_UNAVAILABLE, "not ready: the database is away\n");
  }
}

static void metrics(struct exchange *exchange)
{
  struct site *site = exchange->priv->site;
  size_t length = 0;
  char *text;

  instrument_set(site->figures.connections, (double)crowd_count(site->crowd));
  text = instruments_text(site->figures.all, &length);
  exchange_reply_text(exchange, MHD_HTTP_OK, EXPOSITION_TEXT_TYPE, text, length);
}

const struct http_route pages[] = {
    {"GET", "/livez", livez},
    {"GET", "/readyz", readyz},
    {"GET", "/metrics", metrics},
    {0},
};

bool pages_have(const struct http_route *route)
{
  return route == &pages[0] || route == &pages[1] || route == &pages[2];
}
