/*
 * auth_service.c - members: made at their first login, renamed, withdrawn; each of them is an event that others keep their copy by.
 *
 *   call                            takes                 answers                                                                  publishes (key memberId)
 *   POST /api/auth/oauth/login      provider, code        201 a member is made, 200 is found, 401 code refused, 403 withdrawn      CREATED, with 201 alone
 *   GET /api/members/{id}                                 200, 404                                                                 nothing
 *   PUT /api/members/{id}           nickname?, email?     200, 404, 409 withdrawn                                                  UPDATED, if anything changed
 *   DELETE /api/members/{id}                              204, also for one who has withdrawn already; 404                         DELETED, once
 *
 *   a member in an answer: {memberId, nickname, email, status: ACTIVE or DELETED}; without an e-mail that member is null
 *   a problem 404 of a member has its memberId beside RFC 9457's members: d-day-service gives up whom it names, and nobody for the 404 of a path that nobody serves
 *
 * Events go into public.member_outbox_event, the table of a scheduler that this service may share it with. Their times are local ones without an offset, UTC by
 * convention; what an event does not have is absent from it, not null. Consumers drop what is older than what they know, so that the time is the row's own, taken
 * under its lock: of one member's events each is later than the one before, whatever the clocks do.
 *
 * A member's id is taken from its sequence before the INSERT. Of two first logins of one person at once, one makes the member and the other waits for it and finds it.
 * Who has withdrawn stays withdrawn: consumers never revive a member either.
 *
 * A call is one statement, and a second trip to the database for the event and COMMIT, so that a member is locked for no longer than that. A login with an Idempotency-Key has
 * a trip more, in front (docs/services.md, "What they cost"): its key is claimed before the provider is asked, and who logs in is known behind that.
 *
 * No provider is asked. The stand-in takes `code` as `person` or `person:anything`: the same person again and again, whatever stands behind the colon. A real one takes a code
 * once; so a login claims its Idempotency-Key before it asks, and a repetition gets the stored answer if the login was let in. A refusal is not stored: once the provider was asked
 * the code may be used up, and a repetition would ask with it again, so that 401, 403 and 503 ask for a new code, and none has Retry-After but where COMMIT got no answer. (The stored answer says who the member
 * is. A service that also hands out a token makes it anew behind the transaction: in a table it would be a password.)
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "service.h"

enum { PROVIDER_MAX_CHARACTERS = 50, CODE_MAX_CHARACTERS = 200, PERSON_MAX_BYTES = 50, NICKNAME_MAX_CHARACTERS = 50, MEMBER_ID_MAX_DIGITS = 19 };
#define STANDIN_DOMAIN "@oauth.example"

static const struct outbox_table member_outbox = {
    .insert =
        {"insert_member_event",
         "INSERT INTO public.member_outbox_event (event_id, aggregate_type, aggregate_id, event_type, payload, correlation_id, causation_id, traceparent) "
         "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"},
    .columns = {OUTBOX_ID, OUTBOX_TOPIC, OUTBOX_KEY, OUTBOX_TYPE, OUTBOX_BODY, OUTBOX_CORRELATION, OUTBOX_CAUSATION, OUTBOX_TRACEPARENT, OUTBOX_END},
};

/* What every statement answers: enum member_column. */
#define MEMBER_COLUMNS "member_id, nickname, email, status, to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US')"
enum member_column { MEMBER_ID, MEMBER_NICKNAME, MEMBER_EMAIL, MEMBER_STATUS, MEMBER_TIME, MEMBER_IS_MADE };

/*
 * The person's member, and whether it was made here. Another login that makes it meanwhile is waited for: its row is newer than this statement's view, and DO UPDATE, which
 * changes nothing, answers it.
 */
