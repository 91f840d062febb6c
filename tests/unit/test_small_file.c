/* test_small_file.c - what is read of a file, and what is none. */
#include "small_file.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[64];

static void begin(void)
{
  int fd;

  (void)strcpy(path, "/tmp/small_file.XXXXXX");
  fd = mkstemp(path);
  cr_assert_geq(fd, 0);
  cr_assert_eq(write(fd, "a\0bc\n", 5), 5);
  cr_assert_eq(close(fd), 0);
}

static void end(void)
{
  (void)unlink(path);
}

TestSuite(small_file, .init = begin, .fini = end, .timeout = 20);

static void expect(size_t max_bytes, const char *bytes, size_t length)
{
  struct small_file file;

  cr_assert_null(small_file_read(path, max_bytes, &file));
  cr_assert_eq(file.length, length, "%zu bytes of at most %zu", file.length, max_bytes);
  cr_assert_eq(memcmp(file.bytes, bytes, length), 0);
  small_file_done(&file);
  cr_assert_null(file.bytes);
}

Test(small_file, bytes_are_read_as_they_are_and_one_more_tells_of_too_many)
{
  expect(100, "a\0bc\n", 5);
  expect(5, "a\0bc\n", 5);
  expect(4, "a\0bc\n", 5);
  expect(3, "a\0bc", 4);
  expect(0, "a", 1);
  cr_assert_eq(truncate(path, 0), 0);
  expect(100, "", 0);
  expect(0, "", 0);
}

Test(small_file, what_is_no_file_is_refused_and_nothing_blocks)
{
  struct small_file file;

  cr_assert_str_eq(small_file_read("/nowhere/at/all", 100, &file), "No such file or directory");
  cr_assert_str_eq(small_file_read("/tmp", 100, &file), "not a regular file");
  cr_assert_str_eq(small_file_read("/dev/zero", 100, &file), "not a regular file");
  cr_assert_eq(unlink(path), 0);
  cr_assert_eq(mkfifo(path, 0600), 0);
  cr_assert_str_eq(small_file_read(path, 100, &file), "not a regular file");
}

/* Reading this one fails. */
Test(small_file, what_cannot_be_read_is_refused)
{
  struct small_file file;

  cr_assert_str_eq(small_file_read("/proc/self/mem", 100, &file), "Input/output error");
}
