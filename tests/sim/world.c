/*
 * world.c - the loop of a history: what happens next, happens.
 *
 *   active     writers write, faults strike
 *   healed     writers finish, nothing breaks any more; within a bounded time all must be in Kafka and confirmed, and the relays must stream or stand by
 *   closing    only WAL of others moves; the confirmed position has to follow it
 *   leaving    (some) the relays are told to stop, and do
 */
#include "world.h"

#include <stdio.h>

enum {
  RECOVERY_MAX_US = 250000000, /* looks grow as rare as one a minute, and may take a minute */
  CLOSING_MAX_US = 60000000,
  STEPS_MAX = 3000000,
  FOREIGN_MAX_US = 15000000,
};

int64_t world_wall_us(const struct world *world)
{
  return WORLD_MIDNIGHT_US + world->now_us;
}

void world_finds(struct world *world, const char *rule, const char *format, ...)
{
  va_list arguments;
  size_t used;

  if (world->has_finding) {
    return;
  }
  world->has_finding = true;
  used = (size_t)snprintf(world->finding, sizeof(world->finding), "%s at %.3f ms: ", rule, (double)(world->now_us - WORLD_BEGIN_US) / US_PER_MS);
  va_start(arguments, format);
  (void)vsnprintf(world->finding + used, sizeof(world->finding) - used, format, arguments);
  va_end(arguments);
  TRACE(world, "ORACLE", "%s", world->finding);
}

static void begin(struct world *world, uint64_t seed)
{
  world->dice.state = seed;
  world->now_us = WORLD_BEGIN_US;
  world->has_finding = false;
  world->is_closing = false;
  world->is_leaving = false;
  world->poison_once_count = 0;
  world->sessions = 0;
  world->steps = 0;
  world->turns = 0;
  world->bounds = 0;
  world->stalls = 0;
  world->replays = 0;
  world->fingerprint = seed;
  world->progress_us = world->now_us;
  world->isolated_until = (struct position){0};
  plan_draw(&world->plan, seed, &world->dice);
  history_init(&world->history, &world->plan, &world->dice, world->now_us);
  server_init(world);
  cluster_init(&world->cluster);
  oracle_init(world);
  for (uint32_t i = 0; i < world->plan.relays; i++) {
    relay_init(world, i);
  }
  nemesis_init(world);
  world->foreign_us = world->now_us + dice_magnitude(&world->dice, 10000, FOREIGN_MAX_US);
}

static void earlier(int64_t *next_us, int64_t other_us)
{
  *next_us = other_us < *next_us ? other_us : *next_us;
}

static int64_t next_of(const struct world *world)
{
  int64_t next_us = world->server.state == SERVER_UP ? history_next_us(&world->history) : INT64_MAX;

  if (world->server.state == SERVER_UP && !world->is_closing) {
    earlier(&next_us, world->foreign_us);
  }
  earlier(&next_us, server_next_us(world));
  earlier(&next_us, nemesis_next_us(world));
  for (uint32_t i = 0; i < world->plan.relays; i++) {
    earlier(&next_us, relay_next_us(&world->relays[i]));
    if (world->relays[i].frozen_until_us <= world->now_us) {
      earlier(&next_us, model_publisher_work_us(&world->relays[i].publisher));
    }
  }
  return next_us;
}

static void wake_walsenders(struct world *world)
{
  for (size_t i = 0; i < SERVER_WALSENDERS_MAX; i++) {
    if (world->server.senders[i].is_used) {
      walsender_run(world, &world->server.senders[i]);
    }
  }
}

static void run_database(struct world *world)
{
  bool has_moved;

  if (world->server.state != SERVER_UP) {
    return;
  }
  has_moved = history_run(&world->history, world->now_us, world_wall_us(world));
  if (world->foreign_us <= world->now_us && !world->is_closing) {
    history_write_foreign(&world->history, (uint32_t)dice_magnitude(&world->dice, 50, 200000));
    world->foreign_us = world->now_us + dice_magnitude(&world->dice, 10000, FOREIGN_MAX_US);
    has_moved = true;
  }
  if (has_moved) {
    wake_walsenders(world);
  }
}

