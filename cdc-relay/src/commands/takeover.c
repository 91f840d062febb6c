/*
 * takeover.c - takes a table over from a program that polls it: `cdc-relay takeover`.
 *
 *   1  the old poller is stopped                     by a person, who says so
 *   2  lock; what an earlier try left is cleared     takeover_slot.c
 *   3  the slot is made, half: NAME_takeover         from here on the server keeps what is written
 *   4  its snapshot is opened on a second connection: all that was committed before the slot's start, and nothing else
 *   5  batch by batch: rows that are not marked, in order -> router -> Kafka -> acknowledged -> marked          backlog.c
 *   6  the slot gets the relay's name                only now can `run` stream, and what it streams stands behind all of the backlog
 *
 * Every row is either in the snapshot or streamed, never both. Cut off anywhere, the command begins again at 2, and what is marked by then is not published again:
 * only rows that were in flight, one batch at most, come twice, with the same event id.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands/backlog.h"
#include "commands/commands.h"
#include "commands/database.h"
#include "commands/report.h"
#include "commands/slot_setup.h"
#include "commands/takeover_options.h"
#include "commands/takeover_slot.h"
#include "commands/takeover_sql.h"
#include "fault_point.h"
#include "moment.h"
#include "stream/pg_connection.h"
#include "stream/sql_text.h"

enum { PROGRESS_US = 5 * US_PER_S };

/* What the steps share. */
struct takeover {
  const struct config *config;
  const struct takeover_options *options;
  size_t entry;
  struct old_outbox outbox;
  char *marked;
  char *mark;
  char *id_type;
  struct catalog catalog;
  PGconn *admin;  /* marks; holds the lock */
  PGconn *reader; /* in the snapshot */
  Lsn start;
  uint64_t published;
};

/* ---- arguments ---- */

static int choose_entry(const char *command, struct takeover *takeover)
{
  const struct config *config = takeover->config;
  size_t found = 0;

  for (size_t i = 0; i < config->outbox_count; i++) {
    const struct config_outbox *entry = &config->outbox[i];

    if (entry->message_prefix == NULL && (takeover->options->table == NULL || strcmp(takeover->options->table, entry->table) == 0)) {
      takeover->entry = i;
      found++;
    }
  }
  if (found == 0) {
    return report_usage(command, "the configuration has no outbox entry for %s", takeover->options->table != NULL ? takeover->options->table : "a table");
  }
  if (found > 1) {
    return report_usage(command, "the configuration has several tables: name the old poller's with --table");
  }
  if (strlen(config->postgres.slot) > TAKEOVER_SLOT_NAME_MAX) {
    return report_usage(command, "postgres.slot \"%s\" leaves no room for the name of the half-made slot, which adds _takeover: at most %d characters",
                        config->postgres.slot, TAKEOVER_SLOT_NAME_MAX);
  }
  return EXIT_DONE;
}

static void describe_outbox(struct takeover *takeover)
{
  const struct takeover_options *options = takeover->options;
  const char *column = options->marked_column != NULL ? options->marked_column : "published";
  const char *id = options->id_column != NULL ? options->id_column : "id";

  takeover->marked = options->marked_sql != NULL ? strdup(options->marked_sql) : takeover_marked_by_column(column);
  takeover->mark = options->mark_sql != NULL ? strdup(options->mark_sql) : takeover_mark_by_column(column);
  if (takeover->marked == NULL || takeover->mark == NULL) {
    abort();
  }
  takeover->outbox = (struct old_outbox){.entry = &takeover->config->outbox[takeover->entry],
                                         .id_column = id,
                                         .order_by = options->order_by != NULL ? options->order_by : id,
                                         .marked = takeover->marked,
                                         .mark = takeover->mark};
}

/* ---- what the database must be like ---- */

struct obstacles {
  int code;
  bool wants_publication;
};

