/*
 * failed_event_commands.c - reads and marks rows of dday.failed_event, and publishes events again.
 *
 * retry publishes first and marks second: a death between the two leaves the row NEW, and who retries it again publishes an event that consumers drop by its id.
 *
 *   lock (of the session), read         two people do not retry one event at once; with the session's end the lock goes
 *   publish, up to a minute             no transaction is open: the consumer's may write the row meanwhile, and nothing holds back vacuum
 *   mark, unlock                        RETRIED, unless the event failed again in between (its attempts are more than were read): then it stays NEW
 */
#include "failed_event_commands.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "failed_event.h"
#include "kafka_settings.h"
#include "memory_guard.h"
#include "redriver.h"
#include "variable.h"

enum { IDS_MAX = 1000, LIMIT_MAX = 100000 };

const char failed_event_help[] =
    "commands:\n"
    "  list [--status NEW|RETRIED|RESOLVED|IGNORED|ALL] [--limit N]    failed events, newest failure first, one JSON object a line\n"
    "  retry ID... [--by NAME] [--note TEXT]                           publishes them to member-events again\n"
    "  close ID... --as RESOLVED|IGNORED [--by NAME] [--note TEXT]     nothing more is to be done\n"
    "without a command: the consumer of member-events.DLT. --help, --print-config: of the consumer\n";

struct command {
  const char *name;
  const char *status; /* list: which; close: as what */
  const char *limit;
  const char *by;
  const char *note;
  int id_count;
  char **ids;
  /* While it runs. */
  const char *id;
  struct redriver *redriver;
  struct arena arena;
  struct record letter; /* as it was read; in the arena */
  const char *attempts; /* the same */
  const char *marked;   /* the status that the row has now; the same */
  struct problem problem;
  bool is_found;
};

static const struct statement list_failed_events = {
    "list_failed_events",
    "SELECT json_build_object('id', id, 'eventId', event_id, 'eventType', event_type, 'memberId', member_id, 'topic', topic, 'partition', partition, 'offset', "
    "\"offset\", "
    "'errorClass', error_class, 'errorMessage', error_message, 'attempts', attempts, 'firstFailedAt', first_failed_at, 'lastFailedAt', last_failed_at, "
    "'status', status, "
    "'handledBy', handled_by, 'handledAt', handled_at, 'note', note) FROM dday.failed_event WHERE $1 = 'ALL' OR status = $1 ORDER BY last_failed_at DESC, id "
    "DESC LIMIT $2::bigint",
};
#define RETRY_LOCK "(hashtextextended('dday.failed_event/' || $1::text, 0))"
static const struct statement lock_failed_event = {"lock_failed_event", "SELECT pg_try_advisory_lock" RETRY_LOCK};
static const struct statement unlock_failed_event = {"unlock_failed_event", "SELECT pg_advisory_unlock" RETRY_LOCK};
static const struct statement read_failed_event = {
    "read_failed_event",
    "SELECT encode(record_key, 'hex'), encode(payload, 'hex'), headers, attempts FROM dday.failed_event WHERE id = $1::bigint",
};
/* $5: the attempts that it had; NULL: however many. */
static const struct statement mark_failed_event = {
    "mark_failed_event",
    "UPDATE dday.failed_event SET status = CASE WHEN attempts = coalesce($5::integer, attempts) THEN $2 ELSE status END, "
    "handled_by = coalesce($3, session_user), handled_at = clock_timestamp(), note = coalesce($4, note) WHERE id = $1::bigint RETURNING status",
};

static int usage_error(const char *words, const char *about)
{
  fprintf(stderr, "member-dead-letters: %s%s%s; member-dead-letters --help lists what there is\n", words, about == NULL ? "" : " ", about == NULL ? "" : about);
  return EXIT_USAGE;
}

static enum work_end list(struct work *work, void *context)
{
  struct command *command = context;
  const PGresult *result = work_ask(work, &list_failed_events, command->status, command->limit);

