#include "history_script.h"
#include "plot.h"

static const struct judge_options usual = {0};

static struct figures figures_of_script(struct script *script)
{
  struct history history;
  struct judgement judgement;
  struct figures figures;

  script_judge(script, &usual, &history, &judgement);
  figures = figures_of(&history, &judgement);
  judge_done(&judgement);
  history_done(&history);
  return figures;
}

Test(figures, a_fault_is_over_when_all_that_was_committed_before_its_end_has_arrived)
{
  struct script *script = script_new();
  struct figures figures;

  script_event(script, 100, "a1", "a", 1);
  script_fault(script, 110, "kill", "begin");
  script_event(script, 120, "a2", "a", 2);
  script_fault(script, 200, "kill", "end");
  script_event(script, 210, "a3", "a", 3);
  script_read(script, 101, 0, 0, "a", "a1", 1);
  script_read(script, 450, 0, 1, "a", "a2", 2);
  script_read(script, 460, 0, 2, "a", "a3", 3);
  figures = figures_of_script(script);
  cr_assert_eq(figures.recoveries, 1);
  cr_assert_float_eq(figures.recovery_max_s, 0.250, 1e-9);
  cr_assert_eq(figures.unseen_max, 2);
  cr_assert_float_eq(figures.delay_max_ms, 330, 1e-9);
}

Test(figures, a_fault_is_not_over_while_something_has_been_unseen_for_a_second)
{
  struct script *script = script_new();
  struct figures figures;

  script_event(script, 900, "b1", "b", 1);
  script_fault(script, 1000, "kill", "begin");
  script_fault(script, 1100, "kill", "end");
  script_event(script, 1200, "a1", "a", 1);
  script_event(script, 3000, "a2", "a", 2);
  script_read(script, 2300, 1, 0, "b", "b1", 1);
  script_read(script, 3100, 0, 0, "a", "a1", 2);
  script_read(script, 3600, 0, 1, "a", "a2", 3);
  figures = figures_of_script(script);
  cr_assert_float_eq(figures.recovery_max_s, 2.0, 1e-9);
}

Test(figures, a_recovery_that_the_next_fault_cuts_short_counts_for_that_one)
{
  struct script *script = script_new();
  struct figures figures;

  script_fault(script, 1000, "kill", "begin");
  script_event(script, 1000, "a1", "a", 1);
  script_fault(script, 1200, "kill", "begin");
  script_read(script, 1500, 0, 0, "a", "a1", 2);
  figures = figures_of_script(script);
  cr_assert_eq(figures.recoveries, 1);
  cr_assert_float_eq(figures.recovery_max_s, 0.3, 1e-9);
}

Test(figures, repetitions_are_counted_per_fault)
{
  struct script *script = script_new();
  struct figures figures;

  script_event(script, 10, "a1", "a", 1);
  script_read(script, 11, 0, 0, "a", "a1", 1);
  script_fault(script, 20, "kill", "begin");
  script_read(script, 20, 0, 1, "a", "a1", 1); /* cut to milliseconds: it may be later than the fault */
  script_read(script, 25, 0, 2, "a", "a1", 1);
  script_fault(script, 30, "kill", "begin");
  script_fault(script, 40, "kill", "begin");
  script_read(script, 45, 0, 3, "a", "a1", 1);
  figures = figures_of_script(script);
  cr_assert_eq(figures.faults, 3);
  cr_assert_float_eq(figures.repetitions_mean, 1, 1e-9);
  cr_assert_float_eq(figures.repetitions_p50, 1, 1e-9);
  cr_assert_float_eq(figures.repetitions_max, 2, 1e-9);
}

Test(figures, an_event_that_never_arrived_stays_unseen_and_recovers_nothing)
{
  struct script *script = script_new();
  struct history history;
  struct judgement judgement;
  size_t count;
  struct step *steps;

  script_event(script, 10, "a1", "a", 1);
  script_event(script, 11, "a2", "a", 2);
  script_read(script, 20, 0, 0, "a", "a1", 1);
  script_judge(script, &usual, &history, &judgement);
  steps = figures_steps(&history, &judgement, &count);
  cr_assert_eq(count, 3);
  cr_assert_eq(steps[0].change + steps[1].change + steps[2].change, 1);
  free(steps);
  judge_done(&judgement);
  history_done(&history);
}

static size_t count_of(const char *text, const char *part)
{
  size_t count = 0;

  for (text = strstr(text, part); text != NULL; text = strstr(text + 1, part)) {
    count++;
  }
  return count;
}

/* Judges the script and draws it; the caller's. */
static char *drawing_of(struct script *script, const char *title)
{
  struct history history;
  struct judgement judgement;
  char *text = NULL;
  size_t size;
  FILE *file = open_memstream(&text, &size);

  script_judge(script, &usual, &history, &judgement);
  plot_unseen(&history, &judgement, title, file);
  (void)fclose(file);
  judge_done(&judgement);
  history_done(&history);
  return text;
}

