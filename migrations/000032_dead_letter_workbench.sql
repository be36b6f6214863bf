-- Dead-letter workbench (docs/adr/0032-dead-letter-workbench.md): what a dead letter has to keep so that it can be
-- corrected, causes as groups, and jobs that plan a correction.
--
-- Reads dead_letter once and builds two indexes of it: about five seconds for a million dead letters.

-- Workers that still run lock this table first in every batch: they wait here, and never in a ring with us.
LOCK TABLE log_position IN SHARE MODE;
SET LOCAL lock_timeout = '500ms';
LOCK TABLE dead_letter IN ACCESS EXCLUSIVE MODE;

ALTER TABLE dead_letter
  -- What the record stated, as JSON: all of it but what `original` holds. NULL: it cannot be replayed.
  ADD COLUMN stamp           text,
  -- What is wrong, where that is one member of the event.
  ADD COLUMN pointer         text,
  ADD COLUMN key_id          uuid,
  ADD COLUMN event_name      text;

CREATE INDEX dead_letter_by_group ON dead_letter (tenant_id, fingerprint, received_at, dead_letter_id);
CREATE INDEX dead_letter_by_reason ON dead_letter (tenant_id, reason, received_at, dead_letter_id);

-- Dead letters of one cause: reason, pointer, key and client. Kept by triggers, whoever writes dead letters.
CREATE TABLE dead_letter_group (
  tenant_id    int NOT NULL,
  fingerprint  text NOT NULL,
  reason       text NOT NULL,
  pointer      text,
  key_id       uuid,
  client       text,
  -- Of one of the newest.
  detail       text NOT NULL,
  open         bigint NOT NULL,
  replayed     bigint NOT NULL,
  discarded    bigint NOT NULL,
  first_at     timestamptz NOT NULL,
  last_at      timestamptz NOT NULL,
  -- Resolved: none is open. It opens again with the next dead letter.
  state        text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'resolved')),
  reopened_at  timestamptz,
  -- Moves when it opens again.
  version      int NOT NULL DEFAULT 1,
  PRIMARY KEY (tenant_id, fingerprint)
) WITH (fillfactor = 70);
CREATE INDEX dead_letter_group_by_time ON dead_letter_group (tenant_id, last_at DESC, fingerprint);

CREATE TABLE dead_letter_hour (
  tenant_id    int NOT NULL,
  fingerprint  text NOT NULL,
  -- In which they were received.
  hour         timestamptz NOT NULL,
  count        bigint NOT NULL,
  PRIMARY KEY (tenant_id, fingerprint, hour)
) WITH (fillfactor = 70);
CREATE INDEX dead_letter_hour_by_age ON dead_letter_hour (hour);

-- Since the migration; of all tenants, for /metrics. By partition: batches of two partitions do not wait for each other.
CREATE TABLE dead_letter_reason (
  reason     text NOT NULL,
  partition  int NOT NULL,
  count      bigint NOT NULL,
  PRIMARY KEY (reason, partition)
) WITH (fillfactor = 50);

CREATE TABLE dead_letter_job (
  job_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id     int NOT NULL,
  state         text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'running', 'done', 'cancelled', 'stopped')),
  filter        jsonb NOT NULL,
  -- JSON Patch as it was sent; NULL: none.
  patch         text,
  patch_hash  text,
  author        jsonb NOT NULL,
  created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  started_at    timestamptz,
  -- Of two tenants' jobs the one goes on that waited for longer.
  stepped_at    timestamptz,
  finished_at   timestamptz,
  -- The newest dead letter that belongs to it, and the last one that is done.
  last_id       bigint NOT NULL,
  cursor_at     timestamptz NOT NULL DEFAULT '-infinity',
  cursor_id     bigint NOT NULL DEFAULT 0,
  total         bigint NOT NULL,
  processed     bigint NOT NULL DEFAULT 0,
  stored        bigint NOT NULL DEFAULT 0,
  duplicates    bigint NOT NULL DEFAULT 0,
  conflicting   bigint NOT NULL DEFAULT 0,
  dead          bigint NOT NULL DEFAULT 0,
  refused       bigint NOT NULL DEFAULT 0,
  -- Of those that stay: how many for which code.
  reasons       jsonb NOT NULL DEFAULT '{}',
  -- At most ten: ids and codes, nothing of an event's content.
  examples      jsonb NOT NULL DEFAULT '[]',
  -- Why it was stopped.
  error         text
) WITH (fillfactor = 50);
CREATE INDEX dead_letter_job_open ON dead_letter_job (stepped_at) WHERE state IN ('queued', 'running');
CREATE INDEX dead_letter_job_by_tenant ON dead_letter_job (tenant_id, job_id DESC);

INSERT INTO dead_letter_group (tenant_id, fingerprint, reason, client, detail, open, replayed, discarded, first_at, last_at, state)
SELECT tenant_id, fingerprint, min(reason), NULL, left(min(detail), 500), count(*) FILTER (WHERE state = 'open'),
       count(*) FILTER (WHERE state = 'replayed'), count(*) FILTER (WHERE state = 'discarded'), min(received_at), max(received_at),
       CASE WHEN bool_or(state = 'open') THEN 'open' ELSE 'resolved' END
  FROM dead_letter WHERE tenant_id IS NOT NULL GROUP BY 1, 2;
