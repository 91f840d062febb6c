/* show_version.c - `cdc-relay version`: the libraries are asked, so that the answer is what is linked and not what was compiled against. */
#define PCRE2_CODE_UNIT_WIDTH 8

#include <jansson.h>
#include <libpq-fe.h>
#include <librdkafka/rdkafka.h>
#include <microhttpd.h>
#include <pcre2.h>
#include <stdio.h>

#include "commands/commands.h"
#include "commands/report.h"

static const char help[] = "usage: cdc-relay version\n"
                           "\n"
                           "Prints the version of this program, of the libraries it runs with, and the plugins that it reads.\n"
                           "\n"
                           "Example:\n"
                           "  cdc-relay version\n";

int command_version(struct config *config, int argc, char **argv)
{
  int libpq = PQlibVersion();
  char pcre2[64] = "unknown";

  (void)config;
  if (command_wants_help(argc, argv)) {
    fputs(help, stdout);
    return EXIT_DONE;
  }
  if (argc > 1) {
    return report_usage(argv[0], "unexpected argument %s", argv[1]);
  }
  if (pcre2_config(PCRE2_CONFIG_VERSION, NULL) <= (int)sizeof(pcre2)) {
    (void)pcre2_config(PCRE2_CONFIG_VERSION, pcre2);
  }
  printf("cdc-relay %s\n", CDC_RELAY_VERSION);
  printf("libpq %d.%d\n", libpq / 10000, libpq % 10000);
  printf("librdkafka %s\n", rd_kafka_version_str());
  printf("libmicrohttpd %s\n", MHD_get_version());
  printf("jansson %s\n", jansson_version_str());
  printf("pcre2 %s\n", pcre2);
  printf("plugins pgoutput, wal2json\n");
  return EXIT_DONE;
}
