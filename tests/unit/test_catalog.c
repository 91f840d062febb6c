#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stream/catalog.h"

/* A server, a slot, a publication and a table on which everything is as it should be; each case spoils one thing. */
struct world {
  struct config config;
  struct config_outbox outbox[2];
  struct catalog catalog;
  struct catalog_table tables[2];
  struct catalog_column columns[8];
};

enum { OID_TEXT = 25, OID_UUID = 2950, OID_JSON = 114, OID_BYTEA = 17, OID_FLOAT8 = 701, OID_NUMERIC = 1700, OID_DOMAIN = 16500 };

static void world_init(struct world *world)
{
  static char utf8[] = "UTF8", shop[] = "shop", logical[] = "logical", pgoutput[] = "pgoutput", relay[] = "relay";
  static char id[] = "id", aggregatetype[] = "aggregatetype", aggregateid[] = "aggregateid", type[] = "type", payload[] = "payload", tenant[] = "tenant";

  *world = (struct world){
      .outbox = {{.table = "public.outbox",
                  .table_schema = "public",
                  .table_name = "outbox",
                  .field_id = "id",
                  .field_key = "aggregateid",
                  .field_type = "type",
                  .field_payload = "payload",
                  .missing_is_error = true,
                  .route_by_field = "aggregatetype"},
                 {.table = "message:outbox", .message_prefix = "outbox"}},
      .catalog = {.server_version = 150020,
                  .server_encoding = utf8,
                  .database = shop,
                  .role = relay,
                  .wal_level = logical,
                  .wal_end = 0x2000,
                  .role_may_replicate = true,
                  .slot_exists = true,
                  .slot_plugin = pgoutput,
                  .slot_type = logical,
                  .slot_database = shop,
                  .slot_confirmed = 0x1000,
                  .slot_restart = 0xF00,
                  .slot_status = SLOT_RESERVED,
                  .slot_safe_bytes = -1,
                  .publication_exists = true,
                  .publishes_insert = true,
                  .publishes_via_root = true,
                  .table_count = 1},
      .tables = {{.exists = true, .is_persistent = true, .is_published = true, .replica_identity = 'd', .has_primary_key = true, .column_count = 6},
                 {.is_message = true}},
      .columns = {{id, OID_UUID, OID_UUID},
                  {aggregatetype, OID_TEXT, OID_TEXT},
                  {aggregateid, OID_TEXT, OID_TEXT},
                  {type, OID_TEXT, OID_TEXT},
                  {payload, OID_JSON, OID_JSON},
                  {tenant, OID_TEXT, OID_TEXT}},
  };
  world->config.postgres.slot = "shop_outbox";
  world->config.postgres.publication = "shop_outbox";
  world->config.postgres.plugin = PLUGIN_PGOUTPUT;
  world->config.outbox_count = 1;
  world->config.outbox = world->outbox;
  world->catalog.tables = world->tables;
  world->tables[0].columns = world->columns;
}

static char word_latin1[] = "LATIN1", word_replica[] = "replica", word_physical[] = "physical", word_wal2json[] = "wal2json", word_other[] = "other",
            word_plugins[] = "pgoutput, \"test_decoding\"", word_near_plugins[] = "pgoutput2,xpgoutput", word_renamed[] = "renamed",
            word_events[] = "app.events";

#define SPOILER(name, ...)                                                                                                                                     \
  static void name(struct world *world)                                                                                                                        \
  {                                                                                                                                                            \
    __VA_ARGS__;                                                                                                                                               \
  }

static void use_wal2json(struct world *world)
{
  world->config.postgres.plugin = PLUGIN_WAL2JSON;
  world->catalog.slot_plugin = word_wal2json;
}

