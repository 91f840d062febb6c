/*
 * config.c - loads a configuration: three sources into one list of settings, then each option by its row, then what depends on several options.
 *
 *   file, environment, --set --> settings --> struct config        every step adds to one problem list and goes on, so that all mistakes are told at once
 *
 * Invariant: every text of a struct config lives in its pool until config_free(), which overwrites it. config_reload_secrets() puts new texts beside the old
 * ones and moves the pointers, so that whoever still holds an old one holds no dangling one.
 */
#include "config/config.h"

#include <stdlib.h>
#include <string.h>

#include "config/config_priv.h"
#include "config/connection_text.h"
#include "config/file_text.h"
#include "config/sources.h"
#include "config/value.h"
#include "route/router.h"

static const struct setting *scalar(const struct settings *settings, const char *path)
{
  return settings_scalar(settings, scalar_option_find(path, strlen(path)));
}

static void problem_at(struct settings *settings, const char *path, const char *words)
{
  const struct setting *setting = scalar(settings, path);

  if (setting != NULL) {
    setting_problem(settings->problems, setting, "%s", words);
  } else {
    problem_list_add(settings->problems, path, "%s", words);
  }
}

const char *config_origin(struct texts *texts, const struct setting *setting)
{
  const char *file = setting->value.json != NULL ? json_string_value(setting->value.json) : setting->value.text;

  if (!setting->is_file || file == NULL) {
    return setting->origin.text;
  }
  return texts_format(texts, "%s, read from %s", setting->origin.text, file);
}

/* Remembers where a value came from, to read it again on SIGHUP. */
static void remember_file(struct config_priv *priv, const struct setting *setting, const char **member)
{
  const char *file = setting->value.json != NULL ? json_string_value(setting->value.json) : setting->value.text;
  struct secret_file *secret;

  if (!setting->is_file || file == NULL || priv->secret_file_count == priv->secret_file_capacity) {
    return;
  }
  secret = &priv->secret_files[priv->secret_file_count++];
  secret->path = setting->path;
  secret->file = texts_copy(&priv->texts, file, strlen(file));
  secret->member = member;
  secret->property = setting->property;
  secret->has_lines = setting->property != NULL && (setting->property->flags & KAFKA_LINES) != 0;
  secret->is_url = setting->option != NULL && (setting->option->flags & OPTION_URL) != 0;
  secret->is_secret = setting->is_secret;
}

/* --- options of special form --- */

/* `host:port` or `[address]:port`; where the host stands in `text`, or what is wrong. */
static const char *parse_listen(const char *text, const char **ret_host, size_t *ret_length, uint16_t *ret_port)
{
  static const char malformed[] = "expected host:port, [address]:port or off, such as 127.0.0.1:9470";
  static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_";
  static const char address_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.:%";
  bool is_address = text[0] == '[';
  const char *host = text + is_address;
  size_t length = strspn(host, is_address ? address_letters : letters);
  const char *colon = host + length + is_address;
  const char *port = colon + 1;
  size_t digits;

  if (length == 0 || (is_address && host[length] != ']') || *colon != ':') {
    return malformed;
  }
  digits = strspn(port, "0123456789");
  if (digits == 0 || port[digits] != '\0') {
    return malformed;
  }
  if (digits > 5 || strtoul(port, NULL, 10) > UINT16_MAX) {
    return "expected a port from 0 to 65535";
  }
  *ret_host = host;
  *ret_length = length;
  *ret_port = (uint16_t)strtoul(port, NULL, 10);
  return NULL;
}

static void read_listen(struct config *config, struct settings *settings, const struct option *option)
{
  const struct setting *setting = settings_scalar(settings, option);
  const char *text = option->preset, *host, *refusal;
  size_t length;

  if (setting != NULL && !value_text(settings, setting, &text)) {
    return;
  }
  if (strcmp(text, "off") == 0) {
    return;
  }
  refusal = parse_listen(text, &host, &length, &config->admin.port);
  if (refusal != NULL) {
    problem_at(settings, option->name, refusal);
    return;
  }
  config->admin.host = texts_copy(&config->priv->texts, host, length);
}

