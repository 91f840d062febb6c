/*
 * The monitor against a peer that speaks as much of PostgreSQL's protocol as it needs, in the same thread; time is an argument, so no test waits for it.
 * What a real server answers is tested in tests/e2e.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ops/slot_monitor.h"
#include "ops/slot_query.h"

#define S INT64_C(1000000)

static const struct config_outbox outbox[] = {
    {.table = "public.outbox", .table_schema = "public", .table_name = "outbox"},
    {.table = "message:shop", .message_prefix = "shop"},
    {.table = "we'ird.back\\slash", .table_schema = "we'ird", .table_name = "back\\slash"},
};

enum { COLUMNS = 13 };
static const char *const column_names[COLUMNS] = {"wal_end",   "start",   "exists", "active", "pid",     "status", "safe",
                                                  "confirmed", "restart", "entry",  "root",   "updated", "deleted"};

/* An answer: rows of columns, "-" is NULL. */
struct rows {
  size_t count;
  const char *cells[3][COLUMNS];
};

#define SERVER "0/3000000", "2024-01-01 00:00:00+00"
#define SLOT   "t", "t", "77", "extended", "1000", "0/2000000", "0/1000000"
static const struct rows usual = {2, {{SERVER, SLOT, "0", "16385", "10", "20"}, {SERVER, SLOT, "2", "16390", "0", "5"}}};

static PGresult *result_of(const struct rows *rows)
{
  PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
  PGresAttDesc attributes[COLUMNS] = {0};

  for (int i = 0; i < COLUMNS; i++) {
    attributes[i].name = strdup(column_names[i]);
  }
  cr_assert_eq(PQsetResultAttrs(result, COLUMNS, attributes), 1);
  for (int i = 0; i < COLUMNS; i++) {
    free(attributes[i].name);
  }
  for (size_t row = 0; row < rows->count; row++) {
    for (int i = 0; i < COLUMNS; i++) {
      const char *cell = rows->cells[row][i];
      bool is_null = strcmp(cell, "-") == 0;

      cr_assert_eq(PQsetvalue(result, (int)row, i, is_null ? NULL : (char *)(uintptr_t)cell, is_null ? -1 : (int)strlen(cell)), 1);
    }
  }
  return result;
}

static const struct config plain = {.name = "shop", .postgres = {.slot = "it's", .url = ""}, .outbox_count = 3, .outbox = outbox};

static enum verdict read_rows(const struct rows *rows, struct slot_answer *ret_answer)
{
  PGresult *result = result_of(rows);
  struct problem problem = {0};
  enum verdict verdict = slot_query_read(&plain, result, ret_answer, &problem);

  cr_assert(verdict == VERDICT_OK || problem.text[0] != '\0');
  PQclear(result);
  return verdict;
}

Test(slot_query, names_are_quoted_and_message_entries_left_out)
{
  char *sql = slot_query(&plain);

  cr_assert_not_null(strstr(sql, "(VALUES (-1, '', ''), (0, 'public', 'outbox'), (2, 'we''ird', E'back\\\\slash')) AS"), "%s", sql);
  cr_assert_not_null(strstr(sql, "slot_name = 'it''s'"), "%s", sql);
  cr_assert_null(strstr(sql, "shop"));
  free(sql);
}

Test(slot_query, an_answer_is_read_into_figures)
{
  struct slot_answer answer;

  cr_assert_eq(read_rows(&usual, &answer), VERDICT_OK);
  cr_assert(answer.figures.slot_exists && answer.figures.slot_is_active);
  cr_assert_eq(answer.figures.active_pid, 77);
  cr_assert_eq(answer.figures.status, SLOT_EXTENDED);
  cr_assert_eq(answer.figures.wal_end, 0x3000000);
  cr_assert_eq(answer.figures.confirmed, 0x2000000);
  cr_assert_eq(answer.figures.restart, 0x1000000);
  cr_assert_eq(answer.figures.retained_bytes, 0x2000000);
  cr_assert_eq(answer.figures.safe_bytes, 1000);
  cr_assert_str_eq(answer.server_start, "2024-01-01 00:00:00+00");
  cr_assert(answer.tables[0].is_known && !answer.tables[1].is_known && answer.tables[2].is_known);
  cr_assert(answer.tables[0].oid == 16385 && answer.tables[0].updated == 10 && answer.tables[0].deleted == 20);
  cr_assert(answer.tables[2].oid == 16390 && answer.tables[2].updated == 0 && answer.tables[2].deleted == 5);
}