  if (result == NULL) {
    return WORK_FAILED;
  }
  for (int i = 0; i < PQntuples(result); i++) {
    puts(PQgetvalue(result, i, 0));
  }
  return WORK_ROLLBACK;
}

/* `attempts`: NULL: the row is marked however often the event has failed meanwhile. */
static enum work_end mark(struct command *command, struct work *work, const char *status, const char *attempts)
{
  const PGresult *result = work_ask(work, &mark_failed_event, command->id, status, command->by, command->note, attempts);

  if (result == NULL) {
    return WORK_FAILED;
  }
  command->is_found = PQntuples(result) == 1;
  command->marked = command->is_found ? arena_copy(&command->arena, span_of_text(PQgetvalue(result, 0, 0))).data : NULL;
  return WORK_COMMIT;
}

static enum work_end close_one(struct work *work, void *context)
{
  struct command *command = context;

  return mark(command, work, command->status, NULL);
}

/* Null for SQL's NULL. In the arena. */
static struct span bytes_of(const PGresult *result, int column, struct arena *arena)
{
  const char *digits = PQgetvalue(result, 0, column);
  size_t length = (size_t)PQgetlength(result, 0, column) / 2;
  char *bytes;

  if (PQgetisnull(result, 0, column)) {
    return (struct span){0};
  }
  bytes = arena_alloc(arena, length + 1);
  for (size_t i = 0; i < length; i++) {
    unsigned int byte = 0;

    (void)sscanf(digits + i * 2, "%2x", &byte);
    bytes[i] = (char)byte;
  }
  return span_of(bytes, length);
}

/* The row as a record, and the lock. */
static enum work_end take(struct work *work, void *context)
{
  struct command *command = context;
  const PGresult *lock = work_ask(work, &lock_failed_event, command->id);
  bool is_ours = lock != NULL && strcmp(PQgetvalue(lock, 0, 0), "t") == 0;
  const PGresult *row = work_ask(work, &read_failed_event, command->id);
  struct record_header *headers = NULL;
  json_t *document;
  bool is_sound;

  if (row == NULL) {
    return WORK_FAILED;
  }
  command->is_found = PQntuples(row) == 1;
  if (!is_ours) {
    (void)problem_set(&command->problem, VERDICT_RETRY, EXIT_UNEXPECTED, "is_being_retried", "failed event %s is being retried by somebody else", command->id);
    return WORK_ROLLBACK;
  }
  if (!command->is_found) {
    return WORK_ROLLBACK;
  }
  arena_reset(&command->arena);
  command->letter = (struct record){.topic = "dday.failed_event", .offset = strtoll(command->id, NULL, 10)};
  command->letter.key = bytes_of(row, 0, &command->arena);
  command->letter.value = bytes_of(row, 1, &command->arena);
  command->attempts = arena_copy(&command->arena, span_of_text(PQgetvalue(row, 0, 3))).data;
  document = PQgetisnull(row, 0, 2) ? json_array() : json_loads(PQgetvalue(row, 0, 2), JSON_ALLOW_NUL, NULL);
  is_sound = failed_event_headers_read(document, &command->arena, &headers, &command->letter.header_count);
  json_decref(document);
  command->letter.headers = headers;
  if (!is_sound) {
    (void)problem_set(&command->problem, VERDICT_FATAL, EXIT_UNEXPECTED, "headers", "the headers of failed event %s are not as they were stored", command->id);
  }
  return WORK_ROLLBACK; /* the lock is the session's */
}

static enum verdict publish(struct command *command)
{
  enum verdict verdict = redriver_send(command->redriver, &command->letter, "member-events", &command->arena, &command->problem);

  return verdict == VERDICT_OK ? redriver_flush(command->redriver, &command->problem) : verdict;
}

static enum work_end mark_retried(struct work *work, void *context)
{
  struct command *command = context;

  return mark(command, work, "RETRIED", command->attempts);
}

static enum work_end let_go(struct work *work, void *context)
{
  struct command *command = context;

