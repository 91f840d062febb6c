/*
 * judge.c - goes through the records partition by partition, in the order of their offsets, with what it knows of each row and each key.
 *
 * A key's records, by their numbers, may look like this and not otherwise:
 *
 *     1 2 3 4 5 | 3 4 5 6 7 | 6 7 8        a jump back begins a replay; from there on each number follows the one before it
 *
 * so that a gap within a replay (3 4 5 | 2 4), a first occurrence below another one (1 2 4 3), and a key in two partitions are findings. Rows that are poison leave no gap
 * in their key's topic: they belong in the topic of dead letters, where the same holds of them. Numbers are therefore counted anew for either way (`place`).
 */
#include "judge.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const guarantee_names[GUARANTEES] = {"lost", "phantom", "order", "duplicates", "bytes", "confirmed"};

struct key {
  uint32_t topic;
  int32_t partition;     /* -1: not seen yet */
  const struct row *at;  /* the row seen last */
  const struct row *top; /* the one with the highest number of those seen */
};

struct bench {
  const struct history *history;
  const struct judge_options *options;
  struct judgement *judgement;
  uint32_t *row_of;             /* by name */
  const struct told **told_of;  /* by name */
  const struct reading **first; /* by row */
  const struct reading **last;  /* by row: the newest so far */
  const struct reading *top;    /* of the partition that is being read: the first record of the event that was committed last */
  struct key *keys;             /* by name: in its rows' topic */
  struct key *letter_keys;      /* by name: in the topic of dead letters */
  bool *is_collateral;          /* by row */
};

void judge_find(struct judgement *judgement, enum guarantee guarantee, const char *format, ...)
{
  struct finding_list *list = &judgement->findings[guarantee];
  va_list arguments;

  if (list->count++ < FINDINGS_MAX) {
    va_start(arguments, format);
    (void)vsnprintf(list->texts[list->count - 1], FINDING_MAX_BYTES, format, arguments);
    va_end(arguments);
  }
}

static void *zeroed(size_t count, size_t size)
{
  void *block = calloc(count > 0 ? count : 1, size);

  if (block == NULL) {
    abort();
  }
  return block;
}

/* Where a record is, as findings say it. */
struct place {
  char text[160];
};

static struct place place(const struct bench *bench, const struct reading *reading)
{
  const struct names *names = &bench->history->names;
  struct place place;

  (void)snprintf(place.text, sizeof(place.text), "key %.30s, %.60s[%" PRId32 "]@%" PRId64 ", lsn %" PRIX32 "/%" PRIX32 "/%" PRIu32,
                 names_text(names, reading->key), names_text(names, reading->topic), reading->partition, reading->offset, (uint32_t)(reading->lsn >> 32),
                 (uint32_t)reading->lsn, reading->index);
  return place;
}

static int compare_readings(const void *left, const void *right)
{
  const struct reading *a = left, *b = right;

  if (a->topic != b->topic) {
    return a->topic < b->topic ? -1 : 1;
  }
  if (a->partition != b->partition) {
    return a->partition < b->partition ? -1 : 1;
  }
  return (a->offset > b->offset) - (a->offset < b->offset);
}

static const char *why_phantom(const struct bench *bench, uint32_t id)
{
  static const char *const reasons[] = {
      [OUTCOME_NONE] = "no writer knows it",
      [OUTCOME_COMMIT] = "its commit was answered, and the table does not hold it",
      [OUTCOME_ROLLBACK] = "its transaction was rolled back",
      [OUTCOME_UNDONE] = "its savepoint was rolled back",
      [OUTCOME_UNKNOWN] = "its commit was not answered, and the table does not hold it",
  };

  return id == NAME_NONE ? "it has no id" : reasons[bench->told_of[id] != NULL ? bench->told_of[id]->outcome : OUTCOME_NONE];
}

/* What a dead letter says of its row. Returns NULL when that is right. A row that was refused before it was for any topic need not name one. */
static const char *why_wrong_letter(const struct bench *bench, const struct row *row, const struct reading *letter)
{
  const char *reason = letter->letter_reason != NAME_NONE ? names_text(&bench->history->names, letter->letter_reason) : "";
  bool must_name_topic = strcmp(reason, "refused_by_broker") == 0 || strcmp(reason, "too_large") == 0;

  if (reason[0] == '\0') {
    return "is a dead letter without a reason";
  }
  if (letter->letter_topic == NAME_NONE ? must_name_topic : row->topic != NAME_NONE && letter->letter_topic != row->topic) {
    return "is a dead letter that does not name its row's topic";
  }
  if (!letter->has_lsn || letter->letter_lsn != letter->lsn || letter->letter_index != letter->index) {
    return "is a dead letter that does not name its row's position";
  }
  return NULL;
}

