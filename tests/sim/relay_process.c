/*
 * relay_process.c - one process of the relay: the real session with the real decoder and router between the two models, and the loop around it as relay.c has it:
 * signals, the second connection's news, one session_step(), then to sleep until a descriptor or a deadline.
 *
 * Decoders and routers are kept from history to history, since compiling a regular expression costs more than a history; a session resets both when its stream begins.
 * The session itself is new with each process.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "world.h"

enum {
  TICK_US = 1000000, /* LOOP_MAX_US of relay.c */
  MONITOR_US = 5000000,
  MONITOR_STANDBY_US = 500000,
  ANSWER_LATE_MAX_US = 10000000,
  KNOCK_MIN_US = 200000, /* SLOT_MONITOR's pauses */
  KNOCK_MAX_US = 800000,
  IDLE_TURNS_MAX = 5000, /* in a second, and nothing had happened */
  TURNS_MAX = 250000,    /* in a second, whatever happened */
  DRAIN_TIMEOUT_MS = 10000,
  STOP_MAX_US = 18000000, /* with what a stop needs besides */
};

static struct {
  struct router *router;
  struct decoder *decoders[2];
} kept[WORLD_RELAYS_MAX];

static const char *const allowed[] = {"outbox.event.*"};

static const struct config_outbox *outbox_of(bool dead_letters)
{
#define ENTRY(policy)                                                                                                                                          \
  {                                                                                                                                                            \
    .table = "public.outbox", .table_schema = "public", .table_name = "outbox", .field_id = "id", .field_key = "aggregateid", .field_type = "type",            \
    .field_payload = "payload", .field_event_headers = "headers", .missing_is_error = true, .route_by_field = "aggregatetype",                                 \
    .route_regex = "(?<routedByValue>.*)", .route_replacement = "outbox.event.${routedByValue}", .tracing_field = "tracingspancontext", .allow_count = 1,      \
    .allow = allowed, .poison = (policy), .dead_letter_topic = DEAD_LETTER_TOPIC_NAME                                                                          \
  }
  static const struct config_outbox entries[2] = {ENTRY(POISON_STOP), ENTRY(POISON_DEAD_LETTER)};
#undef ENTRY

  return &entries[dead_letters];
}

static struct moment now_of(const struct relay *relay)
{
  return (struct moment){.mono_us = relay->world->now_us, .wall_us = world_wall_us(relay->world) + relay->wall_offset_us};
}

const char *relay_name(const struct relay *relay)
{
  static const char *const names[WORLD_RELAYS_MAX] = {"relay", "relay 2"};

  return names[relay->number];
}

/* ---- what the session tells ---- */

static void on_state(void *context, enum relay_state from, enum relay_state to, const struct problem *why)
{
  struct relay *relay = context;

  relay->state = to;
  if (to == RELAY_STANDBY) { /* also behind a walsender of its own that is dead: who comes between the two is not seen */
    relay->stream.record.knows_position = false;
  }
  TRACE(relay->world, relay_name(relay), "%s -> %s%s%s", relay_state_name(from), relay_state_name(to), why != NULL ? ": " : "", why != NULL ? why->text : "");
}

static void on_started(void *context, const struct server_facts *facts)
{
  (void)context;
  (void)facts;
}

static void on_failed(void *context, enum session_side side, const struct problem *why, int64_t delay_us)
{
  struct relay *relay = context;

  TRACE(relay->world, relay_name(relay), "failed on the side of %s: %s; again in %d ms", side == SESSION_KAFKA ? "Kafka" : "PostgreSQL", why->text,
        (int)(delay_us / US_PER_MS));
  relay->stream.record.failures += side == SESSION_POSTGRES;
  if (strcmp(why->cause, "stream_stalled") == 0) {
    oracle_on_left_for_stalled(relay->world, relay);
  }
}

static void on_delivered(void *context, size_t entry, bool is_dead_letter, int64_t commit_time_us)
{
  (void)context;
  (void)entry;
  (void)is_dead_letter;
  (void)commit_time_us;
}

static void on_poison(void *context, enum poison_action action, enum route_reason reason, const struct record *record, const struct problem *why)
{
  struct relay *relay = context;

  TRACE(relay->world, relay_name(relay), "row %.*s is poison (%s), %s: %s", (int)record->event_id.length, record->event_id.data, route_reason_name(reason),
        action == POISON_IS_HELD ? "held" : "dead-lettered", why->text);
  if (action == POISON_IS_HELD && reason != ROUTE_REASON_REFUSED_BY_BROKER && reason != ROUTE_REASON_TOO_LARGE) {
    relay->is_held_by_row = true;
    relay->held_at = record->position;
    relay->person_us = relay->world->now_us + dice_magnitude(&relay->world->dice, 100000, seconds_us(10));
  }
}

