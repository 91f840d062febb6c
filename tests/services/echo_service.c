/*
 * echo_service.c - a service with one route for each thing that the HTTP runtime promises; http_runtime.sh asks it. Its tables are made there.
 */
#include <stdlib.h>
#include <string.h>

#include "service.h"

struct note {
  struct exchange *exchange;
  const char *name;
  const char *text;
  const char *seconds; /* to sleep in the transaction; NULL: none */
  char id[UUID_SIZE];
};

static enum work_end write_note(struct work *work, void *context)
{
  static const struct statement sleep_for = {"echo_sleep", "SELECT pg_sleep($1::float8)"};
  static const struct statement insert = {"echo_insert", "INSERT INTO echo.note (id, name, text) VALUES ($1, $2, $3)"};
  struct note *note = context;
  json_t *body;

  if (note->seconds != NULL && work_ask(work, &sleep_for, note->seconds) == NULL) {
    return WORK_FAILED;
  }
  work_do(work, &insert, note->id, note->name, note->text);
  body = json_pack("{s:s, s:s, s:s}", "id", note->id, "name", note->name, "text", note->text);
  http_publish(note->exchange, work, &(struct outbox_event){.topic = "echo", .key = note->id, .type = "NoteWritten", .id = note->id, .body = body});
  http_reply(note->exchange, 201, body);
  return WORK_COMMIT;
}

static void post_note(struct exchange *exchange)
{
  struct fields fields = fields_of(exchange->body);
  struct note note = {.exchange = exchange};

  note.name = fields_text(&fields, "name", 1, 40);
  note.text = fields_text(&fields, "text", 1, 200);
  note.seconds = http_query_value(exchange, "seconds");
  if (!http_fields_are_sound(exchange, &fields)) {
    return;
  }
  http_uuid_new(exchange, note.id);
  http_transact(exchange, write_note, &note);
}

static enum work_end read_note(struct work *work, void *context)
{
  static const struct statement select = {"echo_select", "SELECT id, text FROM echo.note WHERE name = $1"};
  struct exchange *exchange = context;
  const PGresult *found = work_ask(work, &select, http_path_value(exchange, "name"));

  if (found == NULL) {
    return WORK_FAILED;
  }
  if (PQntuples(found) == 0) {
    http_problem(exchange, 404, "there is no note %s", http_path_value(exchange, "name"));
  } else {
    http_reply(exchange, 200, json_pack("{s:s, s:s}", "id", PQgetvalue(found, 0, 0), "text", PQgetvalue(found, 0, 1)));
  }
  return WORK_ROLLBACK;
}

static void get_note(struct exchange *exchange)
{
  http_transact(exchange, read_note, exchange);
}

static enum work_end delete_note(struct work *work, void *context)
{
  static const struct statement delete = {"echo_delete", "DELETE FROM echo.note WHERE name = $1"};
  struct exchange *exchange = context;

  work_do(work, &delete, http_path_value(exchange, "name"));
  http_reply(exchange, 204, NULL);
  return WORK_COMMIT;
}

static void remove_note(struct exchange *exchange)
{
  http_transact(exchange, delete_note, exchange);
}

/* A refusal that has an effect, as a failed login has. */
static enum work_end note_attempt(struct work *work, void *context)
{
  static const struct statement insert = {"echo_attempt", "INSERT INTO echo.attempt DEFAULT VALUES"};
  struct exchange *exchange = context;

  work_queue(work, &insert, 0, NULL);
  http_problem(exchange, 401, "wrong password");
  return WORK_COMMIT;
}

static void login(struct exchange *exchange)
{
  http_transact(exchange, note_attempt, exchange);
}

static enum work_end ask_wrongly(struct work *work, void *context)
{
  static const struct statement wrong = {"echo_wrong", "SELECT secret_column FROM echo.there_is_no_such_table"};

  (void)context;
  return work_query(work, &wrong, 0, NULL) == NULL ? WORK_FAILED : WORK_COMMIT;
}

static void break_down(struct exchange *exchange)
{
  http_transact(exchange, ask_wrongly, NULL);
}

static void say_nothing(struct exchange *exchange)
{
  (void)exchange;
}

/* More than the kernel keeps for a connection: its client must take it. */
static void tell_much(struct exchange *exchange)
{
  enum { MUCH_BYTES = 33554432 };
  char *text = malloc(MUCH_BYTES);

  memset(text, 'x', MUCH_BYTES);
  http_reply(exchange, 200, json_stringn(text, MUCH_BYTES));
  free(text);
}

static void tell_request(struct exchange *exchange)
{
  const char *query = http_query_value(exchange, "q");
  const char *agent = http_request_header(exchange, "user-agent");

  http_reply(exchange, 200,
             json_pack("{s:s, s:s, s:s*, s:s*, s:s, s:s, s:O*}", "value", http_path_value(exchange, "value"), "address", http_client_address(exchange), "query",
                       query, "agent", agent, "correlationId", exchange->origin.correlation_id, "traceparent", exchange->origin.traceparent, "body",
                       exchange->body));
}

static const struct http_route routes[] = {
    {"POST", "/notes", post_note},
    {"GET", "/notes/{name}", get_note},
    {"DELETE", "/notes/{name}", remove_note},
    {"POST", "/login", login},
    {"POST", "/broken", break_down},
    {"POST", "/silent", say_nothing},
    {"GET", "/much", tell_much},
    {"GET", "/echo/{value}", tell_request},
    {"POST", "/echo/{value}", tell_request},
    {0},
};

int main(int argc, char **argv)
{
  static const char *const event_types[] = {"NoteWritten", NULL};
  static const struct http_rule rules[] = {
      {"note_name_key", "a note of this name exists already"},
      {"text_is_polite", "the text must be polite"},
      {0},
  };
  static const struct http_service service = {.name = "echo-service",
                                              .summary = "Answers what the tests of the HTTP runtime ask.",
                                              .listen = "127.0.0.1:8099",
                                              .routes = routes,
                                              .event_types = event_types,
                                              .answers_table = "echo.request_answer",
                                              .rules = rules};

  return http_service_main(&service, argc, argv);
}
