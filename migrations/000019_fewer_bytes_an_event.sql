-- Fewer bytes an event (docs/adr/0020-bytes-an-event.md). Each statement changes the catalogue alone, whatever the size
-- of the tables; days that are there keep their rows as they are, and the same queries read both.

-- Workers that still run lock this table first in every batch: they wait here, and never in a ring with us.
LOCK TABLE log_position IN SHARE MODE;
-- And not for long while a dump reads the events: then this is tried again.
SET LOCAL lock_timeout = '500ms';

-- The id of the request where it is a UUID, as the edge makes them: 16 bytes instead of 37. request_id has any other.
ALTER TABLE event ADD COLUMN request_uuid uuid;

-- 20 to 50 bytes and 95 of WAL an event, for what rollups answer. What they do not is read by time, or looks for a rare
-- name: a block range index costs nothing, because a day's rows lie in the order in which they were received. Several
-- ranges of time for each range of blocks: late events would stretch a single one over the whole day. Days from now on
-- get it with their table; older ones in the maintenance of the workers, one after the other
-- (core/worker/maintenance/index-old-days.ts).
DROP INDEX event_by_name;
CREATE INDEX event_by_occurrence ON ONLY event USING brin (
  occurred_at timestamptz_minmax_multi_ops (values_per_range = 16), name text_bloom_ops (n_distinct_per_range = 200)
) WITH (pages_per_range = 32, autosummarize = on);
