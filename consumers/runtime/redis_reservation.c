/*
 * redis_reservation.c - three commands to Redis, each one round trip, on a connection that is dropped at the first thing that is odd about it.
 *
 *   take      SET key token NX EX ttl, GET key      ours where the second answer is our token, whichever attempt wrote it
 *   done      Lua: token or nothing there -> DONE
 *   release   Lua: token there -> nothing
 *
 * After a timeout nobody knows what Redis did: an answer that comes late would be taken for that of the next question. So the connection goes, and the token,
 * which stays the same, tells at the next attempt whether the lost question was heard.
 */
#include "redis_reservation.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "span.h"

#define STATE_DONE "DONE"

struct redis_reservation {
  const struct redis_settings *settings;
  const char *consumer;
  redisContext *context; /* NULL: not connected */
};

static const char done_script[] = "local v = redis.call('GET', KEYS[1]) "
                                  "if v == false or v == ARGV[1] then redis.call('SET', KEYS[1], '" STATE_DONE "', 'EX', ARGV[2]) return 1 end "
                                  "return 0";
static const char release_script[] = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end "
                                     "return 0";

static void drop(struct redis_reservation *reservation)
{
  if (reservation->context != NULL) {
    redisFree(reservation->context);
    reservation->context = NULL;
  }
}

/* What Redis says may name a user, never a password or a value. */
static enum verdict broken(struct redis_reservation *reservation, struct problem *problem, const char *what, const char *why)
{
  const struct address *address = &reservation->settings->address;

  (void)problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, "redis", "could not %s redis at %s:%u: %s", what,
                    address->host[0] != '\0' ? address->host : "127.0.0.1", address->port, why);
  drop(reservation);
  return VERDICT_RETRY;
}

static const char *why_broken(const redisContext *context)
{
  bool is_late = context->err == REDIS_ERR_IO && (errno == EAGAIN || errno == EWOULDBLOCK);

  return is_late || context->errstr[0] == '\0' ? "no answer in time" : context->errstr;
}

struct redis_reservation *redis_reservation_new(const struct redis_settings *settings, const char *consumer)
{
  struct redis_reservation *reservation = calloc(1, sizeof(*reservation));

  if (reservation == NULL) {
    abort();
  }
  reservation->settings = settings;
  reservation->consumer = consumer;
  return reservation;
}

void redis_reservation_free(struct redis_reservation *reservation)
{
  if (reservation != NULL) {
    drop(reservation);
    free(reservation);
  }
}

/* ------------------------------------------------------------------------------------------------------------------------------------------------------- */
/* Connection and answers */

static struct timeval timeval_of_ms(int64_t ms)
{
  return (struct timeval){.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
}

/* Takes the next answer; *ret_reply is owned by the caller on OK, and no error. */
static enum verdict read_reply(struct redis_reservation *reservation, redisReply **ret_reply, struct problem *problem)
{
  void *answer = NULL;
  redisReply *reply;
  enum verdict verdict;

  if (redisGetReply(reservation->context, &answer) != REDIS_OK || answer == NULL) {
    return broken(reservation, problem, "talk to", why_broken(reservation->context));
  }
  reply = answer;
  if (reply->type == REDIS_REPLY_ERROR) {
    verdict = broken(reservation, problem, "use", reply->str);
    freeReplyObject(reply);
    return verdict;
  }
  *ret_reply = reply;
  return VERDICT_OK;
}

/* One command whose answer does not matter, unless it is an error. */
static enum verdict greet(struct redis_reservation *reservation, int count, const char **words, struct problem *problem)
{
  redisReply *reply = NULL;
  enum verdict verdict;

  if (redisAppendCommandArgv(reservation->context, count, words, NULL) != REDIS_OK) {
    return broken(reservation, problem, "talk to", why_broken(reservation->context));
  }
  verdict = read_reply(reservation, &reply, problem);
  if (verdict == VERDICT_OK) {
    freeReplyObject(reply);
  }
  return verdict;
}

static bool is_given(const char *text)
{
  return text != NULL && text[0] != '\0';
}

static enum verdict log_in(struct redis_reservation *reservation, struct problem *problem)
{
  const struct redis_settings *settings = reservation->settings;
  enum verdict verdict = VERDICT_OK;
  char database[24];

  if (is_given(settings->password) && is_given(settings->user)) {
    verdict = greet(reservation, 3, (const char *[]){"AUTH", settings->user, settings->password}, problem);
  } else if (is_given(settings->password)) {
    verdict = greet(reservation, 2, (const char *[]){"AUTH", settings->password}, problem);
  }
  if (verdict == VERDICT_OK && settings->database != 0) {
    (void)snprintf(database, sizeof(database), "%" PRId64, settings->database);
    verdict = greet(reservation, 2, (const char *[]){"SELECT", database}, problem);
  }
  return verdict;
}

static enum verdict connect_to_redis(struct redis_reservation *reservation, struct problem *problem)
{
  const struct address *address = &reservation->settings->address;

