/*
 * setting.h - what a source says about one option, before anybody looks at its type. Sources are read in the order of their precedence, so a later setting
 * takes the place of an earlier one of another source.
 *
 *   name in a source  --settings_put-->  option or property  --value.h-->  member of struct config
 */
#ifndef CONFIG_SETTING_H
#define CONFIG_SETTING_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "config/kafka_properties.h"
#include "config/options.h"
#include "config/texts.h"
#include "problem_list.h"

enum {
  SETTING_KAFKA_MAX = 256,       /* properties */
  SETTING_NAME_MAX_BYTES = 200,  /* of one key; a longer one is unknown anyway */
  SETTING_TEXT_MAX_BYTES = 65536 /* of one value */
};

enum setting_section { SECTION_SCALAR, SECTION_KAFKA, SECTION_OUTBOX };

enum setting_rank { RANK_FILE, RANK_ENVIRONMENT, RANK_COMMAND_LINE };

/* Where a setting came from. */
struct origin {
  enum setting_rank rank;
  const char *text; /* `file shop.json`, `environment CDC_RELAY_NAME`, `--set` */
};

/* What it says: a text, or a JSON value. Borrowed until the configuration is loaded. */
struct raw_value {
  const char *text;
  const json_t *json; /* NULL: `text` counts */
};

struct setting {
  enum setting_section section;
  size_t entry; /* of the outbox */
  const struct option *option;
  const struct kafka_property *property; /* NULL with SECTION_KAFKA: unlisted, passes by its prefix */
  const char *name;                      /* inside its section; canonical: no alias, no Debezium prefix, no _file */
  const char *path;                      /* for people: `outbox[0].route.topic.regex` */
  struct origin origin;
  struct raw_value value;
  bool is_file; /* the value is the path of a file to read it from */
  bool is_secret;
};

struct settings {
  struct setting *items;
  size_t count, capacity;
  size_t entry_count; /* outbox entries: the highest one named, and one */
  size_t kafka_count;
  const char *transform[CONFIG_OUTBOX_MAX]; /* the <name> of `transforms.<name>.` in that entry; NULL: none yet */
  struct texts *texts;
  struct problem_list *problems;
  struct problem_list *warnings;
};

void settings_done(struct settings *settings);

/* Takes one setting. `name` is as written in the source: alias, Debezium prefix, `_file` are understood. Mistakes go to the problem list. */
void settings_put(struct settings *settings, enum setting_section section, size_t entry, const char *name, struct origin origin, struct raw_value value);

/* The setting of that row, or NULL. */
const struct setting *settings_scalar(const struct settings *settings, const struct option *option);
const struct setting *settings_outbox(const struct settings *settings, size_t entry, const struct option *option);

/* Adds a problem at the setting's path, with its origin behind the words. */
void setting_problem(struct problem_list *problems, const struct setting *setting, const char *format, ...) PRINTF_LIKE(3, 4);
/* The same where there is no setting. */
void origin_problem(struct problem_list *problems, const char *path, struct origin origin, const char *format, ...) PRINTF_LIKE(4, 5);

/* Displayed path of a name in a section. */
const char *setting_path(struct texts *texts, enum setting_section section, size_t entry, const char *name);

#endif
