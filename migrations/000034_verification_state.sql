-- What is verified by itself (docs/adr/0033-continuous-verification.md).

-- Rollups that differed from their events in two snapshots, as the regular comparison found them. Each is compared again and
-- goes once it is right, also after a restore of a former state.
CREATE TABLE rollup_difference (
  tenant_id   int NOT NULL,
  -- 'rollup' or 'metric'.
  kind        text NOT NULL,
  metric      text NOT NULL,
  bucket      timestamptz NOT NULL,
  stored      text,
  recounted   text,
  found_at    timestamptz NOT NULL,
  checked_at  timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, kind, metric, bucket)
);

CREATE TABLE verification_state (
  only_row     boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  -- When the newest rollups were compared, and when all that can be compared were.
  sampled_at   timestamptz,
  swept_at     timestamptz,
  -- Of the last verification of everything.
  finished_at  timestamptz,
  is_clean     boolean,
  differences  bigint,
  -- Everything that was stored by then, of buckets before it, was recounted and was right.
  through      timestamptz
) WITH (fillfactor = 50);
INSERT INTO verification_state DEFAULT VALUES;
