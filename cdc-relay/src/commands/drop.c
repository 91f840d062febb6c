/*
 * drop.c - `cdc-relay drop`: the end of a relay. The slot goes first: a publication without a slot is the trace that a slot once was, so that an interrupted drop
 * is not mistaken for a fresh start. A slot that somebody reads from is left alone.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands/commands.h"
#include "commands/database.h"
#include "commands/report.h"
#include "stream/pg_connection.h"
#include "stream/sql_text.h"

static const char help[] = "usage: cdc-relay drop [OPTIONS]\n"
                           "\n"
                           "Removes the replication slot (as the relay's role) and then the publication (as the role of\n"
                           "postgres.admin_url, where that is set). Events that are committed and not yet published are given up. Asks first on a terminal.\n"
                           "\n"
                           "  --yes                do not ask; required where there is no terminal\n"
                           "  --keep-publication   remove the slot only\n"
                           "  --help\n"
                           "\n"
                           "Exit code: 0 done (also when there was nothing), 2 usage or not confirmed, 3 the slot is in use or the\n"
                           "database refuses.\n"
                           "\n"
                           "Example:\n"
                           "  cdc-relay --config shop.json drop --yes\n";

struct drop_options {
  bool yes;
  bool keep_publication;
};

static int parse_options(int argc, char **argv, struct drop_options *options)
{
  enum { YES = 1000, KEEP_PUBLICATION };
  static const struct option known[] = {{"yes", no_argument, NULL, YES}, {"keep-publication", no_argument, NULL, KEEP_PUBLICATION}, {NULL, 0, NULL, 0}};
  int answer;

  optind = 0;
  while ((answer = getopt_long(argc, argv, "+:", known, NULL)) != -1) {
    switch (answer) {
    case YES:
      options->yes = true;
      break;
    case KEEP_PUBLICATION:
      options->keep_publication = true;
      break;
    default:
      return report_bad_option(argv[0], answer, argv);
    }
  }
  return optind < argc ? report_usage(argv[0], "unexpected argument %s", argv[optind]) : EXIT_DONE;
}

static bool confirm(const struct config *config, const struct catalog *catalog, const struct drop_options *options)
{
  char line[16] = "";

  printf("database \"%s\": remove", catalog->database);
  if (catalog->slot_exists) {
    printf(" replication slot \"%s\" (confirmed to %s; the server is at %s)", config->postgres.slot, lsn_text(catalog->slot_confirmed).text,
           lsn_text(catalog->wal_end).text);
  }
  if (catalog->publication_exists && !options->keep_publication) {
    printf("%s publication \"%s\"", catalog->slot_exists ? " and" : "", config->postgres.publication);
  }
  printf("?\nwhat is committed and not published is given up. type yes to go on: ");
  (void)fflush(stdout);
  if (fgets(line, sizeof(line), stdin) == NULL) {
    putchar('\n');
    return false;
  }
  return strcmp(line, "yes\n") == 0;
}

static enum verdict judge_slot(const struct config *config, const struct catalog *catalog, struct problem *problem)
{
  enum verdict verdict;

  if (catalog->slot_database == NULL || strcmp(catalog->slot_database, catalog->database) != 0) {
    return problem_set(problem, VERDICT_FATAL, EXIT_DATABASE_REFUSES, "foreign_slot", "replication slot \"%s\" does not belong to database \"%s\"",
                       config->postgres.slot, catalog->database);
  }
  if (!catalog->slot_is_active) {
    return VERDICT_OK;
  }
  verdict = problem_set(problem, VERDICT_FATAL, EXIT_DATABASE_REFUSES, "slot_active", "replication slot \"%s\" is in use by pid %d", config->postgres.slot,
                        (int)catalog->slot_active_pid);
  problem_hint(problem, "stop the relay that reads it, or: SELECT pg_terminate_backend(%d);", (int)catalog->slot_active_pid);
  return verdict;
}

/* The relay's own role has REPLICATION and made the slot; the publication belongs to the tables' owner. */
static enum verdict drop_slot(const struct config *config, struct problem *problem)
{
  char *name = sql_literal(config->postgres.slot);
  PGconn *connection = NULL;
  enum verdict verdict = pg_connect(config, PG_ORDINARY, &connection, problem);
  char *sql;

