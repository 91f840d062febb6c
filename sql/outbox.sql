-- outbox.sql - the outbox tables, their publication, and three functions: publish, emit, prune.
--
-- Apply as the role that shall own the tables; it needs CREATE on the database (for the publication) and on schema public:
--
--     psql -v ON_ERROR_STOP=1 -f sql/outbox.sql shop
--
-- Plain SQL for any migration tool, PostgreSQL 13 and later, with or without a transaction around it. Applying it again changes nothing. Always apply it as the
-- same role (or a superuser). Nobody but the owner may use what is created here, until sql/roles.sql or grants of your own say so.
--
--     service --INSERT or outbox_publish()--> public.outbox ----------\
--     dead letters, binary keys ------------> public.outbox_binary ----+--> publication <database>_outbox --> relay
--     service --outbox_emit()---------------> logical message 'outbox' (no table; the relay reads it by an entry with "message.prefix": "outbox")
--
-- A service needs none of the functions: one INSERT of aggregatetype, aggregateid, type and payload is an event.

-- What table.field.event.headers can deliver: an object of texts, numbers, booleans and nulls, or a list of [name, base64] pairs; at most 48, none with a name that
-- the relay keeps for itself or that holds a control character. The relay says the same in src/route/event_headers.c, and tests/fixtures/event_headers.txt holds both to it.
CREATE OR REPLACE FUNCTION public.outbox_headers_are_sound(headers jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT CASE jsonb_typeof(headers)
    WHEN 'object' THEN NOT headers ?| ARRAY['', 'id', 'eventType', 'lsn', 'txid']
      AND NOT jsonb_path_exists(headers, 'strict $.keyvalue() ? (@.value.type() == "object" || @.value.type() == "array" || @.key like_regex "[\\u0001-\\u001f\\u007f]")')
      AND jsonb_array_length(jsonb_path_query_array(headers, 'strict $.*')) <= 48
    WHEN 'array' THEN jsonb_array_length(headers) <= 48
      AND NOT jsonb_path_exists(headers, 'strict $[*] ? (@.type() != "array")')
      AND NOT jsonb_path_exists(headers, 'strict $[*] ? (@.type() == "array" && (@.size() != 2 || @[0].type() != "string" || (@[1].type() != "string" && @[1].type() != "null")))')
      AND NOT jsonb_path_exists(headers, 'strict $[*] ? (@.type() == "array" && @.size() == 2)[0] ? (@ == "" || @ == "id" || @ == "eventType" || @ == "lsn" || @ == "txid" || @ like_regex "[\\u0001-\\u001f\\u007f]")')
      AND NOT EXISTS ( -- encode() breaks lines, and so may others
        SELECT FROM jsonb_array_elements(headers) pair
         WHERE translate(pair ->> 1, E' \t\n\r', '') COLLATE "C" !~ '^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$')
    WHEN 'null' THEN true
    ELSE headers IS NULL
  END
$$;
GRANT EXECUTE ON FUNCTION public.outbox_headers_are_sound(jsonb) TO PUBLIC; -- a CHECK runs as whoever inserts

-- Neither a CHECK nor a default may be changed lightly: what passes them is what the relay can always deliver. Limits are in bytes, as Kafka counts.
CREATE TABLE IF NOT EXISTS public.outbox (
  id            uuid        NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
  aggregatetype text        NOT NULL, -- becomes a part of the topic's name
  aggregateid   text        NOT NULL, -- the record's key: events of one aggregate keep their order
  type          text        NOT NULL, -- header eventType
  payload       json        NOT NULL, -- the record's value, byte for byte
  headers       jsonb,                -- an object of texts; also [[name, base64], ...]
  created_at    timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT outbox_aggregatetype_is_legal CHECK (aggregatetype COLLATE "C" ~ '^[a-zA-Z0-9._-]{1,200}$'),
  CONSTRAINT outbox_aggregateid_fits       CHECK (octet_length(aggregateid) BETWEEN 1 AND 1024),
  CONSTRAINT outbox_type_fits              CHECK (octet_length(type) BETWEEN 1 AND 255),
  CONSTRAINT outbox_payload_fits           CHECK (octet_length(payload::text) <= 900000),
  CONSTRAINT outbox_created_at_is_finite   CHECK (isfinite(created_at))
);

-- The same for bytes that are no text: binary keys, and dead letters, which must keep what they were. A NULL payload is a null value, a NULL type a null header.
-- A dead letter has the id of its event, which need not be a uuid and may come more than once (redriven, and failed again), and the partition that it came from.
-- What it cannot be is a record without a key: the relay publishes none. Its aggregatetype is a topic's whole name, so that the names that Kafka keeps for itself are
-- refused here, and so are partitions that no topic has. Whether the topic has that many is not known here: see who may write, in roles.sql.
CREATE TABLE IF NOT EXISTS public.outbox_binary (
  id            uuid        NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY,
  aggregatetype text        NOT NULL,
  aggregateid   bytea       NOT NULL,
  type          text,
  payload       bytea,
  headers       jsonb,                -- [[name, base64], ...] keeps order, repetition and bytes
  created_at    timestamptz NOT NULL DEFAULT now(),
  event_id      text,                 -- header id, by table.field.event.id; this row's own where the writer gives none
  partition     integer,              -- by a placement; NULL: the key decides
  CONSTRAINT outbox_binary_aggregatetype_is_legal CHECK (aggregatetype COLLATE "C" ~ '^[a-zA-Z0-9._-]{1,200}$'),
  CONSTRAINT outbox_binary_aggregateid_fits       CHECK (octet_length(aggregateid) BETWEEN 1 AND 1024),
  CONSTRAINT outbox_binary_type_fits              CHECK (octet_length(type) BETWEEN 1 AND 255),
  CONSTRAINT outbox_binary_payload_fits           CHECK (octet_length(payload) <= 900000),
  CONSTRAINT outbox_binary_created_at_is_finite   CHECK (isfinite(created_at))
);

-- Which role may write which aggregate type; '*' stands for all. Asked by outbox_emit() always, by the tables once sql/roles.sql has switched on their policies.
CREATE TABLE IF NOT EXISTS public.outbox_writer_aggregate (
  role          name NOT NULL,
  aggregatetype text NOT NULL,
  PRIMARY KEY (role, aggregatetype)
);

-- CREATE TABLE IF NOT EXISTS is content with any table of that name; the functions below are not.
DO $$
DECLARE
  missing text;
BEGIN
  SELECT string_agg(format('%s.%s %s', wanted.relation, wanted.name, wanted.type), ', ') INTO missing
    FROM (VALUES
      ('outbox', 'id', 'uuid'), ('outbox', 'aggregatetype', 'text'), ('outbox', 'aggregateid', 'text'), ('outbox', 'type', 'text'),
      ('outbox', 'payload', 'json'), ('outbox', 'headers', 'jsonb'), ('outbox', 'created_at', 'timestamptz'),
      ('outbox_binary', 'id', 'uuid'), ('outbox_binary', 'created_at', 'timestamptz'),
      ('outbox_writer_aggregate', 'role', 'name'), ('outbox_writer_aggregate', 'aggregatetype', 'text')
    ) AS wanted(relation, name, type)
    WHERE NOT EXISTS (
      SELECT FROM pg_catalog.pg_attribute a
       WHERE a.attrelid = to_regclass('public.' || wanted.relation) AND a.attname = wanted.name AND a.atttypid = to_regtype(wanted.type) AND NOT a.attisdropped);
  IF missing IS NOT NULL THEN
    RAISE EXCEPTION 'schema public has an outbox of another shape: column %', missing
      USING HINT = 'The relay reads tables of any shape by its configuration; this script is for the default one. Rename your table, or leave this script out and create only a publication.';
  END IF;
END
$$;

-- Tables of earlier versions of this script get what has been added since. Only what is missing is touched, since each ALTER TABLE waits for all who write.
DO $$
DECLARE
  relation regclass;
  wanted   record;
BEGIN
  FOR wanted IN SELECT * FROM (VALUES ('event_id', 'text'), ('partition', 'integer')) AS w(name, type) LOOP
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = 'public.outbox_binary'::regclass AND attname = wanted.name AND NOT attisdropped) THEN
      EXECUTE format('ALTER TABLE public.outbox_binary ADD COLUMN %I %s', wanted.name, wanted.type);
    END IF;
  END LOOP;
  IF EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = 'public.outbox_binary'::regclass AND attname = 'type' AND attnotnull) THEN
    ALTER TABLE public.outbox_binary ALTER COLUMN type DROP NOT NULL;
  END IF;
  FOR wanted IN SELECT * FROM (VALUES
      ('outbox_binary_event_id_fits', 'octet_length(event_id) BETWEEN 1 AND 1024'),
      ('outbox_binary_partition_is_one', 'partition >= 0'),
      ('outbox_binary_partition_fits', 'partition < 100000'),
      ('outbox_binary_topic_is_no_internal_one', $rule$aggregatetype <> '.' AND aggregatetype <> '..' AND aggregatetype NOT LIKE '\_\_%'$rule$)) AS w(name, rule) LOOP
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE conrelid = 'public.outbox_binary'::regclass AND conname = wanted.name) THEN
      EXECUTE format('ALTER TABLE public.outbox_binary ADD CONSTRAINT %I CHECK (%s)', wanted.name, wanted.rule);
    END IF;
  END LOOP;

  -- What the function above says, without calling it: the call was three parts in four of what a bulk insert cost. Only lists are left to it, and ordinary objects are known
  -- by their text: shorter than any of 49 members, which has 392 bytes at least, and behind the first brace neither bracket nor brace, as what is nested has, nor a backslash,
  -- as control characters have, nor DEL. A rule of an earlier version goes. It may have let rows through that break this one; they are looked at below, where no writer waits.
  FOREACH relation IN ARRAY ARRAY['public.outbox', 'public.outbox_binary']::regclass[] LOOP
    SELECT c.relname || '_headers_fit' AS name, k.oid IS NOT NULL AS is_there, coalesce(pg_catalog.pg_get_constraintdef(k.oid) LIKE '%keyvalue()%', false) AS is_new INTO wanted
      FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_constraint k ON k.conrelid = c.oid AND k.conname = c.relname || '_headers_fit'
     WHERE c.oid = relation;
    IF NOT wanted.is_new THEN
      EXECUTE format($ddl$
        ALTER TABLE %1$s %3$s ADD CONSTRAINT %2$I CHECK (headers IS NULL OR CASE
          WHEN octet_length(headers::text) < 392 AND headers::text COLLATE "C" ~ '^\{[^[{\\\u007f]*$' THEN NOT headers ?| ARRAY['', 'id', 'eventType', 'lsn', 'txid']
          WHEN octet_length(headers::text) > 65536 THEN false
          WHEN jsonb_typeof(headers) = 'object' THEN NOT headers ?| ARRAY['', 'id', 'eventType', 'lsn', 'txid']
            AND NOT jsonb_path_exists(headers, 'strict $.keyvalue() ? (@.value.type() == "object" || @.value.type() == "array" || @.key like_regex "[\\u0001-\\u001f\\u007f]")')
            AND jsonb_array_length(jsonb_path_query_array(headers, 'strict $.*')) <= 48
          ELSE public.outbox_headers_are_sound(headers)
        END) %4$s$ddl$,
        relation, wanted.name, CASE WHEN wanted.is_there THEN format('DROP CONSTRAINT %I,', wanted.name) END, CASE WHEN wanted.is_there THEN 'NOT VALID' END);
    END IF;
  END LOOP;
