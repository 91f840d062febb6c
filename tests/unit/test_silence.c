/* test_silence.c - a statement_timeout of the user's own, however it is written, moves our own limit up or leaves it where it is; it never takes it away but by 0. */
#include <criterion/criterion.h>
#include <limits.h>

#include "silence.h"

Test(silence, follows_the_statement_timeout_of_the_options)
{
  static const struct {
    const char *options;
    int silence_ms;
  } cases[] = {
      {"", SILENCE_MS},
      {"-c statement_timeout=10000 -c lock_timeout=5000", SILENCE_MS},
      /* shorter than ours: the limit holds all the same */
      {"-c statement_timeout=10000 -c statement_timeout=5000", SILENCE_MS},
      {"-c statement_timeout=10000 -c statement_timeout=150", SILENCE_MS},
      {"-c statement_timeout=1ms", SILENCE_MS},
      {"-c statement_timeout=1s", SILENCE_MS},
      {"-c statement_timeout=600us", SILENCE_MS},
      {"-cstatement_timeout=5s", SILENCE_MS},
      {"--statement_timeout=5s", SILENCE_MS},
      /* longer: as much longer */
      {"-c statement_timeout=10000 -c statement_timeout=60000", 60000 + SILENCE_SLACK_MS},
      {"-c statement_timeout=10000 -cstatement_timeout=1min", 60000 + SILENCE_SLACK_MS},
      {"--statement-timeout=60s", 60000 + SILENCE_SLACK_MS},
      {"--STATEMENT_timeout=60s", 60000 + SILENCE_SLACK_MS},
      {"-c statement_timeout=1\\ min", 60000 + SILENCE_SLACK_MS},
      {"  -c\tstatement_timeout=1.5min  ", 90000 + SILENCE_SLACK_MS},
      {"-c statement_timeout=1h -c search_path=a\\ b", 3600000 + SILENCE_SLACK_MS},
      {"-c statement_timeout=24d", 2073600000 + SILENCE_SLACK_MS},
      {"-c statement_timeout=2147483647", INT_MAX},
      /* the last one counts, and only that setting */
      {"-c statement_timeout=60s -c statement_timeout=20s", 20000 + SILENCE_SLACK_MS},
      {"-c statement_timeout=0 -c statement_timeout=5s", SILENCE_MS},
      {"-c application_name=statement_timeout=60s", SILENCE_MS},
      {"-c my.statement_timeout=60s", SILENCE_MS},
      {"-c statement_timeouts=60s", SILENCE_MS},
      /* no limit for statements, none for us */
      {"-c statement_timeout=10000 -c statement_timeout=0", SILENCE_WITHOUT_LIMIT},
      {"-c statement_timeout=0s", SILENCE_WITHOUT_LIMIT},
      /* what is no time the server refuses */
      {"-c statement_timeout=soon", SILENCE_MS},
      {"-c statement_timeout=", SILENCE_MS},
      {"-c statement_timeout=-1", SILENCE_MS},
      {"-c statement_timeout=5 parsecs", SILENCE_MS},
      {"-c statement_timeout=60S", SILENCE_MS},
      {"-c statement_timeout=nan", SILENCE_MS},
      {"-c", SILENCE_MS},
      {"\\", SILENCE_MS},
  };

  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    cr_expect_eq(silence_of_options(cases[i].options), cases[i].silence_ms, "%s: %d", cases[i].options, silence_of_options(cases[i].options));
  }
}