INSERT INTO dead_letter_hour (tenant_id, fingerprint, hour, count)
SELECT tenant_id, fingerprint, date_trunc('hour', received_at, 'UTC'), count(*)
  FROM dead_letter WHERE tenant_id IS NOT NULL GROUP BY 1, 2, 3;

-- One statement of a writer is one change of each group, and groups are locked in one order.
CREATE FUNCTION count_added_dead_letters() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO dead_letter_group AS g (tenant_id, fingerprint, reason, pointer, key_id, client, detail, open, replayed, discarded, first_at, last_at)
  SELECT tenant_id, fingerprint, min(reason), min(pointer), min(key_id::text)::uuid, min(client), left(max(detail), 500), count(*), 0, 0, min(received_at), max(received_at)
    FROM added WHERE tenant_id IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2
  ON CONFLICT (tenant_id, fingerprint) DO UPDATE SET
    open = g.open + EXCLUDED.open, detail = EXCLUDED.detail,
    first_at = least(g.first_at, EXCLUDED.first_at), last_at = greatest(g.last_at, EXCLUDED.last_at),
    state = CASE WHEN g.state = 'resolved' THEN 'open' ELSE g.state END,
    reopened_at = CASE WHEN g.state = 'resolved' THEN clock_timestamp() ELSE g.reopened_at END,
    version = g.version + (g.state = 'resolved')::int;
  INSERT INTO dead_letter_hour AS h (tenant_id, fingerprint, hour, count)
  SELECT tenant_id, fingerprint, date_trunc('hour', received_at, 'UTC'), count(*)
    FROM added WHERE tenant_id IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
  ON CONFLICT (tenant_id, fingerprint, hour) DO UPDATE SET count = h.count + EXCLUDED.count;
  INSERT INTO dead_letter_reason AS r (reason, partition, count)
  SELECT reason, partition, count(*) FROM added GROUP BY 1, 2 ORDER BY 1, 2
  ON CONFLICT (reason, partition) DO UPDATE SET count = r.count + EXCLUDED.count;
  RETURN NULL;
END $$;
CREATE TRIGGER count_added AFTER INSERT ON dead_letter REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION count_added_dead_letters();

CREATE FUNCTION count_changed_dead_letters() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  -- They are forwarded far more often than anything else changes of them.
  IF NOT EXISTS (SELECT FROM before b JOIN changed c USING (dead_letter_id) WHERE b.state <> c.state) THEN
    RETURN NULL;
  END IF;
  PERFORM FROM dead_letter_group WHERE (tenant_id, fingerprint) IN (SELECT tenant_id, fingerprint FROM changed)
    ORDER BY tenant_id, fingerprint FOR UPDATE;
  UPDATE dead_letter_group g SET open = g.open + d.open, replayed = g.replayed + d.replayed, discarded = g.discarded + d.discarded,
         state = CASE WHEN g.open + d.open <= 0 THEN 'resolved' WHEN g.state = 'resolved' THEN 'open' ELSE g.state END
    FROM (SELECT c.tenant_id, c.fingerprint, sum((c.state = 'open')::int - (b.state = 'open')::int) AS open,
                 sum((c.state = 'replayed')::int - (b.state = 'replayed')::int) AS replayed,
                 sum((c.state = 'discarded')::int - (b.state = 'discarded')::int) AS discarded
            FROM before b JOIN changed c USING (dead_letter_id) WHERE b.state <> c.state GROUP BY 1, 2) d
   WHERE g.tenant_id = d.tenant_id AND g.fingerprint = d.fingerprint;
  RETURN NULL;
END $$;
CREATE TRIGGER count_changed AFTER UPDATE ON dead_letter REFERENCING OLD TABLE AS before NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION count_changed_dead_letters();

CREATE FUNCTION count_deleted_dead_letters() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM dead_letter_group WHERE (tenant_id, fingerprint) IN (SELECT tenant_id, fingerprint FROM deleted)
    ORDER BY tenant_id, fingerprint FOR UPDATE;
  UPDATE dead_letter_group g SET open = g.open - d.open, replayed = g.replayed - d.replayed, discarded = g.discarded - d.discarded,
         state = CASE WHEN g.open - d.open <= 0 THEN 'resolved' ELSE g.state END
    FROM (SELECT tenant_id, fingerprint, count(*) FILTER (WHERE state = 'open') AS open, count(*) FILTER (WHERE state = 'replayed') AS replayed,
                 count(*) FILTER (WHERE state = 'discarded') AS discarded FROM deleted GROUP BY 1, 2) d
   WHERE g.tenant_id = d.tenant_id AND g.fingerprint = d.fingerprint;
  WITH gone AS (
    DELETE FROM dead_letter_group g USING (SELECT DISTINCT tenant_id, fingerprint FROM deleted) d
     WHERE g.tenant_id = d.tenant_id AND g.fingerprint = d.fingerprint AND g.open = 0 AND g.replayed = 0 AND g.discarded = 0
    RETURNING g.tenant_id, g.fingerprint)
  DELETE FROM dead_letter_hour h USING gone WHERE h.tenant_id = gone.tenant_id AND h.fingerprint = gone.fingerprint;
  RETURN NULL;
END $$;
CREATE TRIGGER count_deleted AFTER DELETE ON dead_letter REFERENCING OLD TABLE AS deleted
  FOR EACH STATEMENT EXECUTE FUNCTION count_deleted_dead_letters();
