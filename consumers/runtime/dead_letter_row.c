/*
 * dead_letter_row.c - a dead letter as a row of public.outbox_binary, and whether it can be one.
 *
 * The limits are those of the table's CHECKs and of the relay, looked at before: a row that the table refuses would fail the transaction, one that the relay
 * refuses would hold up all events behind it. The server makes the digest, so that nothing here needs a library for it.
 */
#include "dead_letter.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "utf8.h"

const struct statement dead_letter_insert = {
    "dead_letter",
    "INSERT INTO public.outbox_binary (id, aggregatetype, aggregateid, type, payload, headers, partition, event_id) "
    "VALUES (substr(encode(sha256(convert_to($1::text, 'UTF8')), 'hex'), 1, 32)::uuid, $2::text, $3::bytea, $4::text, $5::bytea, $6::jsonb, $7::integer, "
    "$8::text) "
    "ON CONFLICT DO NOTHING",
};

enum { BUILT_IN = 2 }; /* id and eventType: columns of the row */

static bool is_clean_name(const char *name)
{
  for (const char *at = name; *at != '\0'; at++) {
    if ((unsigned char)*at < 0x20 || *at == 0x7f) {
      return false;
    }
  }
  return name[0] != '\0' && utf8_is_valid(span_of_text(name));
}

static bool is_legal_topic(const char *topic)
{
  size_t length = strlen(topic);

  return length > 0 && length <= DEAD_LETTER_OUTBOX_TOPIC_MAX_BYTES &&
         strspn(topic, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == length;
}

/* As jsonb prints it: `["name", "base64"], `. */
static size_t printed_length(const struct record_header *header)
{
  size_t length = strlen("[\"\", ], ") + strlen(header->name);

  for (const char *at = header->name; *at != '\0'; at++) {
    length += *at == '"' || *at == '\\';
  }
  return length + (span_is_null(header->value) ? strlen("null") : strlen("\"\"") + (header->value.length + 2) / 3 * 4);
}

static bool does_not_fit(struct problem *problem, const char *what)
{
  (void)problem_set(problem, VERDICT_POISON, EXIT_POISON, "outbox_limit", "dead letter does not fit into the outbox: %s", what);
  return false;
}

bool dead_letter_fits_outbox(const struct dead_letter *letter, struct problem *problem)
{
  size_t bytes = 0; /* the brackets around take what the comma behind the last does not */

  if (!is_legal_topic(letter->topic)) {
    return does_not_fit(problem, "topic");
  }
  if (letter->key.length == 0 || letter->key.length > DEAD_LETTER_OUTBOX_KEY_MAX_BYTES) {
    return does_not_fit(problem, letter->key.length == 0 ? "no key" : "length of key");
  }
  if (letter->value.length > DEAD_LETTER_OUTBOX_VALUE_MAX_BYTES) {
    return does_not_fit(problem, "length of value");
  }
  if (letter->header_count - BUILT_IN > DEAD_LETTER_OUTBOX_HEADERS_MAX) {
    return does_not_fit(problem, "number of headers");
  }
  for (size_t i = BUILT_IN; i < letter->header_count; i++) {
    if (!is_clean_name(letter->headers[i].name)) {
      return does_not_fit(problem, "name of a header");
    }
    if (letter->headers[i].value.length > DEAD_LETTER_OUTBOX_HEADERS_MAX_BYTES) {
      return does_not_fit(problem, "length of headers");
    }
    bytes += printed_length(&letter->headers[i]);
  }
  return bytes <= DEAD_LETTER_OUTBOX_HEADERS_MAX_BYTES || does_not_fit(problem, "length of headers");
}

/* ------------------------------------------------------------------------------------------------------------------------------------------------------- */
/* headers: [["name", "base64"], ["name", null], ...] */

static char *put_text(char *to, const char *text)
{
  size_t length = strlen(text);

  memcpy(to, text, length);
  return to + length;
}

/* A name without control characters: only two characters need an escape. */
static char *put_name(char *to, const char *name)
{
  for (; *name != '\0'; name++) {
    if (*name == '"' || *name == '\\') {
      *to++ = '\\';
    }
    *to++ = *name;
  }
  return to;
}

static char *put_base64(char *to, struct span bytes)
{
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const unsigned char *data = (const unsigned char *)bytes.data;

  for (size_t i = 0; i < bytes.length; i += 3) {
    size_t left = bytes.length - i;
    uint32_t three = (uint32_t)data[i] << 16 | (left > 1 ? (uint32_t)data[i + 1] << 8 : 0) | (left > 2 ? (uint32_t)data[i + 2] : 0);

    *to++ = digits[three >> 18];
    *to++ = digits[three >> 12 & 63];
    *to++ = left > 1 ? digits[three >> 6 & 63] : '=';
    *to++ = left > 2 ? digits[three & 63] : '=';
  }
  return to;
}

static const char *headers_text(const struct dead_letter *letter, struct arena *arena)
{
  size_t size = sizeof("[]");
  char *text;
  char *to;

  for (size_t i = BUILT_IN; i < letter->header_count; i++) {
    size += printed_length(&letter->headers[i]);
  }
  text = arena_alloc(arena, size);
  to = put_text(text, "[");
  for (size_t i = BUILT_IN; i < letter->header_count; i++) {
    const struct record_header *header = &letter->headers[i];

    to = put_text(to, i > BUILT_IN ? ",[\"" : "[\"");
    to = put_name(to, header->name);
    if (span_is_null(header->value)) {
      to = put_text(to, "\",null]");
    } else {
      to = put_text(put_base64(put_text(to, "\",\""), header->value), "\"]");
    }
  }
  to = put_text(to, "]");
  *to = '\0';
  return text;
}

void dead_letter_parameters(const struct dead_letter *letter, struct arena *arena, struct parameter ret_parameters[DEAD_LETTER_PARAMETERS])
{
  const char *partition = NULL;

  if (letter->partition != DEAD_LETTER_PARTITION_BY_KEY) {
    char text[16];
    int length = snprintf(text, sizeof(text), "%" PRId32, letter->partition);

    partition = arena_copy(arena, span_of(text, (size_t)length)).data;
  }
  ret_parameters[0] = parameter_text(letter->identity);
  ret_parameters[1] = parameter_text(letter->topic);
  ret_parameters[2] = parameter_bytes(letter->key);
  ret_parameters[3] = parameter_text(letter->type);
  ret_parameters[4] = parameter_bytes(letter->value);
  ret_parameters[5] = parameter_text(headers_text(letter, arena));
  ret_parameters[6] = parameter_text(partition);
  ret_parameters[7] = parameter_text(letter->id);
}
