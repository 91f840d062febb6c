/*
 * jobs.h - many histories on several processes. A history in which the relay's own invariant ends the process is a finding like any other. One whose process ends in
 * another way (a crash, perhaps of the simulator itself) was judged by nobody, and is told apart.
 */
#ifndef SIM_JOBS_H
#define SIM_JOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JOBS_MAX = 16, JOB_FINDINGS_MAX = 4, JOB_FINDING_TEXT_MAX = 512 };

struct job_order {
  const uint64_t *seeds; /* NULL: `first` and those behind it */
  uint64_t first;
  uint64_t count;   /* UINT64_MAX: no limit */
  int64_t limit_us; /* INT64_MAX: no limit */
  uint32_t jobs;
  bool is_traced; /* each history is told line by line */
};

struct job_finding {
  uint64_t seed;
  bool is_judged; /* the oracle or an invariant of the relay says that a rule was broken */
  char text[JOB_FINDING_TEXT_MAX];
};

struct job_result {
  uint64_t histories;
  uint64_t transactions;
  uint64_t rows;
  uint64_t faults;
  uint64_t replays;
  uint64_t bounds;
  uint64_t stalls;
  uint64_t turns;
  uint64_t fingerprint; /* of all histories, in whatever order */
  int64_t wall_us;
  size_t finding_count;
  struct job_finding findings[JOBS_MAX * JOB_FINDINGS_MAX];
};

/* Each job ends at its JOB_FINDINGS_MAX-th finding. */
void jobs_run(const struct job_order *order, struct job_result *ret_result);

#endif
