/* figures.c - sorting, sums and percentiles. */
#include "figures.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

enum { LAG_US = 1000000 };

static int compare_steps(const void *left, const void *right)
{
  const struct step *a = left, *b = right;

  if (a->us != b->us) {
    return a->us < b->us ? -1 : 1;
  }
  return (a->change > b->change) - (a->change < b->change);
}

static int compare_numbers(const void *left, const void *right)
{
  int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;

  return (a > b) - (a < b);
}

static void *room_for(size_t count, size_t size)
{
  void *block = calloc(count + 1, size);

  if (block == NULL) {
    abort();
  }
  return block;
}

struct step *figures_steps(const struct history *history, const struct judgement *judgement, size_t *ret_count)
{
  struct step *steps = room_for(2 * history->row_count, sizeof(*steps));
  size_t count = 0;

  for (size_t i = 0; i < history->row_count; i++) {
    const struct passage *passage = &judgement->passages[i];

    /* Kafka may have it before its writer has the answer. */
    if (passage->commit_us != 0 && passage->append_us > passage->commit_us) {
      steps[count++] = (struct step){.us = passage->commit_us, .change = 1};
      if (passage->append_us != INT64_MAX) {
        steps[count++] = (struct step){.us = passage->append_us, .change = -1};
      }
    }
  }
  qsort(steps, count, sizeof(*steps), compare_steps);
  *ret_count = count;
  return steps;
}

/* The smallest value that at least `share` of all do not exceed. `numbers` are in order. */
static int64_t percentile(const int64_t *numbers, size_t count, double share)
{
  size_t rank = (size_t)((double)count * share + 0.999999);

  return count == 0 ? 0 : numbers[rank > 0 ? rank - 1 : 0];
}

/* A stretch of time in which some event had been unseen for longer than a second. */
struct stretch {
  int64_t from_us, to_us;
};

static int compare_stretches(const void *left, const void *right)
{
  const struct stretch *a = left, *b = right;

  return (a->from_us > b->from_us) - (a->from_us < b->from_us);
}

/* In order, without overlaps. */
static struct stretch *lags(const struct history *history, const struct judgement *judgement, size_t *ret_count)
{
  struct stretch *stretches = room_for(history->row_count, sizeof(*stretches));
  size_t count = 0, kept = 0;

  for (size_t i = 0; i < history->row_count; i++) {
    const struct passage *passage = &judgement->passages[i];

    if (passage->commit_us != 0 && passage->append_us != INT64_MAX && passage->append_us - passage->commit_us > LAG_US) {
      stretches[count++] = (struct stretch){passage->commit_us + LAG_US, passage->append_us};
    }
  }
  qsort(stretches, count, sizeof(*stretches), compare_stretches);
  for (size_t i = 0; i < count; i++) {
    if (kept > 0 && stretches[i].from_us <= stretches[kept - 1].to_us) {
      stretches[kept - 1].to_us = stretches[i].to_us > stretches[kept - 1].to_us ? stretches[i].to_us : stretches[kept - 1].to_us;
    } else {
      stretches[kept++] = stretches[i];
    }
  }
  *ret_count = kept;
  return stretches;
}

/* An event that arrived: when it was committed, and when it and all before it had been appended. */
struct arrival {
  int64_t commit_us, append_us;
};

static int compare_arrivals(const void *left, const void *right)
{
  const struct arrival *a = left, *b = right;

  return (a->commit_us > b->commit_us) - (a->commit_us < b->commit_us);
}

static struct arrival *arrivals(const struct history *history, const struct judgement *judgement, size_t *ret_count)
{
  struct arrival *list = room_for(history->row_count, sizeof(*list));
  size_t count = 0;

  for (size_t i = 0; i < history->row_count; i++) {
    const struct passage *passage = &judgement->passages[i];

    if (passage->commit_us != 0 && passage->append_us != INT64_MAX) {
      list[count++] = (struct arrival){passage->commit_us, passage->append_us};
    }
  }
  qsort(list, count, sizeof(*list), compare_arrivals);
  for (size_t i = 1; i < count; i++) {
    list[i].append_us = list[i - 1].append_us > list[i].append_us ? list[i - 1].append_us : list[i].append_us;
  }
  *ret_count = count;
  return list;
}

/* When all that had been committed at `us` had arrived. */
static int64_t arrival_of_all(const struct arrival *list, size_t count, int64_t us)
{
  size_t low = 0;

  while (low < count) {
    size_t middle = (low + count) / 2;

    if (list[middle].commit_us <= us) {
      low = middle + 1;
    } else {
      count = middle;
    }
  }
  return low > 0 && list[low - 1].append_us > us ? list[low - 1].append_us : us;
}

