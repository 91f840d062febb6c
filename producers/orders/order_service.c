/*
 * order_service.c - orders: made, then moved on by two steps; each of them is an event.
 *
 *   call                                 takes                                                       answers                   publishes, by orderId
 *   POST /api/orders                     customerId, customerEmail, totalAmount, currency            201 {orderId, status}     OrderCreated to order.created.v1
 *   POST /api/orders/{orderId}/status    customerId, customerEmail, previousStatus, currentStatus    200 {orderId, status}     OrderShipped to order.shipped.v1
 *
 * Status is a number, as the callers have it: 20 -> 25 -> 80, nothing else. A step is refused, in this order: 404 there is no such order; 422 the customer or the
 * e-mail is not the order's; 409 the order is not where the caller thinks; 422 no such step. The order stays locked from the look at it to the commit, so that of two
 * equal requests one takes the step and the other gets 409. The time of a step is taken under that lock, and is later than that of the step before, whatever the clocks do.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "moment.h"
#include "service.h"

enum { CUSTOMER_ID_MAX_CHARACTERS = 100 };
enum status { STATUS_MADE = 20, STATUS_SHIPPED = 25, STATUS_ARRIVED = 80 };

static const struct statement INSERT_ORDER = {
    "insert_order",
    "INSERT INTO orders.customer_order (order_id, customer_id, customer_email, total_amount, currency, status, created_at, updated_at) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $7)",
};
/* The clock is read outside of the part that waits for the lock. */
static const struct statement LOCK_ORDER = {
    "lock_order",
    "WITH found AS (SELECT * FROM orders.customer_order WHERE order_id = $1 FOR UPDATE) SELECT customer_id, customer_email, status, order_id, "
    "to_char(greatest(clock_timestamp(), updated_at + interval '1 microsecond') AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') FROM found",
};
static const struct statement MOVE_ORDER = {
    "move_order",
    "UPDATE orders.customer_order SET status = $2, updated_at = $3 WHERE order_id = $1",
};

/* What both calls work with. */
struct order {
  struct exchange *exchange;
  const char *id;
  const char *customer_id, *customer_email;
  const char *total_amount, *currency; /* made */
  int64_t previous_status, status;     /* moved */
  char event_id[UUID_SIZE];
  const char *now;
};

static void order_publish(struct work *work, const struct order *order, const char *topic, const char *type, json_t *body)
{
  http_publish(order->exchange, work, &(struct outbox_event){.topic = topic, .key = order->id, .type = type, .id = order->event_id, .body = body});
  json_decref(body);
}

static enum work_end order_is_made(struct work *work, void *context)
{
  const struct order *order = context;
  work_do(work, &INSERT_ORDER, order->id, order->customer_id, order->customer_email, order->total_amount, order->currency, work_text(work, "%d", STATUS_MADE),
          order->now);
  order_publish(work, order, "order.created.v1", "OrderCreated",
                json_pack("{s:s, s:s, s:s, s:s, s:O, s:s, s:s}", "eventId", order->event_id, "orderId", order->id, "customerId", order->customer_id,
                          "customerEmail", order->customer_email, "totalAmount", json_object_get(order->exchange->body, "totalAmount"), "currency",
                          order->currency, "createdAt", order->now));
  http_reply(order->exchange, 201, json_pack("{s:s, s:i}", "orderId", order->id, "status", STATUS_MADE));
  return WORK_COMMIT;
}

static bool is_step(int64_t from, int64_t to)
{
  return (from == STATUS_MADE && to == STATUS_SHIPPED) || (from == STATUS_SHIPPED && to == STATUS_ARRIVED);
}

