/*
 * model_postgres.c - the server's own life: up, stopping, down; the slot and what is saved of it.
 *
 *   confirmed_flush_lsn moves in memory with each status. It is saved at checkpoints only, so that a crash takes it back, and, before PostgreSQL 17, a shutdown in
 *   order may as well: a checkpoint writes a slot only if something else of it changed (`saves_on_stop` false).
 *
 *   UP --stop--> STOPPING --no walsender streams any more--> DOWN --some time--> UP
 *     \---crash-------------------------------------------->/
 */
#include "world.h"

enum {
  CHECKPOINT_MAX_US = 30000000,
  STOP_MAX_US = 4000000,  /* with nothing else in its way, a stop ends well before */
  PATIENCE_US = 60000000, /* then somebody stops it the hard way */
};

void server_init(struct world *world)
{
  struct server *server = &world->server;

  server->state = SERVER_UP;
  server->state_since_us = world->now_us;
  server->confirmed = world->history.end;
  server->saved = server->confirmed;
  server->active_pid = 0;
  server->foreign_until_us = 0;
  server->last_pid = 100;
  server->back_us = 0;
  server->save_us = world->now_us + dice_between(&world->dice, 1000, CHECKPOINT_MAX_US);
  server->full_until_us = 0;
  server->refused_until_us = 0;
  for (size_t i = 0; i < SERVER_WALSENDERS_MAX; i++) {
    server->senders[i].is_used = false;
  }
}

static void take_slot_back(struct server *server)
{
  if (server->foreign_until_us != 0) {
    server->foreign_until_us = 0;
    server->active_pid = 0;
  }
}

static void enter(struct world *world, enum server_state state)
{
  world->server.state = state;
  world->server.state_since_us = world->now_us;
  world->server.was_disturbed = false;
  world->server.progress = 0;
  world->server.progress_us = world->now_us;
  for (size_t i = 0; state == SERVER_DOWN && i < world->plan.relays; i++) {
    model_stream_cut(&world->relays[i].stream, false); /* also one that only connects, however soon the server is back */
  }
}

int64_t server_next_us(const struct world *world)
{
  const struct server *server = &world->server;
  int64_t next_us = INT64_MAX;

  switch (server->state) {
  case SERVER_UP:
    next_us = server->foreign_until_us != 0 && server->foreign_until_us < server->save_us ? server->foreign_until_us : server->save_us;
    break;
  case SERVER_STOPPING:
    next_us = world->now_us + US_PER_S;
    break;
  case SERVER_DOWN:
    next_us = server->back_us;
    break;
  }
  for (size_t i = 0; i < SERVER_WALSENDERS_MAX; i++) {
    if (server->senders[i].is_used) {
      int64_t sender_us = walsender_next_us(world, &server->senders[i]);

      next_us = sender_us < next_us ? sender_us : next_us;
    }
  }
  return next_us;
}

static bool somebody_streams(const struct server *server)
{
  for (size_t i = 0; i < SERVER_WALSENDERS_MAX; i++) {
    if (server->senders[i].is_used && !server->senders[i].is_over) {
      return true;
    }
  }
  return false;
}

/* What keeps a stopping server from ending is the relay's fault only if the two can talk to each other. */
static bool is_disturbed(const struct world *world)
{
  for (size_t i = 0; i < SERVER_WALSENDERS_MAX; i++) {
    const struct walsender *sender = &world->server.senders[i];
    const struct relay *relay = &world->relays[sender->relay];

    if (sender->is_used && !sender->is_over &&
        (sender->hears_nothing || sender->busy_until_us > world->now_us || sender->stalled_until_us > world->now_us ||
         relay->link.frozen_until_us > world->now_us || relay->link.blocked_until_us > world->now_us || relay->frozen_until_us > world->now_us ||
         relay->is_stopping)) {
      return true;
    }
  }
  return false;
}

/* A relay that reads what is still to be sent does all that it can. */
static uint64_t progress_of(const struct server *server)
{
  uint64_t progress = 0;

  for (size_t i = 0; i < SERVER_WALSENDERS_MAX; i++) {
    if (server->senders[i].is_used && !server->senders[i].is_over) {
      progress += server->senders[i].sent + server->senders[i].data_read;
    }
  }
  return progress;
}

static void turn_stopping(struct world *world)
{
  struct server *server = &world->server;
  uint64_t progress = progress_of(server);
  int64_t stuck_us;

  if (progress != server->progress) {
    server->progress = progress;
    server->progress_us = world->now_us;
  }
  stuck_us = world->now_us - server->progress_us;

  if (!somebody_streams(server)) {
    TRACE(world, "postgres", "has stopped; slot at %s, saved %s", lsn_text(server->confirmed).text, lsn_text(server->saved).text);
    if (world->plan.saves_on_stop) {
      server->saved = server->confirmed;
    }
    server->confirmed = server->saved;
    history_write_foreign(&world->history, 120); /* the shutdown checkpoint */
    enter(world, SERVER_DOWN);
    return;
  }
  server->was_disturbed = server->was_disturbed || is_disturbed(world);
  if (stuck_us > STOP_MAX_US && !server->was_disturbed) {
    world_finds(world, "P-03", "PostgreSQL cannot stop: a walsender has waited for %d ms", (int)(stuck_us / US_PER_MS));
  }
  if (world->now_us - server->state_since_us > PATIENCE_US) {
    server_crash(world, server->back_us);
  }
}

