#include <criterion/criterion.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connection_string.h"

/* Every password has `ssw0rd` in it. */
static const struct {
  const char *text;
  const char *masked;
} cases[] = {
    /* URIs */
    {"postgresql://", "postgresql://"},
    {"postgres://h", "postgres://h"},
    {"postgresql://app@h:5432/shop?sslmode=verify-full&connect_timeout=5", "postgresql://app@h:5432/shop?sslmode=verify-full&connect_timeout=5"},
    {"postgresql://h1:1,h2:2,:3/shop", "postgresql://h1:1,h2:2,:3/shop"},
    {"postgresql://app@[::1]:5432,[fe80::1]/shop", "postgresql://app@[::1]:5432,[fe80::1]/shop"},
    {"postgresql:///shop?host=/run/postgresql", "postgresql:///shop?host=/run/postgresql"},
    {"postgresql://%2Frun%2Fpostgresql/shop", "postgresql://%2Frun%2Fpostgresql/shop"},
    {"postgresql://h?application_name=a@b", "postgresql://h?application_name=a@b"},
    {"postgresql://app:@h/shop", "postgresql://app:@h/shop"},
    {"postgresql://app:ssw0rd@h/shop", "postgresql://app:***@h/shop"},
    {"postgresql://:ssw0rd@h/shop", "postgresql://:***@h/shop"},
    {"postgres://app:ssw0rd@h1:1,h2:2/shop", "postgres://app:***@h1:1,h2:2/shop"},
    {"postgresql://app:p%40ssw0rd@h", "postgresql://app:***@h"},
    {"postgresql://app:p%40s%3As%2fssw0rd@h/shop", "postgresql://app:***@h/shop"},
    {"postgresql://app:a:ssw0rd@h/shop", "postgresql://app:***@h/shop"},
    {"postgresql://app:a?ssw0rd@h/shop", "postgresql://app:***@h/shop"},
    {"postgresql://app:a#ssw0rd@h/shop", "postgresql://app:***@h/shop"},
    {"postgresql://app:password=ssw0rd@h/shop", "postgresql://app:***@h/shop"},
    {"postgresql://h:ssw0rd?application_name=a@b", "postgresql://h:***@b"}, /* so libpq reads it */
    {"postgresql://?password=ssw0rd", "postgresql://?password=***"},
    {"postgresql://h/shop?password=ssw0rd", "postgresql://h/shop?password=***"},
    {"postgresql://h/shop?password=", "postgresql://h/shop?password=***"},
    {"postgresql://h/shop?user=a&password=ssw0rd&sslmode=require", "postgresql://h/shop?user=a&password=***&sslmode=require"},
    {"postgresql://h/shop?sslpassword=a%26ssw0rd&", "postgresql://h/shop?sslpassword=***&"},
    {"postgresql://a:ssw0rd@h/shop?password=ssw0rd&sslpassword=ssw0rd", "postgresql://a:***@h/shop?password=***&sslpassword=***"},
    {"postgresql://h/shop?password=a?ssw0rd@x", "postgresql://h/shop?password=***"},
    /* keywords */
    {"", ""},
    {"  ", "  "},
    {"host=h dbname=shop", "host=h dbname=shop"},
    {"host = h\n dbname\t=\tshop ", "host = h\n dbname\t=\tshop "},
    {"dbname=", "dbname="},
    {"host=h user=a@b password=ssw0rd dbname=shop", "host=h user=a@b password=*** dbname=shop"},
    {"password=ssw0rd", "password=***"},
    {"  password = ssw0rd  ", "  password = ***  "},
    {"password= host=ssw0rd", "password= ***"}, /* so libpq reads it: spaces behind = do not count */
    {"password='ssw0rd' dbname='a b'", "password='***' dbname='a b'"},
    {"password='p\\'ssw0rd' dbname=x", "password='***' dbname=x"},
    {"password='p ssw0rd'dbname=x", "password='***'dbname=x"},
    {"password='p\\\\' dbname=x", "password='***' dbname=x"},
    {"password=p\\ ssw0rd dbname=x", "password=*** dbname=x"},
    {"password=p'ssw0rd dbname=x", "password=*** dbname=x"},
    {"password=p@ssw0rd=x dbname=x", "password=*** dbname=x"},
    {"sslpassword=ssw0rd password=ssw0rd password=ssw0rd", "sslpassword=*** password=*** password=***"},
    {"application_name='password=x' password=ssw0rd", "application_name='password=x' password=***"},
    {"application_name=\\'x password=ssw0rd", "application_name=\\'x password=***"},
    /* several hosts, and what sounds like a secret and is none */
    {"host=h1,h2 port=1,2 passfile=/run/secrets/pgpass password=ssw0rd", "host=h1,h2 port=1,2 passfile=/run/secrets/pgpass password=***"},
    {"postgresql://app:ssw0rd@h1:1,[::1]:2,h3/shop?passfile=/p&sslpassword=ssw0rd", "postgresql://app:***@h1:1,[::1]:2,h3/shop?passfile=/p&sslpassword=***"},
    {"host=/run/postgresql sslkey=/k sslpassword='a b ssw0rd'", "host=/run/postgresql sslkey=/k sslpassword='***'"},
    {"dbname=a:b user=x@y password=ssw0rd", "dbname=a:b user=x@y password=***"},
    {"dbname='a//b'", "dbname='a//b'"},
    {"application_name=http://h", "application_name=http://h"},
    /* an option that is not known: its name or its value may be anything */
    {"host=h pass=ssw0rd", "***"},
    {"postgresql://h/shop?ssw0rd=1", "***"},
};

