import { createHash } from 'node:crypto'
import { displayPrefix, mintApiKey } from '../../../contract/api-key.ts'
import { CHANNELS } from '../../db/channels.ts'
import { CANARY_TENANT } from '../../db/tables/system-tenants.ts'
import type { ExecuteQuery } from '../execute-query.ts'

export interface CanaryKey {
  tenantId: number
  keyId: string
  /** In this process's memory and nowhere else. */
  key: string
}

/** What edges accept with it: a thief could send these few events to a tenant that nobody reads. */
const EVENTS_PER_MINUTE = 600
export const CANARY_EVENT = 'canary'

/**
 * Replaces the key of canaries, which may send canaries and nothing else; the former one is refused everywhere within a
 * minute. It expires by itself after two days. The tenant is created where there is none.
 */
export async function replaceCanaryKey(execute: ExecuteQuery): Promise<CanaryKey> {
  const key = mintApiKey('sec')
  await execute('INSERT INTO tenant (slug) VALUES ($1) ON CONFLICT (slug) DO NOTHING', [
    CANARY_TENANT,
  ])
  const { rows } = await execute(
    `WITH system AS (SELECT tenant_id FROM tenant WHERE slug = $1),
     replaced AS (
       UPDATE api_key SET display_prefix = $2, key_sha256 = $3, expires_at = now() + interval '2 days', revoked_at = NULL
        WHERE tenant_id = (SELECT tenant_id FROM system)
       RETURNING tenant_id, key_id),
     created AS (
       INSERT INTO api_key (tenant_id, name, display_prefix, key_sha256, scopes, events_per_minute, allowed_events, expires_at)
       SELECT tenant_id, 'canaries', $2, $3, '{ingest}', $4, $5, now() + interval '2 days'
         FROM system WHERE NOT EXISTS (SELECT FROM replaced)
       RETURNING tenant_id, key_id)
     SELECT * FROM replaced UNION ALL SELECT * FROM created`,
    [
      CANARY_TENANT,
      displayPrefix(key),
      createHash('sha256').update(key).digest(),
      EVENTS_PER_MINUTE,
      [CANARY_EVENT],
    ],
  )
  await execute('SELECT pg_notify($1, $2)', [CHANNELS.keys, ''])
  const [row] = rows
  if (!row) throw new Error('the key of canaries was not stored')
  return { tenantId: row.tenant_id as number, keyId: row.key_id as string, key }
}
