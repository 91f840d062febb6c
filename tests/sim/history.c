/* history.c - writers that take steps, and what their steps leave in the WAL. */
#include "history.h"

#include "moment.h"

enum {
  FIRST_LSN = 0x1500000,
  ROW_RECORD_BYTES = 160,
  ABORT_RECORD_BYTES = 40,
  PAGE_HEADER_BYTES = 24,
  FLUSH_INTERVAL_US = 200000, /* wal_writer_delay */
  LUMP_ROWS = 8,              /* rows of one step of a large transaction */
};

static void write_wal(struct history *history, uint32_t bytes)
{
  history->end += (bytes + 7) & ~UINT32_C(7);
  if (dice_below(history->dice, 16) == 0) {
    history->end += PAGE_HEADER_BYTES;
  }
}

void history_init(struct history *history, const struct plan *plan, struct dice *dice, int64_t now_us)
{
  history->plan = plan;
  history->dice = dice;
  history->end = FIRST_LSN;
  history->flushed = FIRST_LSN;
  history->last_xid = 700;
  history->shape = 0;
  history->flush_us = INT64_MAX;
  history->transactions_begun = 0;
  history->is_over = false;
  history->row_count = 0;
  history->item_count = 0;
  history->transaction_count = 0;
  for (uint32_t topic = 0; topic < HISTORY_TOPICS_MAX; topic++) {
    for (uint32_t key = 0; key < HISTORY_KEYS_MAX; key++) {
      history->key_rows[topic][key] = 0;
    }
  }
  for (uint32_t i = 0; i < plan->writers; i++) {
    history->writers[i].is_open = false;
    history->writers[i].next_us = now_us + dice_between(dice, 0, plan->think_us);
  }
}

int64_t history_next_us(const struct history *history)
{
  int64_t next_us = history->flush_us;

  for (uint32_t i = 0; i < history->plan->writers; i++) {
    if (history->writers[i].next_us < next_us) {
      next_us = history->writers[i].next_us;
    }
  }
  return next_us;
}

bool history_row_belongs_to_its_topic(const struct history *history, const struct row *row)
{
  return row->kind == ROW_SOUND || (!history->plan->dead_letters && (row->kind == ROW_REFUSED || row->kind == ROW_TOO_LARGE));
}

static enum row_kind draw_kind(struct history *history)
{
  if (history->plan->poison_percent == 0 || !dice_percent(history->dice, history->plan->poison_percent)) {
    return ROW_SOUND;
  }
  return ROW_REFUSED + dice_below(history->dice, 4);
}

static bool has_room(const struct history *history)
{
  return history->row_count + LUMP_ROWS < HISTORY_ROWS_MAX && history->item_count + HISTORY_WRITER_ITEMS_MAX < HISTORY_ITEMS_MAX &&
         history->transaction_count < HISTORY_TRANSACTIONS_MAX;
}

static void write_item(struct history *history, struct writer *writer, bool is_kept)
{
  struct dice *dice = history->dice;
  struct item item = {.kind = ITEM_EVENT, .lsn = history->end, .row = history->row_count};

  if (writer->item_count == HISTORY_WRITER_ITEMS_MAX || !has_room(history)) {
    return;
  }
  write_wal(history, ROW_RECORD_BYTES);
  if (dice_below(dice, 16) == 0) {
    item.kind = dice_percent(dice, 70) ? ITEM_OTHER_TABLE : ITEM_MESSAGE;
  } else {
    history->rows[history->row_count++] = (struct row){
        .kind = draw_kind(history),
        .topic = (uint8_t)dice_below(dice, history->plan->topics),
        .key = (uint8_t)dice_below(dice, history->plan->keys),
        .padding_bytes = (uint16_t)(dice_below(dice, 64) == 0 ? 3000 : dice_below(dice, 40)),
    };
  }
  if (is_kept) {
    writer->items[writer->item_count++] = item;
  }
}

/* One statement, or one subtransaction that may be rolled back on its own. */
static void write_lump(struct history *history, struct writer *writer)
{
  bool is_kept = history->plan->rollback_percent == 0 || !dice_percent(history->dice, history->plan->rollback_percent / 2);

  if (writer->is_foreign) {
    write_wal(history, (uint32_t)dice_magnitude(history->dice, 100, 100000));
    return;
  }
  for (uint32_t i = 0; i < writer->rows; i++) {
    write_item(history, writer, is_kept);
  }
}

static void commit_events(struct history *history, struct transaction *transaction)
{
  for (uint32_t i = 0; i < transaction->item_count; i++) {
    const struct item *item = &history->items[transaction->first_item + i];
    struct row *row = &history->rows[item->row];

    if (item->kind == ITEM_EVENT) {
      row->is_committed = true;
      row->transaction = history->transaction_count;
      row->index = transaction->event_count++;
      if (history_row_belongs_to_its_topic(history, row)) {
        row->rank = history->key_rows[row->topic][row->key]++;
      }
    }
  }
  transaction->unappended = transaction->event_count;
}

