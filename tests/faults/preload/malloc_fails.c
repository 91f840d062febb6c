/*
 * malloc_fails.c - LD_PRELOAD: memory is refused once, at a chosen call, and given before and after.
 *
 *   MALLOC_FAILS_AT=N     the N-th call of malloc, calloc, realloc, posix_memalign or aligned_alloc in this process, from 1, answers with NULL; 0 or unset: none
 *   MALLOC_FAILS_FOR=N    and so do N - 1 more behind it; default 1
 *   MALLOC_FAILS_NOTE=F   at the failure a line "failed N SIZE OBJECT FUNCTION" is added to that file, and at an orderly end "calls N"
 *
 * Calls are counted over all threads, so the same number need not be the same call in the next run: a sweep covers kinds of calls, not a list of them. glibc's own
 * calls (strdup, asprintf, getaddrinfo) come through here too.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static _Atomic unsigned long calls;
static unsigned long fails_at;
static unsigned long fails_for = 1;
static const char *note_file;

static void __attribute__((constructor)) begin(void)
{
  const char *at = getenv("MALLOC_FAILS_AT");
  const char *times = getenv("MALLOC_FAILS_FOR");

  note_file = getenv("MALLOC_FAILS_NOTE");
  fails_for = times != NULL ? strtoul(times, NULL, 10) : 1;
  atomic_store(&calls, 0);
  fails_at = at != NULL ? strtoul(at, NULL, 10) : 0;
}

/* Without memory: snprintf of numbers and words takes none. */
static void note(const char *line)
{
  int fd = note_file != NULL ? open(note_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666) : -1;

  if (fd >= 0) {
    (void)!write(fd, line, strlen(line));
    (void)close(fd);
  }
}

static void __attribute__((destructor)) end(void)
{
  char line[64];

  (void)snprintf(line, sizeof(line), "calls %lu\n", atomic_load(&calls));
  note(line);
}

static bool fails(size_t size, const void *caller)
{
  unsigned long number = atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed) + 1;
  Dl_info where = {0};
  const char *object;
  char line[512];

  if (fails_at == 0 || number < fails_at || number >= fails_at + fails_for) {
    return false;
  }
  if (dladdr(caller, &where) == 0 || where.dli_fname == NULL) {
    where.dli_fname = "?";
  }
  object = strrchr(where.dli_fname, '/');
  (void)snprintf(line, sizeof(line), "failed %lu %zu %s %s\n", number, size, object != NULL ? object + 1 : where.dli_fname,
                 where.dli_sname != NULL ? where.dli_sname : "?");
  note(line);
  errno = ENOMEM;
  return true;
}

void *malloc(size_t size)
{
  return fails(size, __builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
  return fails(count * size, __builtin_return_address(0)) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *block, size_t size)
{
  return size != 0 && fails(size, __builtin_return_address(0)) ? NULL : __libc_realloc(block, size);
}

int posix_memalign(void **ret_block, size_t alignment, size_t size)
{
  void *block = fails(size, __builtin_return_address(0)) ? NULL : __libc_memalign(alignment, size);

  if (block == NULL) {
    return ENOMEM;
  }
  *ret_block = block;
  return 0;
}

void *aligned_alloc(size_t alignment, size_t size)
{
  return fails(size, __builtin_return_address(0)) ? NULL : __libc_memalign(alignment, size);
}
