/*
 * instrument.h - counters, gauges and histograms of a service or a consumer, in Prometheus' text exposition (version 0.0.4). Safe from any thread.
 *
 *     requests = instrument_counter(instruments, "http_requests_total", "requests answered", "route,status");
 *     instrument_add(requests, 1, "/api/orders", "201");
 *
 * Series are bounded: a family takes INSTRUMENT_SERIES_MAX of them, later label values are counted together as `other`. Labels are ours or our tables', never a
 * client's text. (The relay keeps its own, as a table that its documentation is generated from: cdc-relay/src/ops/metrics.h.)
 */
#ifndef INSTRUMENT_H
#define INSTRUMENT_H

#include <stddef.h>

enum { INSTRUMENT_SERIES_MAX = 512, INSTRUMENT_LABELS_MAX = 4, INSTRUMENT_BUCKETS_MAX = 24 };

struct instruments;
struct instrument;

struct instruments *instruments_new(void);
void instruments_free(struct instruments *instruments); /* takes NULL */

/*
 * `labels`: names with commas between, "" for none. Names, help and labels are static. A family lives as long as its collection; one that is there already, by
 * its name, is given again. Without labels it shows 0 from the beginning.
 */
struct instrument *instrument_counter(struct instruments *instruments, const char *name, const char *help, const char *labels);
struct instrument *instrument_gauge(struct instruments *instruments, const char *name, const char *help, const char *labels);
/* `bounds` of seconds or what is counted, rising, ends with 0; copied. NULL: 1 ms to 30 s. */
struct instrument *instrument_histogram(struct instruments *instruments, const char *name, const char *help, const char *labels, const double *bounds);

/*
 * As many label values (const char *) as the family has names follow; each counts up to its 128th byte. Add: counters, whose negative changes are ignored, and
 * gauges; set: gauges; observe: histograms. NaN changes nothing but a gauge that is set to it.
 */
#define instrument_add(instrument, by, ...)        instrument_change((instrument), (by), (const char *const[]){"", ##__VA_ARGS__} + 1)
#define instrument_set(instrument, value, ...)     instrument_store((instrument), (value), (const char *const[]){"", ##__VA_ARGS__} + 1)
#define instrument_observe(instrument, value, ...) instrument_record((instrument), (value), (const char *const[]){"", ##__VA_ARGS__} + 1)
void instrument_change(struct instrument *instrument, double by, const char *const *labels);
void instrument_store(struct instrument *instrument, double value, const char *const *labels);
void instrument_record(struct instrument *instrument, double value, const char *const *labels);

/* What is there now, for tests and for other figures; 0 for a series that is not. A histogram's count. */
double instrument_value(struct instrument *instrument, const char *const *labels);

/* The whole exposition, malloc'ed, with a zero behind it; UTF-8 whatever the label values were. */
char *instruments_text(struct instruments *instruments, size_t *ret_length);

#endif