static void commit(struct history *history, const struct writer *writer, int64_t now_us, int64_t commit_time_us)
{
  struct transaction *transaction = &history->transactions[history->transaction_count];

  if (!has_room(history)) {
    return;
  }
  *transaction = (struct transaction){
      .commit_lsn = history->end,
      .end_lsn = history->end + HISTORY_COMMIT_RECORD_BYTES,
      .xid = writer->xid,
      .commit_time_us = commit_time_us,
      .first_item = history->item_count,
      .item_count = writer->item_count,
      .shape = history->shape,
  };
  for (uint32_t i = 0; i < writer->item_count; i++) {
    history->items[history->item_count++] = writer->items[i];
  }
  commit_events(history, transaction);
  history->transaction_count++;
  history->end = transaction->end_lsn;
  if (history->plan->async_percent == 0 || !dice_percent(history->dice, history->plan->async_percent)) {
    history->flushed = history->end;
  } else if (history->flush_us == INT64_MAX) {
    history->flush_us = now_us + FLUSH_INTERVAL_US;
  }
}

static void begin(struct history *history, struct writer *writer)
{
  struct dice *dice = history->dice;
  const struct plan *plan = history->plan;
  bool is_large = plan->large_one_in != 0 && dice_below(dice, plan->large_one_in) == 0;
  uint32_t rows = is_large ? plan->rows_large : dice_below(dice, plan->rows_typical + 1);

  writer->is_open = true;
  writer->xid = ++history->last_xid;
  writer->item_count = 0;
  writer->is_foreign = dice_percent(dice, plan->foreign_percent);
  writer->rolls_back = dice_percent(dice, plan->rollback_percent);
  writer->rows = is_large ? LUMP_ROWS : 1 + dice_below(dice, 2);
  writer->steps = (rows + writer->rows - 1) / writer->rows;
  history->transactions_begun++;
}

/* ALTER TABLE waits for the writers of the table: the shape changes between transactions. */
static void reshape(struct history *history)
{
  for (uint32_t i = 0; i < history->plan->writers; i++) {
    if (history->writers[i].is_open && history->writers[i].item_count > 0) {
      return;
    }
  }
  history->shape = (uint8_t)((history->shape + 1) % HISTORY_SHAPES);
  write_wal(history, 2000);
}

static void step(struct history *history, struct writer *writer, int64_t now_us, int64_t commit_time_us)
{
  const struct plan *plan = history->plan;

  if (!writer->is_open) {
    if (history->is_over || history->transactions_begun >= plan->transactions) {
      writer->next_us = INT64_MAX;
      return;
    }
    if (plan->reshape_percent != 0 && dice_percent(history->dice, plan->reshape_percent)) {
      reshape(history);
    }
    begin(history, writer);
  } else if (writer->steps > 0) {
    write_lump(history, writer);
    writer->steps--;
  } else {
    if (writer->rolls_back) {
      write_wal(history, ABORT_RECORD_BYTES);
    } else {
      commit(history, writer, now_us, commit_time_us);
    }
    writer->is_open = false;
  }
  writer->next_us = now_us + dice_between(history->dice, 0, plan->think_us);
}

bool history_run(struct history *history, int64_t now_us, int64_t commit_time_us)
{
  Lsn before = history->flushed;

  for (uint32_t i = 0; i < history->plan->writers; i++) {
    if (history->writers[i].next_us <= now_us) {
      step(history, &history->writers[i], now_us, commit_time_us);
    }
  }
  if (history->flush_us <= now_us) {
    history->flush_us = INT64_MAX;
    history->flushed = history->end;
  }
  return history->flushed != before;
}

void history_write_foreign(struct history *history, uint32_t bytes)
{
  write_wal(history, bytes);
  history->flushed = history->end;
}

void history_stop(struct history *history, int64_t resume_us)
{
  for (uint32_t i = 0; i < history->plan->writers; i++) {
    struct writer *writer = &history->writers[i];

    if (writer->is_open) {
      writer->is_open = false;
      write_wal(history, ABORT_RECORD_BYTES);
    }
    if (writer->next_us != INT64_MAX) {
      writer->next_us = resume_us + dice_between(history->dice, 0, history->plan->think_us);
    }
  }
  history->flushed = history->end;
  history->flush_us = INT64_MAX;
}

static void undo_newest(struct history *history)
{
  const struct transaction *transaction = &history->transactions[--history->transaction_count];

  for (uint32_t i = 0; i < transaction->item_count; i++) {
    const struct item *item = &history->items[transaction->first_item + i];
    struct row *row = &history->rows[item->row];

    if (item->kind == ITEM_EVENT) {
      row->is_committed = false;
      if (history_row_belongs_to_its_topic(history, row)) {
        history->key_rows[row->topic][row->key]--;
      }
    }
  }
  history->item_count = transaction->first_item;
}

void history_crash(struct history *history, int64_t resume_us)
{
  while (history->transaction_count > 0 && history->transactions[history->transaction_count - 1].end_lsn > history->flushed) {
    undo_newest(history);
  }
  history->end = history->flushed;
  for (uint32_t i = 0; i < history->plan->writers; i++) {
    struct writer *writer = &history->writers[i];

    writer->is_open = false;
    if (writer->next_us != INT64_MAX) {
      writer->next_us = resume_us + dice_between(history->dice, 0, history->plan->think_us);
    }
  }
  history->flush_us = INT64_MAX;
  history_write_foreign(history, 120); /* the checkpoint of the recovery */
}

uint32_t history_first_from(const struct history *history, Lsn start)
{
  uint32_t low = 0, high = history->transaction_count;

  while (low < high) {
    uint32_t middle = low + (high - low) / 2;

    if (history->transactions[middle].commit_lsn < start) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}
