/*
 * dlq.c - `dlq`: looks into any dead-letter topic, sends its letters back to where they came from, or gives them up.
 *
 *     list      one line each           show       one whole
 *     redrive   publish again           discard    deal with, without publishing
 *
 * A run goes once through the topic, up to where it ended when it began: what fails again while it works is for the next run. What was dealt with is remembered as
 * committed offsets of the group `dlq` (done.h, walk.h), after Kafka has acknowledged what was redriven: a run that dies between the two redrives some letters once
 * more, and consumers drop them by their event id.
 *
 * That holds for what was redriven before, and not for what was discarded: such an event was never handled. So a discard counts when it is remembered and seen to have
 * stayed, and a redrive, which may take hours, looks before each letter at what was discarded meanwhile. What it has sent it remembers within seconds, and where another
 * run has dealt with such a letter in these seconds, it says so. Kafka forgets the offsets of a group that rests, and the letters may live longer: where the memory began
 * too late to know (walk_may_have_forgotten), a redrive stops and asks; whoever looks, or gives up, is not asked.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kafka_settings.h"
#include "letter.h"
#include "memory_guard.h"
#include "moment.h"
#include "options.h"
#include "redrive.h"
#include "redriver.h"
#include "variable.h"
#include "walk.h"

enum {
  SETTLE_EVERY = 100,     /* letters */
  SETTLE_EVERY_MS = 1000, /* where they are fewer */
  LOOK_EVERY_MS = 100,    /* at what another run has dealt with */
  MS_PER_HOUR = 3600000,
  MEMORY_MOST_HOURS = 87600,
};

static const char help[] =
    "usage: dlq list TOPIC [FILTER...] [--all] [--json] [--limit N]\n"
    "       dlq show TOPIC PARTITION/OFFSET\n"
    "       dlq redrive TOPIC [FILTER...] [--dry-run] [--rate N] [--max-redrives N] [--limit N] [--to TOPIC] [--forgotten]\n"
    "       dlq discard TOPIC [FILTER...] [--dry-run] [--limit N] --yes\n"
    "\n"
    "Dead letters of TOPIC, oldest first in each partition. What was redriven or discarded is not shown and not touched again.\n"
    "\n"
    "  list       --all: with those that were dealt with, as long as the topic has them; --json: one object a line\n"
    "  show       headers and value, as JSON\n"
    "  redrive    publishes with the same key, value and headers to the topic that the letter came from, without the headers of the\n"
    "             failure, and with redrive.count and redrive.of. --rate: at most N a second. --max-redrives: letters that came back so\n"
    "             often are left (default 3). --to: where the letter does not say where it came from. A letter that may have been\n"
    "             discarded so long ago that Kafka has forgotten it stops the run; --forgotten redrives those, too, --id that one\n"
    "  discard    gives letters up: they stay in the topic as long as it keeps them\n"
    "  --dry-run  says what would be done\n"
    "\n"
    "Filters, all of which must hold:\n"
    "  --id ID              event id\n"
    "  --key KEY            key of the record\n"
    "  --error-class CLASS  as `list` shows it\n"
    "  --since TIME         dead-lettered then or later: 2026-01-25 or 2026-01-25T10:15:30Z\n"
    "  --until TIME         before then\n"
    "\n"
    "Settings, from the environment:\n";
static const char help_end[] =
    "  KAFKA_...                any property of librdkafka: KAFKA_SECURITY_PROTOCOL is security.protocol\n"
    "\n"
    "Exit code: 0 done; 1 Kafka does not answer; 2 wrong usage; 5 letters were left because they came back too often, do not say where\n"
    "they came from, may have been discarded and forgotten, or could not be remembered as discarded, or because another run dealt with them at\n"
    "the same moment; 6 Kafka refuses.\n";

