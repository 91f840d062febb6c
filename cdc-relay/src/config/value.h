/*
 * value.h - one setting to one typed value. Each function adds what is wrong to the settings' problems and returns false; *ret_ is then untouched.
 * A text is converted by the option's type wherever it comes from, so that "true" in a pasted block of Debezium's is as good as true.
 */
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include "config/setting.h"

/* Not empty, checked, the pool's; read from its file where it says so. */
bool value_text(struct settings *settings, const struct setting *setting, const char **ret_text);
/* The same for a Kafka property: numbers and booleans become texts, an empty text is allowed. */
bool value_property(struct settings *settings, const struct setting *setting, const char **ret_text);
bool value_integer(struct settings *settings, const struct setting *setting, int64_t *ret_value);
bool value_boolean(struct settings *settings, const struct setting *setting, bool *ret_value);
/* The index of the word. */
bool value_word(struct settings *settings, const struct setting *setting, unsigned *ret_index);
/* A list of texts: a JSON list, the text of one, or texts separated by commas. At least one, at most `max`; the pool's. */
bool value_list(struct settings *settings, const struct setting *setting, size_t max, const char *const **ret_items, size_t *ret_count);
/* An object of texts: a JSON object, or the text of one. At most `max` members, in their order; the pool's. */
bool value_object(struct settings *settings, const struct setting *setting, size_t max, const struct config_header **ret_items, size_t *ret_count);

/* Writes the value of a text, integer, boolean or word to its member of `base`. */
bool value_store(struct settings *settings, const struct setting *setting, void *base);
/* The same for the preset; presets are always right. */
void value_store_preset(const struct option *option, void *base);

#endif
