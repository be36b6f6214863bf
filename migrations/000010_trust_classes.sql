-- Ids live in the namespace of their trust class (contract/event/trust-class.ts): 'public' for what came with a public
-- key, NULL for servers, and for all that was stored before. The id in the primary key is of its class already
-- (core/db/event-uuid.ts), so no index changes; the column says which it is.
--
-- Duplicates whose content differs from what is stored are counted apart: accepted = stored + duplicate +
-- conflicting + dead.
--
-- Each statement changes the catalogue alone, whatever the size of the tables. Workers of the former version go on:
-- they count all duplicates as before.
ALTER TABLE event ADD COLUMN trust_class text;

ALTER TABLE outcome_minute ADD COLUMN conflicting bigint NOT NULL DEFAULT 0;
ALTER TABLE outcome_total ADD COLUMN conflicting bigint NOT NULL DEFAULT 0;
