/* test_judge_letters.c - dead letters in a history: which rows may become one, what each holds, and the order of the rows around them. */
#include "history_script.h"

static const struct judge_options usual = {.dead_letters = "dead"};

struct letter {
  const char *key, *value_of, *topic, *reason, *position; /* `value_of`: the event whose hash the value has; members NULL: left out */
};

static void script_poison(struct script *script, int ms, const char *id, const char *key, int n)
{
  script_told(script, ms, "commit", id);
  script_line(script, "{\"t\":99000000,\"op\":\"row\",\"id\":\"%s\",\"key\":\"%s\",\"n\":%d,\"topic\":\"orders\",\"sha256\":\"%s\",\"poison\":true}", id, key,
              n, hash_of(id).text);
}

static void tell(FILE *file, const char *member, const char *value)
{
  if (value != NULL) {
    (void)fprintf(file, "\"%s\":\"%s\",", member, value);
  }
}

/* A record of event `id`, whose commit is at 0/<position>, in the topic of dead letters; 0: it has no lsn. */
static void script_letter_with(struct script *script, int ms, int partition, int offset, const char *id, int position, const struct letter *letter)
{
  (void)fputc('{', script->file);
  tell(script->file, "key", letter->key);
  tell(script->file, "sha256", letter->value_of != NULL ? hash_of(letter->value_of).text : NULL);
  tell(script->file, "dead.letter.topic", letter->topic);
  tell(script->file, "dead.letter.reason", letter->reason);
  tell(script->file, "dead.letter.position", letter->position);
  if (position > 0) {
    (void)fprintf(script->file, "\"lsn\":\"0/%X/0\",", (unsigned)position);
  }
  script_line(script, "\"t\":%d500,\"op\":\"read\",\"topic\":\"dead\",\"partition\":%d,\"offset\":%d,\"append_ms\":%d,\"id\":\"%s\"}", ms, partition, offset,
              ms, id);
}

static void script_letter(struct script *script, int ms, int offset, const char *key, const char *id, int position)
{
  char text[16];

  (void)snprintf(text, sizeof(text), "0/%X/0", (unsigned)position);
  script_letter_with(script, ms, 0, offset, id, position, &(struct letter){key, id, "orders", "too_large", text});
}

/*
 * Key a, of which 3 and 5 are poison, in two lives of the relay:
 *
 *   orders[0]: 1 2 4 | 2 4 6 7        dead[0]: 3 | 3 5
 */
static struct script *good_history(void)
{
  struct script *script = script_new();

  script_event(script, 10, "a1", "a", 1);
  script_event(script, 20, "a2", "a", 2);
  script_poison(script, 30, "a3", "a", 3);
  script_event(script, 40, "a4", "a", 4);
  script_poison(script, 50, "a5", "a", 5);
  script_event(script, 60, "a6", "a", 6);
  script_event(script, 70, "a7", "a", 7);
  script_read(script, 11, 0, 0, "a", "a1", 0x10);
  script_read(script, 21, 0, 1, "a", "a2", 0x20);
  script_letter(script, 31, 0, "a", "a3", 0x30);
  script_read(script, 41, 0, 2, "a", "a4", 0x40);
  script_fault(script, 75, "kill", "begin");
  script_read(script, 81, 0, 3, "a", "a2", 0x20);
  script_letter(script, 82, 1, "a", "a3", 0x30);
  script_read(script, 83, 0, 4, "a", "a4", 0x40);
  script_letter(script, 84, 2, "a", "a5", 0x50);
  script_read(script, 85, 0, 5, "a", "a6", 0x60);
  script_read(script, 86, 0, 6, "a", "a7", 0x70);
  script_sample(script, 5, 0x08);
  script_sample(script, 80, 0x18);
  script_sample(script, 90, 0x78);
  return script;
}

Test(judge_letters, a_good_history_has_no_finding)
{
  struct script *script = good_history();
  struct history history;
  struct judgement judgement;

  script_judge(script, &(struct judge_options){.dead_letters = "dead", .is_only_unconfirmed = true}, &history, &judgement);
  for (size_t i = 0; i < GUARANTEES; i++) {
    cr_assert_eq(judgement.findings[i].count, 0, "%s", judgement.findings[i].texts[0]);
  }
  cr_assert_eq(judgement.dead_letter_count, 3);
  cr_assert_eq(judgement.poison_count, 2);
  cr_assert_eq(judgement.collateral_count, 0);
  cr_assert_eq(judgement.repetition_count, 3);
  judge_done(&judgement);
  history_done(&history);
}

