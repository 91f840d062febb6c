/*
 * loaded.h - a configuration out of a fuzzed text. The text's parts are divided by a line of four dashes:
 *
 *   the file, as JSON (empty: no file)
 *   ----
 *   the environment, one NAME=VALUE a line
 *   ----
 *   --set arguments, one PATH=VALUE a line
 */
#ifndef FUZZ_LOADED_H
#define FUZZ_LOADED_H

#include <sys/mman.h>
#include <unistd.h>

#include "config/config.h"
#include "fuzz.h"
#include "route/router.h"

enum { LOADED_LINES_MAX = 64 };

#define LOADED_DIVIDER "\n----\n"

/* The text up to the divider; *rest is what is behind it, or the null span. */
static inline struct span loaded_part(struct span *rest)
{
  const size_t divider_length = sizeof(LOADED_DIVIDER) - 1;
  const char *divider = rest->length > 0 ? memmem(rest->data, rest->length, LOADED_DIVIDER, divider_length) : NULL;
  struct span part = divider != NULL ? span_of(rest->data, (size_t)(divider - rest->data)) : *rest;

  *rest = divider != NULL ? span_of(divider + divider_length, rest->length - part.length - divider_length) : span_of(NULL, 0);
  return part;
}

/* The lines of a part as a list that ends with NULL; loaded_lines_free(). Zero bytes end a line early, as they would in a real environment. */
static inline char **loaded_lines(struct span part, size_t *ret_count)
{
  char **lines = calloc(LOADED_LINES_MAX + 1, sizeof(*lines));
  struct span line;
  size_t count = 0;

  while (count < LOADED_LINES_MAX && fuzz_next_piece(&part, '\n', &line)) {
    lines[count++] = strndup(line.length > 0 ? line.data : "", line.length);
  }
  *ret_count = count;
  return lines;
}

static inline void loaded_lines_free(char **lines)
{
  for (size_t i = 0; lines[i] != NULL; i++) {
    free(lines[i]);
  }
  free(lines);
}

static inline void loaded_check_outbox(const struct config *config, struct problem_list *problems)
{
  router_free(router_new(config, problems));
}

/* NULL: refused, with at least one problem. */
static inline struct config *loaded_config(struct span file, struct span environment, struct span sets, struct problem_list *problems)
{
  struct config_sources sources = {.check_outbox = loaded_check_outbox};
  struct config *config;
  char path[32];
  size_t environment_count;
  char **environment_lines = loaded_lines(environment, &environment_count);
  char **set_lines = loaded_lines(sets, &sources.set_count);
  int fd = -1;

  if (file.length > 0) {
    fd = memfd_create("config", MFD_CLOEXEC);
    FUZZ_EXPECT(fd >= 0 && write(fd, file.data, file.length) == (ssize_t)file.length);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    sources.file = path;
  }
  sources.environment = (const char *const *)environment_lines;
  sources.sets = (const char *const *)set_lines;
  config = config_load(&sources, problems);
  FUZZ_EXPECT((config == NULL) == (problems->count > 0));
  if (fd >= 0) {
    (void)close(fd);
  }
  loaded_lines_free(environment_lines);
  loaded_lines_free(set_lines);
  return config;
}

#endif
