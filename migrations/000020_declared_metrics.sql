-- Declared metrics (docs/adr/0021-declared-metrics.md): what is counted beyond event names, in tables of its own, so that
-- readers of "all names", and workers of a former version, add nothing of it to their totals.
--
-- Changes the catalogue alone, whatever the size of the tables.

-- Workers that still run lock this table first in every batch: they wait here, and never in a ring with us.
LOCK TABLE log_position IN EXCLUSIVE MODE;
SET LOCAL lock_timeout = '500ms';

-- When the last batch, or replay, of the partition was written: later than stored_at of every event that is stored.
ALTER TABLE log_position ADD COLUMN written_at timestamptz;

ALTER TABLE tenant
  -- Moves with every change of the tenant's metrics; a batch reads it after it has locked its positions. 0: none ever.
  ADD COLUMN metrics_version      bigint NOT NULL DEFAULT 0,
  -- Events stored until then are backfilled, later ones are counted by their batch.
  ADD COLUMN metrics_activated_at timestamptz;

CREATE TABLE metric_definition (
  metric_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id       int NOT NULL REFERENCES tenant,
  name            text NOT NULL,
  version         int NOT NULL,
  -- NULL: all names.
  events          text[],
  -- A list of values by dimension; an event has to have one of each.
  filters         jsonb NOT NULL,
  -- `value`, or the path of a numeric property.
  value_path      text NOT NULL,
  dimensions      text[] NOT NULL,
  activated_at    timestamptz NOT NULL,
  -- The next offset of each partition at that moment.
  offsets         jsonb NOT NULL,
  -- Events from before it are not held, or were dropped before they were backfilled; NULL: nothing is missing.
  complete_since  timestamptz,
  retired_at      timestamptz,
  UNIQUE (tenant_id, name, version)
);
-- One version counts.
CREATE UNIQUE INDEX metric_definition_active ON metric_definition (tenant_id, name) WHERE retired_at IS NULL;

-- A combination of dimension values. One without `dims` counts those beyond the limit.
CREATE TABLE metric_series (
  series_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id     int NOT NULL,
  metric_id     bigint NOT NULL REFERENCES metric_definition,
  -- Of the dimensions as JSON: as an index entry, four of them may be too long.
  dims_hash     bytea NOT NULL,
  dims          text[],
  created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  last_used_on  date NOT NULL,
  -- Out of the limit; what it counted stays.
  retired_on    date,
  UNIQUE (metric_id, dims_hash)
);

-- Batches and the backfill write rows of their own, so that neither waits for the other; readers add both.
CREATE TABLE metric_rollup_15m (
  tenant_id    int NOT NULL,
  series_id    bigint NOT NULL,
  bucket       timestamptz NOT NULL,
  backfilled   boolean NOT NULL,
  count        bigint NOT NULL,
  value_count  bigint NOT NULL,
  sum          double precision NOT NULL,
  min          double precision,
  max          double precision,
  late_count   bigint NOT NULL,
  revised_at   timestamptz,
  PRIMARY KEY (series_id, bucket, backfilled)
) PARTITION BY RANGE (bucket);

-- As rollup_15m: one partition for all that is earlier, then one a month (core/db/partitions.ts).
DO $$
DECLARE
  first timestamptz;
BEGIN
  PERFORM set_config('timezone', 'UTC', true);
  first := date_trunc('month', now());
  EXECUTE format('CREATE TABLE %I PARTITION OF metric_rollup_15m FOR VALUES FROM (MINVALUE) TO (%L) WITH (fillfactor = 85)',
                 'metric_rollup_15m_' || to_char(first, 'YYYYMMDD') || '_earlier', first);
  FOR i IN 0 .. 1 LOOP
    EXECUTE format('CREATE TABLE %I (LIKE metric_rollup_15m INCLUDING DEFAULTS INCLUDING CONSTRAINTS) WITH (fillfactor = 85)',
                   'metric_rollup_15m_' || to_char(first + i * interval '1 month', 'YYYYMM'));
    EXECUTE format('ALTER TABLE metric_rollup_15m ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                   'metric_rollup_15m_' || to_char(first + i * interval '1 month', 'YYYYMM'),
                   first + i * interval '1 month', first + (i + 1) * interval '1 month');
  END LOOP;
END $$;

