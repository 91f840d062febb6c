#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "refusal.h"

static char *text_of(json_t *document)
{
  char *text = json_dumps(document, JSON_COMPACT);

  json_decref(document);
  cr_assert_not_null(text);
  return text;
}

Test(refusal, it_says_status_reason_and_whose_request_it_was)
{
  char *text = text_of(refusal_new(404, "c-1", "there is no order 7", NULL));

  cr_expect_str_eq(text, "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,\"detail\":\"there is no order 7\",\"correlationId\":\"c-1\"}");
  free(text);
}

Test(refusal, every_mistake_names_its_field)
{
  struct fields fields = {.mistake_count = 2, .mistakes = {{"price", "is missing"}, {"items[2].quantity", "is less than 1"}}};
  json_t *document = refusal_new(400, "c-1", "2 fields are wrong", &fields);
  char *errors = json_dumps(json_object_get(document, "errors"), JSON_COMPACT);

  cr_expect_str_eq(errors, "[{\"field\":\"price\",\"message\":\"is missing\"},{\"field\":\"items[2].quantity\",\"message\":\"is less than 1\"}]");
  free(errors);
  json_decref(document);
}

Test(refusal, mistakes_beyond_the_list_are_counted_not_read)
{
  static struct fields fields = {.mistake_count = FIELDS_MISTAKES_MAX + 5};
  json_t *document = refusal_new(400, "c-1", "", &fields);

  cr_expect_eq(json_array_size(json_object_get(document, "errors")), (size_t)FIELDS_MISTAKES_MAX);
  json_decref(document);
}

Test(refusal, bytes_that_are_no_text_are_shown_and_break_nothing)
{
  json_t *document = refusal_new(400, "c-1", "near \xff\xc3, \"\xec\xa3\xbc\"\n", NULL);

  cr_expect_str_eq(json_string_value(json_object_get(document, "detail")), "near ??, \"\xec\xa3\xbc\"\n");
  json_decref(document);
}

Test(refusal, a_long_detail_is_cut_between_characters)
{
  char detail[REFUSAL_DETAIL_SIZE * 2];
  json_t *document;
  size_t length;

  detail[0] = 'x';
  for (size_t i = 1; i + 2 < sizeof(detail); i += 2) {
    memcpy(detail + i, "\xc3\xa9", 3);
  }
  document = refusal_new(400, "c-1", detail, NULL);
  length = json_string_length(json_object_get(document, "detail"));
  cr_expect(length > REFUSAL_DETAIL_SIZE - 3 && length % 2 == 1, "%zu", length);
  json_decref(document);
}
