/*
 * redrive.c - the rules of redrive.h. A dead letter's headers came over the network: the name of a topic in them is checked before anything is published there.
 */
#include "redrive.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "dead_letter.h"

uint32_t redrive_count(const struct record *letter)
{
  const struct record_header *header = record_find_header(letter, REDRIVE_COUNT);
  uint32_t count = 0;

  if (header == NULL || span_is_null(header->value) || header->value.length > 9) {
    return 0;
  }
  for (size_t i = 0; i < header->value.length; i++) {
    char c = header->value.data[i];

    if (c < '0' || c > '9') {
      return 0;
    }
    count = count * 10 + (uint32_t)(c - '0');
  }
  return count;
}

/* Legal for Kafka, and none that Kafka keeps for itself. */
static bool is_ordinary_topic(const char *name)
{
  size_t length = strlen(name);

  return length >= 1 && length <= DEAD_LETTER_TOPIC_MAX_BYTES && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && strncmp(name, "__", 2) != 0 &&
         strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == length;
}

enum verdict redrive_check_topic(const char *topic, const char *dead_letter_topic, struct problem *problem)
{
  if (topic[0] == '\0') {
    return problem_set(problem, VERDICT_POISON, EXIT_POISON, "no_original_topic", "no header says which topic the dead letter came from");
  }
  if (!is_ordinary_topic(topic) || strcmp(topic, dead_letter_topic) == 0) {
    return problem_set(problem, VERDICT_POISON, EXIT_POISON, "original_topic", "the topic that the dead letter says it came from is none to publish to");
  }
  return VERDICT_OK;
}

size_t redrive_headers(const struct record *letter, struct arena *arena, struct record_header **ret_headers)
{
  struct record_header *restored;
  size_t restored_count = dead_letter_restore(letter, arena, &restored);
  struct record_header *headers = arena_array(arena, restored_count + 2, sizeof(*headers));
  size_t count = 0;
  char place[RECORD_PLACE_SIZE];
  char number[16];

  for (size_t i = 0; i < restored_count; i++) {
    if (strcmp(restored[i].name, REDRIVE_COUNT) != 0 && strcmp(restored[i].name, REDRIVE_OF) != 0) {
      headers[count++] = restored[i];
    }
  }
  (void)snprintf(number, sizeof(number), "%" PRIu32, redrive_count(letter) + 1);
  record_place(letter, place);
  headers[count++] = (struct record_header){.name = REDRIVE_COUNT, .value = arena_copy(arena, span_of_text(number))};
  headers[count++] = (struct record_header){.name = REDRIVE_OF, .value = arena_copy(arena, span_of_text(place))};
  *ret_headers = headers;
  return count;
}
