import { CompiledQuery, sql } from 'kysely'
import { TOPICS } from '../../../contract/log/topics.ts'
import type { Database } from '../../db/database.ts'
import { type AuditActor, recordAudit, SYSTEM } from '../../identity/audit/audit-log.ts'
import { type Log, OffsetOutOfRangeError, type PartitionOffsets } from '../../log/log.ts'
import type { ExecuteQuery } from './connection.ts'
import { keepDays } from './keep-days.ts'
import { findAppliedEnd } from './log-end.ts'
import { checkLogIdentity } from './log-identity.ts'

/** Records that are missing from the log: where reading should go on, and the nearest offset that the log has. */
export interface MissingOffsets {
  partition: number
  expected: number
  available: number
}

export type SkippedOffsets<Gap extends MissingOffsets> = Gap & {
  /** Where reading goes on now. */
  position: number
}

/** Where reading goes on, and up to where records may have been applied before. */
interface Continuation {
  position: number
  rereadUntil: number | null
}

const DEAD_LETTERS_PER_STATEMENT = 2_000
const PROBE_MS_MAX = 10_000

/**
 * Lets the workers go on behind the gaps of a partition: at the first record that the log still has, where records were
 * dropped; after the last record that was applied, where the log lost its end; at the beginning, where it was recreated.
 * Looks at the log again, so no record is passed that it holds by now. What was lost stays counted in /metrics. Dead
 * letters of offsets that the log assigns again get a topic of their own, `events.raw@<time>`.
 * @param by for the audit log; default: the system itself
 * @returns the gaps that were skipped; those whose position a worker has moved meanwhile are left out
 * @throws LogIdentityError
 */
export async function skipMissingOffsets<Gap extends MissingOffsets>(
  db: Database,
  log: Pick<Log, 'offsets' | 'batches' | 'identity'>,
  gaps: readonly Gap[],
  by: AuditActor = SYSTEM,
): Promise<SkippedOffsets<Gap>[]> {
  const execute = executeOn(db)
  await checkLogIdentity(execute, log)
  const offsets = new Map((await log.offsets(TOPICS.raw.name)).map((row) => [row.partition, row]))
  const skipped: SkippedOffsets<Gap>[] = []
  for (const gap of gaps) {
    const held = offsets.get(gap.partition)
    if (!held) continue
    const { position, rereadUntil } = await continueBehind(execute, log, gap.expected, held)
    const moved = await db.transaction().execute(async (tx) => {
      await keepDays(tx)
      if (!(await movePosition(tx, gap, { position, rereadUntil }))) return false
      if (position < gap.expected) await renameDeadLetterTopic(tx, gap.partition, position)
      await recordAudit(tx, by, {
        tenantId: 0,
        action: 'offsets.skipped',
        object: `partition ${gap.partition} of ${TOPICS.raw.name}`,
        before: { offset: gap.expected },
        after: { offset: position },
      })
      return true
    })
    if (moved) skipped.push({ ...gap, position })
  }
  return skipped
}

export function executeOn(db: Database): ExecuteQuery {
  return async (text, values) => {
    const { rows } = await db.executeQuery<Record<string, unknown>>(CompiledQuery.raw(text, values))
    return { rows }
  }
}

async function continueBehind(
  execute: ExecuteQuery,
  log: Pick<Log, 'batches'>,
  expected: number,
  { partition, logStartOffset: start, lastStableOffset: end }: PartitionOffsets,
): Promise<Continuation> {
  if (expected < start) return { position: start, rereadUntil: null }
  if (expected < end)
    return { position: await findHeldFrom(log, partition, expected), rereadUntil: null }
  if (expected === end) return { position: expected, rereadUntil: null }
  const appliedEnd = await findAppliedEnd(execute, log, { partition, start, end })
  return appliedEnd === undefined
    ? { position: start, rereadUntil: end }
    : { position: appliedEnd, rereadUntil: null }
}

/** The first offset from `expected` on at which the log can be read. */
async function findHeldFrom(
  log: Pick<Log, 'batches'>,
  partition: number,
  expected: number,
): Promise<number> {
  const deadline = AbortSignal.timeout(PROBE_MS_MAX)
  try {
    const batches = log.batches(TOPICS.raw.name, {
      from: new Map([[partition, expected]]),
      signal: deadline,
      maxRecords: 1,
      minIntervalMs: 0,
      readAhead: false,
    })
    for await (const _ of batches) return expected
    throw deadline.reason
  } catch (error) {
    if (error instanceof OffsetOutOfRangeError && error.available > expected) return error.available
    throw error
  }
}

/** @returns whether the position was still at the gap: a worker may have gone on meanwhile */
async function movePosition(
  tx: Database,
  { partition, expected }: MissingOffsets,
  { position, rereadUntil }: Continuation,
): Promise<boolean> {
  const moved = await tx
    .updateTable('log_position')
    .set({
      next_offset: position,
      reread_until: rereadUntil ?? sql<number>`reread_until`,
      written_at: sql<string>`greatest(now(), written_at + interval '1 microsecond')`,
    })
    .where('topic', '=', TOPICS.raw.name)
    .where('partition', '=', partition)
    .where('next_offset', '=', expected)
    .executeTakeFirst()
  await tx
    .updateTable('offset_gap')
    .set({ skipped_at: sql<string>`now()` })
    .where('topic', '=', TOPICS.raw.name)
    .where('partition', '=', partition)
    .where('expected', '=', expected)
    .execute()
  return moved.numUpdatedRows > 0n
}

/**
 * Of the offsets from `begin` on, which the log assigns again. A few at a time: there may be millions of them, and no
 * statement may take longer than the others.
 */
export async function renameDeadLetterTopic(
  tx: Database,
  partition: number,
  begin: number,
): Promise<void> {
  const { rows: clock } = await sql<{ now: string }>`
    SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS now`.execute(tx)
  const former = `${TOPICS.raw.name}@${clock[0]?.now}`
  for (let from: number | null = begin; from !== null; ) {
    const { rows } = await sql<{ next: number | null }>`
      WITH few AS (
        SELECT dead_letter_id, log_offset FROM dead_letter
         WHERE topic = ${TOPICS.raw.name} AND partition = ${partition} AND log_offset >= ${from}
         ORDER BY log_offset LIMIT ${DEAD_LETTERS_PER_STATEMENT}
      ), moved AS (
        UPDATE dead_letter d SET topic = ${former} FROM few f WHERE d.dead_letter_id = f.dead_letter_id
      )
      SELECT max(log_offset) + 1 AS next FROM few`.execute(tx)
    from = rows[0]?.next ?? null
  }
}
