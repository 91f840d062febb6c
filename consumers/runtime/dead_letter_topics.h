/*
 * dead_letter_topics.h - whether the topics are there that a consumer's dead letters go to. One that is missing hurts nobody before the first event is given up: then
 * its letter holds the relay of the whole database. So it is looked for when the consumer starts, by a thread of its own with a client of its own, and said in time:
 *
 *     dead_letter_topic_missing   a line of the log, with what mends it, once
 *     dead_letter_topic_there     when it has been made
 *     consumer_dead_letter_topic_missing{topic}   1 or 0; no series while it is not known, nor where this consumer may not see the topic
 *
 * While one is missing or not known it is looked for again; when all are there (or may not be seen) thread and client end. Makes no topic.
 */
#ifndef DEAD_LETTER_TOPICS_H
#define DEAD_LETTER_TOPICS_H

#include "consumer.h"
#include "figures.h"
#include "log.h"
#include "settings.h"

enum {
  DEAD_LETTER_TOPICS_ANSWER_MS = 1000, /* so long the end of the program may wait for it */
  DEAD_LETTER_TOPICS_UNKNOWN_INTERVAL_MS = 1000,
  DEAD_LETTER_TOPICS_MISSING_INTERVAL_MS = 10000,
};

struct dead_letter_topics;

/* Everything is borrowed until dead_letter_topics_free(). NULL: the consumer gives nothing up, or no client could be made, which the loop's own will say. */
struct dead_letter_topics *dead_letter_topics_watch(const struct consumer *consumer, const struct settings *settings, const struct log *log,
                                                    struct figures *figures);
void dead_letter_topics_free(struct dead_letter_topics *topics); /* takes NULL; waits for a look that is under way */

#endif
