/*
 * proxy_rule.h - the rules of fault_proxy: which frames are meant, and what becomes of them.
 *
 *   NAME [api=Produce] [direction=request|response|both] [skip=N] [count=N] ACTION
 *
 *   hold                      waits until `release NAME`
 *   delay=MS[+-JITTER_MS]     waits so long
 *   drop                      swallowed
 *   slice=BYTES               at most so many bytes per send
 *   bandwidth=BYTES_PER_SECOND  of all that fits, together
 *   reset                     RST on both sides, in place of the frame
 *   half-close                shutdown of our sending side, in place of the frame and of all that follows it
 *   lose                      as reset, of a response only: the broker has done it and nobody hears
 *   error=CODE                of a response of one api that kafka_patch.h knows: it says that error, though the broker has done it
 *
 * A rule sees each frame that fits; the first `skip` of them it leaves alone, then it acts on `count` (on all, without count). A frame is under every rule
 * that acts on it: delays add up, one that swallows wins. In plain mode a frame is what one read gave, and has no api.
 *
 * The table is at most RULES_MAX rules; what a frame is under is a set of them, one bit each. No memory is owned but the table itself.
 */
#ifndef CDC_TESTS_FAULTS_PROXY_RULE_H
#define CDC_TESTS_FAULTS_PROXY_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RULES_MAX = 32, RULE_NAME_BYTES_MAX = 32, RULE_DELAY_MS_MAX = 600000, RULE_BYTES_MAX = 1024 * 1024 * 1024 };

typedef uint32_t rule_set; /* bit i: rules[i] */

enum rule_action { RULE_HOLD, RULE_DELAY, RULE_DROP, RULE_SLICE, RULE_BANDWIDTH, RULE_RESET, RULE_HALF_CLOSE, RULE_LOSE, RULE_ERROR };

enum rule_direction { RULE_REQUEST = 1, RULE_RESPONSE = 2, RULE_BOTH = 3 };

struct proxy_rule {
  bool is_used;
  char name[RULE_NAME_BYTES_MAX];
  int api; /* KAFKA_API_UNKNOWN: any */
  enum rule_direction direction;
  uint64_t skip;
  uint64_t count; /* UINT64_MAX: no end */
  enum rule_action action;
  int64_t amount; /* milliseconds, bytes, bytes per second, or an error code */
  int64_t jitter_ms;
  uint64_t seen;    /* frames that fitted */
  uint64_t applied; /* frames that it acted on */
  double tokens_bytes;
  int64_t tokens_at_us;
};

struct proxy_rules {
  struct proxy_rule rules[RULES_MAX];
  uint64_t chance; /* state of the generator for jitter; never 0 */
};

/* What becomes of a frame when its turn comes. Later ones win. */
enum rule_fate { FATE_PASS, FATE_DROP, FATE_HALF_CLOSE, FATE_RESET };

struct rule_verdict {
  rule_set rules; /* that act on it */
  enum rule_fate fate;
  int64_t delay_us;
  int16_t error; /* of the last rule that gives one; 0: none */
};

void proxy_rules_init(struct proxy_rules *rules, uint64_t seed);

/* Words as above, NAME first; a rule of the same name is replaced, and *ret_replaced is its bit (0: there was none). NULL, or static text of what is wrong, and
 * then nothing has changed. */
const char *proxy_rules_set(struct proxy_rules *rules, char *const *words, size_t count, bool is_kafka, rule_set *ret_replaced);

/* The rule of that name as a set of one, empty when there is none. NULL: all that there are. */
rule_set proxy_rules_find(const struct proxy_rules *rules, const char *name);
void proxy_rules_clear(struct proxy_rules *rules, rule_set cleared);

/* Shows a new frame to every rule, once. `direction` is RULE_REQUEST or RULE_RESPONSE; `api` may be KAFKA_API_UNKNOWN. */
struct rule_verdict proxy_rules_judge(struct proxy_rules *rules, enum rule_direction direction, int api);

/* Whether one of these does that. */
bool proxy_rules_act(const struct proxy_rules *rules, rule_set of, enum rule_action action);

/* How many bytes of a frame under these rules may be sent in one piece now, at most `wanted`. 0: none yet, ask again at *ret_again_us. */
size_t proxy_rules_allow(struct proxy_rules *rules, rule_set of, size_t wanted, int64_t now_us, int64_t *ret_again_us);
void proxy_rules_sent(struct proxy_rules *rules, rule_set of, size_t sent_bytes);

#endif