static const char *const refused[] = {
    "ssw0rd",
    "host=h ssw0rd",
    "=ssw0rd",
    "host=h password='ssw0rd",
    "password='ssw0rd\\'",
    "password='it''ssw0rd' host=h",
    "PASSWORD=ssw0rd",
    "host=h Password=ssw0rd",
    "POSTGRESQL://app:ssw0rd@h/shop",
    "POSTGRESQL://app:ssw0rd@h/shop?sslmode=require",
    "jdbc:postgresql://h/shop?password=ssw0rd",
    "postgresql:/app:ssw0rd@h/shop?sslmode=require",
    "postgresql://app:p@ssw0rd@h/shop",
    "postgresql://app:p/ssw0rd@h/shop",
    "postgresql://app:12/ssw0rd@h/shop",
    "postgresql://app:p@x?ssw0rd@h/shop@",
    "postgresql://app:ssw0rd/shop",
    /* a whole connection string in the place of a name, in every spelling */
    "dbname=postgres://u:ssw0rd@h/db",
    "dbname=postgresql://u:ssw0rd@h/db",
    "dbname = postgres://u:ssw0rd@h/db",
    "dbname='postgres://u:ssw0rd@h/db'",
    "host=h dbname='postgres://u:ssw0rd@h/db' user=x",
    "dbname=postgres\\://u:ssw0rd@h/db",
    "dbname=postgres:\\/\\/u:ssw0rd@h/db",
    "dbname='postgres\\:/\\/u:ssw0rd@h/db'",
    "dbname=postgres:\\\\//u:ssw0rd@h/db",
    "dbname=postgres%3A//u:ssw0rd@h/db",
    "dbname=postgres%3a%2f%2Fu%3Assw0rd%40h/db",
    "dbname=POSTGRES://u:ssw0rd@h/db",
    "dbname=jdbc:postgresql://h/db?password=ssw0rd",
    "dbname=x dbname=postgres://u:ssw0rd@h1:1,h2:2/db",
    "dbname='host=h password=ssw0rd'",
    "dbname=host\\=h\\ password\\=ssw0rd",
    "dbname=password=ssw0rd",
    "host=postgres://u:ssw0rd@h/db",
    "user=postgres://u:ssw0rd@h/db",
    "service='postgres://u:ssw0rd@h/db'",
    "postgresql://h/postgres%3A%2F%2Fu%3Assw0rd%40h",
    "postgresql://h/postgres://u:ssw0rd",
    "postgresql://postgres%3A%2F%2Fu%3Assw0rd%40h/db",
    "postgresql://h/db?dbname=postgres://u:ssw0rd",
    "postgresql://h/db?dbname=postgres%3A%2F%2Fu%3Assw0rd%40h",
    "postgresql:///?dbname=password%3Dssw0rd",
    "postgresql:///db?host=postgres%3A//u%3Assw0rd%40h",
    /* a blank, which libpq took for a part of the word until version 18 */
    "postgresql://app:my ssw0rd@h/shop",
    "postgresql://app:ssw0rd@h/shop\n",
    "postgresql://h/shop?password = ssw0rd",
    "postgresql://h' password=ssw0rd",
    "postgresql://app:p%ssw0rd@h/shop",
    "postgresql://app:ssw0rd%4@h/shop",
    "postgresql://app:ssw0rd%00@h/shop",
    "postgresql://app:ssw0rd@[::1/shop",
    "postgresql://app:ssw0rd@[]/shop",
    "postgresql://app:ssw0rd@[::1]x/shop",
    "postgresql://app:ssw0rd@h/shop?sslmode",
    "postgresql://h/shop?password=ssw0rd=x",
    "postgresql://h/shop?password=a&ssw0rd",
    "postgresql://h/shop?pass%77ord=ssw0rd",
    "postgresql://h/shop?PASSWORD=ssw0rd",
    "postgresql://h/shop?&password=ssw0rd",
    "postgresql://h/shop?=ssw0rd",
};