SPOILER(encoding, world->catalog.server_encoding = word_latin1)
SPOILER(wal_level, world->catalog.wal_level = word_replica)
SPOILER(old_standby, world->catalog.is_in_recovery = true)
SPOILER(role, world->catalog.role_may_replicate = false)
SPOILER(plugin_list, use_wal2json(world); world->catalog.allowed_plugins = word_plugins)
SPOILER(plugin_near_miss, world->catalog.allowed_plugins = word_near_plugins)
SPOILER(physical, world->catalog.slot_type = word_physical)
SPOILER(other_plugin, world->catalog.slot_plugin = word_wal2json)
SPOILER(other_database, world->catalog.slot_database = word_other)
SPOILER(temporary, world->catalog.slot_is_temporary = true)
SPOILER(no_slot, world->catalog.slot_exists = false)
SPOILER(neither, world->catalog.slot_exists = false; world->catalog.publication_exists = false)
SPOILER(neither_wal2json, use_wal2json(world); world->catalog.slot_exists = false; world->catalog.publication_exists = false)
SPOILER(copy_on_standby, world->catalog.server_version = 170011; world->catalog.is_in_recovery = true; world->catalog.slot_is_synced = true)
SPOILER(lost, world->catalog.slot_status = SLOT_LOST)
SPOILER(ahead, world->catalog.slot_confirmed = world->catalog.wal_end + 1)
SPOILER(no_publication, world->catalog.publication_exists = false)
SPOILER(no_insert, world->catalog.publishes_insert = false)
SPOILER(no_root, world->tables[0].is_partitioned = true; world->catalog.publishes_via_root = false)
SPOILER(no_table, world->tables[0].exists = false)
SPOILER(view, world->tables[0].is_view_or_other = true)
SPOILER(unlogged, world->tables[0].is_persistent = false)
SPOILER(unlogged_partition, world->tables[0].is_partitioned = true; world->tables[0].is_persistent = false)
SPOILER(unpublished, world->tables[0].is_published = false)
SPOILER(under_another_name, world->tables[0].published_as = word_events)
SPOILER(partitioned_wal2json, use_wal2json(world); world->tables[0].is_partitioned = true)
SPOILER(no_key_column, world->columns[2].name = word_renamed)
SPOILER(no_payload_column, world->columns[4].name = word_renamed)
SPOILER(no_route_column, world->columns[1].name = word_renamed)
SPOILER(configured_id, world->outbox[0].field_id = "event_id"; world->outbox[0].field_id_is_set = true)
SPOILER(configured_type, world->outbox[0].field_type = "kind"; world->outbox[0].field_type_is_set = true)
SPOILER(no_timestamp_column, world->outbox[0].field_timestamp = "created_at")
SPOILER(no_headers_column, world->outbox[0].field_event_headers = "headers", world->outbox[0].field_event_headers_is_set = true)
SPOILER(no_placement_column, world->outbox[0].placements = "tenant:header, nowhere : header:x")
SPOILER(bytea_domain, world->columns[4].type_oid = OID_DOMAIN; world->columns[4].base_type_oid = OID_BYTEA)
SPOILER(float_wal2json, use_wal2json(world); world->columns[2].base_type_oid = OID_FLOAT8)
SPOILER(numeric_placement_wal2json, use_wal2json(world); world->outbox[0].placements = "tenant:envelope"; world->columns[5].base_type_oid = OID_NUMERIC)
SPOILER(no_identity, world->outbox[0].invalid_operation = INVALID_OPERATION_FATAL; world->catalog.publishes_update = true;
        world->tables[0].has_primary_key = false)
SPOILER(no_updates, world->outbox[0].invalid_operation = INVALID_OPERATION_ERROR)
SPOILER(old_messages, world->config.outbox_count = 2; world->catalog.table_count = 2; world->catalog.server_version = 130020)

