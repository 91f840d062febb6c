#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "problem_list.h"

static char *print(const struct problem_list *list)
{
  char *text = NULL;
  size_t length = 0;
  FILE *out = open_memstream(&text, &length);

  problem_list_print(list, out);
  cr_assert_eq(fclose(out), 0);
  return text;
}

Test(problem_list, prints_one_line_each_with_path_and_words)
{
  struct problem_list *list = calloc(1, sizeof(*list));
  char *text;

  problem_list_add(list, "outbox[0].table", "expected %s", "a table");
  problem_list_add(list, "", "no file");
  text = print(list);
  cr_assert_str_eq(text, "configuration: outbox[0].table: expected a table\nconfiguration: no file\n");
  free(text);
  free(list);
}

Test(problem_list, counts_what_does_not_fit_and_says_so)
{
  struct problem_list *list = calloc(1, sizeof(*list));
  char *text;

  for (int i = 0; i < PROBLEM_LIST_MAX; i++) {
    problem_list_add(list, "a", "%d", i);
  }
  text = print(list);
  cr_assert_null(strstr(text, "more"), "nothing is left out yet");
  free(text);
  for (int i = 0; i < 3; i++) {
    problem_list_add(list, "b", "left out");
  }
  cr_assert_eq(list->count, PROBLEM_LIST_MAX + 3);
  text = print(list);
  cr_assert_not_null(strstr(text, "configuration: a: 63\n"));
  cr_assert_null(strstr(text, "left out"));
  cr_assert_not_null(strstr(text, "configuration: 3 more not listed\n"));
  free(text);
  free(list);
}

Test(problem_list, a_hostile_text_stays_one_line)
{
  struct problem_list *list = calloc(1, sizeof(*list));
  char *text;

  problem_list_add(list, "a\nb", "\x1b[31mred\r\n\x7f");
  text = print(list);
  cr_assert_str_eq(text, "configuration: a?b: ?[31mred???\n");
  free(text);
  free(list);
}

Test(problem_list, cuts_long_texts_between_characters)
{
  struct problem_list *list = calloc(1, sizeof(*list));
  char text[2000];

  for (size_t shift = 0; shift < 2; shift++) { /* a two-byte character on either side of the cut */
    const char *cut;

    memset(text, 'x', sizeof(text));
    for (size_t i = shift; i + 1 < sizeof(text) - 1; i += 2) {
      text[i] = '\xC3';
      text[i + 1] = '\xA4';
    }
    text[sizeof(text) - 1] = '\0';
    problem_list_add(list, text, "%s", text);
    cut = list->problems[shift].text;
    cr_assert_str_eq(cut + strlen(cut) - 3, "...");
    cr_assert_eq((unsigned char)cut[strlen(cut) - 4], 0xA4, "the character before the cut is whole");
    cut = list->problems[shift].path;
    cr_assert_str_eq(cut + strlen(cut) - 3, "...");
    cr_assert_eq((unsigned char)cut[strlen(cut) - 4], 0xA4);
  }
  free(list);
}

Test(problem_list, no_list_is_allowed)
{
  problem_list_add(NULL, "a", "b");
}
