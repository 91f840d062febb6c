/*
 * source_environment.c - variables whose name begins with CDC_RELAY_.
 *
 *   CDC_RELAY_POSTGRES_URL            postgres.url
 *   CDC_RELAY_POSTGRES_URL_FILE       postgres.url, read from a file; so with every name
 *   CDC_RELAY_KAFKA_SASL_USERNAME     kafka.sasl.username: `.` and `_` look the same here, so the name is sought among those known to this version
 *   CDC_RELAY_OUTBOX_0_TABLE          outbox[0].table
 *   CDC_RELAY_SERVICE_HOST and so on  nothing: Kubernetes sets them in every pod beside a Service called cdc-relay
 *
 * A value is never quoted in a message.
 */
#include <stdio.h>
#include <string.h>

#include "config/nearest.h"
#include "config/sources.h"

static const char prefix[] = "CDC_RELAY_";

enum { VARIABLE_MAX_BYTES = 256 };

/* Whether `variable` is the environment's spelling of `name`, itself (0) or with _FILE behind (1); else -1. */
static int spells(const char *variable, const char *name)
{
  char spelled[VARIABLE_MAX_BYTES];
  size_t length;

  environment_name(name, spelled, sizeof(spelled));
  length = strlen(spelled);
  if (strncmp(variable, spelled, length) != 0) {
    return -1;
  }
  if (variable[length] == '\0') {
    return 0;
  }
  return strcmp(variable + length, "_FILE") == 0 ? 1 : -1;
}

/* --- what Kubernetes sets --- */

static size_t digits(const char *text)
{
  return strspn(text, "0123456789");
}

/* Behind `_PORT_`: `<n>_TCP`, and perhaps `_PROTO`, `_PORT`, `_ADDR`. */
static bool is_port_shape(const char *text)
{
  static const char *const protocols[] = {"_TCP", "_UDP", "_SCTP"};
  static const char *const parts[] = {"", "_PROTO", "_PORT", "_ADDR"};
  size_t number = digits(text);

  for (size_t i = 0; number > 0 && i < sizeof(protocols) / sizeof(protocols[0]); i++) {
    size_t length = strlen(protocols[i]);

    for (size_t j = 0; strncmp(text + number, protocols[i], length) == 0 && j < sizeof(parts) / sizeof(parts[0]); j++) {
      if (strcmp(text + number + length, parts[j]) == 0) {
        return true;
      }
    }
  }
  return false;
}

/* `variable` without CDC_RELAY_. A bare `.._PORT` counts only with Kubernetes' kind of value, since a person may well write it by mistake. */
static bool is_of_kubernetes(const char *variable, const char *value)
{
  char name[VARIABLE_MAX_BYTES];
  const char *service_port;

  if (snprintf(name, sizeof(name), "_%s", variable) >= (int)sizeof(name)) {
    return false;
  }
  if (span_ends_with(span_of_text(name), "_SERVICE_HOST") || span_ends_with(span_of_text(name), "_SERVICE_PORT")) {
    return true;
  }
  service_port = strstr(name, "_SERVICE_PORT_");
  if (service_port != NULL && service_port[strlen("_SERVICE_PORT_")] != '\0') {
    return true;
  }
  if (span_ends_with(span_of_text(name), "_PORT") &&
      (strncmp(value, "tcp://", 6) == 0 || strncmp(value, "udp://", 6) == 0 || strncmp(value, "sctp://", 7) == 0)) {
    return true;
  }
  for (const char *port = strstr(name, "_PORT_"); port != NULL; port = strstr(port + 1, "_PORT_")) {
    if (is_port_shape(port + strlen("_PORT_"))) {
      return true;
    }
  }
  return false;
}

/* --- which option --- */

static bool put_scalar(struct settings *settings, const char *variable, struct origin origin, struct raw_value value)
{
  for (size_t i = 0; i < SCALAR_OPTION_COUNT; i++) {
    int with_file = spells(variable, scalar_options[i].name);

    if (with_file >= 0) {
      settings_put(settings, SECTION_SCALAR, 0, texts_format(settings->texts, "%s%s", scalar_options[i].name, with_file ? "_file" : ""), origin, value);
      return true;
    }
  }
  return false;
}

static bool put_kafka(struct settings *settings, const char *variable, struct origin origin, struct raw_value value)
{
  for (size_t i = 0; i < KAFKA_PROPERTY_COUNT; i++) {
    int with_file = spells(variable, kafka_properties[i].name);

    if (with_file >= 0) {
      settings_put(settings, SECTION_KAFKA, 0, texts_format(settings->texts, "%s%s", kafka_properties[i].name, with_file ? "_file" : ""), origin, value);
      return true;
    }
  }
  return false;
}

