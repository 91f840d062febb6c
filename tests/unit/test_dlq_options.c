#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdio.h>

#include "options.h"

static int read_words(struct options *options, const char *const *words)
{
  static char arguments[24][64]; /* what was read points into them */
  char *argv[24];
  int argc = 0;

  for (; words[argc] != NULL; argc++) {
    (void)snprintf(arguments[argc], sizeof(arguments[argc]), "%s", words[argc]);
    argv[argc] = arguments[argc];
  }
  argv[argc] = NULL;
  cr_redirect_stderr();
  return options_read(options, argc, argv);
}
#define READ(options, ...) read_words((options), (const char *const[]){"dlq", __VA_ARGS__ __VA_OPT__(, ) NULL})

Test(dlq_options, each_command_with_what_it_knows)
{
  struct options options;

  cr_assert_eq(READ(&options, "list", "a.dlq", "--json", "--all", "--limit", "5", "--id", "e-1"), EXIT_DONE);
  cr_assert(options.command == COMMAND_LIST && options.is_json && options.is_all && options.limit == 5);
  cr_assert_str_eq(options.topic, "a.dlq");
  cr_assert_str_eq(options.filter.id, "e-1");
  cr_assert_eq(READ(&options, "show", "a.dlq", "2/17"), EXIT_DONE);
  cr_assert(options.command == COMMAND_SHOW && options.partition == 2 && options.offset == 17);
  cr_assert_eq(READ(&options, "redrive", "--rate", "10", "--max-redrives=1", "a.dlq", "--dry-run"), EXIT_DONE);
  cr_assert(options.command == COMMAND_REDRIVE && options.rate == 10 && options.redrives_max == 1 && options.is_dry);
  cr_assert_eq(READ(&options, "discard", "a.dlq", "--key", "k", "--yes"), EXIT_DONE);
  cr_assert(options.command == COMMAND_DISCARD && options.is_confirmed);
  cr_assert_eq(READ(&options, "redrive", "a.dlq"), EXIT_DONE);
  cr_assert_eq(options.redrives_max, OPTIONS_REDRIVES_MAX_DEFAULT);
  cr_assert(!options.with_forgotten);
  cr_assert_eq(READ(&options, "redrive", "a.dlq", "--forgotten"), EXIT_DONE);
  cr_assert(options.with_forgotten);
}

Test(dlq_options, what_is_wrong_is_refused)
{
  static const char *const wrong[][8] = {
      {"dlq"},
      {"dlq", "lst", "a.dlq"},
      {"dlq", "list"},
      {"dlq", "list", "a.dlq", "b.dlq"},
      {"dlq", "list", "a.dlq", "--rate", "5"},
      {"dlq", "list", "a.dlq", "--limit", "0"},
      {"dlq", "list", "a.dlq", "--since", "yesterday"},
      {"dlq", "list", "a.dlq", "--id"},
      {"dlq", "show", "a.dlq", "17"},
      {"dlq", "show", "a.dlq", "2/x"},
      {"dlq", "show", "a.dlq", "-1/3"},
      {"dlq", "redrive", "a.dlq", "--rate", "fast"},
      {"dlq", "redrive", "a.dlq", "--yes"},
      {"dlq", "discard", "a.dlq"},
      {"dlq", "discard", "a.dlq", "--to", "b"},
      {"dlq", "discard", "a.dlq", "--yes", "--forgotten"},
  };
  struct options options;

  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    cr_assert_eq(read_words(&options, wrong[i]), EXIT_USAGE, "%zu: %s %s", i, wrong[i][1] == NULL ? "" : wrong[i][1], wrong[i][3] == NULL ? "" : wrong[i][3]);
  }
}
