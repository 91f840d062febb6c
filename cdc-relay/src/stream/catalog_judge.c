/*
 * catalog_judge.c - whether one may stream on what catalog.c has read: the rules, in the order in which a person would mend them.
 *
 *   server    encoding, wal_level, standby, role, plugin allowed
 *   slot      kind, plugin, database, lasting; then whether its position can be trusted (code 4)
 *   publication
 *   tables    in the order of the configuration
 *
 * Pure: no connection, no clock. What is merely unwise is not here but in `check`.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "stream/catalog.h"
#include "stream/sql_text.h"

enum { OID_BYTEA = 17, OID_FLOAT4 = 700, OID_FLOAT8 = 701, OID_NUMERIC = 1700 };
enum { HINT_NAME_MAX = 160 }; /* names in a hint; longer ones are cut */

struct judge {
  const struct catalog *catalog;
  const struct config *config;
  CatalogProblemFunction found;
  void *context;
};

static void tell(const struct judge *judge, const struct problem *problem)
{
  judge->found(judge->context, problem);
}

/* REFUSE(judge, code, cause, (text, ...), hint, ...): one problem with its hint. */
#define REFUSE(judge, code, cause, text, ...)                                                                                                                  \
  do {                                                                                                                                                         \
    struct problem refused;                                                                                                                                    \
    (void)problem_set(&refused, VERDICT_FATAL, (code), (cause), REFUSE_ARGUMENTS text);                                                                        \
    problem_hint(&refused, __VA_ARGS__);                                                                                                                       \
    tell((judge), &refused);                                                                                                                                   \
  } while (0)
#define REFUSE_ARGUMENTS(...) __VA_ARGS__

struct quoted {
  char text[HINT_NAME_MAX];
};

/* Takes `name`. */
static struct quoted quoted_of(char *name)
{
  struct quoted quoted;

  (void)snprintf(quoted.text, sizeof(quoted.text), "%s", name);
  free(name);
  return quoted;
}

static struct quoted quote(const char *name)
{
  return quoted_of(sql_identifier(name));
}

static struct quoted quote_table(const struct config_outbox *entry)
{
  return quoted_of(sql_table(entry->table_schema, entry->table_name));
}

/* Whether a setting that is a list of names, as `a, "b"`, has `word`. */
static bool list_has(const char *list, const char *word)
{
  size_t length = strlen(word);

  for (const char *at = list; *at != '\0';) {
    size_t token;

    at += strspn(at, " ,\"\t");
    token = strcspn(at, " ,\"\t");
    if (token == length && memcmp(at, word, length) == 0) {
      return true;
    }
    at += token;
  }
  return false;
}

static void judge_server(const struct judge *judge)
{
  const struct catalog *catalog = judge->catalog;
  const char *plugin = plugin_name(judge->config->postgres.plugin);
  const char *role = catalog->role != NULL ? catalog->role : "";

  if (strcmp(catalog->server_encoding, "UTF8") != 0) {
    REFUSE(judge, EXIT_DATABASE_REFUSES, "encoding",
           ("database \"%s\" has the encoding %s; only UTF8 can be relayed", catalog->database, catalog->server_encoding),
           "create a database with ENCODING 'UTF8' and move the outbox there");
  }
  if (strcmp(catalog->wal_level, "logical") != 0) {
    REFUSE(judge, EXIT_DATABASE_REFUSES, "wal_level", ("wal_level of the server is %s; logical decoding needs logical", catalog->wal_level),
           "ALTER SYSTEM SET wal_level = logical; then restart the server");
  }
  if (catalog->is_in_recovery && catalog->server_version < 160000) {
    REFUSE(judge, EXIT_DATABASE_REFUSES, "standby", ("the server is a standby, and before PostgreSQL 16 only a primary decodes"),
           "let postgres.url name the primary, or several hosts with target_session_attrs=read-write");
  }
  if (!catalog->role_may_replicate) {
    REFUSE(judge, EXIT_DATABASE_REFUSES, "privilege", ("role \"%s\" may not use replication", role),
           "as a superuser: ALTER ROLE %s REPLICATION; (the attribute is not inherited from a group)", quote(role).text);
  }
  if (catalog->allowed_plugins != NULL && !list_has(catalog->allowed_plugins, plugin)) {
    REFUSE(judge, EXIT_DATABASE_REFUSES, "plugin_not_allowed",
           ("the server does not allow output plugin %s: output_plugin_libraries is \"%s\"", plugin, catalog->allowed_plugins),
           "as a superuser: ALTER SYSTEM SET output_plugin_libraries = %s%s%s; SELECT pg_reload_conf(); (the list without quotes around it)",
           catalog->allowed_plugins, catalog->allowed_plugins[0] != '\0' ? ", " : "", plugin);
  }
}