Test(figures, the_drawing_has_a_bar_per_fault_and_the_highest_peak)
{
  struct script *script = script_new();
  char *text;

  for (int i = 0; i < 40; i++) {
    char id[16];

    (void)snprintf(id, sizeof(id), "e%d", i);
    script_event(script, 5000, id, "a", i + 1);
    script_read(script, i == 39 ? 90000 : 5001, 0, i, "a", id, i + 1);
  }
  script_fault(script, 1000, "kill <&>", "begin");
  script_fault(script, 100000, "kill <&>", "begin");
  script_fault(script, 101000, "stop", "begin");
  text = drawing_of(script, "a <title> & more");
  cr_assert_not_null(strstr(text, "a &lt;title&gt; &amp; more"));
  cr_assert_eq(count_of(text, "<title>kill &lt;&amp;&gt;,"), 2);
  cr_assert_eq(count_of(text, "<title>stop,"), 1);
  cr_assert_not_null(strstr(text, "at most 40 events unseen at once"));
  cr_assert_eq(count_of(text, "<rect"), 1 + 3 + 3); /* paper, faults, legend */
  free(text);
}

Test(figures, many_faults_are_columns_of_their_kind)
{
  struct script *script = script_new();
  char *text;

  script_event(script, 500, "e", "a", 1);
  script_read(script, 9000, 0, 0, "a", "e", 1);
  for (int i = 0; i < 150; i++) {
    script_fault(script, 1000, "kill", "begin");
    script_fault(script, 1000, "kill", "end");
    script_fault(script, 2000, "stop", "begin");
    script_fault(script, 2000, "stop", "end");
  }
  text = drawing_of(script, "many");
  cr_assert_not_null(strstr(text, " 300 faults,"));
  cr_assert_eq(count_of(text, "<title>"), 0);
  cr_assert_eq(count_of(text, "<path stroke="), 2);
  cr_assert_eq(count_of(text, "v238"), 2);
  cr_assert_eq(count_of(text, "<rect"), 1 + 3); /* paper, legend */
  free(text);
}

Test(figures, a_fault_that_met_nothing_is_not_counted)
{
  struct script *script = script_new();
  struct figures figures;

  script_event(script, 10, "a1", "a", 1);
  script_read(script, 11, 0, 0, "a", "a1", 1);
  script_fault(script, 20, "cut", "begin");
  script_event(script, 21, "a2", "a", 2);
  script_fault(script, 25, "kill", "begin");
  script_fault(script, 26, "cut", "missed");
  script_fault(script, 27, "kill", "end");
  script_fault(script, 30, "cut", "begin");
  script_fault(script, 31, "cut", "missed");
  script_read(script, 35, 0, 1, "a", "a1", 1); /* the kill's */
  script_read(script, 40, 0, 2, "a", "a2", 2);
  figures = figures_of_script(script);
  cr_assert_eq(figures.faults, 1);
  cr_assert_eq(figures.faults_missed, 2);
  cr_assert_float_eq(figures.repetitions_mean, 1, 1e-9);
  cr_assert_float_eq(figures.repetitions_p50, 1, 1e-9);
  cr_assert_float_eq(figures.repetitions_max, 1, 1e-9);
  /* What comes next and meets nothing cuts no recovery short. */
  cr_assert_eq(figures.recoveries, 1);
  cr_assert_float_eq(figures.recovery_max_s, 0.013, 1e-9);
}

Test(figures, what_is_repeated_where_every_fault_met_nothing_is_without_a_fault)
{
  struct script *script = script_new();
  struct history history;
  struct judgement judgement;

  script_event(script, 10, "a1", "a", 1);
  script_read(script, 11, 0, 0, "a", "a1", 1);
  script_fault(script, 20, "cut", "begin");
  script_read(script, 21, 0, 1, "a", "a1", 1);
  script_fault(script, 22, "cut", "missed");
  script_fault(script, 30, "kill", "begin");
  script_fault(script, 31, "kill", "end");
  script_judge(script, &usual, &history, &judgement);
  cr_assert_eq(judgement.repetition_count, 1);
  cr_assert_eq(judgement.repetitions_without_fault, 1);
  judge_done(&judgement);
  history_done(&history);
}

Test(figures, a_fault_that_met_nothing_was_going_on)
{
  for (int window_ms = 4; window_ms <= 5; window_ms++) {
    struct script *script = script_new();

    script_event(script, 10, "a1", "a", 1);
    script_read(script, 11, 0, 0, "a", "a1", 0x10);
    script_fault(script, 16, "cut", "begin");
    script_read(script, 17, 0, 1, "a", "a1", 0x10);
    script_fault(script, 18, "cut", "missed");
    script_finds(script, &(struct judge_options){.window_ms = window_ms, .is_without_samples = true}, GUARANTEE_DUPLICATES, window_ms < 5 ? 1 : 0);
  }
}

Test(figures, the_drawing_has_no_bar_for_a_fault_that_met_nothing)
{
  for (int faults = 1; faults <= 301; faults += 300) {
    struct script *script = script_new();
    char *text;

    script_event(script, 500, "e", "a", 1);
    script_read(script, 9000, 0, 0, "a", "e", 1);
    for (int i = 0; i < faults; i++) {
      script_fault(script, 1000, "cut", "begin");
      script_fault(script, 1500, "cut", "missed");
    }
    script_fault(script, 2000, "kill", "begin");
    text = drawing_of(script, "one");
    cr_assert_not_null(strstr(text, " 1 faults,"));
    cr_assert_not_null(strstr(text, "kill"));
    cr_assert_null(strstr(text, "cut"));
    free(text);
  }
}
