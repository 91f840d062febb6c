/* processing.c - builds what the work on events shares, and takes it apart. */
#include "processing.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "moment.h"
#include "redis_url.h"

static enum verdict open_idempotence(struct processing *processing, struct problem *problem)
{
  const struct settings *settings = processing->settings;
  enum verdict verdict;

  switch (settings->idempotence) {
  case IDEMPOTENCE_INBOX:
    return inbox_init(&processing->inbox, processing->consumer->inbox_table, processing->consumer->name, problem);
  case IDEMPOTENCE_REDIS:
    verdict = redis_url_read(settings->redis_url, &processing->redis_settings, problem);
    if (verdict == VERDICT_OK) {
      processing->redis_settings.ttl_s = settings->idempotency_ttl_s;
      processing->redis = redis_reservation_new(&processing->redis_settings, processing->consumer->name);
    }
    return verdict;
  case IDEMPOTENCE_HANDLER:
    return VERDICT_OK;
  }
  return VERDICT_OK;
}

enum verdict processing_open(struct processing *processing, const struct consumer *consumer, const struct settings *settings, const struct log *log,
                             struct figures *figures, struct problem *problem)
{
  size_t batch = consumer->batch.events > 1 ? consumer->batch.events : 1;
  enum verdict verdict;

  *processing = (struct processing){.consumer = consumer, .settings = settings, .log = log, .figures = figures};
  processing->batch = settings->idempotence == IDEMPOTENCE_REDIS ? 1 : batch > CONSUMER_BATCH_MAX ? CONSUMER_BATCH_MAX : batch;
  if (gethostname(processing->host, sizeof(processing->host) - 1) != 0) {
    processing->host[0] = '\0';
  }
  arena_init(&processing->arena, PROCESSING_ARENA_BYTES);
  verdict = open_idempotence(processing, problem);
  if (verdict != VERDICT_OK) {
    arena_done(&processing->arena);
    return verdict;
  }
  processing->readers = calloc(processing->batch, sizeof(*processing->readers));
  if (processing->readers == NULL) {
    abort();
  }
  processing->database = consumer->has_no_database ? NULL : database_new(settings->database_url, consumer->name);
  return VERDICT_OK;
}

void processing_close(struct processing *processing)
{
  for (size_t i = 0; i < processing->batch; i++) {
    event_reader_reset(&processing->readers[i]);
  }
  free(processing->readers);
  redis_reservation_free(processing->redis);
  redis_settings_done(&processing->redis_settings);
  database_free(processing->database);
  arena_done(&processing->arena);
}

void processing_tell(struct processing *processing, _Atomic int64_t *moved_us)
{
  processing->moved_us = moved_us;
  if (processing->database != NULL) {
    database_tell_waits(processing->database, moved_us);
  }
}

void processing_moves(const struct processing *processing)
{
  if (processing->moved_us != NULL) {
    atomic_store(processing->moved_us, moment_now().mono_us);
  }
}

enum verdict processing_probe(struct processing *processing, struct problem *problem)
{
  struct work_outcome outcome;
  struct work *work = NULL;
  enum verdict verdict = work_begin(processing->database, &work, &outcome);

  if (verdict == VERDICT_OK) {
    verdict = work_sync(work, &outcome);
    work_rollback(work);
  }
  if (verdict != VERDICT_OK) {
    *problem = outcome.problem;
    return VERDICT_RETRY;
  }
  return VERDICT_OK;
}

bool failure_is_of_connection(const char *sqlstate)
{
  return sqlstate[0] == '\0' || strncmp(sqlstate, "08", 2) == 0 || strncmp(sqlstate, "57P", 3) == 0 || strncmp(sqlstate, "28", 2) == 0 ||
         strcmp(sqlstate, "25006") == 0 || strcmp(sqlstate, "53300") == 0;
}

const struct subscription *processing_subscription(const struct processing *processing, const char *topic)
{
  const struct subscription *subscription = processing->consumer->subscriptions;

  while (strcmp(subscription->topic, topic) != 0) {
    subscription++;
  }
  return subscription;
}

bool processing_is_given_up(const struct processing *processing, const struct record *record)
{
  char place[RECORD_PLACE_SIZE];

  record_place(record, place);
  return processing->consumer->dead_letter_suffix != NULL && strcmp(processing->settings->give_up, place) == 0;
}

const struct event *processing_event(const struct processing *processing, size_t index)
{
  return &processing->readers[index].event;
}
