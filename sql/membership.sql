-- membership.sql - the system of members: what its services keep, and what each of them may.
--
-- Apply after outbox.sql, roles.sql and inbox.sql, as a superuser, to a database of its own or to the one that has the table member_outbox_event already:
--
--     for f in outbox roles inbox membership; do psql -v ON_ERROR_STOP=1 -f sql/$f.sql membership; done
--
-- Applying it again changes nothing. Roles belong to the cluster, all the rest to the database.
--
--     schema   service, role                                keeps                                                 publishes
--     auth     auth-service, auth_service                   member, request_answer; public.member_outbox_event    member-events, by that table
--     dday     d-day-service, dday_service                  member_reference, d_day, inbox                        dead letters: member-events.DLT
--              member-dead-letters, member_dead_letters     failed_event, alert, inbox                            nothing by SQL
--                                                           (of the inbox, each the rows of its own name alone)
--
-- No service sees another's schema: what d-day-service knows of members it knows by events. member-dead-letters, which reads whatever bytes somebody could not, and has the
-- secrets of those who are told, sees neither the members nor an outbox; people who list, retry and close have its role. The roles have no login; members have, by example:
--
--     CREATE ROLE auth_1 LOGIN PASSWORD '...' IN ROLE auth_service;

DO $$
DECLARE
  wanted name;
BEGIN
  IF to_regprocedure('public.inbox_create(name)') IS NULL OR to_regrole('outbox_writer') IS NULL OR to_regclass('public.outbox') IS NULL THEN
    RAISE EXCEPTION 'database % lacks the outbox, its roles, or the inbox', quote_ident(current_database())
      USING ERRCODE = 'undefined_object', HINT = 'Apply outbox.sql, roles.sql and inbox.sql first.';
  END IF;
  -- Several databases may be set up at once, and the loser of a race finds what it wanted.
  FOREACH wanted IN ARRAY ARRAY['auth_service', 'dday_service', 'member_dead_letters']::name[] LOOP
    BEGIN
      IF to_regrole(quote_ident(wanted)) IS NULL THEN
        EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
      END IF;
      IF wanted = 'dday_service' AND NOT EXISTS (
          SELECT FROM pg_catalog.pg_auth_members WHERE roleid = 'outbox_writer'::regrole AND member = wanted::text::regrole) THEN
        EXECUTE format('GRANT outbox_writer TO %I', wanted);
      END IF;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
      NULL;
    END;
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), wanted);
  END LOOP;
END
$$;

INSERT INTO public.outbox_writer_aggregate (role, aggregatetype) VALUES ('dday_service', 'member-events.DLT') ON CONFLICT DO NOTHING;
SELECT public.outbox_allow_dead_letters('dday_service');

-- ------------------------------------------------------------------------------------------------------------------------------------------------------
-- The outbox that the members' services have had before: its columns as they are, its scheduler's INSERT and UPDATE go on working.

CREATE TABLE IF NOT EXISTS public.member_outbox_event (
  id             bigint      NOT NULL PRIMARY KEY,
  event_id       varchar(36) NOT NULL UNIQUE,
  aggregate_type varchar(50) NOT NULL,
  aggregate_id   bigint      NOT NULL,
  event_type     varchar(20) NOT NULL,
  payload        text        NOT NULL,
  published      boolean     NOT NULL DEFAULT false, -- the old scheduler's; nobody else reads or writes it
  created_at     timestamp   NOT NULL DEFAULT (clock_timestamp() AT TIME ZONE 'UTC')
);

-- Headers of what the new services write. An old service names its columns and knows nothing of these; event_time comes by itself, for the header timestamp.
ALTER TABLE public.member_outbox_event
  ADD COLUMN IF NOT EXISTS correlation_id text,
  ADD COLUMN IF NOT EXISTS causation_id   text,
  ADD COLUMN IF NOT EXISTS traceparent    text,
  ADD COLUMN IF NOT EXISTS event_time     text;

