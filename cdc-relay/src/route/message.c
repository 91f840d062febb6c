/*
 * message.c - reads the object once and keeps the members that the entry has a field for.
 *
 *   in the message           as if the column had been     and its text
 *   the payload's member     json                          as written, quotes and blanks inside included, also null
 *   "text"                   text                          without quotes and escapes
 *   12, -3                   bigint                        as written
 *   1.5, 1e3                 numeric                       as written
 *   true, false              boolean                       as written
 *   [...], {...}             json                          as written
 *   null                     -                             SQL NULL
 *
 * A name that stands twice counts where it stands last, as in jsonb. Other members are nobody's business.
 */
#include "route/message.h"

#include "decode/json_scanner.h"

static bool is_integer(struct span number)
{
  return memchr(number.data, '.', number.length) == NULL && memchr(number.data, 'e', number.length) == NULL && memchr(number.data, 'E', number.length) == NULL;
}

static uint32_t type_of(struct json_value value)
{
  switch (value.kind) {
  case JSON_KIND_NULL:
  case JSON_KIND_STRING:
    return PG_TEXT;
  case JSON_KIND_FALSE:
  case JSON_KIND_TRUE:
    return PG_BOOL;
  case JSON_KIND_NUMBER:
    return is_integer(value.raw) ? PG_INT8 : PG_NUMERIC;
  case JSON_KIND_ARRAY:
  case JSON_KIND_OBJECT:
    return PG_JSON;
  }
  return PG_TEXT;
}

static bool take_member(bool is_payload, struct json_value member, struct arena *arena, struct column *column, struct value *value)
{
  struct span text = member.raw;

  column->type_oid = is_payload ? PG_JSON : type_of(member);
  if (member.kind == JSON_KIND_NULL && !is_payload) {
    *value = (struct value){.state = VALUE_NULL};
    return true;
  }
  if (!is_payload && member.kind == JSON_KIND_STRING && !json_unescape(member, arena, &text)) {
    return false;
  }
  *value = (struct value){.state = VALUE_PRESENT, .text = text};
  return true;
}

bool message_read(const struct entry *entry, struct span content, struct arena *arena, struct row *ret_row, const char **ret_wrong)
{
  struct column *columns = arena_array(arena, entry->field_count, sizeof(*columns));
  struct value *values = arena_array(arena, entry->field_count, sizeof(*values));
  uint16_t *column_of_field = arena_array(arena, entry->field_count, sizeof(*column_of_field));
  struct json_scanner scanner;
  struct json_value name_json;
  struct json_value member;
  struct span name;

  for (size_t i = 0; i < entry->field_count; i++) {
    columns[i] = (struct column){.name = span_of_text(entry->fields[i].column)};
    column_of_field[i] = COLUMN_NONE;
  }
  if (!json_validate(content)) { /* a binary message may hold anything */
    *ret_wrong = "is not valid JSON in UTF-8";
    return false;
  }
  json_scanner_init(&scanner, content);
  if (!json_object_begin(&scanner)) {
    *ret_wrong = "is not a JSON object";
    return false;
  }
  while (json_object_next(&scanner, &name_json) && json_read(&scanner, &member)) {
    FieldNumber field = json_unescape(name_json, arena, &name) ? entry_find_field(entry, name) : FIELD_NONE;

    if (field == FIELD_NONE) {
      continue;
    }
    if (!take_member(field == entry->payload, member, arena, &columns[field], &values[field])) {
      *ret_wrong = "has a text that PostgreSQL could not hold: \\u0000 or half of a surrogate pair";
      return false;
    }
    column_of_field[field] = (uint16_t)field;
  }
  *ret_row = (struct row){.values = values, .columns = columns, .column_of_field = column_of_field, .missing = FIELD_NONE};
  for (size_t i = 0; i < entry->field_count && ret_row->missing == FIELD_NONE; i++) {
    if (entry->fields[i].is_required && column_of_field[i] == COLUMN_NONE) {
      ret_row->missing = (FieldNumber)i;
    }
  }
  return true;
}