END
$$;
DO $$
DECLARE
  unseen record;
BEGIN
  FOR unseen IN SELECT conrelid::regclass AS relation, conname FROM pg_catalog.pg_constraint
                 WHERE conrelid IN ('public.outbox'::regclass, 'public.outbox_binary'::regclass) AND conname IN ('outbox_headers_fit', 'outbox_binary_headers_fit') AND NOT convalidated LOOP
    BEGIN
      EXECUTE format('ALTER TABLE %s VALIDATE CONSTRAINT %I', unseen.relation, unseen.conname);
    EXCEPTION WHEN check_violation THEN
      RAISE WARNING '% has rows with headers that the relay cannot deliver; new ones are refused from now on', unseen.relation
        USING HINT = format('SELECT id FROM %s WHERE NOT public.outbox_headers_are_sound(headers); finds them. Remove those that are of no use, then apply this script again.', unseen.relation);
    END;
  END LOOP;
END
$$;

-- A row without an event id of its own: the header is the row's id, as it is for the other table.
CREATE OR REPLACE FUNCTION public.outbox_binary_event_id() RETURNS trigger LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  NEW.event_id := NEW.id::text;
  RETURN NEW;
END
$$;
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_trigger WHERE tgrelid = 'public.outbox_binary'::regclass AND tgname = 'outbox_binary_event_id') THEN
    CREATE TRIGGER outbox_binary_event_id BEFORE INSERT ON public.outbox_binary
      FOR EACH ROW WHEN (NEW.event_id IS NULL) EXECUTE FUNCTION public.outbox_binary_event_id();
  END IF;
