import type { Config } from '../../core/config.ts'
import type { Database } from '../../core/db/database.ts'
import { type TenantViewer, tenantViewer } from '../../core/identity/viewer.ts'
import { withDatabase } from '../running-instance.ts'

export function withTenant<T>(
  config: Config,
  tenant: string,
  work: (db: Database, viewer: TenantViewer) => Promise<T>,
): Promise<T> {
  return withDatabase(config, async (db) =>
    work(db, await tenantViewer(db, { kind: 'SESSION' }, tenant)),
  )
}