static void measure_recoveries(const struct history *history, const struct judgement *judgement, struct figures *figures)
{
  int64_t *recoveries = room_for(history->fault_count, sizeof(*recoveries)), next_us = INT64_MAX;
  size_t lag_count, arrival_count, count = 0;
  struct stretch *stretches = lags(history, judgement, &lag_count);
  struct arrival *list = arrivals(history, judgement, &arrival_count);

  for (size_t i = history->fault_count; i > 0; i--) {
    const struct fault *fault = &history->faults[i - 1];
    int64_t over_us = arrival_of_all(list, arrival_count, fault->end_us);

    if (fault->is_missed) {
      continue;
    }
    for (size_t j = 0; j < lag_count; j++) {
      if (stretches[j].from_us <= over_us && stretches[j].to_us > over_us) {
        over_us = stretches[j].to_us;
      }
    }
    if (over_us <= next_us) {
      recoveries[count++] = over_us - fault->end_us;
    }
    next_us = fault->begin_us;
  }
  qsort(recoveries, count, sizeof(*recoveries), compare_numbers);
  figures->recoveries = (int64_t)count;
  figures->recovery_p50_s = (double)percentile(recoveries, count, 0.5) / 1e6;
  figures->recovery_max_s = (double)percentile(recoveries, count, 1) / 1e6;
  free(recoveries);
  free(stretches);
  free(list);
}

static void measure_repetitions(const struct history *history, const struct judgement *judgement, struct figures *figures)
{
  int64_t *sorted = room_for(history->fault_count, sizeof(*sorted));
  int64_t sum = 0;
  size_t count = 0;

  for (size_t i = 0; i < history->fault_count; i++) {
    if (!history->faults[i].is_missed) {
      sorted[count++] = judgement->repetitions[i];
      sum += judgement->repetitions[i];
    }
  }
  qsort(sorted, count, sizeof(*sorted), compare_numbers);
  figures->repetitions_mean = count > 0 ? (double)sum / (double)count : 0;
  figures->repetitions_p50 = (double)percentile(sorted, count, 0.5);
  figures->repetitions_max = (double)percentile(sorted, count, 1);
  free(sorted);
}

static void measure_delays(const struct history *history, const struct judgement *judgement, struct figures *figures)
{
  int64_t *delays = room_for(history->row_count, sizeof(*delays));
  int64_t unseen = 0;
  size_t count = 0, step_count;
  struct step *steps = figures_steps(history, judgement, &step_count);

  for (size_t i = 0; i < step_count; i++) {
    unseen += steps[i].change;
    figures->unseen_max = unseen > figures->unseen_max ? unseen : figures->unseen_max;
  }
  for (size_t i = 0; i < history->row_count; i++) {
    const struct passage *passage = &judgement->passages[i];

    if (passage->commit_us != 0 && passage->append_us != INT64_MAX) {
      delays[count++] = passage->append_us > passage->commit_us ? passage->append_us - passage->commit_us : 0;
    }
  }
  qsort(delays, count, sizeof(*delays), compare_numbers);
  figures->delay_p50_ms = (double)percentile(delays, count, 0.5) / 1e3;
  figures->delay_p99_ms = (double)percentile(delays, count, 0.99) / 1e3;
  figures->delay_max_ms = (double)percentile(delays, count, 1) / 1e3;
  free(delays);
  free(steps);
}

struct figures figures_of(const struct history *history, const struct judgement *judgement)
{
  struct figures figures = {
      .events = (int64_t)history->row_count,
      .records = (int64_t)history->reading_count,
      .faults = (int64_t)(history->fault_count - history->missed_count),
      .faults_missed = (int64_t)history->missed_count,
      .seconds = (double)(history->last_us - history->first_us) / 1e6,
  };

  measure_repetitions(history, judgement, &figures);
  measure_recoveries(history, judgement, &figures);
  measure_delays(history, judgement, &figures);
  return figures;
}

void figures_print_json(const struct history *history, const struct judgement *judgement, const struct figures *figures, const bool is_waived[GUARANTEES],
                        FILE *file)
{
  json_t *findings = json_object(), *waived = json_object(), *object;
  char *text;

  for (size_t i = 0; i < GUARANTEES; i++) {
    (void)json_object_set_new(is_waived[i] ? waived : findings, guarantee_names[i], json_integer(judgement->findings[i].count));
  }
  object = json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:f,s:f,s:f,s:I,s:f,s:f,s:I,s:f,s:f,s:f,s:f,s:o,s:o}", "events", figures->events,
                     "records", figures->records, "samples", (json_int_t)history->sample_count, "rolled_back", judgement->rolled_back, "unknown_committed",
                     judgement->unknown_there, "unknown_not_committed", judgement->unknown_not_there, "dead_letters", judgement->dead_letter_count, "poison",
                     judgement->poison_count, "collateral", judgement->collateral_count, "faults", figures->faults, "faults_missed", figures->faults_missed,
                     "duplicates", judgement->repetition_count, "duplicates_without_fault", judgement->repetitions_without_fault, "duplicates_per_fault_mean",
                     figures->repetitions_mean, "duplicates_per_fault_p50", figures->repetitions_p50, "duplicates_per_fault_max", figures->repetitions_max,
                     "recoveries", figures->recoveries, "recovery_p50_s", figures->recovery_p50_s, "recovery_max_s", figures->recovery_max_s, "unseen_max",
                     figures->unseen_max, "delay_p50_ms", figures->delay_p50_ms, "delay_p99_ms", figures->delay_p99_ms, "delay_max_ms", figures->delay_max_ms,
                     "seconds", figures->seconds, "findings", findings, "waived", waived);
  text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(6));
  if (text == NULL) {
    abort();
  }
  (void)fprintf(file, "%s\n", text);
  free(text);
  json_decref(object);
}
