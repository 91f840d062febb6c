/*
 * status.c - `cdc-relay status`: the slot as PostgreSQL sees it, and beside it what the running relay says of itself on its admin address. Each half is shown when the
 * other cannot be had; the forecast of seconds to the slot's loss is the relay's, since it needs the WAL's rate over minutes.
 */
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands/admin_client.h"
#include "commands/commands.h"
#include "commands/database.h"
#include "commands/report.h"
#include "stream/pg_connection.h"

static const char help[] = "usage: cdc-relay status [OPTIONS]\n"
                           "\n"
                           "Shows the replication slot (from PostgreSQL) and the running relay's own figures (from admin.listen).\n"
                           "\n"
                           "  --json               one JSON document: database, slot, publication, relay (null when none runs), problems\n"
                           "  --probe live|ready   no output; exit code 0 or 1 as the running relay's /livez or /readyz says\n"
                           "  --help\n"
                           "\n"
                           "Exit code: 0 nothing stands in the way of `run`, 3 or 4 something does, 1 PostgreSQL could not be asked.\n"
                           "\n"
                           "Example:\n"
                           "  cdc-relay --config shop.json status --probe ready\n";

struct status_options {
  bool json;
  const char *probe_path; /* NULL: none */
};

static int parse_options(int argc, char **argv, struct status_options *options)
{
  enum { JSON = 1000, PROBE };
  static const struct option known[] = {{"json", no_argument, NULL, JSON}, {"probe", required_argument, NULL, PROBE}, {NULL, 0, NULL, 0}};
  int answer;

  optind = 0;
  while ((answer = getopt_long(argc, argv, "+:", known, NULL)) != -1) {
    switch (answer) {
    case JSON:
      options->json = true;
      break;
    case PROBE:
      if (strcmp(optarg, "live") == 0) {
        options->probe_path = "/livez";
      } else if (strcmp(optarg, "ready") == 0) {
        options->probe_path = "/readyz";
      } else {
        return report_usage(argv[0], "--probe %s is neither live nor ready", optarg);
      }
      break;
    default:
      return report_bad_option(argv[0], answer, argv);
    }
  }
  return optind < argc ? report_usage(argv[0], "unexpected argument %s", argv[optind]) : EXIT_DONE;
}

static int probe(const struct config *config, const char *path)
{
  struct problem problem;
  int status;

  if (config->admin.host == NULL) {
    return EXIT_USAGE;
  }
  if (admin_client_get(config->admin.host, config->admin.port, path, &status, NULL, &problem) != VERDICT_OK) {
    return EXIT_UNEXPECTED;
  }
  return status == 200 ? EXIT_DONE : EXIT_UNEXPECTED;
}

/* The relay's /status document, or NULL with the words. */
static json_t *ask_relay(const struct config *config, struct problem *problem)
{
  char *body = NULL;
  json_t *document;
  int status;

  if (config->admin.host == NULL) {
    (void)problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "admin", "admin.listen is not set, so a running relay cannot be asked");
    return NULL;
  }
  if (admin_client_get(config->admin.host, config->admin.port, "/status", &status, &body, problem) != VERDICT_OK) {
    return NULL;
  }
  document = json_loads(body, 0, NULL);
  free(body);
  if (!json_is_object(document)) {
    json_decref(document);
    (void)problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "admin", "what listens at %s port %u is no relay (HTTP %d)", config->admin.host,
                      config->admin.port, status);
    return NULL;
  }
  return document;
}

static json_t *json_lsn(Lsn lsn)
{
  return lsn != 0 ? json_string(lsn_text(lsn).text) : json_null();
}

static json_int_t distance(Lsn from, Lsn to)
{
  return from != 0 && to > from ? (json_int_t)(to - from) : 0;
}

static json_t *slot_document(const struct config *config, const struct catalog *catalog)
{
  json_t *slot = json_pack("{s:s, s:b}", "name", config->postgres.slot, "exists", catalog->slot_exists);

  if (catalog->slot_exists) {
    (void)json_object_set_new(slot, "plugin", json_string(catalog->slot_plugin != NULL ? catalog->slot_plugin : ""));
    (void)json_object_set_new(slot, "active", json_boolean(catalog->slot_is_active));
    (void)json_object_set_new(slot, "active_pid", catalog->slot_is_active ? json_integer(catalog->slot_active_pid) : json_null());
    (void)json_object_set_new(slot, "status", json_string(slot_status_name(catalog->slot_status)));
    (void)json_object_set_new(slot, "confirmed_lsn", json_lsn(catalog->slot_confirmed));
    (void)json_object_set_new(slot, "restart_lsn", json_lsn(catalog->slot_restart));
    (void)json_object_set_new(slot, "lag_bytes", json_integer(distance(catalog->slot_confirmed, catalog->wal_end)));
    (void)json_object_set_new(slot, "retained_bytes", json_integer(distance(catalog->slot_restart, catalog->wal_end)));
    (void)json_object_set_new(slot, "safe_bytes", catalog->slot_safe_bytes >= 0 ? json_integer(catalog->slot_safe_bytes) : json_null());
  }
  return slot;
}

