/*
 * reference.c - docs/configuration.md, from the same rows that the parser reads. The test of this module compares the committed page with what is written here.
 */
#include <stdio.h>
#include <string.h>

#include "config/kafka_properties.h"
#include "config/options.h"
#include "config/setting.h"

static const char introduction[] =
    "# Configuration\n"
    "\n"
    "This page is generated from the relay's own tables (`UPDATE_DOCS=1` before the unit test `test_config_reference` writes it anew); a test fails when it "
    "is\n"
    "out of date. `cdc-relay config` prints what is in force, with secrets masked, and where each value came from.\n"
    "\n"
    "## Where values come from\n"
    "\n"
    "A later line of this list wins over an earlier one; all of them are optional.\n"
    "\n"
    "1. the defaults below;\n"
    "2. one JSON file, `--config FILE` or, without that, the one that `CDC_RELAY_CONFIG` names: an object with the members `name`, `postgres`, `kafka`,\n"
    "   `outbox` (a list of objects), `delivery`, `admin`, `log`;\n"
    "3. environment variables: `CDC_RELAY_` and the path in capitals, every other character `_`. `postgres.url` is `CDC_RELAY_POSTGRES_URL`, and\n"
    "   `route.by.field` of the first outbox entry is `CDC_RELAY_OUTBOX_0_ROUTE_BY_FIELD`. With `_FILE` behind the name the value is read from that file;\n"
    "4. `--set PATH=VALUE`: `--set log.level=debug`, `--set kafka.linger.ms=5`, `--set outbox[0].poison=dead-letter`.\n"
    "\n"
    "An unknown key, a variable that begins with `CDC_RELAY_` and fits nothing, a wrong value, two values from one source: all are errors, told together.\n"
    "Variables of the shapes that Kubernetes sets for a Service (`CDC_RELAY_SERVICE_HOST`, `CDC_RELAY_PORT_9470_TCP`) are left alone.\n"
    "\n"
    "A text is converted by the type of its option, wherever it stands: `\"true\"` is as good as `true`. In variables and `--set`, a list is a JSON list or\n"
    "texts separated by commas, an object is JSON.\n"
    "\n"
    "## Secrets\n"
    "\n"
    "A secret (marked below) is shown as `***` and refused on the command line, where everybody on the machine could read it. `<key>_file` names a file that\n"
    "holds it: `postgres.password_file`, `kafka` with `sasl.password_file`; `postgres.url_file`, `postgres.admin_url_file` and every Kafka property can be\n"
    "read so too. A newline at the end of the file does not count. On SIGHUP these files are read again, and the relay reconnects when one has changed;\n"
    "when one cannot be read, the old values stay. What the slot and publication are called by default does not follow a changed address.\n"
    "\n";

static void write_limits(FILE *out)
{
  (void)fprintf(out,
                "## Limits\n\n"
                "| of | at most |\n"
                "|---|---|\n"
                "| the file | %d bytes |\n"
                "| one value, and one secret file | %d bytes |\n"
                "| entries under `outbox` | %d |\n"
                "| `route.topic.allow` of one entry | %d |\n"
                "| `headers.static` of one entry | %d |\n"
                "| positions in `delivery.poison_once` | %d |\n"
                "| properties under `kafka` | %d |\n"
                "| errors that are listed; further ones are counted | %d |\n\n",
                CONFIG_FILE_MAX_BYTES, CONFIG_SECRET_MAX_BYTES, CONFIG_OUTBOX_MAX, CONFIG_ALLOW_MAX, CONFIG_STATIC_HEADERS_MAX, CONFIG_POISON_ONCE_MAX,
                SETTING_KAFKA_MAX, PROBLEM_LIST_MAX);
}

/* A cell of a Markdown table: a bar would end it. */
static void write_cell(FILE *out, const char *text)
{
  for (; *text != '\0'; text++) {
    if (*text == '|') {
      (void)fputc('\\', out);
    }
    (void)fputc(*text, out);
  }
}

static void write_type(FILE *out, const struct option *option)
{
  const char *words = option->words != NULL ? option->words : "false|true";

  switch (option->type) {
  case OPTION_TEXT:
    (void)fputs((option->flags & OPTION_SECRET) != 0 ? "secret" : "text", out);
    break;
  case OPTION_INTEGER:
    (void)fprintf(out, "integer, %" PRId64 " to %" PRId64, option->min, option->max);
    break;
  case OPTION_BOOLEAN:
  case OPTION_WORD:
    for (bool is_first = true; words != NULL; is_first = false) {
      (void)fprintf(out, "%s`%.*s`", is_first ? "" : ", ", (int)strcspn(words, "|"), words);
      words = strchr(words, '|');
      words += words != NULL;
    }
    break;
  case OPTION_LIST:
    (void)fputs("list of texts", out);
    break;
  case OPTION_OBJECT:
    (void)fputs("object of texts", out);
    break;
  case OPTION_TABLE:
    (void)fputs("`[schema.]table`", out);
    break;
  case OPTION_LISTEN:
    (void)fputs("`host:port`, `off`", out);
    break;
  case OPTION_POSITION:
    (void)fputs("positions", out);
    break;
  case OPTION_WITHOUT_EFFECT:
  case OPTION_REFUSED:
    break;
  }
}

