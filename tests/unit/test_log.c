#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

/* A socket that keeps packets apart: one read() gives what one write() wrote. */
struct catcher {
  int read_fd;
  struct log log;
  char line[LOG_LINE_MAX_BYTES * 2];
  size_t length;
};

static void catcher_init(struct catcher *catcher, enum log_format format)
{
  int fds[2];

  cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
  catcher->read_fd = fds[0];
  catcher->log = (struct log){.level = LOG_DEBUG, .format = format, .fd = fds[1]};
}

static void catcher_done(struct catcher *catcher)
{
  close(catcher->read_fd);
  close(catcher->log.fd);
}

/* The one line that was written, with a zero behind it; "" when there is none. */
static const char *caught(struct catcher *catcher)
{
  ssize_t length = read(catcher->read_fd, catcher->line, sizeof(catcher->line) - 1);

  catcher->length = length > 0 ? (size_t)length : 0;
  catcher->line[catcher->length] = '\0';
  return catcher->line;
}

static json_t *caught_json(struct catcher *catcher)
{
  json_error_t error;
  json_t *json;

  (void)caught(catcher);
  cr_assert(catcher->length > 0 && catcher->line[catcher->length - 1] == '\n', "no whole line");
  cr_assert_eq(strcspn(catcher->line, "\n"), catcher->length - 1, "more than one line");
  json = json_loadb(catcher->line, catcher->length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
  cr_assert_not_null(json, "no JSON: %s: %s", error.text, catcher->line);
  return json;
}

static const char *text_of(const json_t *json, const char *name)
{
  const char *text = json_string_value(json_object_get(json, name));

  cr_assert_not_null(text, "no text field %s", name);
  return text;
}

Test(log, a_json_line_has_time_level_event_and_fields_in_order)
{
  struct catcher catcher;

  catcher_init(&catcher, LOG_JSON);
  log_event(&catcher.log, LOG_WARN, "kafka_unreachable", log_text("topic", "a"), log_int("count", -3), log_real("seconds", 0.25), log_bool("last", true),
            log_bool("first", false));
  (void)caught(&catcher);
  cr_assert_str_eq(strchr(catcher.line, ',') + 1,
                   "\"level\":\"warn\",\"event\":\"kafka_unreachable\",\"topic\":\"a\",\"count\":-3,\"seconds\":0.25,\"last\":true,\"first\":false}\n");
  catcher_done(&catcher);
}

Test(log, time_is_utc_with_milliseconds_whatever_the_zone)
{
  struct catcher catcher;
  int year;
  int month;
  int day;
  int hour;
  int minute;
  int second;
  int ms;
  int end = 0;
  struct tm parts = {0};
  time_t before = time(NULL);
  time_t logged;

  setenv("TZ", "Asia/Tokyo", 1);
  tzset();
  catcher_init(&catcher, LOG_JSON);
  log_event(&catcher.log, LOG_INFO, "x");
  cr_assert_eq(sscanf(caught(&catcher), "{\"ts\":\"%4d-%2d-%2dT%2d:%2d:%2d.%3dZ\",%n", &year, &month, &day, &hour, &minute, &second, &ms, &end), 7);
  cr_assert_eq(end, (int)strlen("{\"ts\":\"2024-02-29T23:59:59.007Z\","));
  parts.tm_year = year - 1900;
  parts.tm_mon = month - 1;
  parts.tm_mday = day;
  parts.tm_hour = hour;
  parts.tm_min = minute;
  parts.tm_sec = second;
  logged = timegm(&parts);
  cr_assert(logged >= before && logged <= time(NULL));
  catcher_done(&catcher);
}

Test(log, lines_below_the_level_are_dropped)
{
  struct catcher catcher;

  catcher_init(&catcher, LOG_JSON);
  catcher.log.level = LOG_WARN;
  log_event(&catcher.log, LOG_INFO, "x");
  cr_assert_str_eq(caught(&catcher), "");
  log_event(&catcher.log, LOG_WARN, "x");
  cr_assert_str_neq(caught(&catcher), "");
  log_event(&catcher.log, LOG_ERROR, "x");
  cr_assert_str_neq(caught(&catcher), "");
  catcher_done(&catcher);
}

Test(log, a_null_text_is_left_out_and_an_empty_one_is_not)
{
  struct catcher catcher;

  catcher_init(&catcher, LOG_JSON);
  log_event(&catcher.log, LOG_INFO, "x", log_text("a", NULL), log_text("b", ""));
  cr_assert_str_eq(strstr(caught(&catcher), "\"event\""), "\"event\":\"x\",\"b\":\"\"}\n");
  catcher.log.format = LOG_TEXT;
  log_event(&catcher.log, LOG_INFO, "x", log_text("a", NULL), log_text("b", ""));
  cr_assert_str_eq(strchr(caught(&catcher), ' '), " INFO  x b=\"\"\n");
  catcher_done(&catcher);
}

Test(log, numbers_that_json_cannot_say_are_null)
{
  static const double cases[] = {NAN, INFINITY, -INFINITY};
  struct catcher catcher;

  catcher_init(&catcher, LOG_JSON);
  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    json_t *json;

    log_event(&catcher.log, LOG_INFO, "x", log_real("n", cases[i]));
    json = caught_json(&catcher);
    cr_assert(json_is_null(json_object_get(json, "n")));
    json_decref(json);
  }
  catcher_done(&catcher);
}

