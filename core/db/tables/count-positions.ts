import { sql } from 'kysely'
import type { Database } from '../database.ts'

/**
 * What becomes of the double entry's position (core/proof) where an operator moves that of the workers, in the same
 * transaction. What was counted beyond it stays counted: it was accepted, and no worker will apply it.
 * @param logIdentity of another log, whose offsets mean something else
 */
export async function moveCountPosition(
  tx: Database,
  partition: number,
  position: number,
  logIdentity?: string,
): Promise<void> {
  const isOtherLog = logIdentity !== undefined
  const { numAffectedRows } = await sql`
    UPDATE log_count_position
       SET next_offset = ${position}, log_identity = coalesce(${logIdentity ?? null}::text, log_identity),
           complete_since = CASE WHEN ${isOtherLog} THEN clock_timestamp() ELSE complete_since END
     WHERE partition = ${partition} AND (${isOtherLog} OR next_offset > ${position})`.execute(tx)
  if (numAffectedRows)
    await sql`
      UPDATE log_count_batch SET is_lost = true
       WHERE partition = ${partition} AND (${isOtherLog} OR next_offset > ${position})`.execute(tx)
}

/** The same log under another identity: all offsets stay what they are. */
export async function renameCountedLog(tx: Database, logIdentity: string): Promise<void> {
  await tx.updateTable('log_count_position').set({ log_identity: logIdentity }).execute()
}
