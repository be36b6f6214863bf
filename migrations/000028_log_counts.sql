-- Double entry (docs/adr/0027-double-entry.md): a reader of its own counts what is in the log, by tenant, minute of receipt
-- and partition. Against it stands what the workers recorded as outcomes.

-- How far it has counted. It shares nothing with log_position but the log itself.
CREATE TABLE log_count_position (
  partition       int PRIMARY KEY,
  next_offset     bigint NOT NULL,
  log_identity    text NOT NULL,
  -- When the log took the last record that was counted.
  counted_at      timestamptz,
  -- Records that the log took before then may be missing; NULL: it began with the first record of the log.
  complete_since  timestamptz
) WITH (fillfactor = 50);

-- One process counts at a time. For order, not for safety: the positions move by compare-and-set.
CREATE TABLE log_count_lease (
  only_row    boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  holder      text NOT NULL,
  beat_at     timestamptz NOT NULL
) WITH (fillfactor = 50);

-- Counts of records that the workers may not have applied yet: runs of records of one tenant and minute, in the order of
-- the log, so that what is in flight is known for any position. Once a batch is applied it is added to log_count_minute.
CREATE TABLE log_count_batch (
  batch_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  partition    int NOT NULL,
  base_offset  bigint NOT NULL,
  next_offset  bigint NOT NULL,
  -- A tenant, or -n for the n-th of `names`, which no tenant has.
  tenants      int[] NOT NULL,
  -- Since 1970.
  minutes      int[] NOT NULL,
  lengths      int[] NOT NULL,
  names        text[] NOT NULL,
  -- The log lost these records, or was replaced: no worker will apply them.
  is_lost      boolean NOT NULL DEFAULT false
);

CREATE TABLE log_count_minute (
  -- 0: records that name no tenant that exists.
  tenant_id     int NOT NULL,
  minute        timestamptz NOT NULL,
  partition     int NOT NULL,
  records       bigint NOT NULL,
  first_offset  bigint NOT NULL,
  last_offset   bigint NOT NULL,
  PRIMARY KEY (tenant_id, minute, partition)
) PARTITION BY RANGE (minute);

-- Dead letters that the worker counted elsewhere than their record states. They count there until they are replayed.
CREATE TABLE log_count_moved (
  dead_letter_id  bigint PRIMARY KEY,
  tenant_id       int NOT NULL,
  minute          timestamptz NOT NULL,
  -- As the record states it.
  stated_tenant   text NOT NULL,
  stated_minute   timestamptz NOT NULL
);
CREATE INDEX log_count_moved_by_minute ON log_count_moved (minute);

-- What the last comparison found: differences between counts and outcomes.
CREATE TABLE unaccounted_minute (
  tenant_id    int NOT NULL,
  minute       timestamptz NOT NULL,
  -- Below zero: outcomes without a record.
  unaccounted  bigint NOT NULL,
  found_at     timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, minute)
);

CREATE TABLE balance_check (
  only_row    boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  -- When the newest minutes were compared, and when all minutes that are kept were.
  checked_at  timestamptz NOT NULL,
  swept_at    timestamptz
) WITH (fillfactor = 50);

-- Runs of `sluice verify`, and the parts of each that are done: a run that was stopped goes on there.
CREATE TABLE verification (
  verification_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- 0: of all tenants.
  tenant_id        int NOT NULL,
  started_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
  finished_at      timestamptz,
  arguments        jsonb NOT NULL,
  -- Differences found; NULL until it is finished.
  differences      bigint
);
CREATE TABLE verification_part (
  verification_id  bigint NOT NULL REFERENCES verification ON DELETE CASCADE,
  part             text NOT NULL,
  result           jsonb NOT NULL,
  PRIMARY KEY (verification_id, part)
);
-- Keys and counts of any tenant, which no query reads: the role that reads sees no row.
ALTER TABLE verification_part ENABLE ROW LEVEL SECURITY;
CREATE POLICY not_for_readers ON verification_part USING (current_user <> 'sluice_read');
