/*
 * init.c - makes publication and slot what `run` needs, or says why it will not.
 *
 *   publication   slot      what happens
 *   no            no        both are created, publication first
 *   yes           yes       nothing, if they match; else refused (3, 4)
 *   yes           no        somebody made the publication: the script of the tables, or an earlier slot that is gone. While no row was ever written nothing can be
 *                           missing and the slot is created; otherwise that is a gap, and only --accept-gap goes over it
 *   no            yes       refused (4): the slot would look for the publication at its own old position, where there is none. wal2json does not look, and the
 *                           publication is created as the witness that there was a slot
 *
 * A slot that has existed is never replaced without being told: that would be a gap which nobody sees.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands/commands.h"
#include "commands/database.h"
#include "commands/kafka_admin.h"
#include "commands/report.h"
#include "commands/slot_setup.h"
#include "stream/pg_connection.h"

static const char help[] = "usage: cdc-relay init [OPTIONS]\n"
                           "\n"
                           "Creates the publication (as the role of postgres.admin_url, where that is set, else the relay's own)\n"
                           "and then the replication slot. Ends well when both exist and match; changes nothing that exists.\n"
                           "\n"
                           "  --create-topics     create the exact names of the allow lists, and the dead-letter topics\n"
                           "  --partitions N      of topics that are created (default 3)\n"
                           "  --replication N     of topics that are created (default: the broker's)\n"
                           "  --lock-timeout S    how long to wait for open transactions, in seconds (default 10)\n"
                           "  --accept-gap        create a slot although there seems to have been one: what was committed\n"
                           "                      between its last position and now is not published\n"
                           "  --sql               print what would be run, with the role for each part; run nothing\n"
                           "  --help\n"
                           "\n"
                           "Exit code: 0 done, 2 usage, 3 the database refuses, 4 a gap would have to be accepted, 6 Kafka refuses.\n"
                           "\n"
                           "Example:\n"
                           "  cdc-relay --config shop.json init --create-topics --partitions 6\n";

struct init_options {
  bool create_topics;
  bool accept_gap;
  bool print_sql;
  int partitions;
  int replication; /* -1: the broker's */
  int lock_timeout_s;
};

/* Problems that stand in the way of init itself; what it is about to create is none. */
struct obstacles {
  int code;
};

static void report_obstacle(void *context, const struct problem *problem)
{
  struct obstacles *obstacles = context;

  if (strcmp(problem->cause, "slot_missing") != 0 && strcmp(problem->cause, "publication_missing") != 0) {
    obstacles->code = report_worse(obstacles->code, report_problem(VERDICT_FATAL, problem));
  }
}

/*
 * Whether a slot may have been here before. Statistics can be lost (a crash, a reset): only a table that was never vacuumed or analyzed and shows no insert is
 * certain to be new. Messages leave no trace: beside a table they are judged by it, alone they always may have been.
 */
static bool had_rows(const struct catalog *catalog)
{
  bool has_table = false;

  for (size_t i = 0; i < catalog->table_count; i++) {
    const struct catalog_table *table = &catalog->tables[i];

    has_table = has_table || !table->is_message;
    if (table->rows_estimate > 0 || table->inserted_rows > 0 || table->was_maintained) {
      return true;
    }
  }
  return !has_table;
}

static int refuse_gap(const struct config *config, const struct catalog *catalog)
{
  struct problem problem;
  enum verdict verdict = problem_set(
      &problem, VERDICT_FATAL, EXIT_POSITION, "gap",
      "replication slot \"%s\" does not exist, but publication \"%s\" does and rows have been written: what was committed up to %s is not published "
      "by a slot that is created now",
      config->postgres.slot, config->postgres.publication, lsn_text(catalog->wal_end).text);

  problem_hint(&problem, "if there never was a slot, or the gap is known and accepted: cdc-relay init --accept-gap. rows that are still in the tables can be "
                         "published by inserting them again");
  return report_problem(verdict, &problem);
}

static int refuse_late_publication(const struct config *config, const struct catalog *catalog)
{
  struct problem problem;
  enum verdict verdict =
      problem_set(&problem, VERDICT_FATAL, EXIT_POSITION, "publication_missing",
                  "publication \"%s\" does not exist, but replication slot \"%s\" does, at %s: a publication made now does not exist at that "
                  "position",
                  config->postgres.publication, config->postgres.slot, lsn_text(catalog->slot_confirmed).text);

  problem_hint(&problem, "events committed between %s and %s would be given up: cdc-relay drop --yes, then: cdc-relay init --accept-gap",
               lsn_text(catalog->slot_confirmed).text, lsn_text(catalog->wal_end).text);
  return report_problem(verdict, &problem);
}

