/*
 * readiness.h - whether the database answers now, asked on a thread and a connection of its own, so that whoever asks us is never kept waiting by it.
 *
 * Requests that ask while a question is under way share its answer. All but the start and the end is for one thread, which is woken by a descriptor.
 */
#ifndef HTTP_READINESS_H
#define HTTP_READINESS_H

#include <stdbool.h>
#include <stdint.h>

#include "verdict.h"
#include "workers.h"

enum {
  READINESS_WAIT_MAX_MS = 800, /* less than the second that probes usually wait */
  READINESS_STOP_MAX_S = 1,
};

struct readiness;

/* `conninfo` and `program` are borrowed until readiness_stop(); `bell_fd`, an eventfd, is written to when there is an answer. Connects at the first question. */
struct readiness *readiness_start(const char *conninfo, const char *program, int bell_fd);
/* Waits for the question under way, up to READINESS_STOP_MAX_S. False: it is still there, with all that it uses. Takes NULL. */
bool MUST_CHECK readiness_stop(struct readiness *readiness);

/* Borrows `task` until it is given back. */
void readiness_ask(struct readiness *readiness, struct task *task, int64_t now_us);
/*
 * The next task that can be told: *ret_verdict OK: the database answers; else *problem says why not, too late an answer among the reasons. NULL: none so far.
 */
struct task *readiness_take(struct readiness *readiness, int64_t now_us, enum verdict *ret_verdict, struct problem *problem);
/* When readiness_take() is to be called next, unless the bell rings before; INT64_MAX: nobody waits. */
int64_t readiness_due_us(const struct readiness *readiness);

#endif