static const struct slot_case {
  const char *name;
  const char *cells[COLUMNS];
  bool exists, active;
  enum slot_status status;
  int64_t retained, safe;
} slot_cases[] = {
    {"no slot", {SERVER, "f", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-"}, false, false, SLOT_UNKNOWN, 0, -1},
    {"PostgreSQL 12: no status", {SERVER, "t", "f", "-", "-", "-", "0/2000000", "0/1000000", "-", "-", "-", "-"}, true, false, SLOT_UNKNOWN, 0x2000000, -1},
    {"no limit", {SERVER, "t", "f", "-", "reserved", "-", "0/2000000", "0/1000000", "-", "-", "-", "-"}, true, false, SLOT_RESERVED, 0x2000000, -1},
    {"lost has nothing left", {SERVER, "t", "f", "-", "lost", "-", "0/2000000", "-", "-", "-", "-", "-"}, true, false, SLOT_LOST, 0, 0},
    {"below nothing is nothing",
     {SERVER, "t", "f", "-", "unreserved", "-5", "0/2000000", "0/1000000", "-", "-", "-", "-"},
     true,
     false,
     SLOT_UNRESERVED,
     0x2000000,
     0},
    {"a standby behind the slot",
     {"0/500", "x", "t", "f", "-", "reserved", "9", "0/2000000", "0/1000000", "-", "-", "-", "-"},
     true,
     false,
     SLOT_RESERVED,
     0,
     9},
    {"a standby that replayed nothing",
     {"-", "x", "t", "t", "1", "reserved", "9", "0/2000000", "0/1000000", "-", "-", "-", "-"},
     true,
     true,
     SLOT_RESERVED,
     0,
     9},
    {"a status of a later version", {SERVER, "t", "f", "-", "borrowed", "9", "0/2", "0/2000000", "-", "-", "-", "-"}, true, false, SLOT_UNKNOWN, 0x1000000, 9},
};

Test(slot_query, slots_in_every_condition_are_read)
{
  for (size_t i = 0; i < sizeof(slot_cases) / sizeof(*slot_cases); i++) {
    const struct slot_case *c = &slot_cases[i];
    struct rows rows = {.count = 1};
    struct slot_answer answer;

    memcpy(rows.cells[0], c->cells, sizeof(c->cells));
    cr_assert_eq(read_rows(&rows, &answer), VERDICT_OK, "%s", c->name);
    cr_assert_eq(answer.figures.slot_exists, c->exists, "%s", c->name);
    cr_assert_eq(answer.figures.slot_is_active, c->active, "%s", c->name);
    cr_assert_eq(answer.figures.status, c->status, "%s", c->name);
    cr_assert_eq(answer.figures.retained_bytes, c->retained, "%s: %ld", c->name, (long)answer.figures.retained_bytes);
    cr_assert_eq(answer.figures.safe_bytes, c->safe, "%s: %ld", c->name, (long)answer.figures.safe_bytes);
    cr_assert_not(answer.tables[0].is_known, "%s", c->name);
  }
}

Test(slot_query, values_that_are_not_of_their_type_are_refused)
{
  static const struct {
    int column;
    const char *value;
  } cases[] = {
      {0, "3000000"}, {0, ""},  {2, "yes"}, {3, "T"}, {4, "-1"},          {4, "99999999999"}, {6, "9.5"}, {6, "99999999999999999999"}, {6, ""}, {7, "x"},
      {8, "0/"},      {9, "3"}, {9, "-1"},  {9, "a"}, {10, "4294967296"}, {11, "-2"},         {12, "1 "}, {12, "9223372036854775808"}};

  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    struct rows rows = usual;
    struct slot_answer answer = {.figures.active_pid = 12345};

    rows.cells[0][cases[i].column] = cases[i].value;
    cr_assert_eq(read_rows(&rows, &answer), VERDICT_RETRY, "accepted %s in column %d", cases[i].value, cases[i].column);
    cr_assert_eq(answer.figures.active_pid, 12345);
  }
}

Test(slot_query, another_form_of_answer_is_refused)
{
  PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_COMMAND_OK);
  struct slot_answer answer;
  struct rows none = {0};

  cr_assert_eq(slot_query_read(&plain, result, &answer, NULL), VERDICT_RETRY);
  PQclear(result);
  result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
  cr_assert_eq(slot_query_read(&plain, result, &answer, NULL), VERDICT_RETRY);
  PQclear(result);
  cr_assert_eq(read_rows(&none, &answer), VERDICT_RETRY);
}

