-- Consumers over the gateway's REST protocol. The worker's own positions are in log_position; nothing here
-- is read or written by it.

-- Its row is what two requests about one group take turns by.
CREATE TABLE rest_group (
  group_id    text PRIMARY KEY,
  touched_at  timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

-- Who reads. Partitions are dealt out among those that are there (core/gateway/assign.ts), so no row says who has which.
CREATE TABLE rest_instance (
  group_id     text NOT NULL REFERENCES rest_group ON DELETE CASCADE,
  instance_id  text NOT NULL,
  topics       text[] NOT NULL,
  expires_at   timestamptz NOT NULL,
  PRIMARY KEY (group_id, instance_id)
) WITH (fillfactor = 50);

-- committed_offset is where the group goes on; handed_offset is where the instance does that was handed what
-- lies between. From commits_at on, that counts as committed without being asked.
CREATE TABLE rest_position (
  group_id          text NOT NULL REFERENCES rest_group ON DELETE CASCADE,
  topic             text NOT NULL,
  partition         int NOT NULL,
  committed_offset  bigint,
  handed_offset     bigint,
  instance_id       text,
  commits_at        timestamptz,
  PRIMARY KEY (group_id, topic, partition)
) WITH (fillfactor = 50);
