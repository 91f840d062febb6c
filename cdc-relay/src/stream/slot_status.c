/* slot_status.c - the words of pg_replication_slots.wal_status. */
#include "stream/slot_status.h"

#include <stddef.h>
#include <string.h>

static const char *const names[] = {"reserved", "extended", "unreserved", "lost", "unknown"};

const char *slot_status_name(enum slot_status status)
{
  return names[status];
}

enum slot_status slot_status_parse(const char *text)
{
  for (int i = 0; text != NULL && i < SLOT_STATUS_COUNT; i++) {
    if (strcmp(text, names[i]) == 0) {
      return (enum slot_status)i;
    }
  }
  return SLOT_UNKNOWN;
}