Test(slot_baseline, only_what_can_be_compared_counts)
{
  static const struct {
    const char *name;
    const char *start;
    struct table_counts table;
    uint64_t updated, deleted;
  } steps[] = {
      {"the first answer is the baseline", "a", {true, 1, 100, 200}, 0, 0},
      {"differences", "a", {true, 1, 103, 205}, 3, 5},
      {"nothing new", "a", {true, 1, 103, 205}, 0, 0},
      {"statistics reset", "a", {true, 1, 2, 1}, 0, 0},
      {"and on from there", "a", {true, 1, 4, 1}, 2, 0},
      {"a count that went back alone", "a", {true, 1, 9, 0}, 0, 0},
      {"another or a restarted server", "b", {true, 1, 1000, 1000}, 0, 0},
      {"and on from there", "b", {true, 1, 1001, 1000}, 1, 0},
      {"the table created anew", "b", {true, 2, 5000, 5000}, 0, 0},
      {"the table is gone", "b", {false, 0, 0, 0}, 0, 0},
      {"and back", "b", {true, 2, 6000, 6000}, 0, 0},
      {"and on from there", "b", {true, 2, 6000, 6007}, 0, 7},
  };
  struct slot_baseline baseline = {0};

  for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
    struct slot_answer answer = {0};

    (void)snprintf(answer.server_start, sizeof(answer.server_start), "%s", steps[i].start);
    answer.tables[CONFIG_OUTBOX_MAX - 1] = steps[i].table;
    slot_baseline_advance(&baseline, &answer);
    cr_assert_eq(answer.figures.updated[CONFIG_OUTBOX_MAX - 1], steps[i].updated, "%s", steps[i].name);
    cr_assert_eq(answer.figures.deleted[CONFIG_OUTBOX_MAX - 1], steps[i].deleted, "%s", steps[i].name);
    cr_assert_eq(answer.figures.updated[0], 0);
  }
}

/* The peer and the monitor that talks to it. */
struct peer {
  int listen_fd;
  int fd; /* -1: nobody is connected */
  size_t accepted;
  size_t questions; /* that came in since the last reset by a test */
  char last[8192];  /* text of the last one */
  char url[128];
  struct config config;
  struct slot_monitor *monitor;
  struct moment now;
  struct slot_figures figures;
  struct problem problem;
};

static void peer_init(struct peer *peer)
{
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof(address);

  memset(peer, 0, sizeof(*peer));
  peer->fd = -1;
  peer->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  cr_assert_eq(bind(peer->listen_fd, (struct sockaddr *)&address, sizeof(address)), 0);
  cr_assert_eq(listen(peer->listen_fd, 8), 0);
  cr_assert_eq(getsockname(peer->listen_fd, (struct sockaddr *)&address, &length), 0);
  (void)snprintf(peer->url, sizeof(peer->url), "host=127.0.0.1 port=%u user=u dbname=d sslmode=disable gssencmode=disable",
                 (unsigned int)ntohs(address.sin_port));
  peer->config = plain;
  peer->config.postgres.url = peer->url;
  peer->monitor = slot_monitor_new(&peer->config);
  peer->now.mono_us = 1000 * S;
}

