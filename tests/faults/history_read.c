/* history_read.c - JSON lines to arrays. A line that is not understood is an error: a history of which a part is ignored proves nothing. */
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "history.h"

/* Returns room for one more element behind the others. */
#define MORE(array, count, room) more((void **)&(array), &(count), &(room), sizeof((array)[0]))

static void *more(void **array, size_t *count, size_t *room, size_t size)
{
  if (*count == *room) {
    *room = *room * 2 + 256;
    *array = realloc(*array, *room * size);
    if (*array == NULL) {
      abort();
    }
  }
  return memset((char *)*array + (*count)++ * size, 0, size);
}

static bool read_integer(const json_t *object, const char *name, int64_t *ret_number)
{
  const json_t *value = json_object_get(object, name);

  if (!json_is_integer(value)) {
    return false;
  }
  *ret_number = json_integer_value(value);
  return true;
}

/* Null, or not there, is NAME_NONE where that is allowed. */
static bool read_name(struct history *history, const json_t *object, const char *name, bool may_lack, uint32_t *ret_name)
{
  const json_t *value = json_object_get(object, name);

  if (value == NULL || json_is_null(value)) {
    *ret_name = NAME_NONE;
    return may_lack;
  }
  if (!json_is_string(value)) {
    return false;
  }
  *ret_name = names_add(&history->names, json_string_value(value));
  return true;
}

