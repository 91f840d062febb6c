/*
 * check.c - `cdc-relay check`: everything that would stop `run`, and everything that will hurt later, each with the statement that mends it.
 *
 *   error     catalog_problems(), what cannot be reached, and what would make the relay's outage one of the whole cluster: decides the exit code
 *   warning   the settings and tables below, topics, limits: the relay runs, and somebody should look
 *
 * Only looks: nothing is written, created or locked. A question that the role may not ask is left out rather than guessed.
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
#include "commands/topics_file.h"
#include "moment.h"
#include "stream/pg_connection.h"
#include "stream/sql_text.h"

enum {
  CHECK_SENDER_TIMEOUT_MIN_US = 10 * US_PER_S, /* below, a long transaction of others can cost the connection */
  CHECK_OLD_TRANSACTION_S = 60,
  CHECK_SLOTS_SPARE = 1,
  CHECK_RELAY_CONNECTIONS = 3, /* one for the slot's figures, and a start has two for replication at once */
};

static const char help[] = "usage: cdc-relay check [--topics FILE]\n"
                           "\n"
                           "Looks at the database, the slot, the publication, the tables, Kafka and its topics. Explains each problem\n"
                           "with the statement that mends it. Changes nothing.\n"
                           "\n"
                           "  --topics FILE  compares Kafka's topics with those of a topics.json: partitions, retention, clean-up\n"
                           "\n"
                           "Exit code: 0 no problem (warnings do not count), else that of the worst: 1 something could not be reached,\n"
                           "2 configuration, 3 the database refuses, 4 the position cannot be trusted, 6 Kafka refuses.\n"
                           "\n"
                           "Example:\n"
                           "  cdc-relay --config shop.json check --topics topics.json\n";

struct check {
  const struct config *config;
  struct topics_file *topics_file; /* NULL: none was named */
  int code;
  size_t errors;
  size_t warnings;
};

static void check_error(struct check *check, enum verdict verdict, const struct problem *problem)
{
  check->errors++;
  check->code = report_worse(check->code, report_problem(verdict, problem));
}

static void take_problem(void *context, const struct problem *problem)
{
  check_error(context, VERDICT_FATAL, problem);
}

/* WARN(check, hint or NULL, format, ...) */
#define WARN(check, ...)                                                                                                                                       \
  do {                                                                                                                                                         \
    (check)->warnings++;                                                                                                                                       \
    report_warning(__VA_ARGS__);                                                                                                                               \
  } while (0)

/* The first value of a query's first row, malloc'ed; NULL when there is none, or the question is refused. */
static char *ask(PGconn *connection, const char *sql)
{
  struct problem ignored;
  PGresult *result = NULL;
  char *answer = NULL;

  if (database_run(connection, sql, "ask", &result, &ignored) == VERDICT_OK && PQntuples(result) > 0 && !PQgetisnull(result, 0, 0)) {
    answer = strdup(PQgetvalue(result, 0, 0));
  }
  PQclear(result);
  return answer;
}

static int64_t ask_number(PGconn *connection, const char *sql, int64_t none)
{
  char *answer = ask(connection, sql);
  int64_t number = answer != NULL ? strtoll(answer, NULL, 10) : none;

  free(answer);
  return number;
}

static void print_catalog(const struct config *config, const struct catalog *catalog)
{
  printf("database \"%s\": PostgreSQL %d.%d, role \"%s\"\n", catalog->database, catalog->server_version / 10000, catalog->server_version % 10000,
         catalog->role != NULL ? catalog->role : "");
  if (catalog->slot_exists) {
    printf("slot \"%s\": %s, confirmed to %s, status %s\n", config->postgres.slot, catalog->slot_is_active ? "in use" : "not in use",
           lsn_text(catalog->slot_confirmed).text, slot_status_name(catalog->slot_status));
  }
  for (size_t i = 0; i < catalog->table_count; i++) {
    const struct catalog_table *table = &catalog->tables[i];

    if (table->is_message) {
      printf("outbox[%zu]: logical messages with prefix \"%s\"\n", i, config->outbox[i].message_prefix);
    } else if (table->exists) {
      printf("outbox[%zu]: table %s, %zu columns%s\n", i, config->outbox[i].table, table->column_count, table->is_partitioned ? ", partitioned" : "");
    }
  }
}

