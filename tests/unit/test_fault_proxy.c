/*
 * test_fault_proxy.c - the program itself: what it promises of each rule.
 */
#include <criterion/criterion.h>

#include "proxy_bench.h"

#include <fcntl.h>
#include <linux/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FLOOD_BYTES = 8 * 1024 * 1024 };

Test(fault_proxy, bytes_and_ends_pass_both_ways)
{
  bench_begin("plain");
  bench_put(bench.client, "to the server", 13);
  bench_must_come(bench.server, "to the server");
  bench_put(bench.server, "to the client", 13);
  bench_must_come(bench.client, "to the client");
  (void)shutdown(bench.client, SHUT_WR);
  bench_must_end(bench.server);
  bench_put(bench.server, "still", 5);
  bench_must_come(bench.client, "still");
  (void)shutdown(bench.server, SHUT_WR);
  bench_must_end(bench.client);
  bench_end();
}

Test(fault_proxy, megabytes_pass_whole_in_slices_and_through_a_hold)
{
  static uint8_t sent[1024 * 1024];
  static uint8_t came[sizeof(sent)];
  size_t at = 0;
  size_t have = 0;

  for (size_t i = 0; i < sizeof(sent); i++) {
    sent[i] = (uint8_t)(i * 7 + i / 251);
  }
  bench_begin("plain");
  bench_must("rule s slice=1000");
  (void)fcntl(bench.client, F_SETFL, O_NONBLOCK);
  while (have < sizeof(came)) {
    ssize_t length = at < sizeof(sent) ? send(bench.client, sent + at, sizeof(sent) - at, MSG_NOSIGNAL) : 0;

    at += length > 0 ? (size_t)length : 0;
    cr_assert(bench_is_ready(bench.server, POLLIN, WAIT_MS));
    length = recv(bench.server, came + have, sizeof(came) - have, 0);
    cr_assert_gt(length, 0);
    have += (size_t)length;
  }
  cr_assert_eq(memcmp(sent, came, sizeof(sent)), 0);
  bench_end();
}

Test(fault_proxy, a_slice_is_a_segment_of_its_own)
{
  struct tcp_info info;
  socklen_t length = sizeof(info);

  bench_begin("plain");
  bench_must("rule s slice=2");
  bench_put(bench.client, "12345678", 8);
  bench_must_come(bench.server, "12345678");
  cr_assert_eq(getsockopt(bench.server, IPPROTO_TCP, TCP_INFO, &info, &length), 0);
  cr_assert_geq(info.tcpi_data_segs_in, 3, "%u segments", info.tcpi_data_segs_in);
  bench_end();
}

Test(fault_proxy, a_hold_waits_for_release_or_clear_and_stays_after_a_release)
{
  bench_begin("kafka");
  bench_must("rule h api=Produce direction=request hold");
  bench_ask(3, 1, 'a');
  bench_must_be_asked('a');
  bench_ask(0, 2, 'b');
  bench_ask(3, 3, 'c');
  bench_must_be_quiet(bench.server);
  bench_must("release h");
  bench_must_be_asked('b');
  bench_must_be_asked('c');
  bench_ask(0, 4, 'd');
  bench_must_be_quiet(bench.server);
  bench_must("clear h");
  bench_must_be_asked('d');
  bench_ask(0, 5, 'e');
  bench_must_be_asked('e');
  bench_end();
}

Test(fault_proxy, a_hold_in_one_direction_leaves_the_other_alone_and_is_felt_by_the_sender)
{
  static uint8_t flood[65536];
  size_t sent = 0;

  bench_begin("plain");
  bench_must("rule h direction=request hold");
  (void)fcntl(bench.client, F_SETFL, O_NONBLOCK);
  while (sent < FLOOD_BYTES && bench_is_ready(bench.client, POLLOUT, 500)) {
    ssize_t length = send(bench.client, flood, sizeof(flood), MSG_NOSIGNAL);

    sent += length > 0 ? (size_t)length : 0;
  }
  cr_assert_lt(sent, FLOOD_BYTES, "the proxy takes without end");
  bench_put(bench.server, "answer", 6);
  bench_must_come(bench.client, "answer");
  bench_must_be_quiet(bench.server);
  bench_end();
}

