/*
 * event.h - one row of an outbox -> one record. The hot path: no name is looked up and nothing is allocated but from the arena.
 */
#ifndef ROUTE_EVENT_H
#define ROUTE_EVENT_H

#include "arena.h"
#include "route/entry.h"
#include "route/record.h"
#include "route/router.h"
#include "route/row.h"
#include "verdict.h"

/* What is the same for the whole call of router_route(). */
struct event_setting {
  const struct route_transaction *transaction;
  struct position position;
  int64_t now_wall_us;
  struct arena *arena;
  struct route_counts *counts;
};

/* OK: *ret_record is whole. POISON: *ret_reason and `problem`; *ret_record has a null topic and all else that could be had. */
enum verdict MUST_CHECK event_build(const struct entry *entry, const struct row *row, const struct event_setting *setting, struct record *ret_record,
                                    enum route_reason *ret_reason, struct problem *problem);

/* POISON for a row that could not even be read (a message that is no object): an empty record of that entry. */
void event_blank(const struct entry *entry, const struct event_setting *setting, struct record *ret_record);

#endif
