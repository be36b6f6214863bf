-- What names beyond a tenant's limit are counted under, '' now: '$other' is a name that PostHog's clients
-- may send, and has a series like any other. A tenant below the limit (contract/limits.ts) never had the
-- first kind.
UPDATE series SET metric = ''
 WHERE metric = '$other'
   AND tenant_id IN (SELECT tenant_id FROM series GROUP BY tenant_id HAVING count(*) >= 2000);
