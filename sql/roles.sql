-- roles.sql - four group roles with the least rights that each task needs, and row policies so that a writer cannot forge another's aggregate type.
--
-- Apply after outbox.sql, as a superuser, once per database (the roles are shared by the cluster, all the rest belongs to the database):
--
--     psql -v ON_ERROR_STOP=1 -f sql/roles.sql shop
--
-- A superuser is needed for two things only, and the script stops at once without one: taking pg_logical_emit_message() from PUBLIC, and granting pg_monitor.
-- Applying it again changes nothing. Where a provider gives no superuser, apply the parts one by one as far as they go, and do not use outbox_emit().
--
--     role            may                                                   may not
--     outbox_writer   INSERT events of its own aggregate types into         read, change, delete, RETURNING, other types, bare logical messages,
--                     public.outbox, publish, emit                          public.outbox_binary
--     outbox_relay    connect; see settings and sessions                    read or write any table by SQL
--     outbox_janitor  outbox_prune()                                        everything else
--     outbox_monitor  pg_monitor: slots, replication, settings              read or write any table
--
-- They are groups without a login. Members, by example:
--
--     CREATE ROLE orders LOGIN PASSWORD '...';                GRANT outbox_writer TO orders;
--     INSERT INTO public.outbox_writer_aggregate VALUES ('orders', 'order');     -- as the tables' owner; a grant to a group counts for its members
--     CREATE ROLE shop_relay LOGIN REPLICATION CONNECTION LIMIT 6 PASSWORD '...'; GRANT outbox_relay TO shop_relay;     -- three for each relay: two here
--
-- A row of public.outbox_binary says which partition it is for, and one that its topic does not have holds the relay for everybody. So that table is for those who bury
-- dead letters or have keys that are no text, each by a grant of its own; the policy holds for them, too, since they are outbox_writers:
--
--     GRANT INSERT ON public.outbox_binary TO notifications;
--
-- (Until a grant like that is there, a consumer's dead letters wait, and its partition with them. Earlier versions of this script gave the right to every outbox_writer.)
--
-- REPLICATION is an attribute of the login role and is not inherited from a group: it must be given as above (Amazon RDS: GRANT rds_replication). Whoever has it
-- can read every table of every database that pg_hba.conf lets it connect to, by a slot of its own. So let pg_hba.conf allow the relay's role this one
-- database by TLS, and have no line for it with the database `replication`, which would give it the whole cluster's files.
--
-- Switching on the policies shuts out roles that had INSERT by grants of their own: make them members of outbox_writer, and grant their types, in the same transaction.

DO $$
BEGIN
  IF NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN
    RAISE EXCEPTION 'roles.sql must be applied by a superuser, and % is none', quote_ident(current_user)
      USING ERRCODE = 'insufficient_privilege', HINT = 'It grants pg_monitor and revokes pg_logical_emit_message() from PUBLIC. outbox.sql is for the owner, roles.sql for a superuser.';
  END IF;
  IF to_regprocedure('public.outbox_emit(text, text, text, json, jsonb)') IS NULL OR to_regprocedure('public.outbox_may_write(text)') IS NULL THEN
    RAISE EXCEPTION 'the outbox does not exist in database %, or is one of an earlier version', quote_ident(current_database())
      USING ERRCODE = 'undefined_object', HINT = 'Apply outbox.sql first, as the role that shall own the tables.';
  END IF;
END
$$;

-- Roles and their memberships are the cluster's: several databases may be set up at once, and the loser of a race finds what it wanted.
DO $$
DECLARE
  wanted name;
BEGIN
  FOREACH wanted IN ARRAY ARRAY['outbox_writer', 'outbox_relay', 'outbox_janitor', 'outbox_monitor']::name[] LOOP
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = wanted) THEN
      BEGIN
        EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
      EXCEPTION WHEN duplicate_object OR unique_violation THEN
        NULL;
      END;
    END IF;
  END LOOP;
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO outbox_writer, outbox_relay, outbox_janitor, outbox_monitor', current_database());
END
$$;