static int digit(char c)
{
  return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_sha256(const json_t *object, bool may_lack, bool *ret_is_there, unsigned char ret_sha256[SHA256_BYTES])
{
  const json_t *value = json_object_get(object, "sha256");
  const char *text = json_string_value(value);

  *ret_is_there = text != NULL;
  if (text == NULL) {
    return may_lack && (value == NULL || json_is_null(value));
  }
  for (size_t i = 0; i < SHA256_BYTES; i++) {
    int high = text[2 * i] != '\0' ? digit(text[2 * i]) : -1, low = high >= 0 ? digit(text[2 * i + 1]) : -1;

    if (low < 0) {
      return false;
    }
    ret_sha256[i] = (unsigned char)(high << 4 | low);
  }
  return text[2 * (size_t)SHA256_BYTES] == '\0';
}

/* 16/B374D848, and where `ret_index` is not NULL 16/B374D848/0. */
static bool read_lsn(const char *text, uint64_t *ret_lsn, uint32_t *ret_index)
{
  uint32_t high, low, index = 0;
  int end = 0;

  if (sscanf(text, "%8" SCNx32 "/%8" SCNx32 "%n", &high, &low, &end) != 2) {
    return false;
  }
  text += end;
  if (ret_index != NULL && (sscanf(text, "/%9" SCNu32 "%n", &index, &end) != 1 || text[end] != '\0')) {
    return false;
  }
  if (ret_index == NULL && *text != '\0') {
    return false;
  }
  *ret_lsn = (uint64_t)high << 32 | low;
  if (ret_index != NULL) {
    *ret_index = index;
  }
  return true;
}

static void tell(struct history *history, uint32_t id, enum outcome outcome, int64_t us)
{
  struct told *told = MORE(history->told, history->told_count, history->told_room);

  *told = (struct told){.id = id, .outcome = outcome, .us = us};
}

static bool read_end(struct history *history, const json_t *object, int64_t us, enum outcome outcome)
{
  const json_t *events = json_object_get(object, "events"), *undone = json_object_get(object, "undone"), *element;
  size_t i;

  if (!json_is_array(events) || (undone != NULL && !json_is_array(undone))) {
    return false;
  }
  json_array_foreach(events, i, element)
  {
    uint32_t id;

    if (!read_name(history, element, "id", false, &id)) {
      return false;
    }
    tell(history, id, outcome, us);
  }
  json_array_foreach(undone, i, element)
  {
    if (!json_is_string(element)) {
      return false;
    }
    tell(history, names_add(&history->names, json_string_value(element)), OUTCOME_UNDONE, us);
  }
  return true;
}

static bool read_row(struct history *history, const json_t *object)
{
  struct row *row = MORE(history->rows, history->row_count, history->row_room);
  const json_t *poison = json_object_get(object, "poison");
  bool has_value;

  if (!read_integer(object, "n", &row->n)) {
    if (!json_is_null(json_object_get(object, "n"))) {
      return false;
    }
    row->n = HISTORY_NO_NUMBER;
  }
  row->is_poison = json_is_true(poison);
  return (poison == NULL || json_is_boolean(poison)) && json_object_get(object, "key") != NULL && read_name(history, object, "id", false, &row->id) &&
         read_name(history, object, "key", true, &row->key) && read_name(history, object, "topic", true, &row->topic) &&
         read_sha256(object, false, &has_value, row->sha256);
}

/* The position that a record names in `member`, where it does. Returns false for one that is none. */
static bool read_position(const json_t *object, const char *member, bool *ret_is_there, uint64_t *ret_lsn, uint32_t *ret_index)
{
  const json_t *value = json_object_get(object, member);

  *ret_is_there = json_is_string(value);
  return *ret_is_there ? read_lsn(json_string_value(value), ret_lsn, ret_index) : value == NULL || json_is_null(value);
}

static bool read_record(struct history *history, const json_t *object)
{
  struct reading *reading = MORE(history->readings, history->reading_count, history->reading_room);
  int64_t partition;
  bool has_letter_position;

  if (!read_name(history, object, "topic", false, &reading->topic) || !read_integer(object, "partition", &partition) || partition < 0 ||
      partition > INT32_MAX || !read_integer(object, "offset", &reading->offset) || !read_integer(object, "append_ms", &reading->append_ms) ||
      !read_name(history, object, "key", true, &reading->key) || !read_name(history, object, "id", true, &reading->id) ||
      !read_sha256(object, true, &reading->has_value, reading->sha256) || !read_name(history, object, "dead.letter.topic", true, &reading->letter_topic) ||
      !read_name(history, object, "dead.letter.reason", true, &reading->letter_reason)) {
    return false;
  }
  reading->partition = (int32_t)partition;
  return read_position(object, "lsn", &reading->has_lsn, &reading->lsn, &reading->index) &&
         read_position(object, "dead.letter.position", &has_letter_position, &reading->letter_lsn, &reading->letter_index);
}

static bool read_slot(struct history *history, const json_t *object, int64_t us)
{
  const json_t *confirmed = json_object_get(object, "confirmed");
  struct sample sample = {.us = us};

  if (json_is_null(confirmed)) {
    return true; /* no slot, or one that has confirmed nothing */
  }
  if (!json_is_string(confirmed) || !read_lsn(json_string_value(confirmed), &sample.confirmed, NULL)) {
    return false;
  }
  *(struct sample *)MORE(history->samples, history->sample_count, history->sample_room) = sample;
  return true;
}

static bool read_fault(struct history *history, const json_t *object, int64_t us)
{
  const char *phase = json_string_value(json_object_get(object, "phase"));
  uint32_t kind;
  bool is_missed;

  if (phase == NULL || !read_name(history, object, "kind", false, &kind)) {
    return false;
  }
  if (strcmp(phase, "begin") == 0) {
    struct fault *fault = MORE(history->faults, history->fault_count, history->fault_room);

    *fault = (struct fault){.kind = kind, .begin_us = us, .end_us = us};
    return true;
  }
  is_missed = strcmp(phase, "missed") == 0;
  /* The newest of that kind that has no end yet. */
  for (size_t i = history->fault_count; i > 0 && (is_missed || strcmp(phase, "end") == 0); i--) {
    struct fault *fault = &history->faults[i - 1];

    if (fault->kind == kind && fault->end_us == fault->begin_us) {
      fault->end_us = us > fault->begin_us ? us : fault->begin_us + 1;
      fault->is_missed = is_missed;
      history->missed_count += is_missed ? 1 : 0;
      return true;
    }
  }
  return false;
}

static bool read_line(struct history *history, const json_t *object)
{
  const char *op = json_string_value(json_object_get(object, "op"));
  int64_t us = 0;
  bool is_good = true;

  if (op == NULL || !read_integer(object, "t", &us)) {
    return false;
  }
  if (strcmp(op, "read") == 0) {
    is_good = read_record(history, object);
  } else if (strcmp(op, "row") == 0) {
    is_good = read_row(history, object);
  } else if (strcmp(op, "commit") == 0) {
    is_good = read_end(history, object, us, OUTCOME_COMMIT);
  } else if (strcmp(op, "rollback") == 0) {
    is_good = read_end(history, object, us, OUTCOME_ROLLBACK);
  } else if (strcmp(op, "unknown") == 0) {
    is_good = read_end(history, object, us, OUTCOME_UNKNOWN);
  } else if (strcmp(op, "slot") == 0) {
    is_good = read_slot(history, object, us);
  } else if (strcmp(op, "fault") == 0) {
    is_good = read_fault(history, object, us);
  } else if (strcmp(op, "resolved") == 0) {
    history->was_resolved = true;
  } else if (strcmp(op, "begin") != 0 && strcmp(op, "caught_up") != 0) {
    is_good = false;
  }
  /* When rows were listed and how long the reader went on is no part of what happened. */
  if (strcmp(op, "row") != 0 && strcmp(op, "resolved") != 0 && strcmp(op, "caught_up") != 0 && strcmp(op, "read") != 0) {
    history->first_us = history->first_us == 0 || us < history->first_us ? us : history->first_us;
    history->last_us = us > history->last_us ? us : history->last_us;
  }
  return is_good;
}

bool history_read(struct history *history, FILE *file, const char *name, char ret_error[256])
{
  char *text = NULL;
  size_t size = 0, number = 0;
  ssize_t length;
  bool is_good = true;

  while (is_good && (length = getline(&text, &size, file)) >= 0) {
    json_error_t why;
    json_t *object = json_loadb(text, (size_t)length, JSON_REJECT_DUPLICATES, &why);

    number++;
    if (object == NULL) {
      (void)snprintf(ret_error, 256, "%s:%zu: %s", name, number, why.text);
      is_good = false;
    } else if (!read_line(history, object)) {
      (void)snprintf(ret_error, 256, "%s:%zu: no line of a history: %.150s", name, number, text);
      is_good = false;
    }
    json_decref(object);
  }
  free(text);
  if (is_good && ferror(file)) {
    (void)snprintf(ret_error, 256, "%s could not be read", name);
    is_good = false;
  }
  return is_good;
}

static int compare_faults(const void *left, const void *right)
{
  const struct fault *a = left, *b = right;

  return (a->begin_us > b->begin_us) - (a->begin_us < b->begin_us);
}

static int compare_samples(const void *left, const void *right)
{
  const struct sample *a = left, *b = right;

  return (a->us > b->us) - (a->us < b->us);
}

static int compare_rows(const void *left, const void *right)
{
  const struct row *a = left, *b = right;

  if (a->key != b->key) {
    return a->key < b->key ? -1 : 1;
  }
  if (a->is_poison != b->is_poison) {
    return a->is_poison ? 1 : -1;
  }
  return (a->n > b->n) - (a->n < b->n);
}

/* A key's rows go two ways, and each way has its own order, in which what went the other way leaves no gap. */
static void give_places(struct history *history)
{
  if (history->row_count > 0) {
    qsort(history->rows, history->row_count, sizeof(history->rows[0]), compare_rows);
  }
  for (size_t i = 0; i < history->row_count; i++) {
    struct row *row = &history->rows[i];
    bool is_next = i > 0 && row[-1].key == row->key && row[-1].is_poison == row->is_poison;

    row->place = !is_next ? 1 : row[-1].n == row->n ? row[-1].place : row[-1].place + 1;
  }
}

bool history_settle(struct history *history, char ret_error[256])
{
  if (history->sample_count > 0) {
    qsort(history->samples, history->sample_count, sizeof(history->samples[0]), compare_samples);
  }
  for (size_t i = 0; i < history->sample_count; i++) {
    struct sample *sample = &history->samples[i];

    sample->highest = i > 0 && sample[-1].highest > sample->confirmed ? sample[-1].highest : sample->confirmed;
  }
  if (history->fault_count > 0) {
    qsort(history->faults, history->fault_count, sizeof(history->faults[0]), compare_faults);
  }
  if (!history->was_resolved) {
    (void)snprintf(ret_error, 256, "there is no line `resolved`: nobody knows what was committed");
    return false;
  }
  if (history->row_count == 0) {
    (void)snprintf(ret_error, 256, "the table holds no row: there is nothing to judge");
    return false;
  }
  give_places(history);
  return true;
}

void history_done(struct history *history)
{
  names_done(&history->names);
  free(history->told);
  free(history->rows);
  free(history->readings);
  free(history->faults);
  free(history->samples);
  *history = (struct history){0};
}
