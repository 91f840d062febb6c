/*
 * settings.c - the table of a consumer's variables. A program's own follow the runtime's; a program whose idempotence is its own table has no choice of it, and the
 * variables that belong to that choice are not offered.
 */
#include "settings.h"

#include <assert.h>

#include "log.h"

static const char *const idempotence_words[] = {"inbox", "redis", NULL};

static void put(struct settings *settings, size_t *count, const struct variable *variable)
{
  assert(*count + 1 < SETTINGS_VARIABLES_MAX);
  settings->table[(*count)++] = *variable;
}

void settings_init(struct settings *settings, const struct consumer *consumer)
{
  const struct variable common[] = {
      {.name = "DATABASE_URL", .kind = VARIABLE_POSTGRES, .target = &settings->database_url, .help = "the database of inbox and effects"},
      {.name = "KAFKA_BOOTSTRAP_SERVERS", .kind = VARIABLE_TEXT, .target = &settings->brokers, .help = "brokers to begin with, host:port,..."},
      {.name = "GROUP_ID", .kind = VARIABLE_TEXT, .target = &settings->group_id, .fallback = consumer->group, .help = "the consumer group"},
      {.name = "GROUP_INSTANCE_ID",
       .kind = VARIABLE_TEXT,
       .target = &settings->group_instance_id,
       .fallback = "",
       .help = "a static member of that name, one per process: a restart within session.timeout.ms moves no partitions"},
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
       .target = &settings->idempotence,
       .fallback = idempotence_words[consumer->idempotence == IDEMPOTENCE_REDIS ? 1 : 0],
       .help = "what knows the events that were handled; a cache (redis) can forget and is no guarantee",
       .choices = idempotence_words},
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

  static_assert(IDEMPOTENCE_INBOX == 0 && IDEMPOTENCE_REDIS == 1, "the words of IDEMPOTENCY stand in this order");
  static_assert(LOG_DEBUG == 0 && LOG_ERROR == 3 && LOG_JSON == 0, "so do those of the log");
  *settings = (struct settings){.idempotence = (int)consumer->idempotence};
  for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++) {
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

void settings_read(struct settings *settings, char *const *environment, struct problem_list *problems)
{
  variables_read(settings->table, problems);
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
  kafka_settings_print(&settings->kafka, problems, out);
}
