/*
 * model_stream.c - the relay's end of a replication connection: what cdc-relay/src/stream/pg_stream.c is with libpq.
 *
 *   CLOSED -> ATTEMPT (the catalog is read) -> SECOND (the connection that will stream) -> READY -> STARTING -> LOOKING (where it began) -> STREAMING -> FINISHING
 *                    \-> READY, if somebody else has the slot
 *
 * Between each two steps lies the way there and back, in which the server may go, another relay take the slot, or somebody move it: the facts are those of the moment
 * of ATTEMPT, and what LOOKING finds is true until the stream ends.
 */
#include <poll.h>

#include "world.h"

enum { LONG_UNREAD_US = 5000000 }; /* behind a shorter pause the server's kernel has tried again soon enough */

static struct model_stream *model_stream_of(struct stream *base)
{
  return (struct model_stream *)base;
}

static struct relay *relay_of(const struct model_stream *stream)
{
  return &stream->world->relays[stream->relay];
}

static void forget(struct model_stream *stream)
{
  stream->step = STEP_CLOSED;
  stream->sender = NULL;
  stream->is_cut = false;
  stream->has_partial = false;
  stream->has_said_done = false;
  stream->record.settled_us = 0;
  stream->is_bounded = false;
  stream->base.fd = -1;
  stream->base.events = 0;
  stream->base.is_bounded = false;
}

/* The other end may still get what is on its way: all of it when nothing is left unread on ours, else chance decides how much. */
static void let_go(struct model_stream *stream)
{
  struct walsender *sender = stream->sender;
  struct world *world = stream->world;

  if (sender == NULL) {
    return;
  }
  sender->has_client = false;
  if (sender->is_over) {
    sender->is_used = false;
  } else if (!sender->hears_nothing) {
    if (sender->down_count > 0) {
      uint32_t arrived = 0;

      while (arrived < sender->up_count && sender->up[(sender->up_first + arrived) % WALSENDER_UP_MAX].arrives_us <= world->now_us) {
        arrived++;
      }
      sender->up_count = arrived + dice_below(&world->dice, sender->up_count - arrived + 1);
    }
    if (sender->up_count == WALSENDER_UP_MAX) {
      sender->up_count--;
    }
    walsender_take_up(world, sender, (struct up){.kind = UP_TERMINATE});
  }
}

void model_stream_abandon(struct model_stream *stream)
{
  if (stream->step != STEP_CLOSED) {
    let_go(stream);
    forget(stream);
  }
}

static enum verdict fail(struct model_stream *stream, struct problem *problem, const char *cause, const char *words)
{
  model_stream_abandon(stream);
  return problem_set(problem, VERDICT_RETRY, EXIT_UNEXPECTED, cause, "%s", words);
}

static enum verdict lost(struct model_stream *stream, struct problem *problem)
{
  return fail(stream, problem, "network", "connection to PostgreSQL was lost");
}

void model_stream_cut(struct model_stream *stream, bool is_silent)
{
  struct walsender *sender = stream->sender;

  if (sender == NULL) {
    stream->is_cut = stream->step != STEP_CLOSED;
    stream->due_us = stream->is_cut ? stream->world->now_us : stream->due_us;
    return;
  }
  if (sender->is_over) {
    return;
  }
  if (is_silent) {
    /* Ours is gone at once; the server's process waits for signs of life, and keeps the slot. */
    sender->hears_nothing = true;
    sender->has_client = false;
    stream->sender = NULL;
    stream->is_cut = true;
  } else {
    uint32_t arrived = dice_below(&stream->world->dice, sender->up_count + 1);

    for (uint32_t i = 0; i < arrived; i++) {
      if (sender->up[(sender->up_first + i) % WALSENDER_UP_MAX].kind == UP_STATUS) {
        server_confirm(stream->world, sender->up[(sender->up_first + i) % WALSENDER_UP_MAX].flush);
      }
    }
    walsender_die(stream->world, sender, DOWN_LOST, true);
  }
}

/* ---- connecting ---- */

static void wait_for(struct model_stream *stream, enum stream_step step, int64_t round_trips)
{
  stream->step = step;
  stream->due_us = stream->world->now_us + 2 * round_trips * link_latency_us(stream->world) + 1;
}

