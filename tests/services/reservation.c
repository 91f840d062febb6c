/*
 * reservation.c - the program reservation_check: does one check of redis_reservation.h on a real Redis, seen from outside by a connection of its own.
 *
 *     reservation_check PORT CHECK     exit code 0: all was as it should be; 1: not, and stderr says what
 *     reservation_check --list
 *
 * The check `away` asks for the server to be stopped and started, by a word on stdout, and waits for a line on stdin.
 */
#include "redis_reservation.h"

#include <hiredis/hiredis.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "moment.h"

enum { RIVALS = 8, CONTESTED = 100, PATIENCE_S = 60, TTL_S = 1000 };

static redisContext *onlooker;

/* What Redis says to a command in words; integers as text, nothing as "(nil)". */
static const char *look(const char *format, const char *argument)
{
  static char text[512];
  redisReply *reply = redisCommand(onlooker, format, argument);

  CHECK(reply != NULL, "%s: %s", format, onlooker->errstr);
  if (reply->type == REDIS_REPLY_INTEGER) {
    (void)snprintf(text, sizeof(text), "%lld", reply->integer);
  } else {
    (void)snprintf(text, sizeof(text), "%s", reply->type == REDIS_REPLY_NIL ? "(nil)" : reply->str);
  }
  freeReplyObject(reply);
  return text;
}

static struct redis_settings settings_of(uint16_t port)
{
  struct redis_settings settings = {.address = {.host = "127.0.0.1", .port = port}, .ttl_s = TTL_S};

  return settings;
}

static enum reservation take(struct redis_reservation *reservation, const char *id, const char *token)
{
  enum reservation taken = RESERVATION_DUPLICATE;
  struct problem problem = {0};

  CHECK(redis_reservation_take(reservation, id, token, &taken, &problem) == VERDICT_OK, "take %s: %s", id, problem.text);
  return taken;
}

static void done(struct redis_reservation *reservation, const char *id, const char *token)
{
  struct problem problem = {0};

  CHECK(redis_reservation_done(reservation, id, token, &problem) == VERDICT_OK, "done %s: %s", id, problem.text);
}

static void release(struct redis_reservation *reservation, const char *id, const char *token)
{
  struct problem problem = {0};

  CHECK(redis_reservation_release(reservation, id, token, &problem) == VERDICT_OK, "release %s: %s", id, problem.text);
}

static void expect_ttl(const char *key)
{
  int ttl = atoi(look("TTL %s", key));

  CHECK(ttl > TTL_S - 60 && ttl <= TTL_S, "time to live of %s: %d", key, ttl);
}

/* RETRY, and the words begin as they should. */
static void expect_retry(struct redis_reservation *reservation, const char *id, const char *token, const char *words)
{
  enum reservation taken = RESERVATION_DUPLICATE;
  struct problem problem = {0};
  enum verdict verdict = redis_reservation_take(reservation, id, token, &taken, &problem);

  CHECK(verdict == VERDICT_RETRY, "take %s: verdict %d, \"%s\"", id, (int)verdict, problem.text);
  CHECK(strstr(problem.text, words) != NULL, "\"%s\" instead of \"%s\"", problem.text, words);
  CHECK(strcmp(problem.cause, "redis") == 0, "%s", problem.cause);
  (void)printf("%s\n", problem.text);
}

/* ------------------------------------------------------------------------------------------------------------------------------------------------------- */

static void check_states(uint16_t port)
{
  struct redis_settings settings = settings_of(port);
  struct redis_reservation *reservation = redis_reservation_new(&settings, "checker");
  char mine[UUID_SIZE];
  char other[UUID_SIZE];

  uuid_new(mine);
  uuid_new(other);
  CHECK(take(reservation, "e 1\"%s", mine) == RESERVATION_RESERVED, "the first");
  CHECK(strcmp(look("GET %s", "checker:e 1\"%s"), mine) == 0, "the key's value");
  expect_ttl("checker:e 1\"%s");
  CHECK(take(reservation, "e 1\"%s", other) == RESERVATION_DUPLICATE, "the second");
  CHECK(take(reservation, "e 1\"%s", mine) == RESERVATION_RESERVED, "ours still");
  CHECK(take(reservation, "e-2", other) == RESERVATION_RESERVED, "another event");
  done(reservation, "e 1\"%s", mine);
  CHECK(strcmp(look("GET %s", "checker:e 1\"%s"), "DONE") == 0, "done");
  expect_ttl("checker:e 1\"%s");
  CHECK(take(reservation, "e 1\"%s", mine) == RESERVATION_DUPLICATE, "done is done, for us too");
  CHECK(take(reservation, "e 1\"%s", other) == RESERVATION_DUPLICATE, "and for all others");
  redis_reservation_free(reservation);
}