END
$$;

-- outbox_prune() looks for old rows. Rows come in the order of time, so that a summary of page ranges does, and costs an INSERT next to nothing.
CREATE INDEX IF NOT EXISTS outbox_created_at ON public.outbox USING brin (created_at) WITH (autosummarize = on);
CREATE INDEX IF NOT EXISTS outbox_binary_created_at ON public.outbox_binary USING brin (created_at) WITH (autosummarize = on);

-- Inserts only: with updates in the publication a service's own UPDATE fails on a table without a replica identity, and pruning would be sent to the relay.
-- By way of the root, so that a partitioned outbox keeps its one name. The name is the relay's default for slot and publication.
DO $$
DECLARE
  -- Byte by byte, as the relay does it: what encode() escapes is one byte each.
  publication name := left(regexp_replace(encode(convert_to(lower(current_database() COLLATE "C"), 'UTF8'), 'escape'),
                                          '\\[0-9]{3}|\\\\|[^a-z0-9_]', '_', 'g'), 56) || '_outbox';
  relation    regclass;
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_publication WHERE pubname = publication) THEN
    IF NOT has_database_privilege(current_database(), 'CREATE') THEN
      RAISE EXCEPTION 'role % may not create publication %', quote_ident(current_user), quote_ident(publication)
        USING ERRCODE = 'insufficient_privilege', HINT = format('GRANT CREATE ON DATABASE %I TO %I;', current_database(), current_user);
    END IF;
    EXECUTE format('CREATE PUBLICATION %I FOR TABLE public.outbox, public.outbox_binary WITH (publish = ''insert'', publish_via_partition_root = true)', publication);
    RETURN;
  END IF;
  FOREACH relation IN ARRAY ARRAY['public.outbox', 'public.outbox_binary']::regclass[] LOOP
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_publication p
         WHERE p.pubname = publication
           AND (p.puballtables OR EXISTS (SELECT FROM pg_catalog.pg_publication_rel r WHERE r.prpubid = p.oid AND r.prrelid = relation)))
       AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_publication_tables t
         WHERE t.pubname = publication AND to_regclass(format('%I.%I', t.schemaname, t.tablename)) = relation) THEN
      EXECUTE format('ALTER PUBLICATION %I ADD TABLE %s', publication, relation::text);
    END IF;
  END LOOP;
