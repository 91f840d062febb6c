/* process_figures.h - what Linux knows of this process, for the usual process_* metrics. */
#ifndef OPS_PROCESS_FIGURES_H
#define OPS_PROCESS_FIGURES_H

#include <stdbool.h>

/* NaN: not known (no /proc). */
struct process_figures {
  double cpu_seconds; /* user and system */
  double resident_bytes, virtual_bytes;
  double open_fds, max_fds;
  double start_time_seconds; /* since 1970-01-01 UTC */
};

/* Reads /proc/self and /proc/stat. Blocks no longer than the kernel takes to make them up. */
void process_figures_read(struct process_figures *ret_figures);

/* What the text of /proc/self/stat says. False when it is not what proc(5) describes; nothing is written then. */
struct process_stat {
  double cpu_seconds;
  double start_since_boot_seconds;
  double virtual_bytes;
  double resident_bytes;
};
bool process_stat_parse(const char *text, long ticks_per_second, long page_bytes, struct process_stat *ret_stat);

#endif
