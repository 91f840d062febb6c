/* stop_signal.h - SIGTERM and SIGINT ask a program of this folder to end in order; whatever waits here notices within a twentieth of a second. */
#ifndef FAULTS_STOP_SIGNAL_H
#define FAULTS_STOP_SIGNAL_H

#include <stdbool.h>
#include <stdint.h>

void stop_signal_install(void);

bool stop_signal_was_sent(void);

/* Microseconds of CLOCK_MONOTONIC since it was noticed first, 0 when it was not. */
int64_t stop_signal_age_us(void);

int64_t stop_signal_clock_us(void);

/* Sleeps until that time of CLOCK_MONOTONIC, or until a signal was sent. */
void stop_signal_sleep_until(int64_t us);

#endif