END
$$;

-- Publishes one event and returns its id. A writer that may INSERT and not SELECT cannot use RETURNING; so the id is made first. Runs with the caller's rights:
-- constraints and policies of the table decide.
CREATE OR REPLACE FUNCTION public.outbox_publish(aggregatetype text, aggregateid text, type text, payload json, headers jsonb DEFAULT NULL)
  RETURNS uuid LANGUAGE plpgsql VOLATILE SECURITY INVOKER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  event_id uuid := gen_random_uuid();
BEGIN
  INSERT INTO public.outbox (id, aggregatetype, aggregateid, type, payload, headers) VALUES (event_id, $1, $2, $3, $4, $5);
  RETURN event_id;
END
$$;

-- Whether a role may write an aggregate type: granted to itself or to a role whose rights it has, or it has the rights of the tables' owner. For outbox_emit() alone, which
-- runs with the owner's rights and so must say whom it asks about; nobody else may ask about others. In PL/pgSQL, which keeps the plan for the session: a function in SQL is
-- planned anew in each transaction, and that was a quarter of what an order and its event cost the server.
CREATE OR REPLACE FUNCTION public.outbox_role_may_write(writer name, aggregatetype text)
  RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN EXISTS (
           SELECT FROM public.outbox_writer_aggregate g JOIN pg_catalog.pg_roles r ON r.rolname = g.role
            WHERE g.aggregatetype IN ($2, '*') AND pg_has_role($1, r.oid, 'USAGE'))
      OR pg_has_role($1, (SELECT relowner FROM pg_catalog.pg_class WHERE oid = 'public.outbox'::pg_catalog.regclass), 'USAGE');
