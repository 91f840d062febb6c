/*
 * pgoutput.c - reads the plugin pgoutput with proto_version 1, text values, messages on. Streaming, two-phase and binary values are never asked for.
 *
 * Integers are big-endian; a name is bytes and a zero; oid is 4 bytes, lsn 8, time 8 (signed microseconds since 2000-01-01 UTC).
 *
 *   B begin      lsn of the commit record, time, xid(4)
 *   C commit     flags(1) = 0, lsn of the commit record, lsn behind it, time
 *   O origin     lsn, name
 *   R relation   oid, schema name (empty: pg_catalog), table name, replica identity(1), count(2), per column: flags(1), name, type oid, typmod(4)
 *   Y type       oid, schema name, type name
 *   I insert     relation oid, 'N', row
 *   U update     relation oid, ['K' or 'O', old row], 'N', row
 *   D delete     relation oid, 'K' or 'O', old row
 *   T truncate   count(4), flags(1), relation oid each
 *   M message    flags(1): 1 transactional, lsn, prefix name, length(4), content
 *
 *   row          count(2), per column: 'n' null | 'u' unchanged, not sent | 't' length(4), text | 'b' length(4), binary
 *
 * A relation is sent before its first row in a session and again after each change, so a row is read with the relation last sent for its oid.
 * Invariant: values point into the message; a message is read to its last byte, or it is damaged.
 */
#include <endian.h>
#include <stdlib.h>

#include "decode/decoder_priv.h"
#include "decode/relation_store.h"
#include "decode/streamed_mutant.h"
#include "fault_point.h"
#include "moment.h"

struct pgoutput {
  struct decoder decoder;
  struct relation_store relations;
  uint64_t kept_version; /* of the mutant RELATIONS_KEPT alone: up to which version shapes are of an older session */
};

/* What a message is read with; a failed read answers zero, nothing or an empty name, and the message is judged at its end. */
struct reader {
  const char *at;
  const char *end;
  bool has_failed;
};

static size_t left(const struct reader *reader)
{
  return (size_t)(reader->end - reader->at);
}

/* The next `length` bytes, NULL when there are fewer. */
static const char *read_bytes(struct reader *reader, size_t length)
{
  const char *bytes = reader->at;

  if (reader->has_failed || length > left(reader)) {
    reader->has_failed = true;
    return NULL;
  }
  reader->at += length;
  return bytes;
}

/* The bytes of the next integer as they come, into `integer`, which stays as it is (zero) when there are too few. */
static inline void read_integer(struct reader *reader, void *integer, size_t size)
{
  const char *bytes = read_bytes(reader, size);

  if (bytes != NULL) {
    memcpy(integer, bytes, size);
  }
}

static uint8_t read_u8(struct reader *reader)
{
  uint8_t integer = 0;

  read_integer(reader, &integer, sizeof(integer));
  return integer;
}

static uint16_t read_u16(struct reader *reader)
{
  uint16_t integer = 0;

  read_integer(reader, &integer, sizeof(integer));
  return be16toh(integer);
}

static uint32_t read_u32(struct reader *reader)
{
  uint32_t integer = 0;

  read_integer(reader, &integer, sizeof(integer));
  return be32toh(integer);
}

static uint64_t read_u64(struct reader *reader)
{
  uint64_t integer = 0;

  read_integer(reader, &integer, sizeof(integer));
  return be64toh(integer);
}

static struct span read_name(struct reader *reader)
{
  const char *zero = reader->has_failed ? NULL : memchr(reader->at, '\0', left(reader));
  struct span name;

  if (zero == NULL) {
    reader->has_failed = true;
    return span_of("", 0);
  }
  name = span_of(reader->at, (size_t)(zero - reader->at));
  reader->at = zero + 1;
  return name;
}

static int64_t read_time(struct reader *reader)
{
  int64_t time_us = (int64_t)read_u64(reader);

  if (__builtin_add_overflow(time_us, PG_EPOCH_US, &time_us)) {
    reader->has_failed = true;
    return 0;
  }
  return time_us;
}

/* What every reading function below is handed. */
struct message {
  struct pgoutput *pgoutput;
  struct reader reader;
  struct arena *arena;
  struct problem *problem;
};