/* Judges as script_finds() does, and expects so many rows to have suffered for others. */
static void finds_collateral(struct script *script, enum guarantee guarantee, int count, int collateral)
{
  struct history history;
  struct judgement judgement;

  script_judge(script, &usual, &history, &judgement);
  for (size_t i = 0; i < GUARANTEES; i++) {
    cr_assert_eq(judgement.findings[i].count, i == guarantee ? count : 0, "%s: %s", guarantee_names[i], judgement.findings[i].texts[0]);
  }
  cr_assert_eq(judgement.collateral_count, collateral);
  judge_done(&judgement);
  history_done(&history);
}

Test(judge_letters, a_row_that_nobody_had_a_reason_to_refuse_must_be_no_dead_letter)
{
  struct script *script = good_history();

  script_event(script, 87, "a8", "a", 8);
  script_letter(script, 88, 3, "a", "a8", 0x80);
  finds_collateral(script, GUARANTEE_LOST, 1, 1);
}

Test(judge_letters, nor_when_it_is_in_its_topic_as_well)
{
  struct script *script = good_history();

  script_letter(script, 88, 3, "a", "a6", 0x60);
  finds_collateral(script, GUARANTEE_LOST, 1, 1);
}

Test(judge_letters, a_poison_row_in_its_topic_is_found)
{
  struct script *script = good_history();

  script_poison(script, 87, "a8", "a", 8);
  script_read(script, 88, 0, 7, "a", "a8", 0x80);
  finds_collateral(script, GUARANTEE_LOST, 1, 0);
}

Test(judge_letters, a_poison_row_that_is_nowhere_is_lost)
{
  struct script *script = good_history();

  script_poison(script, 87, "a8", "a", 8);
  finds_collateral(script, GUARANTEE_LOST, 1, 0);
}

Test(judge_letters, a_row_that_was_lost_beside_a_dead_letter_is_collateral)
{
  struct script *script = good_history();

  script_event(script, 87, "a8", "a", 8);
  finds_collateral(script, GUARANTEE_LOST, 1, 1);
}

Test(judge_letters, a_topic_of_dead_letters_that_was_not_named_is_any_other)
{
  struct script *script = good_history();
  struct history history;
  struct judgement judgement;

  script_judge(script, &(struct judge_options){0}, &history, &judgement);
  cr_assert_eq(judgement.findings[GUARANTEE_LOST].count, 3);
  cr_assert_eq(judgement.findings[GUARANTEE_BYTES].count, 3);
  cr_assert_eq(judgement.dead_letter_count, 0);
  judge_done(&judgement);
  history_done(&history);
}

Test(judge_letters, key_value_and_what_its_headers_say_must_be_those_of_the_row)
{
  static const struct letter letters[] = {
      {"b", "a8", "orders", "too_large", "0/80/0"},
      {NULL, "a8", "orders", "too_large", "0/80/0"},
      {"a", "a7", "orders", "too_large", "0/80/0"},
      {"a", NULL, "orders", "too_large", "0/80/0"},
      {"a", "a8", "bills", "too_large", "0/80/0"},
      {"a", "a8", NULL, "too_large", "0/80/0"},
      {"a", "a8", NULL, "refused_by_broker", "0/80/0"},
      {"a", "a8", "bills", "bad_headers", "0/80/0"},
      {"a", "a8", "orders", NULL, "0/80/0"},
      {"a", "a8", "orders", "", "0/80/0"},
      {"a", "a8", "orders", "too_large", NULL},
      {"a", "a8", "orders", "too_large", "0/81/0"},
      {"a", "a8", "orders", "too_large", "0/80/1"},
      {"a", "a8", "orders", "too_large", "0/80/0"},
  };

  for (size_t i = 0; i < sizeof(letters) / sizeof(*letters); i++) {
    struct script *script = good_history();

    script_poison(script, 87, "a8", "a", 8);
    script_letter_with(script, 88, 0, 3, "a8", 0x80, &letters[i]);
    script_finds(script, &usual, GUARANTEE_BYTES, i + 1 < sizeof(letters) / sizeof(*letters) ? 1 : 0); /* the last one is good */
  }
}

