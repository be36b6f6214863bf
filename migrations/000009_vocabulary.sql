-- Tables and columns get the names that the code and the documents use (docs/glossary.md). Only names change:
-- each statement is a catalogue update, so a database of any size is done in milliseconds.
ALTER TABLE rollup_quarter RENAME TO rollup_15m;
ALTER INDEX rollup_quarter_pkey RENAME TO rollup_15m_pkey;

ALTER TABLE log_gap RENAME TO offset_gap;
ALTER TABLE offset_gap RENAME COLUMN wanted TO expected;
ALTER TABLE offset_gap RENAME COLUMN found TO available;
ALTER INDEX log_gap_pkey RENAME TO offset_gap_pkey;

ALTER TABLE log_lease RENAME COLUMN read_up_to TO applied_through;
