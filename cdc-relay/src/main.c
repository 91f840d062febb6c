/*
 * main.c - arguments, configuration, exit code. Everything else is a command's.
 *
 *   cdc-relay [--config FILE] [--set PATH=VALUE]... COMMAND [OPTIONS]
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands/commands.h"
#include "commands/run.h"
#include "config/config.h"
#include "memory_guard.h"
#include "publish/kafka_conf.h"
#include "route/router.h"

enum { SETS_MAX = 256 };

static const char usage[] = "usage: cdc-relay [--config FILE] [--set PATH=VALUE]... COMMAND [OPTIONS]\n"
                            "\n"
                            "Carries rows that are inserted into an outbox table from PostgreSQL's write-ahead log to Kafka.\n"
                            "\n"
                            "  run        stream the outbox to Kafka until stopped\n"
                            "  init       create the publication and the replication slot\n"
                            "  check      look at database, slot, table, Kafka; explain each problem with what mends it\n"
                            "  status     slot, lag, forecast, and the running relay's figures\n"
                            "  takeover   publish what a program that polled the outbox had not yet sent, then make the slot\n"
                            "  drop       remove slot and publication\n"
                            "  config     print the effective configuration, secrets masked\n"
                            "  version    versions of this program and its libraries\n"
                            "\n"
                            "  --config FILE      one JSON file; also CDC_RELAY_CONFIG\n"
                            "  --set PATH=VALUE   one setting, over file and environment; not for secrets\n"
                            "  COMMAND --help     more on one command\n"
                            "\n"
                            "exit codes: 0 done, 1 unexpected, 2 usage or configuration, 3 database refuses, 4 position not to be trusted,\n"
                            "            5 poison row, 6 Kafka refuses, 70 a bug of ours\n"
                            "\n"
                            "example: export CDC_RELAY_POSTGRES_URL=postgresql://relay@localhost/shop CDC_RELAY_KAFKA_BOOTSTRAP_SERVERS=localhost:9092\n"
                            "         cdc-relay init && cdc-relay run\n";

static const struct command {
  const char *name;
  int (*run)(struct config *config, int argc, char **argv);
  bool needs_config;
} commands[] = {
    {"run", command_run, true},           {"init", command_init, true}, {"check", command_check, true},   {"status", command_status, true},
    {"takeover", command_takeover, true}, {"drop", command_drop, true}, {"config", command_config, true}, {"version", command_version, false},
};

static const struct command *find_command(const char *name)
{
  for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
    if (strcmp(commands[i].name, name) == 0) {
      return &commands[i];
    }
  }
  return NULL;
}

static void check_outbox(const struct config *config, struct problem_list *problems)
{
  router_free(router_new(config, problems));
}

static int run_command(const struct command *command, const struct config_sources *sources, int argc, char **argv)
{
  struct problem_list problems = {0};
  struct config *config;
  int code;

  if (!command->needs_config || command_wants_help(argc, argv)) {
    return command->run(NULL, argc, argv);
  }
  config = config_load(sources, &problems);
  if (config == NULL) {
    problem_list_print(&problems, stderr);
    return EXIT_USAGE;
  }
  code = command->run(config, argc, argv);
  config_free(config);
  return code;
}

int main(int argc, char **argv)
{
  static const struct option options[] = {
      {"config", required_argument, NULL, 'c'},
      {"set", required_argument, NULL, 's'},
      {"help", no_argument, NULL, 'h'},
      {"version", no_argument, NULL, 'v'},
      {NULL, 0, NULL, 0},
  };
  const char *sets[SETS_MAX];
  struct config_sources sources = {.file = getenv("CDC_RELAY_CONFIG"),
                                   .environment = (const char *const *)environ,
                                   .sets = sets,
                                   .check_outbox = check_outbox,
                                   .check_kafka = kafka_conf_check};
  const struct command *command;
  int option;

  memory_guard_set();
  while ((option = getopt_long(argc, argv, "+hc:s:", options, NULL)) != -1) {
    switch (option) {
    case 'c':
      sources.file = optarg;
      break;
    case 's':
      if (sources.set_count == SETS_MAX) {
        (void)fprintf(stderr, "cdc-relay: error: more than %d --set options\n", SETS_MAX);
        return EXIT_USAGE;
      }
      sets[sources.set_count++] = optarg;
      break;
    case 'h':
      (void)fputs(usage, stdout);
      return EXIT_DONE;
    case 'v':
      return command_version(NULL, 1, (char *[]){(char *)"version", NULL});
    default:
      (void)fputs("hint: cdc-relay --help\n", stderr);
      return EXIT_USAGE;
    }
  }
  if (optind >= argc) {
    (void)fputs(usage, stderr);
    return EXIT_USAGE;
  }
  command = find_command(argv[optind]);
  if (command == NULL) {
    (void)fprintf(stderr, "cdc-relay: error: unknown command \"%s\"\nhint: cdc-relay --help lists the commands\n", argv[optind]);
    return EXIT_USAGE;
  }
  argc -= optind;
  argv += optind;
  optind = 0; /* the command's own options are scanned anew (glibc: 0 resets everything) */
  return run_command(command, &sources, argc, argv);
}
