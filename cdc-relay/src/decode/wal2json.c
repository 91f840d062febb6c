/*
 * wal2json.c - reads the plugin wal2json, format-version 2, with xids, timestamps, LSNs and type OIDs. One line of JSON per message:
 *
 *   action  what       members besides "action" (those in parentheses are not read)
 *   B       begin      xid, timestamp, lsn (of the commit record), (nextlsn)
 *   C       commit     (xid), timestamp, lsn, nextlsn (behind the commit record)
 *   I U     new row    (xid, timestamp, lsn), schema, table, columns, (identity)
 *   D       old row    (xid, timestamp, lsn), schema, table, identity (may be missing)
 *   T       truncate   (xid, timestamp, lsn), schema, table: a line for each table
 *   M       message    (xid, timestamp: null when not transactional; lsn), transactional, prefix, content
 *
 * Columns and identity are arrays that wal2json_row.c reads.
 *
 * Members may come in any order and unknown ones are skipped, so that a later version of the plugin may say more. No relation is ever announced: the shape of a row is
 * read off the row, and compared where it lies with the shapes met so far. What the plugin leaves out, nobody can tell:
 *
 *   an unchanged toasted value in an update    its column is missing: another shape
 *   a delete's columns beyond its key          missing as well
 *   the columns of a truncated table           a relation without columns
 *   NaN and infinity of a number               null
 *
 * Invariant: a value points into the line, or into the arena when it had escapes.
 */
#include <stdlib.h>

#include "decode/decoder_priv.h"
#include "decode/json_scanner.h"
#include "decode/relation_store.h"
#include "decode/timestamp.h"
#include "decode/wal2json_priv.h"
#include "fnv1a.h"

enum { TIME_TEXT_MAX = 40 }; /* the longest that PostgreSQL prints; a longer one is read again */

struct wal2json {
  struct decoder decoder;
  struct relation_store relations;
  const struct relation *last; /* of the row before; mostly also of the next */
  struct wal2json_row columns;
  struct wal2json_row identity;

  /* The time that was read last, as it was written: a commit repeats that of its begin. */
  char time_text[TIME_TEXT_MAX];
  size_t time_length; /* 0: none was */
  int64_t time_us;
};

/* Members of a line that are read. */
enum member {
  MEMBER_ACTION,
  MEMBER_XID,
  MEMBER_TIMESTAMP,
  MEMBER_LSN,
  MEMBER_NEXTLSN,
  MEMBER_SCHEMA,
  MEMBER_TABLE,
  MEMBER_COLUMNS,
  MEMBER_IDENTITY,
  MEMBER_TRANSACTIONAL,
  MEMBER_PREFIX,
  MEMBER_CONTENT,
  MEMBER_COUNT,
};

#define NAMED(lead, name)                                                                                                                                      \
  {                                                                                                                                                            \
    LITERAL(name), LITERAL(lead "\"" name "\":")                                                                                                               \
  }

static const struct {
  struct span name;
  struct span head; /* what the plugin writes before the value; "action" is the first */
} members[MEMBER_COUNT] = {
    [MEMBER_ACTION] = NAMED("{", "action"),       [MEMBER_XID] = NAMED(",", "xid"),
    [MEMBER_TIMESTAMP] = NAMED(",", "timestamp"), [MEMBER_LSN] = NAMED(",", "lsn"),
    [MEMBER_NEXTLSN] = NAMED(",", "nextlsn"),     [MEMBER_SCHEMA] = NAMED(",", "schema"),
    [MEMBER_TABLE] = NAMED(",", "table"),         [MEMBER_COLUMNS] = NAMED(",", "columns"),
    [MEMBER_IDENTITY] = NAMED(",", "identity"),   [MEMBER_TRANSACTIONAL] = NAMED(",", "transactional"),
    [MEMBER_PREFIX] = NAMED(",", "prefix"),       [MEMBER_CONTENT] = NAMED(",", "content"),
};

