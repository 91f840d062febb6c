/*
 * auth_client.c - one libcurl handle, which keeps its connection between questions.
 *
 *     200 {"memberId", "nickname", "email", "status"}   the member
 *     404                                               unknown
 *     408 425 429 5xx, no answer                        later
 *     anything else                                     not what was agreed
 *
 * The answer is limited while it arrives. Proxies of the environment are not asked: this is a neighbour. Redirects are not followed.
 */
#include "auth_client.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct auth_client {
  CURL *curl;
  const char *url;
  size_t length;
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

struct auth_client *auth_client_new(const char *url, int64_t timeout_ms)
{
  struct auth_client *client = calloc(1, sizeof(*client));

  if (client == NULL || (client->curl = curl_easy_init()) == NULL) {
    abort();
  }
  client->url = url;
  (void)curl_easy_setopt(client->curl, CURLOPT_NOSIGNAL, 1L);
  (void)curl_easy_setopt(client->curl, CURLOPT_PROXY, "");
  (void)curl_easy_setopt(client->curl, CURLOPT_PROTOCOLS_STR, "http,https");
  (void)curl_easy_setopt(client->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)AUTH_CONNECT_TIMEOUT_MS);
  (void)curl_easy_setopt(client->curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
  (void)curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, on_bytes);
  (void)curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, client);
  return client;
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

static enum verdict read_answer(const struct auth_client *client, int64_t member_id, struct auth_member *ret_member, struct problem *problem)
{
  json_t *answer = json_loadb(client->answer, client->length, 0, NULL);
  const json_t *id = json_object_get(answer, "memberId");
  const char *status = json_string_value(json_object_get(answer, "status"));
  struct auth_member member = {0};
  bool is_sound = json_is_integer(id) && json_integer_value(id) == member_id && status != NULL && take_text(answer, "nickname", member.nickname) &&
                  member.nickname[0] != '\0' && take_text(answer, "email", member.email);

  if (is_sound) {
    member.is_active = strcmp(status, "ACTIVE") == 0;
    *ret_member = member;
  }
  json_decref(answer);
  return is_sound ? VERDICT_OK
                  : problem_set(problem, VERDICT_FATAL, EXIT_UNEXPECTED, "auth_answer", "auth-service answered with something that is no member %" PRId64,
                                member_id);
}

static enum verdict judge(long status, int64_t member_id, struct problem *problem)
{
  if (status == 404) {
    return problem_set(problem, VERDICT_FATAL, EXIT_UNEXPECTED, "unknown_member", "auth-service does not know member %" PRId64, member_id);
  }
  if (status >= 500 || status == 429 || status == 408 || status == 425) {
    return problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "auth_away", "auth-service answered with status %ld", status);
  }
  return problem_set(problem, VERDICT_FATAL, EXIT_UNEXPECTED, "auth_answer", "auth-service answered with status %ld for member %" PRId64, status, member_id);
}

enum verdict auth_client_ask(struct auth_client *client, int64_t member_id, const char *correlation_id, struct auth_member *ret_member, struct problem *problem)
{
  struct curl_slist *headers = NULL;
  char url[2048];
  char correlation[256];
  long status = 0;
  CURLcode code;

  if (snprintf(url, sizeof(url), "%s/api/members/%" PRId64, client->url, member_id) >= (int)sizeof(url)) {
    return problem_set(problem, VERDICT_FATAL, EXIT_USAGE, "auth_url", "the address of auth-service is too long");
  }
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
    return problem_set(problem, VERDICT_FATAL, EXIT_UNEXPECTED, "auth_answer", "auth-service answered with more than %d bytes", AUTH_ANSWER_MAX_BYTES);
  }
  if (code != CURLE_OK) {
    return problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "auth_away", "could not ask auth-service: %s", curl_easy_strerror(code));
  }
  return status == 200 ? read_answer(client, member_id, ret_member, problem) : judge(status, member_id, problem);
}