-- Defaults that the old table need not have had. A default is no part of ADD COLUMN: rows that are there already would get it, and were not written now.
-- The old services make their ids themselves, counted up or out of the time. Ours begin at 2^62, which neither reaches: the two cannot meet, and `ORDER BY id` is still
-- the order of time for each.
-- The times are those of the INSERT and not of BEGIN, which now() tells: a request writes its event behind the lock of its member, for which it may have waited, so that a
-- member's events have their times in the order of their commits, and a take-over by created_at (docs/migration.md) publishes them in it. An earlier version of this script
-- took now(); a default of the old table's own stays.
CREATE SEQUENCE IF NOT EXISTS public.member_outbox_event_id AS bigint MINVALUE 4611686018427387904 START WITH 4611686018427387904;
DO $$
DECLARE
  missing record;
BEGIN
  FOR missing IN
    SELECT w.name, w.value
      FROM (VALUES ('id', 'nextval(''public.member_outbox_event_id''::regclass)', NULL),
                   ('published', 'false', NULL),
                   ('created_at', '(clock_timestamp() AT TIME ZONE ''UTC'')', '(now() AT TIME ZONE ''UTC''::text)'),
                   ('event_time', 'to_char(clock_timestamp() AT TIME ZONE ''UTC'', ''YYYY-MM-DD"T"HH24:MI:SS.US"Z"'')',
                    'to_char((now() AT TIME ZONE ''UTC''::text), ''YYYY-MM-DD"T"HH24:MI:SS.US"Z"''::text)')) AS w(name, value, earlier)
      JOIN pg_catalog.pg_attribute a ON a.attrelid = 'public.member_outbox_event'::regclass AND a.attname = w.name AND NOT a.attisdropped
      LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE a.attidentity = ''
       -- PostgreSQL 13 prints AT TIME ZONE as the function that it is.
       AND (d.oid IS NULL OR replace(pg_catalog.pg_get_expr(d.adbin, d.adrelid), 'timezone(''UTC''::text, now())', '(now() AT TIME ZONE ''UTC''::text)') = w.earlier) LOOP
    EXECUTE format('ALTER TABLE public.member_outbox_event ALTER COLUMN %I SET DEFAULT %s', missing.name, missing.value);
  END LOOP;
END
$$;

-- Inserts only, so that the scheduler's UPDATE needs no replica identity. The publication is the one of outbox.sql, whose name is the relay's default.
DO $$
DECLARE
  publication name := left(regexp_replace(encode(convert_to(lower(current_database() COLLATE "C"), 'UTF8'), 'escape'),
                                          '\\[0-9]{3}|\\\\|[^a-z0-9_]', '_', 'g'), 56) || '_outbox';
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_publication_tables WHERE pubname = publication AND schemaname = 'public' AND tablename = 'member_outbox_event') THEN
    EXECUTE format('ALTER PUBLICATION %I ADD TABLE public.member_outbox_event', publication);
  END IF;
END
$$;

-- A row that the relay cannot publish (of another aggregate, without a key, too large for Kafka) holds it for everybody, and one without id, type or body, or with headers of
-- any length, is of use to nobody, so that auth-service may write none. The old services are not asked: a CHECK would refuse the scheduler its UPDATE of a row that breaks
-- it, and a row policy would hide rows from the take-over.
CREATE OR REPLACE FUNCTION public.member_outbox_event_is_of_a_member() RETURNS trigger LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles r WHERE r.rolname = 'auth_service' AND pg_has_role(current_user, r.oid, 'USAGE'))
     AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = current_user AND r.rolsuper) THEN
    RAISE EXCEPTION 'role % may write whole events of members only: aggregate_type MEMBER, an aggregate_id, an event_id, an event_type, a payload of at most 900000 bytes, correlation_id and causation_id of at most 128, traceparent of at most 55',
      quote_ident(current_user) USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END
$$;
-- Made anew where it asks less, as in an earlier version of this script; what it asks last tells.
DO $$
DECLARE
  present text := (SELECT pg_catalog.pg_get_triggerdef(oid) FROM pg_catalog.pg_trigger
                    WHERE tgrelid = 'public.member_outbox_event'::regclass AND tgname = 'member_outbox_event_is_of_a_member');
BEGIN
  IF present NOT LIKE '%traceparent%' THEN
    DROP TRIGGER member_outbox_event_is_of_a_member ON public.member_outbox_event;
    present := NULL;
  END IF;
  IF present IS NULL THEN
    CREATE TRIGGER member_outbox_event_is_of_a_member BEFORE INSERT ON public.member_outbox_event
      FOR EACH ROW WHEN ((NEW.aggregate_type = 'MEMBER' AND NEW.aggregate_id IS NOT NULL AND NEW.event_id <> '' AND NEW.event_type <> ''
        AND octet_length(NEW.payload) <= 900000 AND coalesce(octet_length(NEW.correlation_id), 0) <= 128 AND coalesce(octet_length(NEW.causation_id), 0) <= 128
        AND coalesce(octet_length(NEW.traceparent), 0) <= 55) IS NOT TRUE)
      EXECUTE FUNCTION public.member_outbox_event_is_of_a_member();
  END IF;
