/*
 * relay.c - the only file that knows all stages. Builds them, wires them to one session, and turns one loop on one thread:
 *
 *   wait    poll() on: replication socket, producer's eventfd, second connection, admin server, signals; not longer than the nearest deadline
 *   turn    session_step(), slot_monitor_step(), admin_step()
 *
 * It also speaks: every log line of a running relay is written in relay_news.c, which hears of everything through the session's observer.
 */
#include "relay.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "commands/commands.h"
#include "publish/kafka_publisher.h"
#include "relay_news.h"
#include "relay_pages.h"
#include "relay_priv.h"
#include "stream/pg_stream.h"

enum {
  MONITOR_INTERVAL_US = 5000000,
  MONITOR_STANDBY_US = 500000,
  INIT_RETRY_US = 2000000,
  TRIM_EVENTS = 10000,
  TRIM_INTERVAL_US = 10000000,
  REFUSED_POLL_US = 10000,
  LOOP_MAX_US = 1000000, /* the loop turns at least so often, for the lines of once a minute and for /livez */
};

enum poll_slot { POLL_SIGNALS, POLL_STREAM, POLL_PUBLISHER, POLL_MONITOR, POLL_ADMIN, POLL_COUNT };

static int signals_open(void)
{
  sigset_t signals;

  (void)sigemptyset(&signals);
  (void)sigaddset(&signals, SIGTERM);
  (void)sigaddset(&signals, SIGINT);
  (void)sigaddset(&signals, SIGHUP);
  (void)signal(SIGPIPE, SIG_IGN);
  (void)sigprocmask(SIG_BLOCK, &signals, NULL);
  return signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
}

static void reload(struct relay *relay)
{
  struct problem problem;
  bool changed = false;
  enum verdict verdict = config_reload_secrets(relay->config, &changed, &problem);

  news_reloaded(relay, verdict, changed, &problem);
  if (verdict == VERDICT_OK && (changed || relay->followed_state == RELAY_HELD)) {
    session_reload(relay->session, relay->now);
    slot_monitor_reconnect(relay->monitor);
  }
}

