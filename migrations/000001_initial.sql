-- Who: tenants, their API keys, and the people who look.

CREATE TABLE tenant (
  tenant_id           int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  slug                text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
  -- Sliding window over the whole tenant; NULL means the default of contract/limits.ts.
  events_per_minute   int CHECK (events_per_minute > 0),
  -- Older events are dead-lettered, unless they come in as historical.
  event_age_max_s     int NOT NULL DEFAULT 2592000 CHECK (event_age_max_s > 0),
  -- How long after the watermark a bucket still waits for stragglers before it is final.
  allowed_lateness_s  int NOT NULL DEFAULT 3600 CHECK (allowed_lateness_s >= 0),
  created_at          timestamptz NOT NULL DEFAULT now()
);

-- Only the SHA-256 of a key is kept: a 178-bit random key needs no slow hash
-- (docs/decisions/0002-sha256-for-api-keys.md).
CREATE TABLE api_key (
  key_id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id           int NOT NULL REFERENCES tenant,
  name                text NOT NULL,
  display_prefix      text NOT NULL,
  key_sha256          bytea NOT NULL UNIQUE CHECK (length(key_sha256) = 32),
  scopes              text[] NOT NULL CHECK (scopes <@ ARRAY['ingest', 'read', 'admin']),
  origins             text[] NOT NULL DEFAULT '{}',
  -- Token bucket of this key; NULL means the default of contract/limits.ts.
  events_per_minute   int CHECK (events_per_minute > 0),
  may_import_history  boolean NOT NULL DEFAULT false,
  expires_at          timestamptz,
  revoked_at          timestamptz,
  last_used_at        timestamptz,
  created_at          timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX api_key_tenant ON api_key (tenant_id);

-- A link printed at a terminal: works once, for ten minutes.
CREATE TABLE login_link (
  token_sha256  bytea PRIMARY KEY,
  expires_at    timestamptz NOT NULL,
  used_at       timestamptz
);

-- A signed-in browser. Sessions of this version belong to the operator, who sees every tenant.
CREATE TABLE session (
  token_sha256  bytea PRIMARY KEY,
  created_at    timestamptz NOT NULL DEFAULT now(),
  expires_at    timestamptz NOT NULL
);

-- The log, when Postgres is the log (core/log/postgres.ts tells why it looks like this).

CREATE TABLE log_partition (
  topic        text NOT NULL,
  partition    int NOT NULL,
  next_offset  bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);

-- One row holds a run of records (offsets base_offset … base_offset + record_count - 1), as Kafka's
-- record batches do: a row a record costs five times the CPU.
CREATE TABLE log_chunk (
  topic         text NOT NULL,
  partition     int NOT NULL,
  base_offset   bigint NOT NULL,
  record_count  int NOT NULL CHECK (record_count BETWEEN 1 AND 5000),
  appended_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  appended_on   date NOT NULL DEFAULT (clock_timestamp() AT TIME ZONE 'UTC')::date,
  body          bytea NOT NULL,
  PRIMARY KEY (topic, partition, base_offset, appended_on)
) PARTITION BY RANGE (appended_on);
-- Compressing costs more CPU than the bytes cost disk.
ALTER TABLE log_chunk ALTER COLUMN body SET STORAGE EXTERNAL;

-- Partitions in ascending order, one lock each: two appends can never wait for each other in a ring,
-- and the lock is held until commit, so no offset becomes visible before a smaller one.
CREATE FUNCTION log_append(in_topic text, in_partitions int[], in_counts int[], in_bodies bytea[])
RETURNS TABLE (out_partition int, out_base_offset bigint) LANGUAGE plpgsql AS $$
DECLARE
  i int;
  base bigint;
BEGIN
  FOR i IN 1 .. cardinality(in_partitions) LOOP
    UPDATE log_partition SET next_offset = next_offset + in_counts[i]
     WHERE topic = in_topic AND partition = in_partitions[i]
     RETURNING next_offset - in_counts[i] INTO base;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'unknown topic or partition: % %', in_topic, in_partitions[i]
        USING ERRCODE = 'SL001';
    END IF;
    INSERT INTO log_chunk (topic, partition, base_offset, record_count, body)
    VALUES (in_topic, in_partitions[i], base, in_counts[i], in_bodies[i]);
    out_partition := in_partitions[i];
    out_base_offset := base;
    RETURN NEXT;
  END LOOP;
  -- Only who reads one of these partitions wakes up. Whoever does not hear of it looks within a second.
  PERFORM pg_notify('sluice_log', left(in_topic || ' ' || array_to_string(in_partitions, ','), 7000));
END $$;

-- How far the worker has come. Saved in the transaction whose results it stands for.
CREATE TABLE log_position (
  topic        text NOT NULL,
  partition    int NOT NULL,
  next_offset  bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);

INSERT INTO log_partition (topic, partition)
SELECT 'events.raw', p FROM generate_series(0, 5) p
UNION ALL SELECT 'events.dlq', p FROM generate_series(0, 2) p;
INSERT INTO log_position (topic, partition)
SELECT topic, partition FROM log_partition WHERE topic = 'events.raw';

-- What happened.

-- By the day received, not the day it happened: a client that sends 1970 or 2099 fills no odd
-- partition, a redelivery meets its own row, and retention is the DROP of one day.
CREATE TABLE event (
  tenant_id        int NOT NULL,
  event_id         uuid NOT NULL,
  received_on      date NOT NULL,
  received_at      timestamptz NOT NULL,
  occurred_at      timestamptz NOT NULL,
  stored_at        timestamptz NOT NULL DEFAULT now(),
  name             text NOT NULL,
  -- The client's own id where it is no UUID; event_id is then its hash (core/worker/event-uuid.ts).
  client_event_id  text,
  actor            text,
  session          text,
  source           text,
  value            double precision,
  properties       jsonb NOT NULL,
  context          jsonb,
  schema_version   text,
  key_id           uuid,
  request_id       text,
  log_partition    smallint NOT NULL,
  log_offset       bigint NOT NULL,
  PRIMARY KEY (tenant_id, event_id, received_on)
) PARTITION BY RANGE (received_on);
CREATE INDEX event_by_name ON event (tenant_id, name, occurred_at);
-- Ascending by nature, so inserts touch the right-most page only: what the live feed pages through.
CREATE INDEX event_by_arrival ON event (tenant_id, received_at);

-- A metric is what is rolled up. Every event name is one of its own without being declared.
CREATE TABLE series (
  series_id   int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id   int NOT NULL REFERENCES tenant,
  metric      text NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, metric)
);

