#include "history_script.h"

static const struct judge_options strict = {.is_only_unconfirmed = true};
static const struct judge_options forgiving = {.is_only_unconfirmed = true, .forgetful_kinds = {"cut", "server killed"}};

/* a1 and a2 are in Kafka and confirmed at 30, and the server is killed from 40 to 50. */
static struct script *killed_server(void)
{
  struct script *script = script_new();

  script_event(script, 10, "a1", "a", 1);
  script_event(script, 20, "a2", "a", 2);
  script_read(script, 11, 0, 0, "a", "a1", 0x10);
  script_read(script, 21, 0, 1, "a", "a2", 0x20);
  script_sample(script, 30, 0x28);
  script_fault(script, 40, "server killed", "begin");
  script_fault(script, 50, "server killed", "end");
  return script;
}

Test(judge_confirmed, what_a_server_has_forgotten_may_come_again)
{
  const struct judge_options others = {.is_only_unconfirmed = true, .forgetful_kinds = {"relay killed"}};
  struct script *script;

  for (int ms = 45; ms <= 70; ms += 25) { /* while it lasts, and behind it */
    script = killed_server();
    script_sample(script, 60, 0x18);
    script_read(script, ms, 0, 2, "a", "a2", 0x20);
    script_finds(script, &forgiving, GUARANTEE_DUPLICATES, 0);
    script = killed_server();
    script_sample(script, 60, 0x18);
    script_read(script, ms, 0, 2, "a", "a2", 0x20);
    script_finds(script, &strict, GUARANTEE_DUPLICATES, 1);
    script = killed_server();
    script_sample(script, 60, 0x18);
    script_read(script, ms, 0, 2, "a", "a2", 0x20);
    script_finds(script, &others, GUARANTEE_DUPLICATES, 1);
  }
}

Test(judge_confirmed, what_it_still_knows_may_not)
{
  struct script *script = killed_server();

  script_sample(script, 60, 0x18); /* behind a1, before a2 */
  script_read(script, 70, 0, 2, "a", "a1", 0x10);
  script_read(script, 71, 0, 3, "a", "a2", 0x20);
  script_finds(script, &forgiving, GUARANTEE_DUPLICATES, 1);
}

Test(judge_confirmed, what_it_was_told_again_may_not_come_a_third_time)
{
  struct script *script = killed_server();

  script_sample(script, 60, 0x18);
  script_read(script, 65, 0, 2, "a", "a2", 0x20);
  script_sample(script, 70, 0x28);
  script_fault(script, 72, "cut", "begin"); /* whatever ends in one moment has no end */
  script_sample(script, 74, 0x28);
  script_read(script, 75, 0, 3, "a", "a2", 0x20);
  script_finds(script, &forgiving, GUARANTEE_DUPLICATES, 1);
}

Test(judge_confirmed, a_sample_within_the_fault_says_nothing_of_what_is_known_behind_it)
{
  struct script *script = killed_server();

  script_sample(script, 41, 0x28);
  script_read(script, 55, 0, 2, "a", "a2", 0x20);
  script_finds(script, &forgiving, GUARANTEE_DUPLICATES, 0);
}

Test(judge_confirmed, the_longest_of_two_faults_at_once_counts)
{
  struct script *script = killed_server();

  script_fault(script, 42, "cut", "begin");
  script_fault(script, 44, "cut", "end");
  script_sample(script, 46, 0x28);
  script_read(script, 55, 0, 2, "a", "a2", 0x20);
  script_finds(script, &forgiving, GUARANTEE_DUPLICATES, 0);
}

Test(judge_confirmed, before_the_first_such_fault_everything_counts)
{
  struct script *script = killed_server();

  script_fault(script, 31, "relay killed", "begin");
  script_read(script, 35, 0, 2, "a", "a2", 0x20);
  script_finds(script, &forgiving, GUARANTEE_DUPLICATES, 1);
}

Test(judge_confirmed, a_record_without_lsn_is_found_since_nothing_could_be_said_of_its_confirmation)
{
  struct script *script = script_new();

  script_event(script, 10, "a1", "a", 1);
  script_line(
      script,
      "{\"t\":1,\"op\":\"read\",\"topic\":\"orders\",\"partition\":0,\"offset\":0,\"append_ms\":11,\"key\":\"a\",\"id\":\"a1\",\"lsn\":null,\"sha256\":\"%s\"}",
      hash_of("a1").text);
  script_sample(script, 20, 0x18);
  script_finds(script, &strict, GUARANTEE_BYTES, 1);
}