static void check_tables(struct check *check, const struct catalog *catalog)
{
  for (size_t i = 0; i < catalog->table_count; i++) {
    const struct config_outbox *outbox = &check->config->outbox[i];
    const struct catalog_table *table = &catalog->tables[i];
    char hint[512];

    if (table->is_message || !table->exists) {
      continue;
    }
    if (table->is_partitioned) {
      WARN(check, "a trigger BEFORE UPDATE that raises an exception, or no UPDATE privilege for anybody",
           "table %s is partitioned: an UPDATE that moves a row to another partition is an INSERT there for PostgreSQL, and publishes the row again",
           outbox->table);
    }
    if (!table->has_payload_limit) {
      char *column = sql_identifier(outbox->field_payload);

      (void)snprintf(hint, sizeof(hint), "ALTER TABLE %s ADD CHECK (octet_length(%s::text) <= 900000); (for bytea without ::text)", outbox->table, column);
      free(column);
      WARN(check, hint, "table %s does not limit the payload: a row that is too large for Kafka stops the relay, and costs it twice its size in memory",
           outbox->table);
    }
    if (table->has_row_filter_or_column_list) {
      WARN(check, NULL, "publication \"%s\" has a row filter or a column list for table %s: rows that it leaves out are not published",
           check->config->postgres.publication, outbox->table);
    }
    if (!catalog_table_has_identity(table) && (catalog->publishes_update || catalog->publishes_delete)) {
      (void)snprintf(hint, sizeof(hint), "ALTER TABLE %s REPLICA IDENTITY FULL; or let the publication publish inserts only", outbox->table);
      WARN(check, hint, "publication \"%s\" publishes more than inserts, and table %s has no replica identity: an UPDATE or DELETE by anybody fails",
           check->config->postgres.publication, outbox->table);
    }
  }
}

/* A published table that no entry names is read and dropped in silence: fine while it is empty. */
static void check_unread_tables(struct check *check, PGconn *connection)
{
  char *publication = sql_literal(check->config->postgres.publication);
  char *sql = NULL;
  PGresult *result = NULL;
  struct problem ignored;

  if (asprintf(
          &sql,
          "SELECT v.schemaname || '.' || v.tablename, v.schemaname, v.tablename FROM pg_catalog.pg_publication_tables v JOIN pg_catalog.pg_stat_all_tables s"
          " ON s.schemaname = v.schemaname AND s.relname = v.tablename WHERE v.pubname = %s AND s.n_tup_ins > 0",
          publication) < 0) {
    abort();
  }
  if (database_run(connection, sql, "ask", &result, &ignored) == VERDICT_OK) {
    for (int row = 0; row < PQntuples(result); row++) {
      bool is_read = false;

      for (size_t i = 0; i < check->config->outbox_count; i++) {
        const struct config_outbox *outbox = &check->config->outbox[i];

        is_read = is_read || (outbox->message_prefix == NULL && strcmp(outbox->table_schema, PQgetvalue(result, row, 1)) == 0 &&
                              strcmp(outbox->table_name, PQgetvalue(result, row, 2)) == 0);
      }
      if (!is_read) {
        WARN(check, "add an outbox entry for it, or take it out of the publication",
             "table %s is in publication \"%s\" and has been written to, but no outbox entry names it: its rows are not published", PQgetvalue(result, row, 0),
             check->config->postgres.publication);
      }
    }
  }
  PQclear(result);
  free(sql);
  free(publication);
}

static void check_messages(struct check *check, const struct catalog *catalog, PGconn *connection)
{
  bool any = false;

  for (size_t i = 0; i < catalog->table_count; i++) {
    any = any || catalog->tables[i].is_message;
  }
  if (any && ask_number(connection,
                        "SELECT count(*) FROM pg_catalog.pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a"
                        " WHERE p.proname = 'pg_logical_emit_message' AND a.grantee = 0",
                        0) > 0) {
    WARN(check, "apply sql/roles.sql as a superuser, which leaves outbox_emit() as the only way",
         "every role may call pg_logical_emit_message(), and so forge any event");
  }
}

/* Whether a list of standbys, `FIRST 1 (a, "b")` or `a, "b"`, has that name as an element, quoted or not. */
static bool names_standby(const char *list, const char *name)
{
  size_t length = strlen(name), head = strcspn(list, "(,\"");
  const char *at = list[head] == '(' ? list + head + 1 : list;

  while (*at != '\0') {
    bool is_quoted = *at == '"';
    size_t span = strcspn(at + is_quoted, is_quoted ? "\"" : " ,)");

    at += is_quoted;
    if (span == length && length > 0 && strncasecmp(at, name, length) == 0) {
      return true;
    }
    at += span + (at[span] != '\0');
  }
  return false;
}