static void take_signals(struct relay *relay)
{
  struct signalfd_siginfo info;

  while (read(relay->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
    if (info.ssi_signo == SIGHUP) {
      reload(relay);
    } else if (relay->is_stopping) {
      news_second_signal(relay, (int)info.ssi_signo);
      relay->is_done = true;
    } else {
      relay->is_stopping = true;
      news_stopping(relay, (int)info.ssi_signo);
      session_stop(relay->session, relay->now);
    }
  }
}

static void take_figures(struct relay *relay, const struct slot_figures *figures)
{
  relay->slot = *figures;
  relay->has_slot = true;
  relay->news.monitor_cause = NULL;
  forecast_add(&relay->forecast, figures->wal_end, relay->now.mono_us);
  for (size_t i = 0; i < relay->config->outbox_count; i++) {
    if (figures->updated[i] > 0) {
      metrics_count_ignored(relay->metrics, i, IGNORED_UPDATE, figures->updated[i]);
      news_ignored(relay, i, IGNORED_UPDATE, figures->updated[i]);
    }
    if (figures->deleted[i] > 0) {
      metrics_count_ignored(relay->metrics, i, IGNORED_DELETE, figures->deleted[i]);
    }
  }
  if (!session_is_elsewhere(relay->session, &figures->catalog)) {
    session_on_slot_activity(relay->session, figures->slot_is_active, figures->active_pid, figures->asked_us, relay->now);
  }
  if (session_is_misjudged(relay->session, &figures->catalog, figures->catalog_has_changed, figures->asked_us)) {
    /* A table that is no longer published is missed without a word by a stream that runs: only a new one is judged. */
    news_catalog_changed(relay);
    session_reload(relay->session, relay->now);
  }
}

static void turn_monitor(struct relay *relay)
{
  enum slot_monitor_event event;
  struct slot_figures figures;
  struct problem problem;

  do {
    event = slot_monitor_step(relay->monitor, relay->now, &figures, &problem);
    switch (event) {
    case SLOT_MONITOR_NOTHING:
      break;
    case SLOT_MONITOR_FIGURES:
      take_figures(relay, &figures);
      break;
    case SLOT_MONITOR_SHUTDOWN:
      if (!relay->has_slot || !session_is_elsewhere(relay->session, &relay->slot.catalog)) { /* what let nobody in has not said which server it is */
        session_on_server_shutdown(relay->session, relay->now);
      }
      relay->has_slot = false;
      break;
    case SLOT_MONITOR_LOST:
      relay->has_slot = false; /* a figure that is not known is left out, not repeated */
      news_monitor_lost(relay, &problem);
      break;
    }
  } while (event != SLOT_MONITOR_NOTHING);
}

/* `run --init` before the first session: tried until the server answers. */
static void turn_init(struct relay *relay)
{
  struct problem problem;
  bool created = false;
  enum verdict verdict;

  if (relay->now.mono_us < relay->init_deadline_us) {
    return;
  }
  verdict = init_missing(relay->config, &created, &problem);
  news_init(relay, verdict, created, &problem);
  if (verdict == VERDICT_OK || verdict == VERDICT_FATAL) {
    relay->needs_init = false; /* refused: the session finds the same, and holds */
  } else {
    relay->init_deadline_us = relay->now.mono_us + INIT_RETRY_US;
  }
}

static int64_t nearest_deadline_us(struct relay *relay)
{
  int64_t nearest_us = relay->now.mono_us + LOOP_MAX_US;
  int64_t session_us = relay->needs_init ? relay->init_deadline_us : session_deadline_us(relay->session);
  int64_t monitor_us = slot_monitor_deadline_us(relay->monitor);
  int64_t admin_ms = relay->admin != NULL ? admin_timeout_ms(relay->admin) : -1;

  nearest_us = session_us < nearest_us ? session_us : nearest_us;
  nearest_us = monitor_us < nearest_us ? monitor_us : nearest_us;
  relay->admin_deadline_us = admin_ms >= 0 ? relay->now.mono_us + admin_ms * US_PER_MS : INT64_MAX;
  nearest_us = relay->admin_deadline_us < nearest_us ? relay->admin_deadline_us : nearest_us;
  return nearest_us;
}

/*
 * EINTR: nothing is known to be ready. Anything else is ppoll() itself refusing (RLIMIT_NOFILE was lowered below POLL_COUNT while we ran): whatever there is may be
 * ready, and is asked every few milliseconds, since nothing here blocks.
 */
static void take_refused_poll(struct pollfd fds[POLL_COUNT], int error)
{
  static const struct timespec pause = {.tv_nsec = REFUSED_POLL_US * 1000L};

  for (size_t i = 0; i < POLL_COUNT; i++) {
    fds[i].revents = error != EINTR && fds[i].fd >= 0 ? fds[i].events : 0;
  }
  if (error != EINTR) {
    (void)nanosleep(&pause, NULL);
  }
}

static void wait_for_events(struct relay *relay, struct pollfd fds[POLL_COUNT])
{
  int64_t deadline_us = nearest_deadline_us(relay);
  int64_t now_us = moment_now().mono_us;
  int64_t wait_us = deadline_us > now_us ? deadline_us - now_us : 0; /* a deadline may be any number that has passed */
  struct timespec timeout;

  fds[POLL_SIGNALS] = (struct pollfd){.fd = relay->signals, .events = POLLIN};
  fds[POLL_STREAM] = (struct pollfd){.fd = -1};
  if (!relay->needs_init) {
    fds[POLL_STREAM] = (struct pollfd){.fd = stream_fd(relay->stream), .events = session_poll_events(relay->session)};
  }
  fds[POLL_PUBLISHER] = (struct pollfd){.fd = session_wants_reports(relay->session) ? publisher_fd(relay->publisher) : -1, .events = POLLIN};
  fds[POLL_MONITOR] = (struct pollfd){.fd = slot_monitor_fd(relay->monitor), .events = slot_monitor_events(relay->monitor)};
  fds[POLL_ADMIN] = (struct pollfd){.fd = relay->admin != NULL ? admin_fd(relay->admin) : -1, .events = POLLIN};
  timeout = (struct timespec){.tv_sec = wait_us / US_PER_S, .tv_nsec = wait_us % US_PER_S * 1000};
  if (ppoll(fds, POLL_COUNT, &timeout, NULL) < 0) {
    take_refused_poll(fds, errno);
  }
}

/*
 * Each event is some seven small pieces of memory, of libpq and librdkafka, given back some thousands at once. What is kept as "fast" then is looked through and joined each time
 * that somebody asks for a large one; joined at once it costs less (docs/decisions.md).
 */
static void tune_malloc(void)
{
  (void)mallopt(M_MXFAST, 0);
}

/* What a burst took from the system stays in malloc's free lists (measured: 32 MB resident, 15 after this); given back once the burst is over, and rarely. */
static void trim_after_burst(struct relay *relay, uint64_t events_in_flight)
{
  if (events_in_flight > TRIM_EVENTS) {
    relay->is_trim_due = true;
  } else if (events_in_flight == 0 && relay->is_trim_due && relay->now.mono_us >= relay->trimmed_us + TRIM_INTERVAL_US) {
    relay->is_trim_due = false;
    relay->trimmed_us = relay->now.mono_us;
    (void)malloc_trim(0);
  }
}

static void follow_state(struct relay *relay)
{
  struct session_figures figures;

  session_figures(relay->session, relay->now, &figures);
  if (figures.state != relay->followed_state) {
    relay->followed_state = figures.state;
    slot_monitor_set_interval(relay->monitor, figures.state == RELAY_STANDBY ? MONITOR_STANDBY_US : MONITOR_INTERVAL_US);
    slot_monitor_ask_now(relay->monitor);
  }
  if (figures.state == RELAY_HELD && relay->options.exit_on_hold) {
    relay->exit_code = (int)figures.problem.code;
    relay->is_done = true;
  }
  trim_after_burst(relay, figures.events_in_flight);
  news_each_turn(relay, &figures);
}

static void loop(struct relay *relay)
{
  struct pollfd fds[POLL_COUNT] = {0};

  while (!relay->is_done) {
    relay->now = moment_now();
    relay->turned_us = relay->now.mono_us;
    if (fds[POLL_SIGNALS].revents != 0) {
      take_signals(relay);
    }
    if (fds[POLL_MONITOR].revents != 0 || relay->now.mono_us >= slot_monitor_deadline_us(relay->monitor)) {
      turn_monitor(relay);
    }
    if (relay->needs_init && !relay->is_stopping) {
      turn_init(relay);
    } else if (!relay->is_done) {
      session_step(relay->session, relay->now, fds[POLL_STREAM].revents);
    }
    if (relay->admin != NULL && (fds[POLL_ADMIN].revents != 0 || relay->now.mono_us >= relay->admin_deadline_us)) {
      admin_step(relay->admin);
    }
    follow_state(relay);
    relay->is_done = relay->is_done || session_is_stopped(relay->session);
    if (!relay->is_done) {
      wait_for_events(relay, fds);
    }
  }
}

/* What has to exist before the loop. OK, or FATAL with the words printed or logged. */
static enum verdict build(struct relay *relay)
{
  struct problem_list problems = {0};
  struct problem problem;
  enum verdict verdict;

  relay->router = router_new(relay->config, &problems);
  relay->publisher = kafka_publisher_new(relay->config, &relay->log, &problems);
  if (relay->router == NULL || relay->publisher == NULL) {
    problem_list_print(&problems, stderr);
    relay->exit_code = EXIT_USAGE;
    return VERDICT_FATAL;
  }
  if (relay->config->admin.host != NULL) {
    const struct listener_place place = {
        .host = relay->config->admin.host, .port = relay->config->admin.port, .setting = "admin.listen", .cause = "admin_listen"};

    verdict = admin_open(&place, relay_pages, relay, &relay->admin, &problem);
    if (verdict != VERDICT_OK) {
      news_refused(relay, &problem);
      relay->exit_code = (int)problem.code;
      return verdict;
    }
    news_admin(relay);
  }
  relay->signals = signals_open();
  if (relay->signals < 0) {
    /* The signals are blocked by now: without the descriptor nobody could end us but by SIGKILL. */
    verdict = problem_set(&problem, VERDICT_FATAL, EXIT_UNEXPECTED, "signals", "could not make a file descriptor for signals: %s", strerror(errno));
    news_refused(relay, &problem);
    relay->exit_code = (int)problem.code;
    return verdict;
  }
  relay->decoder = decoder_new(relay->config->postgres.plugin);
  relay->stream = pg_stream_new(relay->config);
  relay->monitor = slot_monitor_new(relay->config);
  slot_monitor_set_interval(relay->monitor, MONITOR_INTERVAL_US);
  relay->session = session_new(relay->config,
                               &(struct session_ports){
                                   .stream = relay->stream,
                                   .publisher = relay->publisher,
                                   .decoder = relay->decoder,
                                   .router = relay->router,
                               },
                               &relay->observer, (uint64_t)relay->now.wall_us ^ (uint64_t)getpid() << 32);
  return VERDICT_OK;
}

static void tear_down(struct relay *relay)
{
  session_free(relay->session);
  slot_monitor_free(relay->monitor);
  stream_free(relay->stream);
  publisher_free(relay->publisher);
  router_free(relay->router);
  decoder_free(relay->decoder);
  admin_close(relay->admin);
  metrics_free(relay->metrics);
  if (relay->signals >= 0) {
    (void)close(relay->signals);
  }
}

int relay_run(struct config *config, const struct relay_options *options)
{
  struct relay relay = {
      .config = config,
      .options = *options,
      .log = {.level = config->log.level, .format = config->log.format, .fd = STDERR_FILENO},
      .signals = -1,
      .needs_init = options->init,
      .followed_state =
          RELAY_CONNECTING, /* the second connection is opened when that is over: its first question costs the server what the start is waiting for */
      .now = moment_now(),
  };

  tune_malloc();
  relay.started_wall_us = relay.now.wall_us;
  relay.metrics = metrics_new(config);
  forecast_init(&relay.forecast);
  news_observe(&relay);
  news_starting(&relay);
  news_warnings(&relay);
  if (build(&relay) == VERDICT_OK) {
    loop(&relay);
    news_stopped(&relay);
  }
  tear_down(&relay);
  return relay.exit_code;
}
