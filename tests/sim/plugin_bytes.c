/*
 * plugin_bytes.c - the formats are described where they are read: cdc-relay/src/decode/pgoutput.c and wal2json.c.
 *
 *   shape of the outbox    columns                                                     how it came about
 *   0                      id aggregatetype aggregateid type payload
 *   1                      id aggregatetype aggregateid type payload note              a column was added
 *   2                      id aggregatetype aggregateid type note payload              payload was dropped and added again
 *   3                      id aggregateid aggregatetype type payload                   the table was made anew
 */
#include "plugin_bytes.h"

#include <string.h>
#include <time.h>

#include "decode/change.h"
#include "moment.h"

enum { OUTBOX_OID = 16384, OTHER_OID = 16500 };

enum field { FIELD_ID, FIELD_ROUTE, FIELD_KEY, FIELD_TYPE, FIELD_PAYLOAD, FIELD_NOTE, FIELD_COUNT };

static const char *name_of(enum field field)
{
  switch (field) {
  case FIELD_ID:
    return "id";
  case FIELD_ROUTE:
    return "aggregatetype";
  case FIELD_KEY:
    return "aggregateid";
  case FIELD_TYPE:
    return "type";
  case FIELD_PAYLOAD:
    return "payload";
  case FIELD_NOTE:
  case FIELD_COUNT:
    break;
  }
  return "note";
}

struct shape {
  size_t count;
  enum field fields[FIELD_COUNT];
};

static const struct shape shapes[HISTORY_SHAPES] = {
    {5, {FIELD_ID, FIELD_ROUTE, FIELD_KEY, FIELD_TYPE, FIELD_PAYLOAD}},
    {6, {FIELD_ID, FIELD_ROUTE, FIELD_KEY, FIELD_TYPE, FIELD_PAYLOAD, FIELD_NOTE}},
    {6, {FIELD_ID, FIELD_ROUTE, FIELD_KEY, FIELD_TYPE, FIELD_NOTE, FIELD_PAYLOAD}},
    {5, {FIELD_ID, FIELD_KEY, FIELD_ROUTE, FIELD_TYPE, FIELD_PAYLOAD}},
};

static const struct shape *shape_of(uint8_t number)
{
  return &shapes[number % HISTORY_SHAPES];
}

static uint32_t type_of(enum field field)
{
  return field == FIELD_PAYLOAD ? PG_JSON : PG_TEXT;
}

/* ---- texts ---- */

static const char *const routes[HISTORY_TOPICS_MAX] = {"order", "item", "user"};
static const char *const topics[HISTORY_TOPICS_MAX] = {"outbox.event.order", "outbox.event.item", "outbox.event.user"};
static const char *const keys[HISTORY_KEYS_MAX] = {"k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7"};

const char *topic_name(uint8_t topic)
{
  return topics[topic];
}

const char *row_key(const struct row *row)
{
  return row->kind == ROW_NULL_KEY ? NULL : keys[row->key];
}

const char *row_route(const struct row *row)
{
  return row->kind == ROW_BAD_ROUTE ? "no topic has blanks" : routes[row->topic];
}

static size_t put_number(char *out, uint32_t number)
{
  char digits[12];
  size_t length = 0;

  do {
    digits[length++] = (char)('0' + number % 10);
    number /= 10;
  } while (number != 0);
  for (size_t i = 0; i < length; i++) {
    out[i] = digits[length - 1 - i];
  }
  return length;
}

size_t row_id(char *out, uint32_t number)
{
  out[0] = 'e';
  return 1 + put_number(out + 1, number);
}

uint32_t row_number(const char *id, size_t length)
{
  uint32_t number = 0;

  if (length < 2 || length > 8 || id[0] != 'e') {
    return HISTORY_ROWS_MAX;
  }
  for (size_t i = 1; i < length; i++) {
    if (id[i] < '0' || id[i] > '9') {
      return HISTORY_ROWS_MAX;
    }
    number = number * 10 + (uint32_t)(id[i] - '0');
  }
  return number < HISTORY_ROWS_MAX ? number : HISTORY_ROWS_MAX;
}

