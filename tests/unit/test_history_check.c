#include <sys/wait.h>
#include <unistd.h>

#include "history_script.h"

static const struct judge_options usual = {0};

/*
 * Two keys, a fault, and everything that is legal. Key a is in partition 0, b in partition 1; positions rise with time.
 *
 *   a: 1 2 3 | 2 3 4 | 4 5        b: 1 | 1 2
 */
static struct script *good_history(void)
{
  struct script *script = script_new();

  script_event(script, 10, "a1", "a", 1);
  script_event(script, 20, "b1", "b", 1);
  script_event(script, 30, "a2", "a", 2);
  script_event(script, 40, "a3", "a", 3);
  script_event(script, 50, "b2", "b", 2);
  script_event(script, 60, "a4", "a", 4);
  script_event(script, 70, "a5", "a", 5);
  script_read(script, 11, 0, 0, "a", "a1", 0x10);
  script_read(script, 21, 1, 0, "b", "b1", 0x20);
  script_read(script, 31, 0, 1, "a", "a2", 0x30);
  script_read(script, 41, 0, 2, "a", "a3", 0x40);
  script_fault(script, 45, "kill", "begin");
  script_fault(script, 46, "kill", "end");
  script_read(script, 51, 1, 2, "b", "b1", 0x20); /* an offset may be missing: what ends a transaction has one */
  script_read(script, 51, 0, 3, "a", "a2", 0x30);
  script_read(script, 51, 0, 4, "a", "a3", 0x40);
  script_read(script, 52, 1, 3, "b", "b2", 0x50);
  script_read(script, 62, 0, 5, "a", "a4", 0x60);
  script_fault(script, 63, "kill", "begin");
  script_read(script, 66, 0, 6, "a", "a4", 0x60);
  script_read(script, 72, 0, 7, "a", "a5", 0x70);
  script_sample(script, 5, 0x08);
  script_sample(script, 32, 0x18);
  script_sample(script, 80, 0x78);
  return script;
}

Test(history_check, a_good_history_has_no_finding)
{
  struct script *script = good_history();
  struct history history;
  struct judgement judgement;

  script_judge(script, &(struct judge_options){.window_ms = 30, .is_only_unconfirmed = true}, &history, &judgement);
  for (size_t i = 0; i < GUARANTEES; i++) {
    cr_assert_eq(judgement.findings[i].count, 0, "%s", judgement.findings[i].texts[0]);
  }
  cr_assert_eq(judgement.repetition_count, 4);
  cr_assert_eq(judgement.repetitions[0], 3);
  cr_assert_eq(judgement.repetitions[1], 1);
  judge_done(&judgement);
  history_done(&history);
}

Test(history_check, the_order_of_lines_and_a_reader_that_began_again_change_nothing)
{
  struct script *script = good_history();

  script_read(script, 72, 0, 7, "a", "a5", 0x70);
  script_read(script, 11, 0, 0, "a", "a1", 0x10);
  script_finds(script, &usual, GUARANTEE_LOST, 0);
}

Test(history_check, a_commit_without_an_answer_may_have_happened_or_not)
{
  struct script *script = good_history();
  struct history history;
  struct judgement judgement;

  script_told(script, 75, "unknown", "u-happened");
  script_row(script, "u-happened", "b", 3);
  script_read(script, 76, 1, 9, "b", "u-happened", 0x75);
  script_told(script, 76, "unknown", "u-did-not");
  script_judge(script, &usual, &history, &judgement);
  for (size_t i = 0; i < GUARANTEES; i++) {
    cr_assert_eq(judgement.findings[i].count, 0, "%s", judgement.findings[i].texts[0]);
  }
  cr_assert_eq(judgement.unknown_there, 1);
  cr_assert_eq(judgement.unknown_not_there, 1);
  judge_done(&judgement);
  history_done(&history);
}

Test(history_check, a_commit_without_an_answer_that_happened_must_arrive)
{
  struct script *script = good_history();

  script_told(script, 75, "unknown", "u");
  script_row(script, "u", "b", 3);
  script_finds(script, &usual, GUARANTEE_LOST, 1);
}

