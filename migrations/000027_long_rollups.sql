-- Hours and days of rollups (docs/adr/0024-long-rollups.md), added up from 15-minute rows once these are final. Workers
-- derive them beside the sketches; batches write nothing of it.
--
-- Reads rollup_15m once, for an index of the rows that were revised: about ten seconds for 50 million rows, during which
-- workers, queries and dashboards wait.

-- Workers that still run lock this table first in every batch: they wait here, and never in a ring with us.
LOCK TABLE log_position IN SHARE MODE;
-- And not for long while a dump or a long query reads the tables: then this is tried again. Shorter than deadlock_timeout,
-- so that a reader in a ring with us goes on.
SET LOCAL lock_timeout = '500ms';
-- Everything that is changed below, before anything is changed. Of partitions only those of the index: policies belong to the parents.
DO $$
BEGIN
  EXECUTE (SELECT 'LOCK TABLE ' || string_agg(CASE c.relname WHEN 'rollup_15m' THEN '' ELSE 'ONLY ' END || quote_ident(c.relname), ', ' ORDER BY c.relname) || ' IN ACCESS EXCLUSIVE MODE'
             FROM pg_class c
            WHERE c.relnamespace = current_schema()::regnamespace
              AND (c.relname IN ('rollup_15m', 'tenant') OR EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'sluice_read')));
END $$;

CREATE TABLE rollup_long (
  tenant_id     int NOT NULL,
  -- 0: event names.
  metric_id     bigint NOT NULL,
  -- Of `series` or `metric_series`. 0: all of them together.
  series_id     bigint NOT NULL,
  -- How long the bucket is: 60, 240 or 1440; counted from 1970-01-01, UTC.
  minutes       smallint NOT NULL,
  bucket        timestamptz NOT NULL,
  count         bigint NOT NULL,
  value_count   bigint NOT NULL,
  sum           double precision NOT NULL,
  min           double precision,
  max           double precision,
  late_count    bigint NOT NULL,
  revised_at    timestamptz,
  PRIMARY KEY (tenant_id, metric_id, series_id, minutes, bucket)
);

CREATE TABLE rollup_long_progress (
  tenant_id        int NOT NULL REFERENCES tenant,
  metric_id        bigint NOT NULL,
  -- Every bucket that ends by then has its rows; without one it has no events. Never beyond what is final.
  derived_through  timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, metric_id)
);

-- As sketch_revision: 15-minute rows that were revised earlier are in the longer ones.
CREATE TABLE rollup_long_revision (
  only_row     boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  checked_to   timestamptz NOT NULL DEFAULT '-infinity',
  pending_xid  xid8,
  pending_at   timestamptz
);
INSERT INTO rollup_long_revision DEFAULT VALUES;

-- Which hours were revised a moment ago is read by every query of a longer range. Of a column that is NULL nearly
-- everywhere Postgres has no statistics that would let it use the block range index; only batches that revise a bucket
-- that was final write an entry of this one.
DROP INDEX rollup_15m_by_revision;
CREATE INDEX rollup_15m_by_revision ON rollup_15m (tenant_id, revised_at) INCLUDE (bucket) WHERE revised_at IS NOT NULL;

-- The policies of readers as before, but for how many rows Postgres expects of them: half of a table. It took a range of
-- unknown bounds for half a percent, multiplied that for each table of a join, and planned loops for a handful of rows
-- where there are thousands. Queries name their tenant themselves, by which indexes are found.
CREATE OR REPLACE FUNCTION sluice_grant_roles() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  role name;
  t record;
  columns text;
  has_secrets boolean;
  tenant text;
