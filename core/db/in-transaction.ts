import type { Transaction } from 'kysely'
import type pg from 'pg'
import type { Database } from './database.ts'
import type { Schema } from './schema.ts'

/** Runs `work` in the transaction that `db` is, or else in one of its own. */
export function inTransaction<T>(
  db: Database,
  work: (tx: Transaction<Schema>) => Promise<T>,
): Promise<T> {
  return db.isTransaction ? work(db as Transaction<Schema>) : db.transaction().execute(work)
}

/** Runs a transaction that holds an advisory lock: one at a time, so that limits hold for all of them together. */
export async function inLock(
  pool: pg.Pool,
  lock: number,
  run: (client: pg.PoolClient) => Promise<void>,
): Promise<void> {
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    await client.query(`SELECT pg_advisory_xact_lock(${lock})`)
    await run(client)
    await client.query('COMMIT')
    client.release()
  } catch (error) {
    client.release(error as Error)
    throw error
  }
}
