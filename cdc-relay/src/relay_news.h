/*
 * relay_news.h - the log lines of a running relay, and the counters that go with them. A lasting trouble is one line when it begins and one a minute, not one per
 * retry; a change of state is a line, unless it is a step of such a trouble.
 */
#ifndef RELAY_NEWS_H
#define RELAY_NEWS_H

#include "relay_priv.h"

/* Fills relay->observer. */
void news_observe(struct relay *relay);

void news_starting(struct relay *relay);
void news_warnings(struct relay *relay);
void news_admin(struct relay *relay);
void news_refused(struct relay *relay, const struct problem *problem);
void news_init(struct relay *relay, enum verdict verdict, bool created, const struct problem *problem);
void news_reloaded(struct relay *relay, enum verdict verdict, bool changed, const struct problem *problem);
void news_catalog_changed(struct relay *relay);
void news_stopping(struct relay *relay, int signal);
void news_second_signal(struct relay *relay, int signal);
void news_stopped(struct relay *relay);
void news_monitor_lost(struct relay *relay, const struct problem *problem);
void news_ignored(struct relay *relay, size_t entry, enum ignored_op op, uint64_t count);
/* The lines of once a minute. */
void news_each_turn(struct relay *relay, const struct session_figures *figures);

#endif