static void check_own_token_only(uint16_t port)
{
  struct redis_settings settings = settings_of(port);
  struct redis_reservation *reservation = redis_reservation_new(&settings, "checker");
  char mine[UUID_SIZE];
  char other[UUID_SIZE];

  uuid_new(mine);
  uuid_new(other);
  CHECK(take(reservation, "e", mine) == RESERVATION_RESERVED, "free");
  release(reservation, "e", other);
  done(reservation, "e", other);
  CHECK(strcmp(look("GET %s", "checker:e"), mine) == 0, "neither released nor done by another");
  release(reservation, "e", mine);
  CHECK(strcmp(look("EXISTS %s", "checker:e"), "0") == 0, "released");
  CHECK(take(reservation, "e", other) == RESERVATION_RESERVED, "whoever comes next may try");
  done(reservation, "e", other);
  release(reservation, "e", other);
  CHECK(strcmp(look("GET %s", "checker:e"), "DONE") == 0, "what is done is not released");
  done(reservation, "gone", mine);
  CHECK(strcmp(look("GET %s", "checker:gone"), "DONE") == 0, "done after the key expired");
  expect_ttl("checker:gone");
  redis_reservation_free(reservation);
}

static void check_consumers_are_apart(uint16_t port)
{
  struct redis_settings settings = settings_of(port);
  struct redis_reservation *first = redis_reservation_new(&settings, "first");
  struct redis_reservation *second = redis_reservation_new(&settings, "second");
  char token[UUID_SIZE];

  uuid_new(token);
  CHECK(take(first, "e", token) == RESERVATION_RESERVED, "the first");
  uuid_new(token);
  CHECK(take(second, "e", token) == RESERVATION_RESERVED, "the other consumer");
  redis_reservation_free(first);
  redis_reservation_free(second);
}

static void check_expiry(uint16_t port)
{
  struct redis_settings settings = settings_of(port);
  struct redis_reservation *reservation;
  int64_t deadline_us = moment_now().mono_us + 20 * INT64_C(1000000);
  char slow[UUID_SIZE];
  char next[UUID_SIZE];

  settings.ttl_s = 1;
  reservation = redis_reservation_new(&settings, "checker");
  uuid_new(slow);
  uuid_new(next);
  CHECK(take(reservation, "e", slow) == RESERVATION_RESERVED, "taken");
  while (take(reservation, "e", next) != RESERVATION_RESERVED) {
    CHECK(moment_now().mono_us < deadline_us, "never expired");
    (void)usleep(20000);
  }
  release(reservation, "e", slow);
  CHECK(strcmp(look("GET %s", "checker:e"), next) == 0 || strcmp(look("GET %s", "checker:e"), "(nil)") == 0, "the one who was too slow left the key alone");
  redis_reservation_free(reservation);
}

/* --- who gets it --------------------------------------------------------------------------------------------------------------------------------------- */

struct contest {
  uint16_t port;
  atomic_int winners[CONTESTED];
};

static void *contest_run(void *context)
{
  struct contest *contest = context;
  struct redis_settings settings = settings_of(contest->port);
  struct redis_reservation *reservation = redis_reservation_new(&settings, "checker");

  for (int i = 0; i < CONTESTED; i++) {
    char token[UUID_SIZE];
    char id[32];

    uuid_new(token);
    (void)snprintf(id, sizeof(id), "contested-%d", i);
    if (take(reservation, id, token) == RESERVATION_RESERVED) {
      atomic_fetch_add(&contest->winners[i], 1);
    }
  }
  redis_reservation_free(reservation);
  return NULL;
}

static void check_one_of_many(uint16_t port)
{
  static struct contest contest;
  pthread_t threads[RIVALS];

  contest.port = port;
  for (int i = 0; i < RIVALS; i++) {
    CHECK(pthread_create(&threads[i], NULL, contest_run, &contest) == 0, "thread");
  }
  for (int i = 0; i < RIVALS; i++) {
    (void)pthread_join(threads[i], NULL);
  }
  for (int i = 0; i < CONTESTED; i++) {
    CHECK(atomic_load(&contest.winners[i]) == 1, "event %d has %d winners", i, atomic_load(&contest.winners[i]));
  }
}