END
$$;

-- An event is written once; reading, marking and removing is for the scheduler and for who owns the table. What comes by default is not the writer's: an id among the old
-- services' ones would refuse them theirs, `published` would hide the event from the scheduler, and the two times are the record's.
GRANT USAGE ON SCHEMA public TO auth_service;
DO $$
BEGIN
  REVOKE INSERT ON public.member_outbox_event FROM auth_service; -- the whole table, which an earlier version of this script gave
  GRANT INSERT (event_id, aggregate_type, aggregate_id, event_type, payload, correlation_id, causation_id, traceparent) ON public.member_outbox_event TO auth_service;
END
$$;
GRANT USAGE ON SEQUENCE public.member_outbox_event_id TO auth_service;

-- ------------------------------------------------------------------------------------------------------------------------------------------------------
-- Members

CREATE SCHEMA IF NOT EXISTS auth;

-- An id is taken before the INSERT, so that the event can carry it in the same transaction.
CREATE SEQUENCE IF NOT EXISTS auth.member_id AS bigint;

CREATE TABLE IF NOT EXISTS auth.member (
  member_id   bigint      NOT NULL PRIMARY KEY DEFAULT nextval('auth.member_id'),
  provider    text        NOT NULL,
  provider_id text        NOT NULL, -- who the person is with that provider
  nickname    text        NOT NULL,
  email       text,
  status      text        NOT NULL DEFAULT 'ACTIVE',
  created_at  timestamptz NOT NULL DEFAULT now(),
  updated_at  timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT member_is_one_person      UNIQUE (provider, provider_id),
  CONSTRAINT member_id_is_positive     CHECK (member_id > 0),
  CONSTRAINT member_provider_fits      CHECK (char_length(provider) BETWEEN 1 AND 50),
  CONSTRAINT member_provider_id_fits   CHECK (char_length(provider_id) BETWEEN 1 AND 255),
  CONSTRAINT member_nickname_fits      CHECK (char_length(nickname) BETWEEN 1 AND 50),
  CONSTRAINT member_email_fits         CHECK (octet_length(email) BETWEEN 3 AND 254 AND email LIKE '_%@_%'),
  CONSTRAINT member_status_is_known    CHECK (status IN ('ACTIVE', 'DELETED'))
);

-- Who has withdrawn stays withdrawn, as with all who keep a copy.
CREATE OR REPLACE FUNCTION auth.member_stays_withdrawn() RETURNS trigger LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RAISE EXCEPTION 'member % has withdrawn', OLD.member_id USING ERRCODE = 'check_violation', CONSTRAINT = 'member_stays_withdrawn';
END
$$;
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_trigger WHERE tgrelid = 'auth.member'::regclass AND tgname = 'member_stays_withdrawn') THEN
    CREATE TRIGGER member_stays_withdrawn BEFORE UPDATE OF status ON auth.member
      FOR EACH ROW WHEN (OLD.status = 'DELETED' AND NEW.status <> 'DELETED') EXECUTE FUNCTION auth.member_stays_withdrawn();
  END IF;
END
$$;

-- Answers to requests that had an Idempotency-Key: the same request again gets the same answer. As long as a client may still repeat; a day is long.
CREATE TABLE IF NOT EXISTS auth.request_answer (
  key        text        NOT NULL PRIMARY KEY,
  route      text        NOT NULL,
  digest     bytea       NOT NULL, -- of path, query, Authorization and body: the same request has the same one
  status     integer,              -- NULL until the answer is known, in the transaction that will bring it
  body       text,                 -- NULL: the answer had none
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT request_answer_key_fits CHECK (octet_length(key) BETWEEN 1 AND 255)
);
CREATE INDEX IF NOT EXISTS request_answer_created_at ON auth.request_answer USING brin (created_at) WITH (autosummarize = on);

