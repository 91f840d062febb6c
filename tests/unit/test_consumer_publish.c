/* test_consumer_publish.c - a program that calls consumer_publish() somewhere, as this one does, has a database, or does not start. */
#include "consumer.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>

static const struct subscription subscriptions[] = {{.topic = "things"}, {0}};

/* What a handler would call; nobody does. */
static void (*const volatile publishing)(struct consumption *, const struct outbox_event *) = consumer_publish;

static int code_of(const struct consumer *consumer)
{
  char *arguments[] = {"publishing", "--help", NULL};

  return consumer_main(consumer, 2, arguments);
}

Test(consumer_publish, who_publishes_has_a_database_or_does_not_start, .init = cr_redirect_stderr)
{
  struct consumer consumer = {.name = "publishing", .group = "g", .listen = ":0", .subscriptions = subscriptions, .has_no_database = true};

  cr_assert(publishing != NULL);
  cr_expect_eq(code_of(&consumer), EXIT_INVARIANT);
  cr_expect_stderr_eq_str("publishing: has_no_database does not go with consumer_publish(), which the program calls\n");
}

Test(consumer_publish, with_a_database_it_starts, .init = cr_redirect_stdout)
{
  struct consumer consumer = {.name = "publishing", .group = "g", .listen = ":0", .subscriptions = subscriptions, .inbox_table = "inbox"};

  cr_expect_eq(code_of(&consumer), EXIT_DONE);
}