Test(log, integers_keep_all_digits)
{
  struct catcher catcher;

  catcher_init(&catcher, LOG_JSON);
  log_event(&catcher.log, LOG_INFO, "x", log_int("least", INT64_MIN), log_int("most", INT64_MAX));
  (void)caught(&catcher);
  cr_assert_not_null(strstr(catcher.line, ":-9223372036854775808,"));
  cr_assert_not_null(strstr(catcher.line, ":9223372036854775807}"));
  catcher_done(&catcher);
}

static const struct escape_case {
  const char *raw;
  size_t length;
  const char *escaped;
} escapes[] = {
#define ESCAPE(raw, escaped)                                                                                                                                   \
  {                                                                                                                                                            \
    raw, sizeof(raw) - 1, escaped                                                                                                                              \
  }
    ESCAPE("a\"b\\c", "a\\\"b\\\\c"),
    ESCAPE("a\nb\rc\td\be\ff", "a\\nb\\u000dc\\td\\u0008e\\u000cf"),
    ESCAPE("\0\x01\x1f\x7f", "\\u0000\\u0001\\u001f\\u007f"),
    ESCAPE("\x1b[2J", "\\u001b[2J"),
    ESCAPE("\xc2\x80\xc2\x9b\xc2\xa0", "\\u0080\\u009b\xc2\xa0"),
    ESCAPE("\xe2\x80\xa7\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xae\xe2\x80\xaf", "\xe2\x80\xa7\\u2028\\u2029\\u202e\xe2\x80\xaf"),
    ESCAPE("\xe2\x81\xa6\xe2\x81\xa9\xe2\x81\xaa", "\\u2066\\u2069\xe2\x81\xaa"),
    ESCAPE("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\x98", "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\x98"),
    ESCAPE("\xff", "\\ufffd"),
    ESCAPE("\x80z", "\\ufffdz"),
    ESCAPE("\xc3", "\\ufffd"),                       /* cut at the end */
    ESCAPE("\xc3(", "\\ufffd("),                     /* cut by another */
    ESCAPE("\xe2\x82", "\\ufffd\\ufffd"),            /**/
    ESCAPE("\xc0\xaf", "\\ufffd\\ufffd"),            /* overlong */
    ESCAPE("\xe0\x9f\xbf", "\\ufffd\\ufffd\\ufffd"), /* overlong */
    ESCAPE("\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd"), /* surrogate */
    ESCAPE("\xed\x9f\xbf\xee\x80\x80", "\xed\x9f\xbf\xee\x80\x80"),
    ESCAPE("\xf0\x8f\xbf\xbf", "\\ufffd\\ufffd\\ufffd\\ufffd"), /* overlong */
    ESCAPE("\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd"), /* past the end */
    ESCAPE("\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"),
    ESCAPE("\xf5\x80\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd"),
};

Test(log, foreign_bytes_are_escaped_in_both_formats)
{
  struct catcher catcher;

  catcher_init(&catcher, LOG_JSON);
  for (size_t i = 0; i < sizeof(escapes) / sizeof(*escapes); i++) {
    struct span raw = span_of(escapes[i].raw, escapes[i].length);
    char expected[128];

    catcher.log.format = LOG_JSON;
    log_event(&catcher.log, LOG_INFO, "x", log_span("v", raw), log_int("n", 1));
    json_decref(caught_json(&catcher));
    (void)snprintf(expected, sizeof(expected), "\"v\":\"%s\",\"n\":1}\n", escapes[i].escaped);
    cr_assert_str_eq(strstr(catcher.line, "\"v\":"), expected, "case %zu", i);

    catcher.log.format = LOG_TEXT;
    log_event(&catcher.log, LOG_INFO, "x", log_span("v", raw), log_int("n", 1));
    (void)snprintf(expected, sizeof(expected), "v=\"%s\" n=1\n", escapes[i].escaped);
    cr_assert_str_eq(strstr(caught(&catcher), "v="), expected, "case %zu", i);
  }
  catcher_done(&catcher);
}