/* The name is taken by a slot that is not ours; nothing else about it matters then. */
static bool judge_slot_kind(const struct judge *judge)
{
  const struct catalog *catalog = judge->catalog;
  const char *slot = judge->config->postgres.slot;
  const char *plugin = plugin_name(judge->config->postgres.plugin);

  if (catalog->slot_type == NULL || strcmp(catalog->slot_type, "logical") != 0) {
    REFUSE(judge, EXIT_DATABASE_REFUSES, "foreign_slot", ("replication slot \"%s\" is a physical one", slot),
           "set postgres.slot to another name, then: cdc-relay init");
    return false;
  }
  if (catalog->slot_database == NULL || strcmp(catalog->slot_database, catalog->database) != 0) {
    REFUSE(judge, EXIT_DATABASE_REFUSES, "foreign_slot",
           ("replication slot \"%s\" belongs to database \"%s\", not to \"%s\"", slot, catalog->slot_database != NULL ? catalog->slot_database : "",
            catalog->database),
           "set postgres.slot to another name (slots share one namespace in a cluster), then: cdc-relay init");
    return false;
  }
  if (catalog->slot_plugin == NULL || strcmp(catalog->slot_plugin, plugin) != 0) {
    REFUSE(judge, EXIT_DATABASE_REFUSES, "foreign_slot",
           ("replication slot \"%s\" was made for plugin %s, not for %s", slot, catalog->slot_plugin != NULL ? catalog->slot_plugin : "", plugin),
           "set postgres.plugin to the slot's, or postgres.slot to another name and: cdc-relay init");
    return false;
  }
  if (catalog->slot_is_temporary) {
    REFUSE(judge, EXIT_DATABASE_REFUSES, "foreign_slot", ("replication slot \"%s\" is temporary and will vanish with its session", slot),
           "set postgres.slot to another name, then: cdc-relay init");
    return false;
  }
  return true;
}

static void judge_slot(const struct judge *judge)
{
  const struct catalog *catalog = judge->catalog;
  const char *slot = judge->config->postgres.slot;

  if (!catalog->slot_exists) {
    if (catalog->publication_exists) {
      REFUSE(judge, EXIT_POSITION, "slot_missing",
             ("replication slot \"%s\" does not exist, but publication \"%s\" does; if there was a slot, what was committed since its last position (up to %s) "
              "would be missing",
              slot, judge->config->postgres.publication, lsn_text(catalog->wal_end).text),
             "first start: cdc-relay init. otherwise find out who dropped the slot, then: cdc-relay init --accept-gap");
    } else {
      REFUSE(judge, EXIT_DATABASE_REFUSES, "slot_missing",
             ("neither replication slot \"%s\" nor publication \"%s\" exists", slot, judge->config->postgres.publication), "cdc-relay init");
    }
    return;
  }
  if (!judge_slot_kind(judge)) {
    return;
  }
  if (catalog->is_in_recovery && catalog->slot_is_synced) {
    REFUSE(judge, EXIT_DATABASE_REFUSES, "standby",
           ("the server is a standby, and its slot \"%s\" is a copy of the primary's, which nobody may read before a promotion", slot),
           "let postgres.url name the primary, or several hosts with target_session_attrs=read-write");
    return;
  }
  if (catalog->slot_status == SLOT_LOST) {
    REFUSE(judge, EXIT_POSITION, "slot_lost",
           ("replication slot \"%s\" is lost: the server removed WAL that it still needed; events committed between %s and %s may be missing", slot,
            lsn_text(catalog->slot_confirmed).text, lsn_text(catalog->wal_end).text),
           "cdc-relay drop --yes --keep-publication, then: cdc-relay init --accept-gap; rows that are still in the outbox tables can be published again");
    return;
  }
  /* A standby may be on its way to where it was (witness.c). */
  if (catalog->slot_confirmed > catalog->wal_end && !catalog->is_in_recovery) {
    REFUSE(judge, EXIT_POSITION, "slot_ahead",
           ("replication slot \"%s\" is confirmed to %s, but the server's WAL ends at %s: events committed between the two would be skipped", slot,
            lsn_text(catalog->slot_confirmed).text, lsn_text(catalog->wal_end).text),
           "the server was restored, or something else moved the slot; cdc-relay drop --yes --keep-publication, then: cdc-relay init --accept-gap");
  }
}