static void print_rows(const struct config *config, const struct rows_before *rows)
{
  for (size_t i = 0; i < config->outbox_count; i++) {
    if (config->outbox[i].message_prefix != NULL) {
      continue;
    }
    if (!rows[i].is_known) {
      printf("rows before the start in %s: unknown; they are not published\n", config->outbox[i].table);
    } else if (rows[i].is_exact) {
      printf("rows before the start in %s: %" PRId64 "; they are not published\n", config->outbox[i].table, rows[i].rows);
    } else {
      printf("rows before the start in %s: about %" PRId64 " (an estimate: the role may not read the table); they are not published\n", config->outbox[i].table,
             rows[i].rows);
    }
  }
  puts("rows written before a table joins the publication are never published");
}

static enum verdict create_publication(const struct config *config, struct problem *problem)
{
  enum verdict verdict = slot_setup_create_publication(config, problem);

  if (verdict == VERDICT_OK) {
    printf("publication \"%s\" created\n", config->postgres.publication);
  }
  return verdict;
}

static int create_slot(const struct config *config, const struct catalog *catalog, int lock_timeout_s, bool is_publication_new)
{
  struct rows_before *rows = calloc(config->outbox_count + 1, sizeof(*rows));
  struct problem problem;
  Lsn start;
  enum verdict verdict;

  if (rows == NULL) {
    abort();
  }
  (void)fflush(stdout);
  verdict = slot_setup_create_slot(config, catalog, lock_timeout_s, rows, &start, &problem);
  if (verdict == VERDICT_OK) {
    printf("replication slot \"%s\" created, starting at %s\n", config->postgres.slot, lsn_text(start).text);
    print_rows(config, rows);
  }
  free(rows);
  if (verdict != VERDICT_OK && is_publication_new) {
    slot_setup_undo_publication(config);
    printf("publication \"%s\" removed again, since there is no slot\n", config->postgres.publication);
  }
  return verdict == VERDICT_OK ? EXIT_DONE : report_problem(verdict, &problem);
}

static int init_from(const struct config *config, const struct init_options *options, const struct catalog *catalog)
{
  struct problem problem;
  bool is_publication_new = false;

  if (slot_setup_judge_failover(config, catalog, &problem) != VERDICT_OK) {
    return report_problem(VERDICT_FATAL, &problem);
  }
  if (catalog->slot_exists && !catalog->publication_exists && config->postgres.plugin == PLUGIN_PGOUTPUT) {
    return refuse_late_publication(config, catalog);
  }
  if (!catalog->slot_exists && catalog->publication_exists && had_rows(catalog) && !options->accept_gap) {
    return refuse_gap(config, catalog);
  }
  if (!catalog->publication_exists) {
    enum verdict verdict = create_publication(config, &problem);

    if (verdict != VERDICT_OK) {
      return report_problem(verdict, &problem);
    }
    is_publication_new = true;
  } else {
    printf("publication \"%s\" exists\n", config->postgres.publication);
  }
  if (catalog->slot_exists) {
    printf("replication slot \"%s\" exists, confirmed to %s\n", config->postgres.slot, lsn_text(catalog->slot_confirmed).text);
    return EXIT_DONE;
  }
  if (!is_publication_new && options->accept_gap) {
    printf("gap accepted: whatever was committed before the new slot's start and not published by an earlier one is not published\n");
  }
  return create_slot(config, catalog, options->lock_timeout_s, is_publication_new);
}

static int init_database(const struct config *config, const struct init_options *options)
{
  struct problem problem;
  struct catalog catalog;
  struct obstacles obstacles = {.code = EXIT_DONE};
  PGconn *connection = NULL;
  enum verdict verdict = pg_connect(config, PG_ORDINARY, &connection, &problem);
  int code;

  catalog_init(&catalog);
  if (verdict == VERDICT_OK) {
    verdict = database_read_catalog(connection, config, &catalog, &problem);
    PQfinish(connection);
  }
  if (verdict != VERDICT_OK) {
    code = report_problem(verdict, &problem);
  } else {
    catalog_problems(&catalog, config, report_obstacle, &obstacles);
    code = obstacles.code != EXIT_DONE ? obstacles.code : init_from(config, options, &catalog);
  }
  catalog_done(&catalog);
  return code;
}

enum verdict init_missing(const struct config *config, bool *ret_created, struct problem *problem)
{
  struct catalog catalog;
  PGconn *connection = NULL;
  Lsn start;
  bool is_first;
  enum verdict verdict = pg_connect(config, PG_ORDINARY, &connection, problem);

  if (verdict != VERDICT_OK) {
    return verdict;
  }
  catalog_init(&catalog);
  verdict = database_read_catalog(connection, config, &catalog, problem);
  PQfinish(connection);
  is_first = verdict == VERDICT_OK && !catalog.slot_exists && !catalog.publication_exists;
  if (is_first) {
    verdict = slot_setup_judge_failover(config, &catalog, problem);
    if (verdict == VERDICT_OK) {
      verdict = slot_setup_create_publication(config, problem);
    }
    if (verdict == VERDICT_OK) {
      verdict = slot_setup_create_slot(config, &catalog, SLOT_SETUP_LOCK_TIMEOUT_S, NULL, &start, problem);
      if (verdict != VERDICT_OK) {
        slot_setup_undo_publication(config);
      }
    }
  }
  catalog_done(&catalog);
  if (verdict == VERDICT_OK) {
    *ret_created = is_first;
  }
  return verdict;
}

