/*
 * fault_writer.c - services at work while things break: transactions with outbox rows, on several connections, told in a history (README.md of this folder).
 *
 *   fault_writer [OPTION...] CONNINFO         writes until its limits are reached or SIGTERM comes, which lets transactions end
 *   fault_writer --resolve [OPTION] CONNINFO  prints what the table holds, one line a row, then a line `resolved`
 *
 * A connection that is lost is opened again, for as long as it takes. Exit code 0 after the limits or SIGTERM, 1 when the database could not be prepared within half a
 * minute, 2 for options that make no sense.
 */
#include <getopt.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"
#include "stop_signal.h"

enum { CONNECTIONS_MAX = 256, PREPARE_SECONDS = 30, ANSWER_SECONDS = 90, LATE_US = 1000000 };

static const char usage_text[] = "usage: fault_writer [OPTION...] CONNINFO\n"
                                 "  --output FILE        the history, appended; standard output by default\n"
                                 "  --connections N      4\n"
                                 "  --rate N             transactions per second, all connections together; 200; 0: as fast as it goes\n"
                                 "  --seconds S          ends after so long; 0: not by time\n"
                                 "  --transactions N     ends after so many; 0: not by number\n"
                                 "  --keys N             100\n"
                                 "  --key-prefix TEXT    k\n"
                                 "  --events A-B         events of a transaction, small numbers more often; 1-6\n"
                                 "  --rollbacks SHARE    transactions that are rolled back; 0.05\n"
                                 "  --savepoints SHARE   transactions with a savepoint, half of which are rolled back to; 0.1\n"
                                 "  --payload A-B        bytes of a payload, about, small ones more often; 60-1500\n"
                                 "  --topics A,B,...     values of aggregatetype\n"
                                 "  --topic-prefix TEXT  what the relay's topics begin with; outbox.event.\n"
                                 "  --seed N             of all chance but the ids; 1\n"
                                 "  --poison             its topics are to refuse all its events for good, which are of type " LOAD_TYPE_POISON "\n"
                                 "  --pause S            before a lost connection is opened again; 0.1\n"
                                 "  --resolve            prints the rows of public.outbox instead of writing any\n";

struct service {
  pthread_t thread;
  struct load_session session;
  int64_t end_us; /* CLOCK_MONOTONIC, 0: none */
  int64_t count;  /* transactions to do, 0: no limit */
};

static void *serve(void *argument)
{
  struct service *service = argument;
  struct load_session *session = &service->session;
  const struct load *load = session->load;
  double due_us = (double)stop_signal_clock_us();
  int64_t done = 0;

  while (!stop_signal_was_sent() && (service->end_us == 0 || stop_signal_clock_us() < service->end_us) && (service->count == 0 || done < service->count)) {
    if (session->database.connection == NULL && !load_session_open(session)) {
      stop_signal_sleep_until(stop_signal_clock_us() + (int64_t)(load->pause_s * 1e6));
      continue;
    }
    if (load->rate > 0) {
      int64_t now_us = stop_signal_clock_us();

      /* After an outage it does not make up for what it could not write. */
      due_us = due_us + LATE_US < (double)now_us ? (double)now_us : due_us;
      due_us += -log(1 - dice_share(&session->dice)) * load->connections / load->rate * 1e6;
      stop_signal_sleep_until((int64_t)due_us);
      if (stop_signal_was_sent()) {
        break;
      }
    }
    done++;
    if (!load_session_run(session)) {
      session->counts.losses++;
      stop_signal_sleep_until(stop_signal_clock_us() + (int64_t)(load->pause_s * 1e6));
    }
  }
  return NULL;
}

static bool prepare(const struct load *load)
{
  struct database database = {.conninfo = load->conninfo, .name = "fault_writer", .patience_us = ANSWER_SECONDS * INT64_C(1000000)};
  int64_t deadline_us = stop_signal_clock_us() + PREPARE_SECONDS * INT64_C(1000000);
  bool is_done = false;

  while (!is_done && !stop_signal_was_sent() && stop_signal_clock_us() < deadline_us) {
    is_done = database_open(&database) && load_prepare_keys(load, &database);
    if (!is_done) {
      stop_signal_sleep_until(stop_signal_clock_us() + 200000);
    }
  }
  database_close(&database);
  return is_done;
}

static bool write_load(const struct load *load)
{
  struct service *services = calloc((size_t)load->connections, sizeof(*services));
  struct load_counts sum = {0};

  if (services == NULL) {
    abort();
  }
  for (int i = 0; i < load->connections; i++) {
    struct service *service = &services[i];

    service->session.load = load;
    service->session.database = (struct database){.conninfo = load->conninfo, .name = "fault_writer", .patience_us = ANSWER_SECONDS * INT64_C(1000000)};
    service->session.dice.state = load->seed * 1000003 + (uint64_t)i;
    service->session.number = i;
    service->end_us = load->seconds > 0 ? stop_signal_clock_us() + (int64_t)(load->seconds * 1e6) : 0;
    service->count = load->transactions / load->connections + (i < load->transactions % load->connections ? 1 : 0);
    if (load->transactions > 0 && service->count == 0) {
      service->end_us = 1; /* nothing is left for this one */
    }
    if (pthread_create(&service->thread, NULL, serve, service) != 0) {
      abort();
    }
  }
  for (int i = 0; i < load->connections; i++) {
    const struct load_counts *counts = &services[i].session.counts;

    (void)pthread_join(services[i].thread, NULL);
    sum.committed += counts->committed;
    sum.rolled_back += counts->rolled_back;
    sum.unknown += counts->unknown;
    sum.events += counts->events;
    sum.losses += counts->losses;
    load_session_done(&services[i].session);
  }
  free(services);
  (void)fprintf(stderr, "fault_writer: committed %lld transactions with %lld events, rolled back %lld, unknown %lld; connections lost %lld\n",
                (long long)sum.committed, (long long)sum.events, (long long)sum.rolled_back, (long long)sum.unknown, (long long)sum.losses);
  return true;
}

