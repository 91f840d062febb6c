/* work_priv.h - the steps of a unit of work that work_run() and those who hold one open share. */
#ifndef OUTBOX_WORK_PRIV_H
#define OUTBOX_WORK_PRIV_H

#include "work.h"

/* Connects where necessary and queues BEGIN. */
enum verdict MUST_CHECK work_open(struct database *database, struct work **ret_work, struct work_outcome *outcome);
/* COMMIT, unless something has failed. */
void work_try_commit(struct work *work);
/* What came of the unit so far: OK without a failure. */
enum verdict MUST_CHECK work_judge(struct work *work, struct work_outcome *outcome);
/* Rolls a refused unit back in the round trip of what is asked next, which is asked outside of a transaction; forgets the refusal. */
void work_leave(struct work *work);
/* Rolls back what is not over, gives back all memory, and drops a connection that is of no use. */
void work_close(struct work *work);

#endif
