/*
 * model_walsender.c - what src/backend/replication/walsender.c of PostgreSQL does for a logical slot, as far as the other end can tell.
 *
 *   ProcessRepliesIfAny()         statuses move the slot; any of them counts as a sign of life; one that asks gets a keepalive
 *   WalSndCheckTimeOut()          no sign of life within wal_sender_timeout: it ends
 *   XLogSendLogical()             transactions in commit order, each whole; those whose commit record begins before the start are skipped
 *   WalSndWaitForWal()            caught up, and the other end has not said that it has all: a keepalive
 *   WalSndKeepaliveIfNecessary()  half of wal_sender_timeout without a sign of life: a keepalive that asks for a reply
 *   WalSndDone()                  stopping and caught up: it ends when flush (write, where flush is 0) equals its position, else asks and asks
 */
#include "world.h"

enum {
  SPIN_US = 1000,             /* between two requests of a walsender that stops; really it is less */
  DEAF_TIMEOUT_US = 60000000, /* without wal_sender_timeout it is TCP that notices */
};

int64_t link_latency_us(struct world *world)
{
  return world->plan.latency_us / 2 + dice_below(&world->dice, (uint32_t)world->plan.latency_us + 1);
}

void walsender_start(struct world *world, struct walsender *sender, uint32_t relay, int32_t pid, Lsn start)
{
  sender->is_used = true;
  sender->is_over = false;
  sender->has_client = true;
  sender->hears_nothing = false;
  sender->pid = pid;
  sender->relay = relay;
  /* Decoding begins at an older position; the first keepalives may tell of it. */
  sender->sent = start - (Lsn)dice_below(&world->dice, 2000);
  sender->told = 0;
  sender->write = 0;
  sender->flush = 0;
  sender->last_reply_us = world->now_us;
  sender->data_read = 0;
  sender->is_asked = false;
  sender->owes_answer = false;
  sender->busy_until_us = 0;
  sender->stalled_us = 0;
  sender->stalled_until_us = 0;
  sender->transaction = history_first_from(&world->history, start);
  sender->item = 0;
  sender->has_begun = false;
  sender->shape_announced = -1;
  sender->other_announced = false;
  sender->down_arrival_us = world->now_us;
  sender->down_first = 0;
  sender->down_count = 0;
  sender->up_first = 0;
  sender->up_count = 0;
}

/* ---- down ---- */

static void push(struct world *world, struct walsender *sender, struct down down)
{
  if (world->plan.slices && dice_below(&world->dice, 8) == 0) {
    sender->down_arrival_us += dice_magnitude(&world->dice, 1, 2000);
  }
  down.start = down.wal_end;
  if (world->plan.tells_wal_end && down.kind < DOWN_KEEPALIVE) {
    down.wal_end = world->history.flushed;
  }
  down.sent_us = world_wall_us(world);
  down.arrives_us = sender->down_arrival_us;
  sender->down[(sender->down_first + sender->down_count++) % WALSENDER_DOWN_MAX] = down;
}

/* What is pushed from now on arrives after the way, and behind everything before. */
static void set_arrival(struct world *world, struct walsender *sender)
{
  int64_t arrival_us = world->now_us + link_latency_us(world);

  if (arrival_us > sender->down_arrival_us) {
    sender->down_arrival_us = arrival_us;
  }
}

static bool has_room(const struct world *world, const struct walsender *sender)
{
  return sender->down_count < world->plan.socket_messages;
}

static void keepalive(struct world *world, struct walsender *sender, bool asks)
{
  push(world, sender, (struct down){.kind = DOWN_KEEPALIVE, .wal_end = sender->sent, .reply_requested = asks});
  sender->told = sender->sent;
  sender->is_asked = sender->is_asked || asks;
}

/* It streams no more; the slot is free. */
static void end(struct world *world, struct walsender *sender)
{
  sender->is_over = true;
  if (world->server.active_pid == sender->pid) {
    world->server.active_pid = 0;
  }
  if (!sender->has_client) {
    sender->is_used = false;
  }
}

void walsender_die(struct world *world, struct walsender *sender, enum down_kind goodbye, bool tells_client)
{
  uint32_t arrived = 0;

  while (arrived < sender->down_count && sender->down[(sender->down_first + arrived) % WALSENDER_DOWN_MAX].arrives_us <= world->now_us) {
    arrived++;
  }
  sender->down_count = arrived + dice_below(&world->dice, sender->down_count - arrived + 1);
  set_arrival(world, sender);
  if (!tells_client) {
    sender->down_arrival_us += dice_between(&world->dice, US_PER_S, seconds_us(30)); /* until its own TCP gives up */
  }
  push(world, sender, (struct down){.kind = goodbye});
  end(world, sender);
}