Test(history_check, a_row_that_is_not_in_kafka_is_lost)
{
  struct script *script = good_history();

  script_event(script, 75, "b3", "b", 3);
  script_finds(script, &usual, GUARANTEE_LOST, 1);
}

Test(history_check, a_commit_that_was_answered_and_is_in_no_row_is_lost)
{
  struct script *script = good_history();

  script_told(script, 75, "commit", "gone");
  script_finds(script, &usual, GUARANTEE_LOST, 1);
}

Test(history_check, what_was_not_committed_is_a_phantom)
{
  static const char *const outcomes[] = {"rollback", "unknown"};

  for (size_t i = 0; i < sizeof(outcomes) / sizeof(*outcomes); i++) {
    struct script *script = good_history();

    script_told(script, 73, outcomes[i], "x");
    script_read(script, 74, 0, 8, "a", "x", 0x74);
    script_finds(script, &usual, GUARANTEE_PHANTOM, 1);
  }
}

Test(history_check, an_event_of_a_savepoint_that_was_rolled_back_is_a_phantom)
{
  struct script *script = good_history();

  script_read(script, 74, 0, 8, "a", "a5-undone", 0x74);
  script_finds(script, &usual, GUARANTEE_PHANTOM, 1);
}

Test(history_check, a_record_without_id_or_with_an_unknown_one_is_a_phantom)
{
  struct script *script = good_history();

  script_line(
      script,
      "{\"t\":1,\"op\":\"read\",\"topic\":\"orders\",\"partition\":0,\"offset\":8,\"append_ms\":76,\"key\":null,\"id\":null,\"lsn\":null,\"sha256\":null}");
  script_read(script, 74, 0, 9, "a", "invented", 0x74);
  script_finds(script, &usual, GUARANTEE_PHANTOM, 2);
}

Test(history_check, a_later_number_that_comes_first_is_out_of_order)
{
  struct script *script = good_history();

  script_event(script, 74, "a6", "a", 6);
  script_event(script, 75, "a7", "a", 7);
  script_read(script, 76, 0, 8, "a", "a7", 0x75);
  script_read(script, 77, 0, 9, "a", "a6", 0x74);
  script_finds(script, &usual, GUARANTEE_ORDER, 1);
}

Test(history_check, events_of_two_keys_in_one_partition_come_in_the_order_of_their_commits)
{
  for (int index = 0; index < 4; index++) {
    struct script *script = good_history();

    script_event(script, 74, "a6", "a", 6);
    script_event(script, 75, "c1", "c", 1);
    script_event(script, 76, "c2", "c", 2);
    script_read_at(script, 77, 0, 8, "c", "c1", 0x75, 1);
    script_read_at(script, 77, 0, 9, "a", "a6", index == 3 ? 0x74 : 0x75, index);
    script_read_at(script, 77, 0, 10, "c", "c1", 0x75, 1); /* its replay is no first record */
    script_read_at(script, 78, 0, 11, "c", "c2", 0x76, 0); /* nor is what comes behind it to blame */
    script_finds(script, &usual, GUARANTEE_ORDER, index == 2 ? 0 : 1);
  }
}

Test(history_check, a_key_in_two_partitions_is_out_of_order_unless_keys_may_move)
{
  for (int may_move = 0; may_move < 2; may_move++) {
    struct script *script = good_history();

    script_event(script, 75, "a6", "a", 6);
    script_read(script, 76, 1, 9, "a", "a6", 0x75);
    script_finds(script, &(struct judge_options){.may_move_keys = may_move}, GUARANTEE_ORDER, may_move ? 0 : 1);
  }
}

/* With two relays: one's late stretch, which ends with a2, and the other's replay from a4 on, which is where PostgreSQL had been told to begin. */
Test(history_check, a_gap_within_a_replay_is_found_unless_two_relays_interleave)
{
  for (int may_interleave = 0; may_interleave < 2; may_interleave++) {
    struct script *script = good_history();

    script_read(script, 80, 0, 8, "a", "a2", 0x30);
    script_read(script, 80, 0, 9, "a", "a4", 0x60);
    script_read(script, 80, 0, 10, "a", "a5", 0x70);
    script_finds(script, &(struct judge_options){.may_interleave = may_interleave}, GUARANTEE_DUPLICATES, may_interleave ? 0 : 1);
  }
}

