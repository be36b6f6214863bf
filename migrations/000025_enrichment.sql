-- What is derived from events, for tenants that declare it (docs/adr/0023-enrichment.md). Changes the catalogue alone,
-- whatever the size of the tables; events that are there, and those of other tenants, take no byte for it.

-- Workers that still run lock this table first in every batch: they wait here, and never in a ring with us.
LOCK TABLE log_position IN SHARE MODE;
-- And not for long while a dump reads the events: then this is tried again.
SET LOCAL lock_timeout = '500ms';

-- Names of contract/enrichment.ts. NULL: nothing is derived. Published with the records of keys, as any change of a tenant.
ALTER TABLE tenant ADD COLUMN enrich text[];

-- The derived fields, written and read by core/metrics/enrichment.ts alone. NULL: nothing was derived.
ALTER TABLE event ADD COLUMN enrichment text;

-- From now on `enrichment.…` names derived fields. What metrics meant by it until now were properties.
UPDATE metric_definition d
   SET dimensions = ARRAY(SELECT CASE WHEN starts_with(name, 'enrichment.') THEN 'properties.' || name ELSE name END
                            FROM unnest(d.dimensions) WITH ORDINALITY AS u (name, n) ORDER BY n),
       filters = (SELECT coalesce(jsonb_object_agg(CASE WHEN starts_with(key, 'enrichment.') THEN 'properties.' || key ELSE key END, value), '{}')
                    FROM jsonb_each(d.filters)),
       value_path = CASE WHEN starts_with(value_path, 'enrichment.') THEN 'properties.' || value_path ELSE value_path END
 WHERE starts_with(value_path, 'enrichment.') OR array_to_string(dimensions, ' ') LIKE '%enrichment.%' OR filters::text LIKE '%"enrichment.%';
