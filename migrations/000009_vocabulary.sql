-- Tables and columns get the names that the code and the documents use (docs/glossary.md). Only names change:
-- each statement is a catalogue update, so a database of any size is done in milliseconds, once the statements
-- that are running on these tables have ended.
--
-- A worker of the former version that still runs meets 42P01 (no such table) from now on. Its batches roll
-- back, positions included, and it retries them for ever, logging an error each time: it loses nothing and counts
-- nothing twice, and the partitions that it owns wait until it is stopped. Workers of this version go on from the
-- same positions. Queries of the former version fail with 42P01 or 42703 (no such column) until it is replaced.
ALTER TABLE rollup_quarter RENAME TO rollup_15m;
ALTER INDEX rollup_quarter_pkey RENAME TO rollup_15m_pkey;

ALTER TABLE log_gap RENAME TO offset_gap;
ALTER TABLE offset_gap RENAME COLUMN wanted TO expected;
ALTER TABLE offset_gap RENAME COLUMN found TO available;
ALTER TABLE offset_gap RENAME COLUMN accepted_at TO skipped_at;
ALTER INDEX log_gap_pkey RENAME TO offset_gap_pkey;

ALTER TABLE log_lease RENAME COLUMN read_up_to TO applied_through;
