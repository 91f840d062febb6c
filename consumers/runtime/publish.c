/*
 * publish.c - consumer_publish(), and nothing else: this file is in a program that calls it, and in no other. By that consumer.c knows, when a program starts, whether it
 * publishes: one without a database has no outbox to publish into, and its first event would be a late moment to find out.
 */
#include <assert.h>

#include "consumption.h"

void consumer_publish(struct consumption *consumption, const struct outbox_event *event)
{
  const struct consumer *consumer = consumption->processing->consumer;
  struct outbox_event with_origin = *event;

  assert(consumption->work != NULL);
  if (with_origin.origin == NULL) {
    with_origin.origin = &consumption->event->origin;
  }
  outbox_publish(consumption->work, consumer->outbox != NULL ? consumer->outbox : &outbox_default, consumer->name, &with_origin);
  if (consumption->published_count < TRANSACTION_PUBLISHED_MAX) {
    struct span type = arena_copy(&consumption->processing->arena, span_of_text(event->type));

    consumption->published[consumption->published_count++] = type.data;
  }
}
