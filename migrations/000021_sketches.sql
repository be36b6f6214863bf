-- Sketches of final hours, for distinct actors and percentiles over long ranges (docs/adr/0022-sketches.md). Workers
-- derive them from single events; batches write nothing of it.
--
-- Reads rollup_15m once, for an index of the rows that were revised: about ten seconds for 50 million rows, during which
-- workers wait.

-- Workers that still run lock this table first in every batch: they wait here, and never in a ring with us.
LOCK TABLE log_position IN SHARE MODE;

CREATE TABLE sketch (
  tenant_id     int NOT NULL,
  -- 0: all names together. An actor with events of two names is in both series, and once in this one.
  series_id     bigint NOT NULL,
  -- How long the bucket is: 15, 60, 240 or 1440. The longer ones are merged from the next shorter ones.
  minutes       smallint NOT NULL,
  bucket        timestamptz NOT NULL,
  -- Events in the sketch.
  count         bigint NOT NULL,
  -- Those of rollup_15m when it was derived: where it counts others now, the sketch is derived again. NULL: merged.
  rollup_count  bigint,
  late_count    bigint NOT NULL,
  revised_at    timestamptz,
  -- core/lib/sketches; NULL: no event had an actor, or a value.
  actors        bytea,
  quantiles     bytea,
  PRIMARY KEY (tenant_id, series_id, minutes, bucket)
) PARTITION BY RANGE (bucket);
-- Their bytes are as good as random.
ALTER TABLE sketch ALTER COLUMN actors SET STORAGE EXTERNAL;

CREATE TABLE sketch_progress (
  tenant_id         int PRIMARY KEY REFERENCES tenant,
  -- Every bucket that ends by then has its sketches; without one it has no events.
  derived_through   timestamptz NOT NULL,
  -- Buckets that end by then may lack events that were no longer held when they were derived.
  incomplete_before timestamptz
);

-- Until when rows of rollup_15m that were revised are known to be in the sketches (core/worker/sketches).
CREATE TABLE sketch_revision (
  only_row     boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  checked_to   timestamptz NOT NULL DEFAULT '-infinity',
  pending_xid  xid8,
  pending_at   timestamptz
);
INSERT INTO sketch_revision DEFAULT VALUES;

-- A block range index, because it leaves updates in place and costs batches nothing: they write no row of it unless they
-- revise a bucket that was final.
CREATE INDEX rollup_15m_by_revision ON rollup_15m USING brin (revised_at) WITH (pages_per_range = 16, autosummarize = on)
  WHERE revised_at IS NOT NULL;
