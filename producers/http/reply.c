/*
 * reply.c - all of a reply is made by whoever has the answer, a worker for the most part, so that nothing is left to the thread that has all connections but to
 * send it.
 */
#include "reply.h"

#include <string.h>

#include "pages.h"

static void log_request(const struct request *request, double seconds)
{
  const struct exchange_priv *priv = &request->priv;
  enum log_level level = pages_have(priv->match.route) && priv->level == LOG_INFO ? LOG_DEBUG : priv->level;

  log_event(&request->site->log, level, "request", log_text("method", figures_method(priv->method)), log_text("route", exchange_route(&request->exchange)),
            log_int("status", priv->answer.status), log_real("duration_ms", (double)(int64_t)(seconds * 1e6) / 1e3),
            log_text("correlation_id", request->exchange.origin.correlation_id), log_text("replayed", priv->answer.is_replayed ? "true" : NULL),
            log_text("reason", priv->reason[0] != '\0' ? priv->reason : NULL));
}

static void add_header(struct MHD_Response *response, const char *name, const char *value)
{
  (void)MHD_add_response_header(response, name, value);
}

static struct MHD_Response *make_response(struct answer *answer)
{
  struct MHD_Response *response;

  if (answer->document != NULL) {
    answer->text = json_dumps(answer->document, JSON_COMPACT | JSON_ENCODE_ANY);
    if (answer->text == NULL) {
      return NULL;
    }
    answer->text_length = strlen(answer->text);
  }
  if (answer->text == NULL) {
    response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
  } else {
    response = MHD_create_response_from_buffer(answer->text_length, answer->text, MHD_RESPMEM_MUST_FREE);
    if (response != NULL) {
      answer->text = NULL; /* libmicrohttpd's now */
      add_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->content_type);
    }
  }
  return response;
}

void reply_make(struct request *request)
{
  struct site *site = request->site;
  struct answer *answer = &request->priv.answer;
  double seconds = (double)(moment_now().mono_us - request->began.mono_us) / US_PER_S;
  struct MHD_Response *response = make_response(answer);

  request->response = response;
  if (response == NULL) {
    log_event(&site->log, LOG_ERROR, "request_without_answer", log_text("route", exchange_route(&request->exchange)),
              log_text("correlation_id", request->exchange.origin.correlation_id), log_text("reason", "out of memory, or the answer is no JSON"));
    return;
  }
  add_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
  add_header(response, "X-Content-Type-Options", "nosniff");
  add_header(response, "X-Correlation-Id", request->exchange.origin.correlation_id);
  if (answer->status == MHD_HTTP_SERVICE_UNAVAILABLE && !answer->is_in_doubt && request->priv.used_up == NULL) {
    add_header(response, MHD_HTTP_HEADER_RETRY_AFTER, "1");
  }
  if (answer->status == MHD_HTTP_METHOD_NOT_ALLOWED) {
    add_header(response, MHD_HTTP_HEADER_ALLOW, request->priv.match.allow);
  }
  if (answer->is_replayed) {
    add_header(response, "Idempotency-Replayed", "true");
  }
  /* Before the answer is out: who has read it may look at the figures next. */
  figures_count_request(&site->figures, exchange_route(&request->exchange), request->priv.method, answer->status, seconds);
  log_request(request, seconds);
}