static void peer_hang_up(struct peer *peer)
{
  if (peer->fd >= 0) {
    close(peer->fd);
    peer->fd = -1;
  }
}

static void peer_done(struct peer *peer)
{
  slot_monitor_free(peer->monitor);
  peer_hang_up(peer);
  if (peer->listen_fd >= 0) {
    close(peer->listen_fd);
  }
}

/* Sends one message of the protocol: type, length, body. */
static void say(struct peer *peer, char type, const void *body, size_t length)
{
  char message[4096];
  uint32_t size = htonl((uint32_t)length + 4);

  cr_assert_leq(length + 5, sizeof(message));
  message[0] = type;
  memcpy(message + 1, &size, 4);
  memcpy(message + 5, body, length);
  cr_assert_eq(send(peer->fd, message, length + 5, MSG_NOSIGNAL), (ssize_t)length + 5);
}

static void say_ready(struct peer *peer)
{
  say(peer, 'Z', "I", 1);
}

static void say_error(struct peer *peer, const char *severity, const char *sqlstate, const char *words)
{
  char body[256];
  int length = snprintf(body, sizeof(body), "S%s%cV%s%cC%s%cM%s%c%c", severity, 0, severity, 0, sqlstate, 0, words, 0, 0);

  say(peer, 'E', body, (size_t)length);
}

static void say_rows(struct peer *peer, const struct rows *rows)
{
  char body[2048];
  char *at = body;

  *at++ = 0;
  *at++ = COLUMNS;
  for (int i = 0; i < COLUMNS; i++) {
    at = stpcpy(at, column_names[i]) + 1;
    memset(at, 0, 18); /* no table, type 0, text */
    at += 18;
  }
  say(peer, 'T', body, (size_t)(at - body));
  for (size_t row = 0; row < rows->count; row++) {
    at = body;
    *at++ = 0;
    *at++ = COLUMNS;
    for (int i = 0; i < COLUMNS; i++) {
      const char *cell = rows->cells[row][i];
      bool is_null = strcmp(cell, "-") == 0;
      uint32_t size = htonl(is_null ? UINT32_MAX : (uint32_t)strlen(cell));

      memcpy(at, &size, 4);
      at += 4;
      if (!is_null) {
        memcpy(at, cell, strlen(cell));
        at += strlen(cell);
      }
    }
    say(peer, 'D', body, (size_t)(at - body));
  }
  say(peer, 'C', "SELECT 1", 9);
  say_ready(peer);
}

static void greet(struct peer *peer)
{
  say(peer, 'R', "\0\0\0", 4); /* trusted */
  say(peer, 'S', "server_version\00015.20", 21);
  say(peer, 'S', "client_encoding\000UTF8", 21);
  say(peer, 'S', "standard_conforming_strings\000on", 31);
  say(peer, 'K', "\0\0\0\1\0\0\0\1", 8);
  say_ready(peer);
}

static void approve_settings(struct peer *peer)
{
  say(peer, 'C', "SET", 4);
  say(peer, 'C', "SET", 4);
  say_ready(peer);
}

/* Takes in a new connection, or what the monitor says on the old one. True when it was something. `silent`: do not greet. */
static bool peer_listen(struct peer *peer, bool silent)
{
  char bytes[8192];
  ssize_t length;
  int fd = accept4(peer->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

  if (fd >= 0) {
    cr_assert_eq(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)), 0); /* each message goes out at once */
    peer_hang_up(peer);
    peer->fd = fd;
    peer->accepted++;
    return true;
  }
  length = peer->fd >= 0 ? recv(peer->fd, bytes, sizeof(bytes) - 1, 0) : -1;
  if (length <= 0) {
    return false;
  }
  bytes[length] = '\0';
  if (bytes[0] == 'Q') {
    peer->questions++;
    (void)snprintf(peer->last, sizeof(peer->last), "%s", bytes + 5);
  } else if (bytes[0] == 0 && !silent) { /* the startup message has no type */
    greet(peer);
  }
  return true;
}