static void on_isolating(void *context, struct position until, const struct problem *why)
{
  struct relay *relay = context;

  if (position_compare(until, relay->world->isolated_until) > 0) {
    relay->world->isolated_until = until;
    relay->world->progress_us = relay->world->now_us;
  }

  TRACE(relay->world, relay_name(relay), "sends rows up to %s alone: %s", position_text(until).text, why->text);
}

/* ---- life ---- */

static void keep(uint32_t number, const struct config *config)
{
  static const struct config *first;
  struct problem_list problems = {0};

  if (first == NULL) {
    first = config; /* the world outlives its histories */
  }
  kept[number].router = router_new(config, &problems);
  kept[number].decoders[PLUGIN_PGOUTPUT] = decoder_new(PLUGIN_PGOUTPUT);
  kept[number].decoders[PLUGIN_WAL2JSON] = decoder_new(PLUGIN_WAL2JSON);
}

void relay_done_for_good(struct world *world)
{
  (void)world;
  for (size_t i = 0; i < WORLD_RELAYS_MAX; i++) {
    router_free(kept[i].router);
    decoder_free(kept[i].decoders[PLUGIN_PGOUTPUT]);
    decoder_free(kept[i].decoders[PLUGIN_WAL2JSON]);
    kept[i].router = NULL;
  }
}

void relay_init(struct world *world, uint32_t number)
{
  struct relay *relay = &world->relays[number];

  relay->world = world;
  relay->number = number;
  relay->is_alive = false;
  relay->process = 0;
  relay->is_stopping = false;
  relay->session = NULL;
  relay->begin_us = world->now_us + (number == 0 ? 0 : dice_magnitude(&world->dice, 1, seconds_us(2)));
  relay->frozen_until_us = 0;
  relay->wall_offset_us = 0;
  relay->link = (struct link){0};
  relay->person_us = INT64_MAX;
  relay->config = (struct config){.name = "sim", .outbox_count = 1, .outbox = outbox_of(world->plan.dead_letters)};
  relay->config.delivery.drain_timeout_ms = DRAIN_TIMEOUT_MS;
  relay->config.delivery.confirm_interval_ms = world->plan.confirm_interval_ms;
  relay->observer = (struct session_observer){relay, on_state, on_started, on_failed, on_delivered, on_poison, on_isolating};
  model_stream_init(&relay->stream, world, number);
  model_publisher_init(&relay->publisher, world, number);
  if (kept[number].router == NULL) {
    keep(number, &relay->config);
  }
}

void relay_begin(struct relay *relay)
{
  struct world *world = relay->world;
  const struct session_ports ports = {.stream = &relay->stream.base,
                                      .publisher = &relay->publisher.base,
                                      .decoder = kept[relay->number].decoders[world->plan.plugin],
                                      .router = kept[relay->number].router};

  TRACE(world, relay_name(relay), "begins%s", world->poison_once_count > 0 ? ", with poison_once" : "");
  relay->is_alive = true;
  relay->process++;
  relay->stream.record.knows_position = false;
  relay->is_stopping = false;
  relay->state = RELAY_CONNECTING;
  relay->busy_until_us = world->now_us;
  relay->tick_us = world->now_us;
  relay->signal = 0;
  relay->person_us = INT64_MAX;
  relay->turns_of_second = 0;
  relay->idle_turns_of_second = 0;
  relay->second_us = world->now_us;
  relay->monitor = (struct monitor){.ask_us = world->now_us, .answer_us = INT64_MAX, .shutdown_us = INT64_MAX, .refused_us = INT64_MAX};
  relay->config.delivery.poison_once_count = world->poison_once_count;
  memcpy(relay->config.delivery.poison_once, world->poison_once, sizeof(world->poison_once));
  relay->session = session_new(&relay->config, &ports, &relay->observer, chance_next(&world->dice.state));
}

static void end(struct relay *relay, int64_t begin_us)
{
  session_free(relay->session);
  relay->session = NULL;
  relay->is_alive = false;
  relay->begin_us = begin_us;
  relay->frozen_until_us = 0;
  model_stream_abandon(&relay->stream);
  model_publisher_abandon(&relay->publisher);
}

void relay_kill(struct relay *relay, int64_t begin_us)
{
  if (relay->is_alive) {
    TRACE(relay->world, relay_name(relay), "is killed");
    end(relay, begin_us);
  }
}

