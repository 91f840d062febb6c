/*
 * refusal.c - builds the document. `type` is about:blank throughout: the status says which kind of problem it is, `detail` and `errors` say what is wrong.
 */
#include "refusal.h"

#include <microhttpd.h>
#include <stdint.h>
#include <string.h>

#include "span.h"
#include "utf8.h"

/* A text of ours may carry a piece of what the client sent, cut anywhere. */
static json_t *text_of(const char *text)
{
  char clean[REFUSAL_DETAIL_SIZE];
  struct span rest = span_of_text(text);
  size_t length = 0;

  while (rest.length > 0) {
    uint32_t code;
    size_t size = utf8_character(rest, &code);
    size_t step = size > 0 ? size : 1;

    if (length + step >= sizeof(clean)) {
      break;
    }
    if (size > 0) {
      memcpy(clean + length, rest.data, size);
    } else {
      clean[length] = '?';
    }
    length += step;
    rest = span_of(rest.data + step, rest.length - step);
  }
  return json_stringn(clean, length);
}

static json_t *errors_of(const struct fields *fields)
{
  json_t *errors = json_array();
  size_t listed = fields->mistake_count < FIELDS_MISTAKES_MAX ? fields->mistake_count : FIELDS_MISTAKES_MAX;

  for (size_t i = 0; i < listed; i++) {
    const struct field_mistake *mistake = &fields->mistakes[i];
    json_t *error = json_object();

    (void)json_object_set_new(error, "field", text_of(mistake->field));
    (void)json_object_set_new(error, "message", text_of(mistake->text));
    (void)json_array_append_new(errors, error);
  }
  return errors;
}

json_t *refusal_new(unsigned int status, const char *correlation_id, const char *detail, const struct fields *fields)
{
  json_t *document = json_object();

  (void)json_object_set_new(document, "type", json_string("about:blank"));
  (void)json_object_set_new(document, "title", json_string(MHD_get_reason_phrase_for(status)));
  (void)json_object_set_new(document, "status", json_integer((json_int_t)status));
  (void)json_object_set_new(document, "detail", text_of(detail));
  (void)json_object_set_new(document, "correlationId", json_string(correlation_id));
  if (fields != NULL) {
    (void)json_object_set_new(document, "errors", errors_of(fields));
  }
  return document;
}