  if (reservation->context != NULL) {
    return VERDICT_OK;
  }
  reservation->context =
      redisConnectWithTimeout(address->host[0] != '\0' ? address->host : "127.0.0.1", address->port, timeval_of_ms(REDIS_CONNECT_TIMEOUT_MS));
  if (reservation->context == NULL) {
    return broken(reservation, problem, "connect to", "out of memory");
  }
  if (reservation->context->err != 0) {
    return broken(reservation, problem, "connect to", why_broken(reservation->context));
  }
  if (redisSetTimeout(reservation->context, timeval_of_ms(REDIS_ANSWER_TIMEOUT_MS)) != REDIS_OK) {
    return broken(reservation, problem, "connect to", why_broken(reservation->context));
  }
  (void)redisEnableKeepAlive(reservation->context); /* a courtesy: the answer's timeout is what counts */
  return log_in(reservation, problem);
}

/* `<consumer>:<unique id>` */
static enum verdict make_key(const struct redis_reservation *reservation, const char *event_id, char ret_key[REDIS_KEY_MAX_BYTES + 1], struct problem *problem)
{
  int length = snprintf(ret_key, REDIS_KEY_MAX_BYTES + 1, "%s:%s", reservation->consumer, event_id);

  if (length < 0 || length > REDIS_KEY_MAX_BYTES) {
    return problem_set(problem, VERDICT_POISON, EXIT_POISON, "bad_id", "event id is too long for a key in redis (limit: %d bytes with the consumer's name)",
                       REDIS_KEY_MAX_BYTES);
  }
  return VERDICT_OK;
}

/* ------------------------------------------------------------------------------------------------------------------------------------------------------- */

enum verdict redis_reservation_take(struct redis_reservation *reservation, const char *event_id, const char token[UUID_SIZE], enum reservation *ret_reservation,
                                    struct problem *problem)
{
  char key[REDIS_KEY_MAX_BYTES + 1];
  char ttl[24];
  redisReply *set = NULL;
  redisReply *get = NULL;
  enum verdict verdict = make_key(reservation, event_id, key, problem);

  (void)snprintf(ttl, sizeof(ttl), "%" PRId64, reservation->settings->ttl_s);
  if (verdict == VERDICT_OK) {
    verdict = connect_to_redis(reservation, problem);
  }
  if (verdict != VERDICT_OK) {
    return verdict;
  }
  if (redisAppendCommandArgv(reservation->context, 6, (const char *[]){"SET", key, token, "NX", "EX", ttl}, NULL) != REDIS_OK ||
      redisAppendCommandArgv(reservation->context, 2, (const char *[]){"GET", key}, NULL) != REDIS_OK) {
    return broken(reservation, problem, "talk to", why_broken(reservation->context));
  }
  verdict = read_reply(reservation, &set, problem);
  if (verdict == VERDICT_OK) {
    verdict = read_reply(reservation, &get, problem);
  }
  if (get != NULL && get->type == REDIS_REPLY_STRING) {
    *ret_reservation = span_is(span_of(get->str, get->len), token) ? RESERVATION_RESERVED : RESERVATION_DUPLICATE;
  } else if (get != NULL) {
    verdict = broken(reservation, problem, "use", "the key went while it was taken"); /* expired or evicted between the two: the next attempt takes it */
  }
  freeReplyObject(set);
  freeReplyObject(get);
  return verdict;
}

static enum verdict run_script(struct redis_reservation *reservation, const char *script, const char *event_id, const char *token, struct problem *problem)
{
  char key[REDIS_KEY_MAX_BYTES + 1];
  char ttl[24];
  redisReply *reply = NULL;
  enum verdict verdict = make_key(reservation, event_id, key, problem);

  (void)snprintf(ttl, sizeof(ttl), "%" PRId64, reservation->settings->ttl_s);
  if (verdict == VERDICT_OK) {
    verdict = connect_to_redis(reservation, problem);
  }
  if (verdict != VERDICT_OK) {
    return verdict;
  }
  if (redisAppendCommandArgv(reservation->context, 6, (const char *[]){"EVAL", script, "1", key, token, ttl}, NULL) != REDIS_OK) {
    return broken(reservation, problem, "talk to", why_broken(reservation->context));
  }
  verdict = read_reply(reservation, &reply, problem);
  if (verdict == VERDICT_OK) {
    freeReplyObject(reply);
  }
  return verdict;
}

enum verdict redis_reservation_done(struct redis_reservation *reservation, const char *event_id, const char token[UUID_SIZE], struct problem *problem)
{
  return run_script(reservation, done_script, event_id, token, problem);
}

enum verdict redis_reservation_release(struct redis_reservation *reservation, const char *event_id, const char token[UUID_SIZE], struct problem *problem)
{
  return run_script(reservation, release_script, event_id, token, problem);
}
