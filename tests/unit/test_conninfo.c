#include <criterion/criterion.h>
#include <poll.h>
#include <stdlib.h>

#include "session_fakes.h"
#include "stream/conninfo.h"

static struct conninfo make(struct config *config, enum pg_role role)
{
  struct conninfo conninfo;
  struct problem problem;

  cr_assert_eq(conninfo_init(&conninfo, config, role, &problem), VERDICT_OK);
  return conninfo;
}

Test(conninfo, the_forced_settings_come_behind_the_users_own)
{
  struct config *config = fake_config();
  struct conninfo conninfo;
  const char *options;

  config->postgres.url = "postgresql://u@h/db?options=-c%20datestyle%3DGerman";
  conninfo = make(config, PG_REPLICATION);
  options = conninfo_get(&conninfo, "options");
  cr_assert_not_null(strstr(options, "-c datestyle=German "));
  cr_assert_gt(strstr(options, "-c datestyle=ISO"), strstr(options, "-c datestyle=German"));
  cr_assert_str_eq(conninfo_get(&conninfo, "client_encoding"), "UTF8");
  cr_assert_str_eq(conninfo_get(&conninfo, "replication"), "database");
  conninfo_done(&conninfo);
}

/* All that tells the relay of a server that vanished: nobody there says so any more, and silence alone is no sign of it. */
Test(conninfo, each_connection_asks_the_kernel_to_notice_a_dead_server_unless_the_url_says_otherwise)
{
  static const struct {
    const char *keyword, *ours, *theirs;
  } limits[] = {
      {"connect_timeout", "10", "11"}, {"keepalives_idle", "10", "12"},        {"keepalives_interval", "5", "13"},
      {"keepalives_count", "4", "14"}, {"tcp_user_timeout", "10000", "15000"},
  };
  static const enum pg_role roles[] = {PG_REPLICATION, PG_ORDINARY, PG_ADMIN};
  struct config *config = fake_config();

  for (size_t r = 0; r < sizeof(roles) / sizeof(*roles); r++) {
    struct conninfo ours, theirs;

    config->postgres.url = "postgresql://u@h/db";
    ours = make(config, roles[r]);
    config->postgres.url = "postgresql://u@h/db?connect_timeout=11&keepalives_idle=12&keepalives_interval=13&keepalives_count=14&tcp_user_timeout=15000";
    theirs = make(config, roles[r]);
    for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
      cr_assert_not_null(conninfo_get(&ours, limits[i].keyword), "role %zu has no %s", r, limits[i].keyword);
      cr_assert_str_eq(conninfo_get(&ours, limits[i].keyword), limits[i].ours);
      cr_assert_str_eq(conninfo_get(&theirs, limits[i].keyword), limits[i].theirs);
    }
    conninfo_done(&ours);
    conninfo_done(&theirs);
  }
}

Test(conninfo, only_the_stream_is_a_walsender)
{
  struct config *config = fake_config();
  struct conninfo conninfo;

  config->postgres.url = "host=h dbname=db";
  conninfo = make(config, PG_ORDINARY);
  cr_assert_null(conninfo_get(&conninfo, "replication"));
  conninfo_done(&conninfo);
}

Test(conninfo, the_admin_url_serves_the_admin_and_never_gets_the_relays_password)
{
  struct config *config = fake_config();
  struct conninfo conninfo;

  config->postgres.url = "postgresql://relay@h/db";
  config->postgres.password = "secret";
  config->postgres.admin_url = "postgresql://owner@h/db";
  conninfo = make(config, PG_ADMIN);
  cr_assert_str_eq(conninfo_get(&conninfo, "user"), "owner");
  cr_assert_null(conninfo_get(&conninfo, "password"));
  conninfo_done(&conninfo);
  config->postgres.admin_url = NULL;
  conninfo = make(config, PG_ADMIN);
  cr_assert_str_eq(conninfo_get(&conninfo, "password"), "secret");
  conninfo_done(&conninfo);
}

Test(conninfo, a_bad_url_is_refused_without_repeating_it)
{
  struct config *config = fake_config();
  struct conninfo conninfo;
  struct problem problem;

  config->postgres.url = "postgresql://u:geheim@h:port:x/db?nonsense=1";
  cr_assert_eq(conninfo_init(&conninfo, config, PG_ORDINARY, &problem), VERDICT_FATAL);
  cr_assert_eq(problem.code, EXIT_USAGE);
  cr_assert_null(strstr(problem.text, "geheim"));
}

