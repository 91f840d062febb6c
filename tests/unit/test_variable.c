#include "variable.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
  const char *text, *token, *database;
  int64_t number;
  int level;
  struct address listen;
} targets;

static const char *const levels[] = {"debug", "info", "warn", NULL};

static const struct variable table[] = {
    {.name = "T_TEXT", .kind = VARIABLE_TEXT, .target = &targets.text, .fallback = "some text", .help = "a text"},
    {.name = "T_TOKEN", .kind = VARIABLE_SECRET, .target = &targets.token, .fallback = "", .help = "a token"},
    {.name = "T_DATABASE", .kind = VARIABLE_POSTGRES, .target = &targets.database, .fallback = NULL, .help = "the database"},
    {.name = "T_NUMBER", .kind = VARIABLE_NUMBER, .target = &targets.number, .fallback = "8", .help = "a number", .least = -5, .most = 64},
    {.name = "T_LEVEL", .kind = VARIABLE_CHOICE, .target = &targets.level, .fallback = "info", .help = "a level", .choices = levels},
    {.name = "T_LISTEN", .kind = VARIABLE_ADDRESS, .target = &targets.listen, .fallback = "127.0.0.1:8081", .help = "an address"},
    {0},
};

static struct problem_list problems;
static char folder[64];
static char path[128];

static void setup(void)
{
  (void)snprintf(folder, sizeof(folder), "/tmp/variable.XXXXXX");
  cr_assert_not_null(mkdtemp(folder));
  (void)snprintf(path, sizeof(path), "%s/secret", folder);
  (void)setenv("T_DATABASE", "dbname=shop", 1);
}

static void teardown(void)
{
  (void)unlink(path);
  (void)rmdir(folder);
}

TestSuite(variable, .init = setup, .fini = teardown);

static void write_file(const char *bytes, size_t length)
{
  FILE *file = fopen(path, "w");

  cr_assert_not_null(file);
  cr_assert_eq(fwrite(bytes, 1, length, file), length);
  cr_assert_eq(fclose(file), 0);
}

/* Reads anew. */
static void read_all(void)
{
  memset(&problems, 0, sizeof(problems));
  variables_read(table, &problems);
}

static void read_soundly(void)
{
  read_all();
  cr_assert_eq(problems.count, 0, "%s: %s", problems.problems[0].path, problems.problems[0].text);
}

static void assert_problem(size_t i, const char *name, const char *words)
{
  cr_assert_lt(i, problems.count);
  cr_assert_str_eq(problems.problems[i].path, name);
  cr_assert_not_null(strstr(problems.problems[i].text, words), "%s", problems.problems[i].text);
}

static char *printed_of(const struct variable *variables, void (*print)(const struct variable *, FILE *))
{
  char *text = NULL;
  size_t length = 0;
  FILE *out = open_memstream(&text, &length);

  print(variables, out);
  cr_assert_eq(fclose(out), 0);
  return text;
}

static char *printed(void (*print)(const struct variable *, FILE *))
{
  return printed_of(table, print);
}

Test(variable, fallbacks_are_read_as_values)
{
  read_soundly();
  cr_assert_str_eq(targets.text, "some text");
  cr_assert_str_eq(targets.token, "");
  cr_assert_str_eq(targets.database, "dbname=shop");
  cr_assert_eq(targets.number, 8);
  cr_assert_eq(targets.level, 1);
  cr_assert_str_eq(targets.listen.host, "127.0.0.1");
  cr_assert_eq(targets.listen.port, 8081);
}

Test(variable, the_environment_comes_first)
{
  (void)setenv("T_TEXT", "other", 1);
  (void)setenv("T_TOKEN", "hunter2", 1);
  (void)setenv("T_NUMBER", "-5", 1);
  (void)setenv("T_LEVEL", "debug", 1);
  (void)setenv("T_LISTEN", "[::1]:0", 1);
  read_soundly();
  cr_assert_str_eq(targets.text, "other");
  cr_assert_str_eq(targets.token, "hunter2");
  cr_assert_eq(targets.number, -5);
  cr_assert_eq(targets.level, 0);
  cr_assert_str_eq(targets.listen.host, "::1");
  cr_assert_eq(targets.listen.port, 0);
}

Test(variable, an_empty_variable_is_not_set)
{
  (void)setenv("T_TEXT", "", 1);
  (void)setenv("T_NUMBER", "", 1);
  (void)setenv("T_TOKEN_FILE", "", 1);
  (void)setenv("T_DATABASE", "", 1);
  read_all();
  cr_assert_str_eq(targets.text, "some text");
  cr_assert_eq(targets.number, 8);
  cr_assert_eq(problems.count, 1);
  assert_problem(0, "T_DATABASE", "is not set, nor is T_DATABASE_FILE: the database");
}

