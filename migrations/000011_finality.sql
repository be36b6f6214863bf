-- A bucket is final only by what every batch in flight has seen (core/worker/write/finality.ts tells the whole rule).
--
-- Applied in milliseconds, but for series_id: widening it rewrites rollup_15m, about a minute for 50 million rows,
-- during which workers and queries of that table wait. Workers of 0.2 cannot write since migration 9.

-- The tables in the order in which queries lock them.
LOCK TABLE series, rollup_15m, watermark, tenant IN ACCESS EXCLUSIVE MODE;

-- Postgres' own clock decides; a worker whose clock was fast may have left a time that has not come.
UPDATE log_lease SET applied_through = now() WHERE applied_through > now();

CREATE TABLE finality (
  topic                   text PRIMARY KEY,
  -- What readers may use once pending_xid, and every transaction with a lower id, has ended.
  pending_xid             xid8,
  pending_snapshot        pg_snapshot,
  pending_applied_through timestamptz,
  -- What readers use. '1:1:' is a snapshot that no transaction is visible in.
  published_snapshot        pg_snapshot NOT NULL DEFAULT '1:1:',
  published_applied_through timestamptz
);
INSERT INTO finality (topic, published_applied_through)
SELECT 'events.raw', CASE WHEN bool_and(applied_through IS NOT NULL) THEN min(applied_through) END
  FROM log_lease WHERE topic = 'events.raw';

ALTER TABLE watermark
  -- The transaction that moved highest_at; NULL: before all that are running.
  ADD COLUMN moved_xid         xid8,
  -- The last highest_at that readers may use, whatever moved it since.
  ADD COLUMN published_highest_at timestamptz;

ALTER TABLE tenant
  -- The transaction that changed allowed_lateness_s, and the largest value before it that a batch may still use.
  ADD COLUMN lateness_xid      xid8,
  ADD COLUMN former_lateness_s int,
  -- What was final when allowed_lateness_s was raised stays final: for readers, and for batches, which see more.
  ADD COLUMN final_floor       timestamptz,
  ADD COLUMN marked_floor      timestamptz;

-- 2^31 ids last days where names are URLs, and new names of all tenants fail at their end.
ALTER TABLE series ALTER COLUMN series_id TYPE bigint;
ALTER TABLE rollup_15m ALTER COLUMN series_id TYPE bigint;

-- Gives names their series; names beyond the limit share one (core/db/series-names.ts). One caller at a time for a
-- tenant, so that two workers can neither exceed the limit nor count one name in two series. Each statement of a
-- volatile function sees what was committed while it waited for the lock.
CREATE FUNCTION admit_series(lock_name text, of_tenant int, names text[], shared_name text, series_max int)
RETURNS TABLE (name text, id bigint) LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended(lock_name, 0));
  -- By the clock, not by the start of the transaction: ages are compared (core/queries/sql/names.ts).
  INSERT INTO series (tenant_id, metric, created_at)
  SELECT of_tenant, n, clock_timestamp() FROM unnest(names) WITH ORDINALITY AS u (n, i)
   WHERE NOT EXISTS (SELECT FROM series s WHERE s.tenant_id = of_tenant AND s.metric = n)
   ORDER BY i LIMIT greatest(0, series_max - (SELECT count(*) FROM series s WHERE s.tenant_id = of_tenant));
  INSERT INTO series (tenant_id, metric, created_at)
  SELECT of_tenant, shared_name, clock_timestamp()
   WHERE EXISTS (SELECT FROM unnest(names) n
                  WHERE NOT EXISTS (SELECT FROM series s WHERE s.tenant_id = of_tenant AND s.metric = n))
     AND NOT EXISTS (SELECT FROM series s WHERE s.tenant_id = of_tenant AND s.metric = shared_name);
  RETURN QUERY
  SELECT n, coalesce(own.series_id, shared.series_id)
    FROM unnest(names) n
    LEFT JOIN series own ON own.tenant_id = of_tenant AND own.metric = n
    LEFT JOIN series shared ON shared.tenant_id = of_tenant AND shared.metric = shared_name;
END $$;
