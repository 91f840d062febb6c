/*
 * figures.h - what a consumer counts, for /metrics. Labels are the program's words and Kafka's places: a type that no table of ours names is `other`.
 */
#ifndef FIGURES_H
#define FIGURES_H

#include "instrument.h"

struct figures {
  struct instruments *instruments;
  const char *service;
  struct instrument *consumed;     /* service, topic, type, outcome */
  struct instrument *published;    /* service, type */
  struct instrument *duplicates;   /* topic */
  struct instrument *retries;      /* topic, class */
  struct instrument *dead_letters; /* topic, class */
  struct instrument *processing;   /* topic */
  struct instrument *freshness;    /* topic */
  struct instrument *lag;          /* topic, partition */
  struct instrument *waiting;      /* topic, partition */
  struct instrument *refused;      /* topic, cause */
  struct instrument *assigned;
  struct instrument *dead_letter_topic_missing; /* topic */
  struct instrument *own;                       /* type, outcome; under the program's name, NULL: none */
};

/* What became of an event: the label `outcome`. */
#define OUTCOME_HANDLED     "handled"
#define OUTCOME_DUPLICATE   "duplicate"
#define OUTCOME_IGNORED     "ignored"   /* the handler said so */
#define OUTCOME_UNHANDLED   "unhandled" /* no handler for its type */
#define OUTCOME_DEAD_LETTER "dead_lettered"

#define TYPE_OTHER "other"

/* Counts an event. */
void figures_consumed(struct figures *figures, const char *topic, const char *type, const char *outcome);

/* `service` and `own` (may be NULL) are static. */
void figures_open(struct figures *figures, const char *service, const char *own);
/* What counts failures is there with 0 from the beginning for a topic that is subscribed to: a series that begins with 1 has not grown for who asks Prometheus for increases. */
void figures_expect(struct figures *figures, const char *topic);
void figures_close(struct figures *figures);

#endif
