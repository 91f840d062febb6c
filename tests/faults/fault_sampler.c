/*
 * fault_sampler.c - asks PostgreSQL for a slot's position twenty times a second and tells it in a history (README.md of this folder), until SIGTERM.
 *
 *   fault_sampler [--output FILE] CONNINFO SLOT
 *
 * The time of a line is taken when the answer is there: what it says was true earlier. While the server cannot be reached there are no lines; a slot that does not
 * exist is a line of nulls.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "database.h"
#include "json_line.h"
#include "stop_signal.h"

enum { PERIOD_US = 50000, PATIENCE_US = 5000000 };

static const char ask_slot[] = "SELECT s.confirmed_flush_lsn, s.restart_lsn, coalesce(s.active, false), "
                               "CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END "
                               "FROM (SELECT 1) AS one LEFT JOIN pg_replication_slots AS s ON s.slot_name = $1";

static void tell(struct json_line *line, PGresult *row, int output)
{
  static const char *const names[] = {"confirmed", "restart", NULL, "wal_end"};

  json_line_begin(line, "slot");
  for (int i = 0; i < 4; i++) {
    if (names[i] == NULL) {
      json_line_raw(line, "active", PQgetvalue(row, 0, i)[0] == 't' ? "true" : "false");
    } else {
      json_line_string(line, names[i], PQgetisnull(row, 0, i) ? NULL : PQgetvalue(row, 0, i));
    }
  }
  json_line_write(line, output);
}

static void sample(struct database *database, const char *slot, int output)
{
  const char *values[1] = {slot};
  int64_t due_us = stop_signal_clock_us();
  struct json_line line = {0};
  bool is_open = false;

  while (!stop_signal_was_sent()) {
    PGresult *result = NULL;

    if (!is_open) {
      is_open = database_open(database) && database_prepare(database, "ask_slot", ask_slot);
    }
    if (is_open) {
      enum database_answer answer = database_ask_prepared(database, "ask_slot", 1, values, &result);

      if (answer == DATABASE_DONE) {
        tell(&line, result, output);
      }
      if (answer != DATABASE_GONE) {
        PQclear(result);
      }
      is_open = answer != DATABASE_GONE;
    }
    due_us += PERIOD_US;
    due_us = due_us < stop_signal_clock_us() ? stop_signal_clock_us() + PERIOD_US : due_us;
    stop_signal_sleep_until(due_us);
  }
  json_line_done(&line);
}

int main(int argc, char **argv)
{
  static const struct option options[] = {{"output", required_argument, NULL, 'o'}, {NULL, 0, NULL, 0}};
  struct database database = {.name = "fault_sampler", .patience_us = PATIENCE_US};
  const char *output = "-";
  int option, file;

  while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
    if (option == '?') {
      optind = argc;
      break;
    }
    output = optarg;
  }
  if (optind + 2 != argc) {
    (void)fprintf(stderr, "usage: fault_sampler [--output FILE] CONNINFO SLOT\n");
    return 2;
  }
  file = json_line_open_file(output);
  stop_signal_install();
  database.conninfo = argv[optind];
  sample(&database, argv[optind + 1], file);
  database_close(&database);
  return 0;
}