struct dlq {
  const struct options *options;
  int64_t kept_ms; /* how long Kafka keeps the offsets of a group */
  struct walk *walk;
  struct redriver *redriver; /* redrive alone */
  struct arena arena;
  size_t pending_count; /* sent, or just about to be, or to be discarded; and not yet marked */
  int64_t pending_us;   /* monotonic: since when the first of them is */
  struct {
    int32_t partition;
    int64_t offset;
  } pending[SETTLE_EVERY];
  uint64_t uncommitted; /* marked as discarded */
  uint64_t chosen, dealt, too_often, without_topic, not_remembered;
  uint64_t crossed;  /* another run dealt with them when this one had them in hand */
  uint64_t in_doubt; /* listed; may have been dealt with and forgotten */
};

/* ---------------------------------------------------------------------------------------------------------------------------------------------------- */

/* What was sent is redriven, remembered or not; what is discarded must be remembered. */
static enum verdict mark(struct dlq *dlq, int32_t partition, int64_t offset, struct problem *problem)
{
  bool is_sent = dlq->redriver != NULL;

  if (is_sent) {
    dlq->dealt++;
  }
  if (walk_is_done(dlq->walk, partition, offset)) {
    dlq->crossed++;
  } else if (walk_mark(dlq->walk, partition, offset)) {
    dlq->uncommitted += is_sent ? 0 : 1;
  } else if (is_sent) {
    dlq->not_remembered++;
  } else {
    (void)problem_set(problem, VERDICT_POISON, EXIT_POISON, "memory_full",
                      "letter %s/%" PRId32 "/%" PRId64
                      " and what lies behind it are not discarded: older letters were left in so many places that this could not be "
                      "remembered",
                      dlq->options->topic, partition, offset);
    problem_hint(problem, "redrive or discard the oldest letters of the partition first (dlq list), then run this again");
    return VERDICT_POISON;
  }
  return VERDICT_OK;
}

/* All that was sent is acknowledged, and remembered. POISON: something could not be discarded, what lies before it is. */
static enum verdict settle(struct dlq *dlq, struct problem *problem)
{
  enum verdict verdict = dlq->redriver == NULL ? VERDICT_OK : redriver_flush(dlq->redriver, problem);
  enum verdict marked = VERDICT_OK;
  struct problem away;

  if (verdict == VERDICT_OK) {
    verdict = walk_refresh(dlq->walk, 0, problem);
  }
  if (verdict != VERDICT_OK) {
    return verdict;
  }
  for (size_t i = 0; i < dlq->pending_count && marked == VERDICT_OK; i++) {
    marked = mark(dlq, dlq->pending[i].partition, dlq->pending[i].offset, problem);
  }
  dlq->pending_count = 0;
  verdict = walk_commit(dlq->walk, &away);
  if (verdict != VERDICT_OK) {
    *problem = away;
    return verdict;
  }
  dlq->dealt += dlq->uncommitted;
  dlq->uncommitted = 0;
  return marked;
}

static bool settling_is_due(const struct dlq *dlq)
{
  return dlq->pending_count == SETTLE_EVERY || (dlq->pending_count > 0 && moment_now().mono_us - dlq->pending_us >= INT64_C(1000) * SETTLE_EVERY_MS);
}

/* There is room: go_through() settles what is due. */
static void deal_with(struct dlq *dlq, const struct letter *letter)
{
  if (dlq->pending_count == 0) {
    dlq->pending_us = moment_now().mono_us;
  }
  dlq->pending[dlq->pending_count].partition = letter->record.partition;
  dlq->pending[dlq->pending_count].offset = letter->record.offset;
  dlq->pending_count++;
}

static void leave(const struct letter *letter, const char *why)
{
  char place[RECORD_PLACE_SIZE];

  record_place(&letter->record, place);
  fprintf(stderr, "dlq: left %s: %s\n", place, why);
}

/* Whoever names a letter has looked at it. What was already sent stays sent: it was older, or of another partition, so that the order of a key holds. */
static enum verdict check_memory(const struct dlq *dlq, const struct letter *letter, struct problem *problem)
{
  const struct options *options = dlq->options;
  char place[RECORD_PLACE_SIZE];

