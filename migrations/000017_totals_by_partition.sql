-- Totals by log partition instead of by tenant: they are read as one sum, and a batch of thousands of tenants wrote a
-- row for each. A batch writes one row, of a partition whose position it has locked, so no two batches wait for each
-- other (docs/adr/0018-rows-a-batch-writes.md).

-- outcome_total stays, with what was counted until now and what workers of the former version still count while they are
-- replaced; readers add both. A later version drops it.
-- Partition -1 stands for dead letters of no tenant that are no longer kept, as tenant 0 does there.
CREATE TABLE outcome_total_by_partition (
  partition    int PRIMARY KEY,
  stored       bigint NOT NULL DEFAULT 0,
  duplicate    bigint NOT NULL DEFAULT 0,
  conflicting  bigint NOT NULL DEFAULT 0,
  dead         bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