#define DAMAGED(message, ...) problem_set((message)->problem, VERDICT_RETRY, EXIT_UNEXPECTED, "damaged_message", "damaged pgoutput message: " __VA_ARGS__)

static enum verdict read_begin(struct message *message, struct change *change)
{
  change->kind = CHANGE_BEGIN;
  change->commit_lsn = read_u64(&message->reader);
  change->commit_time_us = read_time(&message->reader);
  change->xid = read_u32(&message->reader);
  return VERDICT_OK;
}

static enum verdict read_commit(struct message *message, struct change *change)
{
  uint8_t flags = read_u8(&message->reader);

  if (flags != 0) {
    return DAMAGED(message, "commit has unknown flags 0x%02x", flags);
  }
  change->kind = CHANGE_COMMIT;
  change->commit_lsn = read_u64(&message->reader);
  change->end_lsn = read_u64(&message->reader);
  change->commit_time_us = read_time(&message->reader);
  return VERDICT_OK;
}

static enum verdict read_origin(struct message *message, struct change *change)
{
  change->kind = CHANGE_NONE;
  read_u64(&message->reader);
  read_name(&message->reader);
  return VERDICT_OK;
}

static enum verdict read_type(struct message *message, struct change *change)
{
  change->kind = CHANGE_NONE;
  read_u32(&message->reader);
  read_name(&message->reader);
  read_name(&message->reader);
  return VERDICT_OK;
}

static bool is_kept(const struct pgoutput *pgoutput, uint32_t id)
{
  const struct relation *known = relation_store_find(&pgoutput->relations, id);

  return known != NULL && known->version <= pgoutput->kept_version;
}

static enum verdict read_relation(struct message *message, struct change *change)
{
  struct reader *reader = &message->reader;
  uint32_t id = read_u32(reader);
  struct relation shape = {.schema = read_name(reader)};
  struct column *columns;

  shape.table = read_name(reader);
  read_u8(reader);
  shape.column_count = read_u16(reader);
  if (shape.schema.length == 0) {
    shape.schema = span_of_text("pg_catalog");
  }
  if (shape.column_count > COLUMNS_MAX) {
    return DAMAGED(message, "relation %u has %zu columns", id, shape.column_count);
  }
  columns = arena_array(message->arena, shape.column_count, sizeof(*columns));
  for (size_t i = 0; i < shape.column_count; i++) {
    read_u8(reader);
    columns[i].name = read_name(reader);
    columns[i].type_oid = read_u32(reader);
    read_u32(reader);
  }
  shape.columns = columns;
  if (reader->has_failed || left(reader) != 0) {
    return VERDICT_OK; /* judged by the caller; nothing of a damaged relation is kept */
  }
  if (MUTANT(RELATIONS_KEPT) && is_kept(message->pgoutput, id)) {
    return VERDICT_OK;
  }
  if (relation_store_intern(&message->pgoutput->relations, id, &shape) == NULL) {
    return problem_set(message->problem, VERDICT_RETRY, EXIT_UNEXPECTED, "relation_limit",
                       "too many different relations in one session: \"%.*s.%.*s\" would exceed %d bytes", (int)shape.schema.length, shape.schema.data,
                       (int)shape.table.length, shape.table.data, RELATIONS_MAX_BYTES);
  }
  change->kind = CHANGE_NONE;
  return VERDICT_OK;
}

static enum verdict read_known_relation(struct message *message, const char *what, const struct relation **ret_relation)
{
  uint32_t id = read_u32(&message->reader);
  const struct relation *relation = relation_store_find(&message->pgoutput->relations, id);

  if (message->reader.has_failed) {
    return DAMAGED(message, "%s is cut short", what);
  }
  if (relation == NULL) {
    return DAMAGED(message, "%s of unknown relation %u", what, id);
  }
  *ret_relation = relation;
  return VERDICT_OK;
}