Test(judge_letters, a_dead_letter_that_says_nothing_of_its_place_is_found)
{
  struct script *script = good_history();

  script_poison(script, 87, "a8", "a", 8);
  script_letter_with(script, 88, 0, 3, "a8", 0, &(struct letter){"a", "a8", "orders", "too_large", NULL});
  script_finds(script, &usual, GUARANTEE_BYTES, 1);
}

Test(judge_letters, a_dead_letter_without_a_key_is_of_a_row_without_one)
{
  for (int is_null = 0; is_null < 2; is_null++) {
    struct script *script = good_history();

    script_line(script, "{\"t\":99000000,\"op\":\"row\",\"id\":\"x\",\"key\":null,\"n\":1,\"topic\":\"orders\",\"sha256\":\"%s\",\"poison\":true}",
                hash_of("x").text);
    script_letter_with(script, 88, 0, 3, "x", 0x80, &(struct letter){is_null ? NULL : "a", "x", NULL, "null_key", "0/80/0"});
    script_finds(script, &usual, GUARANTEE_BYTES, is_null ? 0 : 1);
  }
}

Test(judge_letters, another_lsn_of_a_repeated_dead_letter_is_found)
{
  struct script *script = good_history();

  script_letter(script, 88, 3, "a", "a5", 0x51);
  script_finds(script, &usual, GUARANTEE_BYTES, 1);
}

Test(judge_letters, dead_letters_of_a_key_have_an_order_and_a_partition)
{
  struct script *script = good_history();

  script_poison(script, 87, "a8", "a", 8);
  script_poison(script, 88, "a9", "a", 9);
  script_letter(script, 89, 3, "a", "a9", 0x81);
  script_letter(script, 90, 4, "a", "a8", 0x80);
  finds_collateral(script, GUARANTEE_ORDER, 1, 0);
  script = good_history();
  script_poison(script, 87, "a8", "a", 8);
  script_letter_with(script, 88, 1, 0, "a8", 0x80, &(struct letter){"a", "a8", "orders", "too_large", "0/80/0"});
  finds_collateral(script, GUARANTEE_ORDER, 1, 0);
}

Test(judge_letters, a_gap_around_a_dead_letter_is_found)
{
  struct script *script = good_history();

  /* 2 | 6: a replay without 4. That 3 and 5 are not there is right. */
  script_read(script, 91, 0, 7, "a", "a2", 0x20);
  script_read(script, 92, 0, 8, "a", "a6", 0x60);
  script_finds(script, &usual, GUARANTEE_DUPLICATES, 1);
}

Test(judge_letters, a_row_behind_a_dead_letter_that_comes_first_is_found)
{
  struct script *script = good_history();

  script_poison(script, 87, "a8", "a", 8);
  script_event(script, 87, "a9", "a", 9);
  script_event(script, 87, "a10", "a", 10);
  script_letter(script, 88, 3, "a", "a8", 0x80);
  script_read(script, 89, 0, 7, "a", "a10", 0x82);
  script_read(script, 90, 0, 8, "a", "a9", 0x81);
  finds_collateral(script, GUARANTEE_ORDER, 1, 1);
}

Test(judge_letters, a_dead_letter_that_is_repeated_though_it_had_been_confirmed_is_found)
{
  for (int is_only_unconfirmed = 0; is_only_unconfirmed < 2; is_only_unconfirmed++) {
    struct script *script = good_history();

    script_letter(script, 95, 3, "a", "a5", 0x50); /* 0x78 was confirmed at 90 */
    script_finds(script, &(struct judge_options){.dead_letters = "dead", .is_only_unconfirmed = is_only_unconfirmed}, GUARANTEE_DUPLICATES,
                 is_only_unconfirmed);
  }
}

Test(judge_letters, what_was_confirmed_before_its_dead_letter_was_written_is_found)
{
  struct script *script = good_history();

  script_poison(script, 87, "a8", "a", 8);
  script_sample(script, 91, 0x88);
  script_letter(script, 95, 3, "a", "a8", 0x80);
  script_finds(script, &usual, GUARANTEE_CONFIRMED, 1);
}
