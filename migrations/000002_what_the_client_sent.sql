-- The client's own time, where occurred_at was put right because its clock is wrong.
ALTER TABLE event ADD COLUMN client_occurred_at timestamptz;

-- Which way a dead letter came in, and what sent it. `original` is what the client sent, byte for
-- byte, wherever the edge knew that it would end here; else the record as it stood in the log.
ALTER TABLE dead_letter ADD COLUMN route text, ADD COLUMN client text;
