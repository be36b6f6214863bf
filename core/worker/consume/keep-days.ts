import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import { LOCKS } from '../../db/locks.ts'

/**
 * Until the transaction ends no expired day is dropped: dropping asks whether a log is being read again, and the
 * caller is about to decide that.
 */
export async function keepDays(tx: Database): Promise<void> {
  await sql`SELECT pg_advisory_xact_lock(${LOCKS.partitions.key})`.execute(tx)
}
