/*
 * walk.c - the partitions of one topic, assigned by hand from where the memory says to where the topic ended.
 *
 *     low ........ done.next ........ position ........ end
 *     dealt with, or away    read so far         not read yet    came later: not ours
 *
 * Offsets that no record has (transactions, compaction, retention) are dealt with by passing them. A memory that lies behind the topic's end belongs to a topic of the
 * same name that was deleted: it is dropped.
 *
 * The first commit is of all partitions, changed or not: Kafka forgets the offset of each by its own age, and a partition that rests would lose its memory while others
 * are worked on.
 *
 * Other runs may commit meanwhile, and a commit overwrites: the later one would forget what the earlier one knew. So the memory is read again before it is written, and
 * what it holds is added to what is known here. Kafka does not compare what it overwrites: between reading and writing there is a moment in which a commit of another
 * run is lost. Who must not lose any looks again, when every commit that was under way then has arrived (walk_confirm).
 */
#include "walk.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "done.h"
#include "moment.h"

struct lane {
  struct done done;
  int64_t position; /* the next offset to come */
  int64_t end;
  int64_t dropped; /* the committed offset of a memory that is another topic's, until it is overwritten; -1: none */
  bool is_changed; /* the memory is not what is committed, or was not told again since the walk began */
};

struct walk {
  rd_kafka_t *kafka;
  char *topic;
  int32_t lane_count;
  int32_t lanes_open; /* those that are not at their end */
  struct lane *lanes;
  int64_t read_us; /* monotonic: when the memory was asked for last */
};

/* What a person must mend, and what may pass. */
static enum verdict kafka_problem(struct problem *problem, rd_kafka_resp_err_t error, const char *what, const char *topic)
{
  bool is_refusal = error == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC || error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
                    error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED || error == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED ||
                    error == RD_KAFKA_RESP_ERR__AUTHENTICATION || error == RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION;

  return problem_set(problem, is_refusal ? VERDICT_FATAL : VERDICT_RETRY, is_refusal ? EXIT_KAFKA_REFUSES : EXIT_UNEXPECTED,
                     is_refusal ? "kafka_refuses" : "kafka_away", "could not %s topic \"%s\": %s", what, topic, rd_kafka_err2str(error));
}

static enum verdict count_partitions(struct walk *walk, struct problem *problem)
{
  rd_kafka_topic_t *topic = rd_kafka_topic_new(walk->kafka, walk->topic, NULL);
  const struct rd_kafka_metadata *metadata = NULL;
  rd_kafka_resp_err_t error = topic == NULL ? rd_kafka_last_error() : rd_kafka_metadata(walk->kafka, 0, topic, &metadata, WALK_ANSWER_TIMEOUT_MS);
  enum verdict verdict = VERDICT_OK;

  if (error == RD_KAFKA_RESP_ERR_NO_ERROR && metadata != NULL && metadata->topic_cnt > 0) {
    error = metadata->topics[0].err;
    walk->lane_count = metadata->topics[0].partition_cnt;
  }
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    verdict = kafka_problem(problem, error, "look up", walk->topic);
  } else if (walk->lane_count < 1 || walk->lane_count > WALK_PARTITIONS_MAX) {
    verdict = problem_set(problem, VERDICT_FATAL, EXIT_KAFKA_REFUSES, "partitions", "topic \"%s\" has %" PRId32 " partitions, 1 to %d can be read", walk->topic,
                          walk->lane_count, WALK_PARTITIONS_MAX);
  }
  if (metadata != NULL) {
    rd_kafka_metadata_destroy(metadata);
  }
  if (topic != NULL) {
    rd_kafka_topic_destroy(topic);
  }
  return verdict;
}

/* The memory's text with a zero behind it, owned by the caller; NULL where there is none. */
static char *memory_text(const rd_kafka_topic_partition_t *committed)
{
  return committed->metadata == NULL ? NULL : strndup(committed->metadata, committed->metadata_size);
}