-- The days of events that a metric's history is counted from, newest first.
CREATE TABLE metric_backfill (
  metric_id     bigint NOT NULL REFERENCES metric_definition,
  tenant_id     int NOT NULL,
  day           date NOT NULL,
  -- Events received before it are counted.
  done_through  timestamptz NOT NULL,
  events        bigint NOT NULL DEFAULT 0,
  completed_at  timestamptz,
  PRIMARY KEY (metric_id, day)
);
CREATE INDEX metric_backfill_open ON metric_backfill (day, metric_id) WHERE completed_at IS NULL;

-- A worker of a former version does not know what to count: once metrics are declared, its batches fail, and those of
-- this version go on where it stopped. It moves a position without saying when.
CREATE FUNCTION refuse_uncounted_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM metric_definition WHERE retired_at IS NULL) THEN
    RAISE EXCEPTION 'this worker is of a version that does not count declared metrics; update it' USING ERRCODE = '42501';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER refuse_uncounted_events BEFORE UPDATE OF next_offset ON log_position FOR EACH ROW
  WHEN (NEW.next_offset > OLD.next_offset AND NEW.written_at IS NOT DISTINCT FROM OLD.written_at)
  EXECUTE FUNCTION refuse_uncounted_events();

-- Gives combinations of dimension values their series; those beyond the limit share one without values. One caller at a
-- time for a metric where something changes, so that two workers cannot exceed the limit. Each statement of a volatile
-- function sees what was committed while it waited for the lock.
-- `wanted` is an array of arrays of strings; the result has them by their index.
CREATE FUNCTION admit_metric_series(lock_name text, of_tenant int, of_metric bigint, wanted jsonb, series_max int)
RETURNS TABLE (index int, id bigint, is_shared boolean) LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  today date := (clock_timestamp() AT TIME ZONE 'UTC')::date;
  hashes bytea[] := ARRAY(SELECT sha256(convert_to(w.dims::text, 'UTF8'))
                            FROM jsonb_array_elements(wanted) WITH ORDINALITY w (dims, i) ORDER BY w.i);
BEGIN
  IF EXISTS (SELECT FROM unnest(hashes) h
              WHERE NOT EXISTS (SELECT FROM metric_series s WHERE s.metric_id = of_metric AND s.dims_hash = h
                                   AND s.retired_on IS NULL AND s.last_used_on >= today)) THEN
    PERFORM pg_advisory_xact_lock(hashtextextended(lock_name, 0));
    UPDATE metric_series s SET last_used_on = today
     WHERE s.metric_id = of_metric AND s.dims_hash = ANY (hashes) AND s.retired_on IS NULL AND s.last_used_on < today;
    INSERT INTO metric_series AS s (tenant_id, metric_id, dims_hash, dims, last_used_on)
    SELECT of_tenant, of_metric, hashes[w.i], ARRAY(SELECT jsonb_array_elements_text(w.dims)), today
      FROM jsonb_array_elements(wanted) WITH ORDINALITY w (dims, i)
     WHERE NOT EXISTS (SELECT FROM metric_series l
                        WHERE l.metric_id = of_metric AND l.dims_hash = hashes[w.i] AND l.retired_on IS NULL)
     ORDER BY w.i
     LIMIT greatest(0, series_max - (SELECT count(*) FROM metric_series l
                                      WHERE l.metric_id = of_metric AND l.retired_on IS NULL AND l.dims IS NOT NULL))
    ON CONFLICT (metric_id, dims_hash) DO UPDATE SET retired_on = NULL, last_used_on = today;
    INSERT INTO metric_series AS s (tenant_id, metric_id, dims_hash, last_used_on)
    SELECT of_tenant, of_metric, '', today
     WHERE EXISTS (SELECT FROM unnest(hashes) h
                    WHERE NOT EXISTS (SELECT FROM metric_series l
                                       WHERE l.metric_id = of_metric AND l.dims_hash = h AND l.retired_on IS NULL))
    ON CONFLICT (metric_id, dims_hash) DO UPDATE SET last_used_on = today, retired_on = NULL;
  END IF;
  RETURN QUERY
  SELECT (h.i - 1)::int, coalesce(own.series_id, shared.series_id), own.series_id IS NULL
    FROM unnest(hashes) WITH ORDINALITY h (hash, i)
    LEFT JOIN metric_series own ON own.metric_id = of_metric AND own.dims_hash = h.hash AND own.retired_on IS NULL
    LEFT JOIN metric_series shared ON shared.metric_id = of_metric AND shared.dims_hash = '';
END $$;