/* Commits of the whole cluster would wait for the relay, which waits for Kafka, or take its word for a standby's: neither is what anybody wants. So this is an error. */
static void check_synchronous(struct check *check, const struct catalog *catalog)
{
  const char *names = catalog->synchronous_standby_names != NULL ? catalog->synchronous_standby_names : "";
  struct problem problem;

  if (names_standby(names, "*") || names_standby(names, check->config->name)) {
    (void)problem_set(&problem, VERDICT_FATAL, EXIT_DATABASE_REFUSES, "synchronous_standby",
                      "synchronous_standby_names \"%s\" matches the relay, whose application_name is \"%s\": commits of the whole cluster may wait for Kafka, "
                      "or count the relay as the standby that has them",
                      names, check->config->name);
    problem_hint(&problem, "name the standbys in synchronous_standby_names one by one, without the relay's application_name (its `name`)");
    check_error(check, VERDICT_FATAL, &problem);
  }
}

/* What a promotion would cost, and what being ready for it costs now. */
static void check_failover(struct check *check, const struct catalog *catalog, PGconn *connection)
{
  struct problem problem;
  char *unread;

  if (slot_setup_judge_failover(check->config, catalog, &problem) != VERDICT_OK) {
    check_error(check, VERDICT_FATAL, &problem);
  }
  if (!catalog->slot_exists || !catalog->slot_has_failover || catalog->synchronized_standby_slots == NULL) {
    return;
  }
  if (catalog->synchronized_standby_slots[0] == '\0') {
    WARN(check, "ALTER SYSTEM SET synchronized_standby_slots = '<the physical slots of the standbys that may be promoted>'; SELECT pg_reload_conf();",
         "replication slot \"%s\" has failover, but synchronized_standby_slots is empty: Kafka may get events that a promoted standby does not have",
         check->config->postgres.slot);
  }
  unread = ask(connection,
               "SELECT string_agg(name, ', ') FROM (SELECT btrim(n, ' \"') AS name FROM regexp_split_to_table((SELECT setting FROM pg_catalog.pg_settings"
               " WHERE name = 'synchronized_standby_slots'), ',') n) AS named WHERE name <> '' AND NOT EXISTS (SELECT FROM"
               " pg_catalog.pg_replication_slots s WHERE s.slot_name = name AND s.slot_type = 'physical' AND s.active)");
  if (unread != NULL) {
    WARN(check, "start the standby, or take its slot out: ALTER SYSTEM SET synchronized_standby_slots = '<those that are read>'; SELECT pg_reload_conf();",
         "synchronized_standby_slots names slots that no standby reads (%s): until one does, the server sends the relay nothing", unread);
  }
  free(unread);
}

/*
 * Relays on one slot share a role. Who is one too many is refused, and is so for ever, since the others keep what they have. Replication connections count
 * before the minor releases of February 2025 only: three for each relay is enough everywhere, and later leaves some for commands like this one.
 */
static void check_connection_limit(struct check *check, const struct catalog *catalog, PGconn *connection)
{
  const char *role = catalog->role != NULL ? catalog->role : "";
  int64_t limit = ask_number(connection, "SELECT rolconnlimit FROM pg_catalog.pg_roles WHERE rolname = current_user AND NOT rolsuper", -1);

  if (limit < 0) {
    return;
  }
  printf("role \"%s\": CONNECTION LIMIT %" PRId64 ", of which a relay needs %d: enough for %" PRId64 "\n", role, limit, CHECK_RELAY_CONNECTIONS,
         limit / CHECK_RELAY_CONNECTIONS);
  if (limit < CHECK_RELAY_CONNECTIONS) {
    char *identifier = sql_identifier(role);
    char hint[256];

    (void)snprintf(hint, sizeof(hint), "ALTER ROLE %s CONNECTION LIMIT <%d times the number of relays>;", identifier, CHECK_RELAY_CONNECTIONS);
    free(identifier);
    WARN(check, hint, "role \"%s\" has CONNECTION LIMIT %" PRId64 ", and a relay needs up to %d connections", role, limit, CHECK_RELAY_CONNECTIONS);
  }
}