static bool put_outbox(struct settings *settings, size_t entry, const char *variable, struct origin origin, struct raw_value value)
{
  for (size_t i = 0; i < OUTBOX_OPTION_COUNT; i++) {
    int with_file = spells(variable, outbox_options[i].name);

    if (with_file >= 0) {
      settings_put(settings, SECTION_OUTBOX, entry, texts_format(settings->texts, "%s%s", outbox_options[i].name, with_file ? "_file" : ""), origin, value);
      return true;
    }
  }
  return false;
}

static void offer(struct nearest *nearest, const char *section, const char *name)
{
  char path[VARIABLE_MAX_BYTES], candidate[VARIABLE_MAX_BYTES];

  (void)snprintf(path, sizeof(path), "%s%s%s", prefix, section, name);
  environment_name(path, candidate, sizeof(candidate));
  nearest_offer(nearest, candidate);
  if (span_ends_with(span_of_text(nearest->wanted), "_FILE")) {
    (void)strncat(candidate, "_FILE", sizeof(candidate) - strlen(candidate) - 1);
    nearest_offer(nearest, candidate);
  }
}

static void unknown_variable(struct settings *settings, const char *variable)
{
  struct nearest nearest = {.wanted = variable};
  char section[32] = "OUTBOX_0_";
  const char *number = variable + strlen(prefix) + strlen("OUTBOX_");

  if (settings->problems->count >= PROBLEM_LIST_MAX) {
    problem_list_add(settings->problems, "", "unknown variable");
    return;
  }
  if (strncmp(variable + strlen(prefix), "OUTBOX_", strlen("OUTBOX_")) == 0 && digits(number) > 0 && digits(number) < 4) {
    (void)snprintf(section, sizeof(section), "OUTBOX_%.*s_", (int)digits(number), number);
  }
  for (size_t i = 0; i < SCALAR_OPTION_COUNT; i++) {
    offer(&nearest, "", scalar_options[i].name);
  }
  for (size_t i = 0; i < OUTBOX_OPTION_COUNT; i++) {
    if (outbox_options[i].type != OPTION_REFUSED) {
      offer(&nearest, section, outbox_options[i].name);
    }
  }
  for (size_t i = 0; i < KAFKA_PROPERTY_COUNT; i++) {
    if (kafka_properties[i].rule != KAFKA_REFUSED) {
      offer(&nearest, "KAFKA_", kafka_properties[i].name);
    }
  }
  problem_list_add(settings->problems, variable, "unknown variable, the nearest known one is %s (environment)", nearest.text);
}

/* False: nothing fits. */
static bool put(struct settings *settings, const char *variable, struct origin origin, struct raw_value value)
{
  const char *name = variable + strlen(prefix);
  size_t entry = 0, number;

  if (put_scalar(settings, name, origin, value)) {
    return true;
  }
  if (strncmp(name, "KAFKA_", strlen("KAFKA_")) == 0) {
    return put_kafka(settings, name + strlen("KAFKA_"), origin, value);
  }
  if (strncmp(name, "OUTBOX_", strlen("OUTBOX_")) != 0) {
    return false;
  }
  name += strlen("OUTBOX_");
  number = digits(name);
  if (number == 0 || number > 3 || name[number] != '_') {
    return false;
  }
  for (size_t i = 0; i < number; i++) {
    entry = entry * 10 + (size_t)(name[i] - '0');
  }
  if (entry >= CONFIG_OUTBOX_MAX) {
    problem_list_add(settings->problems, variable, "outbox entries are numbered from 0 to %d (environment)", CONFIG_OUTBOX_MAX - 1);
    return true;
  }
  return put_outbox(settings, entry, name + number + 1, origin, value);
}

void source_environment_read(struct settings *settings, const char *const *environment)
{
  for (; environment != NULL && *environment != NULL; environment++) {
    const char *equals = strchr(*environment, '=');
    struct origin origin = {.rank = RANK_ENVIRONMENT};
    const char *variable;

    if (equals == NULL || strncmp(*environment, prefix, strlen(prefix)) != 0 || strncmp(*environment, "CDC_RELAY_CONFIG=", strlen("CDC_RELAY_CONFIG=")) == 0) {
      continue; /* the last one names the file, and was read by main.c */
    }
    variable = texts_copy(settings->texts, *environment, (size_t)(equals - *environment));
    origin.text = texts_format(settings->texts, "environment %s", variable);
    if (!put(settings, variable, origin, (struct raw_value){.text = equals + 1}) && !is_of_kubernetes(variable + strlen(prefix), equals + 1)) {
      unknown_variable(settings, variable);
    }
  }
}