/* --- what breaks --------------------------------------------------------------------------------------------------------------------------------------- */

static void check_lost_question(uint16_t port)
{
  struct line *line = line_new(port);
  struct redis_settings settings = settings_of(line_port(line));
  struct redis_reservation *reservation = redis_reservation_new(&settings, "checker");
  char token[UUID_SIZE];

  uuid_new(token);
  line_break_at(line, "SET", LINE_CUT_BEFORE);
  expect_retry(reservation, "e", token, "could not talk to redis at 127.0.0.1:");
  CHECK(strcmp(look("EXISTS %s", "checker:e"), "0") == 0, "Redis never heard of it");
  CHECK(take(reservation, "e", token) == RESERVATION_RESERVED, "on a new connection");
  redis_reservation_free(reservation);
  line_free(line);
}

static void check_lost_answer(uint16_t port)
{
  struct line *line = line_new(port);
  struct redis_settings settings = settings_of(line_port(line));
  struct redis_reservation *reservation = redis_reservation_new(&settings, "checker");
  char token[UUID_SIZE];
  char other[UUID_SIZE];

  uuid_new(token);
  uuid_new(other);
  line_break_at(line, "SET", LINE_CUT_BEHIND);
  expect_retry(reservation, "e", token, "could not talk to redis");
  CHECK(strcmp(look("GET %s", "checker:e"), token) == 0, "Redis did it, and we do not know");
  CHECK(take(reservation, "e", token) == RESERVATION_RESERVED, "it is ours, and no duplicate");
  CHECK(take(reservation, "e", other) == RESERVATION_DUPLICATE, "of another it is one");
  line_break_at(line, "EVAL", LINE_CUT_BEHIND);
  CHECK(redis_reservation_done(reservation, "e", token, NULL) == VERDICT_RETRY, "the answer is lost");
  done(reservation, "e", token);
  CHECK(strcmp(look("GET %s", "checker:e"), "DONE") == 0, "done once more does no harm");
  redis_reservation_free(reservation);
  line_free(line);
}

static void check_silence(uint16_t port)
{
  struct line *line = line_new(port);
  struct redis_settings settings = settings_of(line_port(line));
  struct redis_reservation *reservation = redis_reservation_new(&settings, "checker");
  int64_t began_us = moment_now().mono_us;
  char token[UUID_SIZE];
  int64_t took_ms;

  uuid_new(token);
  line_break_at(line, "SET", LINE_SILENT);
  expect_retry(reservation, "e", token, "no answer in time");
  took_ms = (moment_now().mono_us - began_us) / 1000;
  CHECK(took_ms >= REDIS_ANSWER_TIMEOUT_MS - 100 && took_ms < REDIS_ANSWER_TIMEOUT_MS + 3000, "it took %ld ms", (long)took_ms);
  CHECK(take(reservation, "e", token) == RESERVATION_RESERVED, "on a new connection");
  redis_reservation_free(reservation);
  line_free(line);
}

/* As the scenario is asked by a word. */
static void ask(const char *word)
{
  char answer[16];

  (void)puts(word);
  (void)fflush(stdout);
  CHECK(fgets(answer, sizeof(answer), stdin) != NULL, "no answer to %s", word);
}

static void check_away(uint16_t port)
{
  struct redis_settings settings = settings_of(port);
  struct redis_reservation *reservation = redis_reservation_new(&settings, "checker");
  char token[UUID_SIZE];

  uuid_new(token);
  CHECK(take(reservation, "e", token) == RESERVATION_RESERVED, "while it is there");
  ask("stop");
  expect_retry(reservation, "e", token, "redis at 127.0.0.1:");
  expect_retry(reservation, "e", token, "could not connect to redis at 127.0.0.1:");
  CHECK(redis_reservation_release(reservation, "e", token, NULL) == VERDICT_RETRY, "away");
  ask("start");
  CHECK(take(reservation, "e", token) == RESERVATION_RESERVED, "it is back, and knows nothing");
  redis_reservation_free(reservation);
}