/* Lets both sides go on, without any time passing, until the monitor has an event or both have nothing more to do. */
static enum slot_monitor_event converse_as(struct peer *peer, bool silent)
{
  int idle = 0;

  while (idle < 5) {
    struct pollfd polled = {.fd = slot_monitor_fd(peer->monitor), .events = slot_monitor_events(peer->monitor)};
    enum slot_monitor_event event = slot_monitor_step(peer->monitor, peer->now, &peer->figures, &peer->problem);

    if (event != SLOT_MONITOR_NOTHING) {
      return event;
    }
    idle = peer_listen(peer, silent) ? 0 : idle + 1;
    (void)poll(&polled, 1, 2); /* the kernel hands bytes over the loopback in its own time */
  }
  return SLOT_MONITOR_NOTHING;
}

static enum slot_monitor_event converse(struct peer *peer)
{
  return converse_as(peer, false);
}

static void expect(struct peer *peer, enum slot_monitor_event wanted)
{
  enum slot_monitor_event event = converse(peer);

  cr_assert_eq(event, wanted, "event %d, not %d: %s", (int)event, (int)wanted, peer->problem.text);
}

/* Connected, settings made, the first question asked. */
static void until_asked(struct peer *peer)
{
  expect(peer, SLOT_MONITOR_NOTHING);
  cr_assert_eq(strncmp(peer->last, "SET ", 4), 0, "first said: %s", peer->last);
  approve_settings(peer);
  expect(peer, SLOT_MONITOR_NOTHING);
  cr_assert_not_null(strstr(peer->last, "pg_replication_slots"), "then said: %s", peer->last);
  cr_assert_eq(peer->questions, 2);
  peer->questions = 0;
}

static void until_idle(struct peer *peer)
{
  until_asked(peer);
  say_rows(peer, &usual);
  expect(peer, SLOT_MONITOR_FIGURES);
  expect(peer, SLOT_MONITOR_NOTHING);
  cr_assert_eq(peer->questions, 0);
}

Test(slot_monitor, asks_as_soon_as_it_is_connected_and_gives_the_figures_once)
{
  struct peer peer;

  peer_init(&peer);
  cr_assert_eq(slot_monitor_fd(peer.monitor), -1);
  cr_assert_leq(slot_monitor_deadline_us(peer.monitor), peer.now.mono_us);
  until_asked(&peer);
  cr_assert_not_null(strstr(peer.last, "slot_name = 'it''s'"));
  say_rows(&peer, &usual);
  expect(&peer, SLOT_MONITOR_FIGURES);
  cr_assert_eq(peer.figures.confirmed, 0x2000000);
  cr_assert_eq(peer.figures.updated[0], 0, "the first answer is the baseline");
  expect(&peer, SLOT_MONITOR_NOTHING);
  peer_done(&peer);
}

Test(slot_monitor, asks_again_after_the_interval_and_counts_what_was_added)
{
  struct peer peer;
  struct rows later = usual;
  int64_t due;

  peer_init(&peer);
  until_idle(&peer);
  due = slot_monitor_deadline_us(peer.monitor) - peer.now.mono_us;
  cr_assert(due >= 4 * S && due <= 6 * S, "in %ld us", (long)due);
  peer.now.mono_us += due - 1;
  expect(&peer, SLOT_MONITOR_NOTHING);
  cr_assert_eq(peer.questions, 0, "asked too early");
  peer.now.mono_us += 1;
  expect(&peer, SLOT_MONITOR_NOTHING);
  cr_assert_eq(peer.questions, 1);
  later.cells[0][11] = "13";
  later.cells[1][12] = "6";
  say_rows(&peer, &later);
  expect(&peer, SLOT_MONITOR_FIGURES);
  cr_assert_eq(peer.figures.updated[0], 3);
  cr_assert_eq(peer.figures.deleted[0], 0);
  cr_assert_eq(peer.figures.deleted[2], 1);
  peer_done(&peer);
}

