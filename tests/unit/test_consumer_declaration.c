/* test_consumer_declaration.c - what a consumer without a database may declare; that it may not publish is in test_consumer_publish.c, which is another program. */
#include "consumer.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>

static const struct subscription subscriptions[] = {{.topic = "things"}, {0}};

static struct consumer without_database(void)
{
  return (struct consumer){.name = "filing", .group = "filing", .listen = ":0", .subscriptions = subscriptions, .has_no_database = true};
}

/* `--help` ends what is sound. */
static int code_of(const struct consumer *consumer)
{
  char *arguments[] = {"filing", "--help", NULL};

  return consumer_main(consumer, 2, arguments);
}

static void note(void *state, const struct event *event, struct work *work, const char *why)
{
  (void)state;
  (void)event;
  (void)work;
  (void)why;
}

Test(consumer_declaration, a_consumer_may_have_no_database, .init = cr_redirect_stdout)
{
  struct consumer consumer = without_database();

  cr_expect_eq(code_of(&consumer), EXIT_DONE);
}

static void refused(const struct consumer *consumer)
{
  cr_expect_eq(code_of(consumer), EXIT_INVARIANT);
}

Test(consumer_declaration, without_a_database_nothing_is_declared_that_takes_one, .init = cr_redirect_stderr)
{
  struct consumer consumer = without_database();

  consumer.inbox_table = "inbox";
  refused(&consumer);
  consumer = without_database();
  consumer.outbox = &outbox_default;
  refused(&consumer);
  consumer = without_database();
  consumer.given_up = note;
  refused(&consumer);
  consumer = without_database();
  consumer.batch.events = 2;
  refused(&consumer);
  consumer = without_database();
  consumer.idempotence = IDEMPOTENCE_REDIS;
  refused(&consumer);
}

Test(consumer_declaration, what_is_wrong_is_named, .init = cr_redirect_stderr)
{
  struct consumer consumer = without_database();

  consumer.inbox_table = "inbox";
  refused(&consumer);
  cr_expect_stderr_eq_str("filing: has_no_database does not go with inbox_table\n");
}
