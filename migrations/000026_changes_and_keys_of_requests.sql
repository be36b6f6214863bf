-- What tells later why a number changed (docs/adr/0025-why-a-number-changed.md), and which events came with an
-- Idempotency-Key.
--
-- Changes the catalogue alone, whatever the size of the tables.

-- Workers that still run lock this table first in every batch: they wait here, and never in a ring with us.
LOCK TABLE log_position IN EXCLUSIVE MODE;
SET LOCAL lock_timeout = '500ms';

-- How the event came: NULL in time, l late, i a historical import, r a replay. u: stored by a version that did not record
-- it; such rows get it without being rewritten, and so do those of a former worker that still runs. NULL takes no byte.
ALTER TABLE event ADD COLUMN arrival "char" DEFAULT 'u';

-- Days of single events that were dropped since this version.
CREATE TABLE event_day_drop (
  day             date PRIMARY KEY,
  dropped_at      timestamptz NOT NULL,
  -- No event of the day was stored later; NULL: not known.
  last_stored_at  timestamptz
);

-- When the first part of the day was counted; equal to completed_at where it was the only one, NULL where it is not known.
ALTER TABLE metric_backfill ADD COLUMN first_part_at timestamptz;

-- The events that came with an Idempotency-Key: a row for each request and batch, none without a key. Partitions are
-- created and dropped with those of `event`.
CREATE TABLE event_idempotency (
  tenant_id    int NOT NULL,
  received_on  date NOT NULL,
  -- Of the trust class and the key (core/db/idempotency-hash.ts).
  key_hash     bigint NOT NULL,
  event_ids    uuid[] NOT NULL
) PARTITION BY RANGE (received_on);
CREATE INDEX event_idempotency_by_key ON event_idempotency (tenant_id, key_hash);