static const struct {
  const char *name;
  void (*spoil)(struct world *world);
  enum exit_code code;
  const char *text; /* in the problem */
  const char *hint; /* in its hint */
} refused[] = {
    {"encoding", encoding, EXIT_DATABASE_REFUSES, "encoding LATIN1", "UTF8"},
    {"wal_level", wal_level, EXIT_DATABASE_REFUSES, "wal_level of the server is replica", "ALTER SYSTEM SET wal_level = logical;"},
    {"old_standby", old_standby, EXIT_DATABASE_REFUSES, "standby", "target_session_attrs=read-write"},
    {"role", role, EXIT_DATABASE_REFUSES, "role \"relay\"", "ALTER ROLE \"relay\" REPLICATION;"},
    {"plugin_list", plugin_list, EXIT_DATABASE_REFUSES, "does not allow output plugin wal2json",
     "SET output_plugin_libraries = pgoutput, \"test_decoding\", wal2json; SELECT pg_reload_conf();"},
    {"plugin_near_miss", plugin_near_miss, EXIT_DATABASE_REFUSES, "does not allow output plugin pgoutput", "pgoutput2,xpgoutput, pgoutput;"},
    {"physical", physical, EXIT_DATABASE_REFUSES, "is a physical one", "postgres.slot"},
    {"other_plugin", other_plugin, EXIT_DATABASE_REFUSES, "made for plugin wal2json, not for pgoutput", "postgres.plugin"},
    {"other_database", other_database, EXIT_DATABASE_REFUSES, "belongs to database \"other\", not to \"shop\"", "postgres.slot"},
    {"temporary", temporary, EXIT_DATABASE_REFUSES, "temporary", "init"},
    {"no_slot", no_slot, EXIT_POSITION, "\"shop_outbox\" does not exist, but publication", "init --accept-gap"},
    {"neither", neither, EXIT_DATABASE_REFUSES, "neither replication slot", "cdc-relay init"},
    {"neither_wal2json", neither_wal2json, EXIT_DATABASE_REFUSES, "neither replication slot", "cdc-relay init"},
    {"copy_on_standby", copy_on_standby, EXIT_DATABASE_REFUSES, "is a copy of the primary's", "target_session_attrs=read-write"},
    {"lost", lost, EXIT_POSITION, "between 0/1000 and 0/2000", "init --accept-gap"},
    {"ahead", ahead, EXIT_POSITION, "confirmed to 0/2001, but the server's WAL ends at 0/2000", "init --accept-gap"},
    {"no_publication", no_publication, EXIT_DATABASE_REFUSES, "publication \"shop_outbox\" does not exist", "drop --yes"},
    {"no_insert", no_insert, EXIT_DATABASE_REFUSES, "does not publish inserts", "ALTER PUBLICATION \"shop_outbox\" SET (publish = 'insert');"},
    {"no_root", no_root, EXIT_DATABASE_REFUSES, "is partitioned", "SET (publish_via_partition_root = true);"},
    {"no_table", no_table, EXIT_DATABASE_REFUSES, "table public.outbox does not exist", "sql/outbox.sql"},
    {"view", view, EXIT_DATABASE_REFUSES, "public.outbox is not a table", "outbox[0].table"},
    {"unlogged", unlogged, EXIT_DATABASE_REFUSES, "unlogged", "ALTER TABLE \"public\".\"outbox\" SET LOGGED;"},
    {"unlogged_partition", unlogged_partition, EXIT_DATABASE_REFUSES, "has an unlogged partition", "\\d+ public.outbox"},
    {"under another name", under_another_name, EXIT_DATABASE_REFUSES, "publishes its rows under that name", "set outbox[0].table to app.events"},
    {"unpublished", unpublished, EXIT_DATABASE_REFUSES, "not in publication", "ALTER PUBLICATION \"shop_outbox\" ADD TABLE \"public\".\"outbox\";"},
    {"partitioned_wal2json", partitioned_wal2json, EXIT_DATABASE_REFUSES, "is partitioned: wal2json", "pgoutput"},
    {"no_key_column", no_key_column, EXIT_DATABASE_REFUSES, "no column \"aggregateid\"", "outbox[0].table.field.event.key"},
    {"no_payload_column", no_payload_column, EXIT_DATABASE_REFUSES, "no column \"payload\"", "outbox[0].table.field.event.payload"},
    {"no_route_column", no_route_column, EXIT_DATABASE_REFUSES, "no column \"aggregatetype\"", "outbox[0].route.by.field"},
    {"configured_id", configured_id, EXIT_DATABASE_REFUSES, "no column \"event_id\"", "table.field.event.id"},
    {"configured_type", configured_type, EXIT_DATABASE_REFUSES, "no column \"kind\"", "table.field.event.type"},
    {"no_timestamp_column", no_timestamp_column, EXIT_DATABASE_REFUSES, "no column \"created_at\"", "table.field.event.timestamp"},
    {"no_headers_column", no_headers_column, EXIT_DATABASE_REFUSES, "no column \"headers\"", "table.field.event.headers"},
    {"no_placement_column", no_placement_column, EXIT_DATABASE_REFUSES, "no column \"nowhere\"", "table.fields.additional.placement"},
    {"bytea_domain", bytea_domain, EXIT_DATABASE_REFUSES, "domain over bytea", "ALTER TABLE \"public\".\"outbox\" ALTER COLUMN \"payload\" TYPE bytea;"},
    {"float_wal2json", float_wal2json, EXIT_DATABASE_REFUSES, "NaN", "pgoutput"},
    {"numeric_placement_wal2json", numeric_placement_wal2json, EXIT_DATABASE_REFUSES, "\"tenant\"", "pgoutput"},
    {"no_identity", no_identity, EXIT_DATABASE_REFUSES, "no replica identity", "REPLICA IDENTITY FULL;"},
    {"no_updates", no_updates, EXIT_DATABASE_REFUSES, "does not publish updates", "SET (publish = 'insert, update');"},
    {"old_messages", old_messages, EXIT_DATABASE_REFUSES, "PostgreSQL 14", "wal2json"},
};

