import type { Database } from '../../../db/database.ts'
import type { TenantViewer } from '../../../identity/viewer.ts'

/** Of the tenant's own key; null where it is not known, or was deleted. */
export async function findKeyName(
  db: Database,
  { tenantId }: TenantViewer,
  keyId: string | null,
): Promise<string | null> {
  if (keyId === null) return null
  const key = await db
    .selectFrom('api_key')
    .select('name')
    .where('tenant_id', '=', tenantId)
    .where('key_id', '=', keyId)
    .executeTakeFirst()
  return key?.name ?? null
}
