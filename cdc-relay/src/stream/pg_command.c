/*
 * pg_command.c - the START_REPLICATION command.
 *
 *   option             pgoutput                                    wal2json
 *   proto_version      1: no streaming of open transactions        -
 *   publication_names  "name"                                      -
 *   messages           true, if an entry has a message.prefix      -
 *   origin             any (the default): what was replicated into the outbox counts too
 *   format-version     -                                           2
 *   add-tables         -                                           the tables, escaped
 *   actions            (the publication's)                         insert, and update where an entry refuses updates
 *   add-msg-prefixes   -                                           the prefixes
 *
 * The replication grammar (PostgreSQL src/backend/replication/repl_scanner.l) knows 'it''s' and no backslash escapes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault_point.h"
#include "stream/pg_stream.h"
#include "stream/sql_text.h"
#include "text_out.h"

static void put_literal(FILE *out, const char *text)
{
  (void)fputc('\'', out);
  for (; *text != '\0'; text++) {
    if (*text == '\'') {
      (void)fputc('\'', out);
    }
    (void)fputc(*text, out);
  }
  (void)fputc('\'', out);
}

static void put_option(FILE *out, const char *name, const char *value)
{
  (void)fprintf(out, ", \"%s\" ", name);
  put_literal(out, value);
}

/* wal2json's own lists: a backslash before what would end or widen a name. */
static void put_escaped(FILE *out, const char *text)
{
  for (; *text != '\0'; text++) {
    if (strchr(" ',.*\\\"", *text) != NULL) {
      (void)fputc('\\', out);
    }
    (void)fputc(*text, out);
  }
}

static void put_wal2json_options(FILE *out, const struct config *config)
{
  char *tables = NULL;
  char *prefixes = NULL;
  size_t size;
  FILE *table_out = text_open(&tables, &size);
  FILE *prefix_out = text_open(&prefixes, &size);
  bool updates = false;
  bool any_table = false;
  bool any_prefix = false;

  for (size_t i = 0; i < config->outbox_count; i++) {
    const struct config_outbox *entry = &config->outbox[i];

    if (entry->message_prefix != NULL) {
      (void)fputs(any_prefix ? "," : "", prefix_out);
      put_escaped(prefix_out, entry->message_prefix);
      any_prefix = true;
    } else {
      (void)fputs(any_table ? "," : "", table_out);
      put_escaped(table_out, entry->table_schema);
      (void)fputc('.', table_out);
      put_escaped(table_out, entry->table_name);
      any_table = true;
      updates = updates || config_outbox_wants_updates(entry);
    }
  }
  text_close(table_out);
  text_close(prefix_out);
  put_option(out, "format-version", "2");
  put_option(out, "include-transaction", "1");
  put_option(out, "include-lsn", "1");
  put_option(out, "include-xids", "1");
  put_option(out, "include-timestamp", "1");
  put_option(out, "include-types", "0");
  put_option(out, "include-type-oids", "1");
  put_option(out, "include-typmod", "0");
  put_option(out, "actions", updates ? "insert,update" : "insert");
  /* An empty list would mean every table of the database. */
  put_option(out, "add-tables", any_table ? tables : "pg_catalog.pg_class");
  if (any_prefix) {
    put_option(out, "add-msg-prefixes", prefixes);
  } else {
    /* Without the option every prefix of the database would come. */
    put_option(out, "add-msg-prefixes", "cdc_relay_no_prefix");
  }
  free(tables);
  free(prefixes);
}

static void put_pgoutput_options(FILE *out, const struct config *config, int server_version)
{
  char *name = sql_identifier(config->postgres.publication);
  bool messages = false;

  for (size_t i = 0; i < config->outbox_count; i++) {
    messages = messages || config->outbox[i].message_prefix != NULL;
  }
  put_option(out, "publication_names", name);
  if (messages && server_version >= 140000) {
    put_option(out, "messages", "true");
  }
  free(name);
}

char *pg_stream_command(const struct config *config, int server_version, Lsn start)
{
  char *command = NULL;
  size_t size;
  FILE *out = text_open(&command, &size);

  /* The slot's name was validated: [a-z0-9_]. */
  (void)fprintf(out, "START_REPLICATION SLOT \"%s\" LOGICAL %s (", config->postgres.slot, lsn_text(start).text);
  if (config->postgres.plugin == PLUGIN_WAL2JSON) {
    (void)fprintf(out, "\"pretty-print\" '0'");
    put_wal2json_options(out, config);
  } else {
    (void)fprintf(out, MUTANT(ROLLED_BACK_KEPT) ? "\"proto_version\" '2', \"streaming\" 'on'" : "\"proto_version\" '1'");
    put_pgoutput_options(out, config, server_version);
  }
  (void)fputc(')', out);
  text_close(out);
  return command;
}
