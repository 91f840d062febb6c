/*
 * pipeline.c - sends statements without waiting, and takes each answer to what it belongs to.
 *
 *   queue, more than WORK_QUEUED_MAX_BYTES of it: send it whole, reading meanwhile
 *   settle:                                       send the rest, read until the answer to the last Sync
 *
 * What is prepared on a connection is known by what the server answered: sent, it counts as there, so that the same pipeline does not prepare it twice; refused
 * or skipped, it does not. It outlives the transaction: a prepared statement is the session's.
 *
 * Whether COMMIT happened is known by where an answer stands. An error in front of COMMIT's place: it was skipped. At its place: it failed, unless the server
 * ended the session, which it may also do behind the commit. No answer: unknown.
 */
#include "pipeline.h"

#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault_point.h"
#include "fnv1a.h"
#include "moment.h"

enum { ENTRIES_FIRST = 64, MESSAGE_OVERHEAD_BYTES = 64, SOCKET_LOOKS_ENCRYPTED = 3, LOOKS_MAX = 8 };

/* What the server says without being asked. Nothing of it is for stderr; its last words are remembered. */
static void hear_notice(void *context, const PGresult *notice)
{
  struct pipeline *pipeline = context;
  const char *severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
  const char *sqlstate = PQresultErrorField(notice, PG_DIAG_SQLSTATE);

  if ((severity != NULL && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0)) || (sqlstate != NULL && strncmp(sqlstate, "57P0", 4) == 0)) {
    pipeline->is_doomed = true;
    (void)snprintf(pipeline->last_sqlstate, sizeof(pipeline->last_sqlstate), "%s", sqlstate != NULL ? sqlstate : "");
  }
}

void pipeline_reset(struct pipeline *pipeline, PGconn *connection, int silence_ms)
{
  /* Nobody gets what was expected of the old connection. */
  struct pipeline_entry *entries = pipeline->entries;
  size_t size = pipeline->size;

  *pipeline = (struct pipeline){.connection = connection, .silence_ms = silence_ms, .moved_us = pipeline->moved_us, .entries = entries, .size = size};
  if (connection != NULL) {
    (void)PQsetNoticeReceiver(connection, hear_notice, pipeline);
  }
}

void pipeline_done(struct pipeline *pipeline)
{
  free(pipeline->entries);
  pipeline->entries = NULL;
  pipeline->size = 0;
}

void pipeline_tell_wait(const struct pipeline *pipeline, bool is_waiting)
{
  if (pipeline->moved_us != NULL) {
    atomic_store(pipeline->moved_us, is_waiting ? DATABASE_WAITS_US : moment_now().mono_us);
  }
}

void pipeline_begin(struct pipeline *pipeline)
{
  assert(pipeline->count == 0);
  pipeline->failure = (struct pipeline_failure){0};
  pipeline->commit = PIPELINE_COMMIT_UNSENT;
}

static void expect(struct pipeline *pipeline, struct pipeline_entry entry)
{
  if (pipeline->count == pipeline->size) {
    size_t size = pipeline->size > 0 ? 2 * pipeline->size : ENTRIES_FIRST;
    struct pipeline_entry *entries = calloc(size, sizeof(*entries));

    if (entries == NULL) {
      abort();
    }
    for (size_t i = 0; i < pipeline->count; i++) {
      entries[i] = pipeline->entries[(pipeline->first + i) & (pipeline->size - 1)];
    }
    free(pipeline->entries);
    pipeline->entries = entries;
    pipeline->size = size;
    pipeline->first = 0;
  }
  pipeline->entries[(pipeline->first + pipeline->count++) & (pipeline->size - 1)] = entry;
}

static struct pipeline_entry *oldest(struct pipeline *pipeline)
{
  return &pipeline->entries[pipeline->first];
}

static void answered(struct pipeline *pipeline)
{
  pipeline->first = (pipeline->first + 1) & (pipeline->size - 1);
  pipeline->count--;
}

/* What the server complains of in class 22 is the value itself, in quotes, and values are nobody's business: from the first quote to the last. */
static void copy_without_value(char *text, size_t size, const char *message)
{
  const char *first = strchr(message, '"');
  const char *last = strrchr(message, '"');

  if (first != NULL && last != first) {
    (void)snprintf(text, size, "%.*s\"...\"%s", (int)(first - message), message, last + 1);
  } else {
    (void)snprintf(text, size, "%s", message);
  }
}

static void note_loss(struct pipeline *pipeline, enum pipeline_kind kind, const char *words)
{
  struct pipeline_failure *failure = &pipeline->failure;

  if (!failure->is_there) {
    *failure = (struct pipeline_failure){.is_there = true, .kind = kind};
    (void)snprintf(failure->text, sizeof(failure->text), "lost the connection to PostgreSQL: %.*s", (int)strcspn(words, "\n"), words);
  }
}

