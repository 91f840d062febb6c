/* options.c - each command knows its options, and an option that it does not know is an error: `discard --rate` would be a misunderstanding. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const command_names[] = {"--help", "list", "show", "redrive", "discard"};

static int usage_error(const char *words, const char *about)
{
  fprintf(stderr, "dlq: %s%s%s; dlq --help lists what there is\n", words, about == NULL ? "" : " ", about == NULL ? "" : about);
  return EXIT_USAGE;
}

static bool read_number(const char *text, int64_t least, int64_t most, int64_t *ret_number)
{
  char *end;
  long long number;

  errno = 0;
  number = strtoll(text, &end, 10);
  if (errno != 0 || end == text || *end != '\0' || text[0] < '0' || text[0] > '9' || number < least || number > most) {
    return false;
  }
  *ret_number = number;
  return true;
}

static bool read_place(const char *text, struct options *options)
{
  char partition[12];
  size_t length = strcspn(text, "/");

  if (text[length] != '/' || length >= sizeof(partition)) {
    return false;
  }
  memcpy(partition, text, length);
  partition[length] = '\0';
  return read_number(partition, 0, INT32_MAX, &options->partition) && read_number(text + length + 1, 0, INT64_MAX, &options->offset);
}

enum option_name { ID = 1000, KEY, ERROR_CLASS, SINCE, UNTIL, ALL, JSON, LIMIT, DRY_RUN, RATE, MAX_REDRIVES, TO, FORGOTTEN, YES, HELP };

static const struct option known[] = {
    {"id", required_argument, NULL, ID},
    {"key", required_argument, NULL, KEY},
    {"error-class", required_argument, NULL, ERROR_CLASS},
    {"since", required_argument, NULL, SINCE},
    {"until", required_argument, NULL, UNTIL},
    {"all", no_argument, NULL, ALL},
    {"json", no_argument, NULL, JSON},
    {"limit", required_argument, NULL, LIMIT},
    {"dry-run", no_argument, NULL, DRY_RUN},
    {"rate", required_argument, NULL, RATE},
    {"max-redrives", required_argument, NULL, MAX_REDRIVES},
    {"to", required_argument, NULL, TO},
    {"forgotten", no_argument, NULL, FORGOTTEN},
    {"yes", no_argument, NULL, YES},
    {"help", no_argument, NULL, HELP},
    {NULL, 0, NULL, 0},
};

/* Whether the command has such an option. */
static bool option_fits(enum command command, int name)
{
  switch ((enum option_name)name) {
  case ALL:
  case JSON:
    return command == COMMAND_LIST;
  case RATE:
  case MAX_REDRIVES:
  case TO:
  case FORGOTTEN:
    return command == COMMAND_REDRIVE;
  case DRY_RUN:
    return command == COMMAND_REDRIVE || command == COMMAND_DISCARD;
  case YES:
    return command == COMMAND_DISCARD;
  case ID:
  case KEY:
  case ERROR_CLASS:
  case SINCE:
  case UNTIL:
  case LIMIT:
    return command != COMMAND_SHOW;
  case HELP:
    return true;
  }
  return false;
}

/* False: the value is wrong. */
static bool take_option(struct options *options, int name, const char *value)
{
  struct letter_filter *filter = &options->filter;

  switch ((enum option_name)name) {
  case ID:
    filter->id = value;
    return true;
  case KEY:
    filter->key = value;
    return true;
  case ERROR_CLASS:
    filter->error_class = value;
    return true;
  case SINCE:
    return letter_time(value, &filter->since_ms);
  case UNTIL:
    return letter_time(value, &filter->until_ms);
  case LIMIT:
    return read_number(value, 1, INT64_MAX, &options->limit);
  case RATE:
    return read_number(value, 1, OPTIONS_RATE_MAX, &options->rate);
  case MAX_REDRIVES:
    return read_number(value, 1, UINT32_MAX, &options->redrives_max);
  case TO:
    options->to = value;
    return true;
  case FORGOTTEN:
    options->with_forgotten = true;
    return true;
  case ALL:
    options->is_all = true;
    return true;
  case JSON:
    options->is_json = true;
    return true;
  case DRY_RUN:
    options->is_dry = true;
    return true;
  case YES:
    options->is_confirmed = true;
    return true;
  case HELP:
    return true;
  }
  return false;
}

static int parse(int argc, char **argv, struct options *options)
{
  int wanted = options->command == COMMAND_SHOW ? 2 : 1;
  int name;
  int index = 0;

  optind = 1;
  while ((name = getopt_long(argc, argv, ":", known, &index)) != -1) {
    if (name == '?' || name == ':') {
      return usage_error(name == ':' ? "a value is missing for" : "there is no option", argv[optind - 1]);
    }
    if (!option_fits(options->command, name)) {
      return usage_error("this command has no option", known[index].name);
    }
    if (!take_option(options, name, optarg)) {
      return usage_error("wrong value for", known[index].name);
    }
  }
  if (argc - optind != wanted) {
    return usage_error(argc - optind < wanted ? "an argument is missing behind" : "too many arguments behind", command_names[options->command]);
  }
  options->topic = argv[optind];
  if (options->command == COMMAND_SHOW && !read_place(argv[optind + 1], options)) {
    return usage_error("a record is named PARTITION/OFFSET, not", argv[optind + 1]);
  }
  if (options->command == COMMAND_DISCARD && !options->is_dry && !options->is_confirmed) {
    return usage_error("discard gives events up; --dry-run shows which, --yes does it", NULL);
  }
  return EXIT_DONE;
}

int options_read(struct options *options, int argc, char **argv)
{
  size_t command = 0;

  *options = (struct options){.redrives_max = OPTIONS_REDRIVES_MAX_DEFAULT};
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--help") == 0) {
      options->command = COMMAND_HELP;
      return EXIT_DONE;
    }
  }
  if (argc < 2) {
    return usage_error("a command is missing", NULL);
  }
  while (command < sizeof(command_names) / sizeof(command_names[0]) && strcmp(argv[1], command_names[command]) != 0) {
    command++;
  }
  if (command == sizeof(command_names) / sizeof(command_names[0])) {
    return usage_error("there is no command", argv[1]);
  }
  options->command = (enum command)command;
  return parse(argc - 1, argv + 1, options);
}