  if (options->with_forgotten || options->filter.id != NULL || !walk_may_have_forgotten(dlq->walk, &letter->record, dlq->kept_ms)) {
    return VERDICT_OK;
  }
  record_place(&letter->record, place);
  (void)problem_set(problem, VERDICT_POISON, EXIT_POISON, "forgotten",
                    "letter %s may have been discarded: it is older than the %" PRId64
                    " hours for which Kafka keeps the memory of what was dealt with, and that of its partition is not as old",
                    place, dlq->kept_ms / MS_PER_HOUR);
  problem_hint(problem,
               "look with dlq list; then give up what must not come back (dlq discard --until TIME --yes), choose (--id, --since), or add --forgotten");
  return VERDICT_POISON;
}

/* Looks once more behind all that is waited for: it may have been discarded meanwhile. */
static enum verdict publish(struct dlq *dlq, const struct letter *letter, const char *topic, struct problem *problem)
{
  enum verdict verdict = redriver_await(dlq->redriver, &letter->record, problem);

  if (verdict == VERDICT_OK) {
    verdict = walk_refresh(dlq->walk, LOOK_EVERY_MS, problem);
  }
  if (verdict != VERDICT_OK || walk_is_done(dlq->walk, letter->record.partition, letter->record.offset)) {
    return verdict;
  }
  deal_with(dlq, letter); /* also where the next line fails: it may be another letter that did, and this one is on its way */
  return redriver_send(dlq->redriver, &letter->record, topic, &dlq->arena, problem);
}

static enum verdict redrive(struct dlq *dlq, const struct letter *letter, struct problem *problem)
{
  const struct options *options = dlq->options;
  const char *topic = letter->story.topic;
  enum verdict verdict = check_memory(dlq, letter, problem);

  if (verdict != VERDICT_OK) {
    return verdict;
  }
  if (letter->redrives >= options->redrives_max) {
    dlq->too_often++;
    leave(letter, "it came back too often");
    return VERDICT_OK;
  }
  if (topic[0] == '\0' && options->to != NULL) {
    topic = options->to;
  }
  if (redrive_check_topic(topic, options->topic, problem) != VERDICT_OK) {
    dlq->without_topic++;
    leave(letter, problem->text);
    return VERDICT_OK;
  }
  if (options->is_dry) {
    dlq->dealt++;
    letter_print_columns(letter, false, stdout);
    return VERDICT_OK;
  }
  return publish(dlq, letter, topic, problem);
}

static enum verdict handle(struct dlq *dlq, const struct letter *letter, bool is_done, struct problem *problem)
{
  const struct options *options = dlq->options;

  switch (options->command) {
  case COMMAND_HELP:
    break;
  case COMMAND_LIST:
    if (walk_may_have_forgotten(dlq->walk, &letter->record, dlq->kept_ms)) {
      dlq->in_doubt++;
    }
    if (options->is_json) {
      letter_print_json(letter, is_done, stdout);
    } else {
      letter_print_columns(letter, is_done, stdout);
    }
    return VERDICT_OK;
  case COMMAND_SHOW:
    letter_print_whole(letter, stdout);
    return VERDICT_OK;
  case COMMAND_REDRIVE:
    return redrive(dlq, letter, problem);
  case COMMAND_DISCARD:
    if (options->is_dry) {
      dlq->dealt++;
      letter_print_columns(letter, false, stdout);
      return VERDICT_OK;
    }
    deal_with(dlq, letter);
    return VERDICT_OK;
  }
  return VERDICT_OK;
}

static bool is_wanted(const struct options *options, const struct letter *letter, bool is_done)
{
  if (options->command == COMMAND_SHOW) {
    return letter->record.partition == options->partition && letter->record.offset == options->offset;
  }
  return (!is_done || options->is_all) && letter_is_chosen(letter, &options->filter);
}

static enum verdict go_through(struct dlq *dlq, struct problem *problem)
{
  const struct options *options = dlq->options;

