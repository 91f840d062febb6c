/*
 * auth_client.c - one libcurl handle, which keeps its connection between questions.
 *
 *     200 {"memberId", "nickname", "email", "status"}   the member
 *     404 {"memberId"}, the one that was asked for      unknown                                        FATAL unknown_member
 *     408 425 429 5xx, no answer                        it is away                                     RETRY auth_away
 *     401 403 407                                       it, or a proxy before it, lets nobody ask      RETRY auth_refused
 *     anything else                                     that is not auth-service as it was agreed      RETRY auth_answer
 *
 * The second line alone is about the event. The others are about who runs the two programs (an address, a gateway, a rollout), and mended by them: they concern whoever
 * is unknown next, too, so that a dead letter would help nobody. A 404 must name the member, as only the route of members does: a gateway, or a service that has no such
 * route, has a page, a problem or nothing to say of a path that it does not know.
 *
 * The answer is limited while it arrives. Proxies of the environment are not asked: this is a neighbour. Redirects are not followed.
 */
#include "auth_client.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct auth_client {
  CURL *curl;
  char url[AUTH_URL_MAX_BYTES + 1]; /* without slashes at its end */
  size_t length;                    /* of the answer */
  char answer[AUTH_ANSWER_MAX_BYTES];
};

static size_t on_bytes(char *bytes, size_t size, size_t count, void *context)
{
  struct auth_client *client = context;

  if (size * count > sizeof(client->answer) - client->length) {
    return 0; /* ends the transfer */
  }
  memcpy(client->answer + client->length, bytes, size * count);
  client->length += size * count;
  return size * count;
}

static bool has_host(const char *url)
{
  size_t scheme = strncasecmp(url, "http://", strlen("http://")) == 0     ? strlen("http://")
                  : strncasecmp(url, "https://", strlen("https://")) == 0 ? strlen("https://")
                                                                          : 0;

  return scheme > 0 && url[scheme] != '\0' && strchr("/:?#", url[scheme]) == NULL;
}

enum verdict auth_client_open(const char *url, int64_t timeout_ms, struct auth_client **ret_client, struct problem *problem)
{
  struct auth_client *client;
  size_t length = strlen(url);

  while (length > 0 && url[length - 1] == '/') {
    length--;
  }
  if (length > AUTH_URL_MAX_BYTES || !has_host(url)) {
    return problem_set(problem, VERDICT_FATAL, EXIT_USAGE, "auth_url", "AUTH_SERVICE_URL is no http:// or https:// address of at most %d bytes",
                       AUTH_URL_MAX_BYTES);
  }
  client = calloc(1, sizeof(*client));
  if (client == NULL || (client->curl = curl_easy_init()) == NULL) {
    abort();
  }
  memcpy(client->url, url, length);
  (void)curl_easy_setopt(client->curl, CURLOPT_NOSIGNAL, 1L);
  (void)curl_easy_setopt(client->curl, CURLOPT_PROXY, "");
  (void)curl_easy_setopt(client->curl, CURLOPT_PROTOCOLS_STR, "http,https");
  (void)curl_easy_setopt(client->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)AUTH_CONNECT_TIMEOUT_MS);
  (void)curl_easy_setopt(client->curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
  (void)curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, on_bytes);
  (void)curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, client);
  *ret_client = client;
  return VERDICT_OK;
}

void auth_client_free(struct auth_client *client)
{
  if (client != NULL) {
    curl_easy_cleanup(client->curl);
    free(client);
  }
}

static bool take_text(const json_t *answer, const char *name, char text[AUTH_NAME_SIZE])
{
  const json_t *member = json_object_get(answer, name);

  text[0] = '\0';
  if (member == NULL || json_is_null(member)) {
    return true;
  }
  if (!json_is_string(member) || json_string_length(member) >= AUTH_NAME_SIZE) {
    return false;
  }
  memcpy(text, json_string_value(member), json_string_length(member) + 1);
  return true;
}

/* The words are the same for all who are not auth-service as it was agreed. */
PRINTF_LIKE(2, 3)
static enum verdict not_as_agreed(struct problem *problem, const char *format, ...)
{
  char what[PROBLEM_TEXT_MAX];
  va_list arguments;