static void check_refusals(uint16_t port)
{
  struct redis_settings settings = settings_of(port);
  struct redis_reservation *reservation = redis_reservation_new(&settings, "checker");
  char token[UUID_SIZE];

  uuid_new(token);
  (void)look("CONFIG SET maxmemory %s", "1");
  expect_retry(reservation, "e", token, "could not use redis at 127.0.0.1:");
  (void)look("CONFIG SET maxmemory %s", "0");
  (void)look("REPLICAOF 127.0.0.1 %s", "1");
  expect_retry(reservation, "e", token, "READONLY");
  (void)look("REPLICAOF NO %s", "ONE");
  CHECK(take(reservation, "e", token) == RESERVATION_RESERVED, "once it takes writes");
  redis_reservation_free(reservation);
}

static void check_long_ids(uint16_t port)
{
  struct redis_settings settings = settings_of(port);
  struct redis_reservation *reservation = redis_reservation_new(&settings, "checker");
  char id[REDIS_KEY_MAX_BYTES];
  char token[UUID_SIZE];
  enum reservation taken;
  struct problem problem;

  uuid_new(token);
  memset(id, 'i', sizeof(id));
  id[REDIS_KEY_MAX_BYTES - strlen("checker:")] = '\0';
  CHECK(take(reservation, id, token) == RESERVATION_RESERVED, "the longest");
  id[REDIS_KEY_MAX_BYTES - strlen("checker:")] = 'i';
  id[REDIS_KEY_MAX_BYTES - strlen("checker:") + 1] = '\0';
  CHECK(redis_reservation_take(reservation, id, token, &taken, &problem) == VERDICT_POISON, "too long");
  CHECK(redis_reservation_done(reservation, id, token, &problem) == VERDICT_POISON, "too long");
  redis_reservation_free(reservation);
}

static void check_passwords(uint16_t port)
{
  struct redis_settings settings = settings_of(port);
  struct redis_reservation *reservation = redis_reservation_new(&settings, "checker");
  struct problem problem = {0};
  enum reservation taken;
  char token[UUID_SIZE];

  uuid_new(token);
  expect_retry(reservation, "e", token, "NOAUTH");
  settings.password = "wrong-password";
  expect_retry(reservation, "e", token, "WRONGPASS");
  CHECK(redis_reservation_take(reservation, "e", token, &taken, &problem) == VERDICT_RETRY, "again");
  CHECK(strstr(problem.text, "wrong-password") == NULL, "%s", problem.text);
  settings.password = "secret-of-redis";
  CHECK(take(reservation, "e", token) == RESERVATION_RESERVED, "with the password");
  redis_reservation_free(reservation);

  settings.user = "consumer";
  settings.password = "secret-of-consumer";
  settings.database = 3;
  reservation = redis_reservation_new(&settings, "checker");
  CHECK(take(reservation, "in-three", token) == RESERVATION_RESERVED, "as a user, in another database");
  redis_reservation_free(reservation);
}

/* ------------------------------------------------------------------------------------------------------------------------------------------------------- */

static const struct {
  const char *name;
  void (*run)(uint16_t port);
} checks[] = {
    {"states", check_states},
    {"own_token_only", check_own_token_only},
    {"consumers_are_apart", check_consumers_are_apart},
    {"expiry", check_expiry},
    {"one_of_many", check_one_of_many},
    {"lost_question", check_lost_question},
    {"lost_answer", check_lost_answer},
    {"silence", check_silence},
    {"refusals", check_refusals},
    {"long_ids", check_long_ids},
    {"away", check_away},
    {"passwords", check_passwords},
};

int main(int argc, char **argv)
{
  bool is_list = argc == 2 && strcmp(argv[1], "--list") == 0;
  uint16_t port;

  if (!is_list && argc != 3) {
    (void)fprintf(stderr, "usage: reservation_check PORT CHECK | --list\n");
    return 2;
  }
  (void)signal(SIGPIPE, SIG_IGN);
  (void)alarm(PATIENCE_S);
  for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
    if (is_list) {
      (void)puts(checks[i].name);
    } else if (strcmp(checks[i].name, argv[2]) == 0) {
      port = (uint16_t)atoi(argv[1]);
      onlooker = redisConnect("127.0.0.1", port);
      CHECK(onlooker != NULL && onlooker->err == 0, "no Redis on port %u", port);
      checks[i].run(port);
      redisFree(onlooker);
      return 0;
    }
  }
  return is_list ? 0 : 2;
}
