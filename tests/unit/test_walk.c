/* test_walk.c - the memory of a walk where other runs commit too, on librdkafka's mock cluster. tests/services/dlq_two_runs.sh asks a real Kafka. */
#include "walk.h"

#include <criterion/criterion.h>

#include "mock_cluster.h"

enum { LETTERS = 10 };

static struct mock_cluster cluster;
static struct problem problem;

static void begin(void)
{
  rd_kafka_t *producer;
  char words[256];

  mock_cluster_init(&cluster, "letters");
  producer = rd_kafka_new(RD_KAFKA_PRODUCER, mock_cluster_conf(&cluster), words, sizeof(words));
  cr_assert_not_null(producer, "%s", words);
  for (int i = 0; i < LETTERS; i++) {
    cr_assert_eq(rd_kafka_producev(producer, RD_KAFKA_V_TOPIC("letters"), RD_KAFKA_V_VALUE("x", 1), RD_KAFKA_V_END), RD_KAFKA_RESP_ERR_NO_ERROR);
  }
  cr_assert_eq(rd_kafka_flush(producer, MOCK_CLUSTER_TIMEOUT_MS), RD_KAFKA_RESP_ERR_NO_ERROR);
  rd_kafka_destroy(producer);
}

static void end(void)
{
  mock_cluster_done(&cluster);
}

TestSuite(walk, .init = begin, .fini = end, .timeout = 120);

static struct walk *open_walk(void)
{
  struct walk *walk;

  cr_assert_eq(walk_open(mock_cluster_conf(&cluster), "letters", "dlq", false, &walk, &problem), VERDICT_OK, "%s", problem.text);
  return walk;
}

static void refresh(struct walk *walk)
{
  cr_assert_eq(walk_refresh(walk, 0, &problem), VERDICT_OK, "%s", problem.text);
}

static void commit(struct walk *walk)
{
  cr_assert_eq(walk_commit(walk, &problem), VERDICT_OK, "%s", problem.text);
}

/* As dlq does it, but for the refresh where a test leaves it out. */
static struct walk *begin_run(void)
{
  struct walk *walk = open_walk();

  refresh(walk);
  commit(walk);
  return walk;
}

static void commit_by_hand(int64_t offset, const char *text)
{
  rd_kafka_t *consumer = mock_cluster_consumer(&cluster, "dlq");
  rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_t *entry = rd_kafka_topic_partition_list_add(list, "letters", 0);

  entry->offset = offset;
  entry->metadata = strdup(text);
  entry->metadata_size = strlen(text);
  cr_assert_eq(rd_kafka_commit(consumer, list, 0), RD_KAFKA_RESP_ERR_NO_ERROR);
  rd_kafka_topic_partition_list_destroy(list);
  (void)rd_kafka_consumer_close(consumer);
  rd_kafka_destroy(consumer);
}

/* What a run that begins now knows: a digit for each letter that is done. */
static void assert_remembered(const char *expected)
{
  struct walk *walk = open_walk();
  char done[LETTERS + 1] = "";
  size_t count = 0;

  for (int i = 0; i < LETTERS; i++) {
    if (walk_is_done(walk, 0, i)) {
      done[count++] = (char)('0' + i);
    }
  }
  walk_close(walk);
  cr_assert_str_eq(done, expected);
}

Test(walk, two_runs_at_once_keep_what_each_of_them_dealt_with)
{
  struct walk *one = begin_run();
  struct walk *two = begin_run();

  cr_assert(walk_mark(two, 0, 3));
  commit(two);
  cr_assert(!walk_is_done(one, 0, 3));
  refresh(one);
  cr_assert(walk_is_done(one, 0, 3), "what another run did since is seen");
  cr_assert(walk_mark(one, 0, 5));
  commit(one);
  assert_remembered("35");
  walk_close(one);
  walk_close(two);
}

Test(walk, a_look_that_was_taken_just_now_is_not_taken_again)
{
  struct walk *one = begin_run();
  struct walk *two = begin_run();

  refresh(one);
  cr_assert(walk_mark(two, 0, 3));
  commit(two);
  cr_assert_eq(walk_refresh(one, INT64_C(3600000), &problem), VERDICT_OK);
  cr_assert(!walk_is_done(one, 0, 3));
  walk_close(one);
  walk_close(two);
}

Test(walk, what_another_run_wrote_over_is_written_again)
{
  struct walk *one = begin_run();
  struct walk *two = begin_run();

  cr_assert(walk_mark(one, 0, 3));
  commit(one);
  cr_assert(walk_mark(two, 0, 5));
  commit(two); /* it had looked before */
  assert_remembered("5");
  cr_assert_eq(walk_confirm(one, &problem), VERDICT_OK, "%s", problem.text);
  assert_remembered("35");
  walk_close(one);
  walk_close(two);
}

Test(walk, the_memory_of_a_topic_of_before_is_not_taken_in)
{
  struct walk *walk;

  commit_by_hand(4711, "2+2");
  walk = begin_run();
  cr_assert(!walk_is_done(walk, 0, 0));
  cr_assert(walk_mark(walk, 0, 2));
  refresh(walk);
  commit(walk);
  assert_remembered("2");
  walk_close(walk);
}

Test(walk, what_a_later_run_dealt_with_behind_our_end_is_kept)
{
  struct walk *walk = begin_run();

  commit_by_hand(LETTERS + 5, "");
  refresh(walk);
  cr_assert(walk_is_done(walk, 0, LETTERS + 4));
  commit(walk);
  refresh(walk);
  cr_assert(walk_is_done(walk, 0, LETTERS + 4));
  walk_close(walk);
}

Test(walk, what_two_runs_cannot_remember_together_stops_one_of_them)
{
  struct walk *walk = begin_run();
  char text[4000];
  size_t length = 0;

  for (int i = 0; i < 256; i++) {
    length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%d+1", i == 0 ? "" : ",", 20 + 2 * i);
  }
  cr_assert(walk_mark(walk, 0, 5));
  commit_by_hand(0, text);
  cr_assert_eq(walk_refresh(walk, 0, &problem), VERDICT_POISON);
  cr_assert_eq(problem.code, EXIT_POISON);
  cr_assert_str_neq(problem.hint, "");
  walk_close(walk);
}