static void judge_publication(const struct judge *judge)
{
  const struct catalog *catalog = judge->catalog;
  const char *name = judge->config->postgres.publication;

  if (judge->config->postgres.plugin != PLUGIN_PGOUTPUT) {
    return;
  }
  if (!catalog->publication_exists) {
    if (catalog->slot_exists) { /* otherwise the slot's rule has said it */
      REFUSE(judge, EXIT_DATABASE_REFUSES, "publication_missing", ("publication \"%s\" does not exist", name),
             "a publication made now is not seen by a slot at an older position: cdc-relay drop --yes, then: cdc-relay init --accept-gap");
    }
    return;
  }
  if (!catalog->publishes_insert) {
    REFUSE(judge, EXIT_DATABASE_REFUSES, "publication", ("publication \"%s\" does not publish inserts", name), "ALTER PUBLICATION %s SET (publish = 'insert');",
           quote(name).text);
  }
}

static const struct catalog_column *find_column(const struct catalog_table *table, const char *name, size_t length)
{
  for (size_t i = 0; i < table->column_count; i++) {
    if (strlen(table->columns[i].name) == length && memcmp(table->columns[i].name, name, length) == 0) {
      return &table->columns[i];
    }
  }
  return NULL;
}

/* One column that the configuration names: it must be there if it is required, and have a type that arrives whole. */
static void judge_column(const struct judge *judge, size_t entry, const char *option, const char *name, size_t length, bool is_required, bool is_bytes_role)
{
  const struct config_outbox *outbox = &judge->config->outbox[entry];
  const struct catalog_column *column = find_column(&judge->catalog->tables[entry], name, length);

  if (column == NULL) {
    if (is_required) {
      REFUSE(judge, EXIT_DATABASE_REFUSES, "column_missing",
             ("table %s has no column \"%.*s\", or does not publish it (outbox[%zu].%s)", outbox->table, (int)length, name, entry, option),
             "add the column, or set outbox[%zu].%s to the name of the one that serves", entry, option);
    }
    return;
  }
  if (is_bytes_role && column->base_type_oid == OID_BYTEA && column->type_oid != OID_BYTEA) {
    REFUSE(judge, EXIT_DATABASE_REFUSES, "column_type",
           ("column \"%s\" of table %s is of a domain over bytea, which the stream does not show as bytes (outbox[%zu].%s)", column->name, outbox->table, entry,
            option),
           "ALTER TABLE %s ALTER COLUMN %s TYPE bytea;", quote_table(outbox).text, quote(column->name).text);
  }
  if (judge->config->postgres.plugin == PLUGIN_WAL2JSON &&
      (column->base_type_oid == OID_FLOAT4 || column->base_type_oid == OID_FLOAT8 || column->base_type_oid == OID_NUMERIC)) {
    REFUSE(judge, EXIT_DATABASE_REFUSES, "column_type",
           ("column \"%s\" of table %s is a floating point or numeric one: wal2json sends NaN and infinity as null (outbox[%zu].%s)", column->name,
            outbox->table, entry, option),
           "use postgres.plugin pgoutput, or a column of type text or bigint");
  }
}