  while (options->limit == 0 || (int64_t)dlq->chosen < options->limit) {
    struct fetched *fetched;
    struct letter letter;
    enum verdict verdict = walk_next(dlq->walk, &fetched, problem);
    bool is_done;

    if (verdict != VERDICT_OK || fetched == NULL) {
      return verdict;
    }
    arena_reset(&dlq->arena);
    letter_read(&letter, &fetched->record, &dlq->arena);
    is_done = walk_is_done(dlq->walk, letter.record.partition, letter.record.offset);
    if (is_wanted(options, &letter, is_done)) {
      dlq->chosen++;
      verdict = handle(dlq, &letter, is_done, problem);
    }
    fetched_free(fetched);
    if (verdict == VERDICT_OK && settling_is_due(dlq)) {
      verdict = settle(dlq, problem);
    }
    if (verdict != VERDICT_OK) {
      return verdict;
    }
  }
  return VERDICT_OK;
}

/* What a run that changes something tells at its end, also where it failed. */
static void summarize(const struct dlq *dlq)
{
  const struct options *options = dlq->options;

  printf("%" PRIu64 " %s%s", dlq->dealt, options->is_dry ? "to be " : "", options->command == COMMAND_REDRIVE ? "redriven" : "discarded");
  if (options->command == COMMAND_REDRIVE) {
    printf(", %" PRIu64 " left: %" PRIu64 " came back too often, %" PRIu64 " without a topic to go to", dlq->too_often + dlq->without_topic, dlq->too_often,
           dlq->without_topic);
  }
  putchar('\n');
  if (dlq->redriver != NULL && dlq->pending_count > 0) {
    fprintf(stderr, "dlq: up to %zu more may have been redriven: the run ended before that was known and remembered, so that they will be offered again\n",
            dlq->pending_count);
  }
  if (dlq->not_remembered > 0) {
    fprintf(stderr, "dlq: %" PRIu64 " of them could not be remembered and will be offered again: too many older ones were left between them\n",
            dlq->not_remembered);
  }
  if (dlq->crossed > 0) {
    fprintf(stderr, "dlq: %" PRIu64 " were dealt with by another run at the same moment: what one has discarded the other may have redriven\n", dlq->crossed);
  }
}

/* What was dealt with is remembered also where the run ended at a letter, and not where a redrive failed: which of its letters arrived is not known. */
static enum verdict finish(struct dlq *dlq, enum verdict verdict, struct problem *problem)
{
  bool is_sound = verdict == VERDICT_OK || verdict == VERDICT_POISON;
  enum verdict settled;
  struct problem later;

  if (dlq->options->is_dry || (dlq->redriver != NULL && !is_sound)) {
    return verdict;
  }
  settled = settle(dlq, &later);
  if (dlq->redriver == NULL && dlq->dealt > 0 && (settled == VERDICT_OK || settled == VERDICT_POISON)) {
    struct problem unsure;
    enum verdict confirmed = walk_confirm(dlq->walk, &unsure);

    if (confirmed != VERDICT_OK) {
      settled = confirmed;
      later = unsure;
    }
  }
  if (is_sound && settled != VERDICT_OK) {
    *problem = later;
    return settled;
  }
  return verdict;
}

static enum verdict run(struct dlq *dlq, struct problem *problem)
{
  const struct options *options = dlq->options;
  enum verdict verdict;

  if (!options->is_json && (options->command == COMMAND_LIST || options->is_dry)) {
    letter_print_columns_head(stdout);
  }
  verdict = go_through(dlq, problem);
  if (options->command == COMMAND_REDRIVE || options->command == COMMAND_DISCARD) {
    verdict = finish(dlq, verdict, problem);
    summarize(dlq);
  } else if (dlq->in_doubt > 0) {
    fprintf(stderr, "dlq: %" PRIu64 " of them may have been redriven or discarded before: Kafka has forgotten, redrive stops at them\n", dlq->in_doubt);
  } else if (options->command == COMMAND_SHOW && verdict == VERDICT_OK && dlq->chosen == 0) {
    verdict = problem_set(problem, VERDICT_FATAL, EXIT_UNEXPECTED, "no_letter", "topic \"%s\" has no record at %" PRId64 "/%" PRId64, options->topic,
                          options->partition, options->offset);
  }
  return verdict;
}

/* ---------------------------------------------------------------------------------------------------------------------------------------------------- */

static enum verdict make_conf(const struct kafka_settings *settings, const char *brokers, rd_kafka_conf_t **ret_conf, struct problem *problem)
{
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  enum verdict verdict = kafka_settings_apply(settings, conf, problem);

