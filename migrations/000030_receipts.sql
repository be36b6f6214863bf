-- Receipts (docs/adr/0030-receipts.md): what became of an event, for those of which no event is stored.
--
-- Changes the catalogue alone, but for an index of dead letters, which are few.

-- Workers that still run lock this table first in every batch: they wait here, and never in a ring with us.
LOCK TABLE log_position IN EXCLUSIVE MODE;
SET LOCAL lock_timeout = '500ms';

-- Every duplicate that was counted. Without content: what was stored is in `event`. By month, and kept for at most a month
-- longer than events: fewer partitions than days, so that an id is looked for in all of them at once.
CREATE TABLE event_duplicate (
  tenant_id      int NOT NULL,
  -- As in `event`: of its trust class.
  event_id       uuid NOT NULL,
  received_on    date NOT NULL,
  received_at    timestamptz NOT NULL,
  processed_at   timestamptz NOT NULL DEFAULT now(),
  key_id         uuid,
  request_id     text,
  log_offset     bigint NOT NULL,
  log_partition  smallint NOT NULL,
  -- Its content differs from that of the stored event.
  conflicting    boolean NOT NULL
) PARTITION BY RANGE (received_on);
CREATE INDEX event_duplicate_by_event ON event_duplicate (tenant_id, event_id);

-- As in `event`, where the record has an id; NULL for those from before, too.
ALTER TABLE dead_letter ADD COLUMN event_id uuid;
CREATE INDEX dead_letter_by_event ON dead_letter (tenant_id, event_id) WHERE event_id IS NOT NULL;