Test(log, text_format_quotes_only_what_needs_it)
{
  struct catcher catcher;

  catcher_init(&catcher, LOG_TEXT);
  log_event(&catcher.log, LOG_ERROR, "held", log_text("slot", "shop_outbox"), log_text("error", "could not connect: refused"), log_text("pair", "a=b"),
            log_int("code", 3));
  cr_assert_str_eq(strchr(caught(&catcher), ' '), " ERROR held slot=shop_outbox error=\"could not connect: refused\" pair=\"a=b\" code=3\n");
  catcher_done(&catcher);
}

/* Every length around the limit, so that the cut falls at each place of the value, the quote, the next field and the end. */
Test(log, a_line_too_long_is_cut_and_stays_valid_json)
{
  static const char rest[] = "a field that is longer than all the room which is kept back for the end of a line";
  static char value[LOG_LINE_MAX_BYTES + 64];
  struct catcher catcher;
  size_t longest = 0;
  bool was_whole = false;

  catcher_init(&catcher, LOG_JSON);
  memset(value, 'v', sizeof(value));
  for (size_t length = LOG_LINE_MAX_BYTES - 200; length < sizeof(value); length++) {
    json_t *json;
    const json_t *last;
    bool is_cut;
    bool is_whole;

    log_event(&catcher.log, LOG_INFO, "x", log_span("v", span_of(value, length)), log_text("rest", rest));
    json = caught_json(&catcher);
    is_cut = json_object_get(json, "truncated") != NULL;
    last = json_object_get(json, "rest");
    is_whole = last != NULL && strcmp(json_string_value(last), rest) == 0 && strlen(text_of(json, "v")) == length;
    cr_assert(is_cut || is_whole, "a line of %zu bytes was cut and does not say so", catcher.length);
    cr_assert(last == NULL || strlen(text_of(json, "v")) == length, "a field behind the one that was cut");
    was_whole |= !is_cut;
    longest = catcher.length > longest ? catcher.length : longest;
    json_decref(json);
  }
  cr_assert(was_whole);
  cr_assert_eq(longest, LOG_LINE_MAX_BYTES, "the longest line has %zu bytes", longest);
  catcher_done(&catcher);
}

Test(log, a_cut_never_splits_an_escape_or_a_character)
{
  static const struct {
    const char *unit;
    const char *json; /* as a JSON reader gives it back */
  } cases[] = {{"\x01", "\x01"}, {"\"", "\""}, {"\xff", "\xef\xbf\xbd"}, {"\xf0\x9f\x90\x98", "\xf0\x9f\x90\x98"}};
  static char value[LOG_LINE_MAX_BYTES * 2];
  struct catcher catcher;

  catcher_init(&catcher, LOG_JSON);
  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    for (size_t shift = 0; shift < 8; shift++) {
      size_t unit = strlen(cases[i].unit);
      size_t at = shift;
      const char *text;
      json_t *json;

      memset(value, 'v', shift);
      for (; at + unit <= sizeof(value); at += unit) {
        memcpy(value + at, cases[i].unit, unit);
      }
      log_event(&catcher.log, LOG_INFO, "x", log_span("v", span_of(value, at)));
      json = caught_json(&catcher);
      cr_assert(json_is_true(json_object_get(json, "truncated")));
      text = text_of(json, "v") + shift;
      cr_assert(strlen(text) > LOG_LINE_MAX_BYTES / 8);
      cr_assert_eq(strlen(text) % strlen(cases[i].json), 0);
      for (; *text != '\0'; text += strlen(cases[i].json)) {
        cr_assert_eq(strncmp(text, cases[i].json, strlen(cases[i].json)), 0);
      }
      json_decref(json);
    }
  }
  catcher_done(&catcher);
}

