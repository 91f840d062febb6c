/*
 * instrument.c - figures by name and labels.
 *
 *   instruments -> family -> family -> ...                        in the order in which they were made
 *                  |  slots: hash of the label values -> series   open addressing, twice as many as there can be series
 *                  |  series: key "route\0" "status\0", value     in the order in which they came
 *
 * One mutex for the collection: an update is a hash and an addition, a scrape writes into memory. A series is known by its label values with their zeros, put
 * together on the stack, so that an update of a series that is there allocates nothing. Histograms count each value in one bucket; the exposition adds up.
 */
#include "instrument.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exposition_text.h"
#include "fnv1a.h"
#include "text_out.h"

enum {
  SLOT_COUNT = 2 * INSTRUMENT_SERIES_MAX,
  LABEL_NAMES_MAX_BYTES = 128, /* of a family, with commas */
  LABEL_VALUE_MAX_BYTES = 128, /* cut there */
  KEY_MAX_BYTES = INSTRUMENT_LABELS_MAX * (LABEL_VALUE_MAX_BYTES + 1),
};

enum kind { KIND_COUNTER, KIND_GAUGE, KIND_HISTOGRAM };

struct series {
  double value; /* a histogram's sum */
  uint64_t count;
  uint64_t *buckets; /* bound_count + 1: the last one is of what is above all bounds */
  size_t key_length;
  char key[];
};

struct instrument {
  struct instruments *instruments;
  struct instrument *next;
  enum kind kind;
  const char *name;
  const char *help;
  const char *labels;                              /* as given */
  char label_names[LABEL_NAMES_MAX_BYTES];         /* the same, with zeros for commas */
  const char *label_starts[INSTRUMENT_LABELS_MAX]; /* in it */
  size_t label_count;
  double bounds[INSTRUMENT_BUCKETS_MAX];
  size_t bound_count;
  struct series *series[INSTRUMENT_SERIES_MAX + 1]; /* one more: `other` */
  size_t series_count;
  uint16_t slots[SLOT_COUNT]; /* index + 1; 0: free */
};

struct instruments {
  pthread_mutex_t mutex;
  struct instrument *first;
  struct instrument **end;
};

struct key {
  size_t length;
  char bytes[KEY_MAX_BYTES];
};

static const double seconds_bounds[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 0};

static void *allocate(size_t size)
{
  void *memory = calloc(1, size);

  if (memory == NULL) {
    abort();
  }
  return memory;
}

struct instruments *instruments_new(void)
{
  struct instruments *instruments = allocate(sizeof(*instruments));

  (void)pthread_mutex_init(&instruments->mutex, NULL);
  instruments->end = &instruments->first;
  return instruments;
}

void instruments_free(struct instruments *instruments)
{
  struct instrument *instrument = instruments != NULL ? instruments->first : NULL;

  while (instrument != NULL) {
    struct instrument *next = instrument->next;

    for (size_t i = 0; i < instrument->series_count; i++) {
      free(instrument->series[i]->buckets);
      free(instrument->series[i]);
    }
    free(instrument);
    instrument = next;
  }
  if (instruments != NULL) {
    (void)pthread_mutex_destroy(&instruments->mutex);
  }
  free(instruments);
}

/* --- series --- */

static void key_put(struct key *key, const char *value)
{
  size_t length = value != NULL ? strlen(value) : 0;

  if (length > LABEL_VALUE_MAX_BYTES) {
    length = LABEL_VALUE_MAX_BYTES;
    while (length > 0 && ((unsigned char)value[length] & 0xc0) == 0x80) { /* in the middle of a character */
      length--;
    }
  }
  if (length > 0) {
    memcpy(key->bytes + key->length, value, length);
  }
  key->bytes[key->length + length] = '\0';
  key->length += length + 1;
}

static void key_of(const struct instrument *instrument, const char *const *labels, struct key *ret_key)
{
  ret_key->length = 0;
  for (size_t i = 0; i < instrument->label_count; i++) {
    key_put(ret_key, labels[i]);
  }
}

static void key_of_other(const struct instrument *instrument, struct key *ret_key)
{
  ret_key->length = 0;
  for (size_t i = 0; i < instrument->label_count; i++) {
    key_put(ret_key, "other");
  }
}