/* From PostgreSQL's output form to the canonical one (change.h). False: not what its type prints. */
static bool canonical(uint32_t type_oid, struct span *text)
{
  if (type_oid == PG_BOOL) {
    if (text->length != 1 || (text->data[0] != 't' && text->data[0] != 'f')) {
      return false;
    }
    *text = text->data[0] == 't' ? span_of("true", 4) : span_of("false", 5);
  } else if (type_oid == PG_BYTEA) {
    if (text->length < 2 || text->data[0] != '\\' || text->data[1] != 'x') {
      return false;
    }
    *text = span_of(text->data + 2, text->length - 2);
  }
  return true;
}

static enum verdict read_value(struct message *message, const struct column *column, struct value *value)
{
  struct reader *reader = &message->reader;
  uint8_t kind = read_u8(reader);
  size_t length;

  *value = (struct value){.state = VALUE_NULL};
  switch (kind) {
  case 'n':
    return VERDICT_OK;
  case 'u':
    value->state = VALUE_UNCHANGED;
    return VERDICT_OK;
  case 't':
    value->state = VALUE_PRESENT;
    length = read_u32(reader);
    value->text = span_of(read_bytes(reader, length), length);
    if (!reader->has_failed && !canonical(column->type_oid, &value->text)) {
      return DAMAGED(message, "value of column \"%s\" is not in the text form of its type %u", column->name.data, column->type_oid);
    }
    return VERDICT_OK;
  case 'b':
    return DAMAGED(message, "value of column \"%s\" is in binary form, text was asked for", column->name.data);
  default:
    return reader->has_failed ? VERDICT_OK : DAMAGED(message, "value of column \"%s\" is of unknown kind 0x%02x", column->name.data, kind);
  }
}

static enum verdict read_row(struct message *message, const struct relation *relation, bool may_be_unchanged, const struct value **ret_values)
{
  size_t count = read_u16(&message->reader);
  struct value *values;

  if (count != relation->column_count) {
    return DAMAGED(message, "row of \"%s.%s\" has %zu values for %zu columns", relation->schema.data, relation->table.data, count, relation->column_count);
  }
  values = arena_array(message->arena, count, sizeof(*values));
  for (size_t i = 0; i < count && !message->reader.has_failed; i++) {
    enum verdict verdict = read_value(message, &relation->columns[i], &values[i]);

    if (verdict != VERDICT_OK) {
      return verdict;
    }
    if (values[i].state == VALUE_UNCHANGED && !may_be_unchanged) {
      return DAMAGED(message, "value of column \"%s\" is left out", relation->columns[i].name.data);
    }
  }
  *ret_values = values;
  return VERDICT_OK;
}

static enum verdict read_insert(struct message *message, struct change *change)
{
  enum verdict verdict = read_known_relation(message, "insert", &change->relation);

  if (verdict != VERDICT_OK) {
    return verdict;
  }
  if (read_u8(&message->reader) != 'N') {
    return DAMAGED(message, "insert without a new row");
  }
  change->kind = CHANGE_INSERT;
  return read_row(message, change->relation, false, &change->values);
}

static enum verdict read_update(struct message *message, struct change *change)
{
  enum verdict verdict = read_known_relation(message, "update", &change->relation);
  uint8_t which;

  if (verdict != VERDICT_OK) {
    return verdict;
  }
  change->kind = CHANGE_UPDATE;
  which = read_u8(&message->reader);
  if (which == 'K' || which == 'O') {
    const struct value *old_values;

    verdict = read_row(message, change->relation, true, &old_values);
    if (verdict != VERDICT_OK) {
      return verdict;
    }
    which = read_u8(&message->reader);
  }
  if (which != 'N') {
    return DAMAGED(message, "update without a new row");
  }
  return read_row(message, change->relation, true, &change->values);
}

static enum verdict read_delete(struct message *message, struct change *change)
{
  enum verdict verdict = read_known_relation(message, "delete", &change->relation);
  uint8_t which;

  if (verdict != VERDICT_OK) {
    return verdict;
  }
  which = read_u8(&message->reader);
  if (which != 'K' && which != 'O') {
    return DAMAGED(message, "delete without an old row");
  }
  change->kind = CHANGE_DELETE;
  return read_row(message, change->relation, false, &change->values);
}

static enum verdict read_truncate(struct message *message, struct change *change)
{
  size_t count = read_u32(&message->reader);
  const struct relation **truncated;