/* What the functions below are handed. */
struct line {
  struct wal2json *wal2json;
  struct json_scanner scanner;
  struct arena *arena;
  struct problem *problem;
  unsigned seen; /* a bit per member */
  struct json_value values[MEMBER_COUNT];
};

#define DAMAGED(line, ...) problem_set((line)->problem, VERDICT_RETRY, EXIT_UNEXPECTED, "damaged_message", "damaged wal2json message: " __VA_ARGS__)

/* The next member, whatever its name. False: none, or the scanner has failed. */
static bool next_any_member(struct json_scanner *scanner, enum member *ret_member)
{
  struct json_value name;
  enum member member = 0;

  if (!json_object_next(scanner, &name)) {
    return false;
  }
  while (member < MEMBER_COUNT && !wal2json_is_named(&name, members[member].name)) {
    member++;
  }
  *ret_member = member; /* MEMBER_COUNT: one that is not read */
  return true;
}

static bool first_member(struct json_scanner *scanner, enum member *ret_member)
{
  if (json_pass(scanner, members[MEMBER_ACTION].head)) {
    *ret_member = MEMBER_ACTION;
    return true;
  }
  json_object_begin(scanner);
  return next_any_member(scanner, ret_member);
}

/* A value was read. The plugin writes the members in the order of the enum; only begin and commit have "nextlsn", so one may be left out. */
static bool next_member(struct json_scanner *scanner, enum member expected, enum member *ret_member)
{
  for (enum member member = expected; member < MEMBER_COUNT && member <= expected + 1; member++) {
    if (json_pass(scanner, members[member].head)) {
      *ret_member = member;
      return true;
    }
  }
  return next_any_member(scanner, ret_member);
}

/* Takes the line apart; no member is judged yet. */
static enum verdict read_members(struct line *line)
{
  struct json_scanner *scanner = &line->scanner;
  struct json_value skipped;
  enum member member;

  for (bool has_next = first_member(scanner, &member); has_next; has_next = next_member(scanner, member + 1, &member)) {
    if (member == MEMBER_COUNT) {
      json_read(scanner, &skipped);
      continue;
    }
    if ((line->seen & 1U << member) != 0) {
      return DAMAGED(line, "\"%s\" comes twice", members[member].name.data);
    }
    line->seen |= 1U << member;
    if (member == MEMBER_COLUMNS || member == MEMBER_IDENTITY) {
      struct wal2json_row *row = member == MEMBER_COLUMNS ? &line->wal2json->columns : &line->wal2json->identity;

      if (!wal2json_read_row(scanner, line->arena, row)) {
        return DAMAGED(line, "column %zu of \"%s\" cannot be read", row->count + 1, members[member].name.data);
      }
    } else {
      json_read(scanner, &line->values[member]);
    }
  }
  if (!json_finish(scanner)) {
    return DAMAGED(line, "no whole JSON object");
  }
  return VERDICT_OK;
}

static enum verdict text_of(struct line *line, enum member member, struct span *ret_text)
{
  if (!json_unescape(line->values[member], line->arena, ret_text)) {
    return DAMAGED(line, "\"%s\" is no text", members[member].name.data);
  }
  return VERDICT_OK;
}

static enum verdict lsn_of(struct line *line, enum member member, Lsn *ret_lsn)
{
  struct span text;

  if (!json_unescape(line->values[member], line->arena, &text) || lsn_parse(text.data, text.length, ret_lsn) != VERDICT_OK) {
    return DAMAGED(line, "\"%s\" is no position", members[member].name.data);
  }
  return VERDICT_OK;
}

static enum verdict time_of(struct line *line, int64_t *ret_us)
{
  struct wal2json *wal2json = line->wal2json;
  struct span text;

  if (!json_unescape(line->values[MEMBER_TIMESTAMP], line->arena, &text)) {
    return DAMAGED(line, "\"timestamp\" is no time");
  }
  if (wal2json->time_length == 0 || !span_equals(text, span_of(wal2json->time_text, wal2json->time_length))) {
    if (!timestamp_parse(text, &wal2json->time_us)) {
      return DAMAGED(line, "\"timestamp\" is no time");
    }
    wal2json->time_length = text.length <= TIME_TEXT_MAX ? text.length : 0;
    memcpy(wal2json->time_text, text.data, wal2json->time_length);
  }
  *ret_us = wal2json->time_us;
  return VERDICT_OK;
}

