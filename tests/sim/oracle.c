/*
 * oracle.c - judges each status, record, append and report as it comes, and the whole at the end. What a relay owes by the clock is oracle_turn.c's.
 *
 * The bound of a status. A session may confirm up to the commit record of the first transaction that it has not settled: one with an event whose record this very
 * session has not heard to be in Kafka, or that it has not received to its end. That is I1 to I3 in one comparison, since PostgreSQL skips what lies before.
 *
 * The order of a key. In the log, ranks of first occurrences go up by one, without a gap. A repetition goes back, and on from there: newest + 1 or less. Of one
 * session's own records each follows the one before directly.
 */
#include "oracle.h"

#include <string.h>

#include "world.h"

void oracle_init(struct world *world)
{
  memset(&world->oracle, 0, sizeof(world->oracle));
}

static void mix(struct world *world, uint64_t value)
{
  world->fingerprint = (world->fingerprint ^ value ^ (uint64_t)world->now_us << 20) * UINT64_C(0x100000001B3);
}

/* ---- the stream ---- */

static void advance_unappended(struct world *world)
{
  struct oracle *oracle = &world->oracle;

  /* A crash may have taken back the newest transactions. */
  if (oracle->first_unappended > world->history.transaction_count) {
    oracle->first_unappended = world->history.transaction_count;
  }
  while (oracle->first_unappended < world->history.transaction_count && world->history.transactions[oracle->first_unappended].unappended == 0) {
    oracle->first_unappended++;
  }
}

/* Up to where the session has settled all that there is. */
static void advance_unsettled(struct world *world, struct model_stream *stream)
{
  const struct history *history = &world->history;

  while (stream->record.unsettled < stream->record.complete) {
    const struct transaction *transaction = &history->transactions[stream->record.unsettled];

    if (transaction->event_count > 0 &&
        (transaction->settled_session[stream->relay] != stream->record.number || transaction->settled[stream->relay] < transaction->event_count)) {
      return;
    }
    stream->record.unsettled++;
    if (transaction->end_lsn > stream->record.settled_lsn && transaction->event_count > 0) {
      stream->record.settled_lsn = transaction->end_lsn;
    }
  }
  if (stream->record.settled_lsn > stream->record.flush && stream->record.settled_us == 0) {
    stream->record.settled_us = world->now_us;
  }
}

void oracle_on_start(struct world *world, struct model_stream *stream)
{
  if (stream->start != stream->facts.confirmed) {
    world_finds(world, "I5", "%s starts at %s, and the slot was at %s", relay_name(&world->relays[stream->relay]), lsn_text(stream->start).text,
                lsn_text(stream->facts.confirmed).text);
  }
  stream->record.number = ++world->sessions;
  stream->record.process = world->relays[stream->relay].process;
  stream->record.start = stream->start > world->server.confirmed ? stream->start : world->server.confirmed;
  stream->record.flush = stream->record.start;
  stream->record.status_us = world->now_us;
  stream->record.unsettled = history_first_from(&world->history, stream->record.start);
  stream->record.complete = stream->record.unsettled;
  stream->record.in_hand = NO_ROW;
  stream->record.settled_us = 0;
  stream->record.settled_lsn = stream->record.start;
  stream->record.is_to_hold = world->oracle.moved_lsn > stream->record.highest_flush && world->oracle.moved_process == stream->record.process &&
                              stream->record.knows_position && stream->record.start > stream->record.highest_flush;
  if (!stream->record.knows_position || (!stream->record.is_to_hold && stream->record.start > stream->record.highest_flush)) {
    stream->record.highest_flush = stream->record.start;
  }
  stream->record.knows_position = true;
  stream->record.failures = 0;
  stream->record.has_heard_of_other = false;
  TRACE(world, relay_name(&world->relays[stream->relay]), "session %u streams from %s", stream->record.number, lsn_text(stream->record.start).text);
}

static void judge_beginning(struct world *world, const struct model_stream *stream)
{
  if (stream->record.is_to_hold) {
    world_finds(world, "I5", "%s goes on from %s, where somebody moved the slot: it had confirmed %s", relay_name(&world->relays[stream->relay]),
                lsn_text(stream->record.start).text, lsn_text(stream->record.highest_flush).text);
  }
}

/* A row that nobody has been given is kept somewhere, or lost. */
void oracle_on_read(struct world *world, const struct model_stream *stream)
{
  if (stream->record.in_hand != NO_ROW) {
    world_finds(world, "I6", "%s reads on, and row e%u, which it has read, is not the producer's", relay_name(&world->relays[stream->relay]),
                stream->record.in_hand);
  }
}