static void see_obstacle(void *context, const struct problem *problem)
{
  struct obstacles *obstacles = context;

  if (strcmp(problem->cause, "publication_missing") == 0) {
    obstacles->wants_publication = true;
  } else if (strcmp(problem->cause, "slot_missing") != 0) {
    obstacles->code = report_worse(obstacles->code, report_problem(VERDICT_FATAL, problem));
  }
}

static enum verdict read_catalog(struct takeover *takeover, struct problem *problem)
{
  PGconn *connection = NULL;
  enum verdict verdict = pg_connect(takeover->config, PG_ORDINARY, &connection, problem);

  if (verdict == VERDICT_OK) {
    catalog_done(&takeover->catalog);
    catalog_init(&takeover->catalog);
    verdict = database_read_catalog(connection, takeover->config, &takeover->catalog, problem);
    PQfinish(connection);
  }
  return verdict;
}

/* Column, privileges, and that marking a row does not end the relay. */
static enum verdict judge_table(struct takeover *takeover, struct problem *problem)
{
  const struct config_outbox *entry = takeover->outbox.entry;
  char *sql = takeover_facts_sql(&takeover->outbox);
  PGresult *result = NULL;
  enum verdict verdict = database_run(takeover->admin, sql, "look at the outbox", &result, problem);

  free(sql);
  if (verdict == VERDICT_OK && PQntuples(result) == 0) {
    verdict = problem_set(problem, VERDICT_FATAL, EXIT_DATABASE_REFUSES, "no_column", "%s has no column \"%s\"", entry->table, takeover->outbox.id_column);
  } else if (verdict == VERDICT_OK && PQgetvalue(result, 0, 0)[0] != 't') {
    verdict = problem_set(problem, VERDICT_FATAL, EXIT_DATABASE_REFUSES, "privilege", "role \"%s\" may not read %s, or may not update it",
                          PQgetvalue(result, 0, 3), entry->table);
    problem_hint(problem, "set postgres.admin_url to the table's owner, or: GRANT SELECT, UPDATE ON %s TO \"%s\";", entry->table, PQgetvalue(result, 0, 3));
  } else if (verdict == VERDICT_OK && PQgetvalue(result, 0, 1)[0] != 't') {
    verdict = problem_set(problem, VERDICT_FATAL, EXIT_DATABASE_REFUSES, "not_unique",
                          "column \"%s\" of %s is not unique by itself, or may be null: a mark could fall on a row that was not published",
                          takeover->outbox.id_column, entry->table);
    problem_hint(problem, "name another with --id, or make a unique index on it");
  } else if (verdict == VERDICT_OK) {
    takeover->id_type = strdup(PQgetvalue(result, 0, 2));
    takeover->outbox.id_type = takeover->id_type;
  }
  PQclear(result);
  if (verdict == VERDICT_OK && takeover->catalog.publishes_update && config_outbox_wants_updates(entry)) {
    verdict = problem_set(problem, VERDICT_FATAL, EXIT_DATABASE_REFUSES, "updates_published",
                          "publication \"%s\" publishes updates, which table.op.invalid.behavior of %s takes for mistakes, and every mark is one",
                          takeover->config->postgres.publication, entry->table);
    problem_hint(problem, "ALTER PUBLICATION \"%s\" SET (publish = 'insert'); and set table.op.invalid.behavior to ignore",
                 takeover->config->postgres.publication);
  }
  return verdict;
}

/* Rows that are not marked. */
struct unmarked {
  int64_t rows;
  int64_t without_place; /* of them: NULL in the column that they are ordered by */
  int64_t in_one_place;  /* of them: with the same there as another one of their key */
};

/* How many there are to publish, and whether their order is known: FATAL 3 where it is not. */
static enum verdict count_backlog(struct takeover *takeover, PGconn *connection, struct unmarked *ret_unmarked, struct problem *problem)
{
  const struct old_outbox *outbox = &takeover->outbox;
  char *sql = takeover_count_sql(outbox);
  PGresult *result = NULL;
  struct unmarked unmarked = {0};
  enum verdict verdict = database_run(connection, sql, "count the backlog", &result, problem);