Test(history_check, a_replay_that_ends_early_is_found_unless_two_relays_interleave)
{
  for (int may_interleave = 0; may_interleave < 2; may_interleave++) {
    struct script *script = good_history();

    script_event(script, 79, "a6", "a", 6);
    script_read(script, 80, 0, 8, "a", "a2", 0x30);
    script_read(script, 80, 0, 9, "a", "a6", 0x79);
    script_finds(script, &(struct judge_options){.may_interleave = may_interleave}, GUARANTEE_DUPLICATES, may_interleave ? 0 : 1);
  }
}

Test(history_check, a_replay_may_be_cut_short_by_another_one)
{
  struct script *script = good_history();

  script_read(script, 80, 0, 8, "a", "a2", 0x30);
  script_read(script, 80, 0, 9, "a", "a3", 0x40);
  script_read(script, 81, 0, 10, "a", "a3", 0x40);
  script_read(script, 81, 0, 11, "a", "a4", 0x60);
  script_finds(script, &usual, GUARANTEE_DUPLICATES, 0);
}

Test(history_check, a_repetition_before_any_fault_is_found)
{
  struct script *script = script_new();

  script_event(script, 10, "a1", "a", 1);
  script_read(script, 11, 0, 0, "a", "a1", 0x10);
  script_read(script, 12, 0, 1, "a", "a1", 0x10);
  script_sample(script, 13, 0x18);
  script_fault(script, 13, "kill", "begin");
  script_finds(script, &usual, GUARANTEE_DUPLICATES, 1);
}

Test(history_check, a_repetition_of_what_lies_further_back_than_the_window_is_found)
{
  static const struct {
    int window_ms;
    int findings;
  } cases[] = {{25, 0}, {24, 0}, {23, 1}, {14, 1}, {13, 2}, {4, 2}, {3, 3}};

  /* Before the first fault, at 45, b1 was appended at 21, a2 at 31, a3 at 41; before the second, at 63, a4 at 62. */
  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    struct script *script = good_history();

    script_finds(script, &(struct judge_options){.window_ms = cases[i].window_ms}, GUARANTEE_DUPLICATES, cases[i].findings);
  }
}

Test(history_check, the_window_is_open_while_a_fault_lasts_and_a_while_behind_it)
{
  for (int window_ms = 4; window_ms <= 6; window_ms++) {
    struct script *script = script_new();

    script_event(script, 10, "a1", "a", 1);
    script_event(script, 20, "a2", "a", 2);
    script_event(script, 35, "a3", "a", 3);
    script_fault(script, 15, "slow", "begin");
    script_fault(script, 30, "slow", "end");
    script_read(script, 11, 0, 0, "a", "a1", 0x10);
    script_read(script, 21, 0, 1, "a", "a2", 0x20);
    script_read(script, 36, 0, 2, "a", "a3", 0x30);
    script_read(script, 50, 0, 3, "a", "a1", 0x10);
    script_read(script, 50, 0, 4, "a", "a2", 0x20);
    script_read(script, 50, 0, 5, "a", "a3", 0x30);
    /* And once more, of what was repeated far behind it: a window counts from the record before. */
    script_read(script, 70, 0, 6, "a", "a3", 0x30);
    script_finds(script, &(struct judge_options){.window_ms = window_ms, .is_without_samples = true}, GUARANTEE_DUPLICATES, window_ms < 6 ? 2 : 1);
  }
}

Test(history_check, a_fault_yet_to_come_opens_no_window)
{
  struct script *script = good_history();

  script_event(script, 75, "b3", "b", 3);
  script_read(script, 90, 1, 4, "b", "b3", 0x79);
  script_read(script, 92, 1, 5, "b", "b3", 0x79);
  script_fault(script, 94, "kill", "begin");
  script_finds(script, &(struct judge_options){.window_ms = 25}, GUARANTEE_DUPLICATES, 1);
}

