/* fake_publisher.c - the publisher whose reports the test gives. */
#include <stdlib.h>
#include <string.h>

#include "publish/publisher_priv.h"
#include "session_fakes.h"

struct fake_report {
  size_t index;
  enum report_outcome outcome;
};

struct fake_publisher {
  struct publisher base;
  size_t limit;
  bool has_publish_answer, has_reports_answer;
  enum verdict publish_verdict, reports_verdict;
  struct problem publish_problem, reports_problem;
  const char *cause; /* of refusals */
  bool is_connected;
  bool is_ending;
  int opens, closes, hurries;
  bool is_open;
  bool is_reporting;
  struct fake_record records[FAKE_RECORDS_MAX];
  size_t count;
  size_t unreported;
  struct fake_report reports[FAKE_RECORDS_MAX];
  size_t report_count;
};

static enum verdict fp_open(struct publisher *base, struct problem *problem)
{
  struct fake_publisher *fake = (struct fake_publisher *)base;

  (void)problem;
  if (fake->is_reporting) {
    abort(); /* as publisher.h says, not from inside a report */
  }
  if (fake->is_ending) {
    return VERDICT_WAIT;
  }
  fake->opens++;
  fake->is_open = true;
  fake->count = 0;
  fake->unreported = 0;
  fake->report_count = 0;
  return VERDICT_OK;
}

static void fp_close(struct publisher *base)
{
  struct fake_publisher *fake = (struct fake_publisher *)base;

  if (fake->is_reporting) {
    abort();
  }
  fake->closes++;
  fake->is_open = false;
  fake->unreported = 0;
  fake->report_count = 0;
}

static void copy_span(char *to, size_t size, struct span from)
{
  size_t length = from.length < size - 1 ? from.length : size - 1;

  if (from.data != NULL) {
    memcpy(to, from.data, length);
  }
  to[length] = '\0';
}

static enum verdict fp_publish(struct publisher *base, const struct record *record, uint64_t token, struct problem *problem)
{
  struct fake_publisher *fake = (struct fake_publisher *)base;
  struct fake_record *kept = &fake->records[fake->count];

  if (!fake->is_open) {
    return problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "not_open", "not open");
  }
  if (fake->has_publish_answer) {
    fake->has_publish_answer = false;
    *problem = fake->publish_problem;
    return fake->publish_verdict;
  }
  if (fake->unreported == fake->limit) {
    return VERDICT_WAIT;
  }
  if (fake->count++ == FAKE_RECORDS_MAX) {
    abort();
  }
  fake->unreported++;
  memset(kept, 0, sizeof(*kept));
  copy_span(kept->topic, sizeof(kept->topic), record->topic);
  copy_span(kept->key, sizeof(kept->key), record->key);
  copy_span(kept->value, sizeof(kept->value), record->value);
  kept->has_key = !span_is_null(record->key);
  kept->position = record->position;
  kept->token = token;
  return VERDICT_OK;
}

static void fp_hurry(struct publisher *base)
{
  ((struct fake_publisher *)base)->hurries++;
}

static enum verdict fp_reports(struct publisher *base, int limit, ReportFunction report, void *context, struct problem *problem)
{
  struct fake_publisher *fake = (struct fake_publisher *)base;
  size_t count = fake->report_count;

  (void)limit;
  if (!fake->is_open) {
    return problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "not_open", "not open");
  }
  if (fake->has_reports_answer) {
    fake->has_reports_answer = false;
    *problem = fake->reports_problem;
    return fake->reports_verdict;
  }
  fake->report_count = 0;
  fake->is_reporting = true;
  for (size_t i = 0; i < count; i++) {
    const struct fake_record *record = &fake->records[fake->reports[i].index];
    struct problem why;

    (void)problem_set(&why, VERDICT_POISON, fake->reports[i].outcome == REPORT_REFUSED_TOPIC ? EXIT_KAFKA_REFUSES : EXIT_POISON, fake->cause, "broker refused");
    fake->unreported--;
    report(
        context,
        &(struct report){.token = record->token, .outcome = fake->reports[i].outcome, .position = record->position, .entry = 0, .error = "refused by a fake"},
        &why);
  }
  fake->is_reporting = false;
  return VERDICT_OK;
}

static void fp_figures(const struct publisher *base, struct publisher_figures *ret_figures)
{
  const struct fake_publisher *fake = (const struct fake_publisher *)base;

  *ret_figures = (struct publisher_figures){.is_connected = fake->is_connected, .queue_events = (int64_t)fake->unreported, .max_events = 1000};
}

static void fp_free(struct publisher *base)
{
  free(base);
}

struct publisher *fake_publisher_new(struct fake_publisher **ret_fake)
{
  static const struct publisher_ops ops = {
      .open = fp_open, .close = fp_close, .publish = fp_publish, .hurry = fp_hurry, .reports = fp_reports, .figures = fp_figures, .free = fp_free};
  struct fake_publisher *fake = calloc(1, sizeof(*fake));

  fake->base.ops = &ops;
  fake->base.fd = -1;
  fake->limit = 1000;
  fake->is_connected = true;
  fake->cause = "refused";
  *ret_fake = fake;
  return &fake->base;
}

void fake_publisher_limit(struct fake_publisher *fake, size_t limit)
{
  fake->limit = limit;
}

void fake_publisher_on_publish(struct fake_publisher *fake, enum verdict verdict, const struct problem *problem)
{
  fake->has_publish_answer = true;
  fake->publish_verdict = verdict;
  fake->publish_problem = *problem;
}

void fake_publisher_on_reports(struct fake_publisher *fake, enum verdict verdict, const struct problem *problem)
{
  fake->has_reports_answer = true;
  fake->reports_verdict = verdict;
  fake->reports_problem = *problem;
}

void fake_publisher_set_connected(struct fake_publisher *fake, bool is_connected)
{
  fake->is_connected = is_connected;
}

size_t fake_publisher_count(const struct fake_publisher *fake)
{
  return fake->count;
}

const struct fake_record *fake_publisher_record(const struct fake_publisher *fake, size_t index)
{
  return &fake->records[index];
}

void fake_publisher_report(struct fake_publisher *fake, size_t index, enum report_outcome outcome)
{
  if (index >= fake->count || fake->records[index].is_reported) {
    abort(); /* the test's own mistake: one report for each accepted record */
  }
  fake->records[index].is_reported = true;
  fake->reports[fake->report_count++] = (struct fake_report){index, outcome};
}

void fake_publisher_report_all(struct fake_publisher *fake)
{
  for (size_t i = 0; i < fake->count; i++) {
    if (!fake->records[i].is_reported) {
      fake_publisher_report(fake, i, REPORT_DELIVERED);
    }
  }
}

void fake_publisher_refuses_for(struct fake_publisher *fake, const char *cause)
{
  fake->cause = cause;
}

bool fake_publisher_is_open(const struct fake_publisher *fake)
{
  return fake->is_open;
}

void fake_publisher_set_ending(struct fake_publisher *fake, bool is_ending)
{
  fake->is_ending = is_ending;
}

int fake_publisher_opens(const struct fake_publisher *fake)
{
  return fake->opens;
}

int fake_publisher_hurries(const struct fake_publisher *fake)
{
  return fake->hurries;
}