static int init_topics(const struct config *config, const struct init_options *options)
{
  struct kafka_admin *admin = NULL;
  struct problem problem;
  size_t count;
  size_t patterns;
  const char **names = kafka_topic_names(config, &count, &patterns);
  enum verdict verdict = kafka_admin_open(config, &admin, &problem);
  int code = verdict == VERDICT_OK ? EXIT_DONE : report_problem(verdict, &problem);

  for (size_t i = 0; i < count && verdict != VERDICT_RETRY && admin != NULL; i++) {
    bool is_created;

    verdict = kafka_admin_create(admin, names[i], options->partitions, options->replication, &is_created, &problem);
    if (verdict == VERDICT_OK) {
      printf("topic \"%s\" %s\n", names[i], is_created ? "created" : "exists");
    } else {
      code = report_worse(code, report_problem(verdict, &problem));
    }
  }
  if (patterns > 0) {
    report_warning("list exact names in route.topic.allow, or create the topics yourself",
                   "%zu allowed topics are patterns, whose topics cannot be created from here", patterns);
  }
  kafka_admin_close(admin);
  free(names);
  return code;
}

static void print_sql(const struct config *config, const struct init_options *options)
{
  slot_setup_print_sql(config, options->lock_timeout_s, stdout);
  if (options->create_topics) {
    size_t count;
    size_t patterns;
    const char **names = kafka_topic_names(config, &count, &patterns);

    puts("\n-- 3. with Kafka's own tool, as a principal that may create topics:");
    for (size_t i = 0; i < count; i++) {
      printf("-- kafka-topics.sh --bootstrap-server <host:port> --create --if-not-exists --topic %s --partitions %d", names[i], options->partitions);
      if (options->replication > 0) {
        printf(" --replication-factor %d", options->replication);
      }
      putchar('\n');
    }
    free(names);
  }
}

static int parse_options(int argc, char **argv, struct init_options *options)
{
  enum { CREATE_TOPICS = 1000, PARTITIONS, REPLICATION, LOCK_TIMEOUT, ACCEPT_GAP, SQL };
  static const struct option known[] = {{"create-topics", no_argument, NULL, CREATE_TOPICS},
                                        {"partitions", required_argument, NULL, PARTITIONS},
                                        {"replication", required_argument, NULL, REPLICATION},
                                        {"lock-timeout", required_argument, NULL, LOCK_TIMEOUT},
                                        {"accept-gap", no_argument, NULL, ACCEPT_GAP},
                                        {"sql", no_argument, NULL, SQL},
                                        {NULL, 0, NULL, 0}};
  enum { PARTITIONS_MAX = 10000, REPLICATION_MAX = 100, LOCK_TIMEOUT_MAX = 86400 };
  int answer;

  optind = 0;
  while ((answer = getopt_long(argc, argv, "+:", known, NULL)) != -1) {
    switch (answer) {
    case CREATE_TOPICS:
      options->create_topics = true;
      break;
    case PARTITIONS:
      if (!command_read_count(optarg, PARTITIONS_MAX, &options->partitions)) {
        return report_usage(argv[0], "--partitions %s is not a number from 1 to %d", optarg, PARTITIONS_MAX);
      }
      break;
    case REPLICATION:
      if (!command_read_count(optarg, REPLICATION_MAX, &options->replication)) {
        return report_usage(argv[0], "--replication %s is not a number from 1 to %d", optarg, REPLICATION_MAX);
      }
      break;
    case LOCK_TIMEOUT:
      if (!command_read_count(optarg, LOCK_TIMEOUT_MAX, &options->lock_timeout_s)) {
        return report_usage(argv[0], "--lock-timeout %s is not a number of seconds from 1 to %d", optarg, LOCK_TIMEOUT_MAX);
      }
      break;
    case ACCEPT_GAP:
      options->accept_gap = true;
      break;
    case SQL:
      options->print_sql = true;
      break;
    default:
      return report_bad_option(argv[0], answer, argv);
    }
  }
  return optind < argc ? report_usage(argv[0], "unexpected argument %s", argv[optind]) : EXIT_DONE;
}

int command_init(struct config *config, int argc, char **argv)
{
  struct init_options options = {.partitions = 3, .replication = -1, .lock_timeout_s = SLOT_SETUP_LOCK_TIMEOUT_S};
  int code;

  if (command_wants_help(argc, argv)) {
    fputs(help, stdout);
    return EXIT_DONE;
  }
  code = parse_options(argc, argv, &options);
  if (code != EXIT_DONE) {
    return code;
  }
  if (options.print_sql) {
    print_sql(config, &options);
    return EXIT_DONE;
  }
  code = init_database(config, &options);
  if (options.create_topics) {
    code = report_worse(code, init_topics(config, &options));
  }
  return code;
}
