/* fake_config.c - one entry, public.outbox, with every default. */
#include "session_fakes.h"

struct config_outbox *fake_config_outbox(void)
{
  static struct config_outbox entry;
  static const char *const allow[] = {"outbox.event.*"};

  entry = (struct config_outbox){
      .table = "public.outbox",
      .table_schema = "public",
      .table_name = "outbox",
      .field_id = "id",
      .field_key = "aggregateid",
      .field_type = "type",
      .field_payload = "payload",
      .field_event_headers = "headers",
      .missing_is_error = true,
      .route_by_field = "aggregatetype",
      .route_regex = "(?<routedByValue>.*)",
      .route_replacement = "outbox.event.${routedByValue}",
      .tracing_field = "tracingspancontext",
      .allow_count = 1,
      .allow = allow,
  };
  return &entry;
}

struct config *fake_config(void)
{
  static struct config config;

  config = (struct config){.name = "test", .outbox_count = 1, .outbox = fake_config_outbox()};
  config.postgres.slot = "test_outbox";
  config.postgres.publication = "test_outbox";
  config.delivery.drain_timeout_ms = 10000;
  config.delivery.confirm_interval_ms = 100;
  return &config;
}