void oracle_on_event_read(struct world *world, struct model_stream *stream, uint32_t row)
{
  world->history.rows[row].read_in[stream->relay] = stream->record.number;
  stream->record.in_hand = row;
}

void oracle_on_commit_read(struct world *world, struct model_stream *stream, uint32_t transaction)
{
  stream->record.complete = transaction + 1;
  advance_unsettled(world, stream);
}

/* The commit record that a confirmation must not pass. Transactions without events that were never sent do not count. */
static Lsn bound_of(struct world *world, struct model_stream *stream)
{
  const struct history *history = &world->history;

  while (stream->record.unsettled >= stream->record.complete && stream->record.unsettled < history->transaction_count &&
         history->transactions[stream->record.unsettled].event_count == 0) {
    stream->record.unsettled++;
    stream->record.complete = stream->record.unsettled;
  }
  return stream->record.unsettled < history->transaction_count ? history->transactions[stream->record.unsettled].commit_lsn : history->flushed;
}

void oracle_on_status(struct world *world, struct model_stream *stream, Lsn write, Lsn flush, Lsn apply)
{
  const struct transaction *transactions = world->history.transactions;
  uint32_t unappended;
  const char *who = relay_name(&world->relays[stream->relay]);

  TRACE(world, who, "status: write %s flush %s", lsn_text(write).text, lsn_text(flush).text);
  mix(world, flush);
  if (stream->step != STEP_STREAMING) {
    world_finds(world, "I5", "%s sends a status, and no stream has begun: the slot may be another relay's", who);
  }
  stream->record.status_us = world->now_us;
  advance_unappended(world);
  unappended = world->oracle.first_unappended;
  judge_beginning(world, stream);
  if (flush == 0) {
    return; /* confirms nothing: it lets a stopping server go */
  }
  if (flush != apply || flush > write) {
    world_finds(world, "I3", "status with write %s flush %s apply %s", lsn_text(write).text, lsn_text(flush).text, lsn_text(apply).text);
  }
  if (flush < stream->record.flush) {
    world_finds(world, "I4", "%s confirms %s after %s", who, lsn_text(flush).text, lsn_text(stream->record.flush).text);
  }
  if (flush > world->history.flushed) {
    world_finds(world, "I3", "%s confirms %s, but the server's WAL ends at %s", who, lsn_text(flush).text, lsn_text(world->history.flushed).text);
  }
  if (unappended < world->history.transaction_count && flush > transactions[unappended].commit_lsn) {
    world_finds(world, "O8", "%s confirms %s: transaction %u at %s has %u events that are not in Kafka", who, lsn_text(flush).text,
                transactions[unappended].xid, lsn_text(transactions[unappended].commit_lsn).text, transactions[unappended].unappended);
  }
  if (flush > bound_of(world, stream) && flush > stream->record.start) {
    world_finds(world, "I1", "%s confirms %s: its session has not settled transaction %u at %s", who, lsn_text(flush).text,
                transactions[stream->record.unsettled].xid, lsn_text(transactions[stream->record.unsettled].commit_lsn).text);
  }
  stream->record.flush = flush;
  stream->record.highest_flush = flush > stream->record.highest_flush ? flush : stream->record.highest_flush;
  if (stream->record.settled_lsn <= flush) {
    stream->record.settled_us = 0;
  }
}

/* ---- records ---- */

static bool matches(struct world *world, const struct record *record, const struct row *row, uint32_t number, bool is_dead_letter)
{
  const struct transaction *transaction = &world->history.transactions[row->transaction];
  const char *key = row_key(row);
  char payload[ROW_TEXT_MAX];
  size_t length = row_payload(payload, row, number);

  if (!span_is(record->key, key) || !span_equals(record->value, span_of(payload, length))) {
    world_finds(world, "O7", "row e%u: key or value is not what was written: key %.*s, value %.*s", number, (int)record->key.length, record->key.data,
                (int)record->value.length, record->value.data);
    return false;
  }
  if (record->position.commit_lsn != transaction->commit_lsn || record->position.index != row->index) {
    world_finds(world, "O7", "row e%u: position %s, should be %s/%u", number, position_text(record->position).text, lsn_text(transaction->commit_lsn).text,
                row->index);
    return false;
  }
  if (is_dead_letter) {
    return true;
  }
  if (record->timestamp_ms != transaction->commit_time_us / US_PER_MS || record->header_count == 0 || !span_is(record->headers[0].name, "id") ||
      !span_equals(record->headers[0].value, record->event_id)) {
    world_finds(world, "O7", "row e%u: time or first header is not its own", number);
    return false;
  }
  return true;
}

/* Rows that cannot be published as they are may only be dead letters, and sound ones never. */
static bool may_be_buried(const struct world *world, const struct row *row)
{
  return !history_row_belongs_to_its_topic(&world->history, row);
}