static const struct statement LOG_IN = {
    "log_in",
    "WITH found AS (SELECT * FROM auth.member WHERE provider = $1 AND provider_id = $2), "
    "fresh AS (SELECT nextval('auth.member_id') AS id WHERE NOT EXISTS (TABLE found)), "
    "made AS (INSERT INTO auth.member AS m (member_id, provider, provider_id, nickname, email) SELECT id, $1, $2, $3, $4 FROM fresh "
    "ON CONFLICT (provider, provider_id) DO UPDATE SET nickname = m.nickname RETURNING m.*) "
    "SELECT " MEMBER_COLUMNS ", member_id IN (TABLE fresh) FROM (TABLE found UNION ALL TABLE made) AS member",
};
static const struct statement FIND_MEMBER = {"find_member", "SELECT " MEMBER_COLUMNS " FROM auth.member WHERE member_id = $1"};
/* Locks the member, and sets what is not NULL: nickname, email, status; nothing of one who has withdrawn. Answers it as it was and, below, as it is, if anything is new. */
static const struct statement CHANGE_MEMBER = {
    "change_member",
    "WITH was AS (SELECT * FROM auth.member WHERE member_id = $1 FOR UPDATE), "
    "changed AS (UPDATE auth.member m SET nickname = coalesce($2, was.nickname), email = coalesce($3, was.email), status = coalesce($4, was.status), "
    "updated_at = greatest(clock_timestamp(), was.updated_at + interval '1 microsecond') FROM was "
    "WHERE m.member_id = was.member_id AND was.status <> 'DELETED' "
    "AND (coalesce($2, was.nickname), coalesce($3, was.email), coalesce($4, was.status)) IS DISTINCT FROM (was.nickname, was.email, was.status) RETURNING m.*) "
    "SELECT " MEMBER_COLUMNS " FROM (TABLE was UNION ALL TABLE changed) AS member ORDER BY updated_at",
};

/* ---------------------------------------------------------------------------------------------------------------------------------------------------- */
/* What all calls work with */

enum standin { STANDIN_ANSWERS, STANDIN_REFUSES, STANDIN_AWAY };
static const char *const standin_words[] = {"answers", "refuses", "away", NULL};

struct service {
  int standin; /* enum standin */
};

struct call {
  struct exchange *exchange;
  const char *member_id; /* of the path */
  enum standin standin;  /* of a login, as the next four */
  const char *provider, *code;
  char person[PERSON_MAX_BYTES + 1];                    /* empty: the provider has not said yet */
  char email[PERSON_MAX_BYTES + sizeof STANDIN_DOMAIN]; /* empty: none */
  const char *new_nickname, *new_email;                 /* of a change; NULL: stays */
  char event_id[UUID_SIZE];
};

/* Once per request, however often the unit of work has to be done again. */
static struct call call_of(struct exchange *exchange)
{
  struct call call = {.exchange = exchange};
  http_uuid_new(exchange, call.event_id);
  return call;
}

/* Of the member as it is: the last row. */
static const char *member_text(const PGresult *member, enum member_column column)
{
  const int row = PQntuples(member) - 1;

  return PQgetisnull(member, row, (int)column) ? NULL : PQgetvalue(member, row, (int)column);
}

/* Of what CHANGE_MEMBER answers. */
static bool has_changed(const PGresult *member, enum member_column column)
{
  return strcmp(PQgetvalue(member, 0, (int)column), PQgetvalue(member, PQntuples(member) - 1, (int)column)) != 0;
}

static json_int_t member_id_of(const PGresult *member)
{
  return strtoll(member_text(member, MEMBER_ID), NULL, 10);
}

static bool is_withdrawn(const PGresult *member)
{
  return strcmp(member_text(member, MEMBER_STATUS), "DELETED") == 0;
}

static void reply_member(struct exchange *exchange, unsigned int status, const PGresult *member)
{
  http_reply(exchange, status,
             json_pack("{s:I, s:s, s:s?, s:s}", "memberId", member_id_of(member), "nickname", member_text(member, MEMBER_NICKNAME), "email",
                       member_text(member, MEMBER_EMAIL), "status", member_text(member, MEMBER_STATUS)));
}

/* Takes `details`: what the type has beyond the four fields of all. */
static void member_publish(struct work *work, const struct call *call, const PGresult *member, const char *type, json_t *details)
{
  json_t *body = json_pack("{s:s, s:s, s:I, s:s}", "eventId", call->event_id, "eventType", type, "memberId", member_id_of(member), "timestamp",
                           member_text(member, MEMBER_TIME));
  if (json_object_update(body, details) != 0) {
    json_decref(body); /* without a body the INSERT is refused */
    body = NULL;
  }
  http_publish(call->exchange, work,
               &(struct outbox_event){.topic = "MEMBER", .key = member_text(member, MEMBER_ID), .type = type, .id = call->event_id, .body = body});
  json_decref(body);
  json_decref(details);
}

/* ---------------------------------------------------------------------------------------------------------------------------------------------------- */
/* Login */

