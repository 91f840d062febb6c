#!/usr/bin/env bash
# sql/orders.sql: each service keeps to its own schema and its own topics, an order takes no step but 20 -> 25 -> 80, and what is no order, product or notification is
# refused, whatever the services think.
# shellcheck source=tests/sql/harness.bash
. "${BASH_SOURCE[0]%/*}/harness.bash"

system_apply() {
  apply inbox.sql
  apply orders.sql
}
cannot_apply=$(apply orders.sql 2>&1 || true)
assert_match 'orders.sql before inbox.sql' 'Apply outbox.sql, roles.sql and inbox.sql first' "$cannot_apply"
system_apply >"$RUN/apply.log" 2>&1 || fail "orders.sql: $(cat "$RUN/apply.log")"
orders=${DB}_order products=${DB}_product notifications=${DB}_notification janitor=${DB}_janitor
pg "CREATE ROLE \"$orders\" LOGIN IN ROLE order_service" "CREATE ROLE \"$products\" LOGIN IN ROLE product_service" \
  "CREATE ROLE \"$notifications\" LOGIN IN ROLE notification_service" "CREATE ROLE \"$janitor\" LOGIN IN ROLE outbox_janitor"

ID=00000000-0000-0000-0000-00000000000
order() { # NUMBER [STATUS [AMOUNT [CURRENCY [EMAIL]]]]
  echo "INSERT INTO orders.customer_order (order_id, customer_id, customer_email, total_amount, currency, status, created_at, updated_at)
    VALUES ('$ID$1', 'user-1', '${5:-user@example.com}', ${3:-12900}, '${4:-KRW}', ${2:-20}, now(), now())"
}
product() { # NUMBER [PRICE [STOCK [CURRENCY]]]
  echo "INSERT INTO products.product (product_id, product_name, price, currency, stock_quantity, created_at) VALUES ('$ID$1', 'keyboard', ${2:-59900}, '${4:-KRW}', ${3:-120}, now())"
}
notification() { # EVENT [STATUS [SENT_AT]]
  echo "INSERT INTO notification.notification (event_id, order_id, customer_id, kind, recipient, status, attempts, sent_at)
    VALUES ('$1', '${ID}1', 'user-1', 'OrderCreated', 'user@example.com', '${2:-SENT}', 1, ${3:-now()})"
}
publish() { # TOPIC
  echo "INSERT INTO public.outbox ($EVENT, headers) VALUES ('$1', '${ID}1', 'T', '{}', '{\"source\": \"test\"}')"
}
dead_letter() { # TOPIC
  echo "INSERT INTO public.outbox_binary (id, aggregatetype, aggregateid, type, payload, headers, event_id, partition) VALUES (gen_random_uuid(), '$1', 'k', 'T', 'v', '[[\"n\", \"AP8=\"]]', 'e-1', 2) ON CONFLICT DO NOTHING"
}

# What each has to do, as it does it: in one transaction with the event.
can 'an order is made' "$orders" "BEGIN; $(order 1); $(publish order.created.v1); COMMIT"
can 'an order takes a step' "$orders" "BEGIN; SELECT status FROM orders.customer_order WHERE order_id = '${ID}1' FOR UPDATE; UPDATE orders.customer_order SET status = 25, updated_at = now() WHERE order_id = '${ID}1'; $(publish order.shipped.v1); COMMIT"
can 'an answer is kept' "$orders" "INSERT INTO orders.request_answer (key, route, digest, status, body) VALUES ('k', 'POST /api/orders', '\\x00', 201, '{}') ON CONFLICT (key) DO UPDATE SET status = 201; SELECT * FROM orders.request_answer; DELETE FROM orders.request_answer WHERE key = ANY (ARRAY(SELECT key FROM orders.request_answer ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED))"
can 'a product is made' "$products" "BEGIN; $(product 1); $(publish product.created.v1); COMMIT"
can 'an answer of the other service' "$products" "INSERT INTO products.request_answer (key, route, digest) VALUES ('k', 'POST /api/products', '\\x00'); UPDATE products.request_answer SET status = 204 WHERE key = 'k'"
can 'a notification is sent' "$notifications" "BEGIN; INSERT INTO notification.inbox (consumer, event_id, topic, partition, \"offset\") VALUES ('c', 'e-1', 't', 0, 1) ON CONFLICT DO NOTHING; $(notification e-1); COMMIT"
can 'a notification is tried and then sent' "$notifications" "$(notification e-2 PENDING NULL); UPDATE notification.notification SET status = 'SENT', sent_at = now(), attempts = attempts + 1 WHERE event_id = 'e-2'"
can 'a dead letter of order.created.v1' "$notifications" "$(dead_letter order.created.v1.dlq)"
can 'a dead letter of order.shipped.v1' "$notifications" "$(dead_letter order.shipped.v1.dlq)"
assert_eq 'the dead letters as they are' 'e-1|2 e-1|2' "$(pg "SELECT event_id, partition FROM outbox_binary" | paste -sd ' ')"

# Steps. The number is 1 made, then moved; an UPDATE of another column is no step.
cannot 'an order begins at 25' "$orders" "$(order 2 25)" 23514
can 'another order' "$orders" "$(order 2)"
for step in '20 80' '20 21' '25 20' '25 26' '80 20' '80 25'; do
  read -r from to <<<"$step"
  case $from in
    20) steps='' ;;
    25) steps="UPDATE orders.customer_order SET status = 25 WHERE order_id = '${ID}2';" ;;
    80) steps="UPDATE orders.customer_order SET status = 25 WHERE order_id = '${ID}2'; UPDATE orders.customer_order SET status = 80 WHERE order_id = '${ID}2';" ;;
  esac
  cannot "from $from to $to" "$orders" "BEGIN; $steps UPDATE orders.customer_order SET status = $to WHERE order_id = '${ID}2'; COMMIT" 23514