Test(slot_monitor, the_time_between_two_questions_varies)
{
  struct peer peer;
  int64_t first = 0;
  bool varies = false;

  peer_init(&peer);
  until_idle(&peer);
  for (int i = 0; i < 8; i++) {
    int64_t due = slot_monitor_deadline_us(peer.monitor) - peer.now.mono_us;

    cr_assert(due >= 4 * S && due <= 6 * S);
    first = i == 0 ? due : first;
    varies |= due != first;
    peer.now.mono_us += due;
    expect(&peer, SLOT_MONITOR_NOTHING);
    say_rows(&peer, &usual);
    expect(&peer, SLOT_MONITOR_FIGURES);
  }
  cr_assert(varies);
  peer_done(&peer);
}

Test(slot_monitor, a_new_interval_takes_effect_at_once_and_repeating_it_puts_nothing_off)
{
  struct peer peer;
  int64_t due;

  peer_init(&peer);
  until_idle(&peer);
  slot_monitor_set_interval(peer.monitor, S, peer.now);
  due = slot_monitor_deadline_us(peer.monitor);
  cr_assert(due - peer.now.mono_us >= S * 4 / 5 && due - peer.now.mono_us <= S * 6 / 5);
  peer.now.mono_us += S / 2;
  slot_monitor_set_interval(peer.monitor, S, peer.now);
  cr_assert_eq(slot_monitor_deadline_us(peer.monitor), due);
  peer.now.mono_us = due;
  expect(&peer, SLOT_MONITOR_NOTHING);
  cr_assert_eq(peer.questions, 1);
  peer_done(&peer);
}

Test(slot_monitor, ask_now_asks_once_and_also_behind_a_question_under_way)
{
  struct peer peer;

  peer_init(&peer);
  until_idle(&peer);
  slot_monitor_ask_now(peer.monitor);
  cr_assert_leq(slot_monitor_deadline_us(peer.monitor), peer.now.mono_us);
  expect(&peer, SLOT_MONITOR_NOTHING);
  cr_assert_eq(peer.questions, 1);
  slot_monitor_ask_now(peer.monitor);
  expect(&peer, SLOT_MONITOR_NOTHING);
  cr_assert_eq(peer.questions, 1, "two questions at a time");
  say_rows(&peer, &usual);
  expect(&peer, SLOT_MONITOR_FIGURES);
  expect(&peer, SLOT_MONITOR_NOTHING);
  cr_assert_eq(peer.questions, 2);
  say_rows(&peer, &usual);
  expect(&peer, SLOT_MONITOR_FIGURES);
  expect(&peer, SLOT_MONITOR_NOTHING);
  cr_assert_eq(peer.questions, 2, "asked more than once");
  peer_done(&peer);
}

/* The end of a connection is told once, and the next attempt comes after a pause in [least, most]. */
static void expect_end(struct peer *peer, enum slot_monitor_event wanted, const char *words, int64_t least, int64_t most)
{
  int64_t pause;

  expect(peer, wanted);
  cr_assert_not_null(strstr(peer->problem.text, words), "%s", peer->problem.text);
  pause = slot_monitor_deadline_us(peer->monitor) - peer->now.mono_us;
  cr_assert(pause >= least && pause <= most, "pause of %ld us", (long)pause);
  cr_assert_eq(slot_monitor_fd(peer->monitor), -1);
  expect(peer, SLOT_MONITOR_NOTHING);
}

Test(slot_monitor, a_server_that_shuts_down_while_the_connection_is_idle_is_noticed)
{
  static const char *const states[] = {"57P01", "57P02", "57P03"};

  for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++) {
    struct peer peer;

    peer_init(&peer);
    until_idle(&peer);
    say_error(&peer, "FATAL", states[i], "the last words");
    peer_hang_up(&peer);
    expect_end(&peer, SLOT_MONITOR_SHUTDOWN, "the last words", S / 5, S * 2 / 5);
    peer_done(&peer);
  }
}

