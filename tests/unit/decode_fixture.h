/*
 * decode_fixture.h - reads what tests/fixtures/capture.sh recorded, and writes decoded changes as lines that a test can spell out and compare.
 *
 * Each message is kept in memory of exactly its length, so that AddressSanitizer sees a decoder that reads one byte too far.
 */
#ifndef DECODE_FIXTURE_H
#define DECODE_FIXTURE_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "decode/decoder.h"

#include <criterion/criterion.h>

static const char *const fixture_names[] = {"types", "outbox", "updates", "shapes", "names", "texts", "transactions", "messages", "differences"};
enum { FIXTURE_COUNT = sizeof(fixture_names) / sizeof(fixture_names[0]) };

static const char *const plugin_names[] = {[PLUGIN_PGOUTPUT] = "pgoutput", [PLUGIN_WAL2JSON] = "wal2json"};
#define PLUGIN_COUNT (PLUGIN_WAL2JSON + 1)

struct fixture {
  size_t count;
  struct span *messages;
};

static inline char *exact_copy(struct span bytes)
{
  char *copy = malloc(bytes.length);

  cr_assert(copy != NULL || bytes.length == 0);
  if (bytes.length > 0) {
    memcpy(copy, bytes.data, bytes.length);
  }
  return copy;
}

static inline struct span from_hex(const char *hex, size_t length)
{
  char *bytes = malloc(length / 2);

  for (size_t i = 0; i < length / 2; i++) {
    unsigned byte;

    cr_assert_eq(sscanf(hex + 2 * i, "%2x", &byte), 1);
    bytes[i] = (char)byte;
  }
  return span_of(bytes, length / 2);
}

static inline struct fixture fixture_load(const char *name, enum plugin plugin)
{
  struct fixture fixture = {.count = 0};
  char path[512];
  FILE *file;
  char *line = NULL;
  size_t size = 0;
  ssize_t length;

  snprintf(path, sizeof(path), "%s/decode/%s.%s", FIXTURES, name, plugin_names[plugin]);
  file = fopen(path, "r");
  cr_assert(file != NULL, "cannot open %s", path);
  while ((length = getline(&line, &size, file)) > 0) {
    const char *message = strchr(line, ' ');
    size_t message_length;

    cr_assert(message != NULL && line[length - 1] == '\n', "%s is no capture", path);
    message++;
    message_length = (size_t)(line + length - 1 - message);
    fixture.messages = realloc(fixture.messages, (fixture.count + 1) * sizeof(*fixture.messages));
    fixture.messages[fixture.count] =
        plugin == PLUGIN_PGOUTPUT ? from_hex(message, message_length) : span_of(exact_copy(span_of(message, message_length)), message_length);
    fixture.count++;
  }
  free(line);
  fclose(file);
  cr_assert(fixture.count > 0, "%s is empty", path);
  return fixture;
}

static inline void fixture_free(struct fixture *fixture)
{
  for (size_t i = 0; i < fixture->count; i++) {
    free((char *)fixture->messages[i].data);
  }
  free(fixture->messages);
}

enum render {
  RENDER_WHOLE,    /* all that the decoder said, but for versions */
  RENDER_COMMON,   /* what both plugins can tell: see the table in test_decoder_fixtures.c */
  RENDER_PORTABLE, /* and nothing that differs from capture to capture: no LSN, xid, time, type OID */
};

static inline void render_values(FILE *out, const struct change *change, enum render render)
{
  const char *comma = "";

  for (size_t i = 0; change->values != NULL && i < change->relation->column_count; i++) {
    const struct column *column = &change->relation->columns[i];
    const struct value *value = &change->values[i];

    if (render != RENDER_WHOLE && (value->state == VALUE_UNCHANGED || (change->kind == CHANGE_DELETE && value->state == VALUE_NULL))) {
      continue;
    }
    fprintf(out, "%s%.*s", comma, (int)column->name.length, column->name.data);
    if (render != RENDER_PORTABLE) {
      fprintf(out, ":%" PRIu32, column->type_oid);
    }
    if (value->state == VALUE_PRESENT) {
      fputc('=', out);
      fwrite(value->text.data, 1, value->text.length, out);
    } else {
      fputs(value->state == VALUE_NULL ? " null" : " unchanged", out);
    }
    comma = ", ";
  }
}

/* Appends `change` to `out`, each of its lines with a line end; a row or message is one line unless its text has line ends. */
static inline void render_change(FILE *out, const struct change *change, enum render render)
{
  static const char *const row_kinds[] = {[CHANGE_INSERT] = "insert", [CHANGE_UPDATE] = "update", [CHANGE_DELETE] = "delete"};
  bool is_portable = render == RENDER_PORTABLE;

  switch (change->kind) {
  case CHANGE_NONE:
    return;
  case CHANGE_BEGIN:
    if (is_portable) {
      fputs("begin\n", out);
    } else {
      fprintf(out, "begin commit %s xid %" PRIu32 " at %" PRId64 "\n", lsn_text(change->commit_lsn).text, change->xid, change->commit_time_us);
    }
    return;
  case CHANGE_COMMIT:
    if (is_portable) {
      fputs("commit\n", out);
    } else {
      fprintf(out, "commit %s end %s at %" PRId64 "\n", lsn_text(change->commit_lsn).text, lsn_text(change->end_lsn).text, change->commit_time_us);
    }
    return;
  case CHANGE_INSERT:
  case CHANGE_UPDATE:
  case CHANGE_DELETE:
    fprintf(out, "%s %s.%s(", row_kinds[change->kind], change->relation->schema.data, change->relation->table.data);
    render_values(out, change, render);
    fputs(")\n", out);
    return;
  case CHANGE_TRUNCATE:
    for (size_t i = 0; i < change->truncated_count; i++) {
      fprintf(out, "truncate %s.%s\n", change->truncated[i]->schema.data, change->truncated[i]->table.data);
    }
    return;
  case CHANGE_MESSAGE:
    fprintf(out, "message %s %.*s=", change->transactional ? "transactional" : "loose", (int)change->prefix.length, change->prefix.data);
    fwrite(change->content.data, 1, change->content.length, out);
    fputc('\n', out);
    return;
  }
}

#endif
