/*
 * topic_tool.c - topics of a real cluster, for scripts: a Java tool costs a second of CPU per call, and kcat makes no topics.
 *
 *   topic_tool -b BOOTSTRAP [-X PROPERTY=VALUE]... COMMAND
 *
 *   create NAME PARTITIONS [KEY=VALUE]...   returns when every partition has a leader; replication factor: the broker's default
 *   delete NAME                             returns when the topic is gone
 *   grow NAME PARTITIONS                    adds partitions up to that number; returns when they have leaders
 *   alter NAME KEY=VALUE...                 replaces the topic's whole configuration by these
 *   ends NAME                               a line `PARTITION FIRST NEXT` per partition: the offsets of the first record and behind the last one
 *   total NAME                              the sum of NEXT - FIRST (markers of transactions count)
 *
 * Exit code 0: done; 1: the cluster refused or did not answer within TOPIC_TIMEOUT_MS, the reason is on stderr; 2: usage.
 */
#include "topic_commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct command {
  const char *name;
  int arguments_min; /* with the topic's name */
  int arguments_max;
  bool (*run)(rd_kafka_t *client, int count, char *const *arguments);
} commands[] = {
    {"create", 2, 64, topic_create}, {"delete", 1, 1, topic_delete}, {"grow", 2, 2, topic_grow},
    {"alter", 2, 64, topic_alter},   {"ends", 1, 1, topic_ends},     {"total", 1, 1, topic_total},
};

static int usage(void)
{
  (void)fprintf(stderr, "usage: topic_tool -b BOOTSTRAP [-X PROPERTY=VALUE]... create|delete|grow|alter|ends|total NAME [ARGUMENTS]\n");
  return 2;
}

static bool set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
  char words[256];

  if (rd_kafka_conf_set(conf, name, value, words, sizeof(words)) != RD_KAFKA_CONF_OK) {
    (void)fprintf(stderr, "topic_tool: %s\n", words);
    return false;
  }
  return true;
}

/* The command that the words name, if their number fits. */
static const struct command *find(int count, char *const *words)
{
  for (size_t i = 0; count > 0 && i < sizeof(commands) / sizeof(commands[0]); i++) {
    if (strcmp(words[0], commands[i].name) == 0 && count - 1 >= commands[i].arguments_min && count - 1 <= commands[i].arguments_max) {
      return &commands[i];
    }
  }
  return NULL;
}

int main(int argc, char **argv)
{
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  const struct command *command;
  char words[512];
  rd_kafka_t *client;
  bool is_good = set(conf, "log_level", "2"); /* what is wrong is said below, once */
  bool is_done;
  int option;

  while (is_good && (option = getopt(argc, argv, "+b:X:")) != -1) {
    char *equals = option == 'X' ? strchr(optarg, '=') : NULL;

    if (option == 'b') {
      is_good = set(conf, "bootstrap.servers", optarg);
    } else if (equals != NULL) {
      *equals = '\0';
      is_good = set(conf, optarg, equals + 1);
    } else {
      is_good = false;
    }
  }
  command = find(argc - optind, argv + optind);
  if (!is_good || command == NULL) {
    rd_kafka_conf_destroy(conf);
    return usage();
  }
  client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, words, sizeof(words));
  if (client == NULL) {
    (void)fprintf(stderr, "topic_tool: %s\n", words);
    rd_kafka_conf_destroy(conf);
    return 1;
  }
  is_done = command->run(client, argc - optind - 1, argv + optind + 1);
  rd_kafka_destroy(client);
  return is_done ? 0 : 1;
}
