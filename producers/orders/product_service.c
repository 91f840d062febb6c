/*
 * product_service.c - the products that may be ordered.
 *
 *   call                  takes                                           answers            publishes (key productId)
 *   POST /api/products    productName, price, currency, stockQuantity     201 {productId}    product.created.v1  ProductCreated
 */
#include <inttypes.h>

#include "moment.h"
#include "service.h"

enum { PRODUCT_NAME_MAX_CHARACTERS = 200, STOCK_MAX = 1000000000 };

static const struct statement INSERT_PRODUCT = {
    "insert_product",
    "INSERT INTO products.product (product_id, product_name, price, currency, stock_quantity, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
};

struct product {
  struct exchange *exchange;
  const char *name, *price, *currency;
  int64_t stock_quantity;
  char id[UUID_SIZE];
  char event_id[UUID_SIZE];
  char now[OUTBOX_TIME_SIZE];
};

static enum work_end product_is_made(struct work *work, void *context)
{
  const struct product *product = context;
  json_t *body = json_pack("{s:s, s:s, s:s, s:O, s:s, s:I, s:s}", "eventId", product->event_id, "productId", product->id, "productName", product->name, "price",
                           json_object_get(product->exchange->body, "price"), "currency", product->currency, "stockQuantity",
                           (json_int_t)product->stock_quantity, "createdAt", product->now);
  work_do(work, &INSERT_PRODUCT, product->id, product->name, product->price, product->currency, work_text(work, "%" PRId64, product->stock_quantity),
          product->now);
  http_publish(product->exchange, work,
               &(struct outbox_event){.topic = "product.created.v1", .key = product->id, .type = "ProductCreated", .id = product->event_id, .body = body});
  json_decref(body);
  http_reply(product->exchange, 201, json_pack("{s:s}", "productId", product->id));
  return WORK_COMMIT;
}

static void make_product(struct exchange *exchange)
{
  struct fields fields = fields_of(exchange->body);
  struct product product = {.exchange = exchange};
  product.name = fields_text(&fields, "productName", 1, PRODUCT_NAME_MAX_CHARACTERS);
  product.price = fields_decimal(&fields, "price", "0.01", 2);
  product.currency = fields_currency(&fields, "currency");
  product.stock_quantity = fields_integer(&fields, "stockQuantity", 0, STOCK_MAX);
  if (!http_fields_are_sound(exchange, &fields)) {
    return;
  }
  /* Once per request, however often the unit of work has to be done again. */
  http_uuid_new(exchange, product.id);
  http_uuid_new(exchange, product.event_id);
  outbox_time(moment_now().wall_us, false, product.now);
  http_transact(exchange, product_is_made, &product);
}

int main(int argc, char **argv)
{
  static const struct http_route routes[] = {
      {"POST", "/api/products", make_product},
      {0},
  };
  static const char *const event_types[] = {"ProductCreated", NULL};
  static const struct http_rule rules[] = {
      {"product_pkey", "this product exists already"},
      {"product_name_fits", "productName must have 1 to 200 characters"},
      {"product_price_is_positive", "price must be more than 0"},
      {"product_currency_is_a_code", "currency must be a code of three capital letters"},
      {"product_stock_is_not_less_than_none", "stockQuantity must be 0 or more"},
      {0},
  };
  static const struct http_service service = {
      .name = "product-service",
      .summary = "takes products; publishes product.created.v1",
      .listen = "127.0.0.1:8083",
      .routes = routes,
      .event_types = event_types,
      .answers_table = "products.request_answer",
      .rules = rules,
  };
  return http_service_main(&service, argc, argv);
}
