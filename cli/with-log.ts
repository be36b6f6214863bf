import type { Config } from '../core/config.ts'
import { createDatabase, type Database } from '../core/db/database.ts'
import type { Log } from '../core/log/log.ts'
import { openLog } from '../core/log/open.ts'
import { requireRunningInstance } from './running-instance.ts'

export interface LogAccess {
  db: Database
  log: Log
  databaseUrl: string
}

/**
 * Runs `work` with the database and the log of DATABASE_URL and SLUICE_LOG_DRIVER, or of the running instance;
 * both are closed afterwards.
 */
export async function withLog<T>(
  config: Config,
  work: (access: LogAccess) => Promise<T>,
): Promise<T> {
  const databaseUrl = config.databaseUrl ?? requireRunningInstance(config).database_url
  return withLogOf(config, databaseUrl, work)
}

/** The log of `npm start` is in its own Postgres, whatever the environment names. */
export async function withLogOf<T>(
  config: Config,
  databaseUrl: string,
  work: (access: LogAccess) => Promise<T>,
): Promise<T> {
  const db = createDatabase(databaseUrl, { max: 2 })
  try {
    const log = await openLog(config.databaseUrl ? config.log : { kind: 'postgres' }, databaseUrl)
    try {
      return await work({ db, log, databaseUrl })
    } finally {
      await log.close()
    }
  } finally {
    await db.destroy()
  }
}
