import { createDatabase, type Database, withConnection } from '../../../db/database.ts'
import { LOCKS } from '../../../db/locks.ts'
import type { AuditActor } from '../../../identity/audit/audit-log.ts'
import type { VerifyReport } from '../difference.ts'
import { planRepairs, type Unrepaired } from './plan.ts'
import { repairDay } from './repair-day.ts'
import { repairOutcomes, repairTotals } from './repair-outcomes.ts'
import { inRepairTransaction, type Repaired } from './transaction.ts'

/**
 * Replaces what was derived from events by what these add up to: a tenant's day at a time, each with everything that
 * follows from it, its marks and its audit entries in one transaction. Events are never changed, nor is a bucket of which
 * some events were dropped.
 */
export interface RepairOptions {
  databaseUrl: string
  /** What is repaired: the differences that a verification has just listed. */
  report: VerifyReport
  by: AuditActor
  signal?: AbortSignal
}

export interface RepairResult {
  /** Rows that were replaced, by tenant, kind and day. */
  repaired: Repaired[]
  /** What has to be done by hand, and what that is. */
  unrepaired: Unrepaired[]
}

const STATEMENT_MS_MAX = 120_000
/** A run of the derivation takes less. */
const LOCK_MS_MAX = 90_000

export async function repair(options: RepairOptions): Promise<RepairResult> {
  const db = createDatabase(options.databaseUrl, { max: 2, statementMs: STATEMENT_MS_MAX })
  try {
    return await withoutDerivation(db, () => repairAll(db, options))
  } finally {
    await db.destroy()
  }
}

async function repairAll(
  db: Database,
  { report, by, signal }: RepairOptions,
): Promise<RepairResult> {
  const { days, outcomeDays, hasTotals, unrepaired } = planRepairs(report)
  const repaired: Repaired[] = []
  for (const task of days) {
    signal?.throwIfAborted()
    const found = await inRepairTransaction(db, by, (tx) => repairDay(tx, task))
    repaired.push(...found.repaired)
    unrepaired.push(...found.unrepaired)
  }
  for (const task of outcomeDays) {
    signal?.throwIfAborted()
    const found = await inRepairTransaction(db, by, (tx) => repairOutcomes(tx, task))
    repaired.push(...found.repaired)
    unrepaired.push(...found.unrepaired)
  }
  // Of the minutes as they are now.
  if (hasTotals) {
    const found = await inRepairTransaction(db, by, repairTotals)
    repaired.push(...found.repaired)
  }
  return { repaired, unrepaired }
}

/**
 * While nothing else derives: one repair at a time, and none beside the workers' derivations, which go on afterwards.
 * Should the connection with the locks break, transactions of one snapshot still refuse to overwrite each other.
 */
function withoutDerivation<T>(db: Database, work: () => Promise<T>): Promise<T> {
  const keys = [LOCKS.backfillMetrics, LOCKS.deriveSketches, LOCKS.foldOutcomes]
  return withConnection(db, async (client) => {
    await client.query(`SET lock_timeout = ${LOCK_MS_MAX}`)
    for (const { key } of keys) await client.query(`SELECT pg_advisory_lock(${key})`)
    try {
      return await work()
    } finally {
      await client.query('SELECT pg_advisory_unlock_all(); RESET lock_timeout').catch(() => {})
    }
  })
}