Test(variable, every_mistake_is_told_at_once_and_changes_nothing)
{
  read_soundly();
  (void)setenv("T_TEXT", "two\nlines", 1);
  (void)setenv("T_TOKEN_FILE", "/nowhere/at/all", 1);
  (void)setenv("T_DATABASE", "hunter2", 1);
  (void)setenv("T_NUMBER", "65", 1);
  (void)setenv("T_LEVEL", "INFO", 1);
  (void)setenv("T_LISTEN", "8081", 1);
  read_all();
  cr_assert_eq(problems.count, 6);
  assert_problem(0, "T_TEXT", "control character");
  assert_problem(1, "T_TOKEN_FILE", "could not read file \"/nowhere/at/all\": No such file or directory");
  assert_problem(2, "T_DATABASE", "is no connection string of libpq");
  assert_problem(3, "T_NUMBER", "must be a whole number from -5 to 64, is \"65\"");
  assert_problem(4, "T_LEVEL", "must be debug, info or warn, is \"INFO\"");
  assert_problem(5, "T_LISTEN", "must be host:port, [IPv6 address]:port or :port, is \"8081\"");
  cr_assert_null(strstr(problems.problems[2].text, "hunter2"));
  cr_assert_str_eq(targets.text, "some text");
  cr_assert_str_eq(targets.token, "");
  cr_assert_str_eq(targets.database, "dbname=shop");
  cr_assert_eq(targets.number, 8);
  cr_assert_eq(targets.level, 1);
  cr_assert_eq(targets.listen.port, 8081);
}

Test(variable, numbers_are_whole_decimal_and_within_their_limits)
{
  static const char *const unsound[] = {"65",
                                        "-6",
                                        "x",
                                        "8x",
                                        " 8",
                                        "8 ",
                                        "+8",
                                        "--5",
                                        "-",
                                        "0x8",
                                        "1e1",
                                        "8.0",
                                        "\xef\xbc\x98",
                                        "9223372036854775808",
                                        "-9223372036854775809",
                                        "18446744073709551624"};

  for (size_t i = 0; i < sizeof(unsound) / sizeof(*unsound); i++) {
    (void)setenv("T_NUMBER", unsound[i], 1);
    read_all();
    cr_assert_eq(problems.count, 1, "%s", unsound[i]);
    assert_problem(0, "T_NUMBER", "must be a whole number from -5 to 64");
  }
  (void)setenv("T_NUMBER", "064", 1);
  read_soundly();
  cr_assert_eq(targets.number, 64);
}

Test(variable, addresses_have_a_host_or_none_and_a_port)
{
  static const struct {
    const char *text, *host;
    uint16_t port;
  } sound[] = {
      {"127.0.0.1:8081", "127.0.0.1", 8081},           {":8081", "", 8081},     {":0", "", 0},         {"localhost:65535", "localhost", 65535},
      {"a_b.example-1.org:1", "a_b.example-1.org", 1}, {"[::1]:80", "::1", 80}, {"[::]:80", "::", 80}, {"[::ffff:10.0.0.1]:80", "::ffff:10.0.0.1", 80},
  };
  static const char *const unsound[] = {"8081",    ":",        "h:",     "h",           "h:65536", "h:-1",    "h:+1",  "h: 1",   "h:1 ",
                                        "h:x",     "h:000080", "::1:80", "::1",         "[::1]",   "[::1]80", "[]:80", "[h]:80", "[127.0.0.1]:80",
                                        "[::1:80", "::1]:80",  "a b:80", "http://h:80", "*:80",    "h/x:80"};
  char longest[400];

  for (size_t i = 0; i < sizeof(sound) / sizeof(*sound); i++) {
    (void)setenv("T_LISTEN", sound[i].text, 1);
    read_soundly();
    cr_assert_str_eq(targets.listen.host, sound[i].host);
    cr_assert_eq(targets.listen.port, sound[i].port);
  }
  memset(longest, 'h', sizeof(longest));
  memcpy(longest + 254, ":80", sizeof(":80"));
  for (size_t i = 0; i <= sizeof(unsound) / sizeof(*unsound); i++) {
    const char *text = i < sizeof(unsound) / sizeof(*unsound) ? unsound[i] : longest;

    (void)setenv("T_LISTEN", text, 1);
    read_all();
    cr_assert_eq(problems.count, 1, "%s", text);
    assert_problem(0, "T_LISTEN", "must be host:port");
  }
}

