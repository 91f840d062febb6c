/*
 * d_day_service.c - keeps a copy of the members, and forgets the d-days of those who left.
 *
 *   event     member unknown                      ACTIVE                              DELETED
 *   CREATED   ACTIVE                              overwritten, unless it is older     nothing
 *   UPDATED   auth-service is asked, then ACTIVE  overwritten, unless it is older     nothing
 *   DELETED   a row that is DELETED               DELETED, unless it is older;        nothing
 *                                                 d-days removed
 *
 * Older is what has an earlier `timestamp` than the event that the row is of. Each cell is one statement, so that two events of a member that meet (a redrive beside the
 * topic) are one behind the other at the row. An UPDATED that does nothing is done: it is not an error to be late.
 */
#include <inttypes.h>
#include <string.h>

#include "auth_client.h"
#include "consumer.h"
#include "fields.h"

enum { NICKNAME_MAX = 200, EMAIL_MAX = 254, TIME_TEXT_MAX = 40, FIELDS_CHANGED_MAX = 64 };

struct d_day {
  const char *auth_url;
  int64_t auth_timeout_ms;
  struct auth_client *auth;
};

/* The texts are UTC by convention and carry no offset, and neither does the column. */
static const struct statement upsert_member = {
    "upsert_member",
    "INSERT INTO dday.member_reference AS m (member_id, nickname, email, status, last_event_id, last_event_at) "
    "VALUES ($1::bigint, $2, $3, 'ACTIVE', $4, $5::timestamp) "
    "ON CONFLICT (member_id) DO UPDATE SET nickname = excluded.nickname, email = coalesce(excluded.email, m.email), last_event_id = excluded.last_event_id, "
    "last_event_at = excluded.last_event_at, updated_at = now() WHERE m.status = 'ACTIVE' AND m.last_event_at <= excluded.last_event_at",
};
static const struct statement update_member = {
    "update_member",
    "UPDATE dday.member_reference SET nickname = coalesce($2, nickname), email = coalesce($3, email), last_event_id = $4, last_event_at = $5::timestamp, "
    "updated_at = now() WHERE member_id = $1::bigint AND status = 'ACTIVE' AND last_event_at <= $5::timestamp",
};
static const struct statement lock_member = {"lock_member", "SELECT status FROM dday.member_reference WHERE member_id = $1::bigint FOR UPDATE"};
static const struct statement delete_member = {
    "delete_member",
    "INSERT INTO dday.member_reference AS m (member_id, nickname, email, status, last_event_id, last_event_at) "
    "VALUES ($1::bigint, NULL, NULL, 'DELETED', $2, $3::timestamp) "
    "ON CONFLICT (member_id) DO UPDATE SET status = 'DELETED', last_event_id = excluded.last_event_id, last_event_at = excluded.last_event_at, updated_at = "
    "now() "
    "WHERE m.status = 'ACTIVE' AND m.last_event_at <= excluded.last_event_at",
};
static const struct statement delete_d_days = {
    "delete_d_days",
    "DELETE FROM dday.d_day WHERE member_id = $1::bigint AND EXISTS (SELECT FROM dday.member_reference m WHERE m.member_id = $1::bigint AND m.status = "
    "'DELETED')",
};

struct member_event {
  const char *member_id;
  int64_t member_number;
  const char *timestamp;
  const char *nickname; /* NULL: not told */
  const char *email;    /* NULL: not told */
};

static enum verdict check(const struct fields *fields, struct problem *problem)
{
  if (fields->mistake_count == 0) {
    return VERDICT_OK;
  }
  return problem_set(problem, VERDICT_POISON, EXIT_POISON, "contract", "field %s: %s", fields->mistakes[0].field, fields->mistakes[0].text);
}

/* `2025-01-25T10:15:30.123456`, with or without seconds and their fraction, as java.time writes it. What is no date after all PostgreSQL refuses. */
static bool is_local_time(const char *text)
{
  static const char form[] = "dddd-dd-ddTdd:dd";
  size_t length = strlen(text);

  if (length < sizeof(form) - 1) {
    return false;
  }
  for (size_t i = 0; i < sizeof(form) - 1; i++) {
    bool is_digit = text[i] >= '0' && text[i] <= '9';

    if (form[i] == 'd' ? !is_digit : text[i] != form[i]) {
      return false;
    }
  }
  text += sizeof(form) - 1;
  return *text == '\0' || (*text == ':' && strspn(text + 1, "0123456789.") == strlen(text + 1) && text[1] != '\0');
}

static void read_common(struct fields *fields, struct work *work, struct member_event *member)
{
  member->member_number = fields_integer(fields, "memberId", 1, INT64_MAX);
  member->member_id = work_text(work, "%" PRId64, member->member_number);
  member->timestamp = fields_text(fields, "timestamp", 1, TIME_TEXT_MAX);
  if (fields->mistake_count == 0 && !is_local_time(member->timestamp)) {
    fields_mistake(fields, "timestamp", "is no date and time as 2025-01-25T10:15:30.123456");
  }
}

