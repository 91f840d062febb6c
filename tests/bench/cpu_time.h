/* cpu_time.h - what a program that measures has itself cost so far. */
#ifndef BENCH_CPU_TIME_H
#define BENCH_CPU_TIME_H

#include <stdint.h>

/* Of all threads of this process, in user code and in the kernel. */
int64_t cpu_time_us(void);

#endif
