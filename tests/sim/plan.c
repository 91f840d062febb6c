/*
 * plan.c - draws a plan. Numbers are drawn so that the small and tight worlds, in which things collide, are as frequent as the roomy ones: a queue of two
 * records, a socket of four messages, a confirmation at each turn.
 */
#include "plan.h"

#include "moment.h"

#define NEARNESS UINT64_C(0x6E656172000001E1)
#define STALLING UINT64_C(0x7374616C00000012)
#define GROWTH   UINT64_C(0x67726F7700000007)

const char *sim_fault_text(enum sim_fault fault)
{
  static const char *const texts[FAULT_COUNT] = {
#define X(name, text) [FAULT_##name] = (text),
      SIM_FAULTS(X)
#undef X
  };

  return texts[fault];
}

static void draw_database(struct plan *plan, struct dice *dice)
{
  plan->plugin = dice_percent(dice, 15) ? PLUGIN_WAL2JSON : PLUGIN_PGOUTPUT;
  plan->writers = 1 + dice_below(dice, 5);
  plan->transactions = (uint32_t)dice_magnitude(dice, 12, 200);
  plan->rows_typical = 1 + dice_below(dice, 4);
  plan->large_one_in = dice_percent(dice, 15) ? 20 + dice_below(dice, 40) : 0;
  plan->rows_large = (uint32_t)dice_magnitude(dice, 20, 600);
  plan->rollback_percent = dice_percent(dice, 50) ? dice_below(dice, 40) : 0;
  plan->foreign_percent = dice_below(dice, 30);
  plan->async_percent = dice_percent(dice, 30) ? dice_below(dice, 100) : 0;
  plan->reshape_percent = dice_percent(dice, 25) ? 1 + dice_below(dice, 10) : 0;
  plan->poison_percent = dice_percent(dice, 25) ? 1 + dice_below(dice, 4) : 0;
  plan->keys = 1 + dice_below(dice, 8);
  plan->topics = 1 + dice_below(dice, 3);
  plan->think_us = dice_magnitude(dice, 1000, 500000);
  plan->sends_empty = plan->plugin == PLUGIN_WAL2JSON || dice_percent(dice, 30);
  plan->tells_wal_end = dice_percent(dice, 30);
  plan->saves_on_stop = dice_percent(dice, 50);
  plan->wal_sender_timeout_us = dice_percent(dice, 10) ? 0 : seconds_us(dice_between(dice, 2, 60));
  plan->socket_messages = (uint32_t)dice_magnitude(dice, 4, 500);
  plan->slices = dice_percent(dice, 30);
}

static void draw_kafka(struct plan *plan, struct dice *dice)
{
  plan->partitions = 1 + dice_below(dice, 3);
  plan->max_events = (uint32_t)dice_magnitude(dice, 2, 500);
  plan->batch_records = (uint32_t)dice_magnitude(dice, 1, 50);
  plan->batches_on_the_wire = 1 + dice_below(dice, 5);
  plan->linger_us = dice_magnitude(dice, 1, 50000);
}

#define KIND(name) (UINT32_C(1) << FAULT_##name)

/* Kinds that hurt only together; a random subset seldom has both. */
static const uint32_t pairs[] = {
    KIND(SERVER_RESTART) | KIND(BROKERS_DOWN),    KIND(SERVER_RESTART) | KIND(QUEUE_FULL),
    KIND(RELAY_KILLED) | KIND(ACK_LOST),          KIND(CUT) | KIND(BROKERS_DOWN),
    KIND(CLIENT_BREAKS) | KIND(PARTITION_STALLS), KIND(SERVER_CRASH) | KIND(RELAY_KILLED),
    KIND(RELAY_RELOADS) | KIND(TOPIC_REFUSED),    KIND(RELAY_STOPPED) | KIND(PARTITION_STALLS),
    KIND(STATUS_BLOCKED) | KIND(RELAY_STOPPED),   KIND(TOPIC_REFUSED) | KIND(PARTITION_STALLS),
    KIND(SLOT_TAKEN) | KIND(SLOT_MOVED),          KIND(TOPIC_SHRINKS) | KIND(RELAY_KILLED),
};

static void draw_faults(struct plan *plan, struct dice *dice)
{
  plan->fault_count = dice_percent(dice, 10) ? 0 : 1 + dice_below(dice, PLAN_FAULTS_MAX);
  if (dice_percent(dice, 25)) {
    plan->faults = pairs[dice_below(dice, sizeof(pairs) / sizeof(*pairs))];
    return;
  }
  for (uint32_t i = 0, kinds = 1 + dice_below(dice, 6); i < kinds; i++) {
    plan->faults |= UINT32_C(1) << dice_below(dice, FAULTS_TIMED);
  }
}

/*
 * What was added when there were seeds to keep is drawn apart, so that the histories of all seeds whose server is not near, whose line does not stall, and whose topics do not
 * grow, stay what they were. The lower halves of NEARNESS, STALLING and GROWTH are the first numbers that leave each seed that regression_seeds.txt had by then among them.
 */
static void draw_nearness(struct plan *plan)
{
  struct dice dice = {.state = plan->seed ^ NEARNESS};

  plan->is_near = dice_percent(&dice, 30);
}

/* A line stalls only behind a pause, so there is what makes one, a queue that is soon full, and something to be written all the time. */
static void draw_stalling(struct plan *plan)
{
  static const uint32_t pauses[] = {KIND(BROKERS_DOWN), KIND(PARTITION_STALLS), KIND(RELAY_FROZEN)};
  struct dice dice = {.state = plan->seed ^ STALLING};

  if (dice_percent(&dice, 15)) {
    plan->faults |= KIND(LINE_STALLS) | pauses[dice_below(&dice, sizeof(pauses) / sizeof(*pauses))];
    plan->fault_count = 1 + dice_below(&dice, PLAN_FAULTS_MAX);
    plan->max_events = 2 + dice_below(&dice, 20);
    plan->active_us = dice_between(&dice, seconds_us(10), seconds_us(100));
    plan->think_us = plan->active_us * plan->writers / plan->transactions / 3;
  }
}

static void draw_growth(struct plan *plan)
{
  struct dice dice = {.state = plan->seed ^ GROWTH};

  if (dice_percent(&dice, 10)) {
    plan->growth_us = dice_magnitude(&dice, 100 * US_PER_MS, seconds_us(100));
    plan->named_percent = 1 + dice_below(&dice, 50);
  }
}

void plan_draw(struct plan *plan, uint64_t seed, struct dice *dice)
{
  *plan = (struct plan){.seed = seed, .weight = seed % 4 == 0 ? 1 : 512};
  draw_database(plan, dice);
  draw_kafka(plan, dice);
  plan->relays = dice_percent(dice, 12) ? 2 : 1;
  plan->dead_letters = dice_percent(dice, 60);
  plan->confirm_interval_ms = dice_percent(dice, 50) ? 100 : dice_between(dice, 0, 1000);
  plan->turn_us = dice_magnitude(dice, 5, 500);
  plan->turns_each_second = dice_percent(dice, 50);
  plan->latency_us = dice_magnitude(dice, 60, 20000);
  draw_faults(plan, dice);
  /* About as long as the writers need: each takes some steps for a transaction. */
  plan->active_us = (int64_t)plan->transactions * 3 * plan->think_us / plan->writers + dice_magnitude(dice, 10000, seconds_us(20));
  plan->ends_with_stop = dice_percent(dice, 30);
  draw_nearness(plan);
  draw_stalling(plan);
  draw_growth(plan);
}
