/*
 * sim.c - the deterministic simulator's program: lives histories, one for each seed, and says which ones broke a rule.
 *
 *   sim                            histories from a random seed on, for ten seconds
 *   sim --first N --count N        a fixed range
 *   sim --list FILE                the seeds of a file: one a line, and behind it why it is there
 *   sim --seed N                   one history, told line by line
 *
 * FOUND and a seed: a rule was broken. ENDED and a seed: the process ended in it, by a signal or with a code that is not the relay's word for a broken invariant.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "fault_point.h"
#include "jobs.h"
#include "world.h"

enum { LIST_MAX = 4096, DEFAULT_SECONDS = 10 };

struct arguments {
  bool has_seed;
  uint64_t seed;
  bool has_first;
  struct job_order order;
  const char *list;
  const char *program;
  const char *mutant;
};

static void usage(FILE *out)
{
  (void)fputs("sim [--first N] [--count N] [--seconds N] [--jobs N]   histories from seed N on (a random one), so many, so long\n"
              "sim --list FILE [--jobs N]                             the seeds of a file, one a line\n"
              "sim --seed N                                           one history, told line by line (--trace: the same for many)\n"
              "    --mutant NAME                                      with a named defect in the relay (builds with -DCDC_FAULTS=ON)\n",
              out);
}

static uint64_t number_of(const char *option, const char *text)
{
  char *end;
  uint64_t number;

  errno = 0;
  number = text != NULL ? strtoull(text, &end, 10) : 0;
  if (text == NULL || *text < '0' || *text > '9' || *end != '\0' || errno != 0) {
    (void)fprintf(stderr, "sim: %s needs a number\n", option);
    exit(2);
  }
  return number;
}

static bool takes(struct arguments *arguments, const char *option, const char *value)
{
  if (strcmp(option, "--seed") == 0) {
    arguments->has_seed = true;
    arguments->seed = number_of(option, value);
  } else if (strcmp(option, "--first") == 0) {
    arguments->has_first = true;
    arguments->order.first = number_of(option, value);
  } else if (strcmp(option, "--count") == 0) {
    arguments->order.count = number_of(option, value);
  } else if (strcmp(option, "--seconds") == 0) {
    arguments->order.limit_us = seconds_us((int64_t)number_of(option, value));
  } else if (strcmp(option, "--jobs") == 0) {
    uint64_t jobs = number_of(option, value);

    arguments->order.jobs = jobs == 0 ? 1 : jobs > JOBS_MAX ? JOBS_MAX : (uint32_t)jobs;
  } else if (strcmp(option, "--list") == 0 && value != NULL) {
    arguments->list = value;
  } else if (strcmp(option, "--mutant") == 0 && value != NULL) {
    arguments->mutant = value;
  } else {
    return false;
  }
  return true;
}

static void read_arguments(struct arguments *arguments, int count, char **texts)
{
  *arguments = (struct arguments){.program = texts[0], .order = {.count = UINT64_MAX, .limit_us = INT64_MAX, .jobs = 2}};
  for (int i = 1; i < count; i++) {
    if (strcmp(texts[i], "--trace") == 0) {
      arguments->order.is_traced = true;
    } else if (strcmp(texts[i], "--help") == 0) {
      usage(stdout);
      exit(0);
    } else if (takes(arguments, texts[i], texts[i + 1])) {
      i++;
    } else {
      (void)fprintf(stderr, "sim: unknown argument %s\n", texts[i]);
      usage(stderr);
      exit(2);
    }
  }
}

static void choose_mutant(const char *name)
{
  if (name == NULL) {
    return;
  }
#ifdef CDC_FAULTS
  if (fault_mutant_named(name) == MUTANT_COUNT) {
    (void)fprintf(stderr, "sim: there is no mutant %s\n", name);
    exit(2);
  }
  fault_mutant_set(fault_mutant_named(name));
#else
  (void)fprintf(stderr, "sim: this build has no mutants, so no %s: configure one with -DCDC_FAULTS=ON\n", name);
  exit(2);
#endif
}

/* A seed, and behind a blank why it is there. */
static uint64_t listed_seed(const char *path, const char *line)
{
  char *end;
  uint64_t seed;

  errno = 0;
  seed = strtoull(line, &end, 10);
  if (*line < '0' || *line > '9' || errno != 0 || (*end != '\0' && strchr(" \t\n", *end) == NULL)) {
    (void)fprintf(stderr, "sim: %s: neither a seed nor a comment: %.60s\n", path, line);
    exit(2);
  }
  return seed;
}

