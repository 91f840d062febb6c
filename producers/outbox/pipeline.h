/*
 * pipeline.h - what was sent on a connection in libpq's pipeline mode and not yet answered; for database.c and work.c alone.
 *
 *     sent      BEGIN  prepare a  a  prepare b  b  Sync  |  b  a  COMMIT  Sync
 *     answers   ------------ in the same order, each once -------------------->
 *
 * An error makes the server skip everything up to the next Sync: those answer that they were skipped, and a statement whose preparation is among them is not
 * prepared. The socket does not block: whoever sends much while the server answers much would otherwise wait for a server that waits for its answers to be
 * read.
 */
#ifndef OUTBOX_PIPELINE_H
#define OUTBOX_PIPELINE_H

#include <libpq-fe.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "work.h"

enum { PIPELINE_SLOTS = 2 * WORK_STATEMENTS_MAX };

enum pipeline_kind { PIPELINE_BEGIN, PIPELINE_PREPARE, PIPELINE_STATEMENT, PIPELINE_COMMIT, PIPELINE_ROLLBACK, PIPELINE_SYNC };

struct pipeline_slot {
  const char *name; /* NULL: free */
  bool is_there;    /* prepared, or sent and not refused so far */
};

struct pipeline_entry {
  enum pipeline_kind kind;
  const struct statement *statement; /* of PREPARE and STATEMENT */
  struct pipeline_slot *slot;        /* of PREPARE */
  PGresult **ret_result;             /* of a question; NULL: nobody wants the answer */
  bool is_answered;                  /* the NULL behind the answer is still to come */
};

/* The first thing that went wrong in a unit of work; what follows from it is not told. */
struct pipeline_failure {
  bool is_there;
  enum pipeline_kind kind; /* what it was an answer to */
  bool is_server_word;     /* the server said so; else the connection broke */
  bool is_last_word;       /* the server ended the session with it (FATAL, PANIC) */
  char sqlstate[6];
  char constraint[64];
  char text[PROBLEM_TEXT_MAX];
};

enum pipeline_commit { PIPELINE_COMMIT_UNSENT, PIPELINE_COMMIT_SENT, PIPELINE_COMMIT_DONE };

struct pipeline {
  PGconn *connection;             /* borrowed from the database */
  bool is_broken;                 /* of no use any more; nothing is expected */
  bool is_doomed;                 /* the server said that it ends this session */
  char last_sqlstate[6];          /* why, where it said so while nothing was expected of it; empty: it did not */
  int silence_ms;                 /* without a byte in either direction: the server is frozen, or something between is; -1: without limit */
  _Atomic int64_t *moved_us;      /* of database_tell_waits(); NULL: nobody wants to know */
  struct pipeline_entry *entries; /* owned; a ring of `size`, a power of two */
  size_t size, first, count;
  bool is_unsynced;    /* something was queued behind the last Sync: the server may be skipping it, and libpq does not know of its transaction yet */
  size_t unsent_bytes; /* queued since all was sent, about */
  struct pipeline_failure failure;
  enum pipeline_commit commit;
  struct pipeline_slot slots[PIPELINE_SLOTS]; /* by a hash of the name, the next free one behind it */
  size_t slot_count;
};

/* For a connection that was just made, or for none; what is owned is kept, and who is told of waits. Takes what the server says without being asked, so that libpq does not print it. */
void pipeline_reset(struct pipeline *pipeline, PGconn *connection, int silence_ms);
void pipeline_done(struct pipeline *pipeline);

/* Around whatever waits for the server. */
void pipeline_tell_wait(const struct pipeline *pipeline, bool is_waiting);

/* A new unit of work: forgets the last one's failure. Nothing may be expected. */
void pipeline_begin(struct pipeline *pipeline);
/* The same unit goes on behind what the server refused: forgets that. What is still to be answered was skipped. A broken connection is what has failed from now on. */
void pipeline_go_on(struct pipeline *pipeline);
/*
 * Whether the connection can be used, as far as is known without asking: what lies unread at the socket is taken. A server that was shut down said so and
 * closed it; so a look, which costs no round trip, shows a dead connection before a COMMIT is sent into it. False: broken now.
 */
bool pipeline_look(struct pipeline *pipeline);
/* Broken from now on; the unit of work has failed, unless it had before. */
void pipeline_break(struct pipeline *pipeline, const char *words);
/* BEGIN, COMMIT, ROLLBACK or a Sync. */
void pipeline_send(struct pipeline *pipeline, enum pipeline_kind kind);

/* Arrays as PQsendQueryPrepared() takes them. A text ends with a zero; lengths count for binary values. */
struct pipeline_values {
  size_t count;
  const char *const *values;
  const int *lengths; /* NULL: all are texts */
  const int *formats;
};
/* Prepares it where necessary. `ret_result` gets what it answers, owned by the caller, or stays. */
void pipeline_send_statement(struct pipeline *pipeline, const struct statement *statement, const struct pipeline_values *values, PGresult **ret_result);

/* Sends all and waits until all is answered; behind a Sync. Returns whether the unit has not failed so far. */
bool pipeline_settle(struct pipeline *pipeline);

#endif