  if (asprintf(&sql, "SELECT pg_drop_replication_slot(%s)", name) < 0) {
    abort();
  }
  if (verdict == VERDICT_OK) {
    verdict = database_run(connection, sql, "remove the replication slot", NULL, problem);
  }
  if (verdict == VERDICT_OK) {
    printf("replication slot \"%s\" removed\n", config->postgres.slot);
  } else if (verdict == VERDICT_FATAL) {
    problem_hint(problem, "as a role with REPLICATION: %s;", sql);
  }
  free(sql);
  free(name);
  PQfinish(connection);
  return verdict;
}

static enum verdict drop_publication(PGconn *connection, const struct config *config, const struct catalog *catalog, struct problem *problem)
{
  char *name = sql_identifier(config->postgres.publication);
  enum verdict verdict;
  char *sql;

  if (asprintf(&sql, "DROP PUBLICATION %s", name) < 0) {
    abort();
  }
  verdict = database_run(connection, sql, "remove the publication", NULL, problem);
  if (verdict == VERDICT_OK) {
    printf("publication \"%s\" removed\n", config->postgres.publication);
  } else if (verdict == VERDICT_FATAL) {
    problem_hint(problem, "as its owner, \"%s\", or with postgres.admin_url set to that role: %s;", catalog->publication_owner, sql);
  }
  free(sql);
  free(name);
  return verdict;
}

static enum verdict drop_all(PGconn *admin, const struct config *config, const struct catalog *catalog, const struct drop_options *options,
                             struct problem *problem)
{
  enum verdict verdict = catalog->slot_exists ? drop_slot(config, problem) : VERDICT_OK;

  if (verdict == VERDICT_OK && catalog->publication_exists && !options->keep_publication) {
    verdict = drop_publication(admin, config, catalog, problem);
  }
  return verdict;
}

static int drop_from(PGconn *connection, const struct config *config, const struct catalog *catalog, const struct drop_options *options)
{
  struct problem problem;
  enum verdict verdict = VERDICT_OK;

  if (!catalog->slot_exists && (!catalog->publication_exists || options->keep_publication)) {
    puts("nothing to remove");
    return EXIT_DONE;
  }
  if (catalog->slot_exists) {
    verdict = judge_slot(config, catalog, &problem);
  }
  if (verdict == VERDICT_OK && !options->yes && !confirm(config, catalog, options)) {
    verdict = problem_set(&problem, VERDICT_FATAL, EXIT_USAGE, "not_confirmed", "not confirmed, nothing was removed");
  }
  if (verdict == VERDICT_OK) {
    verdict = drop_all(connection, config, catalog, options, &problem);
  }
  return verdict == VERDICT_OK ? EXIT_DONE : report_problem(verdict, &problem);
}

int command_drop(struct config *config, int argc, char **argv)
{
  struct drop_options options = {0};
  struct problem problem;
  struct catalog catalog;
  PGconn *connection = NULL;
  enum verdict verdict;
  int code;

  if (command_wants_help(argc, argv)) {
    fputs(help, stdout);
    return EXIT_DONE;
  }
  code = parse_options(argc, argv, &options);
  if (code != EXIT_DONE) {
    return code;
  }
  if (!options.yes && isatty(STDIN_FILENO) == 0) {
    return report_usage(argv[0], "there is no terminal to ask on; give --yes");
  }
  verdict = pg_connect(config, PG_ADMIN, &connection, &problem);
  if (verdict != VERDICT_OK) {
    return report_problem(verdict, &problem);
  }
  catalog_init(&catalog);
  verdict = database_read_catalog(connection, config, &catalog, &problem);
  code = verdict == VERDICT_OK ? drop_from(connection, config, &catalog, &options) : report_problem(verdict, &problem);
  catalog_done(&catalog);
  PQfinish(connection);
  return code;
}