Test(variable, secrets_are_read_from_files_less_a_newline)
{
  static const struct {
    const char *bytes, *text;
  } cases[] = {{"hunter2", "hunter2"},       {"hunter2\n", "hunter2"}, {"hunter2\r\n", "hunter2"},
               {"hunter2\n\n", "hunter2\n"}, {" a b ", " a b "},       {"a\nb\n", "a\nb"}};

  (void)setenv("T_TOKEN_FILE", path, 1);
  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    write_file(cases[i].bytes, strlen(cases[i].bytes));
    read_soundly();
    cr_assert_str_eq(targets.token, cases[i].text);
    free((void *)targets.token); /* a program reads once, and keeps it */
    targets.token = NULL;
  }
}

Test(variable, a_connection_string_may_stand_in_a_file)
{
  (void)unsetenv("T_DATABASE");
  (void)setenv("T_DATABASE_FILE", path, 1);
  write_file("postgresql://app:hunter2@h/shop\n", 32);
  read_soundly();
  cr_assert_str_eq(targets.database, "postgresql://app:hunter2@h/shop");
}

Test(variable, what_is_wrong_in_a_file_is_told_without_it)
{
  (void)unsetenv("T_DATABASE");
  (void)setenv("T_DATABASE_FILE", path, 1);
  write_file("postgresql://app:p@hunter2@h/shop", 33);
  read_all();
  cr_assert_eq(problems.count, 1);
  assert_problem(0, "T_DATABASE_FILE", "has an @ too many");
  assert_problem(0, "T_DATABASE_FILE", path);
  cr_assert_null(strstr(problems.problems[0].text, "hunter2"));
}

Test(variable, a_file_for_what_is_no_secret_is_not_looked_at)
{
  (void)setenv("T_TEXT_FILE", "/nowhere/at/all", 1);
  read_soundly();
  cr_assert_str_eq(targets.text, "some text");
}

Test(variable, value_and_file_together_are_a_mistake)
{
  (void)setenv("T_TOKEN", "hunter2", 1);
  (void)setenv("T_TOKEN_FILE", path, 1);
  write_file("hunter3", 7);
  read_all();
  cr_assert_eq(problems.count, 1);
  assert_problem(0, "T_TOKEN", "is set, and T_TOKEN_FILE too");
}

Test(variable, files_that_hold_no_secret_are_refused)
{
  static char large[VARIABLE_VALUE_MAX_BYTES + 3];

  (void)setenv("T_TOKEN_FILE", path, 1);
  write_file("", 0);
  read_all();
  assert_problem(0, "T_TOKEN_FILE", "it is empty");
  write_file("\n", 1);
  read_all();
  assert_problem(0, "T_TOKEN_FILE", "it is empty");
  write_file("a\0b", 3);
  read_all();
  assert_problem(0, "T_TOKEN_FILE", "it holds a zero byte");

  memset(large, 'x', sizeof(large));
  large[VARIABLE_VALUE_MAX_BYTES] = '\r';
  large[VARIABLE_VALUE_MAX_BYTES + 1] = '\n';
  write_file(large, VARIABLE_VALUE_MAX_BYTES + 2);
  read_soundly();
  cr_assert_eq(strlen(targets.token), VARIABLE_VALUE_MAX_BYTES);
  write_file(large, VARIABLE_VALUE_MAX_BYTES + 1);
  read_all();
  assert_problem(0, "T_TOKEN_FILE", "it is too large");
  write_file(large, sizeof(large));
  read_all();
  assert_problem(0, "T_TOKEN_FILE", "it is too large");

  (void)setenv("T_TOKEN_FILE", folder, 1);
  read_all();
  assert_problem(0, "T_TOKEN_FILE", "not a regular file");
}

/* A FIFO that nobody writes to would stop the start for ever. */
Test(variable, a_fifo_is_refused_at_once, .timeout = 10)
{
  cr_assert_eq(mkfifo(path, 0600), 0);
  (void)setenv("T_TOKEN_FILE", path, 1);
  read_all();
  assert_problem(0, "T_TOKEN_FILE", "not a regular file");
}

Test(variable, a_value_that_is_too_long_is_refused)
{
  static char large[VARIABLE_VALUE_MAX_BYTES + 2];

  memset(large, 'x', VARIABLE_VALUE_MAX_BYTES);
  (void)setenv("T_TEXT", large, 1);
  read_soundly();
  large[VARIABLE_VALUE_MAX_BYTES] = 'x';
  (void)setenv("T_TEXT", large, 1);
  read_all();
  assert_problem(0, "T_TEXT", "has more than 65536 bytes");
}