/* The slot of the key's series, or the free one where it would stand: there are always free ones. */
static size_t slot_find(const struct instrument *instrument, const struct key *key)
{
  size_t slot = (size_t)(fnv1a_64(span_of(key->bytes, key->length)) % SLOT_COUNT);

  while (instrument->slots[slot] != 0) {
    const struct series *series = instrument->series[instrument->slots[slot] - 1];

    if (series->key_length == key->length && memcmp(series->key, key->bytes, key->length) == 0) {
      break;
    }
    slot = (slot + 1) % SLOT_COUNT;
  }
  return slot;
}

static struct series *series_add(struct instrument *instrument, const struct key *key, size_t slot)
{
  struct series *series = allocate(sizeof(*series) + key->length);

  series->key_length = key->length;
  memcpy(series->key, key->bytes, key->length);
  if (instrument->kind == KIND_HISTOGRAM) {
    series->buckets = allocate((instrument->bound_count + 1) * sizeof(*series->buckets));
  }
  instrument->series[instrument->series_count++] = series;
  instrument->slots[slot] = (uint16_t)instrument->series_count;
  return series;
}

static struct series *series_at(struct instrument *instrument, const char *const *labels)
{
  struct key key;
  size_t slot;

  key_of(instrument, labels, &key);
  slot = slot_find(instrument, &key);
  if (instrument->slots[slot] == 0 && instrument->series_count >= INSTRUMENT_SERIES_MAX) {
    key_of_other(instrument, &key);
    slot = slot_find(instrument, &key);
  }
  return instrument->slots[slot] != 0 ? instrument->series[instrument->slots[slot] - 1] : series_add(instrument, &key, slot);
}

/* --- families --- */

static void split_labels(struct instrument *instrument, const char *labels)
{
  char *at = instrument->label_names;

  assert(strlen(labels) < sizeof(instrument->label_names));
  memcpy(instrument->label_names, labels, strlen(labels) + 1);
  while (*at != '\0') {
    size_t length = strcspn(at, ",");

    assert(instrument->label_count < INSTRUMENT_LABELS_MAX && length > 0);
    instrument->label_starts[instrument->label_count++] = at;
    at += length;
    if (*at == ',') {
      *at++ = '\0';
    }
  }
}

static void take_bounds(struct instrument *instrument, const double *bounds)
{
  for (; bounds[instrument->bound_count] > 0; instrument->bound_count++) {
    size_t at = instrument->bound_count;

    assert(at < INSTRUMENT_BUCKETS_MAX && (at == 0 || bounds[at] > bounds[at - 1]));
    instrument->bounds[at] = bounds[at];
  }
}

static struct instrument *family_new(struct instruments *instruments, enum kind kind, const char *name, const char *help, const char *labels,
                                     const double *bounds)
{
  struct instrument *instrument;

  (void)pthread_mutex_lock(&instruments->mutex);
  for (instrument = instruments->first; instrument != NULL; instrument = instrument->next) {
    if (strcmp(instrument->name, name) == 0) {
      assert(instrument->kind == kind && strcmp(instrument->labels, labels) == 0);
      goto done;
    }
  }
  instrument = allocate(sizeof(*instrument));
  instrument->instruments = instruments;
  instrument->kind = kind;
  instrument->name = name;
  instrument->help = help;
  instrument->labels = labels;
  split_labels(instrument, labels);
  take_bounds(instrument, bounds);
  if (instrument->label_count == 0) { /* there from the beginning, so that its first increase is seen */
    (void)series_at(instrument, NULL);
  }
  *instruments->end = instrument;
  instruments->end = &instrument->next;
done:
  (void)pthread_mutex_unlock(&instruments->mutex);
  return instrument;
}

static const double no_bounds[] = {0};

struct instrument *instrument_counter(struct instruments *instruments, const char *name, const char *help, const char *labels)
{
  return family_new(instruments, KIND_COUNTER, name, help, labels, no_bounds);
}

struct instrument *instrument_gauge(struct instruments *instruments, const char *name, const char *help, const char *labels)
{
  return family_new(instruments, KIND_GAUGE, name, help, labels, no_bounds);
}

struct instrument *instrument_histogram(struct instruments *instruments, const char *name, const char *help, const char *labels, const double *bounds)
{
  return family_new(instruments, KIND_HISTOGRAM, name, help, labels, bounds != NULL ? bounds : seconds_bounds);
}

/* --- figures --- */

void instrument_change(struct instrument *instrument, double by, const char *const *labels)
{
  assert(instrument->kind != KIND_HISTOGRAM);
  if (isnan(by) || (instrument->kind == KIND_COUNTER && by < 0)) {
    return; /* a counter that falls is one of a program that started anew */
  }
  (void)pthread_mutex_lock(&instrument->instruments->mutex);
  series_at(instrument, labels)->value += by;
  (void)pthread_mutex_unlock(&instrument->instruments->mutex);
}