bool oracle_on_publish(struct world *world, uint32_t relay, const struct record *record, struct flight *flight, uint32_t *ret_topic)
{
  const struct model_stream *stream = &world->relays[relay].stream;
  uint32_t number = row_number(record->event_id.data, span_is_null(record->event_id) ? 0 : record->event_id.length);
  struct row *row;

  if (number >= world->history.row_count || !world->history.rows[number].is_committed) {
    world_finds(world, "O2", "a record of row %.*s, which was never committed", (int)record->event_id.length, record->event_id.data);
    return false;
  }
  row = &world->history.rows[number];
  flight->row = number;
  flight->session = stream->record.number;
  flight->is_dead_letter = span_is(record->topic, DEAD_LETTER_TOPIC_NAME);
  flight->is_probe = row->read_in[relay] != stream->record.number;
  *ret_topic = flight->is_dead_letter ? DEAD_LETTER_TOPIC : row->topic;
  if (!matches(world, record, row, number, flight->is_dead_letter)) {
    return false;
  }
  if (!flight->is_dead_letter && !span_is(record->topic, topic_name(row->topic))) {
    world_finds(world, "O7", "row e%u goes to topic %.*s", number, (int)record->topic.length, record->topic.data);
    return false;
  }
  if (flight->is_dead_letter && !may_be_buried(world, row)) {
    world_finds(world, "I2", "row e%u is sound and becomes a dead letter", number);
    return false;
  }
  judge_beginning(world, stream);
  if (stream->step != STEP_STREAMING) {
    world_finds(world, "I5", "row e%u is published, and no stream is open: the slot may be another relay's", number);
    return false;
  }
  if (flight->is_probe && world->relays[relay].state != RELAY_HELD) {
    world_finds(world, "I5", "row e%u is published by a session that has not read it", number);
    return false;
  }
  return true;
}

/* The publisher has taken the record. */
static bool counts(struct world *world, uint32_t relay, const struct flight *flight)
{
  struct row *row = &world->history.rows[flight->row];
  uint32_t *last = flight->is_dead_letter ? &row->buried_in[relay] : &row->published_in[relay];

  if (flight->is_probe) {
    return true;
  }
  if (*last == flight->session) {
    world_finds(world, "O4", "%s publishes row e%u twice in session %u", relay_name(&world->relays[relay]), flight->row, flight->session);
    return false;
  }
  *last = flight->session;
  return true;
}

bool oracle_on_accepted(struct world *world, uint32_t relay, const struct flight *flight)
{
  uint32_t *in_hand = &world->relays[relay].stream.record.in_hand;

  TRACE(world, relay_name(&world->relays[relay]), "publishes e%u%s%s", flight->row, flight->is_dead_letter ? " as a dead letter" : "",
        flight->is_probe ? " to look" : "");
  if (*in_hand == flight->row && !flight->is_probe) {
    *in_hand = NO_ROW;
  }
  return counts(world, relay, flight);
}

/* ---- the log ---- */

static void judge_order(struct world *world, uint32_t relay, const struct flight *flight, const struct row *row)
{
  struct oracle *oracle = &world->oracle;
  uint32_t *seen = &oracle->seen[row->topic][row->key];
  uint32_t *newest = &oracle->newest[row->topic][row->key];
  uint32_t *session_of = &oracle->session_of[relay][row->topic][row->key];
  uint32_t *next = &oracle->session_next[relay][row->topic][row->key];
  uint64_t *latest = &oracle->latest[row->topic][row->key % world->plan.partitions];
  uint64_t place = (uint64_t)row->transaction << 32 | (row->index + 1);

  if (row->appended == 0) {
    if (place <= *latest) {
      world_finds(world, "O3", "row e%u, of transaction %u, is in Kafka behind one of its partition of transaction %u", flight->row, row->transaction,
                  (uint32_t)(*latest >> 32));
    }
    *latest = place;
    if (row->rank != *seen) {
      world_finds(world, "O3", "row e%u, number %u of its key, is in Kafka before number %u", flight->row, row->rank, *seen);
    }
    *seen = row->rank + 1;
  } else {
    world->replays++;
  }
  if (world->plan.relays == 1 && row->rank > *newest) {
    world_finds(world, "O3", "row e%u, number %u of its key, comes behind number %d: a replay with a gap", flight->row, row->rank, (int)*newest - 1);
  }
  *newest = row->rank + 1;
  if (flight->is_probe) {
    return;
  }
  if (*session_of == flight->session && row->rank != *next) {
    world_finds(world, "O3", "session %u appends row e%u, number %u of its key, and should go on with %u", flight->session, flight->row, row->rank, *next);
  }
  *session_of = flight->session;
  *next = row->rank + 1;
}

