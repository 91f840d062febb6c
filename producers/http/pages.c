/*
 * pages.c - probes and figures. None of them waits for anything: /readyz alone is told its answer later.
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

static void readyz(struct exchange *exchange)
{
  if (exchange->priv->site->is_draining) {
    say(exchange, MHD_HTTP_SERVICE_UNAVAILABLE, "not ready: the service ends\n");
  }
}

void pages_tell_readiness(struct exchange *exchange, enum verdict verdict, const struct problem *problem)
{
  if (verdict == VERDICT_OK) {
    say(exchange, MHD_HTTP_OK, "ready\n");
  } else {
    exchange_note(exchange, LOG_WARN, "%s", problem->text);
    say(exchange, MHD_HTTP_SERVICE_UNAVAILABLE, "not ready: the database is away, or does not answer\n");
  }
}

static void metrics(struct exchange *exchange)
{
  size_t length = 0;
  char *text = instruments_text(exchange->priv->site->figures.all, &length);

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