END
$$;

-- The same for the policies, which know the caller: in a view current_user is whoever asks it, though the grants are read with the owner's rights. So a writer learns what it
-- may write itself, and nothing of others; a security barrier keeps its own functions from seeing the rows that are left out.
CREATE OR REPLACE VIEW public.outbox_own_aggregate WITH (security_barrier) AS
  SELECT g.aggregatetype FROM public.outbox_writer_aggregate g JOIN pg_catalog.pg_roles r ON r.rolname = g.role
   WHERE pg_catalog.pg_has_role(r.oid, 'USAGE');

CREATE OR REPLACE FUNCTION public.outbox_may_write(aggregatetype text)
  RETURNS boolean LANGUAGE plpgsql STABLE SECURITY INVOKER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN EXISTS (SELECT FROM public.outbox_own_aggregate o WHERE o.aggregatetype IN ($1, '*'))
      OR pg_has_role((SELECT relowner FROM pg_catalog.pg_class WHERE oid = 'public.outbox'::pg_catalog.regclass), 'USAGE');
END
$$;

-- Publishes one event without a table, as a transactional logical message, and returns its id. No row stays behind: nothing to prune, nothing to heal from.
-- Runs with the owner's rights, because sql/roles.sql takes pg_logical_emit_message() from everybody: its bare form lets anyone forge anything. So the rules of
-- table and policy are applied here. The writer is the session's role: SET ROLE's, else the one that logged in; never that of a function in between.
CREATE OR REPLACE FUNCTION public.outbox_emit(aggregatetype text, aggregateid text, type text, payload json, headers jsonb DEFAULT NULL)
  RETURNS uuid LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  event_id uuid := gen_random_uuid();
  writer   name := coalesce(nullif(current_setting('role'), 'none'), session_user);
  mistake  text := CASE
    WHEN ($1 COLLATE "C" ~ '^[a-zA-Z0-9._-]{1,200}$') IS NOT TRUE THEN 'aggregatetype is not 1 to 200 characters of a-z A-Z 0-9 . _ -'
    WHEN (octet_length($2) BETWEEN 1 AND 1024) IS NOT TRUE THEN 'aggregateid is not 1 to 1024 bytes long'
    WHEN (octet_length($3) BETWEEN 1 AND 255) IS NOT TRUE THEN 'type is not 1 to 255 bytes long'
    WHEN (octet_length($4::text) <= 900000) IS NOT TRUE THEN 'payload is missing or longer than 900000 bytes'
    WHEN (public.outbox_headers_are_sound($5) AND octet_length($5::text) <= 65536) IS FALSE THEN 'headers is neither a flat object nor a list of [name, base64] pairs, has a reserved name or one with a control character, more than 48 members or more than 65536 bytes'
  END;