static void see_bytes(const struct bench *bench, const struct row *row, const struct reading *reading, bool is_letter, const struct reading *first)
{
  const char *wrong = is_letter ? why_wrong_letter(bench, row, reading) : NULL;

  if (reading->key != row->key) {
    wrong = "has another key than its row";
  } else if (!reading->has_value || memcmp(reading->sha256, row->sha256, SHA256_BYTES) != 0) {
    wrong = "has another value than its row";
  } else if (!is_letter && row->topic != NAME_NONE && reading->topic != row->topic) {
    wrong = "is in another topic than its row says";
  } else if (!reading->has_lsn) {
    wrong = "has no lsn"; /* nothing could be said of what was confirmed */
  } else if (first != NULL && (reading->lsn != first->lsn || reading->index != first->index)) {
    wrong = "has another lsn when it is repeated";
  }
  if (wrong != NULL) {
    judge_find(bench->judgement, GUARANTEE_BYTES, "event %s %s (%s)", names_text(&bench->history->names, row->id), wrong, place(bench, reading).text);
  }
}

/* Whether some fault may be why `reading` was appended though `before` was there: it had begun by then, and `before` came while it lasted or within the window of it. */
static bool is_near_a_fault(const struct bench *bench, const struct reading *before, const struct reading *reading)
{
  const struct history *history = bench->history;
  int64_t window_us = bench->options->window_ms * 1000;

  /* A millisecond each way, since append times are cut to it. */
  for (size_t i = 0; i < history->fault_count && history->faults[i].begin_us <= reading->append_ms * 1000 + 999; i++) {
    if (before->append_ms * 1000 + 999 >= history->faults[i].begin_us - window_us && before->append_ms * 1000 <= history->faults[i].end_us + window_us) {
      return true;
    }
  }
  return false;
}

