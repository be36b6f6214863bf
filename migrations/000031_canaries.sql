-- Canaries (docs/adr/0031-canaries.md): events of the system's own that show how long an event takes until it can be queried.

-- Workers that still run lock this table first in every batch: they wait here, and never in a ring with us.
LOCK TABLE log_position IN SHARE MODE;
-- And not for long while a dump or a long query reads the table: then this is tried again.
SET LOCAL lock_timeout = '500ms';

-- A tenant of the system begins with a dash, which no customer's does.
ALTER TABLE tenant DROP CONSTRAINT tenant_slug_check,
  ADD CONSTRAINT tenant_slug_check CHECK (slug ~ '^(-[a-z0-9-]{1,62}|[a-z0-9][a-z0-9-]{0,62})$');

-- One row for each canary, for 30 days. Times are Postgres' own.
CREATE TABLE canary (
  canary_id    uuid PRIMARY KEY,
  -- URL of the edge that it was sent to; empty: it was appended to the log.
  edge         text NOT NULL,
  sent_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  accepted_at  timestamptz,
  -- When a query first found it.
  visible_at   timestamptz,
  -- The component at which it stopped, or that was away; NULL: none, or not known yet.
  failing      text CHECK (failing IN ('edge', 'gateway', 'log', 'worker', 'redis'))
);
CREATE INDEX canary_by_time ON canary (sent_at);

-- What the core that sends canaries was configured with, and when it last sent one. Without a row they are switched off.
CREATE TABLE canary_sender (
  only_row        boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  sent_at         timestamptz NOT NULL,
  interval_s      double precision NOT NULL,
  edges           text[] NOT NULL,
  target_s        double precision NOT NULL,
  objective       double precision NOT NULL
);
