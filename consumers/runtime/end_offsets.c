/*
 * end_offsets.c - one thread per question, which lasts as long as the answer.
 *
 *     end_offsets_ask --starts--> [ asks of one topic after the other ] --has_answered--> end_offsets_take joins it
 *
 * The list of partitions goes to the thread and comes back; nothing else is shared but the two flags, and the client's one function that any thread may call. Topics are
 * asked about one by one: librdkafka gives no answer about any partition of a question where one has none, and a topic that was deleted shall not hide the others.
 */
#include "end_offsets.h"

#include <string.h>

void end_offsets_init(struct end_offsets *ends, struct client *client)
{
  *ends = (struct end_offsets){.client = client};
  atomic_init(&ends->has_answered, false);
  atomic_init(&ends->is_stopping, false);
}

/* Of the topic that begins at `first`: how many partitions there are, all with their answers. */
static int ask_of_topic(struct end_offsets *ends, int first)
{
  rd_kafka_topic_partition_list_t *all = ends->partitions;
  rd_kafka_topic_partition_list_t *some = rd_kafka_topic_partition_list_new(all->cnt - first);
  int count = 0;

  while (first + count < all->cnt && strcmp(all->elems[first + count].topic, all->elems[first].topic) == 0) {
    (void)rd_kafka_topic_partition_list_add(some, all->elems[first + count].topic, all->elems[first + count].partition);
    count++;
  }
  client_ask_end_offsets(ends->client, some, END_OFFSETS_ANSWER_MS);
  for (int i = 0; i < count; i++) {
    all->elems[first + i].offset = some->elems[i].offset;
  }
  rd_kafka_topic_partition_list_destroy(some);
  return count;
}

static void *ask(void *context)
{
  struct end_offsets *ends = context;

  for (int i = 0; i < ends->partitions->cnt;) {
    i += ask_of_topic(ends, i);
    if (atomic_load(&ends->is_stopping)) {
      break;
    }
  }
  atomic_store(&ends->has_answered, true);
  return NULL;
}

void end_offsets_ask(struct end_offsets *ends, rd_kafka_topic_partition_list_t *partitions)
{
  if (partitions->cnt == 0 || ends->partitions != NULL) {
    rd_kafka_topic_partition_list_destroy(partitions);
    return;
  }
  rd_kafka_topic_partition_list_sort(partitions, NULL, NULL);
  ends->partitions = partitions;
  atomic_store(&ends->has_answered, false);
  if (pthread_create(&ends->thread, NULL, ask, ends) != 0) {
    ends->partitions = NULL;
    rd_kafka_topic_partition_list_destroy(partitions);
  }
}

static rd_kafka_topic_partition_list_t *join(struct end_offsets *ends)
{
  rd_kafka_topic_partition_list_t *partitions = ends->partitions;

  (void)pthread_join(ends->thread, NULL);
  ends->partitions = NULL;
  return partitions;
}

rd_kafka_topic_partition_list_t *end_offsets_take(struct end_offsets *ends)
{
  return ends->partitions != NULL && atomic_load(&ends->has_answered) ? join(ends) : NULL;
}

void end_offsets_done(struct end_offsets *ends)
{
  atomic_store(&ends->is_stopping, true);
  if (ends->partitions != NULL) {
    rd_kafka_topic_partition_list_destroy(join(ends));
  }
}
