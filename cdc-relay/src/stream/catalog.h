/*
 * catalog.h - what the database says about slot, publication and tables, and whether `run` may start on it. The same SQL serves the asynchronous stream and the
 * one-shot commands: a caller runs catalog_query(i) for i in 0 .. CATALOG_QUERY_COUNT-1 in order (simple query protocol, also on a walsender connection),
 * hands each result to catalog_read(), then asks catalog_judge(). Needs no table privileges. catalog_slot_query() asks for the slot alone, once a stream has begun.
 */
#ifndef STREAM_CATALOG_H
#define STREAM_CATALOG_H

#include <libpq-fe.h>

#include "config/config.h"
#include "lsn.h"
#include "stream/catalog_mark.h"
#include "stream/slot_status.h"
#include "verdict.h"

enum { CATALOG_QUERY_COUNT = 3 }; /* server and slot; publication; tables and their columns */

struct catalog_column {
  char *name;
  uint32_t type_oid;      /* as in the relation message: a domain's own */
  uint32_t base_type_oid; /* domains resolved */
};

struct catalog_table { /* one per outbox entry; a message entry has only `is_message` */
  bool is_message;
  bool exists;
  bool is_partitioned;
  bool is_view_or_other; /* neither table nor partitioned table */
  bool is_persistent;    /* not unlogged, not temporary; nor is any of its partitions */
  bool is_published;     /* in the publication, itself or by way of FOR ALL TABLES, a schema, or its partition root */
  char *published_as;    /* the ancestor under whose name the publication sends its rows; NULL: none */
  bool has_row_filter_or_column_list;
  char replica_identity; /* pg_class.relreplident; 'd' counts as one only with a primary key: */
  bool has_primary_key;
  bool has_payload_limit; /* a check constraint that speaks of octet_length or length of the payload column */
  bool was_maintained;    /* vacuumed or analyzed at least once: it, or a partition of it, is not new */
  int64_t rows_estimate;  /* reltuples, or inserts so far when never analyzed; -1 unknown */
  int64_t inserted_rows;  /* inserts that the statistics remember, all partitions together */
  size_t column_count;    /* columns that the plugin sends: a publication's column list and generated columns are taken into account */
  struct catalog_column *columns;
};

struct catalog {
  /* query 0 */
  int server_version;
  char *server_encoding;
  char *database;
  char *wal_level;
  bool is_in_recovery;
  Lsn wal_end;
  int64_t wal_sender_timeout_us;
  char *synchronous_standby_names;
  char *allowed_plugins; /* output_plugin_libraries; NULL where the server does not know the setting, or does not tell the role */
  char *role;            /* current_user of the connection that was asked */
  bool role_may_replicate;
  bool slot_exists;
  char *slot_plugin;
  char *slot_type; /* logical, physical */
  char *slot_database;
  bool slot_is_temporary;
  bool slot_is_active;
  int32_t slot_active_pid;
  Lsn slot_confirmed;
  Lsn slot_restart;
  enum slot_status slot_status;
  int64_t slot_safe_bytes;          /* -1: no limit */
  bool slot_has_failover;           /* standbys may keep a copy in step; false before PostgreSQL 17 */
  bool slot_is_synced;              /* such a copy, or one that was */
  char *synchronized_standby_slots; /* for whom slots with failover wait; NULL before PostgreSQL 17, or not told */
  struct catalog_mark mark;         /* of what the other queries read, and not younger */
  /* query 1 */
  bool publication_exists;
  bool publishes_insert, publishes_update, publishes_delete, publishes_truncate, publishes_via_root;
  char *publication_owner;
  /* query 2 */
  size_t table_count; /* = config->outbox_count */
  struct catalog_table *tables;
};

void catalog_init(struct catalog *catalog);
void catalog_done(struct catalog *catalog);

/* Whether the server can name the row in an update: a full or index identity, or the default one with a primary key. */
bool catalog_table_has_identity(const struct catalog_table *table);

/* SQL text for query `index`; malloc'ed. Names from the configuration are quoted as literals. */
char *catalog_query(const struct config *config, size_t index);
/* Reads that query's result. OK, or RETRY when the result does not have the form that the query asked for. */
enum verdict MUST_CHECK catalog_read(struct catalog *catalog, const struct config *config, size_t index, const PGresult *result, struct problem *problem);

/* The slot while somebody may be streaming from it. */
struct catalog_slot {
  int32_t active_pid; /* 0: nobody, or the server that was asked has no such slot */
  Lsn confirmed;
  Lsn wal_end;
  int32_t asking_pid; /* of the connection that was asked, as the server knows it; a pooler tells its clients another */
};

/* SQL text; malloc'ed. */
char *catalog_slot_query(const struct config *config);
/* Reads its result. OK; RETRY when the result does not have the form that the query asked for; what an error of the server asks for. */
enum verdict MUST_CHECK catalog_read_slot(const PGresult *result, struct catalog_slot *ret_slot, struct problem *problem);

/* Hands every reason why `run` may not stream to `found`, in the order in which they should be mended: FATAL ones, code 3 or 4, each with a hint. */
typedef void (*CatalogProblemFunction)(void *context, const struct problem *problem);
void catalog_problems(const struct catalog *catalog, const struct config *config, CatalogProblemFunction found, void *context);

/* Whether `run` may stream: OK, or FATAL with code 3 or 4 and a hint with the statement that mends it. The first of catalog_problems() only. */
enum verdict MUST_CHECK catalog_judge(const struct catalog *catalog, const struct config *config, struct problem *problem);

#endif