Test(history_check, a_repetition_of_what_was_confirmed_is_found_where_that_is_wanted)
{
  for (int is_wanted = 0; is_wanted < 2; is_wanted++) {
    struct script *script = good_history();

    script_read(script, 90, 0, 8, "a", "a4", 0x60); /* 0x78 was confirmed at 80 */
    script_read(script, 90, 0, 9, "a", "a5", 0x70);
    script_finds(script, &(struct judge_options){.is_only_unconfirmed = is_wanted}, GUARANTEE_DUPLICATES, is_wanted ? 2 : 0);
  }
}

Test(history_check, a_repetition_before_its_confirmation_is_legal_whatever_the_order_of_samples)
{
  struct script *script = good_history();

  script_read(script, 79, 0, 8, "a", "a5", 0x70);
  script_sample(script, 81, 0x78);
  script_sample(script, 78, 0x70);
  script_finds(script, &(struct judge_options){.is_only_unconfirmed = true}, GUARANTEE_DUPLICATES, 0);
}

Test(history_check, another_key_or_value_or_topic_than_the_rows_is_found)
{
  static const char *const records[] = {
      "\"topic\":\"orders\",\"partition\":1,\"offset\":9,\"append_ms\":76,\"key\":\"B\",\"id\":\"b3\",\"lsn\":\"0/75/0\",\"sha256\":\"%s\"",
      "\"topic\":\"orders\",\"partition\":1,\"offset\":9,\"append_ms\":76,\"key\":null,\"id\":\"b3\",\"lsn\":\"0/75/0\",\"sha256\":\"%s\"",
      "\"topic\":\"orders\",\"partition\":1,\"offset\":9,\"append_ms\":76,\"key\":\"b\",\"id\":\"b3\",\"lsn\":\"0/75/0\",\"sha256\":null%.0s",
      "\"topic\":\"orders\",\"partition\":1,\"offset\":9,\"append_ms\":76,\"key\":\"b\",\"id\":\"b3\",\"lsn\":\"0/75/0\",\"sha256\":\"0%.63s\"",
  };

  for (size_t i = 0; i < sizeof(records) / sizeof(*records); i++) {
    struct script *script = good_history();
    char record[320];

    script_event(script, 75, "b3", "b", 3);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)snprintf(record, sizeof(record), records[i], hash_of("b3").text);
#pragma GCC diagnostic pop
    script_line(script, "{\"t\":1,\"op\":\"read\",%s}", record);
    script_finds(script, &usual, GUARANTEE_BYTES, 1);
  }
}

Test(history_check, a_record_in_another_topic_than_its_row_says_is_found)
{
  struct script *script = script_new();

  script_event(script, 75, "b3", "b", 3);
  script_line(script,
              "{\"t\":1,\"op\":\"read\",\"topic\":\"bills\",\"partition\":0,\"offset\":0,\"append_ms\":76,\"key\":\"b\",\"id\":\"b3\",\"lsn\":\"0/75/"
              "0\",\"sha256\":\"%s\"}",
              hash_of("b3").text);
  script_sample(script, 80, 0x78);
  script_finds(script, &usual, GUARANTEE_BYTES, 1);
}

Test(history_check, another_lsn_of_a_repetition_is_found)
{
  struct script *script = good_history();

  script_read(script, 80, 0, 8, "a", "a5", 0x71);
  script_finds(script, &usual, GUARANTEE_BYTES, 1);
  script = good_history();
  script_line(script,
              "{\"t\":1,\"op\":\"read\",\"topic\":\"orders\",\"partition\":0,\"offset\":8,\"append_ms\":80,\"key\":\"a\",\"id\":\"a5\",\"lsn\":\"0/70/"
              "1\",\"sha256\":\"%s\"}",
              hash_of("a5").text);
  script_finds(script, &usual, GUARANTEE_BYTES, 1);
}

Test(history_check, another_record_where_one_was_read_before_is_found)
{
  struct script *script = good_history();

  script_read(script, 80, 0, 7, "a", "a4", 0x60);
  script_finds(script, &usual, GUARANTEE_BYTES, 1);
}