GRANT USAGE ON SCHEMA auth TO auth_service;
GRANT USAGE ON SEQUENCE auth.member_id TO auth_service;
DO $$
BEGIN
  REVOKE INSERT ON auth.member FROM auth_service; -- the whole table, of an earlier version
  -- A member begins ACTIVE and now: its time is the time of its events.
  GRANT SELECT, INSERT (member_id, provider, provider_id, nickname, email), UPDATE (nickname, email, status, updated_at) ON auth.member TO auth_service;
END
$$;
GRANT SELECT, INSERT, UPDATE, DELETE ON auth.request_answer TO auth_service;

-- ------------------------------------------------------------------------------------------------------------------------------------------------------
-- D-days

CREATE SCHEMA IF NOT EXISTS dday;

-- Times of events are local ones without an offset, UTC by convention, and so kept as they came. Who was deleted before anything else was heard of has no name.
CREATE TABLE IF NOT EXISTS dday.member_reference (
  member_id     bigint      NOT NULL PRIMARY KEY,
  nickname      text,
  email         text,
  status        text        NOT NULL DEFAULT 'ACTIVE',
  last_event_id text,                -- NULL: known by asking auth-service
  last_event_at timestamp,
  created_at    timestamptz NOT NULL DEFAULT now(),
  updated_at    timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT member_reference_status_is_known  CHECK (status IN ('ACTIVE', 'DELETED')),
  CONSTRAINT member_reference_active_has_name  CHECK (status = 'DELETED' OR nickname IS NOT NULL),
  CONSTRAINT member_reference_event_has_time   CHECK (last_event_id IS NULL OR last_event_at IS NOT NULL)
);

-- The second line behind the consumer, which looks first: nothing revives a member, and no older event comes over a newer one.
CREATE OR REPLACE FUNCTION dday.member_reference_goes_on() RETURNS trigger LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF OLD.status = 'DELETED' AND NEW.status <> 'DELETED' THEN
    RAISE EXCEPTION 'member % is deleted', OLD.member_id USING ERRCODE = 'check_violation', CONSTRAINT = 'member_reference_goes_on';
  ELSIF NEW.last_event_at < OLD.last_event_at THEN
    RAISE EXCEPTION 'member % is known as of %, and the event is of %', OLD.member_id, OLD.last_event_at, NEW.last_event_at
      USING ERRCODE = 'check_violation', CONSTRAINT = 'member_reference_goes_on';
  END IF;
  RETURN NEW;
END
$$;
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_trigger WHERE tgrelid = 'dday.member_reference'::regclass AND tgname = 'member_reference_goes_on') THEN
    CREATE TRIGGER member_reference_goes_on BEFORE UPDATE ON dday.member_reference FOR EACH ROW EXECUTE FUNCTION dday.member_reference_goes_on();
  END IF;
END
$$;

CREATE TABLE IF NOT EXISTS dday.d_day (
  id          bigint      NOT NULL GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  member_id   bigint      NOT NULL REFERENCES dday.member_reference,
  title       text        NOT NULL,
  target_date date        NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT d_day_title_fits CHECK (char_length(title) BETWEEN 1 AND 200)
);
CREATE INDEX IF NOT EXISTS d_day_member_id ON dday.d_day (member_id);

-- Dead letters, for people. One row per event, however often it failed.
CREATE TABLE IF NOT EXISTS dday.failed_event (
  id              bigint      NOT NULL GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  event_id        text        NOT NULL UNIQUE,
  event_type      text,
  member_id       bigint,
  topic           text        NOT NULL,
  partition       integer     NOT NULL,
  "offset"        bigint      NOT NULL,
  record_key      bytea,
  payload         bytea,
  headers         jsonb,
  error_class     text,
  error_message   text,
  attempts        integer     NOT NULL DEFAULT 1,
  first_failed_at timestamptz NOT NULL DEFAULT now(),
  last_failed_at  timestamptz NOT NULL DEFAULT now(),
  status          text        NOT NULL DEFAULT 'NEW',
  handled_by      text,
  handled_at      timestamptz,
  note            text,
  CONSTRAINT failed_event_event_id_fits           CHECK (char_length(event_id) BETWEEN 1 AND 200),
  CONSTRAINT failed_event_status_is_known         CHECK (status IN ('NEW', 'RETRIED', 'RESOLVED', 'IGNORED')),
  CONSTRAINT failed_event_handled_has_its_time    CHECK (status = 'NEW' OR handled_at IS NOT NULL),
  CONSTRAINT failed_event_attempts_are_counted    CHECK (attempts >= 0),
  CONSTRAINT failed_event_fails_last_after_first  CHECK (last_failed_at >= first_failed_at)
);
CREATE INDEX IF NOT EXISTS failed_event_new ON dday.failed_event (last_failed_at) WHERE status = 'NEW';