BEGIN
  FOREACH role IN ARRAY ARRAY['sluice_write', 'sluice_read'] LOOP
    BEGIN
      IF to_regrole(role::text) IS NULL THEN
        EXECUTE format('CREATE ROLE %I NOLOGIN', role);
      END IF;
    EXCEPTION
      WHEN insufficient_privilege THEN RETURN false;
      -- Roles belong to the whole cluster: another database has just created it.
      WHEN duplicate_object OR unique_violation THEN NULL;
    END;
    BEGIN
      -- Not inherited: who migrates becomes one of them by SET ROLE only.
      IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
         AND NOT pg_has_role(current_user, role, 'SET') THEN
        EXECUTE format('GRANT %I TO CURRENT_USER WITH INHERIT FALSE, SET TRUE', role);
      END IF;
    EXCEPTION WHEN insufficient_privilege THEN RETURN false;
    END;
  END LOOP;

  -- Workers that still run lock this table first in every batch: they wait here, and never in a ring with us.
  LOCK TABLE log_position IN SHARE MODE;
  EXECUTE format('GRANT USAGE ON SCHEMA %I TO sluice_write, sluice_read', current_schema());
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %I TO sluice_write', current_schema());
  EXECUTE format('GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA %I TO sluice_write', current_schema());
  REVOKE INSERT, UPDATE, DELETE ON migration FROM sluice_write;
  -- What was written there stays, whatever core does (core/identity/audit).
  REVOKE UPDATE, DELETE ON audit_log FROM sluice_write;
  REVOKE DELETE ON audit_head, audit_delivery FROM sluice_write;
  -- For the days to come, which are tables too. Readers get them through their parents only.
  EXECUTE format('ALTER DEFAULT PRIVILEGES IN SCHEMA %I GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO sluice_write', current_schema());
  EXECUTE format('ALTER DEFAULT PRIVILEGES IN SCHEMA %I GRANT USAGE, SELECT ON SEQUENCES TO sluice_write', current_schema());

  FOR t IN
    SELECT c.oid, c.relname,
           EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'sluice_read') AS has_policies,
           EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id') AS of_tenants,
           EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attnotnull) AS is_nullable,
           EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.atttypid = 'bytea'::regtype) AS has_bytes
      FROM pg_class c
     WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  LOOP
    -- Without a tenant and with bytes: hashes of sessions and links, and the log's records.
    CONTINUE WHEN t.has_bytes AND NOT t.of_tenants;
    SELECT string_agg(quote_ident(attname), ', ') FILTER (WHERE attname NOT LIKE '%sha256%'), bool_or(attname LIKE '%sha256%')
      INTO columns, has_secrets
      FROM pg_attribute WHERE attrelid = t.oid AND attnum > 0 AND NOT attisdropped;
    IF has_secrets THEN
      EXECUTE format('GRANT SELECT (%s) ON %I TO sluice_read', columns, t.relname);
    ELSE
      EXECUTE format('GRANT SELECT ON %I TO sluice_read', t.relname);
    END IF;
    -- A restore into a cluster without the roles enables row security and leaves the policies out.
    CONTINUE WHEN NOT t.of_tenants OR t.has_policies;
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t.relname);
    EXECUTE format('DROP POLICY IF EXISTS sluice_write ON %I', t.relname);
    EXECUTE format('CREATE POLICY sluice_write ON %I TO sluice_write USING (true) WITH CHECK (true)', t.relname);
    -- A dead letter of no tenant is the operator's.
    tenant := CASE WHEN t.is_nullable THEN 'coalesce(tenant_id, -1)' ELSE 'tenant_id' END;
    EXECUTE format('CREATE POLICY sluice_read ON %I FOR SELECT TO sluice_read USING (
      coalesce(%s >= (SELECT sluice_tenant_from()) AND %s <= (SELECT sluice_tenant_to()), false))', t.relname, tenant, tenant);
  END LOOP;
  RETURN true;
END $$;

DO $$
DECLARE
  t record;
BEGIN
  FOR t IN
    SELECT c.relname, CASE WHEN a.attnotnull THEN 'tenant_id' ELSE 'coalesce(tenant_id, -1)' END AS tenant
      FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
     WHERE p.polname = 'sluice_read' AND c.relnamespace = current_schema()::regnamespace
  LOOP
    EXECUTE format('ALTER POLICY sluice_read ON %I USING (
      coalesce(%s >= (SELECT sluice_tenant_from()) AND %s <= (SELECT sluice_tenant_to()), false))', t.relname, t.tenant, t.tenant);
  END LOOP;
END $$;