#define PUT_LITERAL(at, text) (memcpy((at), (text), sizeof(text) - 1), sizeof(text) - 1)

/* Nobody parses it on the way: whatever it is, it has to arrive. */
static const struct span pieces[] = {{"x", 1}, {"\n", 1}, {"\"", 1}, {"plain", 5}, {"\\", 1}, {"\xc3\xa9", 2}, {"\t", 1}, {"\xf0\x9f\x98\x80", 4}, {" ", 1}};

size_t row_payload(char *out, const struct row *row, uint32_t number)
{
  size_t length = PUT_LITERAL(out, "{\"n\":");

  length += put_number(out + length, number);
  length += PUT_LITERAL(out + length, ",\"pad\":\"");
  for (size_t i = number, end = length + row->padding_bytes; length < end; i++) {
    const struct span *piece = &pieces[i % (sizeof(pieces) / sizeof(*pieces))];

    memcpy(out + length, piece->data, piece->length);
    length += piece->length;
  }
  length += PUT_LITERAL(out + length, "\"}");
  return length;
}

static size_t field_text(char *out, enum field field, const struct row *row, uint32_t number, bool *ret_is_null)
{
  const char *text = "";

  *ret_is_null = false;
  switch (field) {
  case FIELD_ID:
    return row_id(out, number);
  case FIELD_PAYLOAD:
    return row_payload(out, row, number);
  case FIELD_ROUTE:
    text = row_route(row);
    break;
  case FIELD_KEY:
    text = row_key(row);
    break;
  case FIELD_TYPE:
    text = "Made";
    break;
  case FIELD_NOTE:
    text = "made behind the others";
    break;
  case FIELD_COUNT:
    break;
  }
  if (text == NULL) {
    *ret_is_null = true;
    return 0;
  }
  memcpy(out, text, strlen(text));
  return strlen(text);
}

/* ---- pgoutput ---- */

static size_t put_integer(char *out, uint64_t value, size_t bytes)
{
  for (size_t i = 0; i < bytes; i++) {
    out[i] = (char)(value >> (8 * (bytes - 1 - i)) & 0xff);
  }
  return bytes;
}

static size_t put_name(char *out, const char *name)
{
  size_t bytes = strlen(name) + 1;

  memcpy(out, name, bytes);
  return bytes;
}

static size_t put_relation(char *out, uint32_t oid, const char *table, uint16_t columns)
{
  size_t length = PUT_LITERAL(out, "R");

  length += put_integer(out + length, oid, 4);
  length += put_name(out + length, "public");
  length += put_name(out + length, table);
  length += PUT_LITERAL(out + length, "d");
  length += put_integer(out + length, columns, 2);
  return length;
}

static size_t put_column(char *out, const char *name, uint32_t type)
{
  size_t length = put_integer(out, 0, 1);

  length += put_name(out + length, name);
  length += put_integer(out + length, type, 4);
  length += put_integer(out + length, UINT32_MAX, 4);
  return length;
}

size_t plugin_outbox_relation(char *out, uint8_t shape)
{
  size_t length = put_relation(out, OUTBOX_OID, "outbox", (uint16_t)shape_of(shape)->count);

  for (size_t i = 0; i < shape_of(shape)->count; i++) {
    length += put_column(out + length, name_of(shape_of(shape)->fields[i]), type_of(shape_of(shape)->fields[i]));
  }
  return length;
}

size_t plugin_other_relation(char *out)
{
  size_t length = put_relation(out, OTHER_OID, "orders", 1);

  return length + put_column(out + length, "id", PG_TEXT);
}

static size_t put_row_head(char *out, uint32_t oid, size_t columns)
{
  size_t length = PUT_LITERAL(out, "I");

  length += put_integer(out + length, oid, 4);
  length += PUT_LITERAL(out + length, "N");
  return length + put_integer(out + length, columns, 2);
}

