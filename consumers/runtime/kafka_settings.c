/*
 * kafka_settings.c - names, refusals and files.
 *
 *   KAFKA_MAX_POLL_INTERVAL_MS -> max.poll.interval.ms     capitals to small letters, _ to a dot; log_level alone has a name with an underscore
 *
 * A value is tried on a configuration that is thrown away, so that librdkafka's own words tell what is wrong with it, before anything is started.
 */
#include "kafka_settings.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX      "KAFKA_"
#define FILE_SUFFIX "_FILE"

/* Properties, or beginnings of such where a star ends them. */
static const struct {
  const char *property;
  const char *reason;
} refusals[] = {
    {"enable.auto.commit", "offsets are committed when an event's effect is, by the runtime"},
    {"auto.commit.interval.ms", "offsets are committed when an event's effect is, by the runtime"},
    {"enable.auto.offset.store", "offsets are committed when an event's effect is, by the runtime"},
    {"offset.store*", "offsets are kept by the group"},
    {"auto.offset.reset", "a new group begins at the earliest record: anything else would skip events"},
    {"isolation.level", "records of transactions that were aborted are no events"},
    {"group.id", "set GROUP_ID"},
    {"group.instance.id", "set GROUP_INSTANCE_ID"},
    {"group.protocol.type", "the runtime is a consumer"},
    {"metadata.broker.list", "set KAFKA_BOOTSTRAP_SERVERS"},
    {"enable.partition.eof", "the end of a partition is no record"},
    {"allow.auto.create.topics", "a topic that is missing is reported, not made with a default's partitions"},
    {"statistics.interval.ms", "nobody reads them here; /metrics has the figures"},
    {"plugin.library.paths", "it loads code"},
    {"ssl.engine.location", "it loads code"},
    {"ssl.providers", "it loads code"},
    {"sasl.kerberos.kinit.cmd", "it runs a command"},
    {"test.mock*", "a mock of a broker is none"},
};

static const char *const secrets[] = {"password", "secret", "ssl.key.pem", "sasl.oauthbearer.config", NULL};

static const char *refusal_of(const char *property)
{
  for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
    size_t length = strlen(refusals[i].property);
    bool is_beginning = refusals[i].property[length - 1] == '*';

    if (is_beginning ? strncmp(property, refusals[i].property, length - 1) == 0 : strcmp(property, refusals[i].property) == 0) {
      return refusals[i].reason;
    }
  }
  return NULL;
}

static bool is_secret(const char *property)
{
  for (size_t i = 0; secrets[i] != NULL; i++) {
    if (strstr(property, secrets[i]) != NULL) {
      return true;
    }
  }
  return false;
}

/* Of the name behind KAFKA_. A deployment named kafka puts these into every pod beside it. */
static bool is_of_kubernetes(const char *name)
{
  return strcmp(name, "SERVICE_HOST") == 0 || strncmp(name, "SERVICE_PORT", strlen("SERVICE_PORT")) == 0 || strcmp(name, "PORT") == 0 ||
         (strncmp(name, "PORT_", strlen("PORT_")) == 0 && isdigit((unsigned char)name[strlen("PORT_")]));
}

/* The file's text without its last newline, malloc'ed; NULL with the reason noted. */
static char *file_text(const char *path, const char *variable, struct problem_list *problems)
{
  FILE *file = fopen(path, "re");
  char *text = calloc(1, KAFKA_VALUE_MAX_BYTES + 1);
  size_t length;

  if (text == NULL) {
    abort();
  }
  if (file == NULL) {
    problem_list_add(problems, variable, "could not open \"%s\": %s", path, strerror(errno));
    free(text);
    return NULL;
  }
  length = fread(text, 1, KAFKA_VALUE_MAX_BYTES + 1, file);
  if (ferror(file) || length > KAFKA_VALUE_MAX_BYTES || memchr(text, '\0', length) != NULL) {
    problem_list_add(problems, variable, "\"%s\" cannot be read, is longer than %d bytes, or has a zero byte", path, KAFKA_VALUE_MAX_BYTES);
    (void)fclose(file);
    free(text);
    return NULL;
  }
  (void)fclose(file);
  if (length > 0 && text[length - 1] == '\n') {
    text[length - 1] = '\0';
  }
  return text;
}

/* `name` is what stands behind KAFKA_, without _FILE. False: too long for any property there is. */
static bool property_of(const char *name, size_t length, char ret_property[KAFKA_PROPERTY_MAX_BYTES])
{
  if (length == 0 || length >= KAFKA_PROPERTY_MAX_BYTES) {
    return false;
  }
  for (size_t i = 0; i < length; i++) {
    ret_property[i] = name[i] == '_' ? '.' : (char)tolower((unsigned char)name[i]);
  }
  ret_property[length] = '\0';
  if (strcmp(ret_property, "log.level") == 0) {
    memcpy(ret_property, "log_level", sizeof("log_level"));
  }
  return true;
}

