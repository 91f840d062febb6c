/*
 * bare_reader.c - how fast a log is read by who does nothing with it: replication messages are taken off the socket, counted and thrown away.
 *
 *   bare_reader CONNINFO SLOT PLUGIN END-LSN [PAUSE-US [LONG-READ-BYTES]]
 *
 * It reads as the relay may while it is behind: one read of libpq's buffer; when it brought less than LONG-READ-BYTES, a sleep of PAUSE-US on a timer, never at
 * the socket. With PAUSE-US 0 it sleeps at the socket before each read, as pg_recvlogical does. Over TCP it has the relay's long pause, too, but first the rest of what
 * has been joined (stream/pace.h), and the window that the relay begins with (stream/near_peer.h); its size is left to the kernel, since whoever does nothing with what he
 * reads is never late. It is no upper limit: by a Unix socket who sleeps at the socket, as pg_recvlogical does, may be faster, so the relay is compared with the faster of both.
 *
 * Prints NAME=VALUE lines: rows, bytes, the time from the first row to the last one, and its own CPU time meanwhile.
 */
#include <inttypes.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "cpu_time.h"
#include "moment.h"
#include "stream/pace.h"

enum { TCP_WINDOW_BYTES = 196608, LONG_READ_BYTES = 8192, STATUS_US = 1000000, LIMIT_US = 300000000, XLOG_DATA_HEADER_BYTES = 25, KEEPALIVE_BYTES = 18 };

struct reading {
  bool is_wal2json;
  int64_t rows;
  int64_t bytes;
  int64_t first_us;
  int64_t last_us;
  int64_t first_cpu_us;
  int64_t last_cpu_us;
  uint64_t wal_end; /* of the last message */
};

static uint64_t read_u64(const char *bytes)
{
  uint64_t value = 0;

  for (int i = 0; i < 8; i++) {
    value = value << 8 | (uint8_t)bytes[i];
  }
  return value;
}

static bool is_row(const struct reading *reading, const char *body, int length)
{
  static const char insert[] = "{\"action\":\"I\"";

  if (!reading->is_wal2json) {
    return length > 0 && body[0] == 'I';
  }
  return length >= (int)sizeof(insert) - 1 && memcmp(body, insert, sizeof(insert) - 1) == 0;
}

static void take(struct reading *reading, const char *message, int length)
{
  if (length >= XLOG_DATA_HEADER_BYTES && message[0] == 'w') {
    reading->bytes += length;
    reading->wal_end = read_u64(message + 1);
    reading->rows += is_row(reading, message + XLOG_DATA_HEADER_BYTES, length - XLOG_DATA_HEADER_BYTES) ? 1 : 0;
    if (reading->first_us == 0) {
      reading->first_us = moment_now().mono_us;
      reading->first_cpu_us = cpu_time_us();
    }
  } else if (length >= KEEPALIVE_BYTES && message[0] == 'k') {
    reading->wal_end = read_u64(message + 1);
  }
}

/* Written and nothing flushed: the server goes on, and the slot stays where it is. */
static bool say_alive(PGconn *connection, uint64_t written)
{
  char status[34] = "r";

  for (int i = 0; i < 8; i++) {
    status[1 + i] = (char)(written >> (56 - 8 * i) & 0xff);
  }
  return PQputCopyData(connection, status, sizeof(status)) == 1 && PQflush(connection) >= 0;
}

/* One read of the socket. Returns its bytes, -1 at the stream's end. */
static int64_t read_once(PGconn *connection, struct reading *reading)
{
  int64_t bytes = 0;
  char *message;
  int length;

  if (PQconsumeInput(connection) != 1) {
    return -1;
  }
  while ((length = PQgetCopyData(connection, &message, 1)) > 0) {
    take(reading, message, length);
    PQfreemem(message);
    bytes += length;
  }
  if (bytes > 0) {
    reading->last_us = moment_now().mono_us;
  }
  return length < 0 ? -1 : bytes;
}

static void wait_for_more(PGconn *connection, int64_t pause_us)
{
  const struct timespec pause = {.tv_nsec = pause_us * 1000};
  struct pollfd socket = {.fd = PQsocket(connection), .events = POLLIN};

  if (pause_us > 0) {
    (void)nanosleep(&pause, NULL);
  } else {
    (void)poll(&socket, 1, 100);
  }
}