static size_t pgoutput_event(char *out, uint8_t shape, const struct row *row, uint32_t number)
{
  size_t length = put_row_head(out, OUTBOX_OID, shape_of(shape)->count);

  for (size_t i = 0; i < shape_of(shape)->count; i++) {
    bool is_null;
    size_t bytes = field_text(out + length + 5, shape_of(shape)->fields[i], row, number, &is_null);

    if (is_null) {
      length += PUT_LITERAL(out + length, "n");
    } else {
      length += PUT_LITERAL(out + length, "t");
      length += put_integer(out + length, bytes, 4) + bytes;
    }
  }
  return length;
}

static size_t pgoutput_begin(char *out, const struct transaction *transaction)
{
  size_t length = PUT_LITERAL(out, "B");

  length += put_integer(out + length, transaction->commit_lsn, 8);
  length += put_integer(out + length, (uint64_t)(transaction->commit_time_us - PG_EPOCH_US), 8);
  return length + put_integer(out + length, transaction->xid, 4);
}

static size_t pgoutput_commit(char *out, const struct transaction *transaction)
{
  size_t length = PUT_LITERAL(out, "C");

  length += put_integer(out + length, 0, 1);
  length += put_integer(out + length, transaction->commit_lsn, 8);
  length += put_integer(out + length, transaction->end_lsn, 8);
  return length + put_integer(out + length, (uint64_t)(transaction->commit_time_us - PG_EPOCH_US), 8);
}

/* ---- wal2json ---- */

static size_t put_text(char *out, const char *text)
{
  size_t length = strlen(text);

  memcpy(out, text, length);
  return length;
}

static size_t put_two(char *out, uint32_t number)
{
  out[0] = (char)('0' + number / 10);
  out[1] = (char)('0' + number % 10);
  return 2;
}

/* As PostgreSQL prints it: no zeros at the end of the fraction. */
static size_t put_time(char *out, int64_t time_us)
{
  time_t seconds = time_us / US_PER_S;
  uint32_t fraction = (uint32_t)(time_us % US_PER_S);
  struct tm time;
  size_t length;

  (void)gmtime_r(&seconds, &time);
  length = put_number(out, (uint32_t)time.tm_year + 1900);
  out[length++] = '-';
  length += put_two(out + length, (uint32_t)time.tm_mon + 1);
  out[length++] = '-';
  length += put_two(out + length, (uint32_t)time.tm_mday);
  out[length++] = ' ';
  length += put_two(out + length, (uint32_t)time.tm_hour);
  out[length++] = ':';
  length += put_two(out + length, (uint32_t)time.tm_min);
  out[length++] = ':';
  length += put_two(out + length, (uint32_t)time.tm_sec);
  if (fraction != 0) {
    out[length++] = '.';
    for (uint32_t unit = US_PER_S / 10; fraction != 0 && unit != 0; unit /= 10) {
      out[length++] = (char)('0' + fraction / unit);
      fraction %= unit;
    }
  }
  return length + PUT_LITERAL(out + length, "+00");
}

static size_t put_head(char *out, char action, const struct transaction *transaction)
{
  size_t length = PUT_LITERAL(out, "{\"action\":\"");

  out[length++] = action;
  length += PUT_LITERAL(out + length, "\",\"xid\":");
  length += put_number(out + length, transaction->xid);
  length += PUT_LITERAL(out + length, ",\"timestamp\":\"");
  length += put_time(out + length, transaction->commit_time_us);
  return length + PUT_LITERAL(out + length, "\",\"lsn\":\"");
}

static size_t put_ends(char *out, char action, const struct transaction *transaction)
{
  size_t length = put_head(out, action, transaction);

  length += put_text(out + length, lsn_text(transaction->commit_lsn).text);
  length += PUT_LITERAL(out + length, "\",\"nextlsn\":\"");
  length += put_text(out + length, lsn_text(transaction->end_lsn).text);
  return length + PUT_LITERAL(out + length, "\"}");
}

static size_t put_escaped(char *out, const char *text, size_t length)
{
  static const char specials[] = "\"\\\n\t\b";
  static const char letters[] = "\"\\ntb";
  size_t at = 0;

  for (size_t i = 0; i < length; i++) {
    const char *special = memchr(specials, text[i], sizeof(specials) - 1);

    if (special != NULL) {
      out[at++] = '\\';
      out[at++] = letters[special - specials];
    } else {
      out[at++] = text[i];
    }
  }
  return at;
}