void relay_stop(struct relay *relay, int64_t begin_us)
{
  if (relay->is_alive && !relay->is_stopping) {
    TRACE(relay->world, relay_name(relay), "is told to stop");
    relay->is_stopping = true;
    relay->begin_us = begin_us;
    relay->stop_us = relay->frozen_until_us > relay->world->now_us ? relay->frozen_until_us : relay->world->now_us;
    relay->signal |= SIGNAL_STOP;
  }
}

void relay_reload(struct relay *relay)
{
  if (relay->is_alive) {
    relay->signal |= SIGNAL_RELOAD;
  }
}

static void take_signals(struct relay *relay)
{
  if ((relay->signal & SIGNAL_RELOAD) != 0) {
    session_reload(relay->session, now_of(relay));
  }
  if ((relay->signal & SIGNAL_STOP) != 0) {
    session_stop(relay->session, now_of(relay));
  }
  relay->signal = 0;
}

void relay_on_server_stops(struct relay *relay)
{
  if (relay->is_alive) {
    relay->monitor.shutdown_us = relay->world->now_us + link_latency_us(relay->world);
  }
}

/* ---- the second connection ---- */

/* It is closed by that, and knocks again: who stops lets nobody in, and says why. */
static void tell_shutdown(struct relay *relay)
{
  relay->monitor.shutdown_us = INT64_MAX;
  relay->monitor.answer_us = INT64_MAX;
  relay->monitor.refused_us = relay->world->now_us + dice_between(&relay->world->dice, KNOCK_MIN_US, KNOCK_MAX_US);
  session_on_server_shutdown(relay->session, now_of(relay));
}

static void tell_answer(struct relay *relay)
{
  struct monitor *monitor = &relay->monitor;

  monitor->answer_us = INT64_MAX;
  if (monitor->is_active && monitor->asked_us >= relay->stream.looked_us && server_pid_owner(monitor->active_pid) != relay->number) {
    relay->stream.record.knows_position = false; /* another relay may have confirmed */
    relay->stream.record.has_heard_of_other = relay->stream.record.has_heard_of_other || relay->stream.step < STEP_READY;
  }
  session_on_slot_activity(relay->session, monitor->is_active, monitor->active_pid, monitor->asked_us, now_of(relay));
}

/* What the server says is as old as the way back is long; now and then it takes its time. */
static void ask_server(struct relay *relay)
{
  struct world *world = relay->world;
  struct monitor *monitor = &relay->monitor;

  monitor->asked_us = world->now_us;
  monitor->is_active = world->server.active_pid != 0;
  monitor->active_pid = world->server.active_pid;
  monitor->answer_us = world->now_us + 2 * link_latency_us(world);
  if (dice_below(&world->dice, 8) == 0) {
    monitor->answer_us += dice_magnitude(&world->dice, 1000, ANSWER_LATE_MAX_US);
  }
}

static void turn_monitor(struct relay *relay)
{
  struct world *world = relay->world;
  struct monitor *monitor = &relay->monitor;
  bool is_reached = relay->link.frozen_until_us <= world->now_us;

  if (monitor->shutdown_us <= world->now_us && is_reached) {
    tell_shutdown(relay);
  }
  if (monitor->refused_us <= world->now_us && is_reached) {
    monitor->refused_us = INT64_MAX;
    if (world->server.state == SERVER_STOPPING) {
      tell_shutdown(relay);
    }
  }
  if (monitor->answer_us <= world->now_us && is_reached) {
    tell_answer(relay);
  }
  if (monitor->ask_us <= world->now_us) {
    monitor->ask_us = world->now_us + (relay->state == RELAY_STANDBY ? MONITOR_STANDBY_US : MONITOR_US);
    if (is_reached && world->server.state == SERVER_UP && monitor->answer_us == INT64_MAX) {
      ask_server(relay);
    }
  }
}

static int64_t monitor_next_us(const struct relay *relay)
{
  const struct monitor *monitor = &relay->monitor;
  int64_t news_us = monitor->answer_us < monitor->shutdown_us ? monitor->answer_us : monitor->shutdown_us;

  news_us = monitor->refused_us < news_us ? monitor->refused_us : news_us;
  if (news_us < INT64_MAX && news_us < relay->link.frozen_until_us) {
    news_us = relay->link.frozen_until_us;
  }
  return news_us < monitor->ask_us ? news_us : monitor->ask_us;
}

/* ---- the loop ---- */

static int64_t deadline_us(const struct relay *relay)
{
  int64_t next_us = session_deadline_us(relay->session);

  return relay->world->plan.turns_each_second && relay->tick_us + TICK_US < next_us ? relay->tick_us + TICK_US : next_us;
}