void oracle_on_append(struct world *world, uint32_t relay, const struct flight *flight)
{
  struct row *row = &world->history.rows[flight->row];
  struct transaction *transaction = &world->history.transactions[row->transaction];
  bool is_first = row->appended + row->dead_letters == 0;

  mix(world, flight->row);
  TRACE(world, "kafka", "has e%u%s%s", flight->row, flight->is_dead_letter ? " as a dead letter" : "", is_first ? "" : ", again");
  if (flight->is_dead_letter) {
    row->dead_letters++;
  } else {
    if (may_be_buried(world, row)) {
      world_finds(world, "O2", "row e%u is in its topic, which cannot be", flight->row);
    } else {
      judge_order(world, relay, flight, row);
    }
    row->appended++;
  }
  if (is_first && !row->is_given_away) {
    world->progress_us = world->now_us;
    transaction->unappended--;
    advance_unappended(world);
  }
}

void oracle_on_report(struct world *world, struct model_stream *stream, const struct flight *flight)
{
  struct row *row = &world->history.rows[flight->row];
  struct transaction *transaction = &world->history.transactions[row->transaction];

  if (flight->session != stream->record.number || flight->is_probe || row->settled_in[stream->relay] == stream->record.number) {
    return;
  }
  row->settled_in[stream->relay] = stream->record.number;
  if (transaction->settled_session[stream->relay] != stream->record.number) {
    transaction->settled_session[stream->relay] = stream->record.number;
    transaction->settled[stream->relay] = 0;
  }
  transaction->settled[stream->relay]++;
  advance_unsettled(world, stream);
}

static bool give_away(struct world *world, uint32_t number)
{
  struct row *row = &world->history.rows[number];
  uint32_t *seen = &world->oracle.seen[row->topic][row->key];
  uint32_t *newest = &world->oracle.newest[row->topic][row->key];
  bool belongs = history_row_belongs_to_its_topic(&world->history, row);
  bool is_lost = row->appended + row->dead_letters == 0;

  if (is_lost) {
    row->is_given_away = true;
    world->history.transactions[row->transaction].unappended--;
    if (belongs) {
      *seen = row->rank + 1;
    }
  }
  *newest = belongs && row->rank >= *newest ? row->rank + 1 : *newest;
  return is_lost;
}

void oracle_on_slot_moved(struct world *world, Lsn lsn)
{
  const struct history *history = &world->history;

  TRACE(world, "person", "moves the slot to %s", lsn_text(lsn).text);
  world->oracle.touched_process = world->relays[0].process;
  for (uint32_t i = history_first_from(history, world->server.confirmed); i < history->transaction_count && history->transactions[i].commit_lsn < lsn; i++) {
    const struct transaction *transaction = &history->transactions[i];

    for (uint32_t k = transaction->first_item; k < transaction->first_item + transaction->item_count; k++) {
      if (history->items[k].kind == ITEM_EVENT && give_away(world, history->items[k].row)) {
        world->oracle.moved_lsn = lsn;
        world->oracle.moved_process = world->relays[0].process;
      }
    }
  }
  advance_unappended(world);
}

/* ---- the end ---- */

static Lsn last_event_lsn(const struct history *history)
{
  for (uint32_t i = history->transaction_count; i > 0; i--) {
    if (history->transactions[i - 1].event_count > 0) {
      return history->transactions[i - 1].end_lsn;
    }
  }
  return 0;
}

bool oracle_is_content(struct world *world)
{
  advance_unappended(world);
  return world->oracle.first_unappended == world->history.transaction_count && world->server.confirmed >= last_event_lsn(&world->history);
}

void oracle_judge(struct world *world)
{
  for (uint32_t i = 0; i < world->history.row_count; i++) {
    const struct row *row = &world->history.rows[i];
    bool belongs = history_row_belongs_to_its_topic(&world->history, row);

    if (row->is_given_away && row->appended + row->dead_letters > 0) {
      world_finds(world, "O2", "row e%u is in Kafka, although the slot was moved past it", i);
    }
    if (row->is_committed && !row->is_given_away && (belongs ? row->appended : row->dead_letters) == 0) {
      world_finds(world, "O1", "row e%u of transaction %u is lost", i, world->history.transactions[row->transaction].xid);
    }
    if (row->is_committed && belongs && row->dead_letters > 0) {
      world_finds(world, "I2", "row e%u is in its topic and among the dead letters", i);
    }
  }
  if (world->sessions == world->plan.relays && world->faults_drawn == 0 && world->plan.poison_percent == 0 && world->plan.growth_us == 0 &&
      world->replays > 0) {
    world_finds(world, "O4", "%u rows came twice, and nothing has gone wrong", world->replays);
  }
}
