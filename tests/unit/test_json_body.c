#include <criterion/criterion.h>
#include <string.h>

#include "json_body.h"
#include "service.h"

static json_t *read_text(const char *text, char mistake[JSON_BODY_MISTAKE_SIZE])
{
  mistake[0] = '\0';
  return json_body_read(span_of_text(text), mistake);
}

static void expect_mistake(const char *text, const char *part)
{
  char mistake[JSON_BODY_MISTAKE_SIZE];
  json_t *document = read_text(text, mistake);

  cr_expect_null(document, "taken: %s", text);
  cr_expect_not_null(strstr(mistake, part), "%s: expected %s, is: %s", text, part, mistake);
  json_decref(document);
}

static void expect_document(const char *text)
{
  char mistake[JSON_BODY_MISTAKE_SIZE];
  json_t *document = read_text(text, mistake);

  cr_expect_not_null(document, "%s: %s", text, mistake);
  json_decref(document);
}

Test(json_body, any_json_value_is_a_document)
{
  expect_document("{\"a\":[1,2.5,true,null,\"x\"]}");
  expect_document(" [ ] ");
  expect_document("\"text\"");
  expect_document("7");
  expect_document("null");
}

Test(json_body, mistakes_are_told_with_line_and_column)
{
  expect_mistake("{\n  \"a\": x\n}", "line 2, column 8");
  expect_mistake("{\"a\":1", "line 1");
  expect_mistake("{} {}", "line 1, column 4");
  expect_mistake("{\"a\":1,\"a\":2}", "duplicate");
  expect_mistake("{\"a\":\"\xff\"}", "line 1");
  expect_mistake("{\"a\":\"\\u0000\"}", "line 1");
  expect_mistake("{\"a\":01}", "line 1");
  expect_mistake("{\"a\":99999999999999999999}", "line 1");
  expect_mistake(" ", "line 1");
}

Test(json_body, as_deep_as_allowed_and_no_deeper)
{
  size_t depth = HTTP_JSON_DEPTH_MAX;
  char text[4 * HTTP_JSON_DEPTH_MAX];

  memset(text, '[', depth);
  memset(text + depth, ']', depth);
  text[2 * depth] = '\0';
  expect_document(text);
  depth++;
  memset(text, '[', depth);
  memset(text + depth, ']', depth);
  text[2 * depth] = '\0';
  expect_mistake(text, "deeper than 16 levels at line 1, column 17");
}

Test(json_body, depth_is_that_of_the_document_not_of_its_texts)
{
  expect_document("{\"a\":\"[[[[[[[[[[[[[[[[[[[[\",\"b\\\"[[[[[[[[[[[[[[[[[[[[\":1}");
  expect_document("[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[]]");
}

Test(json_body, a_zero_byte_ends_nothing)
{
  char mistake[JSON_BODY_MISTAKE_SIZE];

  cr_expect_null(json_body_read(span_of("{}\0{}", 5), mistake));
}

Test(json_body, its_type_is_announced)
{
  cr_expect(json_body_is_announced("application/json"));
  cr_expect(json_body_is_announced("Application/JSON; charset=UTF-8"));
  cr_expect(json_body_is_announced("application/json;charset=\"utf-8\" ; v=1"));
  cr_expect(json_body_is_announced("application/json ; v=1"));
  cr_expect_not(json_body_is_announced(NULL));
  cr_expect_not(json_body_is_announced(""));
  cr_expect_not(json_body_is_announced("text/plain"));
  cr_expect_not(json_body_is_announced("application/jsonp"));
  cr_expect_not(json_body_is_announced("application/json-patch+json"));
  cr_expect_not(json_body_is_announced("application/json; charset=iso-8859-1"));
  cr_expect_not(json_body_is_announced("application/json; charset=utf-80"));
  cr_expect_not(json_body_is_announced("application/json, text/plain"));
}