/* One streams, the others stand by; nothing is on its way. */
static bool is_calm(struct world *world)
{
  uint32_t streaming = 0;

  if (world->server.state != SERVER_UP || history_next_us(&world->history) != INT64_MAX || !oracle_is_content(world)) {
    return false;
  }
  for (uint32_t i = 0; i < world->plan.relays; i++) {
    const struct relay *relay = &world->relays[i];

    if (!relay->is_alive || relay->is_stopping || relay->publisher.count > 0 || (relay->state != RELAY_STREAMING && relay->state != RELAY_STANDBY)) {
      return false;
    }
    streaming += relay->state == RELAY_STREAMING;
  }
  return streaming == 1;
}

static void close_history(struct world *world)
{
  TRACE(world, "world", "all is in Kafka and confirmed; only others write now");
  world->is_closing = true;
  world->heal_us = world->now_us;
  history_write_foreign(&world->history, 3000);
  world->closing_lsn = world->history.flushed;
  wake_walsenders(world);
}

static bool all_have_left(const struct world *world)
{
  for (uint32_t i = 0; i < world->plan.relays; i++) {
    if (world->relays[i].is_alive) {
      return false;
    }
  }
  return true;
}

static void leave(struct world *world)
{
  world->is_leaving = true;
  for (uint32_t i = 0; i < world->plan.relays; i++) {
    relay_stop(&world->relays[i], INT64_MAX);
  }
}

/* True: the history is over. */
static bool ends(struct world *world)
{
  int64_t since_us = world->now_us - (world->progress_us > world->heal_us ? world->progress_us : world->heal_us);

  if (!world->is_healed) {
    return false;
  }
  if (!world->is_closing) {
    if (is_calm(world)) {
      close_history(world);
    } else if (since_us > RECOVERY_MAX_US) {
      world_finds(world, "O10", "not recovered, and nothing got further in %d s after all was mended: relay %s, slot at %s, end of WAL %s",
                  (int)(since_us / US_PER_S), relay_state_name(world->relays[0].state), lsn_text(world->server.confirmed).text,
                  lsn_text(world->history.flushed).text);
    }
    return false;
  }
  if (world->is_leaving) {
    return all_have_left(world);
  }
  if (world->server.confirmed < world->closing_lsn) {
    if (since_us > CLOSING_MAX_US) {
      world_finds(world, "I3", "the idle slot does not follow: it stands at %s, and WAL ends at %s", lsn_text(world->server.confirmed).text,
                  lsn_text(world->closing_lsn).text);
    }
    return false;
  }
  if (!world->plan.ends_with_stop) {
    return true;
  }
  leave(world);
  return false;
}

static void step(struct world *world)
{
  int64_t next_us = next_of(world);

  if (next_us == INT64_MAX || ++world->steps > STEPS_MAX) {
    world_finds(world, "O10", next_us == INT64_MAX ? "nothing will ever happen again" : "there is no end of it");
    return;
  }
  world->now_us = next_us > world->now_us ? next_us : world->now_us;
  run_database(world);
  server_run(world);
  for (uint32_t i = 0; i < world->plan.relays; i++) {
    if (world->relays[i].frozen_until_us <= world->now_us) {
      model_publisher_run(&world->relays[i].publisher);
    }
  }
  nemesis_run(world);
  for (uint32_t i = 0; i < world->plan.relays; i++) {
    relay_run(&world->relays[i]);
  }
}

bool world_live(struct world *world, uint64_t seed, bool is_traced)
{
  world->is_traced = is_traced;
  begin(world, seed);
  while (!world->has_finding && !ends(world)) {
    step(world);
  }
  oracle_judge(world);
  for (uint32_t i = 0; i < world->plan.relays; i++) {
    session_free(world->relays[i].session);
    world->relays[i].session = NULL;
  }
  return !world->has_finding;
}

void trace_line(const struct world *world, const char *who, const char *format, ...)
{
  va_list arguments;

  printf("%12.3f  %-10s ", (double)(world->now_us - WORLD_BEGIN_US) / US_PER_MS, who);
  va_start(arguments, format);
  (void)vprintf(format, arguments);
  va_end(arguments);
  (void)putchar('\n');
}