static int refuse(const char *what)
{
  (void)fprintf(stderr, "fault_writer: %s\n%s", what, usage_text);
  return 2;
}

static bool read_number(const char *text, double least, double most, double *ret_number)
{
  char *end;
  double number = strtod(text, &end);

  if (end == text || *end != '\0' || !(number >= least && number <= most)) {
    return false;
  }
  *ret_number = number;
  return true;
}

/* A-B, or A for both. */
static bool read_range(const char *text, uint32_t most, uint32_t *ret_least, uint32_t *ret_most)
{
  char *end;
  unsigned long a = strtoul(text, &end, 10), b = a;

  if (end != text && *end == '-') {
    text = end + 1;
    b = strtoul(text, &end, 10);
  }
  if (end == text || *end != '\0' || a > b || b > most) {
    return false;
  }
  *ret_least = (uint32_t)a;
  *ret_most = (uint32_t)b;
  return true;
}

static bool read_topics(struct load *load, char *list)
{
  char *rest;

  load->topic_count = 0;
  for (char *topic = strtok_r(list, ",", &rest); topic != NULL; topic = strtok_r(NULL, ",", &rest)) {
    if (load->topic_count == LOAD_TOPICS_MAX) {
      return false;
    }
    load->topics[load->topic_count++] = topic;
  }
  return load->topic_count > 0;
}

static const struct option options[] = {
    {"output", required_argument, NULL, 'o'},
    {"connections", required_argument, NULL, 'c'},
    {"rate", required_argument, NULL, 'r'},
    {"seconds", required_argument, NULL, 's'},
    {"transactions", required_argument, NULL, 'n'},
    {"keys", required_argument, NULL, 'k'},
    {"key-prefix", required_argument, NULL, 'K'},
    {"events", required_argument, NULL, 'e'},
    {"rollbacks", required_argument, NULL, 'b'},
    {"savepoints", required_argument, NULL, 'p'},
    {"payload", required_argument, NULL, 'y'},
    {"topics", required_argument, NULL, 't'},
    {"topic-prefix", required_argument, NULL, 'T'},
    {"seed", required_argument, NULL, 'S'},
    {"pause", required_argument, NULL, 'P'},
    {"poison", no_argument, NULL, 'Q'},
    {"resolve", no_argument, NULL, 'R'},
    {NULL, 0, NULL, 0},
};

/* Returns false for an option that makes no sense. */
static bool read_option(struct load *load, int option, char *value)
{
  double number = 0;
  bool is_good = true;

  switch (option) {
  case 'c':
    is_good = read_number(value, 1, CONNECTIONS_MAX, &number);
    load->connections = (int)number;
    break;
  case 'r':
    is_good = read_number(value, 0, 1e6, &load->rate);
    break;
  case 's':
    is_good = read_number(value, 0, 1e6, &load->seconds);
    break;
  case 'n':
    is_good = read_number(value, 0, 1e9, &number);
    load->transactions = (int64_t)number;
    break;
  case 'k':
    is_good = read_number(value, 1, 1e6, &number);
    load->keys = (uint32_t)number;
    break;
  case 'K':
    load->key_prefix = value;
    break;
  case 'e':
    is_good = read_range(value, LOAD_EVENTS_MAX, &load->events_least, &load->events_most);
    break;
  case 'b':
    is_good = read_number(value, 0, 1, &load->rollbacks);
    break;
  case 'p':
    is_good = read_number(value, 0, 1, &load->savepoints);
    break;
  case 'y':
    is_good = read_range(value, LOAD_PAYLOAD_MAX_BYTES, &load->payload_least, &load->payload_most);
    break;
  case 't':
    is_good = read_topics(load, value);
    break;
  case 'T':
    load->topic_prefix = value;
    break;
  case 'S':
    load->seed = strtoull(value, NULL, 10);
    break;
  case 'P':
    is_good = read_number(value, 0, 60, &load->pause_s);
    break;
  case 'Q':
    load->type = LOAD_TYPE_POISON;
    break;
  default:
    is_good = false;
  }
  return is_good;
}

int main(int argc, char **argv)
{
  struct load load = {.connections = 4,
                      .rate = 200,
                      .keys = 100,
                      .key_prefix = "k",
                      .events_least = 1,
                      .events_most = 6,
                      .rollbacks = 0.05,
                      .savepoints = 0.1,
                      .payload_least = 60,
                      .payload_most = 1500,
                      .topic_prefix = "outbox.event.",
                      .type = LOAD_TYPE,
                      .seed = 1,
                      .pause_s = 0.1};
  const char *output = "-";
  bool is_resolve = false;
  int option;

  while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
    if (option == 'o') {
      output = optarg;
    } else if (option == 'R') {
      is_resolve = true;
    } else if (option == '?' || !read_option(&load, option, optarg)) {
      return refuse("an option makes no sense");
    }
  }
  if (optind + 1 != argc) {
    return refuse("one conninfo is wanted");
  }
  load.conninfo = argv[optind];
  if (!is_resolve && load.topic_count == 0) {
    return refuse("--topics is wanted");
  }
  load.output = json_line_open_file(output);
  stop_signal_install();
  if (is_resolve) {
    return load_resolve(&load) ? 0 : 1;
  }
  if (!prepare(&load)) {
    (void)fprintf(stderr, "fault_writer: could not make fault_keys in %d s\n", PREPARE_SECONDS);
    return stop_signal_was_sent() ? 0 : 1;
  }
  return write_load(&load) ? 0 : 1;
}
