/*
 * settings.c - the table of a consumer's variables. A program's own follow the runtime's; a program whose idempotence is its own table has no choice of it, and the
 * variables that belong to that choice are not offered.
 *
 *                          IDEMPOTENCY
 *   with a database        inbox, redis     by default what the program says
 *   without                redis, none      must be said: either is less than an inbox, and who runs it is to know. DATABASE_URL is refused
 */
#include "settings.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

#define DATABASE_VARIABLE "DATABASE_URL"

static const char *const words_with_database[] = {"inbox", "redis", NULL};
static const char *const words_without_database[] = {"redis", "none", NULL};

static enum idempotence meaning_of(bool has_no_database, int word)
{
  if (has_no_database) {
    return word == 0 ? IDEMPOTENCE_REDIS : IDEMPOTENCE_HANDLER;
  }
  return word == 0 ? IDEMPOTENCE_INBOX : IDEMPOTENCE_REDIS;
}

static void put(struct settings *settings, size_t *count, const struct variable *variable)
{
  assert(*count + 1 < SETTINGS_VARIABLES_MAX);
  settings->table[(*count)++] = *variable;
}

void settings_init(struct settings *settings, const struct consumer *consumer)
{
  bool has_no_database = consumer->has_no_database;
  const struct variable common[] = {
      {.name = DATABASE_VARIABLE, .kind = VARIABLE_POSTGRES, .target = &settings->database_url, .help = "the database of inbox and effects"},
      {.name = "KAFKA_BOOTSTRAP_SERVERS", .kind = VARIABLE_TEXT, .target = &settings->brokers, .help = "brokers to begin with, host:port,..."},
      {.name = "GROUP_ID", .kind = VARIABLE_TEXT, .target = &settings->group_id, .fallback = consumer->group, .help = "the consumer group"},
      {.name = "GROUP_INSTANCE_ID",
       .kind = VARIABLE_TEXT,
       .target = &settings->group_instance_id,
       .fallback = "",
       .help = "a static member of that name, one per process: a restart within session.timeout.ms moves no partitions"},
      {.name = "RECORDS_MAX_BYTES",
       .kind = VARIABLE_NUMBER,
       .target = &settings->records_max_bytes,
       .fallback = "67108864",
       .help = "of records in memory that wait their turn, shared by all partitions; one record of each is always taken",
       .least = SETTINGS_RECORDS_LEAST_BYTES,
       .most = SETTINGS_RECORDS_MOST_BYTES},
      {.name = "GIVE_UP",
       .kind = VARIABLE_TEXT,
       .target = &settings->give_up,
       .fallback = "",
       .help = "TOPIC/PARTITION/OFFSET of one event that shall become a dead letter at its next failure, whatever that is; empty: none"},
      {.name = "HTTP_LISTEN",
       .kind = VARIABLE_ADDRESS,
       .target = &settings->listen,
       .fallback = consumer->listen,
       .help = "where /livez, /readyz and /metrics are"},
      {.name = "LOG_LEVEL",
       .kind = VARIABLE_CHOICE,
       .target = &settings->log_level,
       .fallback = "info",
       .help = "lines below are dropped",
       .choices = log_level_words},
      {.name = "LOG_FORMAT",
       .kind = VARIABLE_CHOICE,
       .target = &settings->log_format,
       .fallback = "json",
       .help = "of lines on stderr",
       .choices = log_format_words},
  };
  const struct variable choice[] = {
      {.name = "IDEMPOTENCY",
       .kind = VARIABLE_CHOICE,
       .target = &settings->idempotence_word,
       .fallback = has_no_database ? NULL : words_with_database[consumer->idempotence == IDEMPOTENCE_REDIS ? 1 : 0],
       .help = has_no_database
                   ? "what knows the events that were handled: redis, a cache, which can forget; none, where an effect that comes twice does no harm"
                   : "what knows the events that were handled; a cache (redis) can forget and is no guarantee",
       .choices = has_no_database ? words_without_database : words_with_database},
      {.name = "REDIS_URL", .kind = VARIABLE_SECRET, .target = &settings->redis_url, .fallback = "redis://127.0.0.1:6379", .help = "for IDEMPOTENCY=redis"},
      {.name = "IDEMPOTENCY_TTL_S",
       .kind = VARIABLE_NUMBER,
       .target = &settings->idempotency_ttl_s,
       .fallback = "86400",
       .help = "how long redis remembers an event",
       .least = 1,
       .most = SETTINGS_TTL_MAX_S},
  };
  size_t count = 0;

  static_assert(LOG_DEBUG == 0 && LOG_ERROR == 3 && LOG_JSON == 0, "the words of the log stand in this order");
  *settings = (struct settings){.idempotence = consumer->idempotence, .has_no_database = has_no_database};
  for (size_t i = has_no_database ? 1 : 0; i < sizeof(common) / sizeof(common[0]); i++) { /* the first is DATABASE_URL */
    put(settings, &count, &common[i]);
  }
  if (consumer->idempotence != IDEMPOTENCE_HANDLER) {
    for (size_t i = 0; i < sizeof(choice) / sizeof(choice[0]); i++) {
      put(settings, &count, &choice[i]);
    }
  }
  for (const struct variable *own = consumer->variables; own != NULL && own->name != NULL; own++) {
    put(settings, &count, own);
  }
}

/* Who sets it counts on an inbox and an outbox. */
static void refuse_database(struct problem_list *problems)
{
  static const char *const names[] = {DATABASE_VARIABLE, DATABASE_VARIABLE "_FILE"};

  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    const char *value = getenv(names[i]);

    if (value != NULL && value[0] != '\0') {
      problem_list_add(problems, names[i], "is set, and this consumer has no database: it would use neither inbox nor outbox; unset it");
    }
  }
}

void settings_read(struct settings *settings, char *const *environment, struct problem_list *problems)
{
  variables_read(settings->table, problems);
  if (settings->has_no_database) {
    refuse_database(problems);
  }
  if (settings->idempotence != IDEMPOTENCE_HANDLER) {
    settings->idempotence = meaning_of(settings->has_no_database, settings->idempotence_word);
  }
  kafka_settings_read(&settings->kafka, environment, problems);
}

void settings_print_help(const struct settings *settings, FILE *out)
{
  variables_print_help(settings->table, out);
  (void)fputs("  KAFKA_<PROPERTY>  any property of librdkafka's consumer: KAFKA_SECURITY_PROTOCOL is security.protocol; KAFKA_<PROPERTY>_FILE names a file "
              "that holds it\n",
              out);
}

void settings_print(const struct settings *settings, const struct problem_list *problems, FILE *out)
{
  variables_print(settings->table, out);
  for (size_t i = 0; settings->has_no_database && i < problems->count && i < PROBLEM_LIST_MAX; i++) {
    if (strncmp(problems->problems[i].path, DATABASE_VARIABLE, strlen(DATABASE_VARIABLE)) == 0) {
      (void)fprintf(out, "%s=***  # environment  # WRONG: %s\n", problems->problems[i].path, problems->problems[i].text);
    }
  }
  kafka_settings_print(&settings->kafka, problems, out);
}