/* A server close by is measured at each connection anew, and on a busy machine now and then as one further away. */
static bool is_measured_near(struct world *world)
{
  return world->plan.is_near && !dice_percent(&world->dice, 10);
}

static void read_catalog(struct model_stream *stream)
{
  const struct server *server = &stream->world->server;

  stream->facts = (struct server_facts){
      .system_id = "7300000000000000042",
      .timeline = 1,
      .server_version = 150000,
      .wal_end = stream->world->history.flushed,
      .wal_sender_timeout_us = stream->world->plan.wal_sender_timeout_us,
      .slot_is_active = server->active_pid != 0,
      .slot_active_pid = server->active_pid,
      .confirmed = server->confirmed,
      .is_joined = is_measured_near(stream->world),
  };
}

static enum verdict step_connect(struct model_stream *stream, struct problem *problem)
{
  struct world *world = stream->world;
  const char *why = server_why_closed(world);

  if (why != NULL) {
    return fail(stream, problem, "connect", why);
  }
  if (stream->step == STEP_ATTEMPT) {
    if (world->server.refused_until_us > world->now_us) {
      model_stream_abandon(stream);
      return problem_set(problem, VERDICT_FATAL, EXIT_DATABASE_REFUSES, "no_publication", "publication does not exist");
    }
    read_catalog(stream);
    if (!stream->facts.slot_is_active) {
      wait_for(stream, STEP_SECOND, 3);
      return VERDICT_WAIT;
    }
  } else {
    stream->facts.backend_pid = server_new_pid(world, stream->relay);
  }
  stream->step = STEP_READY;
  stream->looked_us = world->now_us;
  return VERDICT_OK;
}

static enum verdict ms_connect(struct stream *base, struct moment now, struct server_facts *ret_facts, struct problem *problem)
{
  struct model_stream *stream = model_stream_of(base);
  enum verdict verdict = VERDICT_OK;

  (void)now;
  if (stream->is_cut) {
    return lost(stream, problem);
  }
  if (stream->step == STEP_CLOSED) {
    base->fd = 100 + (int)stream->relay;
    base->events = POLLIN;
    wait_for(stream, STEP_ATTEMPT, 4);
  }
  if (stream->step != STEP_READY) {
    verdict = model_stream_is_through(stream) ? step_connect(stream, problem) : VERDICT_WAIT;
  }
  if (verdict == VERDICT_OK) {
    *ret_facts = stream->facts;
  }
  return verdict;
}

/* What that one confirmed is its own affair. */
static enum verdict refuse_slot_of_another(struct model_stream *stream, struct problem *problem)
{
  stream->record.knows_position = false;
  return fail(stream, problem, "slot_active", "replication slot is active");
}

static enum verdict step_starting(struct model_stream *stream, struct problem *problem)
{
  const char *why = server_why_closed(stream->world);

  if (why != NULL) {
    return fail(stream, problem, "connect", why);
  }
  if (!server_take_slot(stream->world, stream)) {
    return refuse_slot_of_another(stream, problem);
  }
  walsender_run(stream->world, stream->sender);
  wait_for(stream, STEP_LOOKING, 1);
  return VERDICT_WAIT;
}

static enum verdict refused(struct model_stream *stream, struct problem *problem)
{
  model_stream_abandon(stream);
  return problem_set(problem, VERDICT_FATAL, EXIT_DATABASE_REFUSES, "no_publication", "publication does not exist");
}

/* Asked on the other connection, which a server that stops ends at some time. */
static enum verdict step_looking(struct model_stream *stream, struct stream_beginning *ret_beginning, struct problem *problem)
{
  struct world *world = stream->world;