static enum verdict open_lane(struct walk *walk, const rd_kafka_topic_partition_t *committed, bool from_beginning, struct problem *problem)
{
  struct lane *lane = &walk->lanes[committed->partition];
  int64_t low;
  rd_kafka_resp_err_t error = rd_kafka_query_watermark_offsets(walk->kafka, walk->topic, committed->partition, &low, &lane->end, WALK_ANSWER_TIMEOUT_MS);
  char *text;

  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return kafka_problem(problem, error, "ask for the end of", walk->topic);
  }
  text = memory_text(committed);
  lane->dropped = -1;
  if (committed->offset >= 0 && committed->offset <= lane->end) {
    (void)done_init(&lane->done, committed->offset, text);
  } else {
    done_begin(&lane->done, low, moment_now().wall_us / US_PER_MS);
    lane->dropped = committed->offset;
  }
  free(text);
  (void)done_add(&lane->done, 0, low);
  lane->is_changed = true;
  lane->position = from_beginning ? low : lane->done.next;
  if (lane->position < lane->end) {
    walk->lanes_open++;
  }
  return VERDICT_OK;
}

/* Makes a list, the caller's in any case, of what is committed for all partitions. */
static enum verdict read_committed(struct walk *walk, rd_kafka_topic_partition_list_t **ret_list, struct problem *problem)
{
  rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(walk->lane_count);
  rd_kafka_resp_err_t error;

  *ret_list = list;
  (void)rd_kafka_topic_partition_list_add_range(list, walk->topic, 0, walk->lane_count - 1);
  walk->read_us = moment_now().mono_us;
  error = rd_kafka_committed(walk->kafka, list, WALK_ANSWER_TIMEOUT_MS);
  for (int i = 0; error == RD_KAFKA_RESP_ERR_NO_ERROR && i < list->cnt; i++) {
    error = list->elems[i].err;
  }
  return error == RD_KAFKA_RESP_ERR_NO_ERROR ? VERDICT_OK : kafka_problem(problem, error, "ask for the committed offsets of", walk->topic);
}

static enum verdict open_lanes(struct walk *walk, bool from_beginning, struct problem *problem)
{
  rd_kafka_topic_partition_list_t *list;
  enum verdict verdict = read_committed(walk, &list, problem);
  rd_kafka_resp_err_t error;

  for (int i = 0; verdict == VERDICT_OK && i < list->cnt; i++) {
    verdict = open_lane(walk, &list->elems[i], from_beginning, problem);
  }
  for (int i = 0; verdict == VERDICT_OK && i < list->cnt; i++) {
    list->elems[i].offset = walk->lanes[list->elems[i].partition].position;
  }
  if (verdict == VERDICT_OK) {
    error = rd_kafka_assign(walk->kafka, list);
    verdict = error == RD_KAFKA_RESP_ERR_NO_ERROR ? VERDICT_OK : kafka_problem(problem, error, "read", walk->topic);
  }
  rd_kafka_topic_partition_list_destroy(list);
  return verdict;
}

enum verdict walk_open(rd_kafka_conf_t *conf, const char *topic, const char *group, bool from_beginning, struct walk **ret_walk, struct problem *problem)
{
  static const char *const fixed[][2] = {{"enable.auto.commit", "false"},
                                         {"enable.auto.offset.store", "false"},
                                         {"auto.offset.reset", "earliest"},
                                         {"enable.partition.eof", "true"},
                                         {"allow.auto.create.topics", "false"}};
  struct walk *walk = calloc(1, sizeof(*walk));
  char words[512];
  enum verdict verdict;

