import { sql } from 'kysely'
import { TOPICS } from '../../../contract/log/topics.ts'
import type { Database } from '../../db/database.ts'
import type { Log, PartitionOffsets } from '../../log/log.ts'

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

const DEAD_LETTERS_PER_STATEMENT = 2_000

/**
 * Lets the workers go on behind the gaps of a partition: at the first record that the log still has, where records were
 * dropped; at its beginning, where the log was recreated. What was lost stays counted in /metrics. Dead letters of the
 * former log get a topic of their own, `events.raw@<time>`: their offsets are the new log's to assign.
 * @returns the gaps that were skipped; those whose position a worker has moved meanwhile are left out
 */
export async function skipMissingOffsets<Gap extends MissingOffsets>(
  db: Database,
  log: Pick<Log, 'offsets'>,
  gaps: readonly Gap[],
): Promise<SkippedOffsets<Gap>[]> {
  const offsets = new Map((await log.offsets(TOPICS.raw.name)).map((row) => [row.partition, row]))
  return db.transaction().execute(async (tx) => {
    const skipped: SkippedOffsets<Gap>[] = []
    for (const gap of gaps) {
      const available = offsets.get(gap.partition)
      if (!available) continue
      const position = positionBehind(gap, available)
      if (!(await movePosition(tx, gap, position))) continue
      if (position < gap.expected) await renameDeadLetterTopic(tx, gap.partition)
      skipped.push({ ...gap, position })
    }
    return skipped
  })
}

/** A hole in the middle ends where the log goes on; else the log's beginning decides. */
function positionBehind({ expected, available }: MissingOffsets, log: PartitionOffsets): number {
  const inside =
    available > expected && available >= log.logStartOffset && available <= log.lastStableOffset
  return inside ? available : log.logStartOffset
}

/** @returns whether the position was still at the gap: a worker may have gone on meanwhile */
async function movePosition(
  tx: Database,
  { partition, expected }: MissingOffsets,
  position: number,
): Promise<boolean> {
  const moved = await tx
    .updateTable('log_position')
    .set({ next_offset: position })
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

/** A few at a time: there may be millions of them, and no statement may take longer than the others. */
async function renameDeadLetterTopic(tx: Database, partition: number): Promise<void> {
  const former = `${TOPICS.raw.name}@${new Date().toISOString()}`
  for (let from: number | null = 0; from !== null; ) {
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