/* A repetition belongs to the newest fault that had begun when it was appended, and had not missed. `before`: the event's record before this one. */
static void count_repetition(const struct bench *bench, const struct reading *before, const struct reading *reading)
{
  const struct history *history = bench->history;
  int64_t append_us = reading->append_ms * 1000 + 999;
  size_t low = 0, high = history->fault_count, begun;

  while (low < high) {
    size_t middle = (low + high) / 2;

    if (history->faults[middle].begin_us <= append_us) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  begun = low;
  while (low > 0 && history->faults[low - 1].is_missed) {
    low--;
  }
  bench->judgement->repetition_count++;
  if (bench->options->is_only_unconfirmed && reading->has_lsn && reading->lsn < judge_confirmed_before(history, bench->options, reading->append_ms * 1000)) {
    judge_find(bench->judgement, GUARANTEE_DUPLICATES, "event %s is repeated though it had been confirmed (%s)", names_text(&history->names, reading->id),
               place(bench, reading).text);
  }
  if (bench->options->window_ms > 0 && begun > 0 && !is_near_a_fault(bench, before, reading)) {
    judge_find(bench->judgement, GUARANTEE_DUPLICATES, "event %s is repeated though no fault came within %" PRId64 " ms of its record @%" PRId64 " (%s)",
               names_text(&history->names, reading->id), bench->options->window_ms, before->offset, place(bench, reading).text);
  }
  if (low > 0) {
    bench->judgement->repetitions[low - 1]++;
  } else {
    bench->judgement->repetitions_without_fault++;
  }
  if (begun == 0) {
    judge_find(bench->judgement, GUARANTEE_DUPLICATES, "event %s is repeated before any fault (%s)", names_text(&history->names, reading->id),
               place(bench, reading).text);
  }
}

/* The first record of an event: whether events of other keys that came before it in its partition were committed before it, by the positions that the relay tells. */
static void see_partition(struct bench *bench, const struct reading *reading)
{
  const struct reading *top = bench->top;

  if (!reading->has_lsn) {
    return;
  }
  if (top != NULL && top->topic == reading->topic && top->partition == reading->partition &&
      (reading->lsn < top->lsn || (reading->lsn == top->lsn && reading->index <= top->index))) {
    judge_find(bench->judgement, GUARANTEE_ORDER, "event %s came first behind event %s of its partition, which was committed later (%s)",
               names_text(&bench->history->names, reading->id), names_text(&bench->history->names, top->id), place(bench, reading).text);
    return;
  }
  bench->top = reading;
}

/* Whether the row is in its key's order, and a repetition part of a replay. False when a first record is not. */
static bool see_order(const struct bench *bench, const struct row *row, const struct reading *reading, bool is_first)
{
  const struct names *names = &bench->history->names;
  struct key *key;
  int64_t at, top;

  if (row->key == NAME_NONE) {
    return true;
  }
  key = row->is_poison ? &bench->letter_keys[row->key] : &bench->keys[row->key];
  if (key->partition >= 0 && (key->partition != reading->partition || key->topic != reading->topic)) {
    if (!bench->options->may_move_keys) {
      judge_find(bench->judgement, GUARANTEE_ORDER, "event %s is in another partition than its key's other events, which are in %s[%" PRId32 "] (%s)",
                 names_text(names, row->id), names_text(names, key->topic), key->partition, place(bench, reading).text);
    }
    *key = (struct key){.topic = reading->topic, .partition = reading->partition, .at = row, .top = row};
    return false;
  }
  key->topic = reading->topic;
  key->partition = reading->partition;
  if (row->n == HISTORY_NO_NUMBER) {
    return true;
  }
  at = key->at != NULL ? key->at->place : 0;
  top = key->top != NULL ? key->top->place : 0;
  if (is_first && row->place < top) {
    bench->is_collateral[row - bench->history->rows] = !row->is_poison;
    judge_find(bench->judgement, GUARANTEE_ORDER, "event %s is number %" PRId64 " of its key and came first after number %" PRId64 " (%s)",
               names_text(names, row->id), row->n, key->top->n, place(bench, reading).text);
  } else if (at < top && row->place > at + 1 && !(bench->options->may_interleave && row->place <= top + 1)) {
    judge_find(bench->judgement, GUARANTEE_DUPLICATES, "event %s, number %" PRId64 " of its key, follows number %" PRId64 " within a replay (%s)",
               names_text(names, row->id), row->n, key->at->n, place(bench, reading).text);
  }
  key->at = row;
  key->top = row->place > top ? row : key->top;
  return !is_first || row->place >= top;
}

static void see_reading(struct bench *bench, const struct reading *reading)
{
  const struct history *history = bench->history;
  uint32_t index = reading->id != NAME_NONE ? bench->row_of[reading->id] : NAME_NONE;
  const struct row *row;
  struct passage *passage;
  bool is_letter, is_in_order;

  if (index == NAME_NONE) {
    judge_find(bench->judgement, GUARANTEE_PHANTOM, "event %s: %s (%s)", names_text(&history->names, reading->id), why_phantom(bench, reading->id),
               place(bench, reading).text);
    return;
  }
  row = &history->rows[index];
  passage = &bench->judgement->passages[index];
  if (passage->append_us > reading->append_ms * 1000 && (bench->first[index] == NULL || bench->options->may_move_keys)) {
    passage->append_us = reading->append_ms * 1000;
  }
  passage->has_lsn = reading->has_lsn;
  passage->lsn = reading->lsn;
  is_letter = bench->options->dead_letters != NULL && strcmp(names_text(&history->names, reading->topic), bench->options->dead_letters) == 0;
  bench->judgement->dead_letter_count += is_letter ? 1 : 0;
  see_bytes(bench, row, reading, is_letter, bench->first[index]);
  if (is_letter != row->is_poison) {
    bench->is_collateral[index] = is_letter;
    judge_find(bench->judgement, GUARANTEE_LOST, "event %s %s (%s)", names_text(&history->names, row->id),
               is_letter ? "is a dead letter, and nobody had a reason to refuse it" : "is in a topic that was to refuse it", place(bench, reading).text);
    return;
  }
  is_in_order = see_order(bench, row, reading, bench->first[index] == NULL);
  if (bench->first[index] == NULL) {
    bench->first[index] = reading;
    if (is_in_order && !is_letter && !bench->options->may_move_keys) {
      see_partition(bench, reading);
    }
  } else {
    count_repetition(bench, bench->last[index], reading);
  }
  bench->last[index] = reading;
}

/* Partition by partition; what a reader that began again read twice counts once. */
static void see_readings(struct bench *bench, struct history *history)
{
  const struct reading *last = NULL;

  if (history->reading_count > 0) {
    qsort(history->readings, history->reading_count, sizeof(history->readings[0]), compare_readings);
  }
  for (size_t i = 0; i < history->reading_count; i++) {
    const struct reading *reading = &history->readings[i];

    if (last == NULL || compare_readings(last, reading) != 0) {
      see_reading(bench, reading);
    } else if (last->id != reading->id || memcmp(last->sha256, reading->sha256, SHA256_BYTES) != 0) {
      judge_find(bench->judgement, GUARANTEE_BYTES, "event %s was read where event %s had been read before (%s)", names_text(&history->names, reading->id),
                 names_text(&history->names, last->id), place(bench, reading).text);
    }
    last = reading;
  }
}

static void see_rows(struct bench *bench)
{
  const struct history *history = bench->history;
  struct judgement *judgement = bench->judgement;

  for (size_t i = 0; i < history->row_count; i++) {
    const struct row *row = &history->rows[i];
    struct passage *passage = &judgement->passages[i];
    const struct told *told = bench->told_of[row->id];

    passage->commit_us = told != NULL ? told->us : 0;
    if (passage->append_us == INT64_MAX) {
      bench->is_collateral[i] = !row->is_poison;
      judge_find(judgement, GUARANTEE_LOST, "event %s (key %.40s, number %" PRId64 ") is in the table and not in Kafka", names_text(&history->names, row->id),
                 names_text(&history->names, row->key), row->n == HISTORY_NO_NUMBER ? -1 : row->n);
    }
    judgement->poison_count += row->is_poison ? 1 : 0;
    judgement->collateral_count += bench->is_collateral[i] ? 1 : 0;
  }
  for (size_t i = 0; i < history->told_count; i++) {
    const struct told *told = &history->told[i];
    bool is_there = bench->row_of[told->id] != NAME_NONE;

    if (told->outcome == OUTCOME_COMMIT && !is_there) {
      judge_find(judgement, GUARANTEE_LOST, "event %s: its commit was answered, and the table does not hold it", names_text(&history->names, told->id));
    }
    judgement->unknown_there += told->outcome == OUTCOME_UNKNOWN && is_there ? 1 : 0;
    judgement->unknown_not_there += told->outcome == OUTCOME_UNKNOWN && !is_there ? 1 : 0;
    judgement->rolled_back += told->outcome == OUTCOME_ROLLBACK || told->outcome == OUTCOME_UNDONE ? 1 : 0;
  }
}

void judge(struct history *history, const struct judge_options *options, struct judgement *ret_judgement)
{
  uint32_t names = history->names.count;
  struct bench bench = {
      .history = history,
      .options = options,
      .judgement = ret_judgement,
      .row_of = zeroed(names, sizeof(*bench.row_of)),
      .told_of = zeroed(names, sizeof(void *)),
      .first = zeroed(history->row_count, sizeof(void *)),
      .last = zeroed(history->row_count, sizeof(void *)),
      .keys = zeroed(names, sizeof(*bench.keys)),
      .letter_keys = zeroed(names, sizeof(*bench.letter_keys)),
      .is_collateral = zeroed(history->row_count, sizeof(*bench.is_collateral)),
  };

  *ret_judgement =
      (struct judgement){.passages = zeroed(history->row_count, sizeof(struct passage)), .repetitions = zeroed(history->fault_count, sizeof(int64_t))};
  for (size_t i = 0; i < GUARANTEES; i++) {
    ret_judgement->findings[i].texts = zeroed(FINDINGS_MAX, FINDING_MAX_BYTES);
  }
  for (uint32_t i = 0; i < names; i++) {
    bench.row_of[i] = NAME_NONE;
    bench.keys[i].partition = -1;
    bench.letter_keys[i].partition = -1;
  }
  for (size_t i = 0; i < history->told_count; i++) {
    bench.told_of[history->told[i].id] = &history->told[i];
  }
  for (size_t i = 0; i < history->row_count; i++) {
    bench.row_of[history->rows[i].id] = (uint32_t)i;
    ret_judgement->passages[i].append_us = INT64_MAX;
  }
  see_readings(&bench, history);
  see_rows(&bench);
  if (history->sample_count > 0) {
    judge_confirmed(history, ret_judgement);
  } else if (!options->is_without_samples) {
    judge_find(ret_judgement, GUARANTEE_CONFIRMED, "there are no samples of the slot");
  }
  free(bench.row_of);
  free(bench.told_of);
  free(bench.first);
  free(bench.last);
  free(bench.keys);
  free(bench.letter_keys);
  free(bench.is_collateral);
}

void judge_done(struct judgement *judgement)
{
  for (size_t i = 0; i < GUARANTEES; i++) {
    free(judgement->findings[i].texts);
  }
  free(judgement->passages);
  free(judgement->repetitions);
  *judgement = (struct judgement){0};
}