static bool read_to(PGconn *connection, uint64_t end, int64_t pause_us, int64_t long_read_bytes, struct reading *reading)
{
  int64_t begun_us = moment_now().mono_us, told_us = begun_us, joined_bytes = 0;

  while (reading->wal_end < end) {
    int64_t bytes = read_once(connection, reading);

    if (bytes < 0 || moment_now().mono_us - begun_us > LIMIT_US) {
      return false;
    }
    joined_bytes += bytes;
    if (reading->wal_end < end && bytes < long_read_bytes) {
      wait_for_more(connection, joined_bytes < PACE_MORE_BYTES || pause_us < PACE_PAUSE_US ? pause_us : PACE_PAUSE_US);
      joined_bytes = 0;
    }
    if (moment_now().mono_us - told_us > STATUS_US) {
      told_us = moment_now().mono_us;
      if (!say_alive(connection, reading->wal_end)) {
        return false;
      }
    }
  }
  reading->last_cpu_us = cpu_time_us();
  return true;
}

static bool is_tcp(int fd)
{
  struct sockaddr_storage address = {0};
  socklen_t length = sizeof(address);

  return getsockname(fd, (struct sockaddr *)&address, &length) == 0 && address.ss_family != AF_UNIX;
}

static bool start(PGconn *connection, const char *slot, bool is_wal2json)
{
  /* The same that the relay asks for. */
  static const char pgoutput[] = "proto_version '1', publication_names 'bench_outbox', messages 'true'";
  static const char wal2json[] = "\"format-version\" '2', \"include-transaction\" '1', \"include-lsn\" '1', \"include-xids\" '1', \"include-timestamp\" '1', "
                                 "\"include-types\" '0', \"include-type-oids\" '1', \"include-typmod\" '0', \"actions\" 'insert', "
                                 "\"add-tables\" 'public.outbox'";
  char command[1024];
  PGresult *result;
  bool is_started;

  (void)snprintf(command, sizeof(command), "START_REPLICATION SLOT \"%s\" LOGICAL 0/0 (%s)", slot, is_wal2json ? wal2json : pgoutput);
  result = PQexec(connection, command);
  is_started = PQresultStatus(result) == PGRES_COPY_BOTH;
  PQclear(result);
  return is_started;
}

int main(int argc, char **argv)
{
  struct reading reading = {0};
  const int window_bytes = TCP_WINDOW_BYTES, one = 1;
  int64_t pause_us, long_read_bytes = LONG_READ_BYTES;
  unsigned int high, low;
  PGconn *connection;
  bool is_whole;

  if (argc < 5 || sscanf(argv[4], "%X/%X", &high, &low) != 2) {
    (void)fprintf(stderr, "usage: bare_reader CONNINFO SLOT PLUGIN END-LSN [PAUSE-US [LONG-READ-BYTES]]\n");
    return 2;
  }
  reading.is_wal2json = strcmp(argv[3], "wal2json") == 0;
  long_read_bytes = argc > 6 ? strtoll(argv[6], NULL, 10) : long_read_bytes;
  connection = PQconnectdb(argv[1]);
  pause_us = PACE_PAUSE_US;
  if (is_tcp(PQsocket(connection))) {
    pause_us = PACE_LONG_PAUSE_US;
    (void)setsockopt(PQsocket(connection), SOL_SOCKET, SO_RCVLOWAT, &window_bytes, sizeof(window_bytes));
    (void)setsockopt(PQsocket(connection), SOL_SOCKET, SO_RCVLOWAT, &one, sizeof(one));
  }
  pause_us = argc > 5 ? strtoll(argv[5], NULL, 10) : pause_us;
  is_whole = PQstatus(connection) == CONNECTION_OK && start(connection, argv[2], reading.is_wal2json) &&
             read_to(connection, (uint64_t)high << 32 | low, pause_us, long_read_bytes, &reading);
  if (!is_whole) {
    (void)fprintf(stderr, "bare_reader: %s", PQerrorMessage(connection));
  }
  printf("rows=%" PRId64 "\nbytes=%" PRId64 "\nlast_us=%" PRId64 "\ncpu_us=%" PRId64 "\n", reading.rows, reading.bytes, reading.last_us - reading.first_us,
         reading.last_cpu_us - reading.first_cpu_us);
  PQfinish(connection);
  return is_whole ? 0 : 1;
}
