/* show_config.c - `cdc-relay config`: what is in effect and where each value came from. Whoever reads it may paste it anywhere: secrets are masked. */
#include <stdio.h>

#include "commands/commands.h"
#include "commands/report.h"

static const char help[] = "usage: cdc-relay config\n"
                           "\n"
                           "Prints the effective configuration as JSON, secrets masked, each value with where it came from:\n"
                           "default, file, environment or --set. Connects to nothing.\n"
                           "\n"
                           "Exit code: 0 done, 2 the configuration has errors (all are listed).\n"
                           "\n"
                           "Example:\n"
                           "  cdc-relay --config shop.json --set log.level=debug config\n";

int command_config(struct config *config, int argc, char **argv)
{
  if (command_wants_help(argc, argv)) {
    fputs(help, stdout);
    return EXIT_DONE;
  }
  if (argc > 1) {
    return report_usage(argv[0], "unexpected argument %s", argv[1]);
  }
  config_print(config, stdout);
  return EXIT_DONE;
}
