#include <criterion/criterion.h>
#include <stdlib.h>

#include "session_fakes.h"
#include "stream/pg_stream.h"

static void expect(const struct config *config, int version, const char *expected)
{
  char *command = pg_stream_command(config, version, UINT64_C(0x100000abc));

  cr_assert_str_eq(command, expected);
  free(command);
}

Test(pg_command, pgoutput_asks_for_the_publication_and_nothing_in_progress)
{
  expect(fake_config(), 150000, "START_REPLICATION SLOT \"test_outbox\" LOGICAL 1/ABC (\"proto_version\" '1', \"publication_names\" '\"test_outbox\"')");
}

Test(pg_command, a_publication_of_any_name_is_quoted_for_both_grammars)
{
  struct config *config = fake_config();

  config->postgres.publication = "o'd\"d\\";
  expect(config, 150000, "START_REPLICATION SLOT \"test_outbox\" LOGICAL 1/ABC (\"proto_version\" '1', \"publication_names\" '\"o''d\"\"d\\\"')");
}

Test(pg_command, messages_are_asked_for_only_with_a_prefix_and_only_where_the_server_knows_them)
{
  struct config *config = fake_config();
  struct config_outbox entries[2] = {config->outbox[0], {.message_prefix = "outbox"}};

  config->outbox = entries;
  config->outbox_count = 2;
  expect(config, 150000,
         "START_REPLICATION SLOT \"test_outbox\" LOGICAL 1/ABC (\"proto_version\" '1', \"publication_names\" '\"test_outbox\"', \"messages\" 'true')");
  expect(config, 130000, "START_REPLICATION SLOT \"test_outbox\" LOGICAL 1/ABC (\"proto_version\" '1', \"publication_names\" '\"test_outbox\"')");
}

static char *wal2json_option(const struct config *config, const char *name)
{
  static char value[256];
  char *command = pg_stream_command(config, 150000, 0);
  char pattern[64];
  const char *at;
  size_t length = 0;

  (void)snprintf(pattern, sizeof(pattern), "\"%s\" '", name);
  at = strstr(command, pattern);
  value[0] = '\0';
  if (at != NULL) {
    at += strlen(pattern);
    while (at[length] != '\0' && !(at[length] == '\'' && at[length + 1] != '\'')) {
      length += at[length] == '\'' ? 2 : 1;
    }
    memcpy(value, at, length);
    value[length] = '\0';
  }
  free(command);
  return value;
}

Test(pg_command, wal2json_gets_every_table_escaped)
{
  struct config *config = fake_config();
  struct config_outbox entries[2] = {config->outbox[0], {.table_schema = "my schema", .table_name = "o,d.d*'"}};

  config->postgres.plugin = PLUGIN_WAL2JSON;
  config->outbox = entries;
  config->outbox_count = 2;
  cr_assert_str_eq(wal2json_option(config, "format-version"), "2");
  cr_assert_str_eq(wal2json_option(config, "include-type-oids"), "1");
  cr_assert_str_eq(wal2json_option(config, "actions"), "insert");
  cr_assert_str_eq(wal2json_option(config, "add-tables"), "public.outbox,my\\ schema.o\\,d\\.d\\*\\''");
}

Test(pg_command, wal2json_asks_for_updates_only_where_they_are_an_error)
{
  struct config *config = fake_config();
  struct config_outbox entry = config->outbox[0];

  config->postgres.plugin = PLUGIN_WAL2JSON;
  config->outbox = &entry;
  entry.invalid_operation = INVALID_OPERATION_FATAL;
  cr_assert_str_eq(wal2json_option(config, "actions"), "insert,update");
}

Test(pg_command, wal2json_never_gets_an_empty_list_that_would_mean_everything)
{
  struct config *config = fake_config();
  struct config_outbox entry = {.message_prefix = "outbox"};

  config->postgres.plugin = PLUGIN_WAL2JSON;
  cr_assert_str_neq(wal2json_option(config, "add-msg-prefixes"), "");
  config->outbox = &entry;
  cr_assert_str_neq(wal2json_option(config, "add-tables"), "");
  cr_assert_str_eq(wal2json_option(config, "add-msg-prefixes"), "outbox");
}
