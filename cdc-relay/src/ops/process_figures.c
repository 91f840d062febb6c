/*
 * process_figures.c - reads proc(5). /proc/self/stat is one line: `pid (name) state ppid ...`; the name may hold blanks and parentheses, so counting begins
 * behind the last `)`.
 *
 *   field   14     15     22         23     24
 *           utime  stime  starttime  vsize  rss        ticks, ticks, ticks since boot, bytes, pages
 */
#include "ops/process_figures.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

bool process_stat_parse(const char *text, long ticks_per_second, long page_bytes, struct process_stat *ret_stat)
{
  const char *behind_name = strrchr(text, ')');
  uint64_t utime;
  uint64_t stime;
  uint64_t start;
  uint64_t vsize;
  int64_t rss;

  if (behind_name == NULL ||
      sscanf(behind_name + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64 " %*d %*d %*d %*d %*d %*d %" SCNu64 " %" SCNu64 " %" SCNd64,
             &utime, &stime, &start, &vsize, &rss) != 5) {
    return false;
  }
  ret_stat->cpu_seconds = (double)(utime + stime) / (double)ticks_per_second;
  ret_stat->start_since_boot_seconds = (double)start / (double)ticks_per_second;
  ret_stat->virtual_bytes = (double)vsize;
  ret_stat->resident_bytes = (double)rss * (double)page_bytes;
  return true;
}

/* Seconds since 1970 at which the machine was started; NaN when not known. */
static double boot_time(void)
{
  FILE *file = fopen("/proc/stat", "re");
  char *line = NULL;
  size_t size = 0;
  double result = NAN;

  if (file == NULL) {
    return NAN;
  }
  while (getline(&line, &size, file) > 0) {
    if (strncmp(line, "btime ", 6) == 0) {
      result = strtod(line + 6, NULL);
      break;
    }
  }
  free(line);
  (void)fclose(file);
  return result;
}

static double count_open_fds(void)
{
  DIR *folder = opendir("/proc/self/fd");
  double count = -1; /* the folder's own */

  if (folder == NULL) {
    return NAN;
  }
  // cppcheck-suppress readdirCalled ; one thread reads this stream, and glibc's readdir_r() is deprecated
  for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
    count += entry->d_name[0] != '.';
  }
  (void)closedir(folder);
  return count;
}

static bool read_stat(struct process_stat *ret_stat)
{
  char text[1024]; /* 52 numbers and a name of 15 bytes */
  int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
  ssize_t length;

  if (fd < 0) {
    return false;
  }
  length = read(fd, text, sizeof(text) - 1);
  (void)close(fd);
  if (length <= 0) {
    return false;
  }
  text[length] = '\0';
  return process_stat_parse(text, sysconf(_SC_CLK_TCK), sysconf(_SC_PAGESIZE), ret_stat);
}

void process_figures_read(struct process_figures *ret_figures)
{
  struct process_stat stat = {NAN, NAN, NAN, NAN};
  struct rlimit limit;

  (void)read_stat(&stat);
  ret_figures->cpu_seconds = stat.cpu_seconds;
  ret_figures->resident_bytes = stat.resident_bytes;
  ret_figures->virtual_bytes = stat.virtual_bytes;
  ret_figures->start_time_seconds = boot_time() + stat.start_since_boot_seconds;
  ret_figures->open_fds = count_open_fds();
  ret_figures->max_fds = NAN;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    ret_figures->max_fds = limit.rlim_cur == RLIM_INFINITY ? INFINITY : (double)limit.rlim_cur;
  }
}