static void note_error(struct pipeline *pipeline, const struct pipeline_entry *entry, const PGresult *result)
{
  struct pipeline_failure *failure = &pipeline->failure;
  const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
  const char *constraint = PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME);
  const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  char reason[PROBLEM_TEXT_MAX / 2];

  if (sqlstate == NULL) { /* libpq's own word, not the server's */
    note_loss(pipeline, entry->kind, PQresultErrorMessage(result));
    return;
  }
  if (failure->is_there) {
    return;
  }
  *failure = (struct pipeline_failure){.is_there = true, .kind = entry->kind, .is_server_word = true};
  failure->is_last_word = severity != NULL && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0);
  (void)snprintf(failure->sqlstate, sizeof(failure->sqlstate), "%s", sqlstate);
  (void)snprintf(failure->constraint, sizeof(failure->constraint), "%s", constraint != NULL ? constraint : "");
  if (strncmp(sqlstate, "22", 2) == 0) {
    copy_without_value(reason, sizeof(reason), primary != NULL ? primary : "");
  } else {
    (void)snprintf(reason, sizeof(reason), "%s", primary != NULL ? primary : "");
  }
  switch (entry->kind) {
  case PIPELINE_BEGIN:
    (void)snprintf(failure->text, sizeof(failure->text), "could not begin a transaction: %s", reason);
    break;
  case PIPELINE_PREPARE:
    (void)snprintf(failure->text, sizeof(failure->text), "could not prepare statement \"%s\": %s", entry->statement->name, reason);
    break;
  case PIPELINE_STATEMENT:
    (void)snprintf(failure->text, sizeof(failure->text), "could not run statement \"%s\": %s", entry->statement->name, reason);
    break;
  case PIPELINE_COMMIT:
    (void)snprintf(failure->text, sizeof(failure->text), "could not commit: %s", reason);
    break;
  case PIPELINE_ROLLBACK:
  case PIPELINE_SYNC:
    (void)snprintf(failure->text, sizeof(failure->text), "the server refused: %s", reason);
    break;
  }
}

void pipeline_go_on(struct pipeline *pipeline)
{
  pipeline->failure = (struct pipeline_failure){0};
  pipeline->commit = PIPELINE_COMMIT_UNSENT;
  if (pipeline->is_broken) {
    note_loss(pipeline, PIPELINE_SYNC, "it broke behind a refusal");
  }
}

/* The connection is of no use; nothing more is expected of it. */
void pipeline_break(struct pipeline *pipeline, const char *words)
{
  note_loss(pipeline, pipeline->count > 0 ? oldest(pipeline)->kind : PIPELINE_SYNC, words);
  pipeline->is_broken = true;
  pipeline->count = 0;
}

/* The session is over, and the server has said why. Where COMMIT was sent that is no answer to it. */
static void note_last_words(struct pipeline *pipeline)
{
  struct pipeline_failure *failure = &pipeline->failure;

  if (failure->is_there || pipeline->last_sqlstate[0] == '\0' || pipeline->commit == PIPELINE_COMMIT_SENT) {
    return;
  }
  *failure = (struct pipeline_failure){.is_there = true, .kind = PIPELINE_SYNC, .is_server_word = true, .is_last_word = true};
  memcpy(failure->sqlstate, pipeline->last_sqlstate, sizeof(failure->sqlstate));
  (void)snprintf(failure->text, sizeof(failure->text), "the server ended the session (SQLSTATE %s)", pipeline->last_sqlstate);
}

static void take_success(struct pipeline *pipeline, struct pipeline_entry *entry, PGresult *result)
{
  switch (entry->kind) {
  case PIPELINE_PREPARE:
    entry->slot->is_there = true;
    break;
  case PIPELINE_COMMIT:
    if (strcmp(PQcmdStatus(result), "COMMIT") == 0) {
      pipeline->commit = PIPELINE_COMMIT_DONE;
    } else if (!pipeline->failure.is_there) {
      /* The server rolls back a transaction that failed before, and calls it no error. */
      pipeline->failure = (struct pipeline_failure){.is_there = true, .kind = PIPELINE_COMMIT, .is_server_word = true, .sqlstate = "25P02"};
      (void)snprintf(pipeline->failure.text, sizeof(pipeline->failure.text), "could not commit: the server answered %s", PQcmdStatus(result));
    }
    break;
  case PIPELINE_STATEMENT:
    if (entry->ret_result != NULL) {
      *entry->ret_result = result;
      return;
    }
    break;
  case PIPELINE_BEGIN:
  case PIPELINE_ROLLBACK:
  case PIPELINE_SYNC:
    break;
  }
  PQclear(result);
}

