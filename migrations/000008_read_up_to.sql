-- All that the log had taken into the partition until then is applied. What still waits in it came later, so a bucket
-- is final only where this is past it in every partition; NULL until a worker has looked.
ALTER TABLE log_lease ADD COLUMN read_up_to timestamptz;
