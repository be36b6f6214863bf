import { sql } from 'kysely'
import type { Database } from '../db/database.ts'
import type { Viewer } from '../identity/viewer.ts'
import { QUERY_LIMITS } from './limits.ts'
import type { QueryResult } from './query-result.ts'

export interface VisibleTenant {
  id: string
  /** Whether any event was ever stored. */
  hasEvents: boolean
}

/** The tenants that a viewer may query, in the order of their creation. Takes any viewer: it is not about one tenant. */
export async function visibleTenants(
  db: Database,
  viewer: Viewer,
): Promise<QueryResult<VisibleTenant>> {
  const own = viewer.kind === 'KEY' ? sql`WHERE t.tenant_id = ${viewer.own.tenantId}` : sql``
  // Rollups outlive the events themselves.
  const { rows } = await sql<VisibleTenant>`
    SELECT t.slug AS id,
           EXISTS (SELECT 1 FROM rollup_15m r WHERE r.tenant_id = t.tenant_id) AS "hasEvents"
      FROM tenant t ${own} ORDER BY t.tenant_id LIMIT ${QUERY_LIMITS.tenantsListedMax}`.execute(db)
  return { rows, source: 'rollup', dependencies: null }
}
