/*
 * fault_point.h - places in the relay and in the consumers' runtime where a test build can be made to do wrong or to die. Both macros are nothing unless the
 * build is configured with -DCDC_FAULTS=ON (`./dev build --faults`, build/faults); no release has them, and a test looks for them in every program.
 *
 *   if (MUTANT(CONFIRM_START_LSN)) ...      a named defect; at most one is on, chosen by the variable CDC_MUTANT=CONFIRM_START_LSN
 *   CRASH_POINT(BEFORE_PUBLISH);            the process ends here as if killed, at the n-th passage: CDC_CRASH_POINT=BEFORE_PUBLISH:n (n from 1); or stands still
 *                                           until it gets SIGCONT: CDC_PAUSE_POINT=BEFORE_PUBLISH:n. One of the two
 *
 * A defect that no test or simulated history notices means that a test is missing (tests/dev/mutants.sh shows which notices which). Names are in the tables
 * below, with the place that each is at; a name from the environment that is in none of them ends the process at the first look with code 2.
 */
#ifndef FAULT_POINT_H
#define FAULT_POINT_H

#include <stdbool.h>

/* X(NAME, "what the relay does wrong") */
#define FAULT_MUTANTS(X)                                                                                                                                       \
  X(CONFIRM_START_LSN, "confirms the beginning of a commit record, not its end")                                                                               \
  X(CONFIRM_BEFORE_REPORT, "a record counts as settled once the publisher has taken it")                                                                       \
  X(CONFIRM_UNSENT_LOG, "the server's end of WAL that comes with data is confirmed like a keepalive's")                                                        \
  X(KEEPALIVE_OVERTAKES, "a keepalive's end of WAL is confirmed while events are in flight")                                                                   \
  X(KEEPALIVE_IN_TRANSACTION, "a keepalive between begin and commit counts, once nothing is in flight")                                                        \
  X(LEDGER_OUT_OF_ORDER, "a finished transaction is safe though an older one is not")                                                                          \
  X(EMPTY_TRANSACTION_OVERTAKES, "the end of a transaction without events is safe though older events are in flight")                                          \
  X(LEDGER_NUMBERS_REUSED, "ledger slots are numbered anew in each stream: reports of the older one settle rows of the newer")                                 \
  X(FAILED_REPORT_SETTLES, "a record that Kafka refused or lost counts as settled")                                                                            \
  X(LOST_REPORT_IGNORED, "a record that was lost with its producer is not sent again in this session")                                                         \
  X(QUEUE_FULL_DROPS, "a row for which the publisher has no room is let go")                                                                                   \
  X(FULL_QUEUE_HOARDS, "rows for which the publisher has no room are kept, and more is read")                                                                  \
  X(PAUSED_SAYS_NOTHING, "no status while a record waits for room")                                                                                            \
  X(STATUS_ONLY_WHEN_ASKED, "no status on our own timer")                                                                                                      \
  X(STATUS_MOVES_BACK, "a status of our own timer says where the stream began")                                                                                \
  X(SPIN_NEVER_ANSWERED, "a server that shuts down while events are pending is never let go")                                                                  \
  X(RESUME_FROM_MEMORY, "a new stream begins behind what was read, not where the slot stands")                                                                 \
  X(DRAIN_CONFIRMS_READ, "a relay that is asked to stop confirms what it has read")                                                                            \
  X(STANDBY_KEEPS_PRODUCER, "a standby keeps its producer and what that still holds")                                                                          \
  X(MOVED_SLOT_ACCEPTED, "a slot that somebody else advanced is streamed from without a word")                                                                 \
  X(START_NOT_JUDGED, "where the stream has really begun is not looked at")                                                                                    \
  X(POISON_IN_COMPANY, "a row that was refused in a batch is given up without being tried alone")                                                              \
  X(ISOLATION_IN_COMPANY, "rows that are to go alone go together, as before")                                                                                  \
  X(DEAD_LETTER_NOT_AWAITED, "a row counts as settled once its dead letter was handed over")                                                                   \
  X(KEPT_RECORD_OVERTAKES, "a held record is tried again before older ones that never got through")                                                            \
  X(BUFFER_STAYS_FIXED, "the receive buffer keeps its fixed size while nothing is read")                                                                       \
  X(STALL_WAITED_OUT, "a connection that brings nothing behind a long pause is kept until it does")                                                            \
  X(ANSWER_NOT_HEARD, "a server's answer behind a long pause does not keep the connection")                                                                    \
  X(RELATIONS_KEPT, "shapes of tables are kept across sessions and trusted")                                                                                   \
  X(CATALOG_ON_STREAM, "the connection that streams has read the catalog before")                                                                              \
  X(ROLLED_BACK_KEPT, "asks for open transactions and publishes them as they come, aborts unseen")                                                             \
  X(INDEX_GOES_ON, "events are numbered on from one transaction to the next")                                                                                  \
  X(KEY_BY_CRC32, "places records by CRC32 of the key, not as Java's producers do")                                                                            \
  X(NULL_IS_TOMBSTONE, "a null payload is a tombstone though the configuration says an empty value")                                                           \
  X(ESCAPES_LITERAL, "an escape in wal2json's text stands for its letter: a line feed becomes an n")                                                           \
  X(INBOX_SKIPPED, "a consumer takes every event for a new one, and writes nothing down")                                                                      \
  X(KNOWN_EVENT_HANDLED, "a consumer writes its inbox rows, and handles also what was there before")                                                           \
  X(OFFSET_BEFORE_COMMIT, "a consumer commits the offset of what it has in hand, and then handles it")                                                         \
  X(LOCKED_COUNTS_AS_DONE, "an event that another member has in hand counts as handled")