  return work_ask(work, &unlock_failed_event, command->id) != NULL ? WORK_ROLLBACK : WORK_FAILED;
}

static enum verdict run_one(struct database *database, struct command *command, WorkFunction function)
{
  struct work_outcome outcome;
  enum verdict verdict;

  command->is_found = true;
  command->problem = (struct problem){0};
  verdict = work_run(database, function, command, &outcome);
  if (verdict != VERDICT_OK) {
    command->problem = outcome.problem;
    if (command->problem.code == EXIT_DONE) {
      command->problem.code = verdict == VERDICT_RETRY ? EXIT_UNEXPECTED : EXIT_DATABASE_REFUSES;
    }
    return verdict;
  }
  if (!command->is_found) {
    return problem_set(&command->problem, VERDICT_FATAL, EXIT_UNEXPECTED, "no_such_event", "there is no failed event %s", command->id);
  }
  return command->problem.cause == NULL ? VERDICT_OK : VERDICT_RETRY;
}

static enum verdict retry_one(struct database *database, struct command *command)
{
  struct work_outcome outcome;
  enum verdict verdict = run_one(database, command, take);

  verdict = verdict == VERDICT_OK ? publish(command) : verdict;
  if (verdict == VERDICT_OK) {
    verdict = run_one(database, command, mark_retried);
  }
  (void)!work_run(database, let_go, command, &outcome); /* a session that is over holds nothing */
  return verdict;
}

static enum verdict close_this(struct database *database, struct command *command)
{
  return run_one(database, command, close_one);
}

/* Prints what has become of each row: one that was retried and has failed again meanwhile is NEW. */
static enum verdict run_each(struct database *database, struct command *command, enum verdict (*function)(struct database *, struct command *))
{
  for (int i = 0; i < command->id_count; i++) {
    enum verdict verdict;

    command->id = command->ids[i];
    verdict = function(database, command);
    if (verdict != VERDICT_OK) {
      return verdict;
    }
    printf("%s %s\n", command->id, command->marked);
  }
  return VERDICT_OK;
}

static enum verdict open_redriver(struct command *command, const struct kafka_settings *kafka, const char *brokers)
{
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  enum verdict verdict = kafka_settings_apply(kafka, conf, &command->problem);

  if (verdict != VERDICT_OK) {
    rd_kafka_conf_destroy(conf);
    return verdict;
  }
  (void)rd_kafka_conf_set(conf, "bootstrap.servers", brokers, NULL, 0);
  (void)rd_kafka_conf_set(conf, "client.id", "member-dead-letters", NULL, 0);
  return redriver_new(conf, 0, &command->redriver, &command->problem);
}

static int run(struct command *command)
{
  static const char *database_url;
  static const char *brokers;
  static struct kafka_settings kafka;
  static struct problem_list problems;
  static const struct variable both[] = {
      {.name = "DATABASE_URL", .kind = VARIABLE_POSTGRES, .target = &database_url, .help = "the consumer's database"},
      {.name = "KAFKA_BOOTSTRAP_SERVERS", .kind = VARIABLE_TEXT, .target = &brokers, .help = "brokers, as host:port with commas between"},
      {0},
  };
  static const struct variable one[] = {
      {.name = "DATABASE_URL", .kind = VARIABLE_POSTGRES, .target = &database_url, .help = "the consumer's database"},
      {0},
  };
  bool is_retry = strcmp(command->name, "retry") == 0;
  struct database *database;
  enum verdict verdict = VERDICT_OK;

  variables_read(is_retry ? both : one, &problems);
  if (is_retry) {
    kafka_settings_read(&kafka, environ, &problems);
  }
  if (problems.count > 0) {
    problem_list_print(&problems, stderr);
    return EXIT_USAGE;
  }
  arena_init(&command->arena, 65536);
  database = database_new(database_url, "member-dead-letters");
  if (is_retry) {
    verdict = open_redriver(command, &kafka, brokers);
    verdict = verdict == VERDICT_OK ? run_each(database, command, retry_one) : verdict;
  } else if (strcmp(command->name, "close") == 0) {
    verdict = run_each(database, command, close_this);
  } else {
    verdict = run_one(database, command, list);
  }
  database_free(database);
  redriver_free(command->redriver);
  arena_done(&command->arena);
  if (verdict != VERDICT_OK) {
    fprintf(stderr, "member-dead-letters: %s\n", command->problem.text);
    return command->problem.code == EXIT_DONE ? EXIT_UNEXPECTED : (int)command->problem.code;
  }
  return EXIT_DONE;
}