-- Fifteen minutes, because every time zone in use is a multiple of it.
-- No index on what changes and room on every page, so that updates stay heap-only.
CREATE TABLE rollup_quarter (
  tenant_id    int NOT NULL,
  series_id    int NOT NULL,
  bucket       timestamptz NOT NULL,
  count        bigint NOT NULL,
  value_count  bigint NOT NULL,
  sum          double precision NOT NULL,
  min          double precision,
  max          double precision,
  late_count   bigint NOT NULL,
  revised_at   timestamptz,
  PRIMARY KEY (tenant_id, series_id, bucket)
) WITH (fillfactor = 70);

-- What became of everything accepted, by the minute it was received.
CREATE TABLE outcome_minute (
  tenant_id   int NOT NULL,
  minute      timestamptz NOT NULL,
  stored      bigint NOT NULL DEFAULT 0,
  duplicate   bigint NOT NULL DEFAULT 0,
  dead        bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant_id, minute)
) WITH (fillfactor = 70);

-- tenant_id is NULL where a record named no tenant that exists. `original` is the record, byte for byte.
CREATE TABLE dead_letter (
  dead_letter_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id       int,
  reason          text NOT NULL,
  detail          text NOT NULL,
  fingerprint     text NOT NULL,
  original        bytea NOT NULL,
  topic           text NOT NULL,
  partition       int NOT NULL,
  log_offset      bigint NOT NULL,
  request_id      text,
  received_at     timestamptz NOT NULL,
  dead_at         timestamptz NOT NULL DEFAULT now(),
  state           text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'replayed', 'discarded')),
  UNIQUE (topic, partition, log_offset)
);
CREATE INDEX dead_letter_by_tenant ON dead_letter (tenant_id, received_at);

-- Highest occurred_at seen, clamped to received_at; the watermark is this less the tenant's lateness.
-- A row a log partition, so that two connections never wait for each other here.
CREATE TABLE watermark (
  tenant_id    int NOT NULL,
  partition    int NOT NULL,
  highest_at   timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, partition)
) WITH (fillfactor = 50);

CREATE TABLE worker_heartbeat (
  worker_id   text PRIMARY KEY,
  started_at  timestamptz NOT NULL DEFAULT now(),
  beat_at     timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);