static enum work_end order_is_moved(struct work *work, void *context)
{
  struct order order = *(const struct order *)context; /* every attempt begins with what was asked */
  const PGresult *stored = work_ask(work, &LOCK_ORDER, order.id);
  if (stored == NULL) {
    return WORK_FAILED;
  }
  if (PQntuples(stored) == 0) {
    http_problem(order.exchange, 404, "there is no order %s", order.id);
    return WORK_ROLLBACK;
  }
  order.id = PQgetvalue(stored, 0, 3); /* as it was made: the same uuid in other letters would be another key */
  order.now = PQgetvalue(stored, 0, 4);
  if (strcmp(PQgetvalue(stored, 0, 0), order.customer_id) != 0 || strcmp(PQgetvalue(stored, 0, 1), order.customer_email) != 0) {
    http_problem(order.exchange, 422, "customerId or customerEmail is not that of order %s", order.id);
    return WORK_ROLLBACK;
  }
  if (strtoll(PQgetvalue(stored, 0, 2), NULL, 10) != order.previous_status) {
    http_problem(order.exchange, 409, "previousStatus is %" PRId64 ", and the order has status %s", order.previous_status, PQgetvalue(stored, 0, 2));
    return WORK_ROLLBACK;
  }
  if (!is_step(order.previous_status, order.status)) {
    http_problem(order.exchange, 422, "an order goes from status 20 to 25 and from 25 to 80, not from %" PRId64 " to %" PRId64, order.previous_status,
                 order.status);
    return WORK_ROLLBACK;
  }
  work_do(work, &MOVE_ORDER, order.id, work_text(work, "%" PRId64, order.status), order.now);
  order_publish(work, &order, "order.shipped.v1", "OrderShipped",
                json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:s}", "eventId", order.event_id, "orderId", order.id, "customerId", order.customer_id,
                          "customerEmail", order.customer_email, "previousStatus", (json_int_t)order.previous_status, "currentStatus", (json_int_t)order.status,
                          "changedAt", order.now));
  http_reply(order.exchange, 200, json_pack("{s:s, s:I}", "orderId", order.id, "status", (json_int_t)order.status));
  return WORK_COMMIT;
}

/* The event's id is made once per request, however often the unit of work has to be done again; so are, below, id and time of a new order. */
static struct order order_of(struct exchange *exchange, const char *id, struct fields *fields)
{
  struct order order = {.exchange = exchange, .id = id};
  order.customer_id = fields_text(fields, "customerId", 1, CUSTOMER_ID_MAX_CHARACTERS);
  order.customer_email = fields_email(fields, "customerEmail");
  http_uuid_new(exchange, order.event_id);
  return order;
}

static void make_order(struct exchange *exchange)
{
  char id[UUID_SIZE], now[OUTBOX_TIME_SIZE];
  http_uuid_new(exchange, id);
  outbox_time(moment_now().wall_us, false, now);
  struct fields fields = fields_of(exchange->body);
  struct order order = order_of(exchange, id, &fields);
  order.now = now;
  order.total_amount = fields_decimal(&fields, "totalAmount", "0.01", 2);
  order.currency = fields_currency(&fields, "currency");
  if (http_fields_are_sound(exchange, &fields)) {
    http_transact(exchange, order_is_made, &order);
  }
}

static void move_order(struct exchange *exchange)
{
  const char *id = http_path_value(exchange, "orderId");
  struct fields fields = fields_of(exchange->body);
  struct order order = order_of(exchange, id, &fields);
  order.previous_status = fields_integer(&fields, "previousStatus", 0, INT32_MAX);
  order.status = fields_integer(&fields, "currentStatus", 0, INT32_MAX);
  if (!http_fields_are_sound(exchange, &fields)) {
    return;
  }
  if (!uuid_is_sound(id)) {
    http_problem(exchange, 404, "there is no such order: an order's id is a uuid");
    return;
  }
  http_transact(exchange, order_is_moved, &order);
}

int main(int argc, char **argv)
{
  static const struct http_route routes[] = {
      {"POST", "/api/orders", make_order},
      {"POST", "/api/orders/{orderId}/status", move_order},
      {0},
  };
  static const char *const event_types[] = {"OrderCreated", "OrderShipped", NULL};
  static const struct http_rule rules[] = {
      {"customer_order_pkey", "this order exists already"},
      {"customer_order_customer_id_fits", "customerId must have 1 to 100 characters"},
      {"customer_order_customer_email_fits", "customerEmail must be an e-mail address of at most 254 bytes"},
      {"customer_order_amount_is_positive", "totalAmount must be more than 0"},
      {"customer_order_currency_is_a_code", "currency must be a code of three capital letters"},
      {"customer_order_step", "an order goes from status 20 to 25 and from 25 to 80"},
      {0},
  };
  static const struct http_service service = {
      .name = "order-service",
      .summary = "takes orders and moves them on; publishes order.created.v1 and order.shipped.v1",
      .listen = "127.0.0.1:8081",
      .routes = routes,
      .event_types = event_types,
      .answers_table = "orders.request_answer",
      .rules = rules,
  };
  return http_service_main(&service, argc, argv);
}