struct tally {
  size_t count;
  struct problem first;
};

static void tally(void *context, const struct problem *problem)
{
  struct tally *tally = context;

  if (tally->count++ == 0) {
    tally->first = *problem;
  }
}

Test(catalog, judge_refuses_each_fault_with_its_code_and_remedy)
{
  for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
    struct world world;
    struct problem problem = {0};
    struct tally all = {0};

    world_init(&world);
    refused[i].spoil(&world);
    cr_assert_eq(catalog_judge(&world.catalog, &world.config, &problem), VERDICT_FATAL, "%s was let through", refused[i].name);
    cr_expect_eq(problem.code, refused[i].code, "%s: code %d", refused[i].name, problem.code);
    cr_expect(strstr(problem.text, refused[i].text) != NULL, "%s: text is: %s", refused[i].name, problem.text);
    cr_expect(strstr(problem.hint, refused[i].hint) != NULL, "%s: hint is: %s", refused[i].name, problem.hint);
    catalog_problems(&world.catalog, &world.config, tally, &all);
    cr_expect_eq(all.count, 1, "%s: one fault is told %zu times", refused[i].name, all.count);
    cr_expect_str_eq(all.first.text, problem.text);
  }
}

SPOILER(nothing, (void)world)
SPOILER(all_with_wal2json, use_wal2json(world))
SPOILER(wal2json_without_publication, use_wal2json(world); world->catalog.publication_exists = false; world->tables[0].is_published = false)
SPOILER(partitioned_by_root, world->tables[0].is_partitioned = true)
SPOILER(builtin_columns_absent, world->columns[0].name = word_renamed; world->columns[3].name = word_other)
SPOILER(absent_placement_ignored, world->outbox[0].placements = "nowhere:header"; world->outbox[0].missing_is_error = false)
SPOILER(plain_bytea, world->columns[4].type_oid = OID_BYTEA; world->columns[4].base_type_oid = OID_BYTEA)
SPOILER(float_pgoutput, world->columns[5].base_type_oid = OID_FLOAT8; world->outbox[0].placements = "tenant:header")
SPOILER(unused_numeric_wal2json, use_wal2json(world); world->columns[5].base_type_oid = OID_NUMERIC)
SPOILER(confirmed_to_the_end, world->catalog.slot_confirmed = world->catalog.wal_end)
SPOILER(active_slot, world->catalog.slot_is_active = true; world->catalog.slot_active_pid = 7)
SPOILER(unreserved, world->catalog.slot_status = SLOT_UNRESERVED)
SPOILER(plugin_in_list, use_wal2json(world); static char list[] = "pgoutput,\"wal2json\""; world->catalog.allowed_plugins = list)
SPOILER(new_standby, world->catalog.is_in_recovery = true; world->catalog.server_version = 160000)
SPOILER(replaying_standby, world->catalog.is_in_recovery = true; world->catalog.server_version = 160000;
        world->catalog.slot_confirmed = world->catalog.wal_end + 1)
SPOILER(promoted_copy, world->catalog.server_version = 170011; world->catalog.slot_is_synced = true; world->catalog.slot_has_failover = true)
SPOILER(updates_published, world->outbox[0].invalid_operation = INVALID_OPERATION_FATAL; world->catalog.publishes_update = true)
SPOILER(messages, world->config.outbox_count = 2; world->catalog.table_count = 2)

static const struct {
  const char *name;
  void (*change)(struct world *world);
} accepted[] = {
    {"nothing", nothing},
    {"all_with_wal2json", all_with_wal2json},
    {"wal2json_without_publication", wal2json_without_publication},
    {"partitioned_by_root", partitioned_by_root},
    {"builtin_columns_absent", builtin_columns_absent},
    {"absent_placement_ignored", absent_placement_ignored},
    {"plain_bytea", plain_bytea},
    {"float_pgoutput", float_pgoutput},
    {"unused_numeric_wal2json", unused_numeric_wal2json},
    {"confirmed_to_the_end", confirmed_to_the_end},
    {"active_slot", active_slot},
    {"unreserved", unreserved},
    {"plugin_in_list", plugin_in_list},
    {"new_standby", new_standby},
    {"replaying_standby", replaying_standby},
    {"promoted_copy", promoted_copy},
    {"updates_published", updates_published},
    {"messages", messages},
};