void server_run(struct world *world)
{
  struct server *server = &world->server;

  switch (server->state) {
  case SERVER_UP:
    if (world->now_us >= server->save_us) {
      server->saved = server->confirmed;
      server->save_us = world->now_us + dice_between(&world->dice, 1000, CHECKPOINT_MAX_US);
    }
    if (world->now_us >= server->foreign_until_us) {
      take_slot_back(server);
    }
    break;
  case SERVER_STOPPING:
    turn_stopping(world);
    break;
  case SERVER_DOWN:
    if (world->now_us >= server->back_us) {
      TRACE(world, "postgres", "is up; slot at %s", lsn_text(server->confirmed).text);
      enter(world, SERVER_UP);
      server->save_us = world->now_us + dice_between(&world->dice, 1000, CHECKPOINT_MAX_US);
    }
    break;
  }
  for (size_t i = 0; i < SERVER_WALSENDERS_MAX; i++) {
    if (server->senders[i].is_used && walsender_next_us(world, &server->senders[i]) <= world->now_us) {
      walsender_run(world, &server->senders[i]);
    }
  }
}

void server_crash(struct world *world, int64_t back_us)
{
  struct server *server = &world->server;

  TRACE(world, "postgres", "crashes; slot back from %s to %s, WAL from %s to %s", lsn_text(server->confirmed).text, lsn_text(server->saved).text,
        lsn_text(world->history.end).text, lsn_text(world->history.flushed).text);
  for (size_t i = 0; i < SERVER_WALSENDERS_MAX; i++) {
    if (server->senders[i].is_used && !server->senders[i].is_over) {
      walsender_die(world, &server->senders[i], DOWN_LOST, true);
    }
  }
  take_slot_back(server);
  server->active_pid = 0;
  server->confirmed = server->saved;
  history_crash(&world->history, back_us);
  server->back_us = back_us;
  enter(world, SERVER_DOWN);
}

void server_stop(struct world *world, int64_t back_us)
{
  TRACE(world, "postgres", "begins to stop, in order");
  enter(world, SERVER_STOPPING);
  world->server.back_us = back_us;
  take_slot_back(&world->server); /* it goes at once */
  history_stop(&world->history, back_us);
  for (size_t i = 0; i < world->plan.relays; i++) {
    relay_on_server_stops(&world->relays[i]);
  }
  for (size_t i = 0; i < SERVER_WALSENDERS_MAX; i++) {
    if (world->server.senders[i].is_used) {
      walsender_run(world, &world->server.senders[i]);
    }
  }
}

const char *server_why_closed(const struct world *world)
{
  if (world->server.state == SERVER_DOWN) {
    return "connection refused";
  }
  if (world->server.state == SERVER_STOPPING) {
    return "the database system is shutting down";
  }
  return world->server.full_until_us > world->now_us ? "sorry, too many clients already" : NULL;
}

int32_t server_new_pid(struct world *world, uint32_t owner)
{
  return ++world->server.last_pid * SERVER_PID_OWNERS + (int32_t)owner;
}

uint32_t server_pid_owner(int32_t pid)
{
  return (uint32_t)pid % SERVER_PID_OWNERS;
}

void server_lend_slot(struct world *world, int64_t until_us)
{
  struct server *server = &world->server;

  if (server->state == SERVER_UP && server->active_pid == 0) {
    server->active_pid = server_new_pid(world, SERVER_FOREIGN_OWNER);
    server->foreign_until_us = until_us;
    TRACE(world, "postgres", "gives the slot to somebody else's relay");
  }
}

bool server_take_slot(struct world *world, struct model_stream *stream)
{
  struct server *server = &world->server;

  if (server->active_pid != 0) {
    return false;
  }
  for (size_t i = 0; i < SERVER_WALSENDERS_MAX; i++) {
    if (!server->senders[i].is_used) {
      /* A start before the slot's position is forwarded to it, with a line in the server's log at most. */
      Lsn start = stream->start > server->confirmed ? stream->start : server->confirmed;

      stream->sender = &server->senders[i];
      server->active_pid = stream->facts.backend_pid;
      walsender_start(world, stream->sender, stream->relay, server->active_pid, start);
      return true;
    }
  }
  return false;
}

void server_confirm(struct world *world, Lsn flush)
{
  if (flush > world->server.confirmed) {
    world->server.confirmed = flush;
    world->progress_us = world->now_us;
  }
}
