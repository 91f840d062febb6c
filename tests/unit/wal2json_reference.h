/*
 * wal2json_reference.h - a slow reader of wal2json's lines made of jansson, to compare the decoder with (test_wal2json_differential.c, tests/fuzz). Not read: begin and
 * commit, since jansson knows neither LSNs nor times.
 */
#ifndef WAL2JSON_REFERENCE_H
#define WAL2JSON_REFERENCE_H

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decode/change.h"
#include "utf8.h"

/* Whether what jansson refuses may well be accepted; the table is in test_wal2json_differential.c. */
static inline bool reference_is_undecided(struct span line, const json_error_t *error)
{
  enum json_error_code code = json_error_code(error);

  return code == json_error_numeric_overflow || code == json_error_null_character || code == json_error_null_byte_in_key || code == json_error_duplicate_key ||
         code == json_error_stack_overflow || strstr(error->text, "invalid Unicode") != NULL || !utf8_is_valid(line);
}

static inline bool is_integer_within(const json_t *value, json_int_t from, json_int_t to)
{
  return json_is_integer(value) && json_integer_value(value) >= from && json_integer_value(value) <= to;
}

static inline bool is_row(const json_t *columns)
{
  size_t i;
  const json_t *column;

  if (!json_is_array(columns)) {
    return false;
  }
  json_array_foreach(columns, i, column)
  {
    const json_t *value = json_object_get(column, "value");

    if (!json_is_string(json_object_get(column, "name")) || !is_integer_within(json_object_get(column, "typeoid"), INT32_MIN, UINT32_MAX) || value == NULL ||
        json_is_object(value) || json_is_array(value)) {
      return false;
    }
  }
  return true;
}

/* Whether a line with a row, truncation or message is one; begin and commit are not generated, since jansson knows neither LSNs nor times. */
static inline bool reference_accepts(const json_t *line)
{
  const char *action = json_string_value(json_object_get(line, "action"));
  const json_t *columns = json_object_get(line, "columns");
  const json_t *identity = json_object_get(line, "identity");
  bool is_named = json_is_string(json_object_get(line, "schema")) && json_is_string(json_object_get(line, "table"));

  if (action == NULL || strlen(action) != 1 || (columns != NULL && !is_row(columns)) || (identity != NULL && !is_row(identity))) {
    return false;
  }
  switch (action[0]) {
  case 'I':
  case 'U':
    return is_named && columns != NULL;
  case 'D':
  case 'T':
    return is_named;
  case 'M':
    return json_is_boolean(json_object_get(line, "transactional")) && json_is_string(json_object_get(line, "prefix")) &&
           json_is_string(json_object_get(line, "content"));
  default:
    return false;
  }
}

static inline bool same_text(struct span text, const json_t *string)
{
  return span_equals(text, span_of(json_string_value(string), json_string_length(string)));
}

static inline bool same_value(const struct value *value, const json_t *reference)
{
  char number[32];

  if (value->state != (json_is_null(reference) ? VALUE_NULL : VALUE_PRESENT)) {
    return false;
  }
  if (json_is_string(reference)) {
    return same_text(value->text, reference);
  }
  if (json_is_boolean(reference)) {
    return span_is(value->text, json_is_true(reference) ? "true" : "false");
  }
  if (json_is_integer(reference)) {
    (void)snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(reference));
    return span_is(value->text, number) || span_is(value->text, "-0");
  }
  if (json_is_real(reference)) {
    double number_here = strtod(value->text.data, NULL); /* what stands behind a number in the line ends it */
    double number_there = json_real_value(reference);

    return number_here >= number_there && number_here <= number_there;
  }
  return true;
}

/* For a line that both accept. */
static inline bool reference_says_the_same(const struct change *change, const json_t *line)
{
  const json_t *row = json_object_get(line, change->kind == CHANGE_DELETE ? "identity" : "columns");
  size_t i;
  const json_t *column;

  if (change->kind == CHANGE_MESSAGE) {
    return same_text(change->prefix, json_object_get(line, "prefix")) && same_text(change->content, json_object_get(line, "content")) &&
           change->transactional == json_is_true(json_object_get(line, "transactional"));
  }
  if (!same_text(change->relation->schema, json_object_get(line, "schema")) || !same_text(change->relation->table, json_object_get(line, "table"))) {
    return false;
  }
  if (change->kind == CHANGE_TRUNCATE) {
    return true;
  }
  if (change->relation->column_count != json_array_size(row)) {
    return false;
  }
  json_array_foreach(row, i, column)
  {
    if (!same_text(change->relation->columns[i].name, json_object_get(column, "name")) ||
        change->relation->columns[i].type_oid != (uint32_t)json_integer_value(json_object_get(column, "typeoid")) ||
        !same_value(&change->values[i], json_object_get(column, "value"))) {
      return false;
    }
  }
  return true;
}

#endif
