import type { Database } from '../../core/db/database.ts'
import { UsageError } from '../../core/lib/usage-error.ts'

/** @throws UsageError where no tenant has that name */
export async function findTenantId(
  db: Database,
  tenant: string | undefined,
): Promise<number | undefined> {
  if (tenant === undefined) return undefined
  const row = await db
    .selectFrom('tenant')
    .select('tenant_id')
    .where('slug', '=', tenant)
    .executeTakeFirst()
  if (row) return row.tenant_id
  throw new UsageError(
    `The tenant "${tenant}" does not exist.`,
    '"npm run sluice -- tenant list" shows all tenants.',
  )
}

/** Names of tenants by their ids; 0 is none. */
export async function readTenantNames(db: Database): Promise<(id: number) => string> {
  const rows = await db.selectFrom('tenant').select(['tenant_id', 'slug']).execute()
  const names = new Map(rows.map(({ tenant_id, slug }) => [tenant_id, slug]))
  return (id) => names.get(id) ?? (id === 0 ? '(none)' : String(id))
}
