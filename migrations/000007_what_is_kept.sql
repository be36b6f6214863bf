-- Workers write on meanwhile, to these two in this order, so they are locked in this order.
LOCK TABLE dead_letter, outcome_minute IN SHARE MODE;

-- Minutes that are still to become quarters of an hour, and letters that are to be forgotten, by their age
-- (core/worker/prune.ts).
CREATE INDEX outcome_minute_fine ON outcome_minute (minute)
 WHERE minute <> date_bin('15 minutes', minute, 'epoch');
CREATE INDEX dead_letter_by_age ON dead_letter (dead_at);

-- What became of everything since the beginning, so that nobody has to add the minutes up. tenant_id 0
-- stands for dead letters of no tenant that are no longer kept.
CREATE TABLE outcome_total (
  tenant_id   int PRIMARY KEY,
  stored      bigint NOT NULL DEFAULT 0,
  duplicate   bigint NOT NULL DEFAULT 0,
  dead        bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
-- Nobody writes minutes before this is committed. What workers of the former version count afterwards is added
-- later (core/worker/reconcile.ts).
INSERT INTO outcome_total
SELECT tenant_id, sum(stored), sum(duplicate), sum(dead) FROM outcome_minute GROUP BY tenant_id;