static void read_poison_once(struct config *config, struct settings *settings, const struct option *option)
{
  const struct setting *setting = settings_scalar(settings, option);
  const char *text;
  struct position_text one;

  if (setting == NULL || !value_text(settings, setting, &text)) {
    return;
  }
  for (const char *at = text; at != NULL; at = strchr(at, ',')) {
    size_t length;

    at += *at == ',' ? 1 : 0;
    length = strcspn(at, ",");
    if (config->delivery.poison_once_count == CONFIG_POISON_ONCE_MAX) {
      setting_problem(settings->problems, setting, "names more than %d rows: for so many there is delivery.poison=dead-letter", CONFIG_POISON_ONCE_MAX);
      return;
    }
    (void)snprintf(one.text, sizeof(one.text), "%.*s", (int)length, at);
    if (length >= sizeof(one.text) || position_parse(one.text, &config->delivery.poison_once[config->delivery.poison_once_count]) != VERDICT_OK) {
      setting_problem(settings->problems, setting,
                      "expected positions as in the lines that reported the rows, such as 16/B374D848/0, with a comma and nothing else between two");
      return;
    }
    config->delivery.poison_once_count++;
  }
}

static void read_scalars(struct config *config, struct settings *settings)
{
  for (size_t i = 0; i < SCALAR_OPTION_COUNT; i++) {
    const struct option *option = &scalar_options[i];
    const struct setting *setting = settings_scalar(settings, option);

    config->priv->scalar_origins[i] = setting != NULL ? config_origin(&config->priv->texts, setting) : "default";
    if (option->type == OPTION_LISTEN) {
      read_listen(config, settings, option);
    } else if (option->type == OPTION_POSITION) {
      read_poison_once(config, settings, option);
    } else if (setting == NULL) {
      value_store_preset(option, config);
    } else if (value_store(settings, setting, config) && (option->flags & (OPTION_SECRET | OPTION_URL)) != 0) {
      remember_file(config->priv, setting, (const char **)(void *)((char *)config + option->offset));
    }
  }
}

/* --- what libpq reads --- */

static void check_url(struct settings *settings, const char *path, const char *url)
{
  const char *refusal = url != NULL ? connection_text_refusal(url, settings->texts) : NULL;

  if (refusal != NULL) {
    problem_at(settings, path, refusal);
  }
}

static void check_slot(struct settings *settings, const char *slot)
{
  size_t length = strlen(slot);

  if (length > CONFIG_SLOT_NAME_MAX_BYTES || strspn(slot, "abcdefghijklmnopqrstuvwxyz0123456789_") != length) {
    problem_at(settings, "postgres.slot", "expected lower-case letters, digits and _, at most 63 of them");
  }
}

static void read_postgres(struct config *config, struct settings *settings, const char *const *environment)
{
  const char *derived = NULL;

  check_url(settings, "postgres.url", config->postgres.url);
  check_url(settings, "postgres.admin_url", config->postgres.admin_url);
  if (config->postgres.url != NULL) {
    derived = connection_text_slot(config->postgres.url, environment, settings->texts);
  } else if (scalar(settings, "postgres.url") == NULL) {
    problem_list_add(settings->problems, "postgres.url", "is required: in the file, as CDC_RELAY_POSTGRES_URL, or as CDC_RELAY_POSTGRES_URL_FILE");
  }
  if (config->postgres.slot != NULL) {
    check_slot(settings, config->postgres.slot);
  } else if (derived != NULL) {
    config->postgres.slot = derived;
  }
  if (config->postgres.publication == NULL) {
    config->postgres.publication = derived;
  } else if (strlen(config->postgres.publication) > CONNECTION_NAME_MAX_BYTES) {
    problem_at(settings, "postgres.publication", "longer than 63 bytes");
  }
  if (derived == NULL && config->postgres.url != NULL && connection_text_refusal(config->postgres.url, settings->texts) == NULL &&
      (scalar(settings, "postgres.slot") == NULL || scalar(settings, "postgres.publication") == NULL)) {
    problem_list_add(settings->problems, "postgres.slot",
                     "cannot be derived, as postgres.url does not name the database; name it there, or set postgres.slot and postgres.publication");
  }
  if (config->postgres.password != NULL && connection_text_has_password(config->postgres.url)) {
    setting_problem(settings->warnings, scalar(settings, "postgres.password"), "takes the place of the password in postgres.url");
  }
}

/* --- Kafka --- */

static const struct setting *kafka_setting(const struct settings *settings, const char *name)
{
  for (size_t i = 0; i < settings->count; i++) {
    if (settings->items[i].section == SECTION_KAFKA && strcmp(settings->items[i].name, name) == 0) {
      return &settings->items[i];
    }
  }
  return NULL;
}

