-- Hours and days of rollups (docs/adr/0024-long-rollups.md), added up from 15-minute rows once these are final. Workers
-- derive them beside the sketches; batches write nothing of it.
--
-- Changes the catalogue alone, whatever the size of the tables.

CREATE TABLE rollup_long (
  tenant_id     int NOT NULL,
  -- 0: event names.
  metric_id     bigint NOT NULL,
  -- Of `series` or `metric_series`. 0: all of them together.
  series_id     bigint NOT NULL,
  -- How long the bucket is: 60, 240 or 1440; counted from 1970-01-01, UTC.
  minutes       smallint NOT NULL,
  bucket        timestamptz NOT NULL,
  count         bigint NOT NULL,
  value_count   bigint NOT NULL,
  sum           double precision NOT NULL,
  min           double precision,
  max           double precision,
  late_count    bigint NOT NULL,
  revised_at    timestamptz,
  PRIMARY KEY (tenant_id, metric_id, series_id, minutes, bucket)
);

CREATE TABLE rollup_long_progress (
  tenant_id        int NOT NULL REFERENCES tenant,
  metric_id        bigint NOT NULL,
  -- Every bucket that ends by then has its rows; without one it has no events. Never beyond what is final.
  derived_through  timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, metric_id)
);

-- As sketch_revision: 15-minute rows that were revised earlier are in the longer ones.
CREATE TABLE rollup_long_revision (
  only_row     boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  checked_to   timestamptz NOT NULL DEFAULT '-infinity',
  pending_xid  xid8,
  pending_at   timestamptz
);
INSERT INTO rollup_long_revision DEFAULT VALUES;