static void print_slot(const struct config *config, const struct catalog *catalog)
{
  printf("database     %s (PostgreSQL %d.%d), end of WAL %s\n", catalog->database, catalog->server_version / 10000, catalog->server_version % 10000,
         lsn_text(catalog->wal_end).text);
  printf("publication  %s%s\n", config->postgres.publication, catalog->publication_exists ? "" : " does not exist");
  if (!catalog->slot_exists) {
    printf("slot         %s does not exist\n", config->postgres.slot);
    return;
  }
  printf("slot         %s (%s), %s", config->postgres.slot, catalog->slot_plugin != NULL ? catalog->slot_plugin : "physical",
         slot_status_name(catalog->slot_status));
  if (catalog->slot_is_active) {
    printf(", read by pid %d\n", (int)catalog->slot_active_pid);
  } else {
    printf(", nobody reads it\n");
  }
  printf("confirmed    %s, %" PRId64 " bytes behind\n", lsn_text(catalog->slot_confirmed).text, (int64_t)distance(catalog->slot_confirmed, catalog->wal_end));
  printf("retained     %" PRId64 " bytes of WAL\n", (int64_t)distance(catalog->slot_restart, catalog->wal_end));
  if (catalog->slot_status == SLOT_LOST) {
    printf("safe         nothing: the server has removed WAL that the slot still needed; `cdc-relay check` says what now\n");
  } else if (catalog->slot_safe_bytes >= 0) {
    printf("safe         %" PRId64 " bytes may be written before the slot is lost\n", catalog->slot_safe_bytes);
  } else {
    printf("safe         no limit: the slot is never given up, and the disk may fill\n");
  }
}

/* The relay's figures as they are named there, nested ones by a dotted path. */
static void print_figures(const char *prefix, json_t *object)
{
  const char *key;
  json_t *value;

  json_object_foreach(object, key, value)
  {
    char path[128];

    (void)snprintf(path, sizeof(path), "%s%s%s", prefix, prefix[0] != '\0' ? "." : "", key);
    if (json_is_object(value)) {
      print_figures(path, value);
    } else {
      char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);

      printf("  %-32s %s\n", path, text != NULL ? text : "");
      free(text);
    }
  }
}

static void add_problem(json_t *problems, const struct problem *problem)
{
  (void)json_array_append_new(problems, json_pack("{s:i, s:s, s:s}", "code", (int)problem->code, "text", problem->text, "hint", problem->hint));
}

struct found {
  int code;
  bool json;
  json_t *problems;
};

static void take_problem(void *context, const struct problem *problem)
{
  struct found *found = context;

  if (found->json) {
    add_problem(found->problems, problem);
    found->code = report_worse(found->code, (int)problem->code);
  } else {
    found->code = report_worse(found->code, report_problem(VERDICT_FATAL, problem));
  }
}

static void show_json(const struct config *config, const struct catalog *catalog, bool has_catalog, json_t *relay, json_t *problems)
{
  json_t *document = json_object();

  if (has_catalog) {
    (void)json_object_set_new(
        document, "database",
        json_pack("{s:s, s:i, s:s}", "name", catalog->database, "server_version", catalog->server_version, "wal_end_lsn", lsn_text(catalog->wal_end).text));
    (void)json_object_set_new(document, "slot", slot_document(config, catalog));
    (void)json_object_set_new(document, "publication", json_pack("{s:s, s:b}", "name", config->postgres.publication, "exists", catalog->publication_exists));
  } else {
    (void)json_object_set_new(document, "database", json_null());
    (void)json_object_set_new(document, "slot", json_null());
    (void)json_object_set_new(document, "publication", json_null());
  }
  (void)json_object_set(document, "relay", relay != NULL ? relay : json_null());
  (void)json_object_set(document, "problems", problems);
  (void)json_dumpf(document, stdout, JSON_INDENT(2));
  putchar('\n');
  json_decref(document);
}

int command_status(struct config *config, int argc, char **argv)
{
  struct status_options options = {0};
  struct found found = {.code = EXIT_DONE};
  struct problem problem;
  struct problem relay_problem;
  struct catalog catalog;
  PGconn *connection = NULL;
  json_t *relay;
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
  if (options.probe_path != NULL) {
    return probe(config, options.probe_path);
  }
  found.json = options.json;
  found.problems = json_array();
  catalog_init(&catalog);
  verdict = pg_connect(config, PG_ORDINARY, &connection, &problem);
  if (verdict == VERDICT_OK) {
    verdict = database_read_catalog(connection, config, &catalog, &problem);
    PQfinish(connection);
  }
  relay = ask_relay(config, &relay_problem);
  if (!options.json && verdict == VERDICT_OK) {
    print_slot(config, &catalog);
  }
  if (!options.json && relay != NULL) {
    printf("relay at %s port %u\n", config->admin.host, config->admin.port);
    print_figures("", relay);
  } else if (!options.json) {
    printf("relay        %s\n", relay_problem.text);
  }
  if (verdict == VERDICT_OK) {
    catalog_problems(&catalog, config, take_problem, &found);
  } else if (options.json) {
    add_problem(found.problems, &problem);
    found.code = verdict == VERDICT_FATAL ? (int)problem.code : EXIT_UNEXPECTED;
  } else {
    found.code = report_problem(verdict, &problem);
  }
  if (options.json) {
    show_json(config, &catalog, verdict == VERDICT_OK, relay, found.problems);
  }
  json_decref(relay);
  json_decref(found.problems);
  catalog_done(&catalog);
  return found.code;
}