Test(variable, text_that_is_not_utf8_is_refused)
{
  (void)setenv("T_TEXT", "a\xff", 1);
  read_all();
  assert_problem(0, "T_TEXT", "is not UTF-8");
}

/* libcurl takes user and password from an address, so that people write them there; and it is printed. */
Test(variable, an_address_with_a_user_is_refused_and_never_shown)
{
  static const char *mail, *auth;
  static const struct variable addresses[] = {
      {.name = "T_MAIL", .kind = VARIABLE_URL, .target = &mail, .fallback = "", .help = "mail", .credentials = "T_USER and T_PASSWORD"},
      {.name = "T_AUTH", .kind = VARIABLE_URL, .target = &auth, .fallback = "http://127.0.0.1:8081", .help = "another service"},
      {0},
  };
  static const char *const unsound[] = {"smtp://u:hunter2@mail:25", "hunter2@mail", "smtp://u:hun/ter2@mail", "smtp://mail/hunter2@x", "hunter2\n@m"};
  char *text;

  for (size_t i = 0; i < sizeof(unsound) / sizeof(*unsound); i++) {
    (void)setenv("T_MAIL", unsound[i], 1);
    (void)setenv("T_AUTH", unsound[i], 1);
    memset(&problems, 0, sizeof(problems));
    variables_read(addresses, &problems);
    cr_assert_eq(problems.count, 2, "%s", unsound[i]);
    assert_problem(0, "T_MAIL", "set T_USER and T_PASSWORD");
    assert_problem(1, "T_AUTH", "must not hold an @: a user and a password are not sent");
    text = printed_of(addresses, variables_print);
    cr_assert_not_null(strstr(text, "T_MAIL=***  # environment  # WRONG: must not hold an @"), "%s", text);
    cr_assert_not_null(strstr(text, "T_AUTH=***  # environment  # WRONG: must not hold an @"), "%s", text);
    cr_assert_null(strstr(text, "ter2"), "%s", text);
    free(text);
  }
  (void)setenv("T_MAIL", "smtps://mail:465", 1);
  (void)setenv("T_AUTH", "http://gate/a%40b", 1);
  memset(&problems, 0, sizeof(problems));
  variables_read(addresses, &problems);
  cr_assert_eq(problems.count, 0);
  text = printed_of(addresses, variables_print);
  cr_assert_str_eq(text, "T_MAIL=smtps://mail:465  # environment\nT_AUTH=http://gate/a%40b  # environment\n");
  free(text);
}

Test(variable, what_is_in_force_is_printed_without_secrets)
{
  char *text;
  char expected[512];

  (void)setenv("T_TEXT", "gr\xc3\xbc\xc3\x9f", 1);
  (void)setenv("T_TOKEN_FILE", path, 1);
  (void)setenv("T_DATABASE", "host=h\npassword=hunter2", 1);
  (void)setenv("T_LISTEN", "[::1]:80", 1);
  write_file("hunter2", 7);
  read_soundly();
  text = printed(variables_print);
  (void)snprintf(expected, sizeof(expected),
                 "T_TEXT=gr\xc3\xbc\xc3\x9f  # environment\nT_TOKEN=***  # file %s\nT_DATABASE=host=h?password=***  # environment\nT_NUMBER=8  # default\n"
                 "T_LEVEL=info  # default\nT_LISTEN=[::1]:80  # environment\n",
                 path);
  cr_assert_str_eq(text, expected);
  free(text);
}

Test(variable, a_secret_that_is_not_set_is_seen_to_be_not_set)
{
  char *text;

  read_soundly();
  text = printed(variables_print);
  cr_assert_not_null(strstr(text, "T_TOKEN=  # default\n"), "%s", text);
  free(text);
}

Test(variable, help_says_what_each_is_for_and_what_counts_without_it)
{
  char *text = printed(variables_print_help);

  cr_assert_str_eq(text, "  T_TEXT      a text; default some text\n"
                         "  T_TOKEN     a token; or T_TOKEN_FILE, a file that holds it; optional\n"
                         "  T_DATABASE  the database; or T_DATABASE_FILE, a file that holds it; must be set\n"
                         "  T_NUMBER    a number; -5 to 64; default 8\n"
                         "  T_LEVEL     a level; debug, info or warn; default info\n"
                         "  T_LISTEN    an address; host:port; default 127.0.0.1:8081\n");
  free(text);
}

