/*
 * test_fault_proxy_commands.c - the program itself: what it promises of each command but `rule`.
 */
#include <criterion/criterion.h>

#include "proxy_bench.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

Test(fault_proxy_commands, refuse_is_a_refusal_by_the_kernel_and_accept_takes_the_same_port_back)
{
  bench_begin("plain");
  bench_must("refuse");
  bench_must("refuse");
  cr_assert_eq(bench_dial(), -1);
  cr_assert_eq(errno, ECONNREFUSED);
  bench_put(bench.client, "on", 2);
  bench_must_come(bench.server, "on");
  bench_part();
  bench_must("accept");
  bench_must("accept");
  bench_join();
  bench_put(bench.client, "again", 5);
  bench_must_come(bench.server, "again");
  bench_end();
}

Test(fault_proxy_commands, cut_resets_what_there_is_and_takes_new)
{
  bench_begin("plain");
  cr_assert_str_eq(bench_say("cut"), "cut 1\nok\n");
  bench_must_be_reset(bench.client);
  bench_must_be_reset(bench.server);
  cr_assert_str_eq(bench_say("cut"), "cut 0\nok\n");
  bench_part();
  bench_join();
  bench_put(bench.client, "again", 5);
  bench_must_come(bench.server, "again");
  bench_end();
}

Test(fault_proxy_commands, freeze_stops_a_direction_and_thaw_lets_everything_through)
{
  bench_begin("plain");
  bench_must("freeze request");
  bench_put(bench.client, "one", 3);
  bench_put(bench.server, "two", 3);
  bench_must_come(bench.client, "two");
  bench_must_be_quiet(bench.server);
  bench_must("freeze");
  bench_put(bench.server, "three", 5);
  bench_must_be_quiet(bench.client);
  bench_must("thaw");
  bench_must_come(bench.server, "one");
  bench_must_come(bench.client, "three");
  bench_end();
}

Test(fault_proxy_commands, a_frozen_proxy_sleeps)
{
  int64_t used_ms;
  long ticks;
  char path[64];
  char line[1024];
  FILE *stat;
  unsigned long user;
  unsigned long system;

  bench_begin("plain");
  bench_must("freeze");
  bench_put(bench.client, "one", 3);
  (void)shutdown(bench.client, SHUT_WR);
  (void)close(bench.server);
  cr_assert_not(bench_is_ready(bench.client, POLLIN, 300));
  ticks = sysconf(_SC_CLK_TCK);
  (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)bench.proxy);
  stat = fopen(path, "r");
  cr_assert_not_null(stat);
  cr_assert_not_null(fgets(line, sizeof(line), stat));
  (void)fclose(stat);
  cr_assert_eq(sscanf(strrchr(line, ')'), ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system), 2);
  used_ms = (int64_t)(user + system) * 1000 / ticks;
  cr_assert_lt(used_ms, 200, "it used %lld ms of 300", (long long)used_ms);
  bench_must("thaw");
  bench.server = -1;
  bench_end();
}

Test(fault_proxy_commands, count_tells_frames_rules_and_connections)
{
  bench_begin("kafka");
  bench_must("rule d api=Produce direction=request skip=1 delay=1");
  bench_ask(0, 1, 'a');
  bench_ask(0, 2, 'b');
  bench_ask(61, 3, 'c');
  bench_must_be_asked('a');
  bench_must_be_asked('b');
  bench_must_be_asked('c');
  bench_answer(1, 'A');
  bench_answer(9, 'X');
  bench_must_be_answered('A');
  bench_must_be_answered('X');
  cr_assert_str_eq(bench_say("count"), "frames Produce request 2 response 1\nframes 61 request 1 response 0\nframes unknown request 0 response 1\n"
                                       "rule d seen 2 applied 1\naccepted 1\nconnections 1\nok\n");
  bench_end();
}

Test(fault_proxy_commands, another_target_is_for_new_connections_and_a_dead_one_resets_them)
{
  char text[64];
  int held;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof(address);
  int dead = socket(AF_INET, SOCK_STREAM, 0);

  bench_begin("plain");
  cr_assert_eq(bind(dead, (struct sockaddr *)&address, sizeof(address)), 0);
  cr_assert_eq(getsockname(dead, (struct sockaddr *)&address, &length), 0);
  (void)snprintf(text, sizeof(text), "target 127.0.0.1:%d", ntohs(address.sin_port));
  bench_must(text);
  bench_put(bench.client, "old", 3);
  bench_must_come(bench.server, "old");
  held = bench_dial();
  cr_assert_geq(held, 0);
  bench_must_be_reset(held);
  (void)close(held);
  (void)close(dead);
  bench_end();
}

Test(fault_proxy_commands, a_connection_that_does_not_speak_kafka_is_reset)
{
  bench_begin("kafka");
  bench_put(bench.client, "\x16\x03\x01\x02\x00\x01\x00", 7);
  bench_must_be_reset(bench.client);
  bench_must_be_reset(bench.server);
  bench_end();
}

Test(fault_proxy_commands, what_it_does_not_know_is_an_error_and_changes_nothing)
{
  static const char *const wrong[] = {"",
                                      "rules",
                                      "rule",
                                      "rule x",
                                      "rule x hold drop",
                                      "clear nothing",
                                      "release",
                                      "release nothing",
                                      "freeze up",
                                      "target",
                                      "target here",
                                      "target host:",
                                      "1 2 3 4 5 6 7 8 9 10 11 12 13"};

  bench_begin("kafka");
  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    cr_assert_eq(strncmp(bench_say(wrong[i]), "error: ", 7), 0, "%s", wrong[i]);
  }
  bench_must("clear");
  bench_ask(0, 1, 'a');
  bench_must_be_asked('a');
  bench_end();
}