  nemesis_on_look(world, stream->sender);
  if (world->server.state == SERVER_DOWN || (world->server.state == SERVER_STOPPING && dice_percent(&world->dice, 50))) {
    return lost(stream, problem);
  }
  if (world->server.active_pid != 0 && world->server.active_pid != stream->facts.backend_pid) {
    return refuse_slot_of_another(stream, problem);
  }
  if (stream->sender->is_over && model_stream_newest(stream) != NULL && model_stream_newest(stream)->kind == DOWN_REFUSED) {
    return refused(stream, problem); /* it has said why before it let the slot go */
  }
  if (stream->sender->is_over) {
    return lost(stream, problem);
  }
  stream->step = STEP_STREAMING;
  stream->base.bytes_read = 0;
  stream->heard_us = world->now_us;
  stream->asked_us = 0;
  *ret_beginning = (struct stream_beginning){.confirmed = world->server.confirmed, .wal_end = world->history.flushed, .active_pid = world->server.active_pid};
  oracle_on_start(world, stream);
  return VERDICT_OK;
}

static enum verdict ms_start(struct stream *base, Lsn start, struct stream_beginning *ret_beginning, struct problem *problem)
{
  struct model_stream *stream = model_stream_of(base);

  if (stream->is_cut) {
    return lost(stream, problem);
  }
  if (stream->step == STEP_READY) {
    stream->start = start;
    wait_for(stream, STEP_STARTING, 1);
    nemesis_on_start(stream->world, relay_of(stream));
  }
  if (!model_stream_is_through(stream)) {
    return VERDICT_WAIT;
  }
  return stream->step == STEP_STARTING ? step_starting(stream, problem) : step_looking(stream, ret_beginning, problem);
}

/* ---- streaming ---- */

static void pop(struct model_stream *stream)
{
  struct walsender *sender = stream->sender;

  sender->data_read += sender->down[sender->down_first].kind < DOWN_KEEPALIVE;
  sender->down_first = (sender->down_first + 1) % WALSENDER_DOWN_MAX;
  sender->down_count--;
  /* Room again: the walsender, which waited for it, goes on. */
  if (sender->down_count == stream->world->plan.socket_messages / 2) {
    walsender_run(stream->world, sender);
  }
}

/*
 * How long the oldest message has lain there, of the time since the stream began: a relay that is suspended between its start and its first read is not asked to know that.
 */
static int64_t unread_us(const struct model_stream *stream, const struct down *head)
{
  int64_t since_us = relay_of(stream)->link.frozen_until_us;

  since_us = since_us > stream->read_us ? since_us : stream->read_us;
  since_us = since_us > stream->heard_us ? since_us : stream->heard_us;
  since_us = since_us > head->arrives_us ? since_us : head->arrives_us;
  return stream->world->now_us - since_us;
}

static enum verdict ms_receive(struct stream *base, bool may_read, struct stream_message *ret_message, struct problem *problem)
{
  struct model_stream *stream = model_stream_of(base);
  const struct down *head = model_stream_head(stream);
  struct down down;

  (void)may_read;
  if (stream->world->now_us - stream->read_us >= LONG_UNREAD_US && head != NULL && unread_us(stream, head) >= LONG_UNREAD_US) {
    nemesis_on_read(stream->world, stream->sender, unread_us(stream, head));
  }
  stream->read_us = stream->world->now_us;
  if (stream->is_cut) {
    return lost(stream, problem);
  }
  if (head == NULL || !model_stream_has(stream, head)) {
    return VERDICT_WAIT;
  }
  down = *head;
  if (down.kind == DOWN_LOST) {
    return lost(stream, problem);
  }
  if (down.kind == DOWN_REFUSED) {
    return refused(stream, problem);
  }
  if (down.kind == DOWN_DONE) {
    return fail(stream, problem, "server_shutdown", "replication stream was ended by the server");
  }
  pop(stream);
  stream->heard_us = stream->world->now_us;
  oracle_on_read(stream->world, stream);
  if (down.kind == DOWN_KEEPALIVE) {
    stream->asked_us = 0;
    TRACE(stream->world, relay_name(relay_of(stream)), "reads keepalive %s%s", lsn_text(down.wal_end).text,
          down.reply_requested ? ", which asks for a reply" : "");
    *ret_message = (struct stream_message){.kind = STREAM_KEEPALIVE, .wal_end = down.wal_end, .reply_requested = down.reply_requested};
  } else {
    *ret_message = (struct stream_message){
        .kind = STREAM_DATA,
        .body = span_of(stream->bytes, down_bytes(stream, &down)),
        .start = down.start,
        .wal_end = down.wal_end,
        .sent_us = down.sent_us,
    };
    base->bytes_read += (uint64_t)stream->world->plan.weight * (ret_message->body.length + 25);
  }
  return VERDICT_OK;
}

