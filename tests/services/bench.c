/*
 * bench.c - the program work_check: does one of the checks in work.c and work_breaks.c on a real server.
 *
 *     work_check PORT DATABASE CHECK     exit code 0: all was as it should be; 1: not, and stderr says what
 *     work_check --list
 */
#include "bench.h"

#include <string.h>
#include <unistd.h>

enum { PATIENCE_S = 60 };

const char *bench_look(struct bench *bench, const char *sql)
{
  static char text[1024];
  PGresult *result = PQexec(bench->onlooker, sql);
  ExecStatusType status = PQresultStatus(result);

  CHECK(status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK, "%s: %s", sql, PQerrorMessage(bench->onlooker));
  (void)snprintf(text, sizeof(text), "%s", PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");
  PQclear(result);
  return text;
}

int bench_number(struct bench *bench, const char *sql)
{
  return atoi(bench_look(bench, sql));
}

const char *bench_conninfo(const char *conninfo, const char *more)
{
  static char text[512];

  (void)snprintf(text, sizeof(text), "%s %s", conninfo, more);
  return text;
}

void bench_expect(enum verdict expected, enum verdict verdict, const struct work_outcome *outcome, const char *what)
{
  CHECK(verdict == expected, "%s: verdict %d instead of %d after %u attempts, sqlstate \"%s\", constraint \"%s\"%s%s: %s", what, (int)verdict, (int)expected,
        outcome->attempts, outcome->sqlstate, outcome->constraint, outcome->is_committed ? ", committed" : "", outcome->is_unknown ? ", unknown" : "",
        verdict != VERDICT_OK ? outcome->problem.text : "");
  if (verdict != VERDICT_OK) {
    (void)printf("%s: %s\n", what, outcome->problem.text);
  }
}

static const struct check *find(const struct check *checks, const char *name)
{
  for (; checks->name != NULL; checks++) {
    if (strcmp(checks->name, name) == 0) {
      return checks;
    }
  }
  return NULL;
}

static void list(const struct check *checks)
{
  for (; checks->name != NULL; checks++) {
    (void)puts(checks->name);
  }
}

int main(int argc, char **argv)
{
  struct bench bench = {0};
  const struct check *check;

  if (argc == 2 && strcmp(argv[1], "--list") == 0) {
    list(work_checks);
    list(break_checks);
    return 0;
  }
  if (argc != 4) {
    (void)fprintf(stderr, "usage: work_check PORT DATABASE CHECK | --list\n");
    return 2;
  }
  check = find(work_checks, argv[3]) != NULL ? find(work_checks, argv[3]) : find(break_checks, argv[3]);
  if (check == NULL) {
    (void)fprintf(stderr, "work_check knows no %s\n", argv[3]);
    return 2;
  }
  (void)alarm(PATIENCE_S); /* what hangs is a failure too */
  bench.port = (uint16_t)atoi(argv[1]);
  bench.name = argv[2];
  bench.line = line_new(bench.port);
  (void)snprintf(bench.direct, sizeof(bench.direct), "host=127.0.0.1 port=%u user=postgres dbname=%s", bench.port, bench.name);
  (void)snprintf(bench.by_line, sizeof(bench.by_line), "host=127.0.0.1 port=%u user=postgres dbname=%s sslmode=disable gssencmode=disable",
                 line_port(bench.line), bench.name);
  bench.onlooker = PQconnectdb(bench.direct);
  CHECK(PQstatus(bench.onlooker) == CONNECTION_OK, "%s", PQerrorMessage(bench.onlooker));
  (void)bench_look(&bench, "SET client_min_messages = warning");
  (void)bench_look(&bench, "DROP TABLE IF EXISTS item");
  (void)bench_look(&bench, "CREATE TABLE item (id int PRIMARY KEY, amount int CONSTRAINT amount_is_positive CHECK (amount > 0), note text, bytes bytea)");
  (void)bench_look(&bench, "TRUNCATE public.outbox");
  check->run(&bench);
  PQfinish(bench.onlooker);
  line_free(bench.line);
  return 0;
}