  if (walk == NULL || (walk->topic = strdup(topic)) == NULL) {
    abort();
  }
  for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
    (void)rd_kafka_conf_set(conf, fixed[i][0], fixed[i][1], NULL, 0);
  }
  (void)rd_kafka_conf_set(conf, "group.id", group, NULL, 0);
  walk->kafka = rd_kafka_new(RD_KAFKA_CONSUMER, conf, words, sizeof(words));
  if (walk->kafka == NULL) {
    rd_kafka_conf_destroy(conf);
    verdict = problem_set(problem, VERDICT_FATAL, EXIT_USAGE, "kafka_settings", "could not make a Kafka client: %s", words);
    walk_close(walk);
    return verdict;
  }
  (void)rd_kafka_poll_set_consumer(walk->kafka);
  verdict = count_partitions(walk, problem);
  if (verdict == VERDICT_OK) {
    walk->lanes = calloc((size_t)walk->lane_count, sizeof(*walk->lanes));
    if (walk->lanes == NULL) {
      abort();
    }
    verdict = open_lanes(walk, from_beginning, problem);
  }
  if (verdict != VERDICT_OK) {
    walk_close(walk);
    return verdict;
  }
  *ret_walk = walk;
  return VERDICT_OK;
}

void walk_close(struct walk *walk)
{
  if (walk == NULL) {
    return;
  }
  if (walk->kafka != NULL) {
    (void)rd_kafka_consumer_close(walk->kafka);
    rd_kafka_destroy(walk->kafka);
  }
  free(walk->lanes);
  free(walk->topic);
  free(walk);
}

/* All before `to` was read, or is not there. */
static void pass(struct walk *walk, struct lane *lane, int64_t to)
{
  bool was_open = lane->position < lane->end;

  if (to > lane->position) {
    lane->position = to;
  }
  if (was_open && lane->position >= lane->end) {
    walk->lanes_open--;
  }
}

/* Whether the record is one of ours; where not, it was dealt with here. */
static bool take(struct walk *walk, const rd_kafka_message_t *record)
{
  struct lane *lane = &walk->lanes[record->partition];
  int64_t gap_end = record->offset < lane->end ? record->offset : lane->end;

  if (lane->position < gap_end) {
    lane->is_changed = done_add(&lane->done, lane->position, gap_end) || lane->is_changed;
  }
  if (record->err == RD_KAFKA_RESP_ERR__PARTITION_EOF || record->offset >= lane->end) {
    pass(walk, lane, lane->end);
    return false;
  }
  pass(walk, lane, record->offset + 1);
  return true;
}

enum verdict walk_next(struct walk *walk, struct fetched **ret_fetched, struct problem *problem)
{
  int64_t deadline_us = moment_now().mono_us + INT64_C(1000) * WALK_SILENCE_TIMEOUT_MS;

  while (walk->lanes_open > 0) {
    rd_kafka_message_t *record = rd_kafka_consumer_poll(walk->kafka, 200);
    enum verdict verdict = VERDICT_OK;

    if (record == NULL) {
      if (moment_now().mono_us > deadline_us) {
        return problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "kafka_away", "topic \"%s\" gave no record for %d s", walk->topic,
                           WALK_SILENCE_TIMEOUT_MS / 1000);
      }
      continue;
    }
    if (record->err == RD_KAFKA_RESP_ERR_NO_ERROR || record->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      if (record->partition >= 0 && record->partition < walk->lane_count && take(walk, record)) {
        *ret_fetched = fetched_new(record);
        return VERDICT_OK;
      }
    } else if (record->err != RD_KAFKA_RESP_ERR__TRANSPORT && record->err != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
      verdict = kafka_problem(problem, record->err, "read", walk->topic);
    }
    rd_kafka_message_destroy(record);
    if (verdict != VERDICT_OK) {
      return verdict;
    }
  }
  *ret_fetched = NULL;
  return VERDICT_OK;
}

bool walk_is_done(const struct walk *walk, int32_t partition, int64_t offset)
{
  return done_contains(&walk->lanes[partition].done, offset);
}

bool walk_may_have_forgotten(const struct walk *walk, const struct record *record, int64_t kept_ms)
{
  return done_may_lack(&walk->lanes[record->partition].done, record->offset, record->time == RECORD_TIME_NONE ? 0 : record->timestamp_ms, kept_ms);
}

bool walk_mark(struct walk *walk, int32_t partition, int64_t offset)
{
  struct lane *lane = &walk->lanes[partition];

  if (!done_add(&lane->done, offset, offset + 1)) {
    return false;
  }
  lane->is_changed = true;
  return true;
}