  va_start(arguments, format);
  (void)vsnprintf(what, sizeof(what), format, arguments);
  va_end(arguments);
  (void)problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "auth_answer", "%s", what);
  problem_hint(problem,
               "see that AUTH_SERVICE_URL leads to auth-service, and to a version of it that answers as this one expects; this goes on by itself then");
  return VERDICT_RETRY;
}

static bool names_member(const json_t *answer, int64_t member_id)
{
  const json_t *id = json_object_get(answer, "memberId");

  return json_is_integer(id) && json_integer_value(id) == member_id;
}

static enum verdict read_answer(const struct auth_client *client, int64_t member_id, struct auth_member *ret_member, struct problem *problem)
{
  json_t *answer = json_loadb(client->answer, client->length, 0, NULL);
  const char *status = json_string_value(json_object_get(answer, "status"));
  struct auth_member member = {.is_active = status != NULL && strcmp(status, "ACTIVE") == 0};
  bool is_sound = names_member(answer, member_id) && status != NULL && (member.is_active || strcmp(status, "DELETED") == 0) &&
                  take_text(answer, "nickname", member.nickname) && (member.nickname[0] != '\0' || !member.is_active) &&
                  take_text(answer, "email", member.email);

  json_decref(answer);
  if (!is_sound) {
    return not_as_agreed(problem, "auth-service answered with something that is no member %" PRId64, member_id);
  }
  *ret_member = member;
  return VERDICT_OK;
}

static bool is_answer_about(const struct auth_client *client, int64_t member_id)
{
  json_t *answer = json_loadb(client->answer, client->length, 0, NULL);
  bool is_about = names_member(answer, member_id);

  json_decref(answer);
  return is_about;
}

/* Of a status other than 200. */
static enum verdict judge(const struct auth_client *client, long status, int64_t member_id, struct problem *problem)
{
  if (status == 404 && is_answer_about(client, member_id)) {
    return problem_set(problem, VERDICT_FATAL, EXIT_UNEXPECTED, "unknown_member", "auth-service does not know member %" PRId64, member_id);
  }
  if (status >= 500 || status == 408 || status == 425 || status == 429) {
    return problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "auth_away", "auth-service answered with status %ld", status);
  }
  if (status == 401 || status == 403 || status == 407) {
    (void)problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "auth_refused", "auth-service refused the question with status %ld", status);
    problem_hint(problem,
                 "let this program GET /api/members/... without credentials, at auth-service and at whatever stands before it; this goes on by itself then");
    return VERDICT_RETRY;
  }
  return not_as_agreed(problem, "auth-service answered with status %ld for member %" PRId64 "%s", status, member_id,
                       status == 404 ? ", and does not name the member: it may be the path that is unknown" : "");
}

enum verdict auth_client_ask(struct auth_client *client, int64_t member_id, const char *correlation_id, struct auth_member *ret_member, struct problem *problem)
{
  struct curl_slist *headers = NULL;
  char url[AUTH_URL_MAX_BYTES + 64];
  char correlation[256];
  long status = 0;
  CURLcode code;

  (void)snprintf(url, sizeof(url), "%s/api/members/%" PRId64, client->url, member_id);
  (void)snprintf(correlation, sizeof(correlation), "X-Correlation-Id: %s", correlation_id);
  headers = curl_slist_append(headers, correlation);
  client->length = 0;
  (void)curl_easy_setopt(client->curl, CURLOPT_URL, url);
  (void)curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, headers);
  code = curl_easy_perform(client->curl);
  (void)curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
  (void)curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, NULL);
  curl_slist_free_all(headers);
  if (code == CURLE_WRITE_ERROR) {
    return not_as_agreed(problem, "auth-service answered with status %ld and more than %d bytes", status, AUTH_ANSWER_MAX_BYTES);
  }
  if (code != CURLE_OK) {
    return problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "auth_away", "could not ask auth-service: %s", curl_easy_strerror(code));
  }
  return status == 200 ? read_answer(client, member_id, ret_member, problem) : judge(client, status, member_id, problem);
}