Test(catalog, judge_accepts_what_is_merely_different)
{
  for (size_t i = 0; i < sizeof(accepted) / sizeof(*accepted); i++) {
    struct world world;
    struct problem problem = {0};

    world_init(&world);
    accepted[i].change(&world);
    cr_expect_eq(catalog_judge(&world.catalog, &world.config, &problem), VERDICT_OK, "%s: %s", accepted[i].name, problem.text);
  }
}

Test(catalog, several_faults_are_all_told)
{
  struct world world;
  struct tally all = {0};

  world_init(&world);
  world.catalog.wal_level = word_replica;
  world.catalog.slot_is_temporary = true;
  world.tables[0].is_published = false;
  world.columns[4].name = word_renamed;
  catalog_problems(&world.catalog, &world.config, tally, &all);
  cr_assert_eq(all.count, 4);
  cr_assert(strstr(all.first.text, "wal_level") != NULL);
}

/* A result as a server would send it; "-" stands for NULL. */
static PGresult *result_of(int columns, int rows, const char *const *values)
{
  PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
  PGresAttDesc attributes[32] = {0};
  static char name[] = "column";

  for (int i = 0; i < columns; i++) {
    attributes[i].name = name;
  }
  cr_assert(PQsetResultAttrs(result, columns, attributes));
  for (int row = 0; row < rows; row++) {
    for (int column = 0; column < columns; column++) {
      char value[64];
      bool is_null = strcmp(values[row * columns + column], "-") == 0;

      (void)snprintf(value, sizeof(value), "%s", values[row * columns + column]);
      cr_assert(PQsetvalue(result, row, column, is_null ? NULL : value, is_null ? -1 : (int)strlen(value)));
    }
  }
  return result;
}

static const char *const server_row[] = {
    "150020", "UTF8", "shop", "logical", "f",     "16/B374D848", "60000",    "",        "-",     "t",    "t", "wal2json",  "logical",
    "shop",   "f",    "t",    "4711",    "16/B0", "16/A0",       "extended", "1048576", "relay", "true", "-", "standby_1", "2024-01-01 00:00:00.5+00",
    "-5"};

Test(catalog, read_takes_the_servers_and_the_slots_fields)
{
  struct world world;
  struct catalog catalog;
  struct problem problem;
  PGresult *result = result_of(27, 1, server_row);

  world_init(&world);
  catalog_init(&catalog);
  cr_assert_eq(catalog_read(&catalog, &world.config, 0, result, &problem), VERDICT_OK);
  cr_expect_eq(catalog.server_version, 150020);
  cr_expect_eq(catalog.wal_end, 0x16B374D848u);
  cr_expect_eq(catalog.wal_sender_timeout_us, 60000000);
  cr_expect_null(catalog.allowed_plugins);
  cr_expect(catalog.role_may_replicate && catalog.slot_exists && catalog.slot_is_active && !catalog.slot_is_temporary && !catalog.is_in_recovery);
  cr_expect_eq(catalog.slot_active_pid, 4711);
  cr_expect_eq(catalog.slot_confirmed, 0x16000000B0u);
  cr_expect_eq(catalog.slot_restart, 0x16000000A0u);
  cr_expect_eq(catalog.slot_status, SLOT_EXTENDED);
  cr_expect_eq(catalog.slot_safe_bytes, 1048576);
  cr_expect_str_eq(catalog.slot_plugin, "wal2json");
  cr_expect_str_eq(catalog.role, "relay");
  cr_expect(catalog.slot_has_failover && !catalog.slot_is_synced);
  cr_expect_str_eq(catalog.synchronized_standby_slots, "standby_1");
  cr_expect_str_eq(catalog.mark.server, "2024-01-01 00:00:00.5+00");
  cr_expect_eq(catalog.mark.number, -5);
  /* Read again, as at every start of a session: nothing leaks, nothing old stays. */
  cr_expect_eq(catalog_read(&catalog, &world.config, 0, result, &problem), VERDICT_OK);
  PQclear(result);
  catalog_done(&catalog);
  cr_expect_null(catalog.role);
}

