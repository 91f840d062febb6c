#include "text_out.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

Test(text_out, what_was_written_is_there_whole)
{
  char *text;
  size_t length;
  FILE *out = text_open(&text, &length);

  for (int i = 0; i < 100000; i++) {
    cr_assert_eq(fprintf(out, "%05d;", i), 6);
  }
  (void)fputc('\0', out);
  (void)fputs("end", out);
  text_close(out);
  cr_assert_eq(length, 600004);
  cr_assert_eq(strlen(text), 600000);
  for (size_t i = 0; i < 100000; i++) {
    cr_assert_eq(strtoul(text + 6 * i, NULL, 10), i);
  }
  cr_assert_str_eq(text + 600001, "end");
  free(text);
}

Test(text_out, nothing_written_is_an_empty_text)
{
  char *text;
  size_t length = 5;

  text_close(text_open(&text, &length));
  cr_assert_str_eq(text, "");
  cr_assert_eq(length, 0);
  free(text);
}

/* The allocator of a sanitizer ends the process in a way of its own. */
#ifndef __SANITIZE_ADDRESS__
static size_t pages_in_use(void)
{
  FILE *file = fopen("/proc/self/statm", "r");
  char line[128] = "";

  cr_assert_not_null(file);
  cr_assert_not_null(fgets(line, sizeof(line), file));
  (void)fclose(file);
  return strtoul(line, NULL, 10);
}

Test(text_out, a_text_that_memory_has_no_room_for_is_never_handed_out, .signal = SIGABRT)
{
  enum { ROOM_BYTES = 4 << 20, LINES = 1 << 16 };
  static char line[1025];
  const size_t used_bytes = pages_in_use() * (size_t)sysconf(_SC_PAGESIZE);
  char *text;
  size_t length;
  FILE *out = text_open(&text, &length);

  memset(line, 'x', sizeof(line) - 1);
  cr_assert_eq(setrlimit(RLIMIT_AS, &(struct rlimit){used_bytes + ROOM_BYTES, RLIM_INFINITY}), 0);
  for (int i = 0; i < LINES; i++) {
    (void)fputs(line, out); /* as those do who leave it to the end to look */
  }
  text_close(out);
}
#endif