static bool is_one_of(const char *word, const char *const *words)
{
  while (*words != NULL && strcmp(*words, word) != 0) {
    words++;
  }
  return *words != NULL;
}

static bool is_id(const char *text, int64_t most)
{
  char *end;
  long long number = strtoll(text, &end, 10);

  return text[0] >= '1' && text[0] <= '9' && *end == '\0' && number <= most && strlen(text) < 19;
}

bool failed_event_is_command(int argc, char **argv)
{
  static const char *const names[] = {"list", "retry", "close", NULL};

  return argc > 1 && is_one_of(argv[1], names);
}

static int check(const struct command *command)
{
  static const char *const listed[] = {"NEW", "RETRIED", "RESOLVED", "IGNORED", "ALL", NULL};
  static const char *const closed[] = {"RESOLVED", "IGNORED", NULL};

  if (strcmp(command->name, "list") == 0) {
    if (command->id_count > 0) {
      return usage_error("list takes no", command->ids[0]);
    }
    return is_one_of(command->status, listed) && is_id(command->limit, LIMIT_MAX) ? EXIT_DONE : usage_error("wrong value for --status or --limit", NULL);
  }
  if (command->id_count == 0 || command->id_count > IDS_MAX) {
    return usage_error("1 to 1000 ids of failed events are needed, as list shows them", NULL);
  }
  for (int i = 0; i < command->id_count; i++) {
    if (!is_id(command->ids[i], INT64_MAX)) {
      return usage_error("this is no id of a failed event:", command->ids[i]);
    }
  }
  if (strcmp(command->name, "close") == 0 && !is_one_of(command->status, closed)) {
    return usage_error("close needs --as RESOLVED or --as IGNORED", NULL);
  }
  return EXIT_DONE;
}

int failed_event_command(int argc, char **argv)
{
  enum { STATUS = 1000, LIMIT, AS, BY, NOTE };
  static const struct option known[] = {
      {"status", required_argument, NULL, STATUS}, {"limit", required_argument, NULL, LIMIT}, {"as", required_argument, NULL, AS},
      {"by", required_argument, NULL, BY},         {"note", required_argument, NULL, NOTE},   {NULL, 0, NULL, 0},
  };
  struct command command = {.name = argv[1], .status = "NEW", .limit = "100"};
  bool is_list = strcmp(command.name, "list") == 0;
  bool is_close = strcmp(command.name, "close") == 0;
  int name;
  int code;

  memory_guard_set();
  optind = 1;
  while ((name = getopt_long(argc - 1, argv + 1, ":", known, NULL)) != -1) {
    if (name == '?' || name == ':' || ((name == STATUS || name == LIMIT) && !is_list) || (name == AS && !is_close) ||
        ((name == BY || name == NOTE) && is_list)) {
      return usage_error("an option is wrong, or lacks its value:", argv[optind]);
    }
    switch (name) {
    case STATUS:
    case AS:
      command.status = optarg;
      break;
    case LIMIT:
      command.limit = optarg;
      break;
    case BY:
      command.by = optarg;
      break;
    case NOTE:
      command.note = optarg;
      break;
    }
  }
  command.id_count = argc - 1 - optind;
  command.ids = argv + 1 + optind;
  code = check(&command);
  return code == EXIT_DONE ? run(&command) : code;
}