BEGIN
  IF mistake IS NOT NULL THEN
    RAISE EXCEPTION 'outbox event refused: %', mistake USING ERRCODE = 'check_violation';
  END IF;
  IF NOT public.outbox_role_may_write(writer, $1) THEN
    RAISE EXCEPTION 'role % may not write aggregate type %', quote_ident(writer), quote_literal($1)
      USING ERRCODE = 'insufficient_privilege', HINT = format('INSERT INTO public.outbox_writer_aggregate VALUES (%L, %L);', writer, $1);
  END IF;
  -- Put together as text: jsonb would change the payload's bytes.
  PERFORM pg_logical_emit_message(true, 'outbox',
    '{"id":' || to_json(event_id) || ',"aggregatetype":' || to_json($1) || ',"aggregateid":' || to_json($2) || ',"type":' || to_json($3)
    || ',"created_at":"' || to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00"'
    || ',"headers":' || coalesce($5::text, 'null') || ',"payload":' || $4::text || '}');
  RETURN event_id;
END
$$;

-- Deletes at most `batch` events older than `older_than` and returns how many; call it again until that is 0. What is still there can be published again after a
-- slot was lost; what is deleted was published long ago, and deleting it sends nothing. Runs with the owner's rights, so that a janitor needs none on the tables.
CREATE OR REPLACE FUNCTION public.outbox_prune(older_than interval DEFAULT '7 days', batch integer DEFAULT 10000)
  RETURNS bigint LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  removed   bigint;
  removed_2 bigint;
BEGIN
  IF ($1 >= interval '0') IS NOT TRUE OR ($2 >= 1) IS NOT TRUE THEN
    RAISE EXCEPTION 'outbox_prune needs an age of 0 or more and a batch of 1 or more' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  DELETE FROM public.outbox
    WHERE id IN (SELECT o.id FROM public.outbox o WHERE o.created_at < now() - $1 LIMIT $2 FOR UPDATE SKIP LOCKED);
  GET DIAGNOSTICS removed = ROW_COUNT;
  DELETE FROM public.outbox_binary
    WHERE id IN (SELECT o.id FROM public.outbox_binary o WHERE o.created_at < now() - $1 LIMIT $2 - removed FOR UPDATE SKIP LOCKED);
  GET DIAGNOSTICS removed_2 = ROW_COUNT;
  RETURN removed + removed_2;
END
$$;

-- Lets a consumer's role write its dead letters: in the columns that it fills, and no others. In one step, since earlier scripts gave the whole table. Rows of its own aggregate
-- types alone, as everywhere. For the owner of the table.
CREATE OR REPLACE FUNCTION public.outbox_allow_dead_letters(writer name)
  RETURNS void LANGUAGE plpgsql VOLATILE SECURITY INVOKER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  EXECUTE format('REVOKE INSERT ON public.outbox_binary FROM %I', $1);
  EXECUTE format('GRANT INSERT (id, aggregatetype, aggregateid, type, payload, headers, event_id, partition) ON public.outbox_binary TO %I', $1);
END
$$;

-- A new function may be executed by PUBLIC; two of these run with the owner's rights.
REVOKE ALL ON FUNCTION public.outbox_allow_dead_letters(name) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.outbox_publish(text, text, text, json, jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.outbox_role_may_write(name, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.outbox_may_write(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.outbox_emit(text, text, text, json, jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.outbox_prune(interval, integer) FROM PUBLIC;