static void check_server(struct check *check, const struct catalog *catalog, PGconn *connection)
{
  int64_t keep_mb = ask_number(connection, "SELECT setting FROM pg_catalog.pg_settings WHERE name = 'max_slot_wal_keep_size'", -2);
  int64_t idle = ask_number(connection, "SELECT setting FROM pg_catalog.pg_settings WHERE name = 'idle_replication_slot_timeout'", 0);
  int64_t slots_left =
      ask_number(connection, "SELECT current_setting('max_replication_slots')::bigint - (SELECT count(*) FROM pg_catalog.pg_replication_slots)", INT64_MAX);
  int64_t senders_left =
      ask_number(connection, "SELECT current_setting('max_wal_senders')::bigint - (SELECT count(*) FROM pg_catalog.pg_stat_replication)", INT64_MAX);
  char *pinning;

  check_synchronous(check, catalog);
  if (catalog->wal_sender_timeout_us > 0 && catalog->wal_sender_timeout_us < CHECK_SENDER_TIMEOUT_MIN_US) {
    WARN(check, "ALTER SYSTEM SET wal_sender_timeout = '60s'; SELECT pg_reload_conf();",
         "wal_sender_timeout is %" PRId64 " ms: a short stall of the network or the machine costs the connection", catalog->wal_sender_timeout_us / US_PER_MS);
  }
  if (keep_mb == -1) {
    WARN(check, "ALTER SYSTEM SET max_slot_wal_keep_size = '<what the disk can spare>'; and watch cdc_relay_slot_seconds_to_loss: beyond it the slot is lost",
         "max_slot_wal_keep_size is unlimited: while the relay is stopped, WAL grows until the disk of the database is full");
  }
  if (idle > 0) {
    WARN(check, "ALTER SYSTEM SET idle_replication_slot_timeout = 0; SELECT pg_reload_conf();",
         "idle_replication_slot_timeout is %" PRId64 " s: a relay that is stopped for longer loses its slot, and with it events", idle);
  }
  if (slots_left < CHECK_SLOTS_SPARE + (catalog->slot_exists ? 0 : 1)) {
    WARN(check, "ALTER SYSTEM SET max_replication_slots = <more>; then restart the server", "only %" PRId64 " of max_replication_slots are left", slots_left);
  }
  if (senders_left < (catalog->slot_is_active ? 1 : 2)) {
    WARN(check, "ALTER SYSTEM SET max_wal_senders = <more>; then restart the server", "only %" PRId64 " of max_wal_senders are left", senders_left);
  }
  if (catalog->slot_exists && catalog->slot_status == SLOT_UNRESERVED) {
    WARN(check, "start the relay now, or raise max_slot_wal_keep_size first",
         "replication slot \"%s\" is behind by more than max_slot_wal_keep_size: the next checkpoint may remove what it needs", check->config->postgres.slot);
  }
  pinning = database_open_transactions(connection, CHECK_OLD_TRANSACTION_S);
  if (pinning[0] != '\0') {
    WARN(check, "end them: COMMIT, ROLLBACK, ROLLBACK PREPARED, or SELECT pg_terminate_backend(<pid>);",
         "transactions that have been open for more than %d s hold back every slot's WAL: %s", CHECK_OLD_TRANSACTION_S, pinning);
  }
  free(pinning);
}

static void check_database(struct check *check)
{
  struct problem problem;
  struct catalog catalog;
  PGconn *connection = NULL;
  enum verdict verdict = pg_connect(check->config, PG_ORDINARY, &connection, &problem);

  if (verdict != VERDICT_OK) {
    check_error(check, verdict, &problem);
    return;
  }
  catalog_init(&catalog);
  verdict = database_read_catalog(connection, check->config, &catalog, &problem);
  if (verdict != VERDICT_OK) {
    check_error(check, verdict, &problem);
  } else {
    PGconn *walsender = NULL;

    print_catalog(check->config, &catalog);
    catalog_problems(&catalog, check->config, take_problem, check);
    check_tables(check, &catalog);
    check_unread_tables(check, connection);
    check_messages(check, &catalog, connection);
    check_failover(check, &catalog, connection);
    check_server(check, &catalog, connection);
    check_connection_limit(check, &catalog, connection);
    /* pg_hba.conf may let a role in and its replication not. */
    if (catalog.role_may_replicate && strcmp(catalog.wal_level, "logical") == 0) {
      verdict = pg_connect(check->config, PG_REPLICATION, &walsender, &problem);
      if (verdict != VERDICT_OK) {
        check_error(check, verdict, &problem);
      } else {
        PQfinish(walsender);
      }
    }
  }
  catalog_done(&catalog);
  PQfinish(connection);
}

