/*
 * alert.h - tells people of a dead letter, by a Slack-compatible webhook and by e-mail. An alert is a row of dday.alert, written in the transaction of what it is about:
 * it is neither lost nor sent for something that did not happen, and whoever handles events never waits for a mail server. A thread sends the rows.
 *
 *     PENDING --taken--> attempts + 1, next_at a minute ahead --sent--> SENT
 *        ^------------------- next_at by backoff <--failed--'             a death on the way: tried again when next_at has come
 *
 * At least once: a death between sending and noting it sends again. Mails carry a Message-ID of their own, so that the second can be told.
 */
#ifndef ALERT_H
#define ALERT_H

#include <stdint.h>

#include "instrument.h"
#include "log.h"
#include "work.h"

enum {
  ALERT_SUBJECT_MAX_BYTES = 200,
  ALERT_TEXT_MAX_BYTES = 4000,
  ALERT_LEASE_S = 60,       /* nobody else takes a row that was taken so short a time ago */
  ALERT_TIMEOUT_MS = 15000, /* of one attempt; shorter than the lease */
  ALERT_POLL_MS = 500,      /* between two looks at the table */
};

/* Texts are borrowed for as long as the alerts run. */
struct alert_settings {
  const char *webhook_url; /* empty: no webhook */
  const char *smtp_url;    /* smtp://host:port or smtps://; empty: no e-mail */
  const char *smtp_user;   /* empty: none. With a user the connection is encrypted or there is none */
  const char *smtp_password;
  const char *mail_from;
  const char *mail_to; /* addresses, commas between: alert_way_recipients() */
  int64_t retry_first_ms;
  int64_t retry_most_ms;
};

struct alert {
  const char *event_id;
  const char *subject; /* one line */
  const char *text;
};

/* Queues a row for each way that is set. */
void alert_queue(const struct alert_settings *settings, struct work *work, const struct alert *alert);

struct alerts;

/* Starts the thread, with a connection of its own. `instruments`: member_alerts_total{channel,outcome}, 0 from the beginning. */
struct alerts *alerts_start(const struct alert_settings *settings, const char *database_url, const struct log *log, struct instruments *instruments);
/* Ends it behind what it has in hand: at most ALERT_TIMEOUT_MS. Takes NULL. */
void alerts_stop(struct alerts *alerts);

#endif
