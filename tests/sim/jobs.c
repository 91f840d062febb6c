/*
 * jobs.c - one process per job; job i of n takes the seeds i, i + n, ... Each tells in shared memory which seed it is at, so that the parent knows which one ended it,
 * and can go on behind it.
 */
#include "jobs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "moment.h"
#include "verdict.h"
#include "world.h"

struct job {
  pid_t pid;
  bool is_done;
  uint64_t at; /* number in the order */
  struct job_result result;
};

static uint64_t seed_of(const struct job_order *order, uint64_t number)
{
  return order->seeds != NULL ? order->seeds[number] : order->first + number;
}

static void note(struct job *job, uint64_t seed, bool is_judged, const char *text)
{
  struct job_finding *finding = &job->result.findings[job->result.finding_count++];

  finding->seed = seed;
  finding->is_judged = is_judged;
  (void)snprintf(finding->text, sizeof(finding->text), "%s", text);
}

static void add(struct job_result *sum, const struct world *world)
{
  sum->histories++;
  sum->transactions += world->history.transaction_count;
  sum->rows += world->history.row_count;
  sum->faults += world->faults_drawn;
  sum->replays += world->replays;
  sum->bounds += world->bounds;
  sum->stalls += world->stalls;
  sum->turns += world->turns;
  sum->fingerprint += world->fingerprint;
}

static void live(const struct job_order *order, struct job *job, int64_t end_us)
{
  struct world *world = calloc(1, sizeof(*world));

  if (world == NULL) {
    abort();
  }
  for (; job->at < order->count && job->result.finding_count < JOB_FINDINGS_MAX; job->at += order->jobs) {
    uint64_t seed = seed_of(order, job->at);

    if (!world_live(world, seed, order->is_traced)) {
      note(job, seed, true, world->finding);
    }
    add(&job->result, world);
    if (moment_now().mono_us >= end_us) {
      break;
    }
  }
  job->is_done = true;
  relay_done_for_good(world);
  free(world);
}

static void start(const struct job_order *order, struct job *job, int64_t end_us)
{
  pid_t pid;

  (void)fflush(NULL);
  pid = fork();
  if (pid < 0) {
    perror("sim: could not start a process");
    exit(2);
  }
  if (pid > 0) {
    job->pid = pid; /* the child shares it, and must not write it */
  } else {
    live(order, job, end_us);
    exit(0); /* with exit handlers: a sanitizer looks for leaks there */
  }
}

static int wait_for(pid_t pid)
{
  int status;

  while (waitpid(pid, &status, 0) != pid) {
    if (errno != EINTR) {
      perror("sim: could not wait for a process");
      exit(2);
    }
  }
  return status;
}

static void await(const struct job_order *order, struct job *job, int64_t end_us)
{
  char text[JOB_FINDING_TEXT_MAX];
  int status;

  for (status = wait_for(job->pid); !(job->is_done && status == 0); status = wait_for(job->pid)) {
    (void)snprintf(text, sizeof(text), "the process ended %s %d", WIFSIGNALED(status) ? "by signal" : "with code",
                   WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    if (job->result.finding_count < JOB_FINDINGS_MAX) {
      note(job, job->is_done ? 0 : seed_of(order, job->at), WIFEXITED(status) && WEXITSTATUS(status) == EXIT_INVARIANT, text);
    }
    job->at += order->jobs;
    if (job->is_done || job->result.finding_count == JOB_FINDINGS_MAX || job->at >= order->count || moment_now().mono_us >= end_us) {
      return;
    }
    start(order, job, end_us);
  }
}

void jobs_run(const struct job_order *order, struct job_result *ret_result)
{
  struct job *jobs = mmap(NULL, sizeof(*jobs) * JOBS_MAX, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int64_t begin_us = moment_now().mono_us;
  int64_t end_us = order->limit_us < INT64_MAX ? begin_us + order->limit_us : INT64_MAX;

  if (jobs == MAP_FAILED) {
    perror("sim: no shared memory");
    exit(2);
  }
  memset(ret_result, 0, sizeof(*ret_result));
  for (uint32_t i = 0; i < order->jobs; i++) {
    jobs[i].at = i;
    start(order, &jobs[i], end_us);
  }
  for (uint32_t i = 0; i < order->jobs; i++) {
    const struct job_result *result = &jobs[i].result;

    await(order, &jobs[i], end_us);
    ret_result->histories += result->histories;
    ret_result->transactions += result->transactions;
    ret_result->rows += result->rows;
    ret_result->faults += result->faults;
    ret_result->replays += result->replays;
    ret_result->bounds += result->bounds;
    ret_result->stalls += result->stalls;
    ret_result->turns += result->turns;
    ret_result->fingerprint += result->fingerprint;
    for (size_t k = 0; k < result->finding_count; k++) {
      ret_result->findings[ret_result->finding_count++] = result->findings[k];
    }
  }
  ret_result->wall_us = moment_now().mono_us - begin_us;
  (void)munmap(jobs, sizeof(*jobs) * JOBS_MAX);
}
