import type { Database } from '../../db/database.ts'
import { type ListedKey, listKeysOf } from '../../identity/keys/listed-keys.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { QUERY_LIMITS } from '../limits.ts'
import type { QueryResult } from '../query-result.ts'

/**
 * A tenant's API keys without their secrets: those that work first, newest first of each; at most
 * `QUERY_LIMITS.apiKeysListedMax`, which leaves none out that works.
 */
export async function apiKeys(
  db: Database,
  { tenantId }: TenantViewer,
  _: object,
): Promise<QueryResult<ListedKey>> {
  const rows = await listKeysOf(db, tenantId, QUERY_LIMITS.apiKeysListedMax)
  return { rows, source: 'raw', dependencies: null }
}
