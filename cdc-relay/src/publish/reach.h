/*
 * reach.h - whether Kafka can be reached, and whether it refuses us for good. Pure: time is an argument.
 *
 *   heard (report, broker found up) -------> connected, refusal forgotten
 *   no broker up --------------------------> not connected
 *   authentication failed, then silence for REACH_REFUSED_US while not connected -> refused
 *
 * The silence is what keeps "refused" from flapping: a cluster in which one broker is not ready to authenticate anybody is heard from on another one, and
 * librdkafka says the same error only every thirty seconds, so that counting errors would not do.
 */
#ifndef PUBLISH_REACH_H
#define PUBLISH_REACH_H

#include <stdbool.h>
#include <stdint.h>

enum {
  REACH_REFUSED_US = 5000000,
  REACH_QUIET_US = 10000000, /* heard nothing for so long: look again */
};

struct reach {
  bool is_connected;
  int64_t heard_us;
  int64_t auth_failed_us; /* 0: not, since last heard */
};

void reach_init(struct reach *reach);
void reach_on_heard(struct reach *reach, int64_t now_us);
void reach_on_down(struct reach *reach);
void reach_on_auth_failed(struct reach *reach, int64_t now_us);

/* Whether it is time to look if a broker is up. */
bool reach_look_is_due(const struct reach *reach, int64_t now_us);
bool reach_is_refused(const struct reach *reach, int64_t now_us);

#endif
