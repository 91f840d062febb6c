/*
 * history_script.h - histories by hand for tests of the history checker: lines as the programs of tests/faults write them. Times are in milliseconds; the hash of an event
 * follows from its id; an event's commit stands at LSN 0/<position>.
 */
#ifndef HISTORY_SCRIPT_H
#define HISTORY_SCRIPT_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "figures.h"
#include "history.h"
#include "judge.h"

#include <criterion/criterion.h>

struct script {
  char *text;
  size_t size;
  FILE *file;
};

static inline struct script *script_new(void)
{
  struct script *script = calloc(1, sizeof(*script));

  cr_assert_not_null(script);
  script->file = open_memstream(&script->text, &script->size);
  cr_assert_not_null(script->file);
  return script;
}

static inline void __attribute__((format(printf, 2, 3))) script_line(struct script *script, const char *format, ...)
{
  va_list arguments;

  va_start(arguments, format);
  (void)vfprintf(script->file, format, arguments);
  va_end(arguments);
  (void)fputc('\n', script->file);
}

struct hash {
  char text[65];
};

static inline struct hash hash_of(const char *id)
{
  struct hash hash;

  for (size_t i = 0; i < 64; i++) {
    hash.text[i] = "0123456789abcdef"[(unsigned char)id[i % strlen(id)] * (i + 1) % 16];
  }
  hash.text[64] = '\0';
  return hash;
}

/* What a writer said of one event: `op` is commit, rollback or unknown. */
static inline void script_told(struct script *script, int ms, const char *op, const char *id)
{
  script_line(script, "{\"t\":%d000,\"op\":\"%s\",\"txn\":\"1\",\"xid\":7,\"events\":[{\"id\":\"%s\"}],\"undone\":[\"%s-undone\"]}", ms, op, id, id);
}

static inline void script_row(struct script *script, const char *id, const char *key, int n)
{
  script_line(script, "{\"t\":99000000,\"op\":\"row\",\"id\":\"%s\",\"key\":\"%s\",\"n\":%d,\"topic\":\"orders\",\"sha256\":\"%s\"}", id, key, n,
              hash_of(id).text);
}

/* A committed event: what its writer said, and its row. */
static inline void script_event(struct script *script, int ms, const char *id, const char *key, int n)
{
  script_told(script, ms, "commit", id);
  script_row(script, id, key, n);
}

/* `index`: of the event in its transaction. */
static inline void script_read_at(struct script *script, int ms, int partition, int offset, const char *key, const char *id, int position, int index)
{
  script_line(
      script,
      "{\"t\":%d500,\"op\":\"read\",\"topic\":\"orders\",\"partition\":%d,\"offset\":%d,\"append_ms\":%d,\"key\":\"%s\",\"id\":\"%s\",\"lsn\":\"0/%X/%d\","
      "\"sha256\":\"%s\"}",
      ms, partition, offset, ms, key, id, (unsigned)position, index, hash_of(id).text);
}

static inline void script_read(struct script *script, int ms, int partition, int offset, const char *key, const char *id, int position)
{
  script_read_at(script, ms, partition, offset, key, id, position, 0);
}

static inline void script_sample(struct script *script, int ms, int confirmed)
{
  script_line(script, "{\"t\":%d000,\"op\":\"slot\",\"confirmed\":\"0/%X\",\"restart\":\"0/0\",\"active\":true,\"wal_end\":\"0/FFFF\"}", ms,
              (unsigned)confirmed);
}

static inline void script_fault(struct script *script, int ms, const char *kind, const char *phase)
{
  script_line(script, "{\"t\":%d000,\"op\":\"fault\",\"kind\":\"%s\",\"phase\":\"%s\"}", ms, kind, phase);
}

static inline bool script_is_read(struct script *script, struct history *history, char error[256])
{
  FILE *file;
  bool is_good;

  (void)fclose(script->file);
  file = fmemopen(script->text, script->size, "r");
  cr_assert_not_null(file);
  is_good = history_read(history, file, "script", error);
  (void)fclose(file);
  free(script->text);
  free(script);
  return is_good;
}

/* The end of every script: reads it, with the line that says that the rows are whole, and judges. */
static inline void script_judge(struct script *script, const struct judge_options *options, struct history *history, struct judgement *judgement)
{
  char error[256] = "";

  script_line(script, "{\"t\":99000001,\"op\":\"resolved\"}");
  *history = (struct history){0};
  cr_assert(script_is_read(script, history, error), "%s", error);
  cr_assert(history_settle(history, error), "%s", error);
  judge(history, options, judgement);
}

/* Judges, and expects so many findings of that guarantee and none of any other. */
static inline void script_finds(struct script *script, const struct judge_options *options, enum guarantee guarantee, int count)
{
  struct history history;
  struct judgement judgement;

  script_judge(script, options, &history, &judgement);
  for (size_t i = 0; i < GUARANTEES; i++) {
    cr_assert_eq(judgement.findings[i].count, i == guarantee ? count : 0, "%s: %d findings, the first: %s", guarantee_names[i],
                 (int)judgement.findings[i].count, judgement.findings[i].texts[0]);
  }
  judge_done(&judgement);
  history_done(&history);
}

#endif
