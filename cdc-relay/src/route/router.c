/*
 * router.c - finds out whose change it is and what is to be done with it.
 *
 *   change                      of an outbox entry                                                            of nobody
 *   INSERT                      -> binding -> row -> event.c                                                  nothing
 *   MESSAGE, transactional      -> message.c -> row -> event.c                                                nothing
 *   MESSAGE, not transactional  nothing, counted: it would be there even if its transaction were rolled back   nothing
 *   UPDATE, TRUNCATE            nothing, counted; with table.op.invalid.behavior=fatal the end                nothing
 *   DELETE                      nothing, counted: rows are deleted when they are old                          nothing
 *
 * Invariant: a row of an entry is an event or poison, and never anything in between.
 */
#include "route/router.h"

#include <stdlib.h>

#include "route/binding.h"
#include "route/entry.h"
#include "route/event.h"
#include "route/message.h"

struct router {
  size_t entry_count;
  struct entry **entries;
  struct binding_cache bindings;
  struct route_counts counts;
};

const char *route_reason_name(enum route_reason reason)
{
  static const char *const names[] = {
#define X(symbol, name) [ROUTE_REASON_##symbol] = name,
      ROUTE_REASONS(X)
#undef X
  };

  return names[reason];
}

struct router *router_new(const struct config *config, struct problem_list *problems)
{
  size_t problems_before = problems->count;
  struct router *router = calloc(1, sizeof(*router));

  if (router == NULL) {
    abort();
  }
  router->entries = calloc(config->outbox_count, sizeof(struct entry *));
  if (router->entries == NULL) {
    abort();
  }
  router->entry_count = config->outbox_count;
  for (size_t i = 0; i < router->entry_count; i++) {
    router->entries[i] = entry_new(&config->outbox[i], i, problems);
  }
  if (problems->count > problems_before) {
    router_free(router);
    return NULL;
  }
  return router;
}

void router_free(struct router *router)
{
  if (router == NULL) {
    return;
  }
  binding_reset(&router->bindings);
  for (size_t i = 0; i < router->entry_count; i++) {
    entry_free(router->entries[i]);
  }
  free(router->entries);
  free(router);
}

void router_reset(struct router *router)
{
  binding_reset(&router->bindings);
}

const struct route_counts *router_counts(const struct router *router)
{
  return &router->counts;
}

static const struct entry *entry_of_message(const struct router *router, struct span prefix)
{
  for (size_t i = 0; i < router->entry_count; i++) {
    if (router->entries[i]->is_message && span_is(prefix, router->entries[i]->outbox->message_prefix)) {
      return router->entries[i];
    }
  }
  return NULL;
}

/* An UPDATE, DELETE or TRUNCATE of one relation. */
static enum verdict refuse_operation(struct router *router, enum change_kind kind, const struct relation *relation, struct position position,
                                     struct problem *problem)
{
  const struct binding *binding = binding_find(&router->bindings, relation, router->entries, router->entry_count);
  const struct config_outbox *outbox;

  if (binding->entry == NULL) {
    return VERDICT_OK;
  }
  router->counts.operations_ignored++;
  if (kind == CHANGE_DELETE) {
    return VERDICT_OK;
  }
  outbox = binding->entry->outbox;
  switch (outbox->invalid_operation) {
  case INVALID_OPERATION_WARN:
  case INVALID_OPERATION_IGNORE:
    break;
  case INVALID_OPERATION_ERROR:
    router->counts.operations_error++;
    break;
  case INVALID_OPERATION_FATAL:
    (void)problem_set(problem, VERDICT_FATAL, EXIT_POISON, route_reason_name(ROUTE_REASON_INVALID_OPERATION),
                      "%s of %s in the transaction that commits at %s, and table.op.invalid.behavior is fatal", kind == CHANGE_UPDATE ? "update" : "truncate",
                      outbox->table, lsn_text(position.commit_lsn).text);
    problem_hint(problem, "an outbox is only inserted into and deleted from; set table.op.invalid.behavior to error or warn to go on past it");
    return VERDICT_FATAL;
  }
  return VERDICT_OK;
}

static enum verdict refuse_operations(struct router *router, const struct change *change, struct position position, struct problem *problem)
{
  enum verdict verdict = VERDICT_OK;

  if (change->kind != CHANGE_TRUNCATE || change->truncated_count == 0) {
    return change->relation == NULL ? VERDICT_OK : refuse_operation(router, change->kind, change->relation, position, problem);
  }
  for (size_t i = 0; i < change->truncated_count && verdict == VERDICT_OK; i++) {
    verdict = refuse_operation(router, change->kind, change->truncated[i], position, problem);
  }
  return verdict;
}

static enum verdict route_insert(struct router *router, const struct change *change, const struct event_setting *setting, enum route_outcome *ret_outcome,
                                 struct record *ret_record, enum route_reason *ret_reason, struct problem *problem)
{
  const struct binding *binding = binding_find(&router->bindings, change->relation, router->entries, router->entry_count);
  struct row row;

  if (binding->entry == NULL) {
    *ret_outcome = ROUTE_NOTHING;
    return VERDICT_OK;
  }
  row = (struct row){change->values, change->relation->columns, binding->column_of_field, binding->missing};
  *ret_outcome = ROUTE_EVENT;
  return event_build(binding->entry, &row, setting, ret_record, ret_reason, problem);
}

static enum verdict route_message(struct router *router, const struct change *change, const struct event_setting *setting, enum route_outcome *ret_outcome,
                                  struct record *ret_record, enum route_reason *ret_reason, struct problem *problem)
{
  const struct entry *entry = entry_of_message(router, change->prefix);
  const char *wrong;
  struct row row;

  *ret_outcome = ROUTE_NOTHING;
  if (entry == NULL) {
    return VERDICT_OK;
  }
  if (!change->transactional) {
    router->counts.messages_not_transactional++;
    return VERDICT_OK;
  }
  *ret_outcome = ROUTE_EVENT;
  if (!message_read(entry, change->content, setting->arena, &row, &wrong)) {
    event_blank(entry, setting, ret_record);
    ret_record->value = change->content;
    *ret_reason = ROUTE_REASON_BAD_MESSAGE;
    return problem_set(problem, VERDICT_POISON, EXIT_POISON, route_reason_name(ROUTE_REASON_BAD_MESSAGE), "content of %s %s", entry->outbox->table, wrong);
  }
  return event_build(entry, &row, setting, ret_record, ret_reason, problem);
}

enum verdict router_route(struct router *router, const struct change *change, const struct route_transaction *transaction, struct position position,
                          int64_t now_wall_us, struct arena *arena, enum route_outcome *ret_outcome, struct record *ret_record, enum route_reason *ret_reason,
                          struct problem *problem)
{
  struct event_setting setting = {transaction, position, now_wall_us, arena, &router->counts};
  enum verdict verdict;

  switch (change->kind) {
  case CHANGE_INSERT:
    return route_insert(router, change, &setting, ret_outcome, ret_record, ret_reason, problem);
  case CHANGE_MESSAGE:
    return route_message(router, change, &setting, ret_outcome, ret_record, ret_reason, problem);
  case CHANGE_UPDATE:
  case CHANGE_DELETE:
  case CHANGE_TRUNCATE:
    verdict = refuse_operations(router, change, position, problem);
    if (verdict != VERDICT_OK) {
      return verdict;
    }
    break;
  case CHANGE_NONE:
  case CHANGE_BEGIN:
  case CHANGE_COMMIT:
    break;
  }
  *ret_outcome = ROUTE_NOTHING;
  return VERDICT_OK;
}
