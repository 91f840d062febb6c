/*
 * sender.h - the port through which notifications leave: to a mail provider in earnest, to the log or a file here.
 *
 * What is sent cannot be taken back by a database. So every notice carries the event's id as its idempotency key: whoever sends twice, since the process died between
 * sending and committing, sends the same key, and a provider that honours it drops the second. Log and file do not; they show the key.
 */
#ifndef SENDER_H
#define SENDER_H

#include <stdint.h>

#include "log.h"
#include "verdict.h"

enum sender_kind { SENDER_LOG, SENDER_FILE };

struct sender_settings {
  enum sender_kind kind;
  const char *file;        /* FILE alone */
  const char *fail_prefix; /* customers whose id begins so cannot be reached; `-` or empty: none */
};

/* Texts are borrowed for the call. */
struct notice {
  const char *topic; /* of the event that it is about, for log lines, as are the next four */
  int32_t partition;
  int64_t offset;
  const char *event_id;
  const char *correlation_id;
  const char *idempotency_key;
  const char *kind; /* ORDER_CREATED, ORDER_SHIPPED */
  const char *order_id;
  const char *customer_id;
  const char *recipient;
  const char *text;
};

struct sender;

/* OK: an open sender; settings and log are borrowed for its life. FATAL: the file cannot be written. */
enum verdict MUST_CHECK sender_open(const struct sender_settings *settings, const struct log *log, struct sender **ret_sender, struct problem *problem);
void sender_close(struct sender *sender); /* takes NULL */

/* OK: handed over. FATAL: refused, for this recipient. RETRY: the way out is broken (a full disk), for whomever. Blocks as long as a write does. */
enum verdict MUST_CHECK sender_send(struct sender *sender, const struct notice *notice, struct problem *problem);

#endif
