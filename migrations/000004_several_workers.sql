-- Which worker reads which partition (core/worker/leases.ts). One that is alive keeps what it has;
-- log_position decides who may write.
CREATE TABLE log_lease (
  topic      text NOT NULL,
  partition  int NOT NULL,
  -- NULL: nobody reads it.
  worker_id  text,
  since      timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);
INSERT INTO log_lease (topic, partition) SELECT topic, partition FROM log_position;

-- A worker is alive while it says so and its connection lives: of one that was killed Postgres hears at
-- once, of one that is frozen after LIMITS.workerLeaseMs.
ALTER TABLE worker_heartbeat
  ADD COLUMN backend_pid int,
  ADD COLUMN backend_start timestamptz,
  -- Batches written since it started, and how long they took.
  ADD COLUMN batches bigint NOT NULL DEFAULT 0,
  ADD COLUMN batch_ms double precision NOT NULL DEFAULT 0;

-- Records that were dropped from the log before they were read, or a log that was made anew: the
-- worker stops there, and somebody has to decide ("sluice gap").
CREATE TABLE log_gap (
  topic        text NOT NULL,
  partition    int NOT NULL,
  -- Where reading should go on, and the nearest offset that the log has.
  wanted       bigint NOT NULL,
  found        bigint NOT NULL,
  seen_at      timestamptz NOT NULL DEFAULT now(),
  accepted_at  timestamptz,
  PRIMARY KEY (topic, partition, wanted)
);

-- Dead letters go to events.dlq as well (core/worker/forward-dead-letters.ts); NULL until they are there.
-- Not a position: ids are handed out before commit, and 8 can be visible before 7.
ALTER TABLE dead_letter ADD COLUMN forwarded_at timestamptz;
CREATE INDEX dead_letter_to_forward ON dead_letter (dead_letter_id) WHERE forwarded_at IS NULL;