/* Takes one answer, or the NULL behind it. libpq has it already, or knows that none will come. */
static void take(struct pipeline *pipeline)
{
  struct pipeline_entry *entry = oldest(pipeline);
  PGresult *result = PQgetResult(pipeline->connection);

  if (result == NULL) {
    if (entry->is_answered) {
      answered(pipeline);
    } else {
      pipeline_break(pipeline, "an answer is missing");
    }
    return;
  }
  switch (PQresultStatus(result)) {
  case PGRES_COMMAND_OK:
  case PGRES_TUPLES_OK:
  case PGRES_EMPTY_QUERY:
    entry->is_answered = true;
    take_success(pipeline, entry, result);
    break;
  case PGRES_PIPELINE_SYNC:
    PQclear(result);
    if (entry->kind == PIPELINE_SYNC) {
      answered(pipeline); /* no NULL behind it */
      pipeline->is_unsynced = pipeline->count > 0;
    } else {
      pipeline_break(pipeline, "the answers are out of step");
    }
    break;
  case PGRES_PIPELINE_ABORTED:
  case PGRES_FATAL_ERROR:
    entry->is_answered = true;
    if (entry->kind == PIPELINE_PREPARE) {
      entry->slot->is_there = false;
    }
    if (PQresultStatus(result) == PGRES_FATAL_ERROR) {
      note_error(pipeline, entry, result);
    }
    PQclear(result);
    if (PQstatus(pipeline->connection) != CONNECTION_OK) {
      pipeline_break(pipeline, "the connection is closed");
    }
    break;
  default: /* COPY and what later versions of libpq may know: not for here */
    PQclear(result);
    pipeline_break(pipeline, "a statement began a COPY");
    break;
  }
}

static void take_all_there_is(struct pipeline *pipeline)
{
  while (pipeline->count > 0 && PQisBusy(pipeline->connection) == 0) {
    take(pipeline);
  }
}

/* Nothing more will come; what came before is taken first: it may say why. PQgetResult() does not wait on a closed connection. */
static void take_last_words(struct pipeline *pipeline)
{
  while (pipeline->count > 0) {
    take(pipeline);
  }
  if (!pipeline->is_broken) {
    pipeline_break(pipeline, PQerrorMessage(pipeline->connection));
  }
}

/* One record of TLS is longer than what one call reads, and its rest does not show at the socket. */
static bool read_socket(PGconn *connection)
{
  int looks = PQsslInUse(connection) || PQgssEncInUse(connection) ? SOCKET_LOOKS_ENCRYPTED : 1;

  for (int i = 0; i < looks; i++) {
    if (PQconsumeInput(connection) == 0) {
      return false;
    }
  }
  return true;
}

/* Sends until all is sent and, if asked for, all is answered; reads all the time. */
static void pump(struct pipeline *pipeline, bool until_answered)
{
  while (!pipeline->is_broken) {
    int unsent = PQflush(pipeline->connection);
    struct pollfd socket = {.fd = PQsocket(pipeline->connection), .events = POLLIN};
    int ready;

    if (unsent == 0 && pipeline->commit == PIPELINE_COMMIT_SENT) {
      CRASH_POINT(COMMIT_SENT);
    }
    take_all_there_is(pipeline);
    if (pipeline->is_broken || (unsent == 0 && (!until_answered || pipeline->count == 0))) {
      break;
    }
    if (unsent < 0 || socket.fd < 0) {
      take_last_words(pipeline);
      break;
    }
    if (unsent > 0) {
      socket.events |= POLLOUT;
    }
    pipeline_tell_wait(pipeline, true);
    ready = poll(&socket, 1, pipeline->silence_ms);
    pipeline_tell_wait(pipeline, false);
    if (ready == 0) {
      char words[64];

      (void)snprintf(words, sizeof(words), "no answer within %d ms", pipeline->silence_ms);
      pipeline_break(pipeline, words);
    } else if (ready > 0 && (socket.revents & (POLLIN | POLLERR | POLLHUP)) != 0 && !read_socket(pipeline->connection)) {
      take_last_words(pipeline);
    }
  }
  pipeline->unsent_bytes = 0;
}