done
assert_eq 'after all refusals' 20 "$(pg "SELECT status FROM orders.customer_order WHERE order_id = '${ID}2'")"
can 'all its steps' "$orders" "UPDATE orders.customer_order SET status = 25 WHERE order_id = '${ID}2'; UPDATE orders.customer_order SET updated_at = now() WHERE order_id = '${ID}2'; UPDATE orders.customer_order SET status = 80 WHERE order_id = '${ID}2'"
cannot 'the amount changes' "$orders" "UPDATE orders.customer_order SET total_amount = 1"
cannot 'an order vanishes' "$orders" "DELETE FROM orders.customer_order"

# Values.
cannot 'an order of nothing' "$orders" "$(order 3 20 0)" 23514
cannot 'an order of less than nothing' "$orders" "$(order 3 20 -0.01)" 23514
cannot 'an amount that is no number' "$orders" "$(order 3 20 "'NaN'")" 23514
cannot 'a currency in small letters' "$orders" "$(order 3 20 1 krw)" 23514
cannot 'an e-mail without @' "$orders" "$(order 3 20 1 KRW user)" 23514
cannot 'the same order again' "$orders" "$(order 1)" 23505
cannot 'a product for nothing' "$products" "$(product 2 0)" 23514
cannot 'less than no stock' "$products" "$(product 2 1 -1)" 23514
can 'no stock' "$products" "$(product 2 0.01 0)"
cannot 'a currency of four letters' "$products" "$(product 3 1 1 KRWX)" 23514
cannot 'the same notification again' "$notifications" "$(notification e-1)" 23505
cannot 'sent at no time' "$notifications" "$(notification e-3 SENT NULL)" 23514
cannot 'not sent at some time' "$notifications" "$(notification e-3 FAILED 'now()')" 23514
cannot 'a state that is none' "$notifications" "$(notification e-3 LOST NULL)" 23514

# A table of before took ids of 200 characters.
long=$(printf 'e%.0s' {1..450})
pg 'ALTER TABLE notification.notification DROP CONSTRAINT notification_event_id_fits, ADD CONSTRAINT notification_event_id_fits CHECK (char_length(event_id) >= 1 AND char_length(event_id) <= 200)' >/dev/null
cannot 'an id of 450 characters, before' "$notifications" "$(notification "$long")" 23514
apply orders.sql >"$RUN/apply.log" 2>&1 || fail "orders.sql once more: $(cat "$RUN/apply.log")"
can 'an id of 450 characters' "$notifications" "$(notification "$long")"
cannot 'an id of 451 characters' "$notifications" "$(notification "e$long")" 23514

# Nobody touches another's schema, in any way, nor reads an outbox.
for foreign in "$orders products.product" "$orders notification.notification" "$orders notification.inbox" "$orders products.request_answer" \
  "$products orders.customer_order" "$products orders.request_answer" "$products notification.notification" \
  "$notifications orders.customer_order" "$notifications products.product" "$notifications orders.request_answer"; do
  read -r role table <<<"$foreign"
  for sql in "SELECT FROM $table" "DELETE FROM $table" "TRUNCATE $table" "INSERT INTO $table DEFAULT VALUES"; do
    cannot "$role: $sql" "$role" "$sql"
  done
done
for role in "$orders" "$products" "$notifications"; do
  for sql in 'SELECT FROM outbox' 'SELECT FROM outbox_binary' 'SELECT FROM outbox_writer_aggregate' "CREATE TABLE orders.mine (i int)" "SELECT outbox_prune()" "SELECT inbox_prune('notification', '1 day')" "SELECT inbox_create('orders')"; do
    cannot "$role: $sql" "$role" "$sql"
  done
done
cannot 'notification-service forgets what it handled' "$notifications" 'DELETE FROM notification.inbox'

# Nobody publishes another's events; dead letters are for who consumes.
for forged in "$orders product.created.v1" "$orders order.created.v1.dlq" "$products order.created.v1" "$products order.shipped.v1" "$notifications order.created.v1" "$notifications product.created.v1.dlq"; do
  read -r role topic <<<"$forged"
  cannot "$role publishes $topic" "$role" "$(publish "$topic")"
  cannot "$role publishes $topic as bytes" "$role" "$(dead_letter "$topic")"
done

# Who has no dead letters writes no row that names its partition, not even of a topic of its own.
cannot 'order-service writes bytes' "$orders" "$(dead_letter order.created.v1)"
cannot 'product-service writes bytes' "$products" "$(dead_letter product.created.v1)"
cannot 'notification-service names a partition that no topic has' "$notifications" "$(dead_letter order.created.v1.dlq | sed "s/'e-1', 2)/'e-1', 100000)/")" 23514

cannot 'a dead letter that is never removed' "$notifications" "INSERT INTO public.outbox_binary ($EVENT, created_at) VALUES ('order.created.v1.dlq', 'k', 'T', 'v', '9999-01-01')"

assert_eq 'the janitor prunes the inbox' 1 "$(as "$janitor" "SELECT inbox_prune('notification', '0')")"

# Applied again: nothing changes, whatever is in it; and what an earlier version gave beyond that is taken.
before=$(pg_dump "$DB" | grep -v '^\\\(un\)\?restrict ')
pg 'GRANT INSERT ON public.outbox_binary TO notification_service'
system_apply >"$RUN/apply.log" 2>&1 || fail "orders.sql once more: $(cat "$RUN/apply.log")"
assert_eq 'the database after applying again' "$before" "$(pg_dump "$DB" | grep -v '^\\\(un\)\?restrict ')"
