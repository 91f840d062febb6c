/*
 * alert_way.c - libcurl as a client of a webhook and of a mail server. A handle per alert: alerts are rare, and a connection that was idle for hours is dead.
 *
 * The mail's body is quoted-printable, whose lines are short and whose bytes are ASCII whatever an error message holds. Slack reads <, > and & as its own; they are
 * written as entities.
 */
#include "alert_way.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "text_out.h"

static size_t drop_bytes(char *bytes, size_t size, size_t count, void *context)
{
  (void)bytes;
  (void)context;
  return size * count;
}

static CURL *curl_new(const char *url, const char *protocols)
{
  CURL *curl = curl_easy_init();

  if (curl == NULL) {
    abort();
  }
  (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  (void)curl_easy_setopt(curl, CURLOPT_URL, url);
  (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, protocols);
  (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)ALERT_TIMEOUT_MS);
  (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop_bytes);
  return curl;
}

/* Owned by the caller. */
static char *slack_text(const char *subject, const char *text)
{
  char *escaped = NULL;
  size_t size;
  FILE *out = text_open(&escaped, &size);
  const char *const parts[] = {"*", subject, "*\n", text};

  for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
    for (const char *at = parts[i]; *at != '\0'; at++) {
      if (*at == '&') {
        (void)fputs("&amp;", out);
      } else if (*at == '<') {
        (void)fputs("&lt;", out);
      } else if (*at == '>') {
        (void)fputs("&gt;", out);
      } else {
        (void)fputc(*at, out);
      }
    }
  }
  text_close(out);
  return escaped;
}

enum verdict alert_way_webhook(const struct alert_settings *settings, const char *subject, const char *text, struct problem *problem)
{
  char *escaped = slack_text(subject, text);
  json_t *object = json_pack("{s:s}", "text", escaped);
  char *body = object == NULL ? NULL : json_dumps(object, JSON_COMPACT);
  struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
  CURL *curl = curl_new(settings->webhook_url, "http,https");
  enum verdict verdict = VERDICT_OK;
  long status = 0;
  CURLcode code;

  (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body == NULL ? "{}" : body);
  code = curl_easy_perform(curl);
  (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  if (code != CURLE_OK) {
    verdict = problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "webhook", "could not send alert to the webhook: %s", curl_easy_strerror(code));
  } else if (status < 200 || status > 299) {
    verdict = problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "webhook", "could not send alert to the webhook: it answered with status %ld", status);
  }
  curl_easy_cleanup(curl);
  curl_slist_free_all(headers);
  free(body);
  json_decref(object);
  free(escaped);
  return verdict;
}

static struct curl_slist *add_header(struct curl_slist *headers, const char *name, const char *value)
{
  char line[1024];
  size_t length;

  (void)snprintf(line, sizeof(line), "%s: %s", name, value);
  length = strlen(line);
  for (size_t i = 0; i < length; i++) {
    if ((unsigned char)line[i] < 0x20 || (unsigned char)line[i] > 0x7e) {
      line[i] = '?'; /* a header is one line of ASCII */
    }
  }
  return curl_slist_append(headers, line);
}

static struct curl_slist *mail_headers(const struct alert_settings *settings, const char *id, const char *subject)
{
  struct curl_slist *headers = NULL;
  time_t now = time(NULL);
  struct tm parts;
  char text[128];

  headers = add_header(headers, "From", settings->mail_from);
  headers = add_header(headers, "To", settings->mail_to);
  headers = add_header(headers, "Subject", subject);
  (void)gmtime_r(&now, &parts);
  (void)strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S +0000", &parts);
  headers = add_header(headers, "Date", text);
  (void)snprintf(text, sizeof(text), "<alert-%s@member-dead-letters>", id);
  return add_header(headers, "Message-ID", text);
}

/* As it stands between the angle brackets of RCPT, which libcurl writes; the server judges the rest. */
static bool is_address(const char *text)
{
  const char *at = strchr(text, '@');

  for (const char *c = text; *c != '\0'; c++) {
    if ((unsigned char)*c <= 0x20 || *c == 0x7f || *c == '<' || *c == '>') {
      return false;
    }
  }
  return at != NULL && at != text && at[1] != '\0';
}

bool alert_way_recipients(const char *addresses, struct curl_slist **ret_list)
{
  struct curl_slist *list = NULL;
  bool is_sound = true;

  for (const char *from = addresses; from != NULL && is_sound;) {
    const char *comma = strchr(from, ',');
    size_t length;
    char *address;

    from += strspn(from, " ");
    length = comma != NULL ? (size_t)(comma - from) : strlen(from);
    while (length > 0 && from[length - 1] == ' ') {
      length--;
    }
    address = strndup(from, length);
    if (address == NULL) {
      abort();
    }
    is_sound = is_address(address);
    list = curl_slist_append(list, address);
    free(address);
    from = comma != NULL ? comma + 1 : NULL;
  }
  if (is_sound && ret_list != NULL) {
    *ret_list = list;
  } else {
    curl_slist_free_all(list);
  }
  return is_sound;
}

enum verdict alert_way_mail(const struct alert_settings *settings, const char *id, const char *subject, const char *text, struct problem *problem)
{
  bool has_user = settings->smtp_user[0] != '\0';
  struct curl_slist *headers = mail_headers(settings, id, subject);
  struct curl_slist *to = NULL;
  CURL *curl = curl_new(settings->smtp_url, "smtp,smtps");
  curl_mime *mime = curl_mime_init(curl);
  curl_mimepart *part = curl_mime_addpart(mime);
  enum verdict verdict = VERDICT_OK;
  CURLcode code;

  (void)alert_way_recipients(settings->mail_to, &to); /* looked at when the program started */
  (void)curl_mime_data(part, text, CURL_ZERO_TERMINATED);
  (void)curl_mime_type(part, "text/plain; charset=utf-8");
  (void)curl_mime_encoder(part, "quoted-printable");
  (void)curl_easy_setopt(curl, CURLOPT_USE_SSL, (long)(has_user ? CURLUSESSL_ALL : CURLUSESSL_TRY));
  if (has_user) {
    (void)curl_easy_setopt(curl, CURLOPT_USERNAME, settings->smtp_user);
    (void)curl_easy_setopt(curl, CURLOPT_PASSWORD, settings->smtp_password);
  }
  (void)curl_easy_setopt(curl, CURLOPT_MAIL_FROM, settings->mail_from);
  (void)curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, to);
  (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  (void)curl_easy_setopt(curl, CURLOPT_MIMEPOST, mime);
  code = curl_easy_perform(curl);
  if (code != CURLE_OK) {
    verdict = problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "mail", "could not send alert by e-mail: %s", curl_easy_strerror(code));
  }
  curl_mime_free(mime);
  curl_easy_cleanup(curl);
  curl_slist_free_all(to);
  curl_slist_free_all(headers);
  return verdict;
}
