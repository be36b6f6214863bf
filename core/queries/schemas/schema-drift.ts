import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { checkText } from '../../lib/check-text.ts'
import { type Drift, describeDrift } from '../../schemas/describe-drift.ts'
import type { Instant } from '../instant.ts'
import type { QueryResult } from '../query-result.ts'
import { checkLimit } from '../sql/search.ts'

export interface SchemaDriftArgs {
  /** Of events of this name alone. */
  name?: string | null
  /** Seven days ago unless given. */
  since?: Instant | null
  limit?: number | null
}

export type SchemaDrift = Drift & { message: string }

/** A name is known once so many of its events were sampled; what is seen first later is drift. */
const KNOWN_AFTER = 50
/** A property vanished once it was expected so many times in vain: by chance that happens once in e^20. */
const MISSED = 20

/**
 * Changes against what was learned, newest first: properties and types that came later than the first events of their
 * name, properties that come no more, and events that violate a schema in the mode observe. What is inside of a new or vanished object is not listed apart.
 * @throws BAD_USER_INPUT that names the argument
 */
export async function schemaDrift(
  db: Database,
  { tenantId }: TenantViewer,
  args: SchemaDriftArgs,
): Promise<QueryResult<SchemaDrift>> {
  const limit = checkLimit(args.limit)
  const name = args.name == null ? null : checkText('name', args.name)
  const { rows } = await sql<Drift>`
    WITH types AS (
      SELECT p.*, s.events AS sampled,
             min(p.first_sample) OVER path AS path_first, max(p.last_sample) OVER path AS path_last,
             max(p.last_at) OVER path AS path_last_at, sum(p.events) OVER path AS path_events,
             row_number() OVER earlier AS nth,
             coalesce(array_agg(p.type) OVER (earlier ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), '{}') AS former_types
        FROM event_shape_path p JOIN event_shape s USING (tenant_id, name)
       WHERE p.tenant_id = ${tenantId} AND (${name}::text IS NULL OR p.name = ${name})
      WINDOW path AS (PARTITION BY p.name, p.path),
             earlier AS (PARTITION BY p.name, p.path ORDER BY p.first_sample, p.type)
    ), kinds AS (
      SELECT *, CASE
          WHEN nth = 1 AND path_events >= ${MISSED}
               AND (sampled - 1 - path_last) * path_events / (path_last - path_first + 1) >= ${MISSED} THEN 'VANISHED'
          WHEN nth = 1 AND first_sample >= ${KNOWN_AFTER} THEN 'NEW_PROPERTY'
          WHEN nth > 1 AND first_sample - path_first >= ${KNOWN_AFTER} THEN 'TYPE_CHANGED' END AS kind
        FROM types
    ), drift AS (
      SELECT k.kind, k.name, k.path, k.type, k.former_types AS "formerTypes",
             CASE k.kind WHEN 'VANISHED' THEN k.path_last_at ELSE k.first_at END AS at, k.last_at AS "lastAt",
             least(1, CASE k.kind WHEN 'VANISHED' THEN k.path_events / (k.path_last - k.path_first + 1)
                                  ELSE k.events::numeric / greatest(1, k.sampled - k.first_sample) END)::float8 AS share,
             k.first_key AS "keyId", CASE k.kind WHEN 'VANISHED' THEN k.path_events ELSE k.events END::bigint AS events,
             NULL::text AS detail, NULL::int AS version
        FROM kinds k
       WHERE k.kind IS NOT NULL
         AND NOT EXISTS (SELECT FROM kinds parent
                          WHERE parent.name = k.name AND parent.path = regexp_replace(k.path, '/[^/]*$', '') AND parent.kind = k.kind
                            AND CASE k.kind WHEN 'NEW_PROPERTY' THEN parent.first_sample = k.first_sample
                                            WHEN 'VANISHED' THEN parent.path_last = k.path_last END)
     UNION ALL
      SELECT 'VIOLATION', name, pointer, NULL, '{}', first_at, last_at, NULL, first_key, events, detail, version
        FROM event_schema_violation WHERE tenant_id = ${tenantId} AND (${name}::text IS NULL OR name = ${name})
    )
    SELECT d.*, a.name AS "keyName" FROM drift d LEFT JOIN api_key a ON a.key_id = d."keyId" AND a.tenant_id = ${tenantId}
     WHERE CASE d.kind WHEN 'VIOLATION' THEN d."lastAt" ELSE d.at END
             >= coalesce(${args.since ?? null}::timestamptz, now() - interval '7 days')
     ORDER BY d.at DESC, d.name, d.path, d.type LIMIT ${limit}`.execute(db)
  return {
    rows: rows.map((drift) => ({ ...drift, message: describeDrift(drift) })),
    source: 'raw',
    dependencies: null,
  }
}
