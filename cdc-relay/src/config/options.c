/* options.c - the rows of options.h as arrays, and how to find one. */
#include "config/options.h"

#include <string.h>

#define X(option_name, option_type, member, option_words, option_preset, option_min, option_max, option_flags, option_doc)                                     \
  {.name = option_name,                                                                                                                                        \
   .type = OPTION_##option_type,                                                                                                                               \
   .offset = offsetof(struct TABLE_OWNER, member),                                                                                                             \
   .words = option_words,                                                                                                                                      \
   .preset = option_preset,                                                                                                                                    \
   .min = option_min,                                                                                                                                          \
   .max = option_max,                                                                                                                                          \
   .flags = option_flags,                                                                                                                                      \
   .doc = option_doc},
#define TABLE_OWNER config
const struct option scalar_options[SCALAR_OPTION_COUNT] = {SCALAR_OPTIONS(X)};
#undef TABLE_OWNER
#define TABLE_OWNER config_outbox
const struct option outbox_options[OUTBOX_OPTION_COUNT] = {OUTBOX_OPTIONS(X)};
#undef TABLE_OWNER
#undef X

static const struct option *find(const struct option *options, size_t count, const char *name, size_t length)
{
  for (size_t i = 0; i < count; i++) {
    if (strlen(options[i].name) == length && memcmp(options[i].name, name, length) == 0) {
      return &options[i];
    }
  }
  return NULL;
}

const struct option *scalar_option_find(const char *name, size_t length)
{
  return find(scalar_options, SCALAR_OPTION_COUNT, name, length);
}

const struct option *outbox_option_find(const char *name, size_t length)
{
  return find(outbox_options, OUTBOX_OPTION_COUNT, name, length);
}

int words_index(const char *words, const char *text)
{
  size_t length = strlen(text);
  int index = 0;

  for (const char *word = words; word != NULL; index++) {
    const char *bar = strchr(word, '|');
    size_t word_length = bar != NULL ? (size_t)(bar - word) : strlen(word);

    if (word_length == length && memcmp(word, text, length) == 0) {
      return index;
    }
    word = bar != NULL ? bar + 1 : NULL;
  }
  return -1;
}

struct word words_at(const char *words, int index)
{
  struct word result = {{0}};
  size_t length;

  for (; index > 0 && strchr(words, '|') != NULL; index--) {
    words = strchr(words, '|') + 1;
  }
  length = strcspn(words, "|");
  memcpy(result.text, words, length < sizeof(result.text) ? length : sizeof(result.text) - 1);
  return result;
}
