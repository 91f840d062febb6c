/* Connection strings: masks, and refusals that do not tell them. */
#include "config/connection_text.h"
#include "config/texts.h"
#include "config_fixture.h"

Test(config_connection_text, masks_passwords_and_nothing_else)
{
  static const struct {
    const char *url;
    const char *masked;
  } cases[] = {
      {"postgresql://relay@h:5432/shop?sslmode=verify-full", "postgresql://relay@h:5432/shop?sslmode=verify-full"},
      {"postgresql://h1:1,h2:2/shop", "postgresql://h1:1,h2:2/shop"},
      {"postgresql://[::1]:5432/shop", "postgresql://[::1]:5432/shop"},
      {"postgresql://relay@[::1]:5432/shop", "postgresql://relay@[::1]:5432/shop"},
      {"postgresql://", "postgresql://"},
      {"postgresql://relay:hunter2@h/shop", "postgresql://relay:***@h/shop"},
      {"postgres://relay:hunter2@h1:1,h2:2/shop", "postgres://relay:***@h1:1,h2:2/shop"},
      {"postgresql://relay:hun%74er2@h/shop", "postgresql://relay:***@h/shop"},
      {"postgresql://relay:hunter2@h", "postgresql://relay:***@h"},
      {"postgresql://h/shop?password=hunter2", "postgresql://h/shop?password=***"},
      {"postgresql://h/shop?user=a&password=hunter2&sslmode=require", "postgresql://h/shop?user=a&password=***&sslmode=require"},
      {"postgresql://h/shop?sslpassword=hunter2", "postgresql://h/shop?sslpassword=***"},
      {"postgresql://r:hunter2@h/shop?password=hunter2&sslpassword=hunter2", "postgresql://r:***@h/shop?password=***&sslpassword=***"},
      {"host=h dbname=shop", "host=h dbname=shop"},
      {"", ""},
      {"host=h password=hunter2 dbname=shop", "host=h password=*** dbname=shop"},
      {"password=hunter2", "password=***"},
      {"  password = hunter2  ", "  password = ***  "},
      {"password='hunter2' dbname='a b'", "password=*** dbname='a b'"},
      {"password='hun\\'hunter2' dbname=x", "password=*** dbname=x"},
      {"password=hun\\ hunter2 dbname=x", "password=*** dbname=x"},
      {"sslpassword=hunter2 password=hunter2", "sslpassword=*** password=***"},
      {"password=a password=hunter2", "password=*** password=***"},
      {"application_name='password=x' password=hunter2", "application_name='password=x' password=***"},
      /* what cannot be told apart is masked as a whole, or too much of it */
      {"host=h password='hunter2", "***"},
      {"hunter2", "***"},
      {"postgresql://h/shop?pass%77ord=hunter2", "***"},
      {"postgresql://h/shop?nonsense=hunter2", "***"},
      {"postgresql://relay:hunter2%zz@h/shop", "***"},
      {"postgresql://relay:hun/hunter2@h/shop", "postgresql://relay:***@h/shop"},
      {"postgresql://relay:hun@hunter2@h/shop", "postgresql://relay:***@h/shop"},
      {"postgresql://relay:hun?hunter2@h/shop", "postgresql://relay:***@h/shop"},
      {"dbname=postgres://relay:hunter2@h/shop", "***"},
      {"host=h dbname='host=h password=hunter2'", "***"},
      {"postgresql://h/postgres%3A%2F%2Frelay%3Ahunter2%40h", "***"},
  };

  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    char *masked = config_mask_url(cases[i].url);

    cr_expect_str_eq(masked, cases[i].masked, "%s became %s", cases[i].url, masked);
    cr_expect_null(strstr(masked, "hunter2"));
    free(masked);
  }
}

Test(config_connection_text, many_empty_passwords_fit_the_mask)
{
  char url[2000] = "postgresql://h/d?password=";
  char *masked;

  for (int i = 0; i < 100; i++) {
    (void)strcat(url, "&password=");
  }
  masked = config_mask_url(url);
  cr_assert_not_null(strstr(masked, "password=***&password=***"));
  free(masked);
}

Test(config_connection_text, what_libpq_refuses_is_told_without_the_string)
{
  static const char *const urls[] = {"hunter2",
                                     "password='hunter2",
                                     "password=x hunter2",
                                     "postgresql://u:hunter2%zz@h/d",
                                     "postgresql://h/d?hunter2=x",
                                     "host=h pass=hunter2 \"hunter2\"",
                                     "postgresql://u:p@h:1/d?password",
                                     "hunter2=1"};

  for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++) {
    struct attempt attempt;
    char *text, variable[160];

    attempt_begin(&attempt);
    (void)snprintf(variable, sizeof(variable), "CDC_RELAY_POSTGRES_URL=%s", urls[i]);
    attempt_load(&attempt, "{" MINIMAL_KAFKA "}", LIST(variable), NULL);
    text = problems_text(attempt.problems);
    cr_assert(has_problem(attempt.problems, "postgres.url", "not a libpq connection string"), "%s: %s", urls[i], text);
    cr_assert_null(strstr(text, "hunter2"), "%s", text);
    free(text);
    attempt_end(&attempt);
  }
}

Test(config_connection_text, a_password_that_would_end_early_is_refused_before_its_rest_is_taken_for_a_host)
{
  static const char *const refused[] = {
      "postgresql://u:pa@ssw0rd@host/db", "postgresql://u:pa?s@sw0rd@host/db",  "postgresql://u:pa/ssw0rd@host/db",
      "postgres://u:12/ssw0rd@host:1/db", "dbname=postgres://u:ssw0rd@host/db", "host=h dbname='user=u password=ssw0rd'",
  };
  static const char *const accepted[] = {
      "postgresql://u:pa%40ssw0rd@host/db",
      "postgresql://u@host/db?application_name=a@b",
      "postgresql://a,b/db",
      "host=h user=u@x password='p@w'",
      "dbname=a@b",
  };
  struct texts texts = {0};

  for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
    const char *refusal = connection_text_refusal(refused[i], &texts);

    cr_assert_not_null(refusal, "%s", refused[i]);
    cr_assert_null(strstr(refusal, "ssw0rd"));
  }
  for (size_t i = 0; i < sizeof(accepted) / sizeof(*accepted); i++) {
    cr_assert_null(connection_text_refusal(accepted[i], &texts), "%s", accepted[i]);
  }
  texts_done(&texts);
}