/* Of both names; a collision costs a comparison. */
static uint64_t key_of(const struct relation *shape)
{
  return fnv1a_64_more(fnv1a_64(shape->schema), shape->table);
}

/* The relation of the table that the line names, with these columns. */
static enum verdict relation_of(struct line *line, const struct column *columns, size_t count, const struct relation **ret_relation)
{
  struct wal2json *wal2json = line->wal2json;
  struct relation shape = {.columns = columns, .column_count = count};
  enum verdict verdict = text_of(line, MEMBER_SCHEMA, &shape.schema);

  if (verdict == VERDICT_OK) {
    verdict = text_of(line, MEMBER_TABLE, &shape.table);
  }
  if (verdict != VERDICT_OK) {
    return verdict;
  }
  if (wal2json->last == NULL || !relation_is_same_shape(wal2json->last, &shape)) {
    const struct relation *relation = relation_store_intern(&wal2json->relations, key_of(&shape), &shape);

    if (relation == NULL) {
      return problem_set(line->problem, VERDICT_RETRY, EXIT_UNEXPECTED, "relation_limit",
                         "too many different relations in one session: \"%.*s.%.*s\" would exceed %d bytes", (int)shape.schema.length, shape.schema.data,
                         (int)shape.table.length, shape.table.data, RELATIONS_MAX_BYTES);
    }
    wal2json->last = relation;
  }
  *ret_relation = wal2json->last;
  return VERDICT_OK;
}

static enum verdict fill_row(struct line *line, const struct wal2json_row *row, struct change *change)
{
  struct value *values;
  enum verdict verdict = relation_of(line, row->columns, row->count, &change->relation);

  if (verdict != VERDICT_OK) {
    return verdict;
  }
  values = arena_array(line->arena, row->count, sizeof(*values));
  memcpy(values, row->values, row->count * sizeof(*values));
  change->values = values;
  return VERDICT_OK;
}

static enum verdict fill_begin(struct line *line, struct change *change)
{
  int64_t xid;
  enum verdict verdict = lsn_of(line, MEMBER_LSN, &change->commit_lsn);

  if (verdict != VERDICT_OK) {
    return verdict;
  }
  if (!wal2json_read_integer(line->values[MEMBER_XID], 0, UINT32_MAX, &xid)) {
    return DAMAGED(line, "\"xid\" is no transaction id");
  }
  change->xid = (uint32_t)xid;
  return time_of(line, &change->commit_time_us);
}

static enum verdict fill_commit(struct line *line, struct change *change)
{
  enum verdict verdict = lsn_of(line, MEMBER_LSN, &change->commit_lsn);

  if (verdict == VERDICT_OK) {
    verdict = lsn_of(line, MEMBER_NEXTLSN, &change->end_lsn);
  }
  return verdict == VERDICT_OK ? time_of(line, &change->commit_time_us) : verdict;
}

static enum verdict fill_new_row(struct line *line, struct change *change)
{
  return fill_row(line, &line->wal2json->columns, change);
}

static enum verdict fill_old_row(struct line *line, struct change *change)
{
  if ((line->seen & 1U << MEMBER_IDENTITY) == 0) {
    return relation_of(line, NULL, 0, &change->relation);
  }
  return fill_row(line, &line->wal2json->identity, change);
}

static enum verdict fill_truncate(struct line *line, struct change *change)
{
  const struct relation **truncated = arena_array(line->arena, 1, sizeof(struct relation *));
  enum verdict verdict = relation_of(line, NULL, 0, truncated);

  if (verdict == VERDICT_OK) {
    change->relation = truncated[0];
    change->truncated = truncated;
    change->truncated_count = 1;
  }
  return verdict;
}

static enum verdict fill_message(struct line *line, struct change *change)
{
  enum json_kind transactional = line->values[MEMBER_TRANSACTIONAL].kind;
  enum verdict verdict = text_of(line, MEMBER_PREFIX, &change->prefix);

