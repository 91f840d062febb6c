#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sender.h"

static const struct log quiet = {.level = LOG_ERROR, .fd = 2};
static const struct notice notice = {.topic = "order.created.v1",
                                     .partition = 2,
                                     .offset = 17,
                                     .event_id = "1",
                                     .correlation_id = "c-1",
                                     .idempotency_key = "order.created.v1/1",
                                     .kind = "ORDER_CREATED",
                                     .order_id = "o-1",
                                     .customer_id = "user-1",
                                     .recipient = "a@example.com",
                                     .text = "Your order\no-1"};

static enum verdict send_to(const char *prefix, const char *customer)
{
  const struct sender_settings settings = {.kind = SENDER_LOG, .fail_prefix = prefix};
  struct notice one = notice;
  struct sender *sender;
  struct problem problem;
  enum verdict verdict;

  one.customer_id = customer;
  cr_assert_eq(sender_open(&settings, &quiet, &sender, &problem), VERDICT_OK);
  verdict = sender_send(sender, &one, &problem);
  sender_close(sender);
  return verdict;
}

Test(sender, customers_with_the_prefix_cannot_be_reached)
{
  cr_assert_eq(send_to("fail-", "fail-user-1"), VERDICT_FATAL);
  cr_assert_eq(send_to("fail-", "fail-"), VERDICT_FATAL);
  cr_assert_eq(send_to("fail-", "fail"), VERDICT_OK);
  cr_assert_eq(send_to("fail-", "user-fail-"), VERDICT_OK);
  cr_assert_eq(send_to("-", "-user"), VERDICT_OK);
  cr_assert_eq(send_to("", "fail-user-1"), VERDICT_OK);
}

Test(sender, a_file_gets_a_line_per_notice_with_its_key)
{
  char name[] = "/tmp/sender.XXXXXX";
  int fd = mkstemp(name);
  const struct sender_settings settings = {.kind = SENDER_FILE, .file = name, .fail_prefix = "-"};
  struct sender *sender;
  struct problem problem;
  char line[1024];
  FILE *file;

  cr_assert_geq(fd, 0);
  for (int i = 0; i < 2; i++) {
    cr_assert_eq(sender_open(&settings, &quiet, &sender, &problem), VERDICT_OK);
    cr_assert_eq(sender_send(sender, &notice, &problem), VERDICT_OK);
    sender_close(sender);
  }
  file = fdopen(fd, "r");
  for (int i = 0; i < 2; i++) {
    json_t *object;

    cr_assert_not_null(fgets(line, sizeof(line), file));
    object = json_loads(line, 0, NULL);
    cr_assert_str_eq(json_string_value(json_object_get(object, "idempotencyKey")), "order.created.v1/1");
    cr_assert_str_eq(json_string_value(json_object_get(object, "recipient")), "a@example.com");
    json_decref(object);
  }
  cr_assert_null(fgets(line, sizeof(line), file));
  (void)fclose(file);
  (void)unlink(name);
}

/* A log is read by more people than a mail: it says of what a notice was, and neither to whom nor what. */
Test(sender, the_log_gets_a_line_per_notice_with_the_place_of_its_event)
{
  const struct sender_settings settings = {.kind = SENDER_LOG, .fail_prefix = "-"};
  struct log log = {.level = LOG_INFO, .format = LOG_JSON};
  struct sender *sender;
  struct problem problem;
  char line[1024] = "";
  json_t *object;
  int ends[2];

  cr_assert_eq(pipe(ends), 0);
  log.fd = ends[1];
  cr_assert_eq(sender_open(&settings, &log, &sender, &problem), VERDICT_OK);
  cr_assert_eq(sender_send(sender, &notice, &problem), VERDICT_OK);
  sender_close(sender);
  cr_assert_gt(read(ends[0], line, sizeof(line) - 1), 0);
  object = json_loads(line, 0, NULL);
  cr_assert_str_eq(json_string_value(json_object_get(object, "event")), "notification");
  cr_assert_str_eq(json_string_value(json_object_get(object, "topic")), "order.created.v1");
  cr_assert_eq(json_integer_value(json_object_get(object, "partition")), 2);
  cr_assert_eq(json_integer_value(json_object_get(object, "offset")), 17);
  cr_assert_str_eq(json_string_value(json_object_get(object, "event_id")), "1");
  cr_assert_str_eq(json_string_value(json_object_get(object, "correlation_id")), "c-1");
  cr_assert_str_eq(json_string_value(json_object_get(object, "idempotency_key")), "order.created.v1/1");
  cr_assert_null(strstr(line, "example.com"), "%s", line);
  cr_assert_null(strstr(line, "Your order"), "%s", line);
  json_decref(object);
  (void)close(ends[0]);
  (void)close(ends[1]);
}

/* The log is the way out here: what it did not take was not sent. */
Test(sender, a_log_that_takes_nothing_is_a_way_out_that_is_broken)
{
  const struct sender_settings settings = {.kind = SENDER_LOG, .fail_prefix = "-"};
  const struct log nowhere = {.level = LOG_INFO, .format = LOG_JSON, .fd = -1};
  struct sender *sender;
  struct problem problem;

  cr_assert_eq(sender_open(&settings, &nowhere, &sender, &problem), VERDICT_OK);
  cr_assert_eq(sender_send(sender, &notice, &problem), VERDICT_RETRY);
  sender_close(sender);
}

Test(sender, a_full_disk_passes_and_a_missing_folder_does_not)
{
  const struct sender_settings full = {.kind = SENDER_FILE, .file = "/dev/full", .fail_prefix = "-"};
  const struct sender_settings missing = {.kind = SENDER_FILE, .file = "/nonexistent/file", .fail_prefix = "-"};
  const struct sender_settings none = {.kind = SENDER_FILE, .file = "", .fail_prefix = "-"};
  struct sender *sender;
  struct problem problem;

  cr_assert_eq(sender_open(&full, &quiet, &sender, &problem), VERDICT_OK);
  cr_assert_eq(sender_send(sender, &notice, &problem), VERDICT_RETRY);
  sender_close(sender);
  cr_assert_eq(sender_open(&missing, &quiet, &sender, &problem), VERDICT_FATAL);
  cr_assert_eq(sender_open(&none, &quiet, &sender, &problem), VERDICT_FATAL);
}
