/* run.c - the arguments of `run`; the work is relay.c's. */
#include "commands/run.h"

#include <getopt.h>
#include <stdio.h>

#include "commands/commands.h"
#include "commands/report.h"
#include "relay.h"

static const char usage[] = "usage: cdc-relay [--config FILE] [--set PATH=VALUE]... run [--init] [--exit-on-hold]\n"
                            "\n"
                            "Streams the outbox to Kafka until stopped by SIGTERM or SIGINT, which drains what is in flight; a second signal\n"
                            "ends at once. SIGHUP reads secrets again and reconnects with them.\n"
                            "\n"
                            "  --init          first create publication and slot, if neither exists\n"
                            "  --exit-on-hold  where a person is needed, end with the code below instead of holding and looking again\n"
                            "\n"
                            "exit codes: 0 stopped by a signal, 2 configuration, and with --exit-on-hold: 3 database refuses,\n"
                            "            4 position not to be trusted, 5 poison row, 6 Kafka refuses\n"
                            "\n"
                            "example: cdc-relay --config /etc/cdc-relay.json run\n";

int command_run(struct config *config, int argc, char **argv)
{
  static const struct option options[] = {
      {"init", no_argument, NULL, 'i'}, {"exit-on-hold", no_argument, NULL, 'x'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
  struct relay_options run = {0};
  int option;

  if (command_wants_help(argc, argv)) {
    (void)fputs(usage, stdout);
    return EXIT_DONE;
  }
  opterr = 0;
  while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1) {
    switch (option) {
    case 'i':
      run.init = true;
      break;
    case 'x':
      run.exit_on_hold = true;
      break;
    default:
      return report_bad_option("run", option, argv);
    }
  }
  if (optind < argc) {
    return report_usage("run", "unexpected argument \"%s\"", argv[optind]);
  }
  return relay_run(config, &run);
}