Test(catalog, read_refuses_an_answer_of_another_form)
{
  struct world world;
  struct catalog catalog;
  struct problem problem;
  static const int damaged_fields[] = {0, 4, 5, 6, 9, 10, 14, 15, 16, 17, 18, 20, 22, 26};

  world_init(&world);
  catalog_init(&catalog);
  for (size_t i = 0; i < sizeof(damaged_fields) / sizeof(*damaged_fields); i++) {
    const char *row[27];
    PGresult *result;

    memcpy(row, server_row, sizeof(row));
    row[damaged_fields[i]] = "x1";
    result = result_of(27, 1, row);
    cr_expect_eq(catalog_read(&catalog, &world.config, 0, result, &problem), VERDICT_RETRY, "field %d", damaged_fields[i]);
    PQclear(result);
  }
  {
    PGresult *few = result_of(26, 1, server_row);
    PGresult *none = result_of(27, 0, server_row);
    const char *out_of_range[] = {"7", "t", "r", "p", "t", "f", "d", "t", "t", "-", "0", "id", "25", "25", "f", "-"};
    PGresult *entry = result_of(16, 1, out_of_range);

    cr_expect_eq(catalog_read(&catalog, &world.config, 0, few, &problem), VERDICT_RETRY);
    cr_expect_eq(catalog_read(&catalog, &world.config, 0, none, &problem), VERDICT_RETRY);
    cr_expect_eq(catalog_read(&catalog, &world.config, 2, entry, &problem), VERDICT_RETRY);
    PQclear(few);
    PQclear(none);
    PQclear(entry);
  }
  catalog_done(&catalog);
}

Test(catalog, read_takes_publication_and_tables)
{
  static const char *const publication_row[] = {"t", "t", "f", "t", "f", "true", "owner"};
  static const char *const none_row[] = {"f", "-", "-", "-", "-", "-", "-"};
  static const char *const table_rows[] = {
      "0", "t", "p", "p", "t", "f", "d", "t", "t", "-", "12", "id",      "2950",  "2950", "t", "app.events", /* one column ... */
      "0", "t", "p", "p", "t", "f", "d", "t", "t", "-", "12", "payload", "16500", "17",   "t", "app.events", /* ... and another, of a domain */
  };
  struct world world;
  struct catalog catalog;
  struct problem problem;
  PGresult *publication = result_of(7, 1, publication_row);
  PGresult *none = result_of(7, 1, none_row);
  PGresult *tables = result_of(16, 2, table_rows);

  world_init(&world);
  world.config.outbox_count = 2;
  catalog_init(&catalog);
  cr_assert_eq(catalog_read(&catalog, &world.config, 1, publication, &problem), VERDICT_OK);
  cr_expect(catalog.publication_exists && catalog.publishes_insert && !catalog.publishes_update && catalog.publishes_delete && catalog.publishes_via_root);
  cr_assert_eq(catalog_read(&catalog, &world.config, 1, none, &problem), VERDICT_OK);
  cr_expect(!catalog.publication_exists && !catalog.publishes_insert && !catalog.publishes_via_root);
  cr_assert_eq(catalog_read(&catalog, &world.config, 2, tables, &problem), VERDICT_OK);
  cr_assert_eq(catalog_read(&catalog, &world.config, 2, tables, &problem), VERDICT_OK);
  cr_assert_eq(catalog.table_count, 2);
  cr_expect(catalog.tables[1].is_message && catalog.tables[1].column_count == 0);
  cr_expect(catalog.tables[0].exists && catalog.tables[0].is_partitioned && catalog.tables[0].has_payload_limit);
  cr_expect_eq(catalog.tables[0].rows_estimate, 12);
  cr_expect(catalog.tables[0].was_maintained);
  cr_expect_str_eq(catalog.tables[0].published_as, "app.events");
  cr_assert_eq(catalog.tables[0].column_count, 2);
  cr_expect_str_eq(catalog.tables[0].columns[1].name, "payload");
  cr_expect_eq(catalog.tables[0].columns[1].type_oid, 16500);
  cr_expect_eq(catalog.tables[0].columns[1].base_type_oid, 17);
  PQclear(publication);
  PQclear(none);
  PQclear(tables);
  catalog_done(&catalog);
}

Test(catalog, query_quotes_names_from_the_configuration)
{
  struct world world;
  char *sql;

  world_init(&world);
  world.outbox[0].table_name = "it's";
  world.config.postgres.publication = "a'; DROP TABLE outbox; --";
  sql = catalog_query(&world.config, 2);
  cr_expect(strstr(sql, "'it''s'") != NULL);
  cr_expect(strstr(sql, "'a''; DROP TABLE outbox; --'") != NULL);
  free(sql);
  sql = catalog_query(&world.config, 1);
  cr_expect(strstr(sql, "'a''; DROP TABLE outbox; --'") != NULL);
  free(sql);
}