static void send(struct model_stream *stream, struct up up)
{
  if (stream->sender != NULL && !stream->sender->is_over && !stream->sender->hears_nothing) {
    walsender_take_up(stream->world, stream->sender, up);
  }
}

static enum verdict ms_flush(struct stream *base, struct problem *problem)
{
  struct model_stream *stream = model_stream_of(base);

  (void)problem;
  if (stream->has_partial && stream->world->now_us >= relay_of(stream)->link.blocked_until_us) {
    stream->has_partial = false;
    base->events = POLLIN;
    send(stream, stream->partial);
  }
  return VERDICT_OK;
}

static enum verdict ms_send_status(struct stream *base, Lsn write, Lsn flush, Lsn apply, bool asks, struct moment now, struct problem *problem)
{
  struct model_stream *stream = model_stream_of(base);
  struct up up = {.kind = UP_STATUS, .write = write, .flush = flush, .asks = asks};

  (void)now;
  if (stream->is_cut) {
    return lost(stream, problem);
  }
  (void)ms_flush(base, problem);
  if (stream->has_partial) {
    return VERDICT_WAIT;
  }
  oracle_on_status(stream->world, stream, write, flush, apply);
  if (asks) {
    TRACE(stream->world, relay_name(relay_of(stream)), "asks for a keepalive");
    stream->asked_us = stream->world->now_us;
  }
  if (stream->world->now_us < relay_of(stream)->link.blocked_until_us) {
    stream->has_partial = true;
    stream->partial = up;
    base->events = POLLIN | POLLOUT;
  } else {
    send(stream, up);
  }
  return VERDICT_OK;
}

static enum verdict ms_finish(struct stream *base, struct problem *problem)
{
  struct model_stream *stream = model_stream_of(base);
  const struct down *head;

  if (stream->is_cut) {
    return lost(stream, problem);
  }
  (void)ms_flush(base, problem);
  stream->step = STEP_FINISHING;
  if (!stream->has_partial && !stream->has_said_done) {
    stream->has_said_done = true;
    send(stream, (struct up){.kind = UP_DONE});
  }
  for (head = model_stream_head(stream); model_stream_has(stream, head); head = model_stream_head(stream)) {
    if (head->kind == DOWN_LOST || head->kind == DOWN_REFUSED) {
      return lost(stream, problem);
    }
    if (head->kind == DOWN_DONE) {
      model_stream_abandon(stream);
      return VERDICT_OK;
    }
    pop(stream);
  }
  return VERDICT_WAIT;
}

static void ms_close(struct stream *base, bool for_good)
{
  struct model_stream *stream = model_stream_of(base);

  (void)for_good; /* it lies in the relay */
  stream->left_unread = stream->step == STEP_STREAMING && model_stream_has(stream, model_stream_head(stream));
  stream->left_blocked = stream->has_partial;
  model_stream_abandon(stream);
}

static void ms_bound(struct stream *base, bool is_bounded)
{
  struct model_stream *stream = model_stream_of(base);

  TRACE(stream->world, relay_name(relay_of(stream)), "%s", is_bounded ? "fixes its receive buffer" : "leaves its receive buffer to the kernel");
  stream->is_bounded = is_bounded;
  stream->world->bounds += is_bounded;
}

void model_stream_init(struct model_stream *stream, struct world *world, uint32_t relay)
{
  static const struct stream_ops ops = {ms_connect, ms_start, ms_receive, ms_send_status, ms_flush, ms_finish, ms_close, ms_bound};

  stream->base.ops = &ops;
  stream->world = world;
  stream->relay = relay;
  stream->facts = (struct server_facts){0};
  stream->looked_us = 0;
  stream->read_us = 0;
  stream->heard_us = 0;
  stream->asked_us = 0;
  stream->record = (struct session_record){0};
  forget(stream);
}
