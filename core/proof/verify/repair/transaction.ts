import type pg from 'pg'
import { changedBuckets } from '../../../db/changed-buckets.ts'
import { storedNotifications } from '../../../db/channels.ts'
import { type Database, withConnection } from '../../../db/database.ts'
import { notifyAtCommit } from '../../../db/notifier.ts'
import { type AuditActor, recordAudit } from '../../../identity/audit/audit-log.ts'
import type { DifferenceKind } from '../difference.ts'
import type { Unrepaired } from './plan.ts'

/** A row as it was and as it was counted again. */
export interface ReplacedRow {
  /** RFC 3339; null where it is of no time. */
  bucket: string | null
  metric: string | null
  stored: string | null
  recounted: string | null
}

/** Rows of one kind that were replaced together. */
export interface Repaired {
  kind: DifferenceKind
  tenant: number
  /** `2026-12-01`, UTC; null where it is of no time. */
  day: string | null
  /** Without rows of sketches, which are derived again by the day. */
  rows: ReplacedRow[]
}

export interface RepairOutcome {
  repaired: Repaired[]
  unrepaired: Unrepaired[]
  /** Starts of 15-minute buckets whose results are to be read again, in milliseconds since 1970. */
  changed: { tenantId: number; ms: number }[]
}

/** Without the lock, as long as no batch is faster; with it none is. */
const ATTEMPTS = { optimistic: 3, all: 5 }
const CONFLICTS = ['40001', '40P01', '55P03']
const isConflict = (error: unknown) => CONFLICTS.includes((error as { code?: string }).code ?? '')
/** While batches are held back: they wait for as long, and none for longer than its own time limit. */
const HELD_LIMITS = "SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '5s';"

/**
 * Recounts and replaces in one snapshot, in which each batch is whole or not there. A row that a batch changes meanwhile
 * makes it fail with 40001, and it begins again. After some attempts it waits for the batches under way and holds back
 * the next ones: the lock is the first one that a batch takes, so neither can wait for the other in a ring. A reader
 * sees a bucket, its hours, its sketches and its marks all before it or all after it.
 */
export async function inRepairTransaction(
  db: Database,
  by: AuditActor,
  work: (client: pg.ClientBase) => Promise<RepairOutcome>,
): Promise<RepairOutcome> {
  for (let attempt = 1; ; attempt++)
    try {
      return await attemptRepair(db, by, work, attempt > ATTEMPTS.optimistic)
    } catch (error) {
      if (!isConflict(error) || attempt === ATTEMPTS.all) throw error
    }
}

function attemptRepair(
  db: Database,
  by: AuditActor,
  work: (client: pg.ClientBase) => Promise<RepairOutcome>,
  holdsBatches: boolean,
): Promise<RepairOutcome> {
  return withConnection(db, (client, own) =>
    own
      .transaction()
      .setIsolationLevel('repeatable read')
      .execute(async (tx) => {
        // Before the snapshot is taken. Days of events cannot be dropped from then on.
        await client.query(
          `SET LOCAL jit = off; ${holdsBatches ? `${HELD_LIMITS} LOCK TABLE log_position IN SHARE ROW EXCLUSIVE MODE;` : ''}
           LOCK TABLE event IN ACCESS SHARE MODE`,
        )
        const outcome = await work(client)
        await notifyAtCommit(
          (text, values) => client.query(text, values),
          storedNotifications(changedBuckets(outcome.changed)),
        )
        for (const each of outcome.repaired) await audit(tx, by, each)
        return outcome
      }),
  )
}

/** An entry holds 16 KiB. */
const ROWS_PER_ENTRY = 40
const ENTRIES_MAX = 250

async function audit(
  tx: Parameters<typeof recordAudit>[0],
  by: AuditActor,
  { kind, tenant, day, rows }: Repaired,
): Promise<void> {
  const stateOf = (some: readonly ReplacedRow[], side: 'stored' | 'recounted') =>
    some.map((row) => ({ bucket: row.bucket, metric: row.metric, row: row[side] }))
  const object = `${kind} ${day ?? ''}`.trim()
  const listed = rows.slice(0, ROWS_PER_ENTRY * ENTRIES_MAX)
  for (let i = 0; i === 0 || i < listed.length; i += ROWS_PER_ENTRY) {
    const some = listed.slice(i, i + ROWS_PER_ENTRY)
    const more = i === 0 && rows.length > listed.length ? { more: rows.length - listed.length } : {}
    await recordAudit(tx, by, {
      ...{ tenantId: tenant, action: 'numbers.repaired', object },
      ...(some.length > 0 && { before: { rows: stateOf(some, 'stored') } }),
      after: { rows: stateOf(some, 'recounted'), ...more },
    })
  }
}
