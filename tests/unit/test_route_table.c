#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "route_table.h"

static void nothing(struct exchange *exchange)
{
  (void)exchange;
}

static const struct http_route routes[] = {
    {"POST", "/api/orders", nothing},
    {"GET", "/api/orders", nothing},
    {"GET", "/api/orders/{orderId}", nothing},
    {"GET", "/api/orders/statistics", nothing},
    {"DELETE", "/api/orders/{orderId}", nothing},
    {"PUT", "/api/orders/{orderId}/items/{line}", nothing},
    {0},
};

static struct route_match match;

static const char *found(const char *method, const char *path)
{
  enum route_answer answer = route_table_match(routes, method, path, &match);

  cr_assert_eq(answer, ROUTE_FOUND, "%s %s: %d", method, path, (int)answer);
  return match.route->path;
}

static void expect(enum route_answer wanted, const char *method, const char *path)
{
  enum route_answer answer = route_table_match(routes, method, path, &match);

  cr_expect_eq(answer, wanted, "%s %s: %d instead of %d", method, path, (int)answer, (int)wanted);
}

Test(route_table, method_and_path_choose_the_route)
{
  cr_expect_str_eq(found("POST", "/api/orders"), "/api/orders");
  cr_expect_str_eq(match.route->method, "POST");
  cr_expect_str_eq(found("GET", "/api/orders"), "/api/orders");
  cr_expect_str_eq(match.route->method, "GET");
}

Test(route_table, head_is_answered_by_get)
{
  cr_expect_str_eq(found("HEAD", "/api/orders/7"), "/api/orders/{orderId}");
  cr_expect_str_eq(match.route->method, "GET");
}

Test(route_table, values_are_decoded_and_a_coded_slash_stays_in_its_segment)
{
  (void)found("PUT", "/api/orders/A%2F7%20b/items/%EC%A3%BC");
  cr_expect_eq(match.value_count, 2);
  cr_expect_str_eq(route_match_value(&match, "orderId"), "A/7 b");
  cr_expect_str_eq(route_match_value(&match, "line"), "\xec\xa3\xbc");
  cr_expect_str_eq(route_match_value(&match, "order"), "", "a name that the route has not");
}

Test(route_table, values_are_decoded_once)
{
  (void)found("GET", "/api/orders/%2541");
  cr_expect_str_eq(route_match_value(&match, "orderId"), "%41");
}

Test(route_table, literal_segments_beat_names_in_any_order_of_the_table)
{
  cr_expect_str_eq(found("GET", "/api/orders/statistics"), "/api/orders/statistics");
  cr_expect_eq(match.value_count, 0);
  cr_expect_str_eq(found("DELETE", "/api/orders/statistics"), "/api/orders/{orderId}", "the literal route does not take DELETE");
  cr_expect_str_eq(route_match_value(&match, "orderId"), "statistics");
}

Test(route_table, coded_letters_mean_the_same_path)
{
  cr_expect_str_eq(found("GET", "/api/%6frders"), "/api/orders");
}

Test(route_table, paths_that_nobody_has_are_unknown)
{
  static const char *const paths[] = {"/",
                                      "/api",
                                      "/api/order",
                                      "/api/orders/",
                                      "/api//orders",
                                      "/api/orders//items/1",
                                      "/api/orders/1/items",
                                      "/api/orders/1/items/2/3",
                                      "/API/orders",
                                      "/api/orders/1/items/",
                                      "*",
                                      "http://host/api/orders",
                                      "",
                                      "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18"};

  for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
    expect(ROUTE_UNKNOWN, "GET", paths[i]);
  }
}

Test(route_table, another_method_is_told_which_there_are)
{
  expect(ROUTE_NO_METHOD, "PUT", "/api/orders");
  cr_expect_str_eq(match.allow, "POST, GET, HEAD");
  expect(ROUTE_NO_METHOD, "POST", "/api/orders/7");
  cr_expect_str_eq(match.allow, "GET, HEAD, DELETE");
  expect(ROUTE_NO_METHOD, "GET", "/api/orders/7/items/1");
  cr_expect_str_eq(match.allow, "PUT");
  expect(ROUTE_NO_METHOD, "HEAD", "/api/orders/7/items/1");
  expect(ROUTE_NO_METHOD, "get", "/api/orders");
}

Test(route_table, what_is_no_text_is_refused)
{
  static const char *const paths[] = {"/api/orders/%",         "/api/orders/%4",       "/api/orders/%zz",  "/api/orders/%00",
                                      "/api/orders/a%0Ab",     "/api/orders/%7f",      "/api/orders/%ff",  "/api/orders/%c0%80",
                                      "/api/orders/%ed%a0%80", "/api/orders/%4/items", "/api/orders/\x01", "/api/orders/\xc3\x28"};

  for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
    expect(ROUTE_NO_TEXT, "GET", paths[i]);
  }
}

Test(route_table, the_longest_path_fits_and_one_byte_more_does_not)
{
  char path[HTTP_PATH_MAX_BYTES + 2];

  memset(path, 'x', sizeof(path));
  memcpy(path, "/api/orders/", 12);
  path[HTTP_PATH_MAX_BYTES] = '\0';
  (void)found("GET", path);
  cr_expect_eq(strlen(route_match_value(&match, "orderId")), HTTP_PATH_MAX_BYTES - 12);
  path[HTTP_PATH_MAX_BYTES] = 'x';
  path[HTTP_PATH_MAX_BYTES + 1] = '\0';
  expect(ROUTE_TOO_LONG, "GET", path);
}

Test(route_table, a_path_of_slashes_alone_overruns_nothing)
{
  char path[HTTP_PATH_MAX_BYTES + 1];

  memset(path, '/', sizeof(path));
  path[HTTP_PATH_MAX_BYTES] = '\0';
  expect(ROUTE_UNKNOWN, "GET", path);
}

Test(route_table, tables_that_cannot_be_served_are_noticed)
{
  static const struct http_route unknown_method[] = {{"PATCH", "/a", nothing}, {0}};
  static const struct http_route head[] = {{"HEAD", "/a", nothing}, {0}};
  static const struct http_route no_slash[] = {{"GET", "a", nothing}, {0}};
  static const struct http_route names[] = {{"GET", "/{a}/{b}/{c}/{d}/{e}", nothing}, {0}};
  static const struct http_route deep[] = {{"GET", "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17", nothing}, {0}};
  static const struct http_route no_handler[] = {{"GET", "/a", NULL}, {0}};

  cr_expect(route_table_is_sound(routes));
  cr_expect_not(route_table_is_sound(unknown_method));
  cr_expect_not(route_table_is_sound(head));
  cr_expect_not(route_table_is_sound(no_slash));
  cr_expect_not(route_table_is_sound(names));
  cr_expect_not(route_table_is_sound(deep));
  cr_expect_not(route_table_is_sound(no_handler));
}