static void check_topic(struct check *check, const struct kafka_admin *admin, const struct kafka_topic *topic)
{
  int64_t batch = kafka_admin_setting(admin, "batch.size");
  char hint[512];

  if (!topic->exists) {
    (void)snprintf(hint, sizeof(hint),
                   "cdc-relay init --create-topics, or: kafka-topics.sh --create --topic %s --partitions 3; or allow the relay to Describe and Write it",
                   topic->name);
    WARN(check, hint, "topic \"%s\" does not exist, or the relay may not see it: the first event for it holds the relay", topic->name);
    return;
  }
  printf("topic \"%s\": %d partitions\n", topic->name, topic->partitions);
  if (topic->max_message_bytes >= 0 && batch > topic->max_message_bytes) {
    (void)snprintf(hint, sizeof(hint), "set kafka.batch.size to %" PRId64 " or less, or raise the topic's max.message.bytes", topic->max_message_bytes);
    WARN(check, hint, "topic \"%s\" takes %" PRId64 " bytes at once, but batch.size is %" PRId64 ": the broker would refuse a full batch of small events",
         topic->name, topic->max_message_bytes, batch);
  }
}

static void check_topics_file(struct check *check, struct kafka_admin *admin)
{
  struct problem problem;
  size_t warnings = 0;
  enum verdict verdict = check->topics_file != NULL ? topics_file_compare(check->topics_file, admin, &warnings, &problem) : VERDICT_OK;

  check->warnings += warnings;
  if (verdict != VERDICT_OK) {
    check_error(check, verdict, &problem);
  }
}

static void check_kafka(struct check *check)
{
  struct problem problem;
  struct kafka_admin *admin = NULL;
  size_t count;
  size_t patterns;
  const char **names = kafka_topic_names(check->config, &count, &patterns);
  struct kafka_topic *topics = calloc(count + 1, sizeof(*topics));
  enum verdict verdict = kafka_admin_open(check->config, &admin, &problem);

  if (topics == NULL) {
    abort();
  }
  for (size_t i = 0; i < count; i++) {
    topics[i].name = names[i];
  }
  if (verdict == VERDICT_OK) {
    verdict = kafka_admin_describe(admin, topics, count, &problem);
  }
  if (verdict != VERDICT_OK) {
    check_error(check, verdict, &problem);
  } else {
    printf("Kafka: reachable\n");
    for (size_t i = 0; i < count; i++) {
      check_topic(check, admin, &topics[i]);
    }
    if (patterns > 0) {
      printf("topics by pattern: %zu patterns in allow lists, whose topics are not checked\n", patterns);
    }
    check_topics_file(check, admin);
  }
  kafka_admin_close(admin);
  free(topics);
  free(names);
}

/* EXIT_DONE: go on. */
static int parse_options(int argc, char **argv, struct check *check)
{
  static const struct option options[] = {{"topics", required_argument, NULL, 't'}, {NULL, 0, NULL, 0}};
  struct problem problem;
  int answer;

  optind = 0;
  while ((answer = getopt_long(argc, argv, "+:", options, NULL)) != -1) {
    if (answer != 't') {
      return report_bad_option(argv[0], answer, argv);
    }
    topics_file_free(check->topics_file);
    check->topics_file = NULL;
    if (topics_file_read(optarg, &check->topics_file, &problem) != VERDICT_OK) {
      return report_problem(VERDICT_FATAL, &problem);
    }
  }
  return optind < argc ? report_usage(argv[0], "unexpected argument %s", argv[optind]) : EXIT_DONE;
}

int command_check(struct config *config, int argc, char **argv)
{
  struct check check = {.config = config, .code = EXIT_DONE};
  int code;

  if (command_wants_help(argc, argv)) {
    fputs(help, stdout);
    return EXIT_DONE;
  }
  code = parse_options(argc, argv, &check);
  if (code != EXIT_DONE) {
    topics_file_free(check.topics_file);
    return code;
  }
  for (size_t i = 0; i < config->warnings.count && i < PROBLEM_LIST_MAX; i++) {
    WARN(&check, NULL, "configuration: %s: %s", config->warnings.problems[i].path, config->warnings.problems[i].text);
  }
  check_database(&check);
  check_kafka(&check);
  topics_file_free(check.topics_file);
  printf("%zu problems, %zu warnings\n", check.errors, check.warnings);
  return check.code;
}
