-- A key that was rotated names the one that took its place, and works on until it expires.
ALTER TABLE api_key ADD COLUMN replaced_by uuid REFERENCES api_key;

-- How much came in with a key, by the hour received; whoever rotated one sees when the old one is idle.
-- Written by the worker with the events themselves, kept for LIMITS.keyUseDays.
CREATE TABLE key_use_hour (
  key_id  uuid NOT NULL,
  hour    timestamptz NOT NULL,
  events  bigint NOT NULL,
  PRIMARY KEY (key_id, hour)
) WITH (fillfactor = 70);

-- Which schema_version an event may name; NULL means any, and none at all is always allowed.
ALTER TABLE tenant ADD COLUMN schema_versions text[] CHECK (cardinality(schema_versions) > 0);
