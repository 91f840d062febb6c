/*
 * fault_point.c - which mutant is on, and whose turn it is to die or to stand still. Only in a build with CDC_FAULTS; the one part of lib/ that reads the environment, since
 * no program's configuration, nor its tests, may know of it.
 *
 * The choice is made once, at the first look of any thread (librdkafka's run the partitioner), and is only read from then on.
 */
#include "fault_point.h"

#ifdef CDC_FAULTS

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FAULT_NAME(name, text) #name,
#define FAULT_TEXT(name, text) text,

static const char *const mutant_names[] = {"NONE", FAULT_MUTANTS(FAULT_NAME)};
static const char *const mutant_texts[] = {"nothing", FAULT_MUTANTS(FAULT_TEXT)};
static const char *const crash_names[] = {"NONE",
                                          FAULT_CRASH_POINTS(FAULT_NAME) FAULT_CONSUMER_CRASH_POINTS(FAULT_NAME) FAULT_TAKEOVER_CRASH_POINTS(FAULT_NAME)};

enum { EXIT_NO_SUCH_FAULT = 2 };

static pthread_once_t chosen = PTHREAD_ONCE_INIT;
static atomic_int mutant_now;
static enum fault_crash crash_point;
static int crash_signal;
static atomic_long passages_left;

static void refuse(const char *variable, const char *value)
{
  (void)fprintf(stderr, "%s: %s=%s: there is no such fault, see fault_point.h\n", program_invocation_short_name, variable, value);
  _exit(EXIT_NO_SUCH_FAULT);
}

static void choose_crash_point(const char *variable, int signal)
{
  const char *value = getenv(variable);
  const char *colon;
  size_t length;
  long passage;

  if (value == NULL || value[0] == '\0') {
    return;
  }
  colon = strchr(value, ':');
  length = colon != NULL ? (size_t)(colon - value) : strlen(value);
  passage = colon != NULL ? strtol(colon + 1, NULL, 10) : 1;
  for (int i = 1; i < CRASH_COUNT; i++) {
    if (strlen(crash_names[i]) == length && strncmp(crash_names[i], value, length) == 0 && passage > 0) {
      crash_point = (enum fault_crash)i;
      crash_signal = signal;
      atomic_store(&passages_left, passage);
      return;
    }
  }
  refuse(variable, value);
}

static void choose(void)
{
  const char *mutant = getenv("CDC_MUTANT");

  if (mutant != NULL && mutant[0] != '\0') {
    enum fault_mutant named = fault_mutant_named(mutant);

    if (named == MUTANT_COUNT) {
      refuse("CDC_MUTANT", mutant);
    }
    atomic_store(&mutant_now, (int)named);
  }
  choose_crash_point("CDC_CRASH_POINT", SIGKILL);
  choose_crash_point("CDC_PAUSE_POINT", SIGSTOP);
}

enum fault_mutant fault_mutant(void)
{
  (void)pthread_once(&chosen, choose);
  return (enum fault_mutant)atomic_load_explicit(&mutant_now, memory_order_relaxed);
}

void fault_mutant_set(enum fault_mutant mutant)
{
  (void)pthread_once(&chosen, choose);
  atomic_store(&mutant_now, (int)mutant);
}

enum fault_mutant fault_mutant_named(const char *name)
{
  int i = 0;

  while (i < MUTANT_COUNT && strcmp(mutant_names[i], name) != 0) {
    i++;
  }
  return (enum fault_mutant)i;
}

const char *fault_mutant_name(enum fault_mutant mutant)
{
  return mutant < MUTANT_COUNT ? mutant_names[mutant] : "?";
}

const char *fault_mutant_text(enum fault_mutant mutant)
{
  return mutant < MUTANT_COUNT ? mutant_texts[mutant] : "?";
}

void fault_crash(enum fault_crash point)
{
  (void)pthread_once(&chosen, choose);
  if (point == crash_point && atomic_fetch_sub(&passages_left, 1) == 1) {
    (void)kill(getpid(), crash_signal);
  }
}

#endif
