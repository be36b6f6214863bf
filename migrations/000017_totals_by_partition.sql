-- Totals by log partition instead of by tenant: they are read as one sum, and a batch of thousands of tenants wrote a
-- row for each. A batch writes one row, of a partition whose position it has locked, so no two batches wait for each
-- other (docs/adr/0018-rows-a-batch-writes.md).

-- Workers that still run lock this table first in every batch: they wait here, and never in a ring with us.
LOCK TABLE log_position IN SHARE MODE;
LOCK TABLE outcome_total IN ACCESS EXCLUSIVE MODE;

ALTER TABLE outcome_total RENAME TO outcome_total_of_tenants;
ALTER INDEX outcome_total_pkey RENAME TO outcome_total_of_tenants_pkey;

-- Partition -1 stands for dead letters of no tenant that are no longer kept, which tenant 0 stood for.
CREATE TABLE outcome_total (
  partition    int PRIMARY KEY,
  stored       bigint NOT NULL DEFAULT 0,
  duplicate    bigint NOT NULL DEFAULT 0,
  conflicting  bigint NOT NULL DEFAULT 0,
  dead         bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
INSERT INTO outcome_total (partition, stored, duplicate, conflicting, dead)
SELECT CASE tenant_id WHEN 0 THEN -1 ELSE 0 END, sum(stored), sum(duplicate), sum(conflicting), sum(dead)
  FROM outcome_total_of_tenants GROUP BY 1;
DROP TABLE outcome_total_of_tenants;
