/*
 * row.h - the values of one event, seen by an entry's field numbers: a table's row through its binding, or a logical message's members.
 */
#ifndef ROUTE_ROW_H
#define ROUTE_ROW_H

#include "decode/change.h"
#include "route/entry.h"

#define COLUMN_NONE UINT16_MAX

struct row {
  const struct value *values;
  const struct column *columns;    /* types */
  const uint16_t *column_of_field; /* COLUMN_NONE: there is none */
  FieldNumber missing;             /* the first field that is required and absent, or FIELD_NONE */
};

enum cell_state {
  CELL_ABSENT, /* the entry wants no such field, or the table has no such column */
  CELL_NULL,
  CELL_PRESENT,
  CELL_NOT_SENT, /* stored out of line and not in the stream; no INSERT has one */
};

struct cell {
  enum cell_state state;
  uint32_t type_oid;
  struct span text;
};

static inline struct cell row_cell(const struct row *row, FieldNumber field)
{
  static const enum cell_state states[] = {[VALUE_PRESENT] = CELL_PRESENT, [VALUE_NULL] = CELL_NULL, [VALUE_UNCHANGED] = CELL_NOT_SENT};
  uint16_t column = field == FIELD_NONE ? COLUMN_NONE : row->column_of_field[field];

  if (column == COLUMN_NONE) {
    return (struct cell){.state = CELL_ABSENT};
  }
  return (struct cell){.state = states[row->values[column].state], .type_oid = row->columns[column].type_oid, .text = row->values[column].text};
}

#endif
