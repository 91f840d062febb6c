/* decoded.h - what must hold for any change that a decoder gives, whatever bytes it was made of. */
#ifndef FUZZ_DECODED_H
#define FUZZ_DECODED_H

#include "decode/decoder.h"
#include "fuzz.h"

static inline void decoded_name(struct span name)
{
  FUZZ_EXPECT(name.data != NULL && name.data[name.length] == '\0');
  fuzz_touch(name);
}

static inline void decoded_relation(const struct relation *relation)
{
  FUZZ_EXPECT(relation->version != 0 && relation->column_count <= COLUMNS_MAX);
  decoded_name(relation->schema);
  decoded_name(relation->table);
  for (size_t i = 0; i < relation->column_count; i++) {
    decoded_name(relation->columns[i].name);
  }
}

static inline void decoded_values(const struct change *change)
{
  for (size_t i = 0; i < change->relation->column_count; i++) {
    const struct value *value = &change->values[i];

    FUZZ_EXPECT(value->state != VALUE_UNCHANGED || change->kind == CHANGE_UPDATE);
    FUZZ_EXPECT(span_is_null(value->text) == (value->state != VALUE_PRESENT));
    fuzz_touch(value->text);
  }
}

static inline void decoded_expect_sound(const struct change *change)
{
  switch (change->kind) {
  case CHANGE_NONE:
  case CHANGE_BEGIN:
  case CHANGE_COMMIT:
    break;
  case CHANGE_INSERT:
  case CHANGE_UPDATE:
  case CHANGE_DELETE:
    decoded_relation(change->relation);
    FUZZ_EXPECT(change->values != NULL || change->kind == CHANGE_DELETE || change->relation->column_count == 0);
    if (change->values != NULL) {
      decoded_values(change);
    }
    break;
  case CHANGE_TRUNCATE:
    FUZZ_EXPECT(change->truncated_count > 0 && change->truncated[0] == change->relation);
    for (size_t i = 0; i < change->truncated_count; i++) {
      decoded_relation(change->truncated[i]);
    }
    break;
  case CHANGE_MESSAGE:
    FUZZ_EXPECT(!span_is_null(change->prefix) && !span_is_null(change->content));
    fuzz_touch(change->prefix);
    fuzz_touch(change->content);
    break;
  }
}

#endif