Test(slot_monitor, a_shutdown_is_noticed_before_the_server_hangs_up)
{
  struct peer peer;

  peer_init(&peer);
  until_idle(&peer);
  say_error(&peer, "FATAL", "57P01", "the last words");
  expect_end(&peer, SLOT_MONITOR_SHUTDOWN, "the last words", S / 5, S * 2 / 5);
  peer_done(&peer);
}

Test(slot_monitor, a_server_that_shuts_down_during_a_question_is_noticed)
{
  struct peer peer;

  peer_init(&peer);
  until_asked(&peer);
  say_error(&peer, "FATAL", "57P01", "the last words");
  peer_hang_up(&peer);
  expect_end(&peer, SLOT_MONITOR_SHUTDOWN, "the last words", S / 5, S * 2 / 5);
  peer_done(&peer);
}

Test(slot_monitor, a_server_that_refuses_since_it_shuts_down_is_noticed)
{
  struct peer peer;

  peer_init(&peer);
  (void)converse_as(&peer, true);
  say_error(&peer, "FATAL", "57P03", "the database system is shutting down");
  peer_hang_up(&peer);
  expect_end(&peer, SLOT_MONITOR_SHUTDOWN, "shutting down", S / 5, S * 2 / 5);
  peer_done(&peer);
}

Test(slot_monitor, other_last_words_and_none_are_a_loss)
{
  for (int i = 0; i < 4; i++) {
    struct peer peer;

    peer_init(&peer);
    if (i % 2 == 0) {
      until_idle(&peer);
    } else {
      until_asked(&peer);
    }
    if (i < 2) {
      say_error(&peer, "FATAL", "57P05", "idle for too long");
    }
    peer_hang_up(&peer);
    expect_end(&peer, SLOT_MONITOR_LOST, "could not read the slot's figures", S / 5, S * 2 / 5);
    peer_done(&peer);
  }
}

Test(slot_monitor, a_warning_while_idle_does_no_harm)
{
  struct peer peer;

  peer_init(&peer);
  until_idle(&peer);
  say(&peer, 'N', "SWARNING\0VWARNING\0C01000\0Mcareful\0", 35);
  expect(&peer, SLOT_MONITOR_NOTHING);
  slot_monitor_ask_now(peer.monitor);
  expect(&peer, SLOT_MONITOR_NOTHING);
  cr_assert_eq(peer.questions, 1);
  peer_done(&peer);
}

Test(slot_monitor, a_refused_question_is_a_loss_with_the_servers_words)
{
  struct peer peer;

  peer_init(&peer);
  until_asked(&peer);
  say_error(&peer, "ERROR", "42501", "permission denied for function x");
  say_ready(&peer);
  expect_end(&peer, SLOT_MONITOR_LOST, "permission denied for function x", S / 5, S * 2 / 5);
  peer_done(&peer);
}

Test(slot_monitor, an_answer_of_another_form_is_a_loss)
{
  struct rows strange = usual;
  struct peer peer;

  strange.cells[0][0] = "nowhere";
  peer_init(&peer);
  until_asked(&peer);
  say_rows(&peer, &strange);
  expect_end(&peer, SLOT_MONITOR_LOST, "not of its column's type", S / 5, S * 2 / 5);
  peer_done(&peer);
}

Test(slot_monitor, silence_is_a_loss_at_every_step)
{
  for (int i = 0; i < 3; i++) {
    struct peer peer;

    peer_init(&peer);
    if (i == 0) {
      (void)converse_as(&peer, true); /* connected, not greeted */
    } else if (i == 1) {
      expect(&peer, SLOT_MONITOR_NOTHING); /* settings not approved */
    } else {
      until_asked(&peer);
    }
    cr_assert_eq(slot_monitor_deadline_us(peer.monitor), peer.now.mono_us + SLOT_MONITOR_ANSWER_LIMIT_US);
    peer.now.mono_us += SLOT_MONITOR_ANSWER_LIMIT_US - 1;
    cr_assert_eq(converse_as(&peer, true), SLOT_MONITOR_NOTHING, "step %d", i);
    peer.now.mono_us += 1;
    expect_end(&peer, SLOT_MONITOR_LOST, "no answer from the server for 30 s", S / 5, S * 2 / 5);
    peer_done(&peer);
  }
}