/* Empty lines and those that begin with # count for nothing. A list of which nothing is read would be passed by everything, so that is an error. */
static size_t read_list(const char *path, uint64_t seeds[LIST_MAX])
{
  FILE *file = fopen(path, "r");
  char *line = NULL;
  size_t size = 0;
  size_t count = 0;

  if (file == NULL) {
    (void)fprintf(stderr, "sim: could not open %s: %s\n", path, strerror(errno));
    exit(2);
  }
  while (getline(&line, &size, file) >= 0) {
    if (line[0] == '#' || line[0] == '\n') {
      continue;
    }
    if (count == LIST_MAX) {
      (void)fprintf(stderr, "sim: %s has more than %d seeds\n", path, LIST_MAX);
      exit(2);
    }
    seeds[count++] = listed_seed(path, line);
  }
  free(line);
  (void)fclose(file);
  if (count == 0) {
    (void)fprintf(stderr, "sim: %s has no seed\n", path);
    exit(2);
  }
  return count;
}

static int tell_one(const struct arguments *arguments)
{
  struct world *world = calloc(1, sizeof(*world));
  bool is_sound;

  if (world == NULL) {
    abort();
  }
  is_sound = world_live(world, arguments->seed, true);
  printf("seed %" PRIu64 ": %s\n", arguments->seed, is_sound ? "nothing found" : world->finding);
  relay_done_for_good(world);
  free(world);
  return is_sound ? 0 : 1;
}

static int live_many(struct arguments *arguments)
{
  static uint64_t listed[LIST_MAX];
  static struct job_result result;
  char mutant[128] = "";

  if (arguments->list != NULL) {
    arguments->order.seeds = listed;
    arguments->order.count = read_list(arguments->list, listed);
    printf("sim: %" PRIu64 " seeds of %s\n", arguments->order.count, arguments->list);
  } else {
    if (!arguments->has_first && getrandom(&arguments->order.first, 6, 0) != 6) {
      perror("sim: no random seed");
      return 2;
    }
    if (arguments->order.count == UINT64_MAX && arguments->order.limit_us == INT64_MAX) {
      arguments->order.limit_us = seconds_us(DEFAULT_SECONDS);
    }
    printf("sim: histories from seed %" PRIu64 " on\n", arguments->order.first);
  }
  jobs_run(&arguments->order, &result);
  printf("sim: %" PRIu64 " histories in %.1f s, %.0f a minute; %" PRIu64 " transactions, %" PRIu64 " rows, %" PRIu64 " faults drawn, %" PRIu64
         " rows again, %" PRIu64 " buffers fixed, %" PRIu64 " lines stalled, %" PRIu64 " turns, fingerprint %016" PRIx64 "\n",
         result.histories, (double)result.wall_us / US_PER_S, (double)result.histories * 60 * US_PER_S / (double)(result.wall_us + 1), result.transactions,
         result.rows, result.faults, result.replays, result.bounds, result.stalls, result.turns, result.fingerprint);
  if (arguments->mutant != NULL) {
    (void)snprintf(mutant, sizeof(mutant), " --mutant %s", arguments->mutant);
  }
  for (size_t i = 0; i < result.finding_count; i++) {
    printf("%s seed %" PRIu64 ": %s\n      %s --seed %" PRIu64 "%s\n", result.findings[i].is_judged ? "FOUND" : "ENDED", result.findings[i].seed,
           result.findings[i].text, arguments->program, result.findings[i].seed, mutant);
  }
  if (result.histories == 0) {
    (void)fprintf(stderr, "sim: not one history was lived through\n");
    return 2;
  }
  return result.finding_count == 0 ? 0 : 1;
}

int main(int count, char **texts)
{
  struct arguments arguments;

  read_arguments(&arguments, count, texts);
  choose_mutant(arguments.mutant);
  return arguments.has_seed ? tell_one(&arguments) : live_many(&arguments);
}