static enum verdict on_created(const struct event *event, struct work *work, struct consumption *consumption, struct problem *problem)
{
  struct fields fields = fields_of(event->body);
  struct member_event member;
  enum verdict verdict;

  (void)consumption;
  read_common(&fields, work, &member);
  member.nickname = fields_text(&fields, "nickname", 1, NICKNAME_MAX);
  member.email = fields_optional_text(&fields, "email", 1, EMAIL_MAX);
  verdict = check(&fields, problem);
  if (verdict == VERDICT_OK) {
    work_do(work, &upsert_member, member.member_id, member.nickname, member.email, event->id, member.timestamp);
  }
  return verdict;
}

/* The copy has missed the member's CREATED. What auth-service says is at least as new as this event. */
static enum verdict insert_unknown(const struct event *event, struct work *work, struct d_day *d_day, const struct member_event *member,
                                   struct problem *problem)
{
  struct auth_member known;
  enum verdict verdict = auth_client_ask(d_day->auth, member->member_number, event->origin.correlation_id, &known, problem);

  if (verdict != VERDICT_OK) {
    return verdict;
  }
  if (known.is_active) {
    work_do(work, &upsert_member, member->member_id, known.nickname, known.email[0] == '\0' ? NULL : known.email, event->id, member->timestamp);
  } else {
    work_do(work, &delete_member, member->member_id, event->id, member->timestamp);
    work_do(work, &delete_d_days, member->member_id);
  }
  return VERDICT_OK;
}

static enum verdict on_updated(const struct event *event, struct work *work, struct consumption *consumption, struct problem *problem)
{
  struct fields fields = fields_of(event->body);
  struct member_event member;
  const PGresult *result;
  enum verdict verdict;

  read_common(&fields, work, &member);
  member.nickname = fields_optional_text(&fields, "nickname", 1, NICKNAME_MAX);
  member.email = fields_optional_text(&fields, "email", 1, EMAIL_MAX);
  (void)fields_array(&fields, "changedFields", 0, FIELDS_CHANGED_MAX);
  verdict = check(&fields, problem);
  if (verdict != VERDICT_OK) {
    return verdict;
  }
  result = work_ask(work, &lock_member, member.member_id);
  if (result == NULL) {
    return VERDICT_FATAL;
  }
  if (PQntuples(result) == 0) {
    return insert_unknown(event, work, consumer_state(consumption), &member, problem);
  }
  work_do(work, &update_member, member.member_id, member.nickname, member.email, event->id, member.timestamp);
  return VERDICT_OK;
}

static enum verdict on_deleted(const struct event *event, struct work *work, struct consumption *consumption, struct problem *problem)
{
  struct fields fields = fields_of(event->body);
  struct member_event member;
  enum verdict verdict;

  (void)consumption;
  read_common(&fields, work, &member);
  verdict = check(&fields, problem);
  if (verdict == VERDICT_OK) {
    work_do(work, &delete_member, member.member_id, event->id, member.timestamp);
    work_do(work, &delete_d_days, member.member_id);
  }
  return verdict;
}

static enum verdict start(void *state, const struct consumer_surroundings *surroundings, struct problem *problem)
{
  struct d_day *d_day = state;

  (void)surroundings;
  return auth_client_open(d_day->auth_url, d_day->auth_timeout_ms, &d_day->auth, problem);
}

static void stop(void *state)
{
  struct d_day *d_day = state;

  auth_client_free(d_day->auth);
  d_day->auth = NULL;
}

int main(int argc, char **argv)
{
  static struct d_day d_day;
  static const struct variable variables[] = {
      {.name = "AUTH_SERVICE_URL",
       .kind = VARIABLE_URL,
       .target = &d_day.auth_url,
       .fallback = "http://127.0.0.1:8081",
       .help = "auth-service, asked about members that are unknown"},
      {.name = "AUTH_SERVICE_TIMEOUT_MS",
       .kind = VARIABLE_NUMBER,
       .target = &d_day.auth_timeout_ms,
       .fallback = "3000",
       .least = 10,
       .most = 10000,
       .help = "how long one question may take"},
      {0},
  };
  static const struct subscription subscriptions[] = {
      {.topic = "member-events", .types = {{"CREATED", on_created}, {"UPDATED", on_updated}, {"DELETED", on_deleted}}},
      {0},
  };
  static const struct consumer consumer = {
      .name = "d-day-service",
      .summary = "keeps a copy of the members for d-days",
      .group = "d-day-service",
      .listen = "127.0.0.1:8083",
      .subscriptions = subscriptions,
      .retry = {.kind = RETRY_DELAYS, .delays_ms = {1000, 2000, 4000}},
      .dead_letter_suffix = ".DLT",
      .batch = {.events = 1},
      .inbox_table = "dday.inbox",
      .events_metric = "member_events_processed_total",
      .variables = variables,
      .state = &d_day,
      .start = start,
      .stop = stop,
  };

  return consumer_main(&consumer, argc, argv);
}
