/*
 * kafka_properties.c - the rows of kafka_properties.h, and the judgement on one name and one value. Pure; knows nothing of librdkafka, which checks the rest
 * itself when the publisher builds its own configuration.
 */
#include "config/kafka_properties.h"

#include <string.h>

#include "config/options.h"

#define X(property_name, property_rule, property_argument, property_preset, property_flags, property_doc)                                                      \
  {.name = property_name,                                                                                                                                      \
   .rule = KAFKA_##property_rule,                                                                                                                              \
   .argument = property_argument,                                                                                                                              \
   .preset = property_preset,                                                                                                                                  \
   .flags = property_flags,                                                                                                                                    \
   .doc = property_doc},
const struct kafka_property kafka_properties[KAFKA_PROPERTY_COUNT] = {KAFKA_PROPERTIES(X)};
#undef X

static const char *const allowed_prefixes[] = {
#define X(prefix) prefix,
    KAFKA_ALLOWED_PREFIXES(X)
#undef X
};

static const struct {
  const char *prefix;
  const char *reason;
} refused_prefixes[] = {
#define X(refused_prefix, why) {.prefix = refused_prefix, .reason = why},
    KAFKA_REFUSED_PREFIXES(X)
#undef X
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static bool begins_with(const char *text, const char *prefix)
{
  return strncmp(text, prefix, strlen(prefix)) == 0;
}

const struct kafka_property *kafka_property_find(const char *name, size_t length)
{
  for (size_t i = 0; i < KAFKA_PROPERTY_COUNT; i++) {
    const struct kafka_property *property = &kafka_properties[i];

    if (strlen(property->name) == length && memcmp(property->name, name, length) == 0) {
      return property->rule == KAFKA_ALIAS ? kafka_property_find(property->argument, strlen(property->argument)) : property;
    }
  }
  return NULL;
}

const char *kafka_property_refusal(const struct kafka_property *property, const char *name)
{
  if (property != NULL) {
    return property->rule == KAFKA_REFUSED ? property->doc : NULL;
  }
  for (size_t i = 0; i < COUNT_OF(refused_prefixes); i++) {
    if (begins_with(name, refused_prefixes[i].prefix)) {
      return refused_prefixes[i].reason;
    }
  }
  return NULL;
}

bool kafka_prefix_is_allowed(const char *name)
{
  for (size_t i = 0; i < COUNT_OF(allowed_prefixes); i++) {
    if (begins_with(name, allowed_prefixes[i])) {
      return true;
    }
  }
  return false;
}

const char *kafka_value_refusal(const struct kafka_property *property, const char *value)
{
  if (property == NULL) {
    return NULL;
  }
  if ((property->rule == KAFKA_ONLY && words_index(property->argument, value) < 0) ||
      (property->rule == KAFKA_EXCEPT && words_index(property->argument, value) >= 0)) {
    return property->doc;
  }
  if ((property->flags & KAFKA_SHELL) != 0 && value[strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-/@:")] != '\0') {
    return "librdkafka puts it into a shell command, so it may hold only letters, digits and . _ - / @ :";
  }
  return NULL;
}

bool kafka_property_is_secret(const struct kafka_property *property, const char *name)
{
  static const char *const words[] = {"password", "passphrase", "secret", "private.key", "key.pem", "jaas", "credential", "assertion"};

  if (property != NULL) {
    return (property->flags & KAFKA_SECRET) != 0;
  }
  for (size_t i = 0; i < COUNT_OF(words); i++) {
    if (strstr(name, words[i]) != NULL) {
      return true;
    }
  }
  return false;
}