/* Whether librdkafka takes it; the reason is noted. */
static bool is_taken(rd_kafka_conf_t *scratch, const struct kafka_setting *setting, struct problem_list *problems)
{
  const char *reason = refusal_of(setting->property);
  char error[512];

  if (reason != NULL) {
    problem_list_add(problems, setting->variable, "property \"%s\" cannot be set: %s", setting->property, reason);
    return false;
  }
  if (strcmp(setting->property, "partition.assignment.strategy") == 0 && strstr(setting->value, "cooperative") != NULL) {
    problem_list_add(problems, setting->variable, "\"%s\" cannot be set: librdkafka before 2.10 loses assignments with it", setting->value);
    return false;
  }
  switch (rd_kafka_conf_set(scratch, setting->property, setting->value, error, sizeof(error))) {
  case RD_KAFKA_CONF_OK:
    return true;
  case RD_KAFKA_CONF_UNKNOWN:
    problem_list_add(problems, setting->variable, "librdkafka %s has no property \"%s\"", rd_kafka_version_str(), setting->property);
    return false;
  case RD_KAFKA_CONF_INVALID:
    /* Its words hold the value. */
    problem_list_add(problems, setting->variable, "%s", setting->is_secret ? "librdkafka refuses the value" : error);
    return false;
  }
  return false;
}

static void read_one(struct kafka_settings *settings, const char *entry, rd_kafka_conf_t *scratch, struct problem_list *problems)
{
  const char *equals = strchr(entry, '=');
  const char *name = entry + strlen(PREFIX);
  struct kafka_setting *setting = &settings->settings[settings->count];
  size_t length;
  bool is_file;

  if (equals == NULL || equals < name || equals[1] == '\0') {
    return;
  }
  *setting = (struct kafka_setting){0};
  length = (size_t)(equals - name);
  (void)snprintf(setting->variable, sizeof(setting->variable), "%.*s", (int)(equals - entry), entry);
  if (strcmp(setting->variable, "KAFKA_BOOTSTRAP_SERVERS") == 0 || is_of_kubernetes(setting->variable + strlen(PREFIX))) {
    return;
  }
  is_file = length > strlen(FILE_SUFFIX) && strncmp(equals - strlen(FILE_SUFFIX), FILE_SUFFIX, strlen(FILE_SUFFIX)) == 0;
  if (!property_of(name, is_file ? length - strlen(FILE_SUFFIX) : length, setting->property)) {
    problem_list_add(problems, setting->variable, "librdkafka %s has no such property", rd_kafka_version_str());
    return;
  }
  for (size_t i = 0; i < settings->count; i++) {
    if (strcmp(settings->settings[i].property, setting->property) == 0) {
      problem_list_add(problems, setting->variable, "property \"%s\" is set by %s too", setting->property, settings->settings[i].variable);
      return;
    }
  }
  if (settings->count + 1 >= KAFKA_SETTINGS_MAX) {
    problem_list_add(problems, setting->variable, "more than %d properties", KAFKA_SETTINGS_MAX - 1);
    return;
  }
  setting->is_secret = is_secret(setting->property);
  setting->is_from_file = is_file;
  setting->value = is_file ? file_text(equals + 1, setting->variable, problems) : strdup(equals + 1);
  if (setting->value == NULL) {
    return;
  }
  if (is_taken(scratch, setting, problems)) {
    settings->count++;
  } else {
    free(setting->value);
  }
}

void kafka_settings_read(struct kafka_settings *settings, char *const *environment, struct problem_list *problems)
{
  rd_kafka_conf_t *scratch = rd_kafka_conf_new();

  *settings = (struct kafka_settings){0};
  for (; *environment != NULL; environment++) {
    if (strncmp(*environment, PREFIX, strlen(PREFIX)) == 0) {
      read_one(settings, *environment, scratch, problems);
    }
  }
  rd_kafka_conf_destroy(scratch);
}

enum verdict kafka_settings_apply(const struct kafka_settings *settings, rd_kafka_conf_t *conf, struct problem *problem)
{
  char error[512];

  for (size_t i = 0; i < settings->count; i++) {
    if (rd_kafka_conf_set(conf, settings->settings[i].property, settings->settings[i].value, error, sizeof(error)) != RD_KAFKA_CONF_OK) {
      return problem_set(problem, VERDICT_FATAL, EXIT_USAGE, "kafka_property", "%s: librdkafka refuses the value", settings->settings[i].variable);
    }
  }
  return VERDICT_OK;
}

void kafka_settings_print(const struct kafka_settings *settings, FILE *out)
{
  for (size_t i = 0; i < settings->count; i++) {
    const struct kafka_setting *setting = &settings->settings[i];

    (void)fprintf(out, "%s=%s  # %s\n", setting->variable, setting->is_secret ? "***" : setting->value, setting->is_from_file ? "file" : "environment");
  }
}