void walsender_stall(struct world *world, struct walsender *sender, int64_t until_us)
{
  uint32_t there = 1 + dice_below(&world->dice, sender->down_count - 1);

  for (uint32_t i = there; i < sender->down_count; i++) {
    struct down *down = &sender->down[(sender->down_first + i) % WALSENDER_DOWN_MAX];

    down->arrives_us = down->arrives_us > until_us ? down->arrives_us : until_us;
  }
  sender->down_arrival_us = sender->down_arrival_us > until_us ? sender->down_arrival_us : until_us;
  sender->stalled_us = world->now_us;
  sender->stalled_until_us = until_us;
}

/* ---- bytes ---- */

static size_t item_bytes(struct model_stream *stream, const struct down *down, const struct transaction *transaction)
{
  const struct history *history = &stream->world->history;
  const struct item *item = &history->items[down->item];
  enum plugin plugin = stream->world->plan.plugin;

  switch (item->kind) {
  case ITEM_EVENT:
    oracle_on_event_read(stream->world, stream, item->row);
    return plugin_event(stream->bytes, plugin, transaction, &history->rows[item->row], item->row);
  case ITEM_OTHER_TABLE:
    return plugin_other_row(stream->bytes, plugin, transaction, item->lsn);
  case ITEM_MESSAGE:
    return plugin_message(stream->bytes, plugin, transaction, item->lsn);
  }
  return 0;
}

size_t down_bytes(struct model_stream *stream, const struct down *down)
{
  const struct transaction *transaction = &stream->world->history.transactions[down->transaction];
  enum plugin plugin = stream->world->plan.plugin;

  switch (down->kind) {
  case DOWN_BEGIN:
    return plugin_begin(stream->bytes, plugin, transaction);
  case DOWN_OUTBOX_RELATION:
    return plugin_outbox_relation(stream->bytes, transaction->shape);
  case DOWN_OTHER_RELATION:
    return plugin_other_relation(stream->bytes);
  case DOWN_ITEM:
    return item_bytes(stream, down, transaction);
  case DOWN_COMMIT:
    oracle_on_commit_read(stream->world, stream, down->transaction);
    return plugin_commit(stream->bytes, plugin, transaction);
  case DOWN_KEEPALIVE:
  case DOWN_REFUSED:
  case DOWN_DONE:
  case DOWN_LOST:
    break;
  }
  return 0;
}

/* ---- WAL ---- */

/* One message of the transaction in turn. */
static void send_part(struct world *world, struct walsender *sender, const struct transaction *transaction)
{
  const struct item *item = &world->history.items[transaction->first_item + sender->item];
  struct down down = {.transaction = sender->transaction, .item = transaction->first_item + sender->item};

  if (!sender->has_begun) {
    sender->has_begun = true;
    down.kind = DOWN_BEGIN;
    down.wal_end = transaction->item_count > 0 ? item->lsn : transaction->commit_lsn;
  } else if (sender->item == transaction->item_count) {
    down.kind = DOWN_COMMIT;
    down.wal_end = transaction->end_lsn;
    sender->has_begun = false;
    sender->item = 0;
    sender->transaction++;
    sender->sent = transaction->end_lsn;
  } else {
    down.wal_end = item->lsn;
    if (world->plan.plugin == PLUGIN_PGOUTPUT && item->kind == ITEM_EVENT && sender->shape_announced != transaction->shape) {
      down.kind = DOWN_OUTBOX_RELATION;
      sender->shape_announced = transaction->shape;
    } else if (world->plan.plugin == PLUGIN_PGOUTPUT && item->kind == ITEM_OTHER_TABLE && !sender->other_announced) {
      down.kind = DOWN_OTHER_RELATION;
      sender->other_announced = true;
    } else {
      down.kind = DOWN_ITEM;
      sender->item++;
    }
  }
  push(world, sender, down);
}

/* Sends until the socket is full or there is no more; true: caught up. */
static bool send_wal(struct world *world, struct walsender *sender)
{
  const struct history *history = &world->history;

  while (sender->transaction < history->transaction_count) {
    const struct transaction *transaction = &history->transactions[sender->transaction];

    if (transaction->end_lsn > history->flushed) {
      break;
    }
    if (transaction->item_count == 0 && !world->plan.sends_empty) {
      sender->transaction++;
      sender->sent = transaction->end_lsn;
      continue;
    }
    if (!has_room(world, sender)) {
      return false;
    }
    if (!sender->has_begun) {
      sender->sent = transaction->commit_lsn; /* all before the commit record was decoded */
    }
    send_part(world, sender, transaction);
    if (world->plan.tells_wal_end && sender->has_begun && has_room(world, sender) && dice_below(&world->dice, 16) == 0) {
      push(world, sender, (struct down){.kind = DOWN_KEEPALIVE, .wal_end = history->flushed});
    }
  }
  sender->sent = history->flushed;
  return true;
}

/* ---- up ---- */

