-- Pinned schemas (docs/schemas.md): what events of a name have to look like, by version. Pinning one changes
-- the tenant, so its keys are published to the edges again.
--
-- Changes the catalogue alone, whatever the size of the tables.

-- Workers that still run lock this table first in every batch: they wait here, and never in a ring with us.
LOCK TABLE log_position IN SHARE MODE;
SET LOCAL lock_timeout = '500ms';
ALTER TABLE tenant
  -- Moves with every change of the tenant's pinned schemas. 0: none ever.
  ADD COLUMN schemas_version bigint NOT NULL DEFAULT 0;

CREATE TABLE event_schema (
  tenant_id   int NOT NULL REFERENCES tenant,
  name        text NOT NULL,
  version     int NOT NULL,
  mode        text NOT NULL CHECK (mode IN ('observe', 'dead-letter', 'reject')),
  -- JSON, as it was written.
  document    text NOT NULL,
  pinned_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  retired_at  timestamptz,
  PRIMARY KEY (tenant_id, name, version)
);
-- One version is in force.
CREATE UNIQUE INDEX event_schema_pinned ON event_schema (tenant_id, name) WHERE retired_at IS NULL;

-- Events that violate a schema in the mode observe; those of the other modes are dead letters or were refused.
CREATE TABLE event_schema_violation (
  tenant_id  int NOT NULL,
  name       text NOT NULL,
  version    int NOT NULL,
  -- Into the event; items of arrays are the token "[]".
  pointer    text NOT NULL,
  detail     text NOT NULL,
  events     bigint NOT NULL,
  first_at   timestamptz NOT NULL,
  last_at    timestamptz NOT NULL,
  first_key  uuid,
  PRIMARY KEY (tenant_id, name, version, pointer, detail)
) WITH (fillfactor = 70);