  if (verdict != VERDICT_OK) {
    rd_kafka_conf_destroy(conf);
    return verdict;
  }
  (void)rd_kafka_conf_set(conf, "bootstrap.servers", brokers, NULL, 0);
  (void)rd_kafka_conf_set(conf, "client.id", "dlq", NULL, 0);
  *ret_conf = conf;
  return VERDICT_OK;
}

static enum verdict work(const struct options *options, const struct kafka_settings *settings, const char *brokers, const char *group, struct dlq *dlq,
                         struct problem *problem)
{
  bool is_from_beginning = options->is_all || options->command == COMMAND_SHOW;
  bool is_changing = (options->command == COMMAND_REDRIVE || options->command == COMMAND_DISCARD) && !options->is_dry;
  rd_kafka_conf_t *conf = NULL;
  enum verdict verdict = make_conf(settings, brokers, &conf, problem);

  if (verdict == VERDICT_OK) {
    verdict = walk_open(conf, options->topic, group, is_from_beginning, &dlq->walk, problem);
  }
  if (verdict == VERDICT_OK && is_changing) {
    verdict = walk_refresh(dlq->walk, 0, problem);
  }
  if (verdict == VERDICT_OK && is_changing) {
    verdict = walk_commit(dlq->walk, problem);
  }
  if (verdict == VERDICT_OK && is_changing && options->command == COMMAND_REDRIVE) {
    verdict = make_conf(settings, brokers, &conf, problem);
    if (verdict == VERDICT_OK) {
      verdict = redriver_new(conf, options->rate, &dlq->redriver, problem);
    }
  }
  return verdict == VERDICT_OK ? run(dlq, problem) : verdict;
}

static int start(const struct options *options)
{
  static struct kafka_settings settings;
  static struct problem_list problems;
  static struct dlq dlq;
  static const char *brokers;
  static const char *group;
  static int64_t kept_hours;
  static const struct variable variables[] = {
      {.name = "KAFKA_BOOTSTRAP_SERVERS", .kind = VARIABLE_TEXT, .target = &brokers, .help = "brokers, as host:port with commas between"},
      {.name = "DLQ_GROUP",
       .kind = VARIABLE_TEXT,
       .target = &group,
       .fallback = "dlq",
       .help = "the group whose committed offsets remember what was dealt with"},
      {.name = "DLQ_MEMORY_HOURS",
       .kind = VARIABLE_NUMBER,
       .target = &kept_hours,
       .fallback = "168",
       .help = "how long the brokers keep a group's offsets: their offsets.retention.minutes",
       .least = 0,
       .most = MEMORY_MOST_HOURS},
      {0},
  };
  struct problem problem;
  enum verdict verdict;

  if (options->command == COMMAND_HELP) {
    fputs(help, stdout);
    variables_print_help(variables, stdout);
    fputs(help_end, stdout);
    return EXIT_DONE;
  }
  variables_read(variables, &problems);
  kafka_settings_read(&settings, environ, &problems);
  if (problems.count > 0) {
    problem_list_print(&problems, stderr);
    return EXIT_USAGE;
  }
  dlq.options = options;
  dlq.kept_ms = kept_hours * MS_PER_HOUR;
  arena_init(&dlq.arena, 65536);
  verdict = work(options, &settings, brokers, group, &dlq, &problem);
  redriver_free(dlq.redriver);
  walk_close(dlq.walk);
  arena_done(&dlq.arena);
  if (verdict != VERDICT_OK) {
    fprintf(stderr, "dlq: %s\n", problem.text);
    if (problem.hint[0] != '\0') {
      fprintf(stderr, "dlq: hint: %s\n", problem.hint);
    }
    return problem.code == EXIT_DONE ? EXIT_UNEXPECTED : (int)problem.code;
  }
  return dlq.too_often + dlq.without_topic + dlq.crossed > 0 ? EXIT_POISON : EXIT_DONE;
}

int main(int argc, char **argv)
{
  struct options options;
  int code;

  memory_guard_set();
  code = options_read(&options, argc, argv);
  return code == EXIT_DONE ? start(&options) : code;
}