/* Who the code is. False: the provider does not know it. A person whose name can stand before an @ has an e-mail. */
static bool standin_identify(const char *code, struct call *call)
{
  size_t length = strcspn(code, ":");
  if (length == 0 || length > PERSON_MAX_BYTES || strncmp(code, "invalid", strlen("invalid")) == 0) {
    return false;
  }
  (void)snprintf(call->person, sizeof call->person, "%.*s", (int)length, code);
  if (strspn(call->person, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == length) {
    (void)snprintf(call->email, sizeof call->email, "%s" STANDIN_DOMAIN, call->person);
  }
  return true;
}

/* Asked once per request, however often the unit of work has to be done again. False: the answer is given. */
static bool person_is_identified(struct call *call)
{
  if (call->person[0] != '\0') {
    return true;
  }
  http_use_up(call->exchange, "the code may be used up: come with a new one");
  switch (call->standin) {
  case STANDIN_AWAY:
    http_problem(call->exchange, 503, "the OAuth provider does not answer, and the code may be used up: come with a new one");
    return false;
  case STANDIN_ANSWERS:
    if (standin_identify(call->code, call)) {
      return true;
    }
    break;
  case STANDIN_REFUSES:
    break;
  }
  http_problem(call->exchange, 401, "the OAuth provider does not know this code, or no more: come with a new one");
  return false;
}

static enum work_end person_logs_in(struct work *work, void *context)
{
  struct call *call = context;
  if (!http_claim(call->exchange, work)) {
    return WORK_FAILED;
  }
  if (!person_is_identified(call)) {
    return WORK_ROLLBACK;
  }
  const PGresult *member = work_ask(work, &LOG_IN, call->provider, call->person, call->person, call->email[0] != '\0' ? call->email : NULL);
  if (member == NULL) {
    return WORK_FAILED;
  }
  if (is_withdrawn(member)) {
    http_problem(call->exchange, 403, "this member has withdrawn, for good, and the code is used up: who logs in as another person comes with a new one");
    return WORK_ROLLBACK;
  }
  bool is_made = strcmp(member_text(member, MEMBER_IS_MADE), "t") == 0;
  if (is_made) {
    member_publish(work, call, member, "CREATED", json_pack("{s:s, s:s*}", "nickname", call->person, "email", member_text(member, MEMBER_EMAIL)));
  }
  reply_member(call->exchange, is_made ? 201 : 200, member);
  return WORK_COMMIT;
}

static void log_in(struct exchange *exchange)
{
  const struct service *service = exchange->state;
  struct call call = call_of(exchange);
  struct fields fields = fields_of(exchange->body);
  call.standin = (enum standin)service->standin;
  call.provider = fields_text(&fields, "provider", 1, PROVIDER_MAX_CHARACTERS);
  call.code = fields_text(&fields, "code", 1, CODE_MAX_CHARACTERS);
  if (http_fields_are_sound(exchange, &fields)) {
    http_transact(exchange, person_logs_in, &call);
  }
}

/* ---------------------------------------------------------------------------------------------------------------------------------------------------- */
/* Members */

/* NULL and an answer 404 where the database would have to refuse the id. */
static const char *path_member_id(struct exchange *exchange)
{
  const char *id = http_path_value(exchange, "id");
  size_t length = strlen(id);
  errno = 0;
  if (strspn(id, "0123456789") == length && length <= MEMBER_ID_MAX_DIGITS && strtoll(id, NULL, 10) > 0 && errno == 0) {
    return id;
  }
  http_problem(exchange, 404, "there is no such member: a member's id is a number");
  return NULL;
}

/* NULL (of what was asked): the caller returns `ret_end`, with the answer given where one is due. */
static const PGresult *take_member(const struct call *call, const PGresult *member, enum work_end *ret_end)
{
  if (member == NULL) {
    *ret_end = WORK_FAILED;
  } else if (PQntuples(member) == 0) {
    http_problem(call->exchange, 404, "there is no member %s", call->member_id);
    http_problem_tell(call->exchange, "memberId", json_integer(strtoll(call->member_id, NULL, 10)));
    *ret_end = WORK_ROLLBACK;
    member = NULL;
  }
  return member;
}

static enum work_end member_is_shown(struct work *work, void *context)
{
  const struct call *call = context;
  enum work_end end = WORK_FAILED;
  const PGresult *member = take_member(call, work_ask(work, &FIND_MEMBER, call->member_id), &end);
  if (member == NULL) {
    return end;
  }
  reply_member(call->exchange, 200, member);
  return WORK_ROLLBACK;
}

static enum work_end member_is_changed(struct work *work, void *context)
{
  const struct call *call = context;
  enum work_end end = WORK_FAILED;
  const PGresult *member = take_member(call, work_ask(work, &CHANGE_MEMBER, call->member_id, call->new_nickname, call->new_email, NULL), &end);
  if (member == NULL) {
    return end;
  }
  if (is_withdrawn(member)) {
    http_problem(call->exchange, 409, "member %s has withdrawn", call->member_id);
    return WORK_ROLLBACK;
  }
  bool is_renamed = has_changed(member, MEMBER_NICKNAME);
  bool is_readdressed = has_changed(member, MEMBER_EMAIL);
  if (is_renamed || is_readdressed) {
    member_publish(work, call, member, "UPDATED",
                   json_pack("{s:s, s:[s*, s*]}", "nickname", member_text(member, MEMBER_NICKNAME), "changedFields", is_renamed ? "nickname" : NULL,
                             is_readdressed ? "email" : NULL));
  }
  reply_member(call->exchange, 200, member);
  return WORK_COMMIT; /* also without a change, as an answer to an Idempotency-Key: repeated later, it must not become one */
}

static enum work_end member_withdraws(struct work *work, void *context)
{
  const struct call *call = context;
  enum work_end end = WORK_FAILED;
  const PGresult *member = take_member(call, work_ask(work, &CHANGE_MEMBER, call->member_id, NULL, NULL, "DELETED"), &end);
  if (member == NULL) {
    return end;
  }
  http_reply(call->exchange, 204, NULL);
  if (!has_changed(member, MEMBER_STATUS)) {
    return WORK_ROLLBACK;
  }
  member_publish(work, call, member, "DELETED", json_pack("{s:s}", "deletedAt", member_text(member, MEMBER_TIME)));
  return WORK_COMMIT;
}

static void act_on_member(struct exchange *exchange, struct call *call, WorkFunction function)
{
  call->member_id = path_member_id(exchange);
  if (call->member_id != NULL) {
    http_transact(exchange, function, call);
  }
}

static void show_member(struct exchange *exchange)
{
  struct call call = call_of(exchange);
  act_on_member(exchange, &call, member_is_shown);
}

static void change_member(struct exchange *exchange)
{
  struct call call = call_of(exchange);
  struct fields fields = fields_of(exchange->body);
  call.new_nickname = fields_optional_text(&fields, "nickname", 1, NICKNAME_MAX_CHARACTERS);
  if (!json_is_null(json_object_get(exchange->body, "email")) && json_object_get(exchange->body, "email") != NULL) {
    call.new_email = fields_email(&fields, "email");
  }
  if (http_fields_are_sound(exchange, &fields)) {
    act_on_member(exchange, &call, member_is_changed);
  }
}

static void withdraw_member(struct exchange *exchange)
{
  struct call call = call_of(exchange);
  act_on_member(exchange, &call, member_withdraws);
}

int main(int argc, char **argv)
{
  static const struct http_route routes[] = {
      {"POST", "/api/auth/oauth/login", log_in},
      {"GET", "/api/members/{id}", show_member},
      {"PUT", "/api/members/{id}", change_member},
      {"DELETE", "/api/members/{id}", withdraw_member},
      {0},
  };
  struct service state = {0};
  const struct variable variables[] = {
      {.name = "OAUTH_STANDIN",
       .kind = VARIABLE_CHOICE,
       .target = &state.standin,
       .fallback = "answers",
       .choices = standin_words,
       .help = "what stands in for the OAuth providers: answers (codes beginning with `invalid` are refused), refuses every code, or is away"},
      {0},
  };
  static const char *const event_types[] = {"CREATED", "UPDATED", "DELETED", NULL};
  static const struct http_rule rules[] = {
      {"member_is_one_person", "this person is a member already"},
      {"member_provider_fits", "provider must have 1 to 50 characters"},
      {"member_provider_id_fits", "the provider knows this person by a name that is longer than 255 characters"},
      {"member_nickname_fits", "nickname must have 1 to 50 characters"},
      {"member_email_fits", "email must be an e-mail address of at most 254 bytes"},
      {"member_stays_withdrawn", "the member has withdrawn"},
      {0},
  };
  const struct http_service service = {
      .name = "auth-service",
      .summary = "logs members in and keeps them; publishes member-events",
      .listen = "127.0.0.1:8081",
      .routes = routes,
      .outbox = &member_outbox,
      .event_types = event_types,
      .answers_table = "auth.request_answer",
      .rules = rules,
      .variables = variables,
      .state = &state,
  };
  return http_service_main(&service, argc, argv);
}
