-- Duplicates by the time of receipt, which the id of their request tells (docs/adr/0030-receipts.md). The table has few rows.

-- Workers that still run lock this table first in every batch: they wait here, and never in a ring with us.
LOCK TABLE log_position IN EXCLUSIVE MODE;
SET LOCAL lock_timeout = '500ms';
CREATE INDEX event_duplicate_by_arrival ON event_duplicate (tenant_id, received_at);
