/* test_redis_url.c - what REDIS_URL means, and what it must not be. */
#include <criterion/criterion.h>

#include "redis_url.h"

Test(redis_url, says_where_who_and_which)
{
  static const struct {
    const char *url, *host, *user, *password;
    uint16_t port;
    int64_t database;
  } cases[] = {
      {"redis://localhost", "localhost", NULL, NULL, 6379, 0},
      {"redis://127.0.0.1:7000/3", "127.0.0.1", NULL, NULL, 7000, 3},
      {"redis://:p%40ss%2Fword@cache/", "cache", "", "p@ss/word", 6379, 0},
      {"redis://app:a@b@cache:1", "cache", "app", "a@b", 1, 0},
      {"redis://[::1]:6380", "::1", NULL, NULL, 6380, 0},
      {"redis://[::1]", "::1", NULL, NULL, 6379, 0},
  };

  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    struct redis_settings settings = {.ttl_s = 7};
    struct problem problem;

    cr_assert_eq(redis_url_read(cases[i].url, &settings, &problem), VERDICT_OK, "%s", cases[i].url);
    cr_expect_str_eq(settings.address.host, cases[i].host);
    cr_expect_eq(settings.address.port, cases[i].port, "%s", cases[i].url);
    cr_expect_eq(settings.database, cases[i].database, "%s", cases[i].url);
    cr_expect((settings.user == NULL) == (cases[i].user == NULL) && (settings.user == NULL || strcmp(settings.user, cases[i].user) == 0), "%s", cases[i].url);
    cr_expect((settings.password == NULL) == (cases[i].password == NULL) && (settings.password == NULL || strcmp(settings.password, cases[i].password) == 0),
              "%s", cases[i].url);
    redis_settings_done(&settings);
  }
}

Test(redis_url, what_is_none_is_refused_without_being_quoted)
{
  static const char *const urls[] = {"",
                                     "localhost:6379",
                                     "rediss://localhost",
                                     "redis://",
                                     "redis://:secret@",
                                     "redis://host:",
                                     "redis://host:0",
                                     "redis://h:65536",
                                     "redis://h:1x",
                                     "redis://h/one",
                                     "redis://h/99999",
                                     "redis://se%cret@h",
                                     "redis://a:%00@h",
                                     "redis://[::1",
                                     "redis://[::1]x"};

  for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
    struct redis_settings settings = {.ttl_s = 7};
    struct problem problem = {0};

    cr_expect_eq(redis_url_read(urls[i], &settings, &problem), VERDICT_FATAL, "%s", urls[i]);
    cr_expect_null(strstr(problem.text, "cret"));
    cr_expect_null(settings.user);
    cr_expect_eq(settings.ttl_s, 7);
  }
}