Test(variable, what_is_wrong_is_printed_with_the_rest_and_marked)
{
  char *text;

  (void)setenv("T_TEXT", "two\nlines", 1);
  (void)setenv("T_TOKEN", "hunter2", 1);
  (void)setenv("T_TOKEN_FILE", "/nowhere", 1);
  (void)setenv("T_DATABASE", "postgresql://app:p@hunter2@h/shop", 1);
  (void)setenv("T_NUMBER", "65", 1);
  (void)setenv("T_LISTEN", ":80", 1);
  read_all();
  cr_assert_eq(problems.count, 4);
  text = printed(variables_print);
  cr_assert_str_eq(text, "T_TEXT=two?lines  # environment  # WRONG: has a control character\n"
                         "T_TOKEN=***  # environment and file /nowhere  # WRONG: is set, and T_TOKEN_FILE too: only one of them can count\n"
                         "T_DATABASE=***  # environment  # WRONG: has an @ too many: in a URI write @ : / ? of a user name or password as %40 %3A %2F %3F\n"
                         "T_NUMBER=65  # environment  # WRONG: must be a whole number from -5 to 64, is \"65\"\n"
                         "T_LEVEL=info  # default\n"
                         "T_LISTEN=:80  # environment\n");
  free(text);
}

Test(variable, what_must_be_set_and_is_not_is_printed_so)
{
  char *text;

  (void)unsetenv("T_DATABASE");
  read_all();
  text = printed(variables_print);
  cr_assert_not_null(strstr(text, "\nT_DATABASE=  # not set  # WRONG: is not set, nor is T_DATABASE_FILE: the database\n"), "%s", text);
  free(text);
}

static const struct variable served[] = {
    {.name = "HTTP_LISTEN", .kind = VARIABLE_ADDRESS, .target = &targets.listen, .fallback = ":80", .help = "an address"},
    {.name = "HTTP_WORKERS", .kind = VARIABLE_NUMBER, .target = &targets.number, .fallback = "8", .help = "a number", .least = 1, .most = 64},
    {0},
};

static size_t strangers(const char *entry)
{
  char name[64];
  size_t length = strcspn(entry, "=");

  (void)snprintf(name, sizeof(name), "%.*s", (int)length, entry);
  (void)setenv(name, entry + length + 1, 1);
  memset(&problems, 0, sizeof(problems));
  variables_read(served, &problems);
  (void)unsetenv(name);
  return problems.count;
}

Test(variable, a_name_of_our_kind_that_is_none_of_ours_is_a_mistake)
{
  static const char *const wrong[] = {"HTTP_PORT=8081", "HTTP_LISTENN=:80", "HTTP_LISTEN_FILE=/x", "HTTP_WORKER=4", "HTTP_=x", "HTTP_SERVICES=1"};
  static const char *const of_others[] = {"HTTP_PROXY=http://p:3128",
                                          "HTTPS_PROXY=x",
                                          "HTTP_PORT=tcp://10.0.0.1:80",
                                          "HTTP_PORT_80_TCP_ADDR=10.0.0.1",
                                          "HTTP_SERVICE_HOST=10.0.0.1",
                                          "HTTP_SERVICE_PORT=80",
                                          "HTTP_SERVICE_PORT_WEB=80",
                                          "HTTP_PORT=",
                                          "http_port=1"};
  char *text;

  for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
    cr_expect_eq(strangers(wrong[i]), 1, "%s", wrong[i]);
    cr_expect_eq(strncmp(problems.problems[0].path, wrong[i], strcspn(wrong[i], "=")), 0, "%s", problems.problems[0].path);
    cr_expect_str_eq(problems.problems[0].text, "is no setting of this program; of that kind there are HTTP_LISTEN, HTTP_WORKERS");
  }
  for (size_t i = 0; i < sizeof(of_others) / sizeof(*of_others); i++) {
    cr_expect_eq(strangers(of_others[i]), 0, "%s", of_others[i]);
  }
  /* A program without a setting of that kind has no say in it. */
  (void)setenv("HTTP_PORT", "hunter2", 1);
  read_soundly();
  text = printed_of(served, variables_print);
  cr_assert_str_eq(text, "HTTP_LISTEN=:80  # default\nHTTP_WORKERS=8  # default\n"
                         "HTTP_PORT=***  # environment  # WRONG: is no setting of this program; of that kind there are HTTP_LISTEN, HTTP_WORKERS\n");
  free(text);
}
