-- The audit log (docs/adr/0026-audit-log.md): who changed what, as one chain of hashes for each tenant. Core may add to it,
-- and may change or delete nothing. And what API keys may send, and who uses them.
--
-- Changes the catalogue alone.

CREATE TABLE audit_log (
  -- 0: the system as a whole.
  tenant_id      int NOT NULL,
  -- 1, 2, 3 … without gaps.
  sequence       bigint NOT NULL,
  at             timestamptz NOT NULL,
  actor_kind     text NOT NULL CHECK (actor_kind IN ('person', 'key', 'operator', 'cli', 'system')),
  -- The id of a person or a key, else as actor_kind.
  actor          text NOT NULL,
  actor_name     text,
  action         text NOT NULL,
  object         text NOT NULL,
  before         jsonb,
  after          jsonb,
  address        text,
  request_id     text,
  previous_hash  bytea NOT NULL,
  -- SHA-256 of all columns before it (core/identity/audit/hash-entry.ts).
  hash           bytea NOT NULL,
  PRIMARY KEY (tenant_id, sequence)
);

-- The newest entry of each tenant, locked by the transaction that adds one.
CREATE TABLE audit_head (
  tenant_id  int PRIMARY KEY,
  sequence   bigint NOT NULL,
  hash       bytea NOT NULL
);

-- How far each chain was sent to the webhook.
CREATE TABLE audit_delivery (
  tenant_id     int PRIMARY KEY,
  sequence      bigint NOT NULL,
  delivered_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Who sends events with an API key, by the hour received: estimates that workers add every few seconds, kept for two
-- days. A bounded number of rows for each key and hour (core/worker/maintenance/key-senders.ts).
CREATE TABLE key_sender_hour (
  tenant_id  int NOT NULL,
  key_id     uuid NOT NULL,
  hour       timestamptz NOT NULL,
  -- The library, or the first product of the User-Agent; '' where there is none.
  client     text NOT NULL,
  -- Of the page that sent them; '' where no browser did.
  origin     text NOT NULL,
  events     bigint NOT NULL,
  last_at    timestamptz NOT NULL,
  PRIMARY KEY (key_id, hour, client, origin)
) WITH (fillfactor = 70);
CREATE INDEX key_sender_hour_by_hour ON key_sender_hour (hour);

ALTER TABLE api_key
  -- Moves with every change of a setting, so that a change of an outdated one is refused.
  ADD COLUMN version             int NOT NULL DEFAULT 1,
  -- Names of events that the key may send; NULL: any.
  ADD COLUMN allowed_events      text[],
  -- Properties, at their top level, that its events may have; NULL: any.
  ADD COLUMN allowed_properties  text[];

-- As migration 13 created it, but for the rights on audit_log.
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
      %s >= (SELECT sluice_tenant_from()) AND %s <= (SELECT sluice_tenant_to()))', t.relname, tenant, tenant);
  END LOOP;
  RETURN true;
END $$;