void instrument_store(struct instrument *instrument, double value, const char *const *labels)
{
  assert(instrument->kind == KIND_GAUGE);
  (void)pthread_mutex_lock(&instrument->instruments->mutex);
  series_at(instrument, labels)->value = value;
  (void)pthread_mutex_unlock(&instrument->instruments->mutex);
}

void instrument_record(struct instrument *instrument, double value, const char *const *labels)
{
  struct series *series;
  size_t bucket = 0;

  assert(instrument->kind == KIND_HISTOGRAM);
  if (isnan(value)) {
    return; /* it would be the sum for ever */
  }
  while (bucket < instrument->bound_count && value > instrument->bounds[bucket]) {
    bucket++;
  }
  (void)pthread_mutex_lock(&instrument->instruments->mutex);
  series = series_at(instrument, labels);
  series->buckets[bucket]++;
  series->count++;
  series->value += value;
  (void)pthread_mutex_unlock(&instrument->instruments->mutex);
}

double instrument_value(struct instrument *instrument, const char *const *labels)
{
  struct key key;
  double value = 0;
  size_t slot;

  key_of(instrument, labels, &key);
  (void)pthread_mutex_lock(&instrument->instruments->mutex);
  slot = slot_find(instrument, &key);
  if (instrument->slots[slot] != 0) {
    const struct series *series = instrument->series[instrument->slots[slot] - 1];

    value = instrument->kind == KIND_HISTOGRAM ? (double)series->count : series->value;
  }
  (void)pthread_mutex_unlock(&instrument->instruments->mutex);
  return value;
}

/* --- exposition --- */

/* `name_suffix{label="value",le="bound"} `, without the number; `bound` NULL: no such label. */
static void write_series_name(FILE *out, const struct instrument *instrument, const struct series *series, const char *suffix, const double *bound)
{
  const char *separator = "{";
  const char *value = series->key;

  (void)fprintf(out, "%s%s", instrument->name, suffix);
  for (size_t i = 0; i < instrument->label_count; i++) {
    exposition_text_put_label(out, separator, instrument->label_starts[i], value);
    value += strlen(value) + 1;
    separator = ",";
  }
  if (bound != NULL) {
    (void)fprintf(out, "%sle=\"", separator);
    exposition_text_put_number(out, *bound);
    (void)fputc('"', out);
    separator = ",";
  }
  (void)fputs(separator[0] == ',' ? "} " : " ", out);
}

static void write_histogram(FILE *out, const struct instrument *instrument, const struct series *series)
{
  static const double infinite = INFINITY;
  uint64_t below = 0;

  for (size_t i = 0; i <= instrument->bound_count; i++) {
    below += series->buckets[i];
    write_series_name(out, instrument, series, "_bucket", i < instrument->bound_count ? &instrument->bounds[i] : &infinite);
    (void)fprintf(out, "%" PRIu64 "\n", below);
  }
  write_series_name(out, instrument, series, "_sum", NULL);
  exposition_text_put_number(out, series->value);
  (void)fputc('\n', out);
  write_series_name(out, instrument, series, "_count", NULL);
  (void)fprintf(out, "%" PRIu64 "\n", series->count);
}

static void write_family(FILE *out, const struct instrument *instrument)
{
  static const char *const type_names[] = {"counter", "gauge", "histogram"};

  (void)fprintf(out, "# HELP %s ", instrument->name);
  exposition_text_put_help(out, instrument->help);
  (void)fprintf(out, "\n# TYPE %s %s\n", instrument->name, type_names[instrument->kind]);
  for (size_t i = 0; i < instrument->series_count; i++) {
    const struct series *series = instrument->series[i];

    if (instrument->kind == KIND_HISTOGRAM) {
      write_histogram(out, instrument, series);
    } else {
      write_series_name(out, instrument, series, "", NULL);
      exposition_text_put_number(out, series->value);
      (void)fputc('\n', out);
    }
  }
}

char *instruments_text(struct instruments *instruments, size_t *ret_length)
{
  char *text = NULL;
  size_t length = 0;
  FILE *out = text_open(&text, &length);

  (void)pthread_mutex_lock(&instruments->mutex);
  for (const struct instrument *instrument = instruments->first; instrument != NULL; instrument = instrument->next) {
    write_family(out, instrument);
  }
  (void)pthread_mutex_unlock(&instruments->mutex);
  text_close(out);
  *ret_length = length;
  return text;
}
