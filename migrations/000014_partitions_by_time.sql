-- Rollups by month of the bucket and outcomes by day of receipt, so that neither is one table for ever: old parts are
-- vacuumed once, a day whose outcomes became 15-minute rows is rewritten once, and a query locks the parts that it
-- asks about. What is there stays where it is, in a first partition `…_earlier` that takes every earlier time too
-- (core/db/partitions.ts). Nothing is copied; both tables are read once.

-- Workers that still run lock this table first in every batch: they wait here, and never in a ring with us.
LOCK TABLE log_position IN SHARE MODE;
LOCK TABLE rollup_15m, outcome_minute, outcome_total IN ACCESS EXCLUSIVE MODE;

-- Until migration 9 workers of an older version could count by the minute alone. None can since, so what they left
-- is added here for the last time.
INSERT INTO outcome_total AS t (tenant_id, stored, duplicate, conflicting, dead)
SELECT tenant_id, m.stored - coalesce(o.stored, 0), m.duplicate - coalesce(o.duplicate, 0),
       m.conflicting - coalesce(o.conflicting, 0), m.dead - coalesce(o.dead, 0)
  FROM (SELECT tenant_id, sum(stored)::bigint AS stored, sum(duplicate)::bigint AS duplicate,
               sum(conflicting)::bigint AS conflicting, sum(dead)::bigint AS dead
          FROM outcome_minute GROUP BY tenant_id) m
  LEFT JOIN outcome_total o USING (tenant_id)
 WHERE (m.stored, m.duplicate, m.conflicting, m.dead) IS DISTINCT FROM (o.stored, o.duplicate, o.conflicting, o.dead)
ON CONFLICT (tenant_id) DO UPDATE SET
  stored = t.stored + EXCLUDED.stored,
  duplicate = t.duplicate + EXCLUDED.duplicate,
  conflicting = t.conflicting + EXCLUDED.conflicting,
  dead = t.dead + EXCLUDED.dead;

-- Minutes are found by their day now.
DROP INDEX outcome_minute_fine;

-- A new parent in the place of a table, which becomes its first partition.
CREATE FUNCTION pg_temp.partition_by_time(parent text, columns text, time_column text, unit text, suffix text, ahead int, storage text)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  one interval := ('1 ' || unit)::interval;
  newest timestamptz;
  first timestamptz;
  earlier text;
BEGIN
  PERFORM set_config('timezone', 'UTC', true);
  EXECUTE format('SELECT max(%I) FROM %I', time_column, parent) INTO newest;
  -- Rows of the current month or day stay together with the older ones.
  first := greatest(date_trunc(unit, now()), date_trunc(unit, newest) + one);
  earlier := parent || '_' || to_char(first, 'YYYYMMDD') || '_earlier';
  EXECUTE format('ALTER TABLE %I RENAME TO %I', parent, earlier);
  EXECUTE format('ALTER INDEX %I RENAME TO %I', parent || '_pkey', earlier || '_pkey');
  EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS, PRIMARY KEY (%s)) PARTITION BY RANGE (%I)',
                 parent, earlier, columns, time_column);
  EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (MINVALUE) TO (%L)', parent, earlier, first);
  FOR i IN 0 .. ahead LOOP
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS) WITH (%s)',
                   parent || '_' || to_char(first + i * one, suffix), parent, storage);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                   parent, parent || '_' || to_char(first + i * one, suffix), first + i * one, first + (i + 1) * one);
  END LOOP;
END $$;

SELECT pg_temp.partition_by_time('rollup_15m', 'tenant_id, series_id, bucket', 'bucket', 'month', 'YYYYMM', 1, 'fillfactor = 70'),
       pg_temp.partition_by_time('outcome_minute', 'tenant_id, minute', 'minute', 'day', 'YYYYMMDD', 3, 'fillfactor = 70');
DROP FUNCTION pg_temp.partition_by_time;
