/*
 * test_hurry.c - a linger of a minute, which only a hurry can end within a test's time. On a MOCK cluster in this process.
 *
 * What would be missed: a hurry that comes while an earlier one is just ending, or while the last report is on its way.
 */
#include <criterion/criterion.h>
#include <librdkafka/rdkafka.h>

#include <librdkafka/rdkafka_mock.h>

#include "moment.h"
#include "publish/hurry.h"

enum { LINGER_MS = 60000, PATIENCE_MS = 15000, FLUSH_MS = 20, RECORDS = 300, PARTITIONS = 4 };

struct setting {
  rd_kafka_t *host;
  rd_kafka_mock_cluster_t *cluster;
  rd_kafka_t *producer;
  rd_kafka_queue_t *queue;
  struct hurry *hurry;
};

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
  char words[256];

  cr_assert_eq(rd_kafka_conf_set(conf, name, value, words, sizeof(words)), RD_KAFKA_CONF_OK, "%s", words);
}

static void begin(struct setting *setting)
{
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  char words[256];

  set(conf, "log_level", "2");
  setting->host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, words, sizeof(words));
  cr_assert_not_null(setting->host, "%s", words);
  setting->cluster = rd_kafka_mock_cluster_new(setting->host, 1);
  cr_assert_eq(rd_kafka_mock_topic_create(setting->cluster, "topic", PARTITIONS, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
  conf = rd_kafka_conf_new();
  set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(setting->cluster));
  set(conf, "linger.ms", "60000");
  set(conf, "enable.idempotence", "true");
  set(conf, "message.timeout.ms", "0");
  rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR);
  setting->producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, words, sizeof(words));
  cr_assert_not_null(setting->producer, "%s", words);
  setting->queue = rd_kafka_queue_get_main(setting->producer);
  setting->hurry = hurry_new(setting->producer, FLUSH_MS);
  cr_assert_not_null(setting->hurry);
}

static void end(struct setting *setting)
{
  hurry_free(setting->hurry);
  (void)rd_kafka_purge(setting->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
  rd_kafka_queue_destroy(setting->queue);
  rd_kafka_destroy(setting->producer);
  rd_kafka_mock_cluster_destroy(setting->cluster);
  rd_kafka_destroy(setting->host);
}

static void produce(struct setting *setting, int number)
{
  char key[16];

  (void)snprintf(key, sizeof(key), "%d", number);
  cr_assert_eq(rd_kafka_producev(setting->producer, RD_KAFKA_V_TOPIC("topic"), RD_KAFKA_V_KEY(key, strlen(key)), RD_KAFKA_V_VALUE(key, strlen(key)),
                                 RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END),
               RD_KAFKA_RESP_ERR_NO_ERROR);
}

/* Reports that came within `timeout_ms`, or `wanted` of them. */
static int reports(struct setting *setting, int wanted, int timeout_ms)
{
  int64_t deadline_us = moment_now().mono_us + timeout_ms * US_PER_MS;
  int count = 0;

  while (count < wanted && moment_now().mono_us < deadline_us) {
    rd_kafka_event_t *event = rd_kafka_queue_poll(setting->queue, 20);

    count += event != NULL ? (int)rd_kafka_event_message_count(event) : 0;
    rd_kafka_event_destroy(event);
  }
  return count;
}

/* The first record also waits for a connection and for the producer's id, which takes longer than one flush. */
static void warm_up(struct setting *setting)
{
  produce(setting, 0);
  for (int count = 0, round = 0; count == 0; round++) {
    cr_assert_lt(round, PATIENCE_MS / 100);
    hurry_now(setting->hurry);
    count = reports(setting, 1, 100);
  }
}

Test(hurry, a_record_waits_for_its_linger_without_and_goes_at_once_with)
{
  struct setting setting;

  begin(&setting);
  warm_up(&setting);
  cr_assert_eq(reports(&setting, 1, 10 * FLUSH_MS), 0); /* the flush is over by then */
  produce(&setting, 1);
  cr_assert_eq(reports(&setting, 1, 300), 0, "the linger is not what this test thinks it is");
  hurry_now(setting.hurry);
  cr_assert_eq(reports(&setting, 1, PATIENCE_MS), 1);
  end(&setting);
}

Test(hurry, none_is_lost_behind_the_end_of_another)
{
  struct setting setting;

  begin(&setting);
  warm_up(&setting);
  for (int i = 1; i <= RECORDS; i++) { /* each comes while the flush of the one before is on its way out */
    produce(&setting, i);
    hurry_now(setting.hurry);
    cr_assert_eq(reports(&setting, 1, PATIENCE_MS), 1, "record %d was left behind", i);
  }
  end(&setting);
}

Test(hurry, one_serves_all_that_came_before_it)
{
  struct setting setting;

  begin(&setting);
  for (int i = 0; i < RECORDS; i++) {
    produce(&setting, i);
  }
  hurry_now(setting.hurry);
  hurry_now(setting.hurry);
  /* The connection may need longer than one flush. */
  for (int count = 0, round = 0; count < RECORDS; round++) {
    cr_assert_lt(round, PATIENCE_MS / 100);
    count += reports(&setting, RECORDS - count, 100);
    hurry_now(setting.hurry);
  }
  end(&setting);
}

Test(hurry, it_ends_with_records_that_nobody_can_take)
{
  struct setting setting;
  int64_t begun_us;

  begin(&setting);
  (void)rd_kafka_mock_broker_set_down(setting.cluster, 1);
  produce(&setting, 1);
  hurry_now(setting.hurry);
  begun_us = moment_now().mono_us;
  end(&setting);
  cr_assert_lt(moment_now().mono_us - begun_us, PATIENCE_MS * US_PER_MS);
}
