-- A position is an offset in one log, and in no other. So each position names the log that it belongs to: a worker that
-- is given another log (another engine, another cluster, a topic that was recreated) refuses to read it.
ALTER TABLE log_position
  -- NULL until a worker has read the log for the first time.
  ADD COLUMN log_identity text,
  -- Records below this offset may have been applied before, out of a former log; NULL: none of them was.
  ADD COLUMN reread_until bigint;

-- The identity of the log in this database.
CREATE TABLE postgres_log (
  only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  identity  uuid NOT NULL DEFAULT gen_random_uuid()
);
INSERT INTO postgres_log DEFAULT VALUES;

-- For how long single events are kept, as the workers do it, for every process that has to know.
CREATE TABLE event_retention (
  only_row         boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  retention_days   int NOT NULL CHECK (retention_days > 0),
  -- The latest day whose events were dropped.
  dropped_through  date
);

-- Days before the oldest that is held were dropped, or never had an event: either way nothing of them can be looked up.
-- The days are workers' to know; until the first of this version runs its maintenance, these are the default's.
INSERT INTO event_retention (retention_days, dropped_through)
SELECT 30, min(to_date(right(c.relname, 8), 'YYYYMMDD')) - 1
  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
 WHERE i.inhparent = 'event'::regclass AND c.relname ~ '^event_[0-9]{8}$'
HAVING count(*) > 0;
