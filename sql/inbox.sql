-- inbox.sql - what a consumer has handled: two functions that make and empty the table <schema>.inbox, one in each consumer's schema.
--
-- Apply as the role that shall own the inboxes (it needs CREATE on schema public), before the scripts of the systems:
--
--     psql -v ON_ERROR_STOP=1 -f sql/inbox.sql shop
--     SELECT public.inbox_create('notification');                                           -- makes notification.inbox; again: nothing, or longer ids
--     GRANT SELECT, INSERT ON notification.inbox TO notification_service;
--
-- Plain SQL for any migration tool, PostgreSQL 13 and later. Applying it again changes nothing. Both functions run with their caller's rights.
--
-- A consumer's transaction begins with
--
--     INSERT INTO notification.inbox (consumer, event_id, topic, partition, "offset") VALUES (...) ON CONFLICT DO NOTHING
--
-- No row came in: the event was handled before, and nothing is to be done. A row came in: effect, COMMIT, then the offset in Kafka. A second consumer with the same
-- event waits at this INSERT until the first one's transaction ends, so that the unique index and no lease decides who handles it.
--
-- How long rows must stay. An event whose row is gone is handled again when it comes again, so that rows must outlive the latest time at which it can:
--
--     topic's retention             a group that is rewound to the beginning, or begins anew                               orders: 7 days
--     dead letters' retention       plus the age at which a person still redrives one                                       30 days
--     outbox_prune()'s age          a lost slot is healed by publishing again what is in the outbox                         7 days
--     backups of the producer       a database that is restored to last week publishes last week's events again             as far back as one restores
--
-- and the longest of these counts, not their sum: 45 days fit the topics.json of the systems here, with two weeks to spare. An inbox that is restored together with
-- the effects of its consumer needs nothing of this: events are missing then, and the group must be rewound to before the backup.

-- Makes the table in a schema that exists. A table of that name and another shape is refused.
CREATE OR REPLACE FUNCTION public.inbox_create(schema name)
  RETURNS void LANGUAGE plpgsql VOLATILE SECURITY INVOKER SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
DECLARE
  missing text;
BEGIN
  -- The event's id is a text: older publishers have ids that are no uuid, and may count per topic, so that such an id stands behind its topic: orders/17. The columns
  -- topic, partition and offset are for people: a redrive brings the same event elsewhere.
  EXECUTE format($ddl$
    CREATE TABLE IF NOT EXISTS %1$I.inbox (
      consumer   text        NOT NULL,
      event_id   text        NOT NULL,
      topic      text        NOT NULL,
      partition  integer     NOT NULL,
      "offset"   bigint      NOT NULL,
      handled_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (consumer, event_id),
      CONSTRAINT inbox_consumer_fits CHECK (char_length(consumer) BETWEEN 1 AND 100),
      CONSTRAINT inbox_event_id_fits CHECK (char_length(event_id) BETWEEN 1 AND 450)
    )$ddl$, $1);
  SELECT string_agg(format('%s %s', wanted.name, wanted.type), ', ') INTO missing
    FROM (VALUES ('consumer', 'text'), ('event_id', 'text'), ('topic', 'text'), ('partition', 'integer'), ('offset', 'bigint'), ('handled_at', 'timestamptz'))
      AS wanted(name, type)
    WHERE NOT EXISTS (
      SELECT FROM pg_attribute a
       WHERE a.attrelid = to_regclass(format('%I.inbox', $1)) AND a.attname = wanted.name AND a.atttypid = to_regtype(wanted.type) AND NOT a.attisdropped);
  IF missing IS NOT NULL THEN
    RAISE EXCEPTION 'schema % has an inbox of another shape: column %', quote_ident($1), missing USING ERRCODE = 'duplicate_table';
  END IF;
  -- Inboxes of before took ids of 200 characters. Only where that still stands: the new constraint reads the whole table, and nobody writes meanwhile.
  IF EXISTS (SELECT FROM pg_constraint c WHERE c.conrelid = to_regclass(format('%I.inbox', $1)) AND c.conname = 'inbox_event_id_fits' AND pg_get_constraintdef(c.oid) LIKE '%200%') THEN
    EXECUTE format('ALTER TABLE %I.inbox DROP CONSTRAINT inbox_event_id_fits, ADD CONSTRAINT inbox_event_id_fits CHECK (char_length(event_id) BETWEEN 1 AND 450)', $1);
  END IF;
  -- Rows come in the order of time: a summary of page ranges finds the old ones, and costs an INSERT next to nothing.
  EXECUTE format('CREATE INDEX IF NOT EXISTS inbox_handled_at ON %I.inbox USING brin (handled_at) WITH (autosummarize = on)', $1);
END
$$;

-- Deletes at most `batch` rows older than `older_than` and returns how many; call it again until that is 0. There is no age by default: see above. The caller needs
-- SELECT and DELETE on the table.
CREATE OR REPLACE FUNCTION public.inbox_prune(schema name, older_than interval, batch integer DEFAULT 10000)
  RETURNS bigint LANGUAGE plpgsql VOLATILE SECURITY INVOKER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  removed bigint;
BEGIN
  IF ($2 >= interval '0') IS NOT TRUE OR ($3 >= 1) IS NOT TRUE THEN
    RAISE EXCEPTION 'inbox_prune needs an age of 0 or more and a batch of 1 or more' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  EXECUTE format('DELETE FROM %1$I.inbox WHERE ctid = ANY (ARRAY(SELECT i.ctid FROM %1$I.inbox i WHERE i.handled_at < now() - $1 LIMIT $2))', $1) USING $2, $3;
  GET DIAGNOSTICS removed = ROW_COUNT;
  RETURN removed;
END
$$;

REVOKE ALL ON FUNCTION public.inbox_create(name) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.inbox_prune(name, interval, integer) FROM PUBLIC;

-- Whoever prunes the outbox prunes the inboxes: roles.sql makes that role, sql/<system>.sql lets it at the tables.
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'outbox_janitor') THEN
    GRANT EXECUTE ON FUNCTION public.inbox_prune(name, interval, integer) TO outbox_janitor;
  END IF;
END
$$;