static void add_property(struct config *config, const char *name, const char *value, bool is_secret, const char *origin)
{
  config->priv->kafka[config->kafka_count] = (struct config_property){.name = name, .value = value, .is_secret = is_secret};
  config->priv->kafka_origins[config->kafka_count++] = origin;
}

static void read_property(struct config *config, struct settings *settings, const struct setting *setting)
{
  const char *value, *refusal;

  if (!value_property(settings, setting, &value)) {
    return;
  }
  refusal = kafka_value_refusal(setting->property, value);
  if (value[0] == '\0' && strcmp(setting->name, "bootstrap.servers") == 0) {
    setting_problem(settings->problems, setting, "must not be empty");
  }
  if (refusal != NULL && setting->property->rule == KAFKA_ONLY) {
    setting_problem(settings->problems, setting, "refused, it must be %.*s: %s", (int)strcspn(setting->property->argument, "|"), setting->property->argument,
                    refusal);
  } else if (refusal != NULL) {
    setting_problem(settings->problems, setting, "refused: %s", refusal);
  } else if (setting->property != NULL && (setting->property->flags & KAFKA_WARN) != 0 && words_index("false|f|0", value) >= 0) {
    setting_problem(settings->warnings, setting, "%s", setting->property->doc);
  }
  remember_file(config->priv, setting, &config->priv->kafka[config->kafka_count].value);
  add_property(config, texts_copy(settings->texts, setting->name, strlen(setting->name)), value, setting->is_secret,
               config_origin(&config->priv->texts, setting));
}

static void read_kafka(struct config *config, struct settings *settings)
{
  struct config_priv *priv = config->priv;
  size_t most = KAFKA_PROPERTY_COUNT + SETTING_KAFKA_MAX + 1;

  priv->kafka = texts_array(&priv->texts, most, sizeof(priv->kafka[0]));
  priv->kafka_origins = texts_array(&priv->texts, most, sizeof(priv->kafka_origins[0]));
  config->kafka = priv->kafka;
  if (kafka_setting(settings, "client.id") == NULL && config->name != NULL) {
    add_property(config, "client.id", config->name, false, "default: name");
  }
  for (size_t i = 0; i < KAFKA_PROPERTY_COUNT; i++) {
    if (kafka_properties[i].preset != NULL && kafka_setting(settings, kafka_properties[i].name) == NULL) {
      add_property(config, kafka_properties[i].name, kafka_properties[i].preset, false, "default");
    }
  }
  for (size_t i = 0; i < settings->count; i++) {
    if (settings->items[i].section == SECTION_KAFKA) {
      read_property(config, settings, &settings->items[i]);
    }
  }
  if (kafka_setting(settings, "bootstrap.servers") == NULL) {
    problem_list_add(settings->problems, "kafka.bootstrap.servers", "is required: in the file, or as CDC_RELAY_KAFKA_BOOTSTRAP_SERVERS");
  }
}

/* --- what depends on several --- */