/* `column:placement[:alias]`, comma separated; the router refuses what has another form, so this only finds the names. */
static void judge_placements(const struct judge *judge, size_t entry)
{
  const struct config_outbox *outbox = &judge->config->outbox[entry];

  for (const char *at = outbox->placements; at != NULL && *at != '\0';) {
    size_t item = strcspn(at, ",");
    size_t skip = strspn(at, " \t\n");
    size_t length = strcspn(at + skip, " \t\n:,");

    if (skip < item && length > 0) {
      judge_column(judge, entry, "table.fields.additional.placement", at + skip, length, outbox->missing_is_error, false);
    }
    at += item;
    at += *at == ',' ? 1 : 0;
  }
}

static void judge_columns(const struct judge *judge, size_t entry)
{
  const struct config_outbox *outbox = &judge->config->outbox[entry];
  const struct {
    const char *option;
    const char *name;
    bool is_required;
    bool is_bytes_role;
  } roles[] = {
      {"table.field.event.key", outbox->field_key, true, true},
      {"table.field.event.payload", outbox->field_payload, true, true},
      {"route.by.field", outbox->route_by_field, true, false},
      {"table.field.event.id", outbox->field_id, outbox->field_id_is_set, false},
      {"table.field.event.type", outbox->field_type, outbox->field_type_is_set, false},
      {"table.field.event.timestamp", outbox->field_timestamp, true, false},
      {"table.field.event.headers", outbox->field_event_headers, outbox->field_event_headers_is_set, false},
      {"tracing.span.context.field", outbox->tracing_field, outbox->tracing_is_set, false},
  };

  for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++) {
    if (roles[i].name != NULL) {
      judge_column(judge, entry, roles[i].option, roles[i].name, strlen(roles[i].name), roles[i].is_required, roles[i].is_bytes_role);
    }
  }
  judge_placements(judge, entry);
}

bool catalog_table_has_identity(const struct catalog_table *table)
{
  return table->replica_identity == 'f' || table->replica_identity == 'i' || (table->replica_identity == 'd' && table->has_primary_key);
}

/* error and fatal make updates a part of the stream, and an update of a table without replica identity then fails in the service that sends it. */
static void judge_updates(const struct judge *judge, size_t entry)
{
  const struct config_outbox *outbox = &judge->config->outbox[entry];
  const struct catalog_table *table = &judge->catalog->tables[entry];

  if (!config_outbox_wants_updates(outbox)) {
    return;
  }
  if (!catalog_table_has_identity(table)) {
    REFUSE(judge, EXIT_DATABASE_REFUSES, "replica_identity",
           ("table %s has no replica identity, which outbox[%zu].table.op.invalid.behavior needs for updates to be seen", outbox->table, entry),
           "ALTER TABLE %s REPLICA IDENTITY FULL; or give it a primary key, or set the behavior to warn or ignore", quote_table(outbox).text);
  } else if (judge->config->postgres.plugin == PLUGIN_PGOUTPUT && judge->catalog->publication_exists && !judge->catalog->publishes_update) {
    REFUSE(judge, EXIT_DATABASE_REFUSES, "publication",
           ("publication \"%s\" does not publish updates, which outbox[%zu].table.op.invalid.behavior asks for", judge->config->postgres.publication, entry),
           "ALTER PUBLICATION %s SET (publish = 'insert, update');", quote(judge->config->postgres.publication).text);
  }
}

