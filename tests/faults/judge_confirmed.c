/*
 * judge_confirmed.c - was PostgreSQL ever told of more than Kafka had? By the commit position that each record carries, the appends are brought into the order of the log;
 * at a sample, the latest append of all that lies before the confirmed position must not be later than the sample. What was never appended is lost, and said there.
 *
 * And was an event repeated of which PostgreSQL had been told? Its repetition was appended after a sample in which the confirmed position lay behind it, and the server
 * was not killed or restarted since: then what had been confirmed in memory alone comes again.
 *
 * Times: `append_ms` was cut to milliseconds, and a sample's time is that of its answer. Both err on the side of the relay, by a millisecond and the length of a query.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "judge.h"

struct append {
  uint64_t lsn;
  int64_t us;
  size_t row;
  size_t latest; /* of this and all before it: which one was appended last */
};

static int compare(const void *left, const void *right)
{
  const struct append *a = left, *b = right;

  return (a->lsn > b->lsn) - (a->lsn < b->lsn);
}

/* How many lie before `lsn`. */
static size_t count_before(const struct append *appends, size_t count, uint64_t lsn)
{
  size_t low = 0;

  while (low < count) {
    size_t middle = (low + count) / 2;

    if (appends[middle].lsn < lsn) {
      low = middle + 1;
    } else {
      count = middle;
    }
  }
  return low;
}

static bool is_forgetful(const struct history *history, const struct judge_options *options, const struct fault *fault)
{
  for (const char *const *kind = options->forgetful_kinds; *kind != NULL; kind++) {
    if (strcmp(names_text(&history->names, fault->kind), *kind) == 0) {
      return true;
    }
  }
  return false;
}

/* Until when samples say nothing of what the server knows at `us`: the end of the latest fault with which it may have forgotten, INT64_MIN when there was none. */
static int64_t forgotten_until(const struct history *history, const struct judge_options *options, int64_t us)
{
  int64_t until_us = INT64_MIN;

  for (size_t i = 0; i < history->fault_count && history->faults[i].begin_us <= us; i++) {
    if (history->faults[i].end_us > until_us && is_forgetful(history, options, &history->faults[i])) {
      until_us = history->faults[i].end_us;
    }
  }
  return until_us;
}

uint64_t judge_confirmed_before(const struct history *history, const struct judge_options *options, int64_t us)
{
  int64_t forgotten_us = options->forgetful_kinds[0] != NULL ? forgotten_until(history, options, us) : INT64_MIN;
  uint64_t highest = 0;
  size_t low = 0, high = history->sample_count;

  while (low < high) {
    size_t middle = (low + high) / 2;

    if (history->samples[middle].us < us) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (forgotten_us == INT64_MIN) {
    return low > 0 ? history->samples[low - 1].highest : 0;
  }
  for (; low > 0 && history->samples[low - 1].us > forgotten_us; low--) {
    highest = history->samples[low - 1].confirmed > highest ? history->samples[low - 1].confirmed : highest;
  }
  return highest;
}

void judge_confirmed(const struct history *history, struct judgement *judgement)
{
  struct append *appends = calloc(history->row_count + 1, sizeof(*appends));
  size_t count = 0, told = SIZE_MAX;

  if (appends == NULL) {
    abort();
  }
  for (size_t i = 0; i < history->row_count; i++) {
    const struct passage *passage = &judgement->passages[i];

    if (passage->has_lsn && passage->append_us != INT64_MAX) {
      appends[count++] = (struct append){.lsn = passage->lsn, .us = passage->append_us, .row = i};
    }
  }
  qsort(appends, count, sizeof(*appends), compare);
  for (size_t i = 0; i < count; i++) {
    appends[i].latest = i > 0 && appends[appends[i - 1].latest].us > appends[i].us ? appends[i - 1].latest : i;
  }
  for (size_t i = 0; i < history->sample_count; i++) {
    const struct sample *sample = &history->samples[i];
    size_t before = count_before(appends, count, sample->confirmed);
    const struct append *latest = before > 0 ? &appends[appends[before - 1].latest] : NULL;

    /* The same event at sample after sample is one finding. */
    if (latest != NULL && latest->us > sample->us && latest->row != told) {
      told = latest->row;
      judge_find(judgement, GUARANTEE_CONFIRMED,
                 "event %s, committed at %" PRIX32 "/%" PRIX32 ", was appended %.3f s after PostgreSQL had been told of %" PRIX32 "/%" PRIX32,
                 names_text(&history->names, history->rows[latest->row].id), (uint32_t)(latest->lsn >> 32), (uint32_t)latest->lsn,
                 (double)(latest->us - sample->us) / 1e6, (uint32_t)(sample->confirmed >> 32), (uint32_t)sample->confirmed);
    }
  }
  free(appends);
}
