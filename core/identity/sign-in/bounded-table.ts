import { type RawBuilder, sql } from 'kysely'
import type { Database } from '../../db/database.ts'

/** Of what strangers may begin: sign-ins and challenges of passkeys. The oldest give way to new ones. */
export const PENDING_LIMITS = {
  minutes: 10,
  perAddressMax: 20,
  max: 10_000,
} as const

/** SQL: when what begins now ends. */
export function pendingUntil(): RawBuilder<string> {
  return sql<string>`clock_timestamp() + make_interval(mins => ${PENDING_LIMITS.minutes})`
}

/** Deletes what is over, and the oldest beyond the limits. */
export async function trimPending(
  db: Database,
  table: 'pending_sign_in' | 'passkey_challenge',
  addressGroup: string,
): Promise<void> {
  const rows = sql.table(table)
  await sql`DELETE FROM ${rows} WHERE expires_at <= clock_timestamp()`.execute(db)
  await sql`
    DELETE FROM ${rows} WHERE ctid IN
      (SELECT ctid FROM ${rows} WHERE address_group = ${addressGroup}
        ORDER BY created_at DESC OFFSET ${PENDING_LIMITS.perAddressMax})`.execute(db)
  await sql`
    DELETE FROM ${rows} WHERE ctid IN
      (SELECT ctid FROM ${rows} ORDER BY created_at DESC OFFSET ${PENDING_LIMITS.max})`.execute(db)
}