Test(connection_string, masks_passwords_and_nothing_else)
{
  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    char *masked = connection_string_mask(cases[i].text);

    cr_expect_str_eq(masked, cases[i].masked, "%s became %s", cases[i].text, masked);
    cr_expect_null(connection_string_refusal(cases[i].text), "%s: %s", cases[i].text, connection_string_refusal(cases[i].text));
    free(masked);
  }
}

Test(connection_string, what_is_refused_is_masked_as_a_whole_and_told_without_a_word_of_it)
{
  for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
    const char *refusal = connection_string_refusal(refused[i]);
    char *masked = connection_string_mask(refused[i]);

    cr_expect_not_null(refusal, "%s", refused[i]);
    cr_expect(refusal == NULL || strstr(refusal, "ssw0rd") == NULL, "%s", refusal);
    cr_expect_str_eq(masked, "***", "%s became %s", refused[i], masked);
    free(masked);
  }
}

/* A database's name is what the server says it is: what it could not take apart, it would repeat in its refusal. */
Test(connection_string, knows_what_is_nested_from_what_is_broken)
{
  cr_expect(connection_string_is_nested("dbname=postgres://u:ssw0rd@h/db"));
  cr_expect(connection_string_is_nested("postgresql://h/postgres%3A%2F%2Fu%3Assw0rd%40h"));
  cr_expect_not(connection_string_is_nested("postgres://u:ssw0rd@h/db"));
  cr_expect_not(connection_string_is_nested("postgres://u:p@ssw0rd@h/db"));
  cr_expect_not(connection_string_is_nested("host=h password=postgres://u:ssw0rd@h/db"));
  cr_expect_not(connection_string_is_nested("ssw0rd"));
}

Test(connection_string, knows_an_at_that_is_too_many_whatever_else_is_wrong)
{
  static const char *const stray[] = {"postgres://u:p@ssw0rd@h/db", "postgres://u:p/ssw0rd@h/db",  "postgres://u:p ssw0rd@1@h/db",
                                      "postgres://u:p%@ssw0rd@h",   "postgres://u:p?ss@w0rd@h/db", "postgres://u:p@h1,u:p@h2/db"};
  static const char *const sound[] = {"postgres://u:ssw0rd@h/db", "postgres://u:p?ssw0rd@h/db", "postgres://u@h/db?application_name=a@b",
                                      "postgres://h/db",          "host=h user=u@x@y",          "a@b@c"};

  for (size_t i = 0; i < sizeof(stray) / sizeof(stray[0]); i++) {
    cr_expect(connection_string_has_stray_at(stray[i]), "%s", stray[i]);
    cr_expect_not_null(connection_string_refusal(stray[i]));
  }
  for (size_t i = 0; i < sizeof(sound) / sizeof(sound[0]); i++) {
    cr_expect_not(connection_string_has_stray_at(sound[i]), "%s", sound[i]);
  }
}

/* As strcat(), within the text. */
static void append(char *text, size_t size, const char *more)
{
  size_t length = strlen(text);

  (void)snprintf(text + length, size - length, "%s", more);
}