Test(fault_proxy, a_delay_is_waited_for)
{
  int64_t began_ms;

  bench_begin("kafka");
  bench_must("rule d api=Metadata direction=response delay=150");
  bench_ask(3, 1, 'a');
  bench_must_be_asked('a');
  began_ms = bench_now_ms();
  bench_answer(1, 'A');
  bench_must_be_answered('A');
  cr_assert_geq(bench_now_ms() - began_ms, 149);
  bench_end();
}

Test(fault_proxy, dropped_frames_are_swallowed_and_the_connection_goes_on)
{
  bench_begin("kafka");
  bench_must("rule d api=Produce direction=request skip=1 count=1 drop");
  bench_must("rule e api=Metadata direction=response count=1 drop");
  bench_ask(0, 1, 'a');
  bench_ask(0, 2, 'b');
  bench_ask(0, 3, 'c');
  bench_must_be_asked('a');
  bench_must_be_asked('c');
  bench_answer(1, 'A');
  bench_answer(3, 'C');
  bench_must_be_answered('A');
  bench_must_be_answered('C');
  bench_ask(3, 4, 'd');
  bench_ask(3, 5, 'e');
  bench_must_be_asked('d');
  bench_must_be_asked('e');
  bench_answer(4, 'D');
  bench_answer(5, 'E');
  bench_must_be_answered('E');
  bench_end();
}

Test(fault_proxy, bandwidth_is_shared_by_all_connections)
{
  static char bytes[20000];
  int first_client;
  int first_server;
  int64_t began_ms;

  bench_begin("plain");
  first_client = bench.client;
  first_server = bench.server;
  bench_join();
  bench_must("rule b direction=request bandwidth=100000");
  began_ms = bench_now_ms();
  bench_put(bench.client, bytes, sizeof(bytes));
  bench_put(first_client, bytes, sizeof(bytes));
  bench_get(bench.server, bytes, sizeof(bytes));
  bench_get(first_server, bytes, sizeof(bytes));
  cr_assert_geq(bench_now_ms() - began_ms, 340); /* 40 kB less what is saved up */
  (void)close(first_client);
  (void)close(first_server);
  bench_end();
}

Test(fault_proxy, a_reset_is_one_on_both_sides)
{
  bench_begin("kafka");
  bench_must("rule r api=Produce direction=request reset");
  bench_ask(3, 1, 'a');
  bench_must_be_asked('a');
  bench_ask(0, 2, 'b');
  bench_must_be_reset(bench.client);
  bench_must_be_reset(bench.server);
  bench_end();
}

Test(fault_proxy, a_half_close_ends_one_direction)
{
  bench_begin("kafka");
  bench_must("rule h api=Produce direction=request half-close");
  bench_ask(0, 1, 'a');
  bench_must_end(bench.server);
  bench_put(bench.server, "\0\0\0\5\0\0\0\7A", 9);
  bench_must_be_answered('A');
  bench_ask(3, 2, 'b');
  bench_must_be_quiet(bench.client);
  bench_end();
}

Test(fault_proxy, what_is_lost_was_done)
{
  bench_begin("kafka");
  bench_must("rule l api=Produce skip=1 count=1 lose");
  bench_ask(0, 1, 'a');
  bench_ask(0, 2, 'b');
  bench_must_be_asked('a');
  bench_must_be_asked('b');
  bench_answer(1, 'A');
  bench_must_be_answered('A');
  bench_answer(2, 'B');
  bench_must_be_reset(bench.client);
  bench_must_be_reset(bench.server);
  bench_part();
  bench_join();
  bench_ask(0, 1, 'c');
  bench_must_be_asked('c');
  bench_answer(1, 'C');
  bench_must_be_answered('C');
  bench_end();
}
