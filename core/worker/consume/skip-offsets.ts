import { sql } from 'kysely'
import { TOPICS } from '../../../contract/log/topics.ts'
import type { Database } from '../../db/database.ts'
import type { Log } from '../../log/log.ts'
import type { OffsetGap } from '../../queries/pipeline/lag.ts'

export interface AcceptedGap extends OffsetGap {
  /** Where reading goes on now. */
  position: number
}

const LETTERS_AT_ONCE = 2_000

/**
 * Lets the workers go on behind the gaps of a partition: at the first record that the log still has, where records were
 * dropped; at its beginning, where the log was made anew. What was lost stays counted in /metrics. Dead letters of the
 * former log get a topic of their own, `events.raw@<time>`: their places are the new log's to give.
 */
export async function acceptGaps(
  db: Database,
  log: Pick<Log, 'offsets'>,
  gaps: readonly OffsetGap[],
): Promise<AcceptedGap[]> {
  const bounds = new Map((await log.offsets(TOPICS.raw.name)).map((each) => [each.partition, each]))
  return db.transaction().execute(async (tx) => {
    const accepted: AcceptedGap[] = []
    for (const gap of gaps) {
      const { partition, expected: wanted, available: found } = gap
      const held = bounds.get(partition)
      if (!held) continue
      // A hole in the middle ends where the log goes on; else what it holds now decides.
      const inside =
        found > wanted && found >= held.logStartOffset && found <= held.lastStableOffset
      const position = inside ? found : held.logStartOffset
      // Only while it still stands there: a worker may have gone on meanwhile.
      const moved = await tx
        .updateTable('log_position')
        .set({ next_offset: position })
        .where('topic', '=', TOPICS.raw.name)
        .where('partition', '=', partition)
        .where('next_offset', '=', wanted)
        .executeTakeFirst()
      await tx
        .updateTable('offset_gap')
        .set({ accepted_at: sql<string>`now()` })
        .where('topic', '=', TOPICS.raw.name)
        .where('partition', '=', partition)
        .where('expected', '=', wanted)
        .execute()
      if (moved.numUpdatedRows === 0n) continue
      if (position < wanted) await setAside(tx, partition)
      accepted.push({ ...gap, position })
    }
    return accepted
  })
}

/** A few at a time: there may be millions of them, and no statement may take longer than the others. */
async function setAside(tx: Database, partition: number): Promise<void> {
  const former = `${TOPICS.raw.name}@${new Date().toISOString()}`
  for (let from: number | null = 0; from !== null; ) {
    const { rows } = await sql<{ next: number | null }>`
      WITH few AS (
        SELECT dead_letter_id, log_offset FROM dead_letter
         WHERE topic = ${TOPICS.raw.name} AND partition = ${partition} AND log_offset >= ${from}
         ORDER BY log_offset LIMIT ${LETTERS_AT_ONCE}
      ), moved AS (
        UPDATE dead_letter d SET topic = ${former} FROM few f WHERE d.dead_letter_id = f.dead_letter_id
      )
      SELECT max(log_offset) + 1 AS next FROM few`.execute(tx)
    from = rows[0]?.next ?? null
  }
}