Test(history_check, what_was_confirmed_before_it_was_appended_is_found)
{
  struct script *script = good_history();

  script_event(script, 75, "b3", "b", 3);
  script_read(script, 90, 1, 9, "b", "b3", 0x75);
  script_sample(script, 85, 0x76);
  script_sample(script, 86, 0x76); /* the same event is one finding */
  script_finds(script, &usual, GUARANTEE_CONFIRMED, 1);
}

Test(history_check, a_position_at_the_beginning_of_a_commit_confirms_nothing_of_it)
{
  struct script *script = good_history();

  script_event(script, 75, "b3", "b", 3);
  script_read(script, 78, 1, 9, "b", "b3", 0x75);
  script_sample(script, 76, 0x75);
  script_finds(script, &usual, GUARANTEE_CONFIRMED, 0);
}

Test(history_check, an_event_below_a_confirmed_one_counts_too)
{
  struct script *script = good_history();

  /* b3 lies before b4 in the log, arrives after it, and only b4 was there at the sample. */
  script_event(script, 75, "b3", "b", 3);
  script_event(script, 76, "c1", "c", 1);
  script_read(script, 77, 2, 0, "c", "c1", 0x76);
  script_read(script, 90, 1, 9, "b", "b3", 0x75);
  script_sample(script, 85, 0x77);
  script_finds(script, &usual, GUARANTEE_CONFIRMED, 1);
}

Test(history_check, a_history_without_samples_says_so)
{
  for (int is_without = 0; is_without < 2; is_without++) {
    struct script *script = script_new();

    script_event(script, 10, "a1", "a", 1);
    script_read(script, 11, 0, 0, "a", "a1", 0x10);
    script_finds(script, &(struct judge_options){.is_without_samples = is_without}, GUARANTEE_CONFIRMED, is_without ? 0 : 1);
  }
}

/* ---------------------------------------------------------------------------------------------------------------------------------------------------- */

Test(history_check, a_line_that_is_not_understood_is_an_error)
{
  static const char *const lines[] = {
      "",
      "{",
      "[]",
      "7",
      "{}",
      "{\"op\":\"begin\"}",
      "{\"t\":\"1\",\"op\":\"begin\"}",
      "{\"t\":1,\"op\":\"began\"}",
      "{\"t\":1,\"op\":\"commit\"}",
      "{\"t\":1,\"op\":\"commit\",\"events\":[{}]}",
      "{\"t\":1,\"op\":\"commit\",\"events\":[],\"undone\":[1]}",
      "{\"t\":1,\"op\":\"row\",\"id\":\"a\",\"key\":\"k\",\"n\":1}",
      "{\"t\":1,\"op\":\"row\",\"id\":\"a\",\"key\":\"k\",\"sha256\":\"0000000000000000000000000000000000000000000000000000000000000000\"}",
      "{\"t\":1,\"op\":\"row\",\"id\":\"a\",\"key\":\"k\",\"n\":1,\"sha256\":\"00\"}",
      "{\"t\":1,\"op\":\"row\",\"id\":\"a\",\"n\":1,\"sha256\":\"0000000000000000000000000000000000000000000000000000000000000000\"}",
      ("{\"t\":1,\"op\":\"row\",\"id\":\"a\",\"key\":\"k\",\"n\":1,\"poison\":1,\"sha256\":"
       "\"0000000000000000000000000000000000000000000000000000000000000000\"}"),
      "{\"t\":1,\"op\":\"row\",\"id\":\"a\",\"key\":\"k\",\"n\":1,\"sha256\":\"x000000000000000000000000000000000000000000000000000000000000000\"}",
      "{\"t\":1,\"op\":\"row\",\"id\":\"a\",\"key\":\"k\",\"n\":1,\"sha256\":\"00000000000000000000000000000000000000000000000000000000000000000\"}",
      "{\"t\":1,\"op\":\"read\",\"topic\":\"o\",\"partition\":-1,\"offset\":0,\"append_ms\":1}",
      "{\"t\":1,\"op\":\"read\",\"topic\":\"o\",\"partition\":0,\"append_ms\":1}",
      "{\"t\":1,\"op\":\"read\",\"topic\":\"o\",\"partition\":0,\"offset\":0,\"append_ms\":1,\"lsn\":\"0/1\"}",
      "{\"t\":1,\"op\":\"read\",\"topic\":\"o\",\"partition\":0,\"offset\":0,\"append_ms\":1,\"lsn\":\"x/1/0\"}",
      "{\"t\":1,\"op\":\"read\",\"topic\":\"o\",\"partition\":0,\"offset\":0,\"append_ms\":1,\"lsn\":\"0/1/0x\"}",
      "{\"t\":1,\"op\":\"read\",\"topic\":\"o\",\"partition\":0,\"offset\":0,\"append_ms\":1,\"dead.letter.position\":\"0/1\"}",
      "{\"t\":1,\"op\":\"slot\",\"confirmed\":\"0/1/0\"}",
      "{\"t\":1,\"op\":\"slot\"}",
      "{\"t\":1,\"op\":\"fault\",\"kind\":\"kill\"}",
      "{\"t\":1,\"op\":\"fault\",\"kind\":\"another\",\"phase\":\"end\"}",
      "{\"t\":1,\"op\":\"begin\"} x",
  };

  for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
    struct script *script = good_history();
    struct history history = {0};
    char error[256] = "";

    script_line(script, "%s", lines[i]);
    cr_assert(!script_is_read(script, &history, error), "understood: %s", lines[i]);
    cr_assert(strncmp(error, "script:32: ", 11) == 0, "%s", error);
    history_done(&history);
  }
}

