import { sql } from 'kysely'
import { TOPICS } from '../../contract/topics.ts'
import type { Database } from '../db/database.ts'
import type { Gap } from '../live/progress.ts'
import type { Log } from './log.ts'

export interface AcceptedGap extends Gap {
  /** Where reading goes on now. */
  position: number
}

/**
 * Lets the workers go on behind the gaps of a partition: at the first record that the log still has, where records were
 * dropped; at its beginning, where the log was made anew. What was lost stays counted in /metrics. Dead letters of the
 * former log get a topic of their own, `events.raw@<time>`: their places are the new log's to give.
 */
export async function acceptGaps(
  db: Database,
  log: Pick<Log, 'bounds'>,
  gaps: readonly Gap[],
): Promise<AcceptedGap[]> {
  const bounds = new Map((await log.bounds(TOPICS.raw.name)).map((each) => [each.partition, each]))
  return db.transaction().execute(async (tx) => {
    const accepted: AcceptedGap[] = []
    for (const gap of gaps) {
      const { partition, wanted, found } = gap
      const held = bounds.get(partition)
      if (!held) continue
      // A hole in the middle ends where the log goes on; else what it holds now decides.
      const inside = found > wanted && found >= held.first && found <= held.next
      const position = inside ? found : held.first
      // Only while it still stands there: a worker may have gone on meanwhile.
      const moved = await tx
        .updateTable('log_position')
        .set({ next_offset: position })
        .where('topic', '=', TOPICS.raw.name)
        .where('partition', '=', partition)
        .where('next_offset', '=', wanted)
        .executeTakeFirst()
      await tx
        .updateTable('log_gap')
        .set({ accepted_at: sql<string>`now()` })
        .where('topic', '=', TOPICS.raw.name)
        .where('partition', '=', partition)
        .where('wanted', '=', wanted)
        .execute()
      if (moved.numUpdatedRows === 0n) continue
      if (position < wanted) await setAside(tx, partition)
      accepted.push({ ...gap, position })
    }
    return accepted
  })
}

async function setAside(tx: Database, partition: number): Promise<void> {
  await tx
    .updateTable('dead_letter')
    .set({ topic: `${TOPICS.raw.name}@${new Date().toISOString()}` })
    .where('topic', '=', TOPICS.raw.name)
    .where('partition', '=', partition)
    .execute()
}
