import { sql } from 'kysely'
import type { Database } from '../db/database.ts'

/** Whom those listen to who keep keys elsewhere. */
export const KEYS_CHANNEL = 'sluice_keys'

/** Says that keys, or what holds for them, are other ones now; whoever does not hear it looks by himself. Never fails. */
export async function sayKeysChanged(db: Database): Promise<void> {
  // The change is made: a new key would be lost if this could fail.
  await sql`SELECT pg_notify(${KEYS_CHANNEL}, '')`.execute(db).catch(() => {})
}
