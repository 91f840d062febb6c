/* slot_rows.h - answers to the slot monitor's question, as a server would give them: for the tests of slot_query and slot_monitor. */
#ifndef TESTS_SLOT_ROWS_H
#define TESTS_SLOT_ROWS_H

#include "config/config.h"

static const struct config_outbox outbox[] = {
    {.table = "public.outbox", .table_schema = "public", .table_name = "outbox"},
    {.table = "message:shop", .message_prefix = "shop"},
    {.table = "we'ird.back\\slash", .table_schema = "we'ird", .table_name = "back\\slash"},
};

enum { COLUMNS = 14 };
static const char *const column_names[COLUMNS] = {"wal_end", "start",     "mark",    "exists", "active", "pid",     "status",
                                                  "safe",    "confirmed", "restart", "entry",  "root",   "updated", "deleted"};

/* An answer: rows of columns; "-", and what is left out at the end, is NULL. */
struct rows {
  size_t count;
  const char *cells[3][COLUMNS];
};

#define SERVER "0/3000000", "2024-01-01 00:00:00+00", "-7"
#define SLOT   "t", "t", "77", "extended", "1000", "0/2000000", "0/1000000"
static const struct rows usual = {2, {{SERVER, SLOT, "0", "16385", "10", "20"}, {SERVER, SLOT, "2", "16390", "0", "5"}}};

static const struct config plain = {.name = "shop", .postgres = {.slot = "it's", .publication = "pub'lished", .url = ""}, .outbox_count = 3, .outbox = outbox};

#endif