Test(conninfo, sockets_and_addresses_need_no_resolving)
{
  static const char *const urls[] = {"host=/run/postgresql", "host=127.0.0.1", "host=::1", "dbname=x", "host=name hostaddr=10.0.0.1", "host=/run/a,127.0.0.1"};
  struct config *config = fake_config();

  for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++) {
    const char *names[RESOLVER_HOSTS_MAX];
    struct conninfo conninfo;
    char *storage;

    config->postgres.url = urls[i];
    conninfo = make(config, PG_ORDINARY);
    cr_assert_eq(conninfo_hosts(&conninfo, names, &storage), 0, "%s", urls[i]);
    free(storage);
    conninfo_done(&conninfo);
  }
}

static struct resolver *resolve(const char *const *names, size_t count)
{
  struct resolver *resolver = resolver_new(names, count);
  struct pollfd fd = {.events = POLLIN};

  cr_assert_not_null(resolver);
  fd.fd = resolver_fd(resolver);
  cr_assert_eq(poll(&fd, 1, 30000), 1);
  cr_assert(resolver_is_done(resolver));
  return resolver;
}

Test(conninfo, each_address_of_each_host_is_tried_in_order_with_its_port)
{
  struct config *config = fake_config();
  const char *names[RESOLVER_HOSTS_MAX];
  struct conninfo conninfo;
  struct problem problem;
  struct resolver *resolver;
  char *storage;
  size_t count;

  config->postgres.url = "host=/run/a,localhost,127.0.0.9 port=1,2,3";
  conninfo = make(config, PG_ORDINARY);
  count = conninfo_hosts(&conninfo, names, &storage);
  cr_assert_eq(count, 3);
  cr_assert_null(names[0]);
  cr_assert_str_eq(names[1], "localhost");
  cr_assert_null(names[2]);
  resolver = resolve(names, count);
  cr_assert_eq(conninfo_resolve(&conninfo, resolver, &problem), VERDICT_OK);
  cr_assert_eq(strncmp(conninfo_get(&conninfo, "host"), "/run/a,localhost,", 17), 0);
  cr_assert_not_null(strstr(conninfo_get(&conninfo, "hostaddr"), "127.0.0.1"));
  cr_assert_eq(conninfo_get(&conninfo, "hostaddr")[0], ',', "a socket has no address");
  cr_assert_eq(strncmp(conninfo_get(&conninfo, "port"), "1,2,", 4), 0);
  cr_assert_str_eq(strrchr(conninfo_get(&conninfo, "port"), ','), ",3");
  resolver_free(resolver);
  free(storage);
  conninfo_done(&conninfo);
}

Test(conninfo, a_name_that_does_not_exist_is_named_and_retried)
{
  struct config *config = fake_config();
  const char *names[RESOLVER_HOSTS_MAX];
  struct conninfo conninfo;
  struct problem problem;
  struct resolver *resolver;
  char *storage;
  size_t count;

  config->postgres.url = "host=no-such-host.invalid";
  conninfo = make(config, PG_ORDINARY);
  count = conninfo_hosts(&conninfo, names, &storage);
  resolver = resolve(names, count);
  cr_assert_eq(conninfo_resolve(&conninfo, resolver, &problem), VERDICT_RETRY);
  cr_assert_not_null(strstr(problem.text, "no-such-host.invalid"));
  resolver_free(resolver);
  free(storage);
  conninfo_done(&conninfo);
}

