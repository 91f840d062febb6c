/*
 * history_check.c - the judge: reads histories, says for each guarantee whether it holds, and draws what happened (README.md of this folder).
 *
 *   history_check [OPTION...] FILE...
 *
 * Exit code 0: all hold. 1: one does not; each finding is a line. 2: the files could not be read, or are no whole history.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "figures.h"
#include "history.h"
#include "judge.h"
#include "plot.h"

static const char usage_text[] = "usage: history_check [OPTION...] FILE...\n"
                                 "  --json               figures as one JSON object on standard output, findings on standard error\n"
                                 "  --svg FILE           draws the events unseen over time\n"
                                 "  --title TEXT         of the drawing\n"
                                 "  --window MS          nothing may be repeated that was appended further away from every fault; however far by default\n"
                                 "  --only-unconfirmed   nothing may be repeated of which PostgreSQL had been told\n"
                                 "  --forgets KIND       but for what it may have forgotten, killed or restarted by a fault of this kind; up to four times\n"
                                 "  --waive GUARANTEE    is judged and said, and does not count; may be given several times\n"
                                 "  --no-samples         a history without samples of the slot is whole\n"
                                 "  --keys-may-move      the number of partitions changes\n"
                                 "  --may-interleave     two relays publish at once for a while\n"
                                 "  --dead-letters TOPIC where rows belong that are marked as poison, and no others\n";

struct arguments {
  struct judge_options judge;
  bool is_json;
  const char *svg;
  const char *title;
  bool is_waived[GUARANTEES];
};

static int refuse(const char *what)
{
  (void)fprintf(stderr, "history_check: %s\n%s", what, usage_text);
  return 2;
}

static bool waive(struct arguments *arguments, const char *name)
{
  for (size_t i = 0; i < GUARANTEES; i++) {
    if (strcmp(name, guarantee_names[i]) == 0) {
      arguments->is_waived[i] = true;
      return true;
    }
  }
  return false;
}

static bool forget_with(struct arguments *arguments, const char *kind)
{
  size_t count = 0;

  while (arguments->judge.forgetful_kinds[count] != NULL) {
    count++;
  }
  if (count == FORGETFUL_KINDS_MAX) {
    return false;
  }
  arguments->judge.forgetful_kinds[count] = kind;
  return true;
}

static bool read_number(const char *text, int64_t *ret_number)
{
  char *end;
  long long number = strtoll(text, &end, 10);

  *ret_number = number;
  return end != text && *end == '\0' && number > 0;
}

static bool read_arguments(struct arguments *arguments, int argc, char **argv)
{
  static const struct option options[] = {
      {"json", no_argument, NULL, 'j'},
      {"svg", required_argument, NULL, 's'},
      {"title", required_argument, NULL, 't'},
      {"window", required_argument, NULL, 'w'},
      {"waive", required_argument, NULL, 'v'},
      {"no-samples", no_argument, NULL, 'n'},
      {"only-unconfirmed", no_argument, NULL, 'u'},
      {"forgets", required_argument, NULL, 'f'},
      {"keys-may-move", no_argument, NULL, 'm'},
      {"may-interleave", no_argument, NULL, 'i'},
      {"dead-letters", required_argument, NULL, 'd'},
      {NULL, 0, NULL, 0},
  };
  bool is_good = true;
  int option;

  while (is_good && (option = getopt_long(argc, argv, "", options, NULL)) != -1) {
    switch (option) {
    case 'j':
      arguments->is_json = true;
      break;
    case 's':
      arguments->svg = optarg;
      break;
    case 't':
      arguments->title = optarg;
      break;
    case 'w':
      is_good = read_number(optarg, &arguments->judge.window_ms);
      break;
    case 'v':
      is_good = waive(arguments, optarg);
      break;
    case 'n':
      arguments->judge.is_without_samples = true;
      break;
    case 'u':
      arguments->judge.is_only_unconfirmed = true;
      break;
    case 'f':
      is_good = forget_with(arguments, optarg);
      break;
    case 'm':
      arguments->judge.may_move_keys = true;
      break;
    case 'i':
      arguments->judge.may_interleave = true;
      break;
    case 'd':
      arguments->judge.dead_letters = optarg;
      break;
    default:
      is_good = false;
    }
  }
  return is_good && optind < argc;
}

static bool read_files(struct history *history, char **names)
{
  char error[256];

  for (; *names != NULL; names++) {
    FILE *file = fopen(*names, "re");

    if (file == NULL) {
      (void)fprintf(stderr, "history_check: could not open %s\n", *names);
      return false;
    }
    if (!history_read(history, file, *names, error)) {
      (void)fprintf(stderr, "history_check: %s\n", error);
      (void)fclose(file);
      return false;
    }
    (void)fclose(file);
  }
  if (!history_settle(history, error)) {
    (void)fprintf(stderr, "history_check: %s\n", error);
    return false;
  }
  return true;
}

/* Returns whether all that is not waived holds. */
static bool print_verdicts(const struct arguments *arguments, const struct judgement *judgement, FILE *file)
{
  bool is_good = true;

  for (size_t i = 0; i < GUARANTEES; i++) {
    const struct finding_list *list = &judgement->findings[i];

    for (int64_t j = 0; j < list->count && j < FINDINGS_MAX; j++) {
      (void)fprintf(file, "%s: %s\n", guarantee_names[i], list->texts[j]);
    }
    if (list->count > FINDINGS_MAX) {
      (void)fprintf(file, "%s: and %" PRId64 " more\n", guarantee_names[i], list->count - FINDINGS_MAX);
    }
    is_good = is_good && (list->count == 0 || arguments->is_waived[i]);
  }
  for (size_t i = 0; i < GUARANTEES; i++) {
    int64_t count = judgement->findings[i].count;

    (void)fprintf(file, "%s%s %s", i > 0 ? ", " : "", guarantee_names[i], count == 0 ? "ok" : arguments->is_waived[i] ? "waived" : "BROKEN");
  }
  (void)fputs("\n", file);
  return is_good;
}