  free(sql);
  if (verdict == VERDICT_OK) {
    unmarked.rows = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
    unmarked.without_place = strtoll(PQgetvalue(result, 0, 1), NULL, 10);
    unmarked.in_one_place = strtoll(PQgetvalue(result, 0, 2), NULL, 10);
  }
  PQclear(result);
  if (verdict == VERDICT_OK && unmarked.without_place > 0) {
    verdict = problem_set(problem, VERDICT_FATAL, EXIT_DATABASE_REFUSES, "no_order",
                          "of %" PRId64 " rows of %s that are not marked, %" PRId64
                          " have NULL in \"%s\", by which they are to be ordered: it does not say where they belong",
                          unmarked.rows, outbox->entry->table, unmarked.without_place, outbox->order_by);
    problem_hint(problem, "give each of them a value that puts it where it belongs among the rows of its key; or name another column with --order-by, or none "
                          "where the ids are in order");
  }
  if (verdict == VERDICT_OK) {
    *ret_unmarked = unmarked;
  }
  return verdict;
}

static void warn_of_equal_places(const struct takeover *takeover, const struct unmarked *unmarked)
{
  const struct old_outbox *outbox = &takeover->outbox;

  if (unmarked->in_one_place > 0) {
    report_warning("that is right for ids from one source; otherwise give them times first that tell them apart",
                   "%" PRId64 " rows of %s have in \"%s\" what another row of their key has: these come in the order of \"%s\"", unmarked->in_one_place,
                   outbox->entry->table, outbox->order_by, outbox->id_column);
  }
}

/* ---- the backlog ---- */

/* The other tables' rows are nobody's backlog: this command takes one table over, and the slot begins here for all. */
static void warn_of_other_rows(struct takeover *takeover, const char *snapshot)
{
  const struct config *config = takeover->config;
  struct rows_before *rows = calloc(config->outbox_count + 1, sizeof(*rows));

  if (rows == NULL) {
    abort();
  }
  slot_setup_count_rows(config, &takeover->catalog, snapshot, rows);
  for (size_t i = 0; i < config->outbox_count; i++) {
    if (i != takeover->entry && rows[i].is_known && rows[i].rows > 0) {
      report_warning(NULL, "%s has %s%" PRId64 " rows from before the slot's start; they are not published", config->outbox[i].table,
                     rows[i].is_exact ? "" : "about ", rows[i].rows);
    }
  }
  free(rows);
}

static enum verdict open_snapshot(struct takeover *takeover, struct problem *problem)
{
  struct slot_snapshot snapshot = {0};
  char half[TAKEOVER_SLOT_NAME_SIZE];
  char *sql = NULL;
  char *cursor = NULL;
  char *name = NULL;
  enum verdict verdict;

  takeover_slot_name(takeover->config->postgres.slot, half);
  verdict = slot_setup_open_snapshot(takeover->config, half, false, takeover->options->lock_timeout_s, &snapshot, problem);
  if (verdict == VERDICT_OK) {
    takeover->start = snapshot.start;
    verdict = pg_connect(takeover->config, PG_ADMIN, &takeover->reader, problem);
  }
  if (verdict == VERDICT_OK) {
    /* row_security off: a policy that hides rows is an error, not a smaller backlog. */
    verdict = database_run(takeover->reader, "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET row_security = off",
                           "prepare the session", NULL, problem);
  }
  if (verdict == VERDICT_OK) {
    name = sql_literal(snapshot.name);
    if (asprintf(&sql, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT %s", name) < 0) {
      abort();
    }
    verdict = database_run(takeover->reader, sql, "open the slot's snapshot", NULL, problem);
  }
  if (verdict == VERDICT_OK) {
    cursor = takeover_cursor_sql(&takeover->outbox, &takeover->catalog.tables[takeover->entry]);
    verdict = database_run(takeover->reader, cursor, "read the backlog", NULL, problem);
  }
  if (verdict == VERDICT_OK) {
    warn_of_other_rows(takeover, snapshot.name);
  }
  free(name);
  free(sql);
  free(cursor);
  slot_setup_close_snapshot(&snapshot);
  return verdict;
}

static enum verdict mark(struct takeover *takeover, const char *const *ids, size_t count, struct problem *problem)
{
  char *sql = takeover_mark_sql(&takeover->outbox);
  char *literal = takeover_array_literal(ids, count);
  const char *const values[] = {literal};
  PGresult *result = PQexecParams(takeover->admin, sql, 1, NULL, values, NULL, NULL, 0);
  enum verdict verdict = VERDICT_OK;
  size_t marked = 0;

