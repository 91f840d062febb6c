/* dice.h - chance from a seed (splitmix64): the same seed rolls the same. Zeroed is a seed like any other. */
#ifndef FAULTS_DICE_H
#define FAULTS_DICE_H

#include <stdbool.h>
#include <stdint.h>

struct dice {
  uint64_t state;
};

static inline uint64_t dice_roll(struct dice *dice)
{
  uint64_t z = dice->state += UINT64_C(0x9E3779B97F4A7C15);

  z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
  return z ^ z >> 31;
}

/* 0 to `count` - 1; `count` is above 0. */
static inline uint32_t dice_below(struct dice *dice, uint32_t count)
{
  return (uint32_t)((dice_roll(dice) >> 32) * count >> 32);
}

/* [0, 1) */
static inline double dice_share(struct dice *dice)
{
  return (double)(dice_roll(dice) >> 11) * 0x1p-53;
}

static inline bool dice_says(struct dice *dice, double share)
{
  return dice_share(dice) < share;
}

/* `least` to `most`, small ones far more often than large ones: halves of the range are drawn first. */
static inline uint32_t dice_skewed(struct dice *dice, uint32_t least, uint32_t most)
{
  uint32_t range = most - least;

  while (range > 0 && dice_says(dice, 0.5)) {
    range /= 2;
  }
  return least + dice_below(dice, range + 1);
}

#endif