Test(connection_string, many_empty_passwords_fit)
{
  const size_t count = 101;
  char text[2000] = "postgresql://h/d?password=";
  char *masked;

  for (size_t i = 1; i < count; i++) {
    append(text, sizeof(text), "&password=");
  }
  masked = connection_string_mask(text);
  cr_assert_eq(strlen(masked), strlen(text) + count * strlen("***"));
  free(masked);
}

/* --- libpq's own opinion --- */

/* dispchar: what libpq says must not be displayed. */
static bool shows_password(const char *text)
{
  PQconninfoOption *options = PQconninfoParse(text, NULL);
  bool result = false;

  for (const PQconninfoOption *option = options; option != NULL && option->keyword != NULL; option++) {
    result = result || (option->dispchar[0] == '*' && option->val != NULL && option->val[0] != '\0' && strcmp(option->val, "***") != 0);
  }
  PQconninfoFree(options);
  return result;
}

/* The same but for the passwords: host, port, user, database and all. */
static void expect_same_otherwise(const char *text, const char *masked)
{
  PQconninfoOption *before = PQconninfoParse(text, NULL);
  PQconninfoOption *after = PQconninfoParse(masked, NULL);

  cr_assert_not_null(before, "libpq does not read %s", text);
  cr_assert_not_null(after, "libpq does not read %s", masked);
  for (size_t i = 0; before[i].keyword != NULL; i++) {
    if (before[i].dispchar[0] != '*') {
      const char *value = before[i].val != NULL ? before[i].val : "";

      cr_expect_str_eq(after[i].val != NULL ? after[i].val : "", value, "%s of %s", before[i].keyword, text);
    }
  }
  PQconninfoFree(before);
  PQconninfoFree(after);
}

Test(connection_string, libpq_finds_no_password_in_a_mask_and_all_else)
{
  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    cr_expect_not(shows_password(cases[i].masked), "%s", cases[i].masked);
    cr_expect(strstr(cases[i].masked, "ssw0rd") == NULL, "%s", cases[i].masked);
    if (strcmp(cases[i].masked, "***") != 0) {
      expect_same_otherwise(cases[i].text, cases[i].masked);
    }
  }
}

static uint64_t next_of(uint64_t *state)
{
  *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return *state >> 33;
}

/* Texts put together of what matters to both: whatever libpq finds a password in, the mask has none of it, and what is shown means the same. */
Test(connection_string, invented_texts_are_read_as_libpq_reads_them)
{
  static const char *const pieces[] = {"postgresql://",
                                       "ssw0rd",
                                       ":",
                                       "@",
                                       "/",
                                       "?",
                                       "&",
                                       "=",
                                       "'",
                                       "\\",
                                       " ",
                                       "[::1]",
                                       "password",
                                       "sslpassword",
                                       "host",
                                       "user",
                                       ",",
                                       "h",
                                       "12",
                                       "%40",
                                       "%",
                                       "password=ssw0rd",
                                       "password='",
                                       "password = ",
                                       "sslmode=require",
                                       "\t"};
  uint64_t state = 20261121;
  size_t read = 0;
  size_t shown = 0;

  for (int round = 0; round < 300000; round++) {
    char text[400] = "";
    PQconninfoOption *options;
    char *masked;

    if (next_of(&state) % 2 == 0) {
      append(text, sizeof(text), "postgresql://");
    }
    for (size_t count = 1 + next_of(&state) % 9; count > 0; count--) {
      append(text, sizeof(text), pieces[next_of(&state) % (sizeof(pieces) / sizeof(*pieces))]);
    }
    masked = connection_string_mask(text);
    options = PQconninfoParse(text, NULL);
    if (options == NULL) {
      cr_assert(strcmp(masked, "***") == 0 || strstr(masked, "password=ssw0rd") == NULL, "%s became %s", text, masked);
    } else if (strcmp(masked, "***") != 0) {
      cr_assert_not(shows_password(masked), "%s became %s", text, masked);
      expect_same_otherwise(text, masked);
      shown++;
    }
    read += options != NULL;
    PQconninfoFree(options);
    free(masked);
  }
  cr_assert(read > 10000 && shown > 10000, "%zu read, %zu shown", read, shown);
}