  if (verdict != VERDICT_OK) {
    return verdict;
  }
  if (transactional != JSON_KIND_TRUE && transactional != JSON_KIND_FALSE) {
    return DAMAGED(line, "\"transactional\" is neither true nor false");
  }
  change->transactional = transactional == JSON_KIND_TRUE;
  return text_of(line, MEMBER_CONTENT, &change->content);
}

#define BIT(member) (1U << MEMBER_##member)

static const struct {
  char letter;
  enum change_kind kind;
  unsigned needs; /* members, as bits */
  enum verdict (*fill)(struct line *line, struct change *change);
} actions[] = {
    {'I', CHANGE_INSERT, BIT(SCHEMA) | BIT(TABLE) | BIT(COLUMNS), fill_new_row},
    {'B', CHANGE_BEGIN, BIT(XID) | BIT(TIMESTAMP) | BIT(LSN), fill_begin},
    {'C', CHANGE_COMMIT, BIT(TIMESTAMP) | BIT(LSN) | BIT(NEXTLSN), fill_commit},
    {'U', CHANGE_UPDATE, BIT(SCHEMA) | BIT(TABLE) | BIT(COLUMNS), fill_new_row},
    {'D', CHANGE_DELETE, BIT(SCHEMA) | BIT(TABLE), fill_old_row},
    {'T', CHANGE_TRUNCATE, BIT(SCHEMA) | BIT(TABLE), fill_truncate},
    {'M', CHANGE_MESSAGE, BIT(TRANSACTIONAL) | BIT(PREFIX) | BIT(CONTENT), fill_message},
};

static enum verdict fill_change(struct line *line, struct change *change)
{
  struct span action;

  if ((line->seen & BIT(ACTION)) == 0 || !json_unescape(line->values[MEMBER_ACTION], line->arena, &action) || action.length != 1) {
    return DAMAGED(line, "no action");
  }
  for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
    if (actions[i].letter != action.data[0]) {
      continue;
    }
    for (enum member member = 0; member < MEMBER_COUNT; member++) {
      if ((actions[i].needs & ~line->seen & 1U << member) != 0) {
        return DAMAGED(line, "action %c without \"%s\"", actions[i].letter, members[member].name.data);
      }
    }
    change->kind = actions[i].kind;
    return actions[i].fill(line, change);
  }
  return DAMAGED(line, "unknown action 0x%02x", (unsigned char)action.data[0]);
}

static enum verdict wal2json_read(struct decoder *decoder, struct span body, struct arena *arena, struct change *ret_change, struct problem *problem)
{
  struct line line;
  struct change change = {.kind = CHANGE_NONE};
  enum verdict verdict = VERDICT_OK;

  if (body.length > 0) {
    line.wal2json = (struct wal2json *)decoder;
    line.arena = arena;
    line.problem = problem;
    line.seen = 0;
    json_scanner_init(&line.scanner, body);
    verdict = read_members(&line);
    if (verdict == VERDICT_OK) {
      verdict = fill_change(&line, &change);
    }
  }
  if (verdict == VERDICT_OK) {
    *ret_change = change;
  }
  return verdict;
}

static void wal2json_reset(struct decoder *decoder)
{
  struct wal2json *wal2json = (struct wal2json *)decoder;

  relation_store_reset(&wal2json->relations);
  wal2json->last = NULL;
}

static void wal2json_free(struct decoder *decoder)
{
  wal2json_reset(decoder);
  free(decoder);
}

static const struct decoder_ops wal2json_ops = {.read = wal2json_read, .reset = wal2json_reset, .free = wal2json_free};

struct decoder *wal2json_new(void)
{
  struct wal2json *wal2json = malloc(sizeof(*wal2json));

  if (wal2json == NULL) {
    abort();
  }
  wal2json->decoder.ops = &wal2json_ops;
  relation_store_init(&wal2json->relations);
  wal2json->last = NULL;
  wal2json->time_length = 0;
  return &wal2json->decoder;
}
