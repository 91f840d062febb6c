/*
 * idempotency.c - a unit of work that ends in an answer, once per Idempotency-Key.
 *
 *   BEGIN
 *   INSERT INTO answers (key, route, digest)     claims the key: a second request waits here until the first one has ended
 *   ... the service's own statements ...
 *   UPDATE answers SET status, body              the answer, in the same transaction as what it tells about
 *   COMMIT
 *
 * So there is an answer exactly where there was an effect. The INSERT goes out with the first statements of the service and costs no round trip, unless
 * http_claim() sends it before; that the key is taken shows as a unique violation, and then, with the ROLLBACK, the table is asked what to repeat. Any unique violation is
 * looked at like that: one of the service's own finds no answer there and stays what it is. One of the key that finds none met an answer that was removed for its
 * age in between: the key is free now, and the request is done as if it were the first, which it has become.
 *
 * The digest covers all that makes two requests the same: path, query, Authorization (one client's answer is not for another) and the body's bytes. The method
 * is part of the route.
 */
#include "idempotency.h"

#include <assert.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exchange_priv.h"
#include "work.h"

enum { DIGEST_SIZE = 32, ROUTE_TEXT_SIZE = HTTP_PATH_MAX_BYTES + 16, SQL_SIZE = 512, NUMBER_SIZE = 24 };

enum sentence { CLAIM, KEEP, RELEASE, LOOK, WHOSE, SWEEP, SENTENCE_COUNT };

struct idempotency {
  struct statement statements[SENTENCE_COUNT];
  char sql[SENTENCE_COUNT][SQL_SIZE];
};

/* `format` names the table once or twice. */
PRINTF_LIKE(4, 5)
static void write_statement(struct idempotency *idempotency, enum sentence which, const char *name, const char *format, ...)
{
  va_list arguments;
  int length;

  va_start(arguments, format);
  length = vsnprintf(idempotency->sql[which], SQL_SIZE, format, arguments);
  va_end(arguments);
  assert(length > 0 && length < SQL_SIZE);
  idempotency->statements[which] = (struct statement){.name = name, .sql = idempotency->sql[which]};
}

struct idempotency *idempotency_new(const char *table)
{
  struct idempotency *idempotency = calloc(1, sizeof(*idempotency));

  if (idempotency == NULL) {
    abort();
  }
  write_statement(idempotency, CLAIM, "http_answer_claim", "INSERT INTO %s (key, route, digest) VALUES ($1, $2, $3)", table);
  write_statement(idempotency, KEEP, "http_answer_keep", "UPDATE %s SET status = $2, body = $3 WHERE key = $1", table);
  write_statement(idempotency, RELEASE, "http_answer_release", "DELETE FROM %s WHERE key = $1", table);
  write_statement(idempotency, LOOK, "http_answer_look", "SELECT status, body, route = $2 AND digest = $3 FROM %s WHERE key = $1", table);
  write_statement(idempotency, WHOSE, "http_answer_whose",
                  "SELECT FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = '%s'::regclass AND c.relname = $1",
                  table);
  write_statement(idempotency, SWEEP, "http_answer_sweep",
                  "DELETE FROM %s WHERE key = ANY (ARRAY(SELECT key FROM %s WHERE created_at < now() - $1::bigint * interval '1 second' "
                  "LIMIT $2::bigint FOR UPDATE SKIP LOCKED))", /* any that are old: to sort them all would be the dearest part */
                  table, table);
  return idempotency;
}

void idempotency_free(struct idempotency *idempotency)
{
  free(idempotency);
}

bool idempotency_key_is_sound(const char *key)
{
  size_t length = strlen(key);

  for (size_t i = 0; i < length; i++) {
    if (key[i] <= ' ' || key[i] > '~') {
      return false;
    }
  }
  return length > 0 && length <= HTTP_IDEMPOTENCY_KEY_MAX_BYTES;
}

/* What a unique violation was about. */
enum found {
  FOUND_NONE,  /* not the key, as far as was looked */
  FOUND_SAME,  /* this request was answered before; that is the answer */
  FOUND_OTHER, /* the key was used for another request */
  FOUND_GONE,  /* the key was taken, and is free now */
};