Test(history_check, without_a_whole_list_of_rows_or_of_none_nothing_is_judged)
{
  for (int is_empty = 0; is_empty < 2; is_empty++) {
    struct script *script = is_empty ? script_new() : good_history();
    struct history history = {0};
    char error[256] = "";

    script_line(script, "{\"t\":99000001,\"op\":\"%s\"}", is_empty ? "resolved" : "begin");
    cr_assert(script_is_read(script, &history, error));
    cr_assert(!history_settle(&history, error));
    cr_assert(strstr(error, is_empty ? "no row" : "`resolved`") != NULL, "%s", error);
    history_done(&history);
  }
}

static int run_on(struct script *script, const char *options, bool is_resolved)
{
  char path[] = "/tmp/history-check.XXXXXX", command[512];
  int file = mkstemp(path), status;

  cr_assert_geq(file, 0);
  if (is_resolved) {
    script_line(script, "{\"t\":99000001,\"op\":\"resolved\"}");
  }
  (void)fclose(script->file);
  cr_assert_eq(write(file, script->text, script->size), (ssize_t)script->size);
  (void)close(file);
  free(script->text);
  free(script);
  (void)snprintf(command, sizeof(command), HISTORY_CHECK " %s %s >/dev/null 2>&1", options, path);
  status = system(command);
  (void)unlink(path);
  cr_assert(WIFEXITED(status));
  return WEXITSTATUS(status);
}

Test(history_check, the_exit_code_says_what_was_found)
{
  struct script *script;

  script = good_history();
  cr_assert_eq(run_on(script, "--json", true), 0);
  script = good_history();
  cr_assert_eq(run_on(script, "--window 2", true), 1);
  script = good_history();
  cr_assert_eq(run_on(script, "--window 2 --waive duplicates", true), 0);
  script = good_history();
  cr_assert_eq(run_on(script, "--window 2 --waive order", true), 1);
  script = good_history();
  cr_assert_eq(run_on(script, "", false), 2);
  script = good_history();
  cr_assert_eq(run_on(script, "--waive nothing", true), 2);
  script = good_history();
  cr_assert_eq(run_on(script, "--window 0", true), 2);
  script = good_history();
  cr_assert_eq(run_on(script, "--forgets a --forgets b --forgets c --forgets d --forgets e", true), 2);
  script = good_history();
  cr_assert_eq(run_on(script, "/nowhere/at/all", true), 2);
  script = good_history();
  script_line(script, "not JSON");
  cr_assert_eq(run_on(script, "", true), 2);
  cr_assert_eq(run_on(script_new(), "", true), 2);
}