Test(log, text_format_is_cut_too)
{
  static char value[LOG_LINE_MAX_BYTES + 1];
  struct catcher catcher;

  catcher_init(&catcher, LOG_TEXT);
  memset(value, 'v', sizeof(value));
  log_event(&catcher.log, LOG_INFO, "x", log_span("v", span_of(value, sizeof(value))), log_int("n", 1));
  (void)caught(&catcher);
  cr_assert(catcher.length <= LOG_LINE_MAX_BYTES && catcher.length > LOG_LINE_MAX_BYTES - 64);
  cr_assert_str_eq(strchr(strstr(catcher.line, " v="), '\0') - strlen("vv truncated=true\n"), "vv truncated=true\n");

  value[0] = ' ';
  log_event(&catcher.log, LOG_INFO, "x", log_span("v", span_of(value, sizeof(value))), log_int("n", 1));
  (void)caught(&catcher);
  cr_assert(catcher.length <= LOG_LINE_MAX_BYTES && catcher.length > LOG_LINE_MAX_BYTES - 64);
  cr_assert_str_eq(strchr(catcher.line, '\0') - strlen("v\" truncated=true\n"), "v\" truncated=true\n");
  catcher_done(&catcher);
}

Test(log, errno_survives_and_a_lost_line_does_no_harm)
{
  struct log log = {.level = LOG_DEBUG, .format = LOG_JSON, .fd = -1};

  errno = ENOENT;
  log_event(&log, LOG_INFO, "x");
  cr_assert_eq(errno, ENOENT);
}

/* ---- a log that nobody reads ---- */

/* Writes until far more was said than there is room for, in lines of all lengths; how many were taken. */
static int overfill(const struct log *log)
{
  static char value[LOG_LINE_MAX_BYTES];
  int taken = 0;

  memset(value, 'v', sizeof(value));
  for (size_t i = 0; i < 1000; i++) {
    taken += log_event(log, LOG_ERROR, "x", log_span("v", span_of(value, i * 37 % sizeof(value)))) ? 1 : 0;
  }
  return taken;
}

/* The next whole line, less its newline; static. NULL: there is no more. */
static const char *next_line(int fd)
{
  static char line[LOG_LINE_MAX_BYTES];
  size_t length = 0;

  while (length < sizeof(line) && read(fd, line + length, 1) == 1) {
    if (line[length] == '\n') {
      line[length] = '\0';
      return line;
    }
    length++;
  }
  cr_assert_eq(length, 0, "half a line");
  return NULL;
}

static void loses_lines_and_says_how_many(int read_fd, int write_fd)
{
  const struct log log = {.level = LOG_ERROR, .format = LOG_TEXT, .fd = write_fd};
  int flags = fcntl(write_fd, F_GETFL);
  int taken = overfill(&log);
  char expected[64];

  cr_assert(taken > 0 && taken < 1000, "%d lines were taken", taken);
  cr_assert_eq(flags & O_NONBLOCK, 0);
  cr_assert_eq(fcntl(write_fd, F_GETFL), flags, "the flags are not ours alone");
  cr_assert_eq(fcntl(read_fd, F_SETFL, O_NONBLOCK), 0);
  for (int i = 0; i < taken; i++) {
    const char *line = next_line(read_fd);

    cr_assert_not_null(line, "%d of %d lines", i, taken);
    cr_assert_not_null(strstr(line, " ERROR x v="));
  }
  cr_assert_null(next_line(read_fd));
  cr_assert(log_event(&log, LOG_ERROR, "y"));
  cr_assert(log_event(&log, LOG_ERROR, "z"));
  (void)snprintf(expected, sizeof(expected), " WARN  log_lines_lost lines=%d", 1000 - taken);
  cr_assert_str_eq(strchr(next_line(read_fd), ' '), expected);
  cr_assert_str_eq(strchr(next_line(read_fd), ' '), " ERROR y");
  cr_assert_str_eq(strchr(next_line(read_fd), ' '), " ERROR z");
  cr_assert_null(next_line(read_fd));
}

Test(log, a_pipe_that_nobody_reads_loses_lines_and_says_how_many, .timeout = 20)
{
  int fds[2];

  cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
  loses_lines_and_says_how_many(fds[0], fds[1]);
}

Test(log, a_socket_that_nobody_reads_loses_lines_and_says_how_many, .timeout = 20)
{
  int fds[2];

  cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
  loses_lines_and_says_how_many(fds[0], fds[1]);
}

Test(log, a_line_below_the_level_is_not_lost)
{
  const struct log log = {.level = LOG_WARN, .format = LOG_JSON, .fd = -1};

  cr_assert(log_event(&log, LOG_INFO, "x"));
  cr_assert_not(log_event(&log, LOG_WARN, "x"));
}

Test(log, levels_have_the_names_of_the_configuration)
{
  cr_assert_str_eq(log_level_words[LOG_DEBUG], "debug");
  cr_assert_str_eq(log_level_words[LOG_INFO], "info");
  cr_assert_str_eq(log_level_words[LOG_WARN], "warn");
  cr_assert_str_eq(log_level_words[LOG_ERROR], "error");
}
