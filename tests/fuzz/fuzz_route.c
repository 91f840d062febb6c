/*
 * fuzz_route.c - from a row to a record: a configuration with outbox entries (the first part, see loaded.h), a divider, then rows as wal2json's lines. What the
 * router makes must be something that may be given to Kafka, and a poison row must still make a dead letter.
 */
#include "loaded.h"
#include "publish/dead_letter.h"

static const struct route_transaction transaction = {.xid = 7, .commit_time_us = 1700000000000000};
static const int64_t now_us = 1700000001000000;

static void expect_headers(const struct record *record, size_t max)
{
  FUZZ_EXPECT(record->header_count <= max);
  for (size_t i = 0; i < record->header_count; i++) {
    FUZZ_EXPECT(record->headers[i].name.data[record->headers[i].name.length] == '\0');
    fuzz_touch(record->headers[i].name);
    fuzz_touch(record->headers[i].value);
  }
}

static void expect_record(const struct record *record)
{
  FUZZ_EXPECT(topic_is_legal(record->topic) && record->topic.data[record->topic.length] == '\0');
  FUZZ_EXPECT(!span_is_null(record->key) && record->key.length > 0);
  FUZZ_EXPECT(record->partition >= RECORD_PARTITION_BY_KEY && record->timestamp_ms > 0);
  fuzz_touch(record->key);
  fuzz_touch(record->value);
  fuzz_touch(record->event_id);
  expect_headers(record, ROUTE_HEADERS_MAX);
}

static void expect_dead_letter(const struct config *config, const struct record *record, enum route_reason reason, struct arena *arena)
{
  const struct dead_letter_cause cause = {.reason = route_reason_name(reason), .error = "refused", .table = config->outbox[record->entry].table};
  struct record letter;

  FUZZ_EXPECT(cause.reason != NULL && span_is_null(record->topic));
  dead_letter_build(record, &cause, "dead", arena, &letter);
  fuzz_touch(letter.key);
  fuzz_touch(letter.value);
  expect_headers(&letter, ROUTE_HEADERS_MAX + DEAD_LETTER_HEADERS);
}

static void route(const struct config *config, struct router *router, const struct change *change, struct position position, struct arena *arena)
{
  enum route_outcome outcome;
  enum route_reason reason;
  struct record record;
  struct problem problem = {.text = ""};

  switch (router_route(router, change, &transaction, position, now_us, arena, &outcome, &record, &reason, &problem)) {
  case VERDICT_OK:
    if (outcome == ROUTE_EVENT) {
      expect_record(&record);
    }
    break;
  case VERDICT_POISON:
    FUZZ_EXPECT(problem.text[0] != '\0');
    expect_dead_letter(config, &record, reason, arena);
    break;
  case VERDICT_FATAL:
    FUZZ_EXPECT(problem.text[0] != '\0');
    break;
  case VERDICT_RETRY:
  case VERDICT_WAIT:
    FUZZ_EXPECT(false && "the router neither waits nor tries again");
    break;
  }
}

static void route_lines(const struct config *config, struct router *router, struct span lines)
{
  struct decoder *decoder = decoder_new(PLUGIN_WAL2JSON);
  struct position position = {.commit_lsn = 0x100};
  struct span line;
  struct arena arena;

  arena_init(&arena, 1024);
  while (fuzz_next_piece(&lines, '\n', &line)) {
    struct change change;
    struct problem problem;

    if (decoder_read(decoder, line, &arena, &change, &problem) != VERDICT_OK) {
      decoder_reset(decoder);
      router_reset(router);
    } else if (change.kind != CHANGE_NONE && change.kind != CHANGE_BEGIN && change.kind != CHANGE_COMMIT) {
      route(config, router, &change, position, &arena);
      position.index++;
    }
    arena_reset(&arena);
  }
  decoder_free(decoder);
  arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct span rest = span_of((const char *)data, size);
  struct span file = loaded_part(&rest);
  struct problem_list *problems = calloc(1, sizeof(*problems));
  struct config *config;

  FUZZ_EXPECT(problems != NULL);
  config = loaded_config(file, span_of_text("CDC_RELAY_POSTGRES_URL=postgresql://relay@localhost/shop\nCDC_RELAY_KAFKA_BOOTSTRAP_SERVERS=localhost:9092"),
                         span_of(NULL, 0), problems);
  if (config != NULL) {
    struct router *router = router_new(config, problems);

    FUZZ_EXPECT(router != NULL);
    route_lines(config, router, rest);
    router_free(router);
    config_free(config);
  }
  free(problems);
  return 0;
}