static size_t wal2json_row(char *out, const struct transaction *transaction, Lsn lsn, const char *table)
{
  size_t length = put_head(out, 'I', transaction);

  length += put_text(out + length, lsn_text(lsn).text);
  length += PUT_LITERAL(out + length, "\",\"schema\":\"public\",\"table\":\"");
  length += put_text(out + length, table);
  return length + PUT_LITERAL(out + length, "\",\"columns\":[");
}

static size_t wal2json_column(char *out, const char *name, uint32_t type)
{
  size_t length = PUT_LITERAL(out, "{\"name\":\"");

  length += put_text(out + length, name);
  length += PUT_LITERAL(out + length, "\",\"typeoid\":");
  length += put_number(out + length, type);
  return length + PUT_LITERAL(out + length, ",\"value\":");
}

static size_t wal2json_event(char *out, const struct transaction *transaction, const struct row *row, uint32_t number)
{
  char text[ROW_TEXT_MAX] = "";
  size_t length = wal2json_row(out, transaction, transaction->commit_lsn, "outbox");

  for (size_t i = 0; i < shape_of(transaction->shape)->count; i++) {
    enum field field = shape_of(transaction->shape)->fields[i];
    bool is_null;
    size_t bytes = field_text(text, field, row, number, &is_null);

    if (i > 0) {
      out[length++] = ',';
    }
    length += wal2json_column(out + length, name_of(field), type_of(field));
    if (is_null) {
      length += PUT_LITERAL(out + length, "null}");
    } else {
      out[length++] = '"';
      length += put_escaped(out + length, text, bytes);
      length += PUT_LITERAL(out + length, "\"}");
    }
  }
  return length + PUT_LITERAL(out + length, "]}");
}

/* ---- either ---- */

size_t plugin_begin(char *out, enum plugin plugin, const struct transaction *transaction)
{
  return plugin == PLUGIN_PGOUTPUT ? pgoutput_begin(out, transaction) : put_ends(out, 'B', transaction);
}

size_t plugin_commit(char *out, enum plugin plugin, const struct transaction *transaction)
{
  return plugin == PLUGIN_PGOUTPUT ? pgoutput_commit(out, transaction) : put_ends(out, 'C', transaction);
}

size_t plugin_event(char *out, enum plugin plugin, const struct transaction *transaction, const struct row *row, uint32_t number)
{
  return plugin == PLUGIN_PGOUTPUT ? pgoutput_event(out, transaction->shape, row, number) : wal2json_event(out, transaction, row, number);
}

size_t plugin_other_row(char *out, enum plugin plugin, const struct transaction *transaction, Lsn lsn)
{
  size_t length;

  if (plugin == PLUGIN_PGOUTPUT) {
    length = put_row_head(out, OTHER_OID, 1);
    length += PUT_LITERAL(out + length, "t");
    length += put_integer(out + length, 1, 4);
    return length + PUT_LITERAL(out + length, "7");
  }
  length = wal2json_row(out, transaction, lsn, "orders");
  length += wal2json_column(out + length, "id", PG_TEXT);
  return length + PUT_LITERAL(out + length, "\"7\"}]}");
}

size_t plugin_message(char *out, enum plugin plugin, const struct transaction *transaction, Lsn lsn)
{
  size_t length;

  if (plugin == PLUGIN_PGOUTPUT) {
    length = PUT_LITERAL(out, "M");
    length += put_integer(out + length, 1, 1);
    length += put_integer(out + length, lsn, 8);
    length += put_name(out + length, "nobody");
    length += put_integer(out + length, 2, 4);
    return length + PUT_LITERAL(out + length, "{}");
  }
  length = put_head(out, 'M', transaction);
  length += put_text(out + length, lsn_text(lsn).text);
  return length + PUT_LITERAL(out + length, "\",\"transactional\":true,\"prefix\":\"nobody\",\"content\":\"{}\"}");
}
