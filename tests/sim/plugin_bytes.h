/*
 * plugin_bytes.h - what PostgreSQL's plugins would send for the model's history, byte by byte, so that the relay's own decoders read it. Also the texts that the
 * oracle expects in Kafka. Each function writes to `out`, which has PLUGIN_BYTES_MAX bytes, and returns the length.
 */
#ifndef SIM_PLUGIN_BYTES_H
#define SIM_PLUGIN_BYTES_H

#include "history.h"
#include "span.h"

enum { PLUGIN_BYTES_MAX = 8192, ROW_TEXT_MAX = 4096 };

size_t plugin_begin(char *out, enum plugin plugin, const struct transaction *transaction);
size_t plugin_commit(char *out, enum plugin plugin, const struct transaction *transaction);
/* pgoutput announces the shape of a table before its first row; wal2json never does. */
size_t plugin_outbox_relation(char *out, uint8_t shape);
size_t plugin_other_relation(char *out);
size_t plugin_event(char *out, enum plugin plugin, const struct transaction *transaction, const struct row *row, uint32_t number);
size_t plugin_other_row(char *out, enum plugin plugin, const struct transaction *transaction, Lsn lsn);
size_t plugin_message(char *out, enum plugin plugin, const struct transaction *transaction, Lsn lsn);

/* The values of row `number`. Both out-buffers hold ROW_TEXT_MAX bytes; the length is returned. */
size_t row_id(char *out, uint32_t number);
size_t row_payload(char *out, const struct row *row, uint32_t number);
/* Static texts; the key is NULL where the row has none. */
const char *row_key(const struct row *row);
const char *row_route(const struct row *row);
const char *topic_name(uint8_t topic);
/* The row whose id this is; HISTORY_ROWS_MAX: none. */
uint32_t row_number(const char *id, size_t length);

#endif
