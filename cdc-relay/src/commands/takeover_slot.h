/*
 * takeover_slot.h - the slot of a take-over: half-made under a name of its own while the backlog is published, and under the relay's name only when that is through.
 */
#ifndef COMMANDS_TAKEOVER_SLOT_H
#define COMMANDS_TAKEOVER_SLOT_H

#include <libpq-fe.h>

#include "config/config.h"
#include "lsn.h"
#include "verdict.h"

enum takeover_state {
  TAKEOVER_TO_DO,   /* neither slot exists any more: one that was half-made has been dropped */
  TAKEOVER_IS_DONE, /* the relay's slot exists, made by an earlier take-over that was cut off behind its last step; nothing is left to do */
};

/*
 * Only one take-over of a slot at a time: takes a lock that lasts as long as `admin`, waiting some seconds for a process that was killed to be noticed. Then looks at
 * both slots and clears away what an earlier take-over left. OK with *ret_state; FATAL 3 (a slot in use, or of another database), FATAL 4 where the relay's slot
 * exists and nothing shows that a take-over made it; RETRY.
 */
enum verdict MUST_CHECK takeover_slot_begin(PGconn *admin, const struct config *config, enum takeover_state *ret_state, struct problem *problem);

/*
 * The half-made slot, which begins at `start`, gets the relay's name. As the relay's role; `admin` as above. OK; RETRY, also where the session of `admin` has ended, and
 * the lock with it; FATAL 3; FATAL 4 where there is no such slot any more, so that another take-over may have begun: what has that name now is left as it is.
 */
enum verdict MUST_CHECK takeover_slot_finish(PGconn *admin, const struct config *config, Lsn start, struct problem *problem);

#endif
