/*
 * proxy_bench.h - fault_proxy as a child of the test, with a client and a server of the test at its two ends.
 *
 *   bench.client -> fault_proxy -> bench.server
 *
 * What is to come is waited for; what does not come fails the test.
 */
#ifndef CDC_TESTS_UNIT_PROXY_BENCH_H
#define CDC_TESTS_UNIT_PROXY_BENCH_H

#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

enum { WAIT_MS = 20000 };

extern struct proxy_bench {
  pid_t proxy;
  FILE *to_proxy;
  FILE *from_proxy;
  int listener;               /* the server's */
  struct sockaddr_in address; /* the proxy's */
  int client;
  int server;
} bench;

/* Starts a proxy in that mode and makes a first connection through it. / Ends both; the proxy has to end with 0. */
void bench_begin(const char *mode);
void bench_end(void);

/* A connection through the proxy, as bench.client and bench.server. / Closes both. / A client's end alone; -1 and errno when it is refused. */
void bench_join(void);
void bench_part(void);
int bench_dial(void);

/* Gives a command and returns all that the proxy says, the last line included. Static. / The same of one that has to be answered by ok alone. */
const char *bench_say(const char *command);
void bench_must(const char *command);

int64_t bench_now_ms(void);
bool bench_is_ready(int descriptor, short events, int wait_ms);
void bench_put(int descriptor, const void *bytes, size_t length);
void bench_get(int descriptor, void *ret_bytes, size_t length);
void bench_must_come(int descriptor, const char *text);
void bench_must_be_quiet(int descriptor);
void bench_must_end(int descriptor);
void bench_must_be_reset(int descriptor);

/* Frames of Kafka, each with one letter as its body. */
void bench_ask(int api, int correlation, char letter);
void bench_answer(int correlation, char letter);
void bench_must_be_asked(char letter);
void bench_must_be_answered(char letter);

#endif
