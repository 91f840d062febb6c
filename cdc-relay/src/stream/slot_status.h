/* slot_status.h - pg_replication_slots.wal_status. */
#ifndef STREAM_SLOT_STATUS_H
#define STREAM_SLOT_STATUS_H

enum slot_status {
  SLOT_RESERVED,
  SLOT_EXTENDED,
  SLOT_UNRESERVED,
  SLOT_LOST,
  SLOT_STATUS_COUNT,
  SLOT_UNKNOWN = SLOT_STATUS_COUNT /* not known (yet) */
};

const char *slot_status_name(enum slot_status status); /* "unknown" for SLOT_UNKNOWN */
/* From PostgreSQL's word; NULL and words of later versions are SLOT_UNKNOWN. */
enum slot_status slot_status_parse(const char *text);

#endif
