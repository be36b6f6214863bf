import { sql } from 'kysely'
import type { Database } from '../db/database.ts'
import { watermark } from '../db/watermark.ts'
import type { TenantViewer } from '../identity/viewer.ts'

/** A tenant's watermark in milliseconds since 1970; -Infinity while it has none. */
export async function tenantWatermarkMs(db: Database, { tenantId }: TenantViewer): Promise<number> {
  const { rows } = await sql<{ ms: number | null }>`
    SELECT (extract(epoch FROM ${watermark(tenantId)}) * 1000)::float8 AS ms`.execute(db)
  return rows[0]?.ms ?? Number.NEGATIVE_INFINITY
}
