import { setTimeout as sleep } from 'node:timers/promises'
import { TOPICS } from '../contract/log/topics.ts'
import type { Database } from './db/database.ts'
import { withTimeout } from './lib/timeout.ts'
import type { Log } from './log/log.ts'

/**
 * Waits until the worker has stored what the log holds, at most `ms`; the next start reads the rest.
 * @returns whether everything is stored
 */
export async function waitUntilDrained(db: Database, log: Log, ms: number): Promise<boolean> {
  const deadline = Date.now() + ms
  for (let left = ms; left > 0; left = deadline - Date.now()) {
    const done = await withTimeout(left, 'the log', isDrained(db, log)).catch(() => false)
    if (done) return true
    await sleep(20)
  }
  return false
}

async function isDrained(db: Database, log: Log): Promise<boolean> {
  const [offsets, positions] = await Promise.all([
    log.offsets(TOPICS.raw.name),
    db
      .selectFrom('log_position')
      .select(['partition', 'next_offset'])
      .where('topic', '=', TOPICS.raw.name)
      .execute(),
  ])
  const stored = new Map(positions.map((row) => [row.partition, row.next_offset]))
  return offsets.every(
    ({ partition, lastStableOffset }) => (stored.get(partition) ?? 0) >= lastStableOffset,
  )
}
