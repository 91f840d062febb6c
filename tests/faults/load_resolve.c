/* load_resolve.c - what the table holds, which is the truth of what was committed: one line per row, read as it comes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

static void tell_row(struct json_line *line, const struct load *load, PGresult *row)
{
  static const char head[] = "{\"n\":";
  const char *payload = PQgetvalue(row, 0, 3);
  size_t length = (size_t)PQgetlength(row, 0, 3);
  char sha256[65], topic[512];

  load_sha256(payload, length, sha256);
  (void)snprintf(topic, sizeof(topic), "%s%s", load->topic_prefix, PQgetvalue(row, 0, 1));
  json_line_begin(line, "row");
  json_line_string(line, "id", PQgetvalue(row, 0, 0));
  json_line_text(line, "key", PQgetisnull(row, 0, 2) ? NULL : PQgetvalue(row, 0, 2), (size_t)PQgetlength(row, 0, 2));
  if (strncmp(payload, head, sizeof(head) - 1) == 0) {
    json_line_number(line, "n", strtoll(payload + sizeof(head) - 1, NULL, 10));
  } else {
    json_line_raw(line, "n", "null"); /* a row that its scenario gave none */
  }
  json_line_string(line, "topic", topic);
  json_line_string(line, "sha256", sha256);
  if (strcmp(PQgetvalue(row, 0, 4), LOAD_TYPE_POISON) == 0) {
    json_line_raw(line, "poison", "true");
  }
  json_line_write(line, load->output);
}

bool load_resolve(const struct load *load)
{
  struct database database = {.conninfo = load->conninfo, .name = "fault_writer --resolve"};
  struct json_line line = {0};
  bool is_whole = false;
  PGresult *result;

  if (!database_open(&database) || PQsendQuery(database.connection, "SELECT id, aggregatetype, aggregateid, payload::text, type FROM public.outbox") != 1) {
    database_close(&database);
    return false;
  }
  (void)PQsetSingleRowMode(database.connection);
  while ((result = PQgetResult(database.connection)) != NULL) {
    if (PQresultStatus(result) == PGRES_SINGLE_TUPLE) {
      tell_row(&line, load, result);
    } else {
      is_whole = PQresultStatus(result) == PGRES_TUPLES_OK;
      if (!is_whole) {
        (void)fprintf(stderr, "fault_writer: %s", PQresultErrorMessage(result));
      }
    }
    PQclear(result);
  }
  json_line_begin(&line, "resolved"); /* without it the list is not whole */
  if (is_whole) {
    json_line_write(&line, load->output);
  }
  json_line_done(&line);
  database_close(&database);
  return is_whole;
}
