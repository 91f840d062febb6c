/* names.c - open addressing, at most half full. */
#include "names.h"

#include <stdlib.h>
#include <string.h>

static void *grow(void *block, size_t size)
{
  block = realloc(block, size);
  if (block == NULL) {
    abort();
  }
  return block;
}

/* FNV-1a */
static uint32_t hash(const char *text)
{
  uint32_t value = 2166136261U;

  for (; *text != '\0'; text++) {
    value = (value ^ (unsigned char)*text) * 16777619U;
  }
  return value;
}

static uint32_t *slot_of(const struct names *names, const char *text)
{
  uint32_t at = hash(text) & (names->slot_count - 1);

  while (names->slots[at] != NAME_NONE && strcmp(names_text(names, names->slots[at]), text) != 0) {
    at = (at + 1) & (names->slot_count - 1);
  }
  return &names->slots[at];
}

static void make_room(struct names *names)
{
  if (names->count * 2 < names->slot_count) {
    return;
  }
  names->slot_count = names->slot_count == 0 ? 1024 : names->slot_count * 2;
  names->slots = grow(names->slots, names->slot_count * sizeof(names->slots[0]));
  memset(names->slots, 0xFF, names->slot_count * sizeof(names->slots[0]));
  for (uint32_t i = 0; i < names->count; i++) {
    *slot_of(names, names_text(names, i)) = i;
  }
}

uint32_t names_add(struct names *names, const char *text)
{
  size_t size = strlen(text) + 1;
  uint32_t *slot;

  make_room(names);
  slot = slot_of(names, text);
  if (*slot != NAME_NONE) {
    return *slot;
  }
  if (names->capacity - names->length < size) {
    names->capacity = names->capacity * 2 + size + 4096;
    names->bytes = grow(names->bytes, names->capacity);
  }
  if (names->count == names->room) {
    names->room = names->room * 2 + 1024;
    names->offsets = grow(names->offsets, names->room * sizeof(names->offsets[0]));
  }
  memcpy(names->bytes + names->length, text, size);
  names->offsets[names->count] = names->length;
  names->length += size;
  *slot = names->count;
  return names->count++;
}

const char *names_text(const struct names *names, uint32_t name)
{
  return name == NAME_NONE ? "-" : names->bytes + names->offsets[name];
}

void names_done(struct names *names)
{
  free(names->bytes);
  free(names->offsets);
  free(names->slots);
  *names = (struct names){0};
}
