/* test_topic_facts.c - how long an answer about a topic is believed: a success for long, a failure never for longer than it takes somebody to mend it. */
#include "topic_facts.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "moment.h"

static struct topic_memory memory;
static const struct topic_facts there = {.presence = TOPIC_THERE, .partitions = 3, .record_max_bytes = 1048588};
static const struct topic_facts missing = {.presence = TOPIC_MISSING};
static const struct topic_facts unknown = {.presence = TOPIC_UNKNOWN};

static bool is_asked(const char *topic, int64_t now_ms)
{
  return topic_memory_find(&memory, topic, now_ms * US_PER_MS) == NULL;
}

static const struct topic_facts *note(const char *topic, const struct topic_facts *answer, int64_t now_ms)
{
  return topic_memory_note(&memory, topic, answer, now_ms * US_PER_MS);
}

Test(topic_facts, what_is_there_is_believed_for_a_minute)
{
  cr_assert(is_asked("a", 1));
  cr_assert_eq(note("a", &there, 1)->partitions, 3);
  cr_assert(!is_asked("a", TOPIC_FACTS_BELIEVED_MS));
  cr_assert_eq(topic_memory_find(&memory, "a", 2 * US_PER_MS)->record_max_bytes, 1048588);
  cr_assert(is_asked("a", 1 + TOPIC_FACTS_BELIEVED_MS));
  cr_assert(is_asked("b", 1));
}

Test(topic_facts, a_topic_that_is_missing_is_asked_for_again_at_once)
{
  cr_assert_eq(note("a", &missing, 1)->presence, TOPIC_MISSING);
  cr_assert(!is_asked("a", 2));
  cr_assert(is_asked("a", 1 + TOPIC_FACTS_MISSING_MS));
  cr_assert_eq(note("a", &there, 2000)->presence, TOPIC_THERE);
}

Test(topic_facts, a_failure_is_remembered_briefly_and_forgets_nothing)
{
  int64_t now_ms = 1, wait_ms = 0;

  (void)note("a", &there, now_ms);
  now_ms += TOPIC_FACTS_BELIEVED_MS;
  for (int i = 0; i < 12; i++) {
    int64_t before_ms = wait_ms;

    cr_assert_eq(note("a", &unknown, now_ms)->partitions, 3, "what was known stays");
    for (wait_ms = 0; !is_asked("a", now_ms + wait_ms); wait_ms += 500) {
    }
    cr_assert_geq(wait_ms, before_ms);
    cr_assert_leq(wait_ms, TOPIC_FACTS_AGAIN_MOST_MS);
    cr_assert(i > 0 || wait_ms <= TOPIC_FACTS_AGAIN_FIRST_MS);
    now_ms += wait_ms;
  }
  cr_assert_eq(wait_ms, TOPIC_FACTS_AGAIN_MOST_MS);
  (void)note("a", &there, now_ms);
  (void)note("a", &unknown, now_ms + 1);
  cr_assert(is_asked("a", now_ms + 1 + TOPIC_FACTS_AGAIN_FIRST_MS), "after a success it begins anew");
}

Test(topic_facts, of_too_many_topics_the_oldest_is_forgotten)
{
  char name[16];

  for (int i = 0; i <= CONSUMER_SUBSCRIPTIONS_MAX; i++) {
    (void)snprintf(name, sizeof(name), "t%d", i);
    (void)note(name, &there, 1 + i);
  }
  cr_assert(is_asked("t0", 100));
  cr_assert(!is_asked("t1", 100));
  cr_assert(!is_asked(name, 100));
}
