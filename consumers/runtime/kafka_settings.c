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

static const char by_runtime[] = "offsets are committed when an event's effect is, by the runtime";
static const char by_group[] = "offsets are kept by the group";
static const char loads_code[] = "it loads code";
static const char of_letters[] =
    "dead letters that no outbox takes are produced with acks=all and idempotence, or they would be lost, doubled or held for ever";
static const char of_headers[] = "records have headers, the event's id among them, only as today's brokers send them";

/*
 * What the runtime's promises rest on. Properties, or beginnings of such where a star ends them; `but` are the only values that may be set. What is not here passes:
 * addresses, security, sizes, times.
 */
static const struct {
  const char *property;
  const char *reason;
  const char *but; /* a|b|c; NULL: none */
} refusals[] = {
    /* when an event counts as done */
    {"enable.auto.commit", by_runtime, NULL},
    {"auto.commit.enable", by_runtime, NULL},
    {"auto.commit.interval.ms", by_runtime, NULL},
    {"enable.auto.offset.store", by_runtime, NULL},
    {"offset.store*", by_group, NULL},
    /* which events there are */
    {"auto.offset.reset", "a new group begins at the earliest record: anything else would skip events", NULL},
    {"isolation.level", "records of transactions that were aborted are no events", NULL},
    {"enable.partition.eof", "the end of a partition is no record", NULL},
    {"topic.blacklist", "topics of this program would be taken for ones that do not exist", NULL},
    {"allow.auto.create.topics", "a topic that is missing is reported, not made with a default's partitions", NULL},
    {"api.version.request", of_headers, "true"},
    {"api.version.fallback.ms", of_headers, NULL},
    {"broker.version.fallback", of_headers, NULL},
    /* who handles them */
    {"group.id", "set GROUP_ID", NULL},
    {"group.instance.id", "set GROUP_INSTANCE_ID", NULL},
    {"group.protocol.type", "the runtime is a consumer", NULL},
    {"partition.assignment.strategy", "librdkafka before 2.10 loses assignments with a cooperative one, and knows no other",
     "range|roundrobin|range,roundrobin|roundrobin,range"},
    {"metadata.broker.list", "set KAFKA_BOOTSTRAP_SERVERS", NULL},
    /* what becomes of a dead letter */
    {"acks", of_letters, "all|-1"},
    {"request.required.acks", of_letters, "all|-1"},
    {"enable.idempotence", of_letters, "true"},
    {"enable.gapless.guarantee", of_letters, NULL},
    {"transactional.id", of_letters, NULL},
    {"transaction.timeout.ms", of_letters, NULL},
    {"max.in.flight*", of_letters, "1|2|3|4|5"},
    {"retries", of_letters, NULL},
    {"message.send.max.retries", of_letters, NULL},
    {"message.timeout.ms", of_letters, NULL},
    {"delivery.timeout.ms", of_letters, NULL},
    {"delivery.report.only.error", of_letters, "false"},
    {"queuing.strategy", of_letters, "fifo"},
    {"partitioner", "dead letters follow their key as Java's producers place it", "murmur2_random"},
    /* what nobody looks at */
    {"statistics.interval.ms", "nobody reads them here; /metrics has the figures", "0"},
    {"log.queue", "the runtime takes librdkafka's lines itself", "false"},
    /* what an environment has no business with */
    {"plugin.library.paths", loads_code, NULL},
    {"ssl.engine.location", loads_code, NULL},
    {"ssl.engine.id", loads_code, NULL},
    {"ssl.providers", loads_code, NULL},
    {"sasl.kerberos.kinit.cmd", "it runs a command", NULL},
    {"test.mock*", "a mock of a broker is none", NULL},
};

static const char safe_in_a_shell[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-/@:";
static const char *const secrets[] = {"password", "secret", "ssl.key.pem", "sasl.oauthbearer.config", NULL};

/* Whether `values`, a|b|c, has it. */
static bool is_among(const char *values, const char *value)
{
  size_t length = strlen(value);

  for (const char *at = values; at != NULL; at = strchr(at, '|'), at = at != NULL ? at + 1 : NULL) {
    if (strcspn(at, "|") == length && strncmp(at, value, length) == 0) {
      return true;
    }
  }
  return false;
}

/* Whether it may be set so; the reason is noted. */
static bool is_allowed(const struct kafka_setting *setting, struct problem_list *problems)
{
  for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
    size_t length = strlen(refusals[i].property);
    bool is_beginning = refusals[i].property[length - 1] == '*';

    if (is_beginning ? strncmp(setting->property, refusals[i].property, length - 1) != 0 : strcmp(setting->property, refusals[i].property) != 0) {
      continue;
    }
    if (refusals[i].but == NULL) {
      problem_list_add(problems, setting->variable, "property \"%s\" cannot be set: %s", setting->property, refusals[i].reason);
      return false;
    }
    if (!is_among(refusals[i].but, setting->value)) {
      problem_list_add(problems, setting->variable, "property \"%s\" cannot be set to anything but %s: %s", setting->property, refusals[i].but,
                       refusals[i].reason);
      return false;
    }
  }
  if (strncmp(setting->property, "sasl.kerberos.", strlen("sasl.kerberos.")) == 0 && setting->value[strspn(setting->value, safe_in_a_shell)] != '\0') {
    problem_list_add(problems, setting->variable, "librdkafka puts it into a shell command, so it may hold only letters, digits and . _ - / @ :");
    return false;
  }
  return true;
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
  char error[512];

  if (!is_allowed(setting, problems)) {
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

/* Of a variable that is wrong not even the value is shown: under a name that librdkafka does not know there may be a secret. */
void kafka_settings_print(const struct kafka_settings *settings, const struct problem_list *problems, FILE *out)
{
  for (size_t i = 0; i < settings->count; i++) {
    const struct kafka_setting *setting = &settings->settings[i];

    (void)fprintf(out, "%s=", setting->variable);
    problem_print_text(setting->is_secret ? "***" : setting->value, out);
    (void)fprintf(out, "  # %s\n", setting->is_from_file ? "file" : "environment");
  }
  for (size_t i = 0; i < problems->count && i < PROBLEM_LIST_MAX; i++) {
    const struct config_problem *problem = &problems->problems[i];

    if (strncmp(problem->path, PREFIX, strlen(PREFIX)) == 0 && strcmp(problem->path, "KAFKA_BOOTSTRAP_SERVERS") != 0) {
      problem_print_text(problem->path, out);
      (void)fputs("=***  # environment  # WRONG: ", out);
      problem_print_text(problem->text, out);
      (void)fputc('\n', out);
    }
  }
}