static void print_figures(const struct figures *figures, const struct judgement *judgement, FILE *file)
{
  (void)fprintf(file,
                "%" PRId64 " events, %" PRId64 " records in %.1f s; %" PRId64 " faults; repeated %" PRId64
                ", per fault p50 %.0f, max %.0f; recovery p50 %.2f s, max %.2f s; "
                "unseen at most %" PRId64 "; delay p50 %.0f ms, p99 %.0f ms\n",
                figures->events, figures->records, figures->seconds, figures->faults, judgement->repetition_count, figures->repetitions_p50,
                figures->repetitions_max, figures->recovery_p50_s, figures->recovery_max_s, figures->unseen_max, figures->delay_p50_ms, figures->delay_p99_ms);
}

static bool draw(const struct history *history, const struct judgement *judgement, const struct arguments *arguments)
{
  FILE *file = fopen(arguments->svg, "we");

  if (file == NULL) {
    (void)fprintf(stderr, "history_check: could not write %s\n", arguments->svg);
    return false;
  }
  plot_unseen(history, judgement, arguments->title, file);
  return fclose(file) == 0;
}

int main(int argc, char **argv)
{
  struct arguments arguments = {.title = "Events unseen over time"};
  struct history history = {0};
  struct judgement judgement;
  struct figures figures;
  int code = 2;

  if (!read_arguments(&arguments, argc, argv)) {
    return refuse("an option or the files are missing or make no sense");
  }
  if (read_files(&history, argv + optind)) {
    judge(&history, &arguments.judge, &judgement);
    figures = figures_of(&history, &judgement);
    code = print_verdicts(&arguments, &judgement, stderr) ? 0 : 1;
    if (arguments.is_json) {
      figures_print_json(&history, &judgement, &figures, arguments.is_waived, stdout);
    } else {
      print_figures(&figures, &judgement, stdout);
    }
    if (arguments.svg != NULL && !draw(&history, &judgement, &arguments)) {
      code = 2;
    }
    judge_done(&judgement);
  }
  history_done(&history);
  return code;
}