static int64_t events_us(const struct relay *relay)
{
  int64_t next_us = model_stream_next_us(&relay->stream, session_poll_events(relay->session));
  int64_t other_us = model_publisher_is_ready(&relay->publisher) ? 0 : model_publisher_next_us(&relay->publisher);

  next_us = other_us < next_us ? other_us : next_us;
  other_us = monitor_next_us(relay);
  return other_us < next_us ? other_us : next_us;
}

int64_t relay_next_us(const struct relay *relay)
{
  int64_t next_us;
  int64_t other_us;

  if (!relay->is_alive) {
    return relay->begin_us;
  }
  next_us = deadline_us(relay);
  other_us = events_us(relay);
  next_us = other_us < next_us ? other_us : next_us;
  next_us = relay->person_us < next_us ? relay->person_us : next_us;
  next_us = relay->busy_until_us > next_us || relay->signal != 0 ? relay->busy_until_us : next_us;
  return relay->frozen_until_us > next_us ? relay->frozen_until_us : next_us;
}

/* A loop that turns and turns, and nothing had called for it. */
static void judge_business(struct relay *relay, bool is_idle)
{
  if (relay->world->now_us - relay->second_us >= US_PER_S) {
    relay->second_us = relay->world->now_us;
    relay->turns_of_second = 0;
    relay->idle_turns_of_second = 0;
  }
  relay->turns_of_second++;
  relay->idle_turns_of_second += is_idle;
  if (relay->idle_turns_of_second > IDLE_TURNS_MAX || relay->turns_of_second > TURNS_MAX) {
    world_finds(relay->world, "O9", "%s is busy doing nothing: %u turns in %d ms, %u of them without an event", relay_name(relay), relay->turns_of_second,
                (int)((relay->world->now_us - relay->second_us) / US_PER_MS), relay->idle_turns_of_second);
  }
}

/* A position that cannot be trusted is a person's to judge, too. */
static void call_person(struct relay *relay, const struct session_figures *figures)
{
  if (figures->state == RELAY_HELD && figures->has_problem && figures->problem.code == EXIT_POSITION && relay->person_us == INT64_MAX) {
    oracle_on_position_held(relay->world, relay, &figures->problem);
    relay->is_held_by_row = false;
    relay->person_us = relay->world->now_us + dice_magnitude(&relay->world->dice, 100000, seconds_us(10));
  }
}

static void turn(struct relay *relay)
{
  struct world *world = relay->world;
  struct session_figures figures;
  bool is_idle = relay->signal == 0 && events_us(relay) > world->now_us;

  world->turns++;
  relay->tick_us = world->now_us;
  relay->busy_until_us = world->now_us + world->plan.turn_us;
  judge_business(relay, is_idle);
  take_signals(relay);
  turn_monitor(relay);
  session_step(relay->session, now_of(relay), model_stream_poll(&relay->stream, session_poll_events(relay->session)));
  session_figures(relay->session, now_of(relay), &figures);
  oracle_on_turn(world, relay, &figures);
  call_person(relay, &figures);
  if (session_is_stopped(relay->session)) {
    oracle_on_stopped(world, relay, figures.drained);
    end(relay, relay->begin_us);
  } else if (relay->is_stopping && world->now_us - relay->stop_us > STOP_MAX_US) {
    world_finds(world, "R-03", "%s was told to stop %d ms ago", relay_name(relay), (int)((world->now_us - relay->stop_us) / US_PER_MS));
  }
}

void relay_run(struct relay *relay)
{
  struct world *world = relay->world;

  if (relay->frozen_until_us > world->now_us) {
    return;
  }
  if (!relay->is_alive) {
    if (relay->begin_us <= world->now_us) {
      relay_begin(relay);
    }
    return;
  }
  if (relay->person_us <= world->now_us) {
    TRACE(world, "person", "starts the relay anew%s", relay->is_held_by_row ? ", with poison_once for the held row" : "");
    if (relay->is_held_by_row) {
      /* The newest are enough: what was confirmed does not come again. */
      if (world->poison_once_count == CONFIG_POISON_ONCE_MAX) {
        world->poison_once_count--;
        memmove(world->poison_once, world->poison_once + 1, world->poison_once_count * sizeof(world->poison_once[0]));
      }
      world->poison_once[world->poison_once_count++] = relay->held_at;
    }
    relay_kill(relay, world->now_us + US_PER_MS);
    return;
  }
  if (relay_next_us(relay) <= world->now_us) {
    turn(relay);
  }
}