static void judge_table(const struct judge *judge, size_t entry)
{
  const struct config_outbox *outbox = &judge->config->outbox[entry];
  const struct catalog_table *table = &judge->catalog->tables[entry];
  bool by_publication = judge->config->postgres.plugin == PLUGIN_PGOUTPUT && judge->catalog->publication_exists;
  const char *publication = judge->config->postgres.publication;

  if (!table->exists) {
    REFUSE(judge, EXIT_DATABASE_REFUSES, "table_missing", ("table %s does not exist in database \"%s\"", outbox->table, judge->catalog->database),
           "apply sql/outbox.sql as the tables' owner, or set outbox[%zu].table", entry);
    return;
  }
  if (table->is_view_or_other) {
    REFUSE(judge, EXIT_DATABASE_REFUSES, "table_kind", ("%s is not a table, and only tables are in the stream", outbox->table),
           "set outbox[%zu].table to the table behind it", entry);
    return;
  }
  if (!table->is_persistent && table->is_partitioned) {
    REFUSE(judge, EXIT_DATABASE_REFUSES, "table_kind", ("table %s has an unlogged partition: rows there never reach the stream", outbox->table),
           "for each of its partitions that is: ALTER TABLE ... SET LOGGED; (psql names them: \\d+ %s)", outbox->table);
    return;
  }
  if (!table->is_persistent) {
    REFUSE(judge, EXIT_DATABASE_REFUSES, "table_kind", ("table %s is unlogged or temporary: its rows never reach the stream", outbox->table),
           "ALTER TABLE %s SET LOGGED;", quote_table(outbox).text);
    return;
  }
  if (table->is_partitioned && judge->config->postgres.plugin == PLUGIN_WAL2JSON) {
    REFUSE(judge, EXIT_DATABASE_REFUSES, "partitioned",
           ("table %s is partitioned: wal2json names only the partitions, and a new one would be missed", outbox->table), "set postgres.plugin to pgoutput");
    return;
  }
  if (table->is_partitioned && by_publication && !judge->catalog->publishes_via_root) {
    REFUSE(judge, EXIT_DATABASE_REFUSES, "partitioned",
           ("table %s is partitioned, and publication \"%s\" publishes it under the names of its partitions", outbox->table, publication),
           "ALTER PUBLICATION %s SET (publish_via_partition_root = true);", quote(publication).text);
  } else if (by_publication && table->published_as != NULL) {
    REFUSE(judge, EXIT_DATABASE_REFUSES, "not_published",
           ("table %s is a partition of %s, and publication \"%s\" publishes its rows under that name", outbox->table, table->published_as, publication),
           "set outbox[%zu].table to %s where that is the outbox, or name a publication in postgres.publication that does not have it", entry,
           table->published_as);
  } else if (by_publication && !table->is_published) {
    REFUSE(judge, EXIT_DATABASE_REFUSES, "not_published", ("table %s is not in publication \"%s\"", outbox->table, publication),
           "ALTER PUBLICATION %s ADD TABLE %s; (rows written before are never published)", quote(publication).text, quote_table(outbox).text);
  }
  judge_updates(judge, entry);
  judge_columns(judge, entry);
}

void catalog_problems(const struct catalog *catalog, const struct config *config, CatalogProblemFunction found, void *context)
{
  const struct judge judge = {.catalog = catalog, .config = config, .found = found, .context = context};

  judge_server(&judge);
  judge_slot(&judge);
  judge_publication(&judge);
  for (size_t i = 0; i < catalog->table_count && i < config->outbox_count; i++) {
    if (!catalog->tables[i].is_message) {
      judge_table(&judge, i);
    } else if (config->postgres.plugin == PLUGIN_PGOUTPUT && catalog->server_version < 140000) {
      REFUSE(&judge, EXIT_DATABASE_REFUSES, "messages", ("outbox[%zu] reads logical messages, which pgoutput sends from PostgreSQL 14 on", i),
             "use postgres.plugin wal2json, or a table");
    }
  }
}

struct first {
  bool is_found;
  struct problem *problem;
};

static void keep_first(void *context, const struct problem *problem)
{
  struct first *first = context;

  if (!first->is_found && first->problem != NULL) {
    *first->problem = *problem;
  }
  first->is_found = true;
}

enum verdict catalog_judge(const struct catalog *catalog, const struct config *config, struct problem *problem)
{
  struct first first = {.problem = problem};

  catalog_problems(catalog, config, keep_first, &first);
  return first.is_found ? VERDICT_FATAL : VERDICT_OK;
}
