/*
 * topics_file.h - the topics that a system wants, as `producers/<system>/topics.json` lists them, and how Kafka's differ from them:
 *
 *     [{"name": "member-events", "partitions": 3, "replication": {"development": 1, "production": 3}, "retention_ms": 604800000, "cleanup": "delete"}, ...]
 *
 * `retention_ms` and `cleanup` may be left out. `replication` is for whoever makes the topics: it depends on the cluster, and is not compared.
 */
#ifndef COMMANDS_TOPICS_FILE_H
#define COMMANDS_TOPICS_FILE_H

#include <stddef.h>

#include "commands/kafka_admin.h"
#include "verdict.h"

enum { TOPICS_FILE_MAX_BYTES = 1048576, TOPICS_FILE_MAX = 1000 };

struct topics_file;

/* FATAL 2: it cannot be read, or is no such list; the words name the entry. */
enum verdict MUST_CHECK topics_file_read(const char *path, struct topics_file **ret_file, struct problem *problem);
void topics_file_free(struct topics_file *file); /* takes NULL */

/*
 * Asks Kafka, and warns (report_warning()) of each difference with the command that mends it; *ret_warnings counts them. What Kafka does not tell (DescribeConfigs is
 * needed for all but partitions) is not compared. RETRY, FATAL 6 as kafka_admin_describe().
 */
enum verdict MUST_CHECK topics_file_compare(const struct topics_file *file, struct kafka_admin *admin, size_t *ret_warnings, struct problem *problem);

#endif
