/* dice.h - chance from one seed. All that is random in a simulated history is drawn here, in an order that the seed alone decides. */
#ifndef SIM_DICE_H
#define SIM_DICE_H

#include <stdbool.h>
#include <stdint.h>

#include "backoff.h"

struct dice {
  uint64_t state;
};

/* One of 0 to `sides` - 1; `sides` is not 0. */
static inline uint32_t dice_below(struct dice *dice, uint32_t sides)
{
  return (uint32_t)((chance_next(&dice->state) >> 32) * sides >> 32);
}

/* One of `low` to `high`, both included. */
static inline int64_t dice_between(struct dice *dice, int64_t low, int64_t high)
{
  return low + (int64_t)(chance_next(&dice->state) % (uint64_t)(high - low + 1));
}

static inline bool dice_percent(struct dice *dice, uint32_t percent)
{
  return dice_below(dice, 100) < percent;
}

/* A draw whose size is of any order of magnitude between the two: as many short ones below a millisecond as long ones above a second. */
static inline int64_t dice_magnitude(struct dice *dice, int64_t low, int64_t high)
{
  int64_t top = low;

  while (top < high && dice_below(dice, 4) != 0) {
    top = top > high / 3 ? high : top * 3;
  }
  return dice_between(dice, low, top);
}

#endif
