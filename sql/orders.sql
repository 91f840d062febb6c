-- orders.sql - the system of orders: what its three services keep, and what each of them may.
--
-- Apply after outbox.sql, roles.sql and inbox.sql, as a superuser, to a database of its own:
--
--     for f in outbox roles inbox orders; do psql -v ON_ERROR_STOP=1 -f sql/$f.sql orders; done
--
-- Applying it again changes nothing. Roles belong to the cluster, all the rest to the database.
--
--     schema          service, role                              keeps                                             publishes
--     orders          order-service, order_service               customer_order, request_answer                    order.created.v1, order.shipped.v1
--     products        product-service, product_service           product, request_answer                           product.created.v1
--     notification    notification-service, notification_service notification, inbox                               dead letters: order.created.v1.dlq, order.shipped.v1.dlq
--
-- No service sees another's schema: what it knows of the others it knows by events. The roles have no login; members have, by example:
--
--     CREATE ROLE order_1 LOGIN PASSWORD '...' IN ROLE order_service;

DO $$
DECLARE
  wanted name;
BEGIN
  IF to_regprocedure('public.inbox_create(name)') IS NULL OR to_regrole('outbox_writer') IS NULL OR to_regclass('public.outbox') IS NULL THEN
    RAISE EXCEPTION 'database % lacks the outbox, its roles, or the inbox', quote_ident(current_database())
      USING ERRCODE = 'undefined_object', HINT = 'Apply outbox.sql, roles.sql and inbox.sql first.';
  END IF;
  -- Several databases may be set up at once, and the loser of a race finds what it wanted.
  FOREACH wanted IN ARRAY ARRAY['order_service', 'product_service', 'notification_service']::name[] LOOP
    BEGIN
      IF to_regrole(quote_ident(wanted)) IS NULL THEN
        EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
      END IF;
      IF NOT EXISTS (SELECT FROM pg_catalog.pg_auth_members WHERE roleid = 'outbox_writer'::regrole AND member = wanted::text::regrole) THEN
        EXECUTE format('GRANT outbox_writer TO %I', wanted);
      END IF;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
      NULL;
    END;
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), wanted);
  END LOOP;
END
$$;

INSERT INTO public.outbox_writer_aggregate (role, aggregatetype) VALUES
  ('order_service', 'order.created.v1'),
  ('order_service', 'order.shipped.v1'),
  ('product_service', 'product.created.v1'),
  ('notification_service', 'order.created.v1.dlq'),
  ('notification_service', 'order.shipped.v1.dlq')
ON CONFLICT DO NOTHING;
SELECT public.outbox_allow_dead_letters('notification_service');  -- the others have none

-- ------------------------------------------------------------------------------------------------------------------------------------------------------
-- Orders

CREATE SCHEMA IF NOT EXISTS orders;

-- 20 made, 25 shipped, 80 arrived.
CREATE TABLE IF NOT EXISTS orders.customer_order (
  order_id       uuid          NOT NULL PRIMARY KEY,
  customer_id    text          NOT NULL,
  customer_email text          NOT NULL,
  total_amount   numeric(17,2) NOT NULL,
  currency       text          NOT NULL,
  status         smallint      NOT NULL DEFAULT 20,
  created_at     timestamptz   NOT NULL DEFAULT now(),
  updated_at     timestamptz   NOT NULL DEFAULT now(),
  CONSTRAINT customer_order_customer_id_fits    CHECK (char_length(customer_id) BETWEEN 1 AND 100),
  CONSTRAINT customer_order_customer_email_fits CHECK (octet_length(customer_email) BETWEEN 3 AND 254 AND customer_email LIKE '_%@_%'),
  CONSTRAINT customer_order_amount_is_positive  CHECK (total_amount > 0 AND total_amount <> 'NaN'),
  CONSTRAINT customer_order_currency_is_a_code  CHECK (currency COLLATE "C" ~ '^[A-Z]{3}$'),
  CONSTRAINT customer_order_status_is_known     CHECK (status IN (20, 25, 80))
);

-- A CHECK sees one state of a row; a step is between two. An order begins at 20 and goes to 25, then to 80; an UPDATE that leaves the status alone is none of its affair.
CREATE OR REPLACE FUNCTION orders.customer_order_step() RETURNS trigger LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.status <> 20 THEN
      RAISE EXCEPTION 'order % cannot begin with status %', NEW.order_id, NEW.status USING ERRCODE = 'check_violation', CONSTRAINT = 'customer_order_step';
    END IF;
  ELSIF NEW.status <> OLD.status AND (OLD.status, NEW.status) NOT IN ((20, 25), (25, 80)) THEN
    RAISE EXCEPTION 'order % cannot go from status % to %', NEW.order_id, OLD.status, NEW.status USING ERRCODE = 'check_violation', CONSTRAINT = 'customer_order_step';
  END IF;
  RETURN NEW;
END
$$;
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_trigger WHERE tgrelid = 'orders.customer_order'::regclass AND tgname = 'customer_order_step') THEN
    CREATE TRIGGER customer_order_step BEFORE INSERT OR UPDATE OF status ON orders.customer_order FOR EACH ROW EXECUTE FUNCTION orders.customer_order_step();
  END IF;
END
$$;

GRANT USAGE ON SCHEMA orders TO order_service;
GRANT SELECT, INSERT, UPDATE (status, updated_at) ON orders.customer_order TO order_service;

-- ------------------------------------------------------------------------------------------------------------------------------------------------------
-- Products

