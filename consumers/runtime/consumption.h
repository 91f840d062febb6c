/* consumption.h - what the calls of consumer.h know of the handler that makes them: for transaction.c, which makes one, and publish.c. */
#ifndef CONSUMPTION_H
#define CONSUMPTION_H

#include "transaction.h"

struct consumption {
  struct processing *processing;
  struct work *work; /* NULL: the consumer has no database */
  const struct event *event;
  bool is_ignored;
  size_t published_count;
  const char *published[TRANSACTION_PUBLISHED_MAX];
};

#endif