  if (PQresultStatus(result) != PGRES_COMMAND_OK) {
    verdict = pg_problem(takeover->admin, result, "mark what was published", problem);
  } else if ((marked = strtoul(PQcmdTuples(result), NULL, 10)) < count) {
    verdict = problem_set(
        problem, VERDICT_FATAL, EXIT_DATABASE_REFUSES, "poller_runs",
        "of %zu rows of %s that were just published, %zu had been marked or removed meanwhile: the old poller is not stopped, and published them too", count,
        takeover->outbox.entry->table, count - marked);
    problem_hint(problem, "stop it for good, then: cdc-relay takeover again");
  }
  PQclear(result);
  free(literal);
  free(sql);
  return verdict;
}

static enum verdict carry_backlog(struct takeover *takeover, struct problem *problem)
{
  struct backlog *backlog = NULL;
  int64_t said_us = moment_now().mono_us;
  size_t fetched = 1;
  enum verdict verdict = backlog_new(takeover->config, takeover->entry, takeover->outbox.id_column, &takeover->catalog.tables[takeover->entry], takeover->start,
                                     (size_t)takeover->options->batch, &backlog, problem);

  while (verdict == VERDICT_OK && fetched > 0) {
    const char *const *ids;
    size_t count;

    verdict = backlog_carry_batch(backlog, takeover->reader, &fetched, problem);
    ids = backlog_delivered(backlog, &count);
    if (count > 0) {
      struct problem marking;
      enum verdict marked;

      CRASH_POINT(BEFORE_MARK);
      marked = mark(takeover, ids, count, &marking);
      CRASH_POINT(AFTER_MARK);
      if (marked == VERDICT_OK) {
        takeover->published += count;
      } else if (verdict == VERDICT_OK) {
        *problem = marking;
        verdict = marked;
      }
    }
    if (moment_now().mono_us - said_us > PROGRESS_US) {
      said_us = moment_now().mono_us;
      printf("%" PRIu64 " rows published and marked\n", takeover->published);
      (void)fflush(stdout);
    }
  }
  backlog_free(backlog);
  return verdict;
}

/* ---- all of it ---- */

static enum verdict prepare_admin(struct takeover *takeover, struct problem *problem)
{
  enum verdict verdict = pg_connect(takeover->config, PG_ADMIN, &takeover->admin, problem);

  /* A mark that a crash takes back would publish its row again. */
  return verdict == VERDICT_OK ? database_run(takeover->admin, "SET synchronous_commit = on; SET row_security = off", "prepare the session", NULL, problem)
                               : verdict;
}

static enum verdict take_over(struct takeover *takeover, struct problem *problem)
{
  struct unmarked unmarked;
  enum verdict verdict = open_snapshot(takeover, problem);