void walsender_take_up(struct world *world, struct walsender *sender, struct up up)
{
  int64_t newest_us = sender->up_count > 0 ? sender->up[(sender->up_first + sender->up_count - 1) % WALSENDER_UP_MAX].arrives_us : 0;

  if (sender->up_count == WALSENDER_UP_MAX) {
    world_finds(world, "O9", "%d messages of the relay are on their way to PostgreSQL at once", WALSENDER_UP_MAX);
    return;
  }
  up.arrives_us = world->now_us + link_latency_us(world);
  up.arrives_us = up.arrives_us > newest_us ? up.arrives_us : newest_us;
  sender->up[(sender->up_first + sender->up_count++) % WALSENDER_UP_MAX] = up;
}

static void on_status(struct world *world, struct walsender *sender, const struct up *up)
{
  sender->write = up->write;
  sender->flush = up->flush;
  server_confirm(world, up->flush);
  sender->owes_answer = sender->owes_answer || up->asks;
}

/* False: it streams no more. */
static bool take_replies(struct world *world, struct walsender *sender)
{
  while (sender->up_count > 0 && sender->up[sender->up_first].arrives_us <= world->now_us) {
    const struct up up = sender->up[sender->up_first];

    sender->up_first = (sender->up_first + 1) % WALSENDER_UP_MAX;
    sender->up_count--;
    sender->last_reply_us = world->now_us;
    sender->is_asked = false;
    switch (up.kind) {
    case UP_STATUS:
      on_status(world, sender, &up);
      break;
    case UP_DONE:
      set_arrival(world, sender);
      push(world, sender, (struct down){.kind = DOWN_DONE});
      end(world, sender);
      return false;
    case UP_TERMINATE:
      sender->has_client = false;
      end(world, sender);
      return false;
    }
  }
  return true;
}

/* ---- turns ---- */

static int64_t timeout_us(const struct world *world, const struct walsender *sender)
{
  return sender->hears_nothing && world->plan.wal_sender_timeout_us == 0 ? DEAF_TIMEOUT_US : world->plan.wal_sender_timeout_us;
}

int64_t walsender_next_us(const struct world *world, const struct walsender *sender)
{
  int64_t frozen_us = world->relays[sender->relay].link.frozen_until_us;
  int64_t timeout = timeout_us(world, sender);
  int64_t next_us = INT64_MAX;

  if (sender->is_over) {
    return INT64_MAX;
  }
  if (sender->busy_until_us != 0) {
    return sender->busy_until_us;
  }
  if (timeout != 0) {
    next_us = sender->last_reply_us + (sender->is_asked || !has_room(world, sender) ? timeout : timeout / 2);
  }
  if (sender->up_count > 0 && !sender->hears_nothing) {
    int64_t up_us = sender->up[sender->up_first].arrives_us;

    up_us = up_us > frozen_us ? up_us : frozen_us;
    next_us = up_us < next_us ? up_us : next_us;
  }
  return next_us;
}

/* Caught up and stopping: it goes when the other end has all, and asks until then. */
static void turn_done(struct world *world, struct walsender *sender)
{
  if (sender->sent == (sender->flush != 0 ? sender->flush : sender->write)) {
    TRACE(world, "walsender", "%d ends: told %s", sender->pid, sender->flush != 0 ? "that all is flushed" : "that all was seen");
    push(world, sender, (struct down){.kind = DOWN_DONE});
    end(world, sender);
  } else if (!sender->is_asked && has_room(world, sender)) {
    if (sender->down_arrival_us < world->now_us + SPIN_US) {
      sender->down_arrival_us = world->now_us + SPIN_US;
    }
    keepalive(world, sender, true);
  }
}

void walsender_run(struct world *world, struct walsender *sender)
{
  int64_t timeout = timeout_us(world, sender);
  bool is_cut = sender->hears_nothing || world->now_us < world->relays[sender->relay].link.frozen_until_us;

  if (world->now_us < sender->busy_until_us || sender->is_over) {
    return;
  }
  sender->busy_until_us = 0;
  if (!is_cut && !take_replies(world, sender)) {
    return;
  }
  if (timeout != 0 && world->now_us - sender->last_reply_us >= timeout) {
    TRACE(world, "walsender", "%d ends: no sign of life for %d ms", sender->pid, (int)(timeout / US_PER_MS));
    walsender_die(world, sender, DOWN_LOST, true);
    return;
  }
  set_arrival(world, sender);
  if (sender->owes_answer && has_room(world, sender)) { /* without room there is something to be read first */
    sender->owes_answer = false;
    keepalive(world, sender, false);
  }
  if (send_wal(world, sender)) {
    if (world->server.state == SERVER_STOPPING) {
      turn_done(world, sender);
    } else if (sender->flush < sender->sent && sender->write < sender->sent && !sender->is_asked && sender->told != sender->sent && has_room(world, sender)) {
      keepalive(world, sender, false);
    }
  }
  if (!sender->is_over && timeout != 0 && world->now_us - sender->last_reply_us >= timeout / 2 && !sender->is_asked && has_room(world, sender)) {
    keepalive(world, sender, true);
  }
}