/* One unit of work of one exchange. */
struct transaction {
  struct exchange *exchange;
  WorkFunction function;
  void *context;
  const struct idempotency *idempotency;
  const char *key; /* NULL: without */
  char route[ROUTE_TEXT_SIZE];
  unsigned char digest[DIGEST_SIZE];
  enum found found;
};

/* Each part with its length before it, so that no two lists of parts give the same bytes. */
static void digest_part(EVP_MD_CTX *digest, struct span part)
{
  uint64_t length = span_is_null(part) ? UINT64_MAX : part.length;

  if (EVP_DigestUpdate(digest, &length, sizeof(length)) != 1 || (part.length > 0 && EVP_DigestUpdate(digest, part.data, part.length) != 1)) {
    abort();
  }
}

static void digest_exchange(const struct exchange *exchange, unsigned char ret_digest[DIGEST_SIZE])
{
  const struct exchange_priv *priv = exchange->priv;
  EVP_MD_CTX *digest = EVP_MD_CTX_new();

  if (digest == NULL || EVP_DigestInit_ex(digest, EVP_sha256(), NULL) != 1) {
    abort();
  }
  digest_part(digest, span_of_text(priv->url));
  for (size_t i = 0; i < priv->query.count; i++) {
    digest_part(digest, span_of_text(priv->query.names[i]));
    digest_part(digest, span_of_text(priv->query.values[i]));
  }
  digest_part(digest, span_of_text(MHD_lookup_connection_value(priv->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION)));
  digest_part(digest, priv->bytes);
  if (EVP_DigestFinal_ex(digest, ret_digest, NULL) != 1) {
    abort();
  }
  EVP_MD_CTX_free(digest);
}

static struct span digest_of(const struct transaction *transaction)
{
  return span_of((const char *)transaction->digest, DIGEST_SIZE);
}