static void write_options(FILE *out, const struct option *options, size_t count)
{
  (void)fputs("| key | type | default | meaning |\n|---|---|---|---|\n", out);
  for (size_t i = 0; i < count; i++) {
    const struct option *option = &options[i];
    const char *quote = (option->flags & OPTION_DERIVED) != 0 ? "" : "`";

    if (option->type == OPTION_WITHOUT_EFFECT || option->type == OPTION_REFUSED) {
      continue;
    }
    (void)fprintf(out, "| `%s` | ", option->name);
    write_type(out, option);
    if (option->preset != NULL) {
      (void)fprintf(out, " | %s%s%s | ", quote, option->preset, quote);
    } else {
      (void)fputs((option->flags & OPTION_REQUIRED) != 0 ? " | required | " : " | | ", out);
    }
    write_cell(out, option->doc);
    (void)fputs(" |\n", out);
  }
}

static void write_outbox_rest(FILE *out, enum option_type type, const char *title)
{
  (void)fprintf(out, "\n%s\n\n| key | why |\n|---|---|\n", title);
  for (size_t i = 0; i < OUTBOX_OPTION_COUNT; i++) {
    if (outbox_options[i].type == type) {
      (void)fprintf(out, "| `%s` | ", outbox_options[i].name);
      write_cell(out, outbox_options[i].doc);
      (void)fputs(" |\n", out);
    }
  }
}

static const char *alias_of(const char *name)
{
  for (size_t i = 0; i < KAFKA_PROPERTY_COUNT; i++) {
    if (kafka_properties[i].rule == KAFKA_ALIAS && strcmp(kafka_properties[i].argument, name) == 0) {
      return kafka_properties[i].name;
    }
  }
  return NULL;
}

static void write_property(FILE *out, const struct kafka_property *property)
{
  const char *alias = alias_of(property->name);

  (void)fprintf(out, "| `%s`", property->name);
  if (alias != NULL) {
    (void)fprintf(out, " (`%s`)", alias);
  }
  (void)fputs((property->flags & KAFKA_SECRET) != 0 ? ", secret | " : " | ", out);
  if (property->preset != NULL) {
    (void)fprintf(out, "`%s`", property->preset);
  }
  (void)fputs(" | ", out);
  if (property->rule == KAFKA_ONLY) {
    (void)fprintf(out, "only `%.*s`%s: ", (int)strcspn(property->argument, "|"), property->argument,
                  strcmp(property->name, "max.in.flight") == 0 ? " to `5`" : "");
  }
  write_cell(out, property->doc);
  (void)fputs(" |\n", out);
}

static void write_kafka(FILE *out)
{
  (void)fputs(
      "\n## `kafka`\n\n"
      "librdkafka's properties by their own names; values are texts, numbers or booleans. librdkafka judges the values, but for those that would break a\n"
      "promise of the relay. A name in brackets is another name of the same property. Without a default here, librdkafka's own applies.\n\n"
      "| property | default | note |\n|---|---|---|\n",
      out);
  for (size_t i = 0; i < KAFKA_PROPERTY_COUNT; i++) {
    if (kafka_properties[i].rule != KAFKA_ALIAS && kafka_properties[i].rule != KAFKA_REFUSED) {
      write_property(out, &kafka_properties[i]);
    }
  }
  (void)fputs("\nProperties of later versions of librdkafka pass through, from the file and from `--set`, when they begin with one of these:\n\n", out);
#define X(prefix) (void)fputs("- `" prefix "`\n", out);
  KAFKA_ALLOWED_PREFIXES(X)
#undef X
  (void)fputs("\nRefused:\n\n| property | why |\n|---|---|\n", out);
  for (size_t i = 0; i < KAFKA_PROPERTY_COUNT; i++) {
    if (kafka_properties[i].rule == KAFKA_REFUSED) {
      (void)fprintf(out, "| `%s` | ", kafka_properties[i].name);
      write_cell(out, kafka_properties[i].doc);
      (void)fputs(" |\n", out);
    }
  }
#define X(prefix, reason) (void)fputs("| `" prefix "…` | " reason " |\n", out);
  KAFKA_REFUSED_PREFIXES(X)
#undef X
}

void config_write_reference(FILE *out)
{
  (void)fputs(introduction, out);
  write_limits(out);
  (void)fputs("## Options\n\n", out);
  write_options(out, scalar_options, SCALAR_OPTION_COUNT);
  (void)fputs(
      "\n## An entry of `outbox`\n\n"
      "Debezium's option names keep their meaning; a block with the prefix `transforms.<name>.` can be pasted as it is. Without any entry there is one,\n"
      "for `public.outbox`.\n\n",
      out);
  write_options(out, outbox_options, OUTBOX_OPTION_COUNT);
  (void)fputs("\n`transforms` and `transforms.<name>.type` are accepted and mean nothing here, as long as the type is the outbox event router.\n", out);
  write_outbox_rest(out, OPTION_WITHOUT_EFFECT, "Accepted with a warning:");
  write_outbox_rest(out, OPTION_REFUSED, "Refused:");
  write_kafka(out);
}
