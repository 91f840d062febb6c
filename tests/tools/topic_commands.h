/* topic_commands.h - the commands of topic_tool. Each blocks for TOPIC_TIMEOUT_MS at most and says on stderr why it failed (false). */
#ifndef TOOLS_TOPIC_COMMANDS_H
#define TOOLS_TOPIC_COMMANDS_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>

enum { TOPIC_TIMEOUT_MS = 20000 };

/* The first argument is always the topic's name. */
bool topic_create(rd_kafka_t *client, int count, char *const *arguments);
bool topic_delete(rd_kafka_t *client, int count, char *const *arguments);
bool topic_grow(rd_kafka_t *client, int count, char *const *arguments);
bool topic_alter(rd_kafka_t *client, int count, char *const *arguments);
bool topic_ends(rd_kafka_t *client, int count, char *const *arguments);
bool topic_total(rd_kafka_t *client, int count, char *const *arguments);

#endif