CREATE SCHEMA IF NOT EXISTS products;

CREATE TABLE IF NOT EXISTS products.product (
  product_id     uuid          NOT NULL PRIMARY KEY,
  product_name   text          NOT NULL,
  price          numeric(17,2) NOT NULL,
  currency       text          NOT NULL,
  stock_quantity bigint        NOT NULL,
  created_at     timestamptz   NOT NULL DEFAULT now(),
  CONSTRAINT product_name_fits          CHECK (char_length(product_name) BETWEEN 1 AND 200),
  CONSTRAINT product_price_is_positive  CHECK (price > 0 AND price <> 'NaN'),
  CONSTRAINT product_currency_is_a_code CHECK (currency COLLATE "C" ~ '^[A-Z]{3}$'),
  CONSTRAINT product_stock_is_not_less_than_none CHECK (stock_quantity >= 0)
);

GRANT USAGE ON SCHEMA products TO product_service;
GRANT SELECT, INSERT ON products.product TO product_service;

-- ------------------------------------------------------------------------------------------------------------------------------------------------------
-- Answers to requests that had an Idempotency-Key: the same request again gets the same answer. As long as a client may still repeat; a day is long.

CREATE TABLE IF NOT EXISTS orders.request_answer (
  key        text        NOT NULL PRIMARY KEY,
  route      text        NOT NULL,
  digest     bytea       NOT NULL, -- of path, query, Authorization and body: the same request has the same one
  status     integer,              -- NULL until the answer is known, in the transaction that will bring it
  body       text,                 -- NULL: the answer had none
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT request_answer_key_fits CHECK (octet_length(key) BETWEEN 1 AND 255)
);
CREATE TABLE IF NOT EXISTS products.request_answer (LIKE orders.request_answer INCLUDING ALL);

CREATE INDEX IF NOT EXISTS request_answer_created_at ON orders.request_answer USING brin (created_at) WITH (autosummarize = on);
CREATE INDEX IF NOT EXISTS request_answer_created_at ON products.request_answer USING brin (created_at) WITH (autosummarize = on);
GRANT SELECT, INSERT, UPDATE, DELETE ON orders.request_answer TO order_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON products.request_answer TO product_service;

-- ------------------------------------------------------------------------------------------------------------------------------------------------------
-- Notifications

CREATE SCHEMA IF NOT EXISTS notification;

-- Ids are texts here: what an older publisher left in a topic may have other ones, which stand behind their topic, as in the inbox. FAILED: given up, for last_error, after so many attempts; the event lies in a dead-letter
-- topic, and its redrive makes the row PENDING and SENT.
CREATE TABLE IF NOT EXISTS notification.notification (
  event_id    text        NOT NULL PRIMARY KEY,
  order_id    text        NOT NULL,
  customer_id text        NOT NULL,
  kind        text        NOT NULL, -- which of the events it tells of
  recipient   text        NOT NULL,
  status      text        NOT NULL DEFAULT 'PENDING',
  attempts    integer     NOT NULL DEFAULT 0,
  last_error  text,
  sent_at     timestamptz,
  created_at  timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT notification_event_id_fits         CHECK (char_length(event_id) BETWEEN 1 AND 450),
  CONSTRAINT notification_order_id_fits         CHECK (char_length(order_id) BETWEEN 1 AND 200),
  CONSTRAINT notification_customer_id_fits      CHECK (char_length(customer_id) BETWEEN 1 AND 200),
  CONSTRAINT notification_kind_fits             CHECK (char_length(kind) BETWEEN 1 AND 100),
  CONSTRAINT notification_recipient_fits        CHECK (octet_length(recipient) BETWEEN 1 AND 254),
  CONSTRAINT notification_status_is_known       CHECK (status IN ('PENDING', 'SENT', 'FAILED')),
  CONSTRAINT notification_sent_has_its_time     CHECK ((status = 'SENT') = (sent_at IS NOT NULL)),
  CONSTRAINT notification_attempts_are_counted  CHECK (attempts >= 0),
  CONSTRAINT notification_last_error_fits       CHECK (char_length(last_error) <= 2000)
);
-- Tables of before took ids of 200 characters. Only where that still stands: the new constraint reads the whole table, and nobody writes meanwhile.
DO $$
BEGIN
  IF EXISTS (
    SELECT FROM pg_catalog.pg_constraint c
     WHERE c.conrelid = 'notification.notification'::regclass AND c.conname = 'notification_event_id_fits' AND pg_catalog.pg_get_constraintdef(c.oid) LIKE '%200%') THEN
    ALTER TABLE notification.notification
      DROP CONSTRAINT notification_event_id_fits,
      ADD CONSTRAINT notification_event_id_fits CHECK (char_length(event_id) BETWEEN 1 AND 450);
  END IF;
END
$$;
CREATE INDEX IF NOT EXISTS notification_order_id ON notification.notification (order_id);

DO $$ BEGIN PERFORM public.inbox_create('notification'); END $$;

GRANT USAGE ON SCHEMA notification TO notification_service;
GRANT SELECT, INSERT, UPDATE ON notification.notification TO notification_service;
GRANT SELECT, INSERT ON notification.inbox TO notification_service;

-- inbox_prune('notification', '45 days') runs with its caller's rights.
GRANT USAGE ON SCHEMA notification TO outbox_janitor;
GRANT SELECT, DELETE ON notification.inbox TO outbox_janitor;
