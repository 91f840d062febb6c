/*
 * wal2json_row.c - reads the columns of one row in a line of wal2json:
 *
 *   [{"name":"id","typeoid":23,"value":1}, ...]   value: null, true, false, a number as PostgreSQL prints it, or a string
 *
 * The plugin writes each column with these members in this order and no spaces, so that form is tried first; any other order, further members and spaces are read as well, slower.
 */
#include "decode/wal2json_priv.h"

/* An integer from..to written without fraction or exponent. */
bool wal2json_read_integer(struct json_value value, int64_t from, int64_t to, int64_t *ret_integer)
{
  bool is_negative = value.raw.data[0] == '-';
  int64_t integer = 0;

  if (value.kind != JSON_KIND_NUMBER) {
    return false;
  }
  for (size_t i = is_negative; i < value.raw.length; i++) {
    char c = value.raw.data[i];

    if (c < '0' || c > '9' || integer > UINT32_MAX) {
      return false;
    }
    integer = integer * 10 + (c - '0');
  }
  integer = is_negative ? -integer : integer;
  if (integer < from || integer > to) {
    return false;
  }
  *ret_integer = integer;
  return true;
}

/* A column as it is written; nothing is judged but its type. */
struct item {
  struct json_value name;
  struct json_value value;
  int64_t type_oid;
};

/* A type's OID of up to nine digits, as nearly all are. */
static bool pass_oid(struct json_scanner *scanner, int64_t *ret_oid)
{
  const char *at = scanner->at;
  const char *end = scanner->end - at > 9 ? at + 9 : scanner->end;
  uint32_t oid = 0;

  if (at == end || *at < '1' || *at > '9') {
    return false;
  }
  for (; at < end && *at >= '0' && *at <= '9'; at++) {
    oid = oid * 10 + (uint32_t)(*at - '0');
  }
  scanner->at = at;
  *ret_oid = oid;
  return true;
}

/* As the plugin writes a column, byte for byte: nine of ten columns are found so, in half the time. False: not so, nothing happened. */
static bool read_plain_column(struct json_scanner *scanner, struct item *item)
{
  struct json_scanner ahead = *scanner;

  if (json_pass(&ahead, span_of_text("{\"name\":")) && json_read(&ahead, &item->name) && json_pass(&ahead, span_of_text(",\"typeoid\":")) &&
      pass_oid(&ahead, &item->type_oid) && json_pass(&ahead, span_of_text(",\"value\":")) && json_read(&ahead, &item->value) &&
      json_pass(&ahead, span_of_text("}"))) {
    *scanner = ahead;
    return true;
  }
  return false;
}

/* Any object that has the three members once. */
static bool read_any_column(struct json_scanner *scanner, struct item *item)
{
  enum { MEMBER_COUNT = 3 };
  static const struct span names[MEMBER_COUNT] = {LITERAL("name"), LITERAL("value"), LITERAL("typeoid")};
  struct json_value type;
  struct json_value *const to[MEMBER_COUNT] = {&item->name, &item->value, &type};
  struct json_value name;
  struct json_value read;
  unsigned seen = 0;

  json_object_begin(scanner);
  while (json_object_next(scanner, &name)) {
    if (!json_read(scanner, &read)) {
      return false;
    }
    for (size_t i = 0; i < MEMBER_COUNT; i++) {
      if (wal2json_is_named(&name, names[i])) {
        if ((seen & 1U << i) != 0) {
          return false;
        }
        seen |= 1U << i;
        *to[i] = read;
      }
    }
  }
  /* wal2json 2.5 prints OIDs as signed. */
  return !scanner->has_failed && seen == (1U << MEMBER_COUNT) - 1 && wal2json_read_integer(type, INT32_MIN, UINT32_MAX, &item->type_oid);
}

static bool read_column(struct json_scanner *scanner, struct arena *arena, struct column *column, struct value *value)
{
  struct item item;

  if (!read_plain_column(scanner, &item) && !read_any_column(scanner, &item)) {
    return false;
  }
  if (!json_unescape(item.name, arena, &column->name)) {
    return false;
  }
  column->type_oid = (uint32_t)item.type_oid;
  if (item.value.kind == JSON_KIND_NULL) {
    *value = (struct value){.state = VALUE_NULL};
    return true;
  }
  *value = (struct value){.state = VALUE_PRESENT, .text = item.value.raw};
  if (item.value.kind == JSON_KIND_STRING) {
    return json_unescape(item.value, arena, &value->text);
  }
  return item.value.kind != JSON_KIND_ARRAY && item.value.kind != JSON_KIND_OBJECT;
}

bool wal2json_read_row(struct json_scanner *scanner, struct arena *arena, struct wal2json_row *row)
{
  row->count = 0;
  if (!json_array_begin(scanner)) {
    return false;
  }
  while (json_array_next(scanner)) {
    if (row->count == COLUMNS_MAX || !read_column(scanner, arena, &row->columns[row->count], &row->values[row->count])) {
      return false;
    }
    row->count++;
  }
  return !scanner->has_failed;
}