Test(slot_monitor, pauses_grow_and_an_answer_ends_that)
{
  struct peer peer;

  peer_init(&peer);
  for (int i = 0; i < 10; i++) {
    int64_t cap = i < 5 ? (S * 2 / 5) << i : 10 * S;

    (void)converse_as(&peer, true);
    peer_hang_up(&peer);
    expect_end(&peer, SLOT_MONITOR_LOST, "could not connect", cap / 2, cap);
    peer.now.mono_us = slot_monitor_deadline_us(peer.monitor);
  }
  cr_assert_eq(peer.accepted, 10);
  until_idle(&peer);
  peer_hang_up(&peer);
  expect_end(&peer, SLOT_MONITOR_LOST, "could not read", S / 5, S * 2 / 5);
  peer_done(&peer);
}

Test(slot_monitor, no_attempt_is_made_during_the_pause)
{
  struct peer peer;

  peer_init(&peer);
  until_idle(&peer);
  peer_hang_up(&peer);
  expect(&peer, SLOT_MONITOR_LOST);
  peer.now.mono_us = slot_monitor_deadline_us(peer.monitor) - 1;
  expect(&peer, SLOT_MONITOR_NOTHING);
  cr_assert_eq(peer.accepted, 1);
  peer.now.mono_us++;
  expect(&peer, SLOT_MONITOR_NOTHING);
  cr_assert_eq(peer.accepted, 2);
  peer_done(&peer);
}

Test(slot_monitor, counts_go_on_over_a_new_connection_to_the_same_server)
{
  struct peer peer;
  struct rows later = usual;

  peer_init(&peer);
  until_idle(&peer);
  peer_hang_up(&peer);
  expect(&peer, SLOT_MONITOR_LOST);
  peer.now.mono_us = slot_monitor_deadline_us(peer.monitor);
  until_asked(&peer);
  later.cells[0][11] = "11";
  say_rows(&peer, &later);
  expect(&peer, SLOT_MONITOR_FIGURES);
  cr_assert_eq(peer.figures.updated[0], 1);
  peer_done(&peer);
}

Test(slot_monitor, reconnect_leaves_the_old_connection_and_any_pause_at_once)
{
  struct peer peer;

  peer_init(&peer);
  until_idle(&peer);
  slot_monitor_reconnect(peer.monitor);
  cr_assert_leq(slot_monitor_deadline_us(peer.monitor), peer.now.mono_us);
  until_idle(&peer);
  cr_assert_eq(peer.accepted, 2);
  peer_hang_up(&peer);
  expect(&peer, SLOT_MONITOR_LOST);
  slot_monitor_reconnect(peer.monitor);
  until_idle(&peer);
  cr_assert_eq(peer.accepted, 3);
  peer_done(&peer);
}

Test(slot_monitor, a_port_where_nobody_listens_is_a_loss)
{
  struct peer peer;

  peer_init(&peer);
  close(peer.listen_fd);
  peer.listen_fd = -1;
  expect_end(&peer, SLOT_MONITOR_LOST, "could not connect to PostgreSQL", S / 5, S * 2 / 5);
  peer_done(&peer);
}

Test(slot_monitor, free_takes_null_and_every_phase)
{
  slot_monitor_free(NULL);
  for (int i = 0; i < 3; i++) {
    struct peer peer;

    peer_init(&peer);
    if (i == 1) {
      (void)converse_as(&peer, true);
    } else if (i == 2) {
      until_asked(&peer);
    }
    peer_done(&peer);
  }
}