Test(conninfo, a_place_that_says_nothing_is_left_out_of_the_lists)
{
  static const struct {
    const char *url;
    struct conninfo_place place;
    bool is_left_out;
    const char *host, *address, *port; /* then; NULL: not set */
  } cases[] = {
      {"host=a,b,c hostaddr=10.0.0.1,10.0.0.2,10.0.0.3 port=1,2,3", {"a", "10.0.0.1", "1"}, true, "b,c", "10.0.0.2,10.0.0.3", "2,3"},
      {"host=a,b,c hostaddr=10.0.0.1,10.0.0.2,10.0.0.3 port=1,2,3", {"b", "10.0.0.2", "2"}, true, "a,c", "10.0.0.1,10.0.0.3", "1,3"},
      {"host=a,b,c hostaddr=10.0.0.1,10.0.0.2,10.0.0.3 port=1,2,3", {"c", "10.0.0.3", "3"}, true, "a,b", "10.0.0.1,10.0.0.2", "1,2"},
      {"host=a,a hostaddr=10.0.0.1,10.0.0.2 port=5", {"a", "10.0.0.2", "5"}, true, "a", "10.0.0.1", "5"},
      {"host=a,a hostaddr=FE80::0001,fe80::2", {"a", "fe80::1", "5432"}, true, "a", "fe80::2", NULL},
      {"hostaddr=10.0.0.1,10.0.0.2", {"10.0.0.2", "10.0.0.2", "5432"}, true, NULL, "10.0.0.1", NULL},
      {"host=10.0.0.1,10.0.0.1 port=1,2", {"10.0.0.1", "10.0.0.1", "2"}, true, "10.0.0.1", NULL, "1"},
      {"host=/run/a,b hostaddr=,10.0.0.2", {"/run/a", "", "5432"}, true, "b", "10.0.0.2", NULL},
      {"host=a hostaddr=10.0.0.1", {"a", "10.0.0.1", "5432"}, false, "a", "10.0.0.1", NULL},
      {"host=a,b hostaddr=10.0.0.1,10.0.0.2", {"a", "10.0.0.2", "5432"}, false, "a,b", "10.0.0.1,10.0.0.2", NULL},
      {"host=a,b hostaddr=10.0.0.1,10.0.0.2 port=1,2", {"a", "10.0.0.1", "2"}, false, "a,b", "10.0.0.1,10.0.0.2", "1,2"},
      {"dbname=x", {"/run/postgresql", "", "5432"}, false, NULL, NULL, NULL},
  };
  static const char *const keywords[] = {"host", "hostaddr", "port"};
  struct config *config = fake_config();

  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    const char *const wanted[] = {cases[i].host, cases[i].address, cases[i].port};
    struct conninfo conninfo;

    config->postgres.url = cases[i].url;
    conninfo = make(config, PG_ORDINARY);
    cr_expect_eq(conninfo_leave_out(&conninfo, &cases[i].place), cases[i].is_left_out, "%zu", i);
    for (size_t k = 0; k < 3; k++) {
      const char *is = conninfo_get(&conninfo, keywords[k]);

      cr_expect(wanted[k] == NULL ? is == NULL : is != NULL && strcmp(is, wanted[k]) == 0, "%zu: %s is %s", i, keywords[k], is != NULL ? is : "not set");
    }
    conninfo_done(&conninfo);
  }
}

Test(conninfo, a_second_connection_goes_to_the_one_place_of_the_first)
{
  static const struct conninfo_place places[] = {{"db2", "10.0.0.2", "5433"}, {"/run/postgresql", "", "5432"}};
  struct config *config = fake_config();
  const char *names[RESOLVER_HOSTS_MAX];
  char *storage;

  config->postgres.url = "host=db1,db2 port=5432,5433 dbname=x";
  for (size_t i = 0; i < 2; i++) {
    struct conninfo conninfo = make(config, PG_REPLICATION);

    conninfo_lead_to(&conninfo, &places[i]);
    cr_assert_str_eq(conninfo_get(&conninfo, "host"), places[i].host);
    cr_assert_str_eq(conninfo_get(&conninfo, "hostaddr"), places[i].address);
    cr_assert_str_eq(conninfo_get(&conninfo, "port"), places[i].port);
    cr_assert_eq(conninfo_hosts(&conninfo, names, &storage), 0, "nothing is left to be resolved");
    conninfo_done(&conninfo);
  }
}

Test(conninfo, the_time_for_one_place_is_connect_timeout)
{
  static const struct {
    const char *url;
    int seconds;
  } cases[] = {{"dbname=x", 10}, {"connect_timeout=3", 3}, {"connect_timeout=0", 0}, {"connect_timeout=-1", 0}, {"connect_timeout=99999999999", 0}};
  struct config *config = fake_config();

  for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    struct conninfo conninfo;

    config->postgres.url = cases[i].url;
    conninfo = make(config, PG_ORDINARY);
    cr_expect_eq(conninfo_timeout_s(&conninfo), cases[i].seconds, "%s", cases[i].url);
    conninfo_done(&conninfo);
  }
}

Test(resolver, a_request_that_is_given_up_is_freed_by_its_thread)
{
  const char *names[] = {"localhost"};

  resolver_free(resolver_new(names, 1));
}