  if (verdict == VERDICT_OK) {
    verdict = count_backlog(takeover, takeover->reader, &unmarked, problem);
  }
  if (verdict == VERDICT_OK) {
    printf("replication slot begins at %s; %" PRId64 " rows of %s from before are not marked\n", lsn_text(takeover->start).text, unmarked.rows,
           takeover->outbox.entry->table);
    warn_of_equal_places(takeover, &unmarked);
    (void)fflush(stdout);
    CRASH_POINT(HALF_SLOT_MADE);
    verdict = carry_backlog(takeover, problem);
    printf("%" PRIu64 " rows published and marked\n", takeover->published);
  }
  if (verdict == VERDICT_OK) {
    verdict = takeover_slot_finish(takeover->admin, takeover->config, takeover->start, problem);
  }
  if (verdict == VERDICT_OK) {
    printf("replication slot \"%s\" created, starting at %s\nnow: cdc-relay run\n", takeover->config->postgres.slot, lsn_text(takeover->start).text);
  }
  return verdict;
}

static int take_over_from(struct takeover *takeover)
{
  struct obstacles obstacles = {.code = EXIT_DONE};
  enum takeover_state state = TAKEOVER_TO_DO;
  struct unmarked unmarked;
  struct problem problem;
  enum verdict verdict = read_catalog(takeover, &problem);

  if (verdict == VERDICT_OK) {
    catalog_problems(&takeover->catalog, takeover->config, see_obstacle, &obstacles);
    if (obstacles.code != EXIT_DONE) {
      return obstacles.code;
    }
    verdict = slot_setup_judge_failover_support(takeover->config, &takeover->catalog, &problem);
  }
  if (verdict == VERDICT_OK) {
    verdict = prepare_admin(takeover, &problem);
  }
  if (verdict == VERDICT_OK) {
    verdict = judge_table(takeover, &problem);
  }
  if (verdict == VERDICT_OK && takeover->options->dry_run) {
    verdict = count_backlog(takeover, takeover->admin, &unmarked, &problem);
    if (verdict == VERDICT_OK) {
      printf("%" PRId64 " rows of %s are not marked\n", unmarked.rows, takeover->outbox.entry->table);
      warn_of_equal_places(takeover, &unmarked);
      return EXIT_DONE;
    }
  }
  if (verdict == VERDICT_OK) {
    verdict = takeover_slot_begin(takeover->admin, takeover->config, &state, &problem);
  }
  if (verdict == VERDICT_OK && state == TAKEOVER_IS_DONE) {
    printf("replication slot \"%s\" exists, and the backlog is published\nnow: cdc-relay run\n", takeover->config->postgres.slot);
    return EXIT_DONE;
  }
  /* Before anything is made. What is written from here on is judged in the snapshot. */
  if (verdict == VERDICT_OK) {
    verdict = count_backlog(takeover, takeover->admin, &unmarked, &problem);
  }
  if (verdict == VERDICT_OK && obstacles.wants_publication) {
    verdict = slot_setup_create_publication(takeover->config, &problem);
    if (verdict == VERDICT_OK) {
      printf("publication \"%s\" created\n", takeover->config->postgres.publication);
      verdict = read_catalog(takeover, &problem);
    }
  }
  if (verdict == VERDICT_OK) {
    verdict = take_over(takeover, &problem);
  }
  return verdict == VERDICT_OK ? EXIT_DONE : report_problem(verdict, &problem);
}

int command_takeover(struct config *config, int argc, char **argv)
{
  struct takeover_options options;
  struct takeover takeover = {.config = config, .options = &options};
  int code;

  if (command_wants_help(argc, argv)) {
    fputs(takeover_help, stdout);
    return EXIT_DONE;
  }
  code = takeover_options_parse(argc, argv, &options);
  if (code == EXIT_DONE) {
    code = choose_entry(argv[0], &takeover);
  }
  if (code != EXIT_DONE) {
    return code;
  }
  describe_outbox(&takeover);
  catalog_init(&takeover.catalog);
  code = take_over_from(&takeover);
  catalog_done(&takeover.catalog);
  PQfinish(takeover.reader);
  PQfinish(takeover.admin);
  free(takeover.marked);
  free(takeover.mark);
  free(takeover.id_type);
  return code;
}
