/*
 * ledger_check() can only be tried on a ledger that is broken, and the ledger does not let itself be broken from outside. So this unit includes it, breaks one
 * field in a child process, and expects the child to end with code 70 and one line that names the invariant.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ack/ledger.c" /* the struct itself */

enum break_what {
  BREAK_NOTHING,
  BREAK_TOO_MANY_SLOTS,
  BREAK_SAFE_BEFORE_START,
  BREAK_SAFE_BEHIND_TAIL,
  BREAK_FINISHED_KEPT,
  BREAK_SAFE_PAST_OLDEST,
  BREAK_COUNT_TOO_LOW,
  BREAK_COUNT_TOO_HIGH,
  BREAK_COUNT_WHEN_EMPTY,
  BREAK_OPEN_SLOT_SEALED,
  BREAK_OPEN_SLOT_WITHOUT_OPEN,
};

/* Two sealed transactions with one event each in flight, and an open one with one. */
static struct ledger *busy_ledger(void)
{
  struct ledger *ledger = ledger_new(4);

  ledger_reset(ledger, 100);
  for (Lsn at = 200; at <= 300; at += 100) {
    ledger_open(ledger, at, 1);
    (void)ledger_add(ledger);
    ledger_seal(ledger, at + 50);
  }
  ledger_open(ledger, 400, 1);
  (void)ledger_add(ledger);
  return ledger;
}

static void break_it(struct ledger *ledger, enum break_what what)
{
  switch (what) {
  case BREAK_NOTHING:
    break;
  case BREAK_TOO_MANY_SLOTS:
    ledger->capacity = 2;
    break;
  case BREAK_SAFE_BEFORE_START:
    ledger->safe = 99;
    break;
  case BREAK_SAFE_BEHIND_TAIL:
    ledger->safe = ledger->tail + 1;
    break;
  case BREAK_FINISHED_KEPT:
    slot_at(ledger, ledger->first)->unsettled = 0;
    break;
  case BREAK_SAFE_PAST_OLDEST:
    ledger->safe = 251;
    break;
  case BREAK_COUNT_TOO_LOW:
    ledger->in_flight = 0;
    break;
  case BREAK_COUNT_TOO_HIGH:
    ledger->in_flight = 4;
    break;
  case BREAK_COUNT_WHEN_EMPTY:
    ledger_reset(ledger, 100);
    ledger->in_flight = 1;
    break;
  case BREAK_OPEN_SLOT_SEALED:
    slot_at(ledger, ledger->next - 1)->is_sealed = true;
    break;
  case BREAK_OPEN_SLOT_WITHOUT_OPEN:
    ledger->is_open = false;
    break;
  }
}

Test(ledger_check, says_which_invariant_broke_and_ends_the_process)
{
  static const struct {
    enum break_what what;
    const char *invariant;
  } cases[] = {
      {BREAK_NOTHING, NULL},          {BREAK_TOO_MANY_SLOTS, "I6"},   {BREAK_SAFE_BEFORE_START, "I4"},      {BREAK_SAFE_BEHIND_TAIL, "I4"},
      {BREAK_FINISHED_KEPT, "I1"},    {BREAK_SAFE_PAST_OLDEST, "I1"}, {BREAK_COUNT_TOO_LOW, "I2"},          {BREAK_COUNT_TOO_HIGH, "I2"},
      {BREAK_COUNT_WHEN_EMPTY, "I2"}, {BREAK_OPEN_SLOT_SEALED, "I1"}, {BREAK_OPEN_SLOT_WITHOUT_OPEN, "I1"},
  };

  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    struct ledger *ledger = busy_ledger();
    char line[1024] = {0};
    char expected[64];
    int ends[2];
    int status = 0;
    pid_t child;
    ssize_t length;

    cr_assert_eq(pipe(ends), 0);
    child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
      (void)dup2(ends[1], STDERR_FILENO);
      break_it(ledger, cases[i].what);
      ledger_check(ledger);
      _Exit(0);
    }
    (void)close(ends[1]);
    length = read(ends[0], line, sizeof(line) - 1);
    (void)close(ends[0]);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status), "case %zu", i);
    if (cases[i].invariant == NULL) {
      cr_assert_eq(WEXITSTATUS(status), 0, "case %zu: %s", i, line);
      cr_assert_eq(length, 0);
    } else {
      (void)snprintf(expected, sizeof(expected), "cdc-relay: invariant %s is broken: ", cases[i].invariant);
      cr_assert_eq(WEXITSTATUS(status), EXIT_INVARIANT, "case %zu", i);
      cr_assert_eq(strncmp(line, expected, strlen(expected)), 0, "case %zu: %s", i, line);
      cr_assert_eq(strchr(line, '\n'), line + length - 1, "case %zu: not one line: %s", i, line);
    }
    ledger_free(ledger);
  }
}

Test(ledger_check, a_line_that_is_too_long_is_cut_and_still_ends)
{
  char line[2048] = {0};
  int ends[2];
  int status = 0;
  ssize_t length;
  pid_t child;

  cr_assert_eq(pipe(ends), 0);
  child = fork();
  cr_assert_geq(child, 0);
  if (child == 0) {
    (void)dup2(ends[1], STDERR_FILENO);
    invariant_broken("I1", "%01000d", 1);
  }
  (void)close(ends[1]);
  length = read(ends[0], line, sizeof(line) - 1);
  (void)close(ends[0]);
  cr_assert_eq(waitpid(child, &status, 0), child);
  cr_assert_eq(WEXITSTATUS(status), EXIT_INVARIANT);
  cr_assert_geq(length, INVARIANT_LINE_MAX_BYTES - 2);
  cr_assert_leq(length, INVARIANT_LINE_MAX_BYTES);
  cr_assert_eq(line[length - 1], '\n');
}

Test(ledger_check, a_pipe_that_nobody_reads_does_not_keep_the_process)
{
  char bytes[4096] = {0};
  int ends[2];
  int status = 0;
  pid_t child;

  cr_assert_eq(pipe2(ends, O_NONBLOCK), 0);
  while (write(ends[1], bytes, sizeof(bytes)) > 0) {
  }
  cr_assert_eq(fcntl(ends[1], F_SETFL, 0), 0);
  child = fork();
  cr_assert_geq(child, 0);
  if (child == 0) {
    (void)alarm(10);
    (void)dup2(ends[1], STDERR_FILENO);
    invariant_broken("I1", "nobody reads this");
  }
  cr_assert_eq(waitpid(child, &status, 0), child);
  cr_assert(WIFEXITED(status), "it waited");
  cr_assert_eq(WEXITSTATUS(status), EXIT_INVARIANT);
}