-- Relay: streaming needs no grant on any table; these let `cdc-relay check` and `init` name the transactions that hold the slot back,
-- and see which plugins the server allows. Monitor: all figures.
DO $$
DECLARE
  given record;
BEGIN
  FOR given IN SELECT * FROM (VALUES ('pg_read_all_stats', 'outbox_relay'), ('pg_read_all_settings', 'outbox_relay'), ('pg_monitor', 'outbox_monitor')) AS g(what, whom) LOOP
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_auth_members WHERE roleid = given.what::regrole AND member = given.whom::regrole) THEN
      BEGIN
        EXECUTE format('GRANT %I TO %I', given.what, given.whom);
      EXCEPTION WHEN duplicate_object OR unique_violation THEN
        NULL;
      END;
    END IF;
  END LOOP;
END
$$;

GRANT USAGE ON SCHEMA public TO outbox_writer, outbox_janitor;

-- Writer. The policy asks a function that answers about the caller alone, so that a writer cannot find out who else may write what.
GRANT INSERT ON public.outbox TO outbox_writer;
REVOKE ALL ON public.outbox_binary FROM outbox_writer; -- of an earlier version of this script
GRANT EXECUTE ON FUNCTION public.outbox_publish(text, text, text, json, jsonb) TO outbox_writer;
GRANT EXECUTE ON FUNCTION public.outbox_emit(text, text, text, json, jsonb) TO outbox_writer;
GRANT SELECT ON public.outbox_own_aggregate TO outbox_writer;
GRANT EXECUTE ON FUNCTION public.outbox_may_write(text) TO outbox_writer;

DO $$
DECLARE
  relation regclass;
  present  text; -- what the policy asks now; NULL: there is none
BEGIN
  FOREACH relation IN ARRAY ARRAY['public.outbox', 'public.outbox_binary']::regclass[] LOOP
    IF NOT (SELECT relrowsecurity FROM pg_catalog.pg_class WHERE oid = relation) THEN
      EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', relation::text);
    END IF;
    present := (SELECT pg_catalog.pg_get_expr(polwithcheck, polrelid) FROM pg_catalog.pg_policy WHERE polrelid = relation AND polname = 'outbox_writer_own_types');
    IF present IS NULL THEN
      EXECUTE format('CREATE POLICY outbox_writer_own_types ON %s FOR INSERT TO outbox_writer WITH CHECK (public.outbox_may_write(aggregatetype))', relation::text);
    ELSIF present LIKE '%outbox_role_may_write%' THEN -- of an earlier version
      EXECUTE format('ALTER POLICY outbox_writer_own_types ON %s WITH CHECK (public.outbox_may_write(aggregatetype))', relation::text);
    END IF;
  END LOOP;
END
$$;
REVOKE ALL ON FUNCTION public.outbox_role_may_write(name, text) FROM outbox_writer; -- of an earlier version; behind the policies, which had asked it

-- Logical messages: by outbox_emit() only. Its owner needs the bare function, because it runs as that owner; nobody else gets it.
DO $$
DECLARE
  emit regprocedure;
  owner name := (SELECT pg_catalog.pg_get_userbyid(proowner) FROM pg_catalog.pg_proc
                  WHERE oid = 'public.outbox_emit(text, text, text, json, jsonb)'::regprocedure);
BEGIN
  FOR emit IN SELECT oid FROM pg_catalog.pg_proc WHERE proname = 'pg_logical_emit_message' AND pronamespace = 'pg_catalog'::regnamespace LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', emit);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', emit, owner);
  END LOOP;
END
$$;

-- Janitor. Which rows, how many and how old is all that it can say.
GRANT EXECUTE ON FUNCTION public.outbox_prune(interval, integer) TO outbox_janitor;