static void check_name(struct settings *settings, const char *name)
{
  if (name != NULL && (strlen(name) > 100 || name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")] != '\0')) {
    problem_at(settings, "name", "expected letters, digits and . _ -, at most 100 of them");
  }
}

static void check_delivery(const struct config *config, struct settings *settings)
{
  bool has_topic = false;

  if (config->delivery.mode != DELIVERY_AT_LEAST_ONCE) {
    problem_at(settings, "delivery.mode", "exactly-once is not available in this version; use at-least-once");
  }
  if (config->delivery.dead_letter_topic != NULL && !topic_is_legal(span_of_text(config->delivery.dead_letter_topic))) {
    problem_at(settings, "delivery.dead.letter.topic", "not a topic's name: letters, digits and . _ - only, at most 249, not beginning with __");
  }
  for (size_t i = 0; i < config->outbox_count; i++) {
    has_topic = has_topic || config->outbox[i].dead_letter_topic != NULL;
  }
  if (config->delivery.poison_once_count > 0 && !has_topic) {
    problem_at(settings, "delivery.poison_once", "needs a dead.letter.topic, under delivery or at the outbox entry");
  }
}

static void build(struct config *config, struct settings *settings, const char *const *environment)
{
  config->priv->secret_file_capacity = settings->count;
  config->priv->secret_files = texts_array(&config->priv->texts, settings->count, sizeof(config->priv->secret_files[0]));
  read_scalars(config, settings);
  check_name(settings, config->name);
  read_postgres(config, settings, environment);
  read_kafka(config, settings);
  outbox_build(config, settings);
  check_delivery(config, settings);
}

static bool has_problem_under(const struct problem_list *problems, size_t from, const char *section)
{
  for (size_t i = from; i < problems->count && i < PROBLEM_LIST_MAX; i++) {
    if (strncmp(problems->problems[i].path, section, strlen(section)) == 0) {
      return true;
    }
  }
  return problems->count > PROBLEM_LIST_MAX;
}

static void ask_stages(const struct config *config, const struct config_sources *sources, size_t problems_before, struct problem_list *problems)
{
  bool outbox_is_sound = !has_problem_under(problems, problems_before, "outbox");
  bool kafka_is_sound = !has_problem_under(problems, problems_before, "kafka");

  if (sources->check_outbox != NULL && outbox_is_sound) {
    sources->check_outbox(config, problems);
  }
  if (sources->check_kafka != NULL && kafka_is_sound) {
    sources->check_kafka(config, problems);
  }
}

struct config *config_load(const struct config_sources *sources, struct problem_list *problems)
{
  struct config *config = calloc(1, sizeof(*config));
  size_t problems_before = problems->count;
  struct settings settings;
  json_t *document = NULL;

  if (config == NULL) {
    abort();
  }
  config->priv = calloc(1, sizeof(*config->priv));
  if (config->priv == NULL) {
    abort();
  }
  settings = (struct settings){.texts = &config->priv->texts, .problems = problems, .warnings = &config->warnings};
  if (sources->file != NULL) {
    document = source_file_read(&settings, sources->file);
  }
  source_environment_read(&settings, sources->environment);
  source_command_line_read(&settings, sources->sets, sources->set_count);

  if (sources->file == NULL || document != NULL) { /* without the file that was asked for, everything would seem to be missing */
    build(config, &settings, sources->environment);
    ask_stages(config, sources, problems_before, problems);
  }
  settings_done(&settings);
  source_file_free(document);
  if (problems->count > problems_before) {
    config_free(config);
    return NULL;
  }
  return config;
}

void config_free(struct config *config)
{
  if (config == NULL) {
    return;
  }
  texts_done(&config->priv->texts);
  free(config->priv);
  free(config);
}

/* --- SIGHUP --- */

static enum verdict reload_one(const struct secret_file *secret, struct texts *texts, const char **ret_text, struct problem *problem)
{
  const char *refusal = NULL;

  if (secret_file_read(secret->file, secret->has_lines, texts, ret_text, problem) != VERDICT_OK) {
    return VERDICT_RETRY;
  }
  if (!secret->is_secret) {
    refusal = text_refusal(*ret_text, strlen(*ret_text), secret->has_lines, false);
  }
  if (refusal == NULL && secret->is_url) {
    refusal = connection_text_refusal(*ret_text, texts);
  }
  if (refusal == NULL) {
    refusal = kafka_value_refusal(secret->property, *ret_text);
  }
  if (refusal != NULL) {
    return problem_set(problem, VERDICT_RETRY, EXIT_USAGE, "file_unreadable", "could not use file \"%s\" for %s: %s", secret->file, secret->path, refusal);
  }
  return VERDICT_OK;
}

enum verdict config_reload_secrets(struct config *config, bool *ret_changed, struct problem *problem)
{
  struct config_priv *priv = config->priv;
  struct texts fresh = {0}; /* only what has changed goes into the configuration's own pool, which never shrinks */
  const char **texts = texts_array(&fresh, priv->secret_file_count, sizeof(texts[0]));
  enum verdict verdict = VERDICT_OK;
  bool changed = false;

  for (size_t i = 0; i < priv->secret_file_count && verdict == VERDICT_OK; i++) {
    verdict = reload_one(&priv->secret_files[i], &fresh, &texts[i], problem);
  }
  for (size_t i = 0; i < priv->secret_file_count && verdict == VERDICT_OK; i++) {
    if (strcmp(*priv->secret_files[i].member, texts[i]) != 0) {
      *priv->secret_files[i].member = texts_copy(&priv->texts, texts[i], strlen(texts[i]));
      changed = true;
    }
  }
  texts_done(&fresh);
  if (verdict == VERDICT_OK) {
    *ret_changed = changed;
  }
  return verdict;
}
