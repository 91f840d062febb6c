/* takeover_options.c - reads them, and refuses what does not go together. */
#include "commands/takeover_options.h"

#include <getopt.h>

#include "commands/backlog.h"
#include "commands/commands.h"
#include "commands/report.h"
#include "commands/slot_setup.h"

const char takeover_help[] = "usage: cdc-relay takeover --poller-is-stopped [OPTIONS]\n"
                             "\n"
                             "Takes an outbox over from a program that polls it and marks what it has sent: makes the slot, publishes every\n"
                             "row that is not marked in the slot's own snapshot, marks what Kafka has acknowledged, and leaves the slot for\n"
                             "`run`. Cut off, it is run again. Reads and marks as postgres.admin_url's role, where set, else the relay's.\n"
                             "\n"
                             "  --poller-is-stopped  you have stopped it, and it will not be started again; required\n"
                             "  --table NAME         the outbox entry, where the configuration has several tables\n"
                             "  --id COLUMN          unique, never null; rows are marked by it (default id)\n"
                             "  --order-by COLUMN    the order in which rows are published (default: that of --id)\n"
                             "  --marked COLUMN      boolean, true of a row that was sent (default published)\n"
                             "  --marked-sql TEXT    instead: a condition, such as \"status = 'PUBLISHED'\" ...\n"
                             "  --mark-sql TEXT      ... and what makes it true, such as \"status = 'PUBLISHED', sent_at = now()\"\n"
                             "  --batch N            rows in flight, 1 to 10000 (default 500): so many may come twice after a kill\n"
                             "  --lock-timeout S     how long to wait for open transactions, in seconds (default 10)\n"
                             "  --dry-run            say how many rows are not marked; change nothing\n"
                             "  --help\n"
                             "\n"
                             "Exit code: 0 done, 1 run it again, 2 usage, 3 the database refuses or the poller runs, 4 the slot exists,\n"
                             "5 a row cannot be published, 6 Kafka refuses. More: docs/migration.md. Example:\n"
                             "  cdc-relay --config relay.json takeover --table public.member_outbox_event --order-by created_at --poller-is-stopped\n";

enum { LOCK_TIMEOUT_MAX_S = 3600 };

static int judge_options(const char *command, const struct takeover_options *options)
{
  if ((options->marked_sql == NULL) != (options->mark_sql == NULL)) {
    return report_usage(command, "--marked-sql and --mark-sql belong together: the condition, and what makes it true");
  }
  if (options->marked_sql != NULL && options->marked_column != NULL) {
    return report_usage(command, "--marked and --marked-sql exclude each other");
  }
  if (!options->poller_is_stopped && !options->dry_run) {
    return report_usage(command, "stop the poller first, for good, and say so with --poller-is-stopped: while it runs, rows are published by both");
  }
  return EXIT_DONE;
}

int takeover_options_parse(int argc, char **argv, struct takeover_options *options)
{
  enum { STOPPED = 1000, TABLE, ID, ORDER_BY, MARKED, MARKED_SQL, MARK_SQL, BATCH, LOCK_TIMEOUT, DRY_RUN };
  static const struct option known[] = {{"poller-is-stopped", no_argument, NULL, STOPPED},
                                        {"table", required_argument, NULL, TABLE},
                                        {"id", required_argument, NULL, ID},
                                        {"order-by", required_argument, NULL, ORDER_BY},
                                        {"marked", required_argument, NULL, MARKED},
                                        {"marked-sql", required_argument, NULL, MARKED_SQL},
                                        {"mark-sql", required_argument, NULL, MARK_SQL},
                                        {"batch", required_argument, NULL, BATCH},
                                        {"lock-timeout", required_argument, NULL, LOCK_TIMEOUT},
                                        {"dry-run", no_argument, NULL, DRY_RUN},
                                        {NULL, 0, NULL, 0}};
  int answer;

  *options = (struct takeover_options){.batch = BACKLOG_BATCH_DEFAULT, .lock_timeout_s = SLOT_SETUP_LOCK_TIMEOUT_S};
  optind = 0;
  while ((answer = getopt_long(argc, argv, "+:", known, NULL)) != -1) {
    switch (answer) {
    case STOPPED:
      options->poller_is_stopped = true;
      break;
    case TABLE:
      options->table = optarg;
      break;
    case ID:
      options->id_column = optarg;
      break;
    case ORDER_BY:
      options->order_by = optarg;
      break;
    case MARKED:
      options->marked_column = optarg;
      break;
    case MARKED_SQL:
      options->marked_sql = optarg;
      break;
    case MARK_SQL:
      options->mark_sql = optarg;
      break;
    case BATCH:
      if (!command_read_count(optarg, BACKLOG_BATCH_MAX, &options->batch)) {
        return report_usage(argv[0], "--batch must be a number from 1 to %d, not %s", BACKLOG_BATCH_MAX, optarg);
      }
      break;
    case LOCK_TIMEOUT:
      if (!command_read_count(optarg, LOCK_TIMEOUT_MAX_S, &options->lock_timeout_s)) {
        return report_usage(argv[0], "--lock-timeout must be a number of seconds from 1 to %d, not %s", LOCK_TIMEOUT_MAX_S, optarg);
      }
      break;
    case DRY_RUN:
      options->dry_run = true;
      break;
    default:
      return report_bad_option(argv[0], answer, argv);
    }
  }
  return optind < argc ? report_usage(argv[0], "unexpected argument %s", argv[optind]) : judge_options(argv[0], options);
}
