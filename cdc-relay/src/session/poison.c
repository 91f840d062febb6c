/*
 * poison.c - the table of poison.h, and the mark up to which rows are sent alone.
 *
 *   rows        1   2   3   4   5   6   7          refused in one batch: 2 to 5
 *   again       1   2   3   4   5   | 6   7        each alone up to the mark, which lies behind 5; only 3 is refused alone: poison
 *
 * A row that the router or the publisher refuses by itself never was in a batch, so isolation would tell nothing new about it. But for one thing: the client refuses a
 * partition by what it was told of the topic, which may be minutes ago. A row that is older than the client (session_date_client()) is judged by it; any other goes the way
 * of isolation, at whose end a client that was made after the row was read sends it alone.
 */
#include "session/poison.h"

#include <stdio.h>
#include <string.h>

static bool is_named_once(const struct config *config, struct position position)
{
  for (size_t i = 0; i < config->delivery.poison_once_count; i++) {
    if (position_compare(config->delivery.poison_once[i], position) == 0) {
      return true;
    }
  }
  return false;
}

/* Adds a way out to the hint that the row's own problem may have already. */
static void hint_also(struct problem *problem, const char *way_out)
{
  char before[PROBLEM_HINT_MAX];

  if (problem == NULL) {
    return;
  }
  memcpy(before, problem->hint, sizeof(before));
  problem_hint(problem, "%s%s%s", before, before[0] != '\0' ? "; or " : "", way_out);
}

enum poison_decision poison_decide(const struct config *config, const struct config_outbox *entry, struct position position, struct problem *problem)
{
  const bool has_topic = entry->dead_letter_topic != NULL && entry->dead_letter_topic[0] != '\0';
  const bool is_wanted = entry->poison == POISON_DEAD_LETTER || is_named_once(config, position);
  const struct position_text at = position_text(position);
  char way_out[PROBLEM_HINT_MAX];

  if (is_wanted && has_topic) {
    return POISON_DECISION_DEAD_LETTER;
  }
  if (is_wanted) {
    (void)snprintf(way_out, sizeof(way_out), "set delivery.dead.letter.topic: the row at %s is to be dead-lettered and there is no topic for it", at.text);
  } else {
    /* What it names already stays: those rows may come again, when their transaction is not confirmed yet. */
    (void)snprintf(way_out, sizeof(way_out), "mend the topic or the configuration, or %s%s%s to dead-letter this row only",
                   config->delivery.poison_once_count > 0 ? "append to delivery.poison_once a comma and " : "set delivery.poison_once=", at.text,
                   has_topic ? "" : " and delivery.dead.letter.topic");
  }
  if (problem != NULL) {
    problem->code = EXIT_POISON;
  }
  hint_also(problem, way_out);
  return POISON_DECISION_HOLD;
}

void isolation_init(struct isolation *isolation)
{
  *isolation = (struct isolation){0};
}

void isolation_begin(struct isolation *isolation, struct position position)
{
  if (!isolation->is_on || position_compare(position, isolation->until) > 0) {
    isolation->until = position;
  }
  isolation->is_on = true;
}

bool isolation_covers(const struct isolation *isolation, struct position position)
{
  return isolation->is_on && position_compare(position, isolation->until) <= 0;
}

void isolation_passed(struct isolation *isolation, struct position position)
{
  isolation->is_on = isolation_covers(isolation, position);
}