/* X(NAME, "where") */
#define FAULT_CRASH_POINTS(X)                                                                                                                                  \
  X(BEFORE_START, "the slot was judged, START_REPLICATION was not sent")                                                                                       \
  X(AFTER_START, "the slot is ours, nothing was read")                                                                                                         \
  X(AT_KEEPALIVE, "a keepalive was read and not answered")                                                                                                     \
  X(BEFORE_PUBLISH, "a record is routed and was not given to the publisher")                                                                                   \
  X(AFTER_PUBLISH, "the publisher took the record, the ledger does not know it")                                                                               \
  X(QUEUE_FULL, "the publisher has no room: the record stays in hand and nothing is read")                                                                     \
  X(BEFORE_SETTLE, "a record's delivery was reported and not taken into account")                                                                              \
  X(AFTER_SETTLE, "a record is settled, nothing was confirmed")                                                                                                \
  X(BEFORE_SEAL, "a commit was read, its transaction is still open in the ledger")                                                                             \
  X(AFTER_SEAL, "a transaction was sealed")                                                                                                                    \
  X(BEFORE_STATUS, "a position is to be confirmed and was not said")                                                                                           \
  X(AFTER_STATUS, "a status was given to the socket")                                                                                                          \
  X(AT_REFUSAL, "a refusal was reported, the session is not over")                                                                                             \
  X(SENT_ALONE, "in isolation: the record went out alone, its report is awaited")                                                                              \
  X(BEFORE_DEAD_LETTER, "a row is poison, its dead letter is not built")                                                                                       \
  X(AFTER_DEAD_LETTER, "the publisher took a dead letter")                                                                                                     \
  X(BEFORE_LOOK, "held, and about to look again")                                                                                                              \
  X(AFTER_PROBE, "held: the kept record was given to the publisher, its report is awaited")                                                                    \
  X(BEFORE_FINISH, "drained: the last status is out, the stream is not ended")                                                                                 \
  X(AFTER_FINISH, "the stream was ended in order")

/* X(NAME, "where"): those of a consumer, from a record to its offset; COMMIT_SENT is any program's that does units of work */
#define FAULT_CONSUMER_CRASH_POINTS(X)                                                                                                                         \
  X(BEFORE_INBOX, "a transaction is open, no event is claimed")                                                                                                \
  X(AFTER_INBOX, "the inbox rows are there, no handler has run")                                                                                               \
  X(AFTER_EFFECT, "the handlers have run, COMMIT was not sent")                                                                                                \
  X(COMMIT_SENT, "COMMIT is on its way, its answer was not read")                                                                                              \
  X(AFTER_COMMIT, "PostgreSQL has the effect, nobody else knows")                                                                                              \
  X(BEFORE_RESERVATION, "Redis was not asked for the event")                                                                                                   \
  X(AFTER_RESERVATION, "the event is reserved in Redis, nothing has begun")                                                                                    \
  X(AFTER_DONE, "the event's key in Redis says DONE, its offset was not committed")                                                                            \
  X(BEFORE_OFFSET, "offsets are to be committed and were not given to the client")                                                                             \
  X(AFTER_OFFSET, "Kafka has said that it has the offsets")                                                                                                    \
  X(BEFORE_LETTER, "an event is given up, its dead letter is not written")                                                                                     \
  X(AFTER_LETTER, "the dead letter is written, the offset was not moved")

/* X(NAME, "where"): those of the command takeover, in the order of its steps */
#define FAULT_TAKEOVER_CRASH_POINTS(X)                                                                                                                         \
  X(HALF_SLOT_MADE, "the slot exists by its other name, its snapshot is open, nothing was read")                                                               \
  X(BEFORE_MARK, "Kafka has a batch of the backlog, its rows are not marked")                                                                                  \
  X(AFTER_MARK, "a batch is marked, the next one was not read")                                                                                                \
  X(BEFORE_COPY, "all is marked, the slot has not its name")                                                                                                   \
  X(AFTER_COPY, "both slots exist")                                                                                                                            \
  X(AFTER_DROP, "the relay's slot alone is left, and nobody was told")

#define FAULT_ENUM_MUTANT(name, text) MUTANT_##name,
enum fault_mutant { MUTANT_NONE, FAULT_MUTANTS(FAULT_ENUM_MUTANT) MUTANT_COUNT };
#undef FAULT_ENUM_MUTANT

#define FAULT_ENUM_CRASH(name, text) CRASH_##name,
enum fault_crash {
  CRASH_NONE,
  FAULT_CRASH_POINTS(FAULT_ENUM_CRASH) FAULT_CONSUMER_CRASH_POINTS(FAULT_ENUM_CRASH) FAULT_TAKEOVER_CRASH_POINTS(FAULT_ENUM_CRASH) CRASH_COUNT
};
#undef FAULT_ENUM_CRASH

#ifdef CDC_FAULTS
/* The mutant of this process, from the environment at the first call unless fault_mutant_set() was called before. */
enum fault_mutant fault_mutant(void);
void fault_mutant_set(enum fault_mutant mutant);
/* MUTANT_COUNT: no such name. */
enum fault_mutant fault_mutant_named(const char *name);
const char *fault_mutant_name(enum fault_mutant mutant); /* static */
const char *fault_mutant_text(enum fault_mutant mutant); /* static */
/* Ends the process by SIGKILL, or stops it by SIGSTOP, when it is this point's turn. */
void fault_crash(enum fault_crash point);
#define MUTANT(name)      (fault_mutant() == MUTANT_##name)
#define CRASH_POINT(name) fault_crash(CRASH_##name)
#else
#define MUTANT(name)      false
#define CRASH_POINT(name) ((void)0)
#endif

#endif