-- What people are to be told, one row per event and channel: written with the failed event, sent by whoever takes it, tried again until it is gone.
CREATE TABLE IF NOT EXISTS dday.alert (
  id         bigint      NOT NULL GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  event_id   text        NOT NULL,
  channel    text        NOT NULL,
  subject    text        NOT NULL,
  body       text        NOT NULL,
  status     text        NOT NULL DEFAULT 'PENDING',
  attempts   integer     NOT NULL DEFAULT 0,
  next_at    timestamptz NOT NULL DEFAULT now(),
  last_error text,
  created_at timestamptz NOT NULL DEFAULT now(),
  sent_at    timestamptz,
  CONSTRAINT alert_event_id_fits         CHECK (char_length(event_id) BETWEEN 1 AND 200),
  CONSTRAINT alert_channel_is_known      CHECK (channel IN ('WEBHOOK', 'EMAIL')),
  CONSTRAINT alert_subject_fits          CHECK (octet_length(subject) BETWEEN 1 AND 200),
  CONSTRAINT alert_body_fits             CHECK (octet_length(body) <= 4000),
  CONSTRAINT alert_status_is_known       CHECK (status IN ('PENDING', 'SENT')),
  CONSTRAINT alert_sent_has_its_time     CHECK ((status = 'SENT') = (sent_at IS NOT NULL)),
  CONSTRAINT alert_attempts_are_counted  CHECK (attempts >= 0)
);
CREATE INDEX IF NOT EXISTS alert_pending ON dday.alert (next_at) WHERE status = 'PENDING';

DO $$ BEGIN PERFORM public.inbox_create('dday'); END $$;

GRANT USAGE ON SCHEMA dday TO dday_service, member_dead_letters;
REVOKE ALL ON dday.failed_event, dday.alert FROM dday_service; -- of an earlier version, where member-dead-letters had this role, too
GRANT SELECT, INSERT, UPDATE ON dday.member_reference TO dday_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON dday.d_day TO dday_service;
GRANT SELECT, INSERT, UPDATE ON dday.failed_event, dday.alert TO member_dead_letters;
GRANT SELECT, INSERT ON dday.inbox TO dday_service, member_dead_letters;

-- Two services have this inbox, and a row in another's name would keep an event from that one, without a trace. So each sees and writes the rows of its own name alone; the
-- janitor, who goes by age, sees all of them.
DO $$
DECLARE
  wanted record;
BEGIN
  FOR wanted IN
    SELECT * FROM (VALUES ('inbox_of_d_day_service', 'dday_service', $q$consumer = 'd-day-service'$q$),
                          ('inbox_of_member_dead_letters', 'member_dead_letters', $q$consumer = 'member-dead-letters'$q$),
                          ('inbox_of_the_janitor', 'outbox_janitor', 'true')) AS w(policy, role, condition) LOOP
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_policy WHERE polrelid = 'dday.inbox'::regclass AND polname = wanted.policy) THEN
      EXECUTE format('CREATE POLICY %I ON dday.inbox TO %I USING (%s)', wanted.policy, wanted.role, wanted.condition);
    END IF;
  END LOOP;
  IF NOT (SELECT relrowsecurity FROM pg_catalog.pg_class WHERE oid = 'dday.inbox'::regclass) THEN
    ALTER TABLE dday.inbox ENABLE ROW LEVEL SECURITY;
  END IF;
END
$$;

-- inbox_prune('dday', '45 days') runs with its caller's rights.
GRANT USAGE ON SCHEMA dday TO outbox_janitor;
GRANT SELECT, DELETE ON dday.inbox TO outbox_janitor;
-- DELETE FROM dday.alert WHERE id IN (SELECT id FROM dday.alert WHERE status = 'SENT' AND sent_at < now() - interval '30 days' LIMIT 10000), which reads no alert.
GRANT SELECT (id, status, sent_at), DELETE ON dday.alert TO outbox_janitor;
