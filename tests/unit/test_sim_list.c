/* test_sim_list.c - the simulator's list of seeds: what is none is an error, since a list of which nothing is read would be passed by everything. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int lives(const char *text)
{
  char path[] = "/tmp/sim-list.XXXXXX", command[512];
  int file = mkstemp(path), status;
  FILE *list;

  cr_assert_geq(file, 0);
  list = fdopen(file, "w");
  cr_assert_not_null(list);
  (void)fputs(text, list);
  (void)fclose(list);
  (void)snprintf(command, sizeof(command), SIM " --list %s >/dev/null 2>&1", path);
  status = system(command);
  (void)unlink(path);
  cr_assert(WIFEXITED(status));
  return WEXITSTATUS(status);
}

Test(sim_list, seeds_with_their_reasons_and_comments_are_a_list)
{
  cr_assert_eq(lives("# why\n\n56   a reason\n90\n"), 0);
}

Test(sim_list, a_list_without_a_seed_is_an_error)
{
  cr_assert_eq(lives(""), 2);
  cr_assert_eq(lives("# comments alone\n\n"), 2);
}

Test(sim_list, a_line_that_is_neither_a_seed_nor_a_comment_is_an_error)
{
  static const char *const lists[] = {"56 a reason\nninety\n", "56\n 90\n", "56\n-90\n", "56x a reason\n", "56\n99999999999999999999 too large\n"};

  for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
    cr_assert_eq(lives(lists[i]), 2, "understood: %s", lists[i]);
  }
}