  read_u8(&message->reader);
  if (count == 0 || count > left(&message->reader) / 4) {
    return DAMAGED(message, "truncate of %zu relations", count);
  }
  truncated = arena_array(message->arena, count, sizeof(struct relation *));
  for (size_t i = 0; i < count; i++) {
    enum verdict verdict = read_known_relation(message, "truncate", &truncated[i]);

    if (verdict != VERDICT_OK) {
      return verdict;
    }
  }
  change->kind = CHANGE_TRUNCATE;
  change->relation = truncated[0];
  change->truncated = truncated;
  change->truncated_count = count;
  return VERDICT_OK;
}

static enum verdict read_message(struct message *message, struct change *change)
{
  uint8_t flags = read_u8(&message->reader);
  size_t length;

  if (flags > 1) {
    return DAMAGED(message, "message has unknown flags 0x%02x", flags);
  }
  change->kind = CHANGE_MESSAGE;
  change->transactional = flags == 1;
  read_u64(&message->reader);
  change->prefix = read_name(&message->reader);
  length = read_u32(&message->reader);
  change->content = span_of(read_bytes(&message->reader, length), length);
  return VERDICT_OK;
}

static const struct {
  char type;
  const char *name;
  enum verdict (*read)(struct message *message, struct change *change);
} message_types[] = {
    {'I', "insert", read_insert}, {'B', "begin", read_begin},       {'C', "commit", read_commit},   {'R', "relation", read_relation},
    {'U', "update", read_update}, {'D', "delete", read_delete},     {'M', "message", read_message}, {'Y', "type", read_type},
    {'O', "origin", read_origin}, {'T', "truncate", read_truncate},
};

static enum verdict pgoutput_read(struct decoder *decoder, struct span body, struct arena *arena, struct change *ret_change, struct problem *problem)
{
  struct message message = {.pgoutput = (struct pgoutput *)decoder, .arena = arena, .problem = problem};
  struct change change = {.kind = CHANGE_NONE};

  if (body.length == 0) {
    return DAMAGED(&message, "empty");
  }
  if (MUTANT(ROLLED_BACK_KEPT) && streamed_mutant_read(&body, ret_change)) {
    return VERDICT_OK;
  }
  message.reader = (struct reader){.at = body.data + 1, .end = body.data + body.length};
  for (size_t i = 0; i < sizeof(message_types) / sizeof(message_types[0]); i++) {
    enum verdict verdict;

    if (message_types[i].type != body.data[0]) {
      continue;
    }
    verdict = message_types[i].read(&message, &change);
    if (verdict != VERDICT_OK) {
      return verdict;
    }
    if (message.reader.has_failed) {
      return DAMAGED(&message, "%s of %zu bytes is cut short or has a value out of range", message_types[i].name, body.length);
    }
    if (left(&message.reader) != 0) {
      return DAMAGED(&message, "%s has %zu bytes behind its end", message_types[i].name, left(&message.reader));
    }
    *ret_change = change;
    return VERDICT_OK;
  }
  return DAMAGED(&message, "unknown type 0x%02x", (unsigned char)body.data[0]);
}

static void pgoutput_reset(struct decoder *decoder)
{
  struct pgoutput *pgoutput = (struct pgoutput *)decoder;

  if (MUTANT(RELATIONS_KEPT)) {
    pgoutput->kept_version = pgoutput->relations.last_version;
    return;
  }
  relation_store_reset(&pgoutput->relations);
}

static void pgoutput_free(struct decoder *decoder)
{
  pgoutput_reset(decoder);
  free(decoder);
}

static const struct decoder_ops pgoutput_ops = {.read = pgoutput_read, .reset = pgoutput_reset, .free = pgoutput_free};

struct decoder *pgoutput_new(void)
{
  struct pgoutput *pgoutput = malloc(sizeof(*pgoutput));

  if (pgoutput == NULL) {
    abort();
  }
  pgoutput->decoder.ops = &pgoutput_ops;
  relation_store_init(&pgoutput->relations);
  pgoutput->kept_version = 0;
  return &pgoutput->decoder;
}
