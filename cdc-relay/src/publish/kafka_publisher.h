/*
 * kafka_publisher.h - the at-least-once publisher on librdkafka: idempotent producer, acks=all, no message timeout, Java's partitioner.
 */
#ifndef PUBLISH_KAFKA_PUBLISHER_H
#define PUBLISH_KAFKA_PUBLISHER_H

#include "config/config.h"
#include "log.h"
#include "publish/publisher.h"

/*
 * `config` has passed kafka_conf_check(); a property that is refused all the same is added to `problems`. NULL if there was one. Does not connect.
 * `config` and `log` are borrowed for the publisher's life: librdkafka's own log lines go to `log`, event `kafka_client`, and
 * what partition_counts.h is about, event `partitions_changed`.
 */
struct publisher *kafka_publisher_new(const struct config *config, const struct log *log, struct problem_list *problems);

#endif
