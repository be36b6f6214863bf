import type { Config } from '../core/config.ts'
import { createDatabase, type Database } from '../core/db/database.ts'
import { UsageError } from '../core/lib/usage-error.ts'
import { findRunning, type RunFile } from '../local/run-file.ts'

/** The instance that `npm start` runs on this home. @throws UsageError with exit code 3 when there is none */
export function requireRunningInstance(config: Config): RunFile {
  const run = findRunning(config.home)
  if (run) return run
  const error = new UsageError(
    `Sluice is not running on ${config.home}.`,
    'Start it with "npm start".',
  )
  throw Object.assign(error, { exitCode: 3 })
}

/** Runs `work` with the database of DATABASE_URL, or of the running instance; it is closed afterwards. */
export async function withDatabase<T>(
  config: Config,
  work: (db: Database) => Promise<T>,
): Promise<T> {
  const db = createDatabase(config.databaseUrl ?? requireRunningInstance(config).database_url, {
    max: 1,
  })
  try {
    return await work(db)
  } finally {
    await db.destroy()
  }
}