/* Notices do no harm, and who sends so many that a few looks do not reach their end is not in use. */
bool pipeline_look(struct pipeline *pipeline)
{
  for (int looks = 0; looks < LOOKS_MAX && !pipeline->is_broken && !pipeline->is_doomed; looks++) {
    struct pollfd socket = {.fd = PQsocket(pipeline->connection), .events = POLLIN};

    if (socket.fd >= 0 && poll(&socket, 1, 0) == 0) {
      return true;
    }
    if (socket.fd < 0 || !read_socket(pipeline->connection)) {
      take_last_words(pipeline);
      return false;
    }
    (void)PQisBusy(pipeline->connection); /* understands what was read, also where nothing is expected */
    take_all_there_is(pipeline);
  }
  if (pipeline->is_doomed && pipeline->count > 0) {
    pump(pipeline, true); /* up to its end, or to that of our patience */
  }
  if (pipeline->is_doomed && !pipeline->is_broken) {
    note_last_words(pipeline);
    pipeline_break(pipeline, "the server ended the session");
  }
  return !pipeline->is_broken;
}

static void queued(struct pipeline *pipeline, int sent, struct pipeline_entry entry, size_t bytes)
{
  if (sent != 1) {
    pipeline_break(pipeline, PQerrorMessage(pipeline->connection));
    return;
  }
  expect(pipeline, entry);
  pipeline->is_unsynced |= entry.kind != PIPELINE_SYNC;
  pipeline->unsent_bytes += bytes + MESSAGE_OVERHEAD_BYTES;
  if (pipeline->unsent_bytes > WORK_QUEUED_MAX_BYTES) {
    pump(pipeline, false);
  }
}

void pipeline_send(struct pipeline *pipeline, enum pipeline_kind kind)
{
  static const char *const words[] = {[PIPELINE_BEGIN] = "BEGIN", [PIPELINE_COMMIT] = "COMMIT", [PIPELINE_ROLLBACK] = "ROLLBACK"};
  int sent;

  if (pipeline->is_broken) {
    return;
  }
  if (kind == PIPELINE_SYNC) {
    sent = PQpipelineSync(pipeline->connection);
  } else {
    sent = PQsendQueryParams(pipeline->connection, words[kind], 0, NULL, NULL, NULL, NULL, 0);
  }
  if (kind == PIPELINE_COMMIT && sent == 1) {
    pipeline->commit = PIPELINE_COMMIT_SENT;
  }
  queued(pipeline, sent, (struct pipeline_entry){.kind = kind}, 0);
}

/* The place of a statement; NULL: so many are known that this one goes without a name. */
static struct pipeline_slot *slot_of(struct pipeline *pipeline, const char *name)
{
  struct pipeline_slot *slot;

  for (slot = &pipeline->slots[fnv1a_32(span_of_text(name)) % PIPELINE_SLOTS]; slot->name != NULL && strcmp(slot->name, name) != 0;
       slot = slot + 1 < pipeline->slots + PIPELINE_SLOTS ? slot + 1 : pipeline->slots) {
  }
  if (slot->name == NULL) {
    if (pipeline->slot_count == WORK_STATEMENTS_MAX) {
      return NULL;
    }
    slot->name = name;
    pipeline->slot_count++;
  }
  return slot;
}

void pipeline_send_statement(struct pipeline *pipeline, const struct statement *statement, const struct pipeline_values *values, PGresult **ret_result)
{
  struct pipeline_slot *slot = slot_of(pipeline, statement->name);
  int count = (int)values->count;
  size_t bytes = 0;
  int sent;

  if (pipeline->is_broken) {
    return;
  }
  if (slot != NULL && !slot->is_there) {
    sent = PQsendPrepare(pipeline->connection, statement->name, statement->sql, 0, NULL);
    slot->is_there = true; /* for the rest of this pipeline; see take() */
    queued(pipeline, sent, (struct pipeline_entry){.kind = PIPELINE_PREPARE, .statement = statement, .slot = slot}, strlen(statement->sql));
    if (pipeline->is_broken) {
      return;
    }
  }
  for (size_t i = 0; i < values->count; i++) {
    if (values->values[i] != NULL) {
      bytes += values->lengths != NULL ? (size_t)values->lengths[i] : strlen(values->values[i]);
    }
  }
  if (slot != NULL) {
    sent = PQsendQueryPrepared(pipeline->connection, statement->name, count, values->values, values->lengths, values->formats, 0);
  } else {
    sent = PQsendQueryParams(pipeline->connection, statement->sql, count, NULL, values->values, values->lengths, values->formats, 0);
  }
  queued(pipeline, sent, (struct pipeline_entry){.kind = PIPELINE_STATEMENT, .statement = statement, .ret_result = ret_result}, bytes);
}

bool pipeline_settle(struct pipeline *pipeline)
{
  pump(pipeline, true);
  return !pipeline->is_broken && !pipeline->failure.is_there;
}
