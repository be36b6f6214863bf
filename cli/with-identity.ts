import type { Config } from '../core/config.ts'
import type { Database } from '../core/db/database.ts'
import type { AuditActor } from '../core/identity/audit/audit-log.ts'
import { createSecurityLog, type SecurityEvent } from '../core/lib/security-log.ts'
import { createLogger } from '../core/logger.ts'
import { requireRunningInstance, withDatabase } from './running-instance.ts'

/** What a command changed, for the security log. */
export type RecordChange = (
  change: Pick<SecurityEvent, 'name' | 'tenant'> & { detail: string },
) => void

/** Of what commands change, for the audit log. */
export const CLI: AuditActor = { kind: 'cli' }

const STANDARD_ERROR = 2

/**
 * As `withDatabase`, for commands that change keys and tenants. Changes are recorded in the log of the running
 * instance, or with DATABASE_URL as JSON lines on standard error.
 */
export function withIdentity<T>(
  config: Config,
  work: (db: Database, recordChange: RecordChange) => Promise<T>,
): Promise<T> {
  const file = config.databaseUrl ? STANDARD_ERROR : requireRunningInstance(config).log_file
  return withDatabase(config, (db) =>
    work(db, (change) =>
      // Created for the first change: a command that fails leaves no empty log behind.
      createSecurityLog(createLogger('info', file)).record({
        ...change,
        outcome: 'allowed',
        actor: 'cli',
      }),
    ),
  )
}
