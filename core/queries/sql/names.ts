import { type RawBuilder, sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import { OTHER_METRIC } from '../../db/series-names.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { type Instant, isBefore } from '../instant.ts'

/** Shown for groups, or names, that are counted together. */
export const OTHER = '(other)'

/** The name of a row of countsFromRollups as clients see it. */
export const shownName = sql<string>`CASE c.name WHEN ${OTHER_METRIC} THEN ${OTHER} ELSE c.name END`

/** The event names that a query covers. */
export interface Names {
  /** Undefined: all of them. */
  only: readonly string[] | undefined
  /** Whether each has a series of its own, so that rollups count them separately. */
  haveOwnSeries: boolean
  /** Since when some names share OTHER_METRIC, because the tenant has more names than series. */
  sharedSince: Instant | undefined
}

/**
 * A tenant's first few thousand names have a series each; later ones share OTHER_METRIC. A name whose
 * own series is younger than that one may have older counts in it, which no rollup separates again.
 */
export async function resolveNames(
  db: Database,
  viewer: TenantViewer,
  names: readonly string[] | undefined,
): Promise<Names> {
  // No event has that name; as an argument it would stand for all the names that share it.
  const only = names?.filter((name) => name !== OTHER_METRIC)
  const rows = await db
    .selectFrom('series')
    .select(['metric', 'created_at'])
    .where('tenant_id', '=', viewer.tenantId)
    .where('metric', 'in', [...(only ?? []), OTHER_METRIC])
    .execute()
  const other = rows.find((row) => row.metric === OTHER_METRIC)
  const hasOwnSeries = (name: string) =>
    rows.some((row) => row.metric === name && other && !isBefore(other.created_at, row.created_at))
  return {
    only,
    haveOwnSeries: other === undefined || (only?.every(hasOwnSeries) ?? true),
    sharedSince: other?.created_at,
  }
}

/** The series of these names, as a condition on `series s`. */
export function whereSeries(viewer: TenantViewer, { only }: Names): RawBuilder<unknown> {
  const ofTenant = sql`s.tenant_id = ${viewer.tenantId}`
  return only === undefined ? ofTenant : sql`${ofTenant} AND s.metric = ANY (${only}::text[])`
}

/** The same for `event e`. */
export function whereNames(viewer: TenantViewer, { only }: Names): RawBuilder<unknown> {
  const ofTenant = sql`e.tenant_id = ${viewer.tenantId}`
  return only === undefined ? ofTenant : sql`${ofTenant} AND e.name = ANY (${only}::text[])`
}