/* What is committed, by whomever, and what is known here. */
static enum verdict unite(struct walk *walk, const rd_kafka_topic_partition_t *committed, struct problem *problem)
{
  struct lane *lane = &walk->lanes[committed->partition];
  struct done theirs;
  struct done both;
  char *text;

  if (committed->offset < 0 || committed->offset == lane->dropped) {
    lane->is_changed = true;
    return VERDICT_OK;
  }
  text = memory_text(committed);
  (void)done_init(&theirs, committed->offset, text);
  free(text);
  both = theirs;
  if (!done_unite(&both, &lane->done)) {
    (void)problem_set(problem, VERDICT_POISON, EXIT_POISON, "memory_full",
                      "another run deals with partition %" PRId32 " of topic \"%s\", and what both have dealt with leaves too many gaps to be remembered",
                      committed->partition, walk->topic);
    problem_hint(problem, "look with dlq list, and run this again: it goes on from what the other run has dealt with");
    return VERDICT_POISON;
  }
  lane->is_changed = lane->is_changed || !done_equals(&both, &theirs);
  lane->done = both;
  return VERDICT_OK;
}

enum verdict walk_refresh(struct walk *walk, int64_t age_ms, struct problem *problem)
{
  rd_kafka_topic_partition_list_t *list;
  enum verdict verdict;

  if (moment_now().mono_us - walk->read_us < age_ms * US_PER_MS) {
    return VERDICT_OK;
  }
  verdict = read_committed(walk, &list, problem);
  for (int i = 0; verdict == VERDICT_OK && i < list->cnt; i++) {
    verdict = unite(walk, &list->elems[i], problem);
  }
  rd_kafka_topic_partition_list_destroy(list);
  return verdict;
}

enum verdict walk_commit(struct walk *walk, struct problem *problem)
{
  rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(walk->lane_count);
  rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;

  for (int32_t i = 0; i < walk->lane_count; i++) {
    if (walk->lanes[i].is_changed) {
      rd_kafka_topic_partition_t *entry = rd_kafka_topic_partition_list_add(list, walk->topic, i);
      char text[DONE_TEXT_SIZE];

      done_write(&walk->lanes[i].done, text);
      entry->offset = walk->lanes[i].done.next;
      /* librdkafka frees it with the list. */
      entry->metadata = strdup(text);
      entry->metadata_size = strlen(text);
    }
  }
  if (list->cnt > 0) {
    error = rd_kafka_commit(walk->kafka, list, 0);
  }
  for (int i = 0; error == RD_KAFKA_RESP_ERR_NO_ERROR && i < list->cnt; i++) {
    error = list->elems[i].err;
  }
  rd_kafka_topic_partition_list_destroy(list);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return kafka_problem(problem, error, "commit offsets of", walk->topic);
  }
  for (int32_t i = 0; i < walk->lane_count; i++) {
    walk->lanes[i].is_changed = false;
    walk->lanes[i].dropped = -1;
  }
  return VERDICT_OK;
}

static bool is_committed(const struct walk *walk)
{
  for (int32_t i = 0; i < walk->lane_count; i++) {
    if (walk->lanes[i].is_changed) {
      return false;
    }
  }
  return true;
}

enum verdict walk_confirm(struct walk *walk, struct problem *problem)
{
  for (int i = 0; i < WALK_CONFIRMATIONS_MAX; i++) {
    enum verdict verdict;

    (void)nanosleep(&(struct timespec){.tv_sec = WALK_OVERLAP_S}, NULL);
    verdict = walk_refresh(walk, 0, problem);
    if (verdict != VERDICT_OK || is_committed(walk)) {
      return verdict;
    }
    verdict = walk_commit(walk, problem);
    if (verdict != VERDICT_OK) {
      return verdict;
    }
  }
  return problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "memory_overwritten",
                     "another run has overwritten what was dealt with in topic \"%s\" %d times: it may be offered again", walk->topic, WALK_CONFIRMATIONS_MAX);
}