/* The answer goes into the table behind all that the service does; false: it cannot be written down. */
static bool keep_answer(struct work *work, const struct transaction *transaction)
{
  const struct answer *answer = &transaction->exchange->priv->answer;
  const struct statement *statements = transaction->idempotency->statements;
  char status[NUMBER_SIZE];
  char *text;

  if (answer->status == 0 || answer->status >= MHD_HTTP_BAD_REQUEST) {
    work_do(work, &statements[RELEASE], transaction->key);
    return true;
  }
  text = answer->document != NULL ? json_dumps(answer->document, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
  if (answer->document != NULL && text == NULL) {
    return false;
  }
  (void)snprintf(status, sizeof(status), "%u", answer->status);
  work_do(work, &statements[KEEP], transaction->key, status, text);
  free(text);
  return true;
}

static enum work_end run(struct work *work, void *context)
{
  struct transaction *transaction = context;
  enum work_end end;

  exchange_clear_answer(transaction->exchange); /* of an attempt before */
  if (transaction->key != NULL) {
    work_queue(work, &transaction->idempotency->statements[CLAIM], 3,
               (const struct parameter[]){parameter_text(transaction->key), parameter_text(transaction->route), parameter_bytes(digest_of(transaction))});
  }
  end = transaction->function(work, transaction->context);
  if (end == WORK_COMMIT && transaction->key != NULL && !keep_answer(work, transaction)) {
    exchange_clear_answer(transaction->exchange);
    return WORK_ROLLBACK;
  }
  return end;
}

/* A unique violation was met: is it about a key that was used before? */
static bool look(struct work *work, const struct work_outcome *outcome, void *context)
{
  struct transaction *transaction = context;
  const struct statement *statements = transaction->idempotency->statements;
  const PGresult *rows =
      work_query(work, &statements[LOOK], 3,
                 (const struct parameter[]){parameter_text(transaction->key), parameter_text(transaction->route), parameter_bytes(digest_of(transaction))});

  if (rows == NULL) {
    return false;
  }
  exchange_clear_answer(transaction->exchange);
  if (PQntuples(rows) == 0) {
    const PGresult *whose = work_ask(work, &statements[WHOSE], outcome->constraint);

    transaction->found = whose != NULL && PQntuples(whose) == 1 ? FOUND_GONE : FOUND_NONE;
    return whose != NULL;
  }
  transaction->found = strcmp(PQgetvalue(rows, 0, 2), "t") == 0 ? FOUND_SAME : FOUND_OTHER;
  if (transaction->found == FOUND_SAME) {
    char *text = PQgetisnull(rows, 0, 1) ? NULL : strdup(PQgetvalue(rows, 0, 1));

    exchange_reply_text(transaction->exchange, (unsigned int)strtoul(PQgetvalue(rows, 0, 0), NULL, 10), "application/json", text,
                        text != NULL ? strlen(text) : 0);
    transaction->exchange->priv->answer.is_replayed = true;
  }
  return true;
}

/* What the API says of a constraint; NULL: nothing, and what the schema calls it is not for clients. */
static const char *words_of(const struct exchange *exchange, const char *constraint)
{
  for (const struct http_rule *rule = exchange->priv->site->service->rules; rule != NULL && rule->constraint != NULL; rule++) {
    if (strcmp(rule->constraint, constraint) == 0) {
      return rule->words;
    }
  }
  return NULL;
}

static void answer_refused_data(struct exchange *exchange, const struct work_outcome *outcome)
{
  bool is_taken = strcmp(outcome->sqlstate, "23505") == 0;
  const char *words = words_of(exchange, outcome->constraint);

  exchange_note(exchange, LOG_WARN, "SQLSTATE %s%s%s", outcome->sqlstate, outcome->constraint[0] != '\0' ? ", constraint " : "", outcome->constraint);
  if (words != NULL) {
    http_problem(exchange, is_taken ? MHD_HTTP_CONFLICT : MHD_HTTP_UNPROCESSABLE_CONTENT, "%s", words);
  } else if (is_taken) {
    http_problem(exchange, MHD_HTTP_CONFLICT, "something that may exist only once exists already");
  } else if (outcome->constraint[0] != '\0') {
    http_problem(exchange, MHD_HTTP_UNPROCESSABLE_CONTENT, "the values break a rule of this service");
  } else {
    http_problem(exchange, MHD_HTTP_UNPROCESSABLE_CONTENT, "the database cannot take a value of this request");
  }
}

/*
 * The connection was lost behind COMMIT. Who sent no key must not think that one which he adds now knows of this request. Who sent one may come again even where something is used
 * up: he is told the stored answer if there is one, and nothing can take effect a second time.
 */
static void answer_unknown(struct exchange *exchange)
{
  static const char lost[] = "the database was lost before it said whether the request took effect";
  struct exchange_priv *priv = exchange->priv;
  const char *used_up = priv->used_up;

  if (priv->has_claim) {
    priv->used_up = NULL;
  }
  if (priv->has_claim && used_up != NULL) {
    http_problem(exchange, MHD_HTTP_SERVICE_UNAVAILABLE, "%s; if it did, a repetition with the same Idempotency-Key gets its answer; if not, %s", lost,
                 used_up);
  } else if (priv->has_claim) {
    http_problem(exchange, MHD_HTTP_SERVICE_UNAVAILABLE, "%s; repeated with the same Idempotency-Key it takes effect once", lost);
  } else if (used_up != NULL) {
    http_problem(exchange, MHD_HTTP_SERVICE_UNAVAILABLE, "%s: look; if it did not, %s", lost, used_up);
  } else {
    http_problem(exchange, MHD_HTTP_SERVICE_UNAVAILABLE,
                 "%s; it had no Idempotency-Key, so that a repetition, also one with a key, may take effect a second time: look before you repeat it", lost);
    priv->answer.is_in_doubt = true;
  }
}

/* What an outcome other than OK means to the client. */
static void answer_failure(struct exchange *exchange, enum verdict verdict, const struct work_outcome *outcome)
{
  switch (verdict) {
  case VERDICT_OK:
    break;
  case VERDICT_POISON:
    answer_refused_data(exchange, outcome);
    break;
  case VERDICT_FATAL:
    exchange_note(exchange, LOG_ERROR, "%s", outcome->problem.text);
    http_problem(exchange, MHD_HTTP_INTERNAL_SERVER_ERROR, "the request could not be carried out, and the reason is not in it%s%s",
                 exchange->priv->used_up != NULL ? "; " : "", exchange->priv->used_up != NULL ? exchange->priv->used_up : "");
    break;
  case VERDICT_WAIT:
  case VERDICT_RETRY:
    exchange_note(exchange, LOG_WARN, "%s", outcome->problem.text);
    if (outcome->is_unknown) {
      answer_unknown(exchange);
    } else {
      exchange_come_again(exchange, "the database is away or too busy");
    }
    break;
  }
}

/* Once, or again where a stored answer went away between two looks at its key. */
static void transact(struct transaction *transaction)
{
  struct exchange *exchange = transaction->exchange;

  for (int attempts = 1; attempts <= IDEMPOTENCY_ATTEMPTS_MAX; attempts++) {
    struct work_outcome outcome;
    enum verdict verdict;

    transaction->found = FOUND_NONE;
    verdict = work_run_and_look(exchange->database, run, transaction->key != NULL ? look : NULL, transaction, &outcome);
    exchange_count_published(exchange, outcome.is_committed);
    switch (transaction->found) {
    case FOUND_NONE:
      answer_failure(exchange, verdict, &outcome);
      return;
    case FOUND_SAME:
      instrument_add(exchange->priv->site->figures.replayed, 1);
      return;
    case FOUND_OTHER:
      http_problem(exchange, MHD_HTTP_UNPROCESSABLE_CONTENT, "this Idempotency-Key was used for another request: another method, path, client or body");
      return;
    case FOUND_GONE:
      break;
    }
  }
  exchange_note(exchange, LOG_WARN, "a stored answer was there and gone %d times", IDEMPOTENCY_ATTEMPTS_MAX);
  http_problem(exchange, MHD_HTTP_SERVICE_UNAVAILABLE,
               "the stored answer to this Idempotency-Key was just removed for its age, and this attempt did nothing; try again in a moment with the same key");
}

bool http_claim(struct exchange *exchange, struct work *work)
{
  struct work_outcome outcome; /* told again by the unit's end */

  return !exchange->priv->has_claim || work_sync(work, &outcome) == VERDICT_OK;
}

void http_transact(struct exchange *exchange, WorkFunction function, void *context)
{
  struct exchange_priv *priv = exchange->priv;
  struct transaction transaction = {
      .exchange = exchange, .function = function, .context = context, .idempotency = priv->site->idempotency, .key = priv->idempotency_key};

  priv->idempotency_key = NULL; /* for the first unit of several */
  priv->has_claim = transaction.key != NULL;
  if (transaction.key != NULL) {
    (void)snprintf(transaction.route, sizeof(transaction.route), "%s %s", priv->method, exchange_route(exchange));
    digest_exchange(exchange, transaction.digest);
  }
  transact(&transaction);
}

struct sweep {
  const struct idempotency *idempotency;
  char ttl_s[NUMBER_SIZE];
  char limit[NUMBER_SIZE];
  size_t removed;
};

static enum work_end remove_some(struct work *work, void *context)
{
  struct sweep *sweep = context;
  const PGresult *result = work_ask(work, &sweep->idempotency->statements[SWEEP], sweep->ttl_s, sweep->limit);

  if (result == NULL) {
    return WORK_FAILED;
  }
  sweep->removed = strtoul(PQcmdTuples((PGresult *)(uintptr_t)result), NULL, 10);
  return WORK_COMMIT;
}

enum verdict idempotency_sweep(struct idempotency *idempotency, struct database *database, int64_t ttl_s, size_t *ret_removed, struct problem *problem)
{
  struct sweep sweep = {.idempotency = idempotency};
  struct work_outcome outcome;

  *ret_removed = 0;
  (void)snprintf(sweep.ttl_s, sizeof(sweep.ttl_s), "%" PRId64, ttl_s);
  (void)snprintf(sweep.limit, sizeof(sweep.limit), "%d", (int)IDEMPOTENCY_BATCH);
  for (int i = 0; i < IDEMPOTENCY_BATCHES_MAX; i++) {
    enum verdict verdict = work_run(database, remove_some, &sweep, &outcome);

    if (verdict != VERDICT_OK) {
      *problem = outcome.problem;
      return verdict;
    }
    *ret_removed += sweep.removed;
    if (sweep.removed < IDEMPOTENCY_BATCH) {
      break;
    }
  }
  return VERDICT_OK;
}
