/* hoard_mutant.h - the memory of the mutant FULL_QUEUE_HOARDS (lib/fault_point.h). Only in a build with CDC_FAULTS. */
#ifndef SESSION_HOARD_MUTANT_H
#define SESSION_HOARD_MUTANT_H

#include <stdbool.h>

struct session;

/* The record in hand is copied, and counts as in flight. False: it stays in hand, as without the mutant. */
bool hoard_mutant_keep(struct session *session);
/* Gives the publisher what is kept, the oldest first. False: some is left, or the session is over. */
bool hoard_mutant_publish(struct session *session);
void hoard_mutant_forget(void);

#endif
