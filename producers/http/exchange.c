/*
 * exchange.c - what a handler may ask of its request, and the one answer that it leaves behind. Nothing is sent here: server.c does when the handler is back,
 * so that an answer of a unit of work that is done again, or that could not commit, was never on the wire.
 */
#include "exchange.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exchange_priv.h"
#include "refusal.h"
#include "utf8.h"

static const char type_json[] = "application/json";
static const char type_problem[] = "application/problem+json";

const char *http_path_value(const struct exchange *exchange, const char *name)
{
  return route_match_value(&exchange->priv->match, name);
}

const char *http_query_value(const struct exchange *exchange, const char *name)
{
  return query_value(&exchange->priv->query, name);
}

const char *http_request_header(const struct exchange *exchange, const char *name)
{
  const char *value = MHD_lookup_connection_value(exchange->priv->connection, MHD_HEADER_KIND, name);

  return value != NULL && utf8_is_valid(span_of_text(value)) ? value : NULL;
}

const char *http_client_address(const struct exchange *exchange)
{
  return exchange->priv->client_address;
}

void http_uuid_new(struct exchange *exchange, char ret_text[UUID_SIZE])
{
  uuid_next(&exchange->priv->ids, ret_text);
}

static void drop_answer(struct exchange *exchange)
{
  struct answer *answer = &exchange->priv->answer;

  json_decref(answer->document);
  free(answer->text);
  *answer = (struct answer){0};
}

void exchange_clear_answer(struct exchange *exchange)
{
  drop_answer(exchange);
  memset(exchange->priv->published, 0, sizeof(exchange->priv->published));
}

static void set_document(struct exchange *exchange, unsigned int status, json_t *document, const char *content_type)
{
  drop_answer(exchange);
  exchange->priv->answer = (struct answer){.status = status, .document = document, .content_type = content_type};
}

void http_reply(struct exchange *exchange, unsigned int status, json_t *body)
{
  set_document(exchange, status, body, type_json);
}

void exchange_reply_text(struct exchange *exchange, unsigned int status, const char *content_type, char *text, size_t length)
{
  drop_answer(exchange);
  exchange->priv->answer = (struct answer){.status = status, .text = text, .text_length = length, .content_type = content_type};
}

void http_problem(struct exchange *exchange, unsigned int status, const char *format, ...)
{
  char detail[REFUSAL_DETAIL_SIZE];
  va_list arguments;

  va_start(arguments, format);
  (void)vsnprintf(detail, sizeof(detail), format, arguments);
  va_end(arguments);
  set_document(exchange, status, refusal_new(status, exchange->origin.correlation_id, detail, NULL), type_problem);
}

void http_problem_tell(struct exchange *exchange, const char *name, json_t *value)
{
  (void)json_object_set_new(exchange->priv->answer.document, name, value);
}

bool http_fields_are_sound(struct exchange *exchange, const struct fields *fields)
{
  char detail[64];

  if (fields->mistake_count == 0) {
    return true;
  }
  (void)snprintf(detail, sizeof(detail), fields->mistake_count == 1 ? "%zu field is wrong" : "%zu fields are wrong", fields->mistake_count);
  set_document(exchange, MHD_HTTP_BAD_REQUEST, refusal_new(MHD_HTTP_BAD_REQUEST, exchange->origin.correlation_id, detail, fields), type_problem);
  return false;
}

void http_use_up(struct exchange *exchange, const char *words)
{
  exchange->priv->used_up = words;
}

/* Its place in the service's list, or the one behind the last possible. */
static size_t place_of_type(const struct http_service *service, const char *type)
{
  for (size_t i = 0; service->event_types != NULL && service->event_types[i] != NULL; i++) {
    if (strcmp(service->event_types[i], type) == 0) {
      return i;
    }
  }
  return HTTP_EVENT_TYPES_MAX;
}

void http_publish(struct exchange *exchange, struct work *work, const struct outbox_event *event)
{
  const struct http_service *service = exchange->priv->site->service;
  struct outbox_event complete = *event;

  if (complete.origin == NULL) {
    complete.origin = &exchange->origin;
  }
  outbox_publish(work, service->outbox != NULL ? service->outbox : &outbox_default, service->name, &complete);
  exchange->priv->published[place_of_type(service, event->type)]++;
}

void exchange_count_published(struct exchange *exchange, bool is_committed)
{
  struct exchange_priv *priv = exchange->priv;

  for (size_t i = 0; i <= HTTP_EVENT_TYPES_MAX; i++) {
    if (is_committed && priv->published[i] > 0) {
      instrument_add(priv->site->figures.published, priv->published[i], i < HTTP_EVENT_TYPES_MAX ? priv->site->service->event_types[i] : "other");
    }
    priv->published[i] = 0;
  }
}

void exchange_come_again(struct exchange *exchange, const char *why)
{
  const struct exchange_priv *priv = exchange->priv;

  if (priv->used_up != NULL) {
    http_problem(exchange, MHD_HTTP_SERVICE_UNAVAILABLE, "%s, and this attempt did nothing; %s", why, priv->used_up);
  } else if (priv->idempotency_key != NULL || priv->has_claim) {
    http_problem(exchange, MHD_HTTP_SERVICE_UNAVAILABLE,
                 "%s, and this attempt did nothing; whether an earlier one with this Idempotency-Key took effect is told to who repeats it with the same key",
                 why);
  } else {
    http_problem(exchange, MHD_HTTP_SERVICE_UNAVAILABLE, "%s, and nothing was done; try again in a moment", why);
  }
}

void exchange_note(struct exchange *exchange, enum log_level level, const char *format, ...)
{
  va_list arguments;

  va_start(arguments, format);
  (void)vsnprintf(exchange->priv->reason, sizeof(exchange->priv->reason), format, arguments);
  va_end(arguments);
  exchange->priv->level = level;
}

const char *exchange_route(const struct exchange *exchange)
{
  const struct http_route *route = exchange->priv->match.route;

  return route != NULL ? route->path : "unmatched";
}
