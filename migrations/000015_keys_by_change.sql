-- Core publishes the keys that changed, instead of all of them every few seconds (core/identity/key-changes.ts says why
-- no commit is missed). Rows that exist stay unmarked: they are published with all keys, when a core starts and hourly.
--
-- Changes the catalogue alone, but for two partial indexes, empty at first: one read of api_key, a tenth of a second for
-- 300,000 keys.

-- The tables in the order in which queries lock them.
LOCK TABLE api_key, tenant IN ACCESS EXCLUSIVE MODE;

-- The transaction that last changed what is published; NULL: none since this migration.
ALTER TABLE api_key ADD COLUMN changed_xid xid8;
ALTER TABLE tenant ADD COLUMN changed_xid xid8;
CREATE INDEX api_key_by_change ON api_key (changed_xid) WHERE changed_xid IS NOT NULL;
CREATE INDEX tenant_by_change ON tenant (changed_xid) WHERE changed_xid IS NOT NULL;

-- Keys are revoked, not deleted; should one be deleted by hand, Redis has to forget it. Kept for a day.
CREATE TABLE deleted_api_key (
  key_sha256   bytea PRIMARY KEY,
  deleted_xid  xid8 NOT NULL DEFAULT pg_current_xact_id(),
  deleted_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX deleted_api_key_by_change ON deleted_api_key (deleted_xid);

-- A column that is added later counts as a change too. The use of a key does not: it is recorded every minute.
CREATE FUNCTION mark_api_key_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    OLD.last_used_at := NEW.last_used_at;
    IF OLD IS NOT DISTINCT FROM NEW THEN RETURN NEW; END IF;
  END IF;
  NEW.changed_xid := pg_current_xact_id();
  RETURN NEW;
END $$;
CREATE TRIGGER mark_change BEFORE INSERT OR UPDATE ON api_key
  FOR EACH ROW EXECUTE FUNCTION mark_api_key_change();

-- A new tenant has no keys yet.
CREATE FUNCTION mark_tenant_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.changed_xid := pg_current_xact_id();
  RETURN NEW;
END $$;
CREATE TRIGGER mark_change BEFORE UPDATE ON tenant
  FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION mark_tenant_change();

CREATE FUNCTION mark_api_key_deletion() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  deleted bytea[];
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    deleted := ARRAY(SELECT key_sha256 FROM api_key);
  ELSE
    deleted := ARRAY[OLD.key_sha256];
  END IF;
  INSERT INTO deleted_api_key (key_sha256) SELECT unnest(deleted)
  ON CONFLICT (key_sha256) DO UPDATE SET deleted_xid = excluded.deleted_xid, deleted_at = excluded.deleted_at;
  RETURN NULL;
END $$;
CREATE TRIGGER mark_deletion AFTER DELETE ON api_key
  FOR EACH ROW EXECUTE FUNCTION mark_api_key_deletion();
CREATE TRIGGER mark_new_hash AFTER UPDATE OF key_sha256 ON api_key
  FOR EACH ROW WHEN (OLD.key_sha256 <> NEW.key_sha256) EXECUTE FUNCTION mark_api_key_deletion();
CREATE TRIGGER mark_truncation BEFORE TRUNCATE ON api_key
  FOR EACH STATEMENT EXECUTE FUNCTION mark_api_key_deletion();
