/* figures.c - the table of a consumer's figures. */
#include "figures.h"

#include "failure.h"

static const double age_bounds[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600, 21600, 86400, 0};

void figures_open(struct figures *figures, const char *service, const char *own)
{
  struct instruments *all = instruments_new();

  *figures = (struct figures){
      .instruments = all,
      .service = service,
      .consumed = instrument_counter(all, "events_consumed_total", "events that are done, by what became of them", "service,topic,type,outcome"),
      .published = instrument_counter(all, "events_published_total", "events written to the outbox", "service,type"),
      .duplicates = instrument_counter(all, "consumer_duplicates_total", "events that were handled before", "topic"),
      .retries = instrument_counter(all, "consumer_retries_total", "attempts that failed and are made again, by the kind of failure", "topic,class"),
      .dead_letters = instrument_counter(all, "consumer_dead_letters_total", "events that were given up, by the kind of failure", "topic,class"),
      .processing = instrument_histogram(all, "consumer_processing_seconds", "from taking an event or a batch in hand to its commit", "topic", NULL),
      .freshness = instrument_histogram(all, "consumer_freshness_seconds", "from an event's timestamp to the commit of its effect", "topic", age_bounds),
      .lag = instrument_gauge(all, "consumer_lag_records", "records of the partition behind the last that is done", "topic,partition"),
      .waiting =
          instrument_gauge(all, "consumer_waiting_seconds", "since the partition's first event failed for the first time; 0: it has not", "topic,partition"),
      .refused = instrument_counter(all, "consumer_dead_letters_refused_total", "attempts to write a dead letter that failed, by cause", "topic,cause"),
      .assigned = instrument_gauge(all, "consumer_assigned_partitions", "partitions that this member has", ""),
      .dead_letter_topic_missing =
          instrument_gauge(all, "consumer_dead_letter_topic_missing", "1 while a topic that dead letters go to does not exist", "topic"),
  };
  if (own != NULL) {
    figures->own = instrument_counter(all, own, "events that are done, by what became of them", "type,outcome");
  }
  instrument_set(figures->assigned, 0);
}

void figures_expect(struct figures *figures, const char *topic)
{
  static const enum failure_class classes[] = {FAILURE_TRANSIENT, FAILURE_PERMANENT, FAILURE_UNKNOWN};
  /* Of burial.c and redis_reservation.c, and those that the database gives an outcome. */
  static const char *const refusals[] = {"no_dead_letter_topic",
                                         "dead_letter_too_large",
                                         "dead_letter_not_taken",
                                         "redis",
                                         "database_away",
                                         "database_refuses",
                                         "connection_lost",
                                         "commit_unknown",
                                         "data_refused",
                                         "statement_refused",
                                         "conflict",
                                         "kafka_client",
                                         "kafka_property",
                                         "dead_letter_topic",
                                         "bad_url"};

  instrument_add(figures->duplicates, 0, topic);
  for (size_t i = 0; i < sizeof(classes) / sizeof(*classes); i++) {
    instrument_add(figures->retries, 0, topic, failure_class_name(classes[i]));
    instrument_add(figures->dead_letters, 0, topic, failure_class_name(classes[i]));
  }
  for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
    instrument_add(figures->refused, 0, topic, refusals[i]);
  }
}

void figures_consumed(struct figures *figures, const char *topic, const char *type, const char *outcome)
{
  instrument_add(figures->consumed, 1, figures->service, topic, type, outcome);
  if (figures->own != NULL) {
    instrument_add(figures->own, 1, type, outcome);
  }
}

void figures_close(struct figures *figures)
{
  instruments_free(figures->instruments);
}
