-- What events of each name look like (docs/schemas.md), learned from a sample outside the transaction of a batch: paths,
-- types, counts and times, and no values.

CREATE TABLE event_shape (
  tenant_id  int NOT NULL,
  name       text NOT NULL,
  -- How many events were sampled.
  events     bigint NOT NULL,
  first_at   timestamptz NOT NULL,
  last_at    timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, name)
) WITH (fillfactor = 70);

CREATE TABLE event_shape_path (
  tenant_id     int NOT NULL,
  name          text NOT NULL,
  -- A JSON pointer into the properties; items of arrays are the token "[]".
  path          text NOT NULL,
  type          text NOT NULL,
  -- In how many sampled events the path had this type.
  events        bigint NOT NULL,
  first_at      timestamptz NOT NULL,
  last_at       timestamptz NOT NULL,
  first_key     uuid,
  -- How many events of the name had been sampled when it was seen first, and last.
  first_sample  bigint NOT NULL,
  last_sample   bigint NOT NULL,
  -- Of its values, 16 bits each, as many as tell a few values from many.
  hashes        int[] NOT NULL,
  PRIMARY KEY (tenant_id, name, path, type)
) WITH (fillfactor = 70);
