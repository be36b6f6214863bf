import { sql } from 'kysely'
import type { Database } from '../db/database.ts'
import { isCustomers } from '../db/tables/system-tenants.ts'
import { isOperator, type Viewer } from '../identity/viewer.ts'
import { badInput } from '../lib/api-error.ts'
import { checkText } from '../lib/check-text.ts'
import { QUERY_LIMITS } from './limits.ts'
import type { QueryResult } from './query-result.ts'

export interface VisibleTenant {
  id: string
  /** Whether any event was ever stored. */
  hasEvents: boolean
  /** What is derived from its events. */
  enrichments: string[]
}

export interface VisibleTenantsArgs {
  /** Part of the id, in any case. */
  search?: string | null
  /** At most; default and largest: QUERY_LIMITS.tenantsListedMax. */
  first?: number | null
  /** The id of the last tenant of the page before. */
  after?: string | null
}

/**
 * The tenants that a viewer may query: in the order of their creation, or those that match a search, first the tenant
 * of exactly this id, then those that begin with it, then the others, each in alphabetical order. Takes any viewer: it
 * is not about one tenant.
 * @throws ApiError for `first` out of range
 */
export async function visibleTenants(
  db: Database,
  viewer: Viewer,
  { search, first, after }: VisibleTenantsArgs = {},
): Promise<QueryResult<VisibleTenant>> {
  const max = QUERY_LIMITS.tenantsListedMax
  if (first != null && (first < 1 || first > max)) throw badInput('first', `must be 1 to ${max}`)
  if (search) checkText('search', search)
  if (after) checkText('after', after)
  const ids = visibleIds(viewer)
  const own = ids ? sql`t.tenant_id = ANY(${ids}::int[])` : isCustomers('t.slug')
  // Nobody learns from a page's border which other tenants there are.
  const from = after && isVisible(viewer, after) ? after : undefined
  const { where, orderBy } = search ? matching(search, from) : byCreation(from)
  // The page first: looking for events takes longer than the rest. Rollups outlive the events themselves.
  const { rows } = await sql<VisibleTenant>`
    SELECT p.slug AS id,
           EXISTS (SELECT 1 FROM rollup_15m r WHERE r.tenant_id = p.tenant_id) AS "hasEvents",
           coalesce(p.enrich, '{}') AS enrichments
      FROM (SELECT t.tenant_id, t.slug, t.enrich, row_number() OVER (ORDER BY ${orderBy}) AS place
              FROM tenant t WHERE ${own} AND ${where} ORDER BY ${orderBy} LIMIT ${first ?? max}) p
     ORDER BY p.place`.execute(db)
  return { rows, source: 'rollup', dependencies: null }
}

/** undefined: all of them. */
function visibleIds(viewer: Viewer): number[] | undefined {
  if (isOperator(viewer)) return undefined
  if (viewer.kind === 'KEY') return [viewer.own.tenantId]
  return [...viewer.memberships.values()].map(({ tenantId }) => tenantId)
}

/** A key has one tenant, and therefore no second page. */
function isVisible(viewer: Viewer, tenant: string): boolean {
  return isOperator(viewer) || (viewer.kind === 'PERSON' && viewer.memberships.has(tenant))
}

function byCreation(after: string | null | undefined) {
  const former = sql`(SELECT tenant_id FROM tenant WHERE slug = ${after})`
  return {
    where: after ? sql`t.tenant_id > ${former}` : sql`true`,
    orderBy: sql`t.tenant_id`,
  }
}

/** Not LIKE: no character of a search means anything but itself. Ids are in lower case; 100,000 take milliseconds. */
function matching(search: string, after: string | null | undefined) {
  const part = sql`${search.toLowerCase()}::text`
  // A string sorts before those that it begins.
  const place = (slug: unknown) => sql`strpos(${slug}, ${part}) > 1, ${slug} COLLATE "C"`
  const slug = sql.ref('t.slug')
  return {
    where: after
      ? sql`strpos(t.slug, ${part}) > 0 AND (${place(slug)}) > (${place(sql`${after}::text`)})`
      : sql`strpos(t.slug, ${part}) > 0`,
    orderBy: place(slug),
  }
}
