import { sql } from 'kysely'
import { TOPICS } from '../../contract/log/topics.ts'
import type { Database } from '../db/database.ts'
import { withTimeout } from '../lib/timeout.ts'
import type { Log } from '../log/log.ts'
import { LIVE_LIMITS } from './live-limits.ts'

export type Component = 'log' | 'worker' | 'database'

/** How the way from the log into the tables is doing. */
export interface PipelineState {
  /** 0: everything in the log was applied. Otherwise since when at least one record has waited; undefined: nobody looked before. */
  lagMs: number | undefined
  failingComponent: Component | null
}

/**
 * Lag in seconds rather than records, for any log: the log's ends are noted with the time, and the
 * numbers are as old as the last note that the worker's positions have reached.
 */
export function createPipelineGauge(
  { db, log }: { db: Database; log: Log },
  now: () => number = Date.now,
): () => Promise<PipelineState> {
  const notes: { at: number; ends: Map<number, number> }[] = []
  let last: { at: number; state: Promise<PipelineState> } | undefined

  async function look(): Promise<PipelineState> {
    const at = now()
    const [ends, worker] = await Promise.allSettled([
      withTimeout(LIVE_LIMITS.refreshDeadlineMs, 'the log', log.offsets(TOPICS.raw.name)),
      withTimeout(LIVE_LIMITS.refreshDeadlineMs, 'the database', askWorker(db)),
    ])
    if (worker.status === 'rejected') return { lagMs: age(at), failingComponent: 'database' }
    if (ends.status === 'rejected') return { lagMs: age(at), failingComponent: 'log' }

    notes.push({
      at,
      ends: new Map(ends.value.map((each) => [each.partition, each.lastStableOffset])),
    })
    if (notes.length > LIVE_LIMITS.lagSamplesMax) notes.shift()
    const { positions, alive } = worker.value
    const reached = notes.findLastIndex(({ ends }) =>
      [...ends].every(([partition, end]) => (positions.get(partition) ?? 0) >= end),
    )
    // What was reached before the last one reached will never be looked at again.
    if (reached > 0) notes.splice(0, reached)
    const current = notes.at(-1) === notes[0] && reached >= 0
    return {
      lagMs: current ? 0 : reached >= 0 ? age(at) : undefined,
      failingComponent: alive ? null : 'worker',
    }
  }

  /** Of the last note that was reached, or else of the oldest there is. */
  function age(at: number): number | undefined {
    return notes[0] && at - notes[0].at
  }

  return () => {
    // All tenants' refreshes share one look.
    if (!last || now() - last.at > LIVE_LIMITS.refreshMinMs / 2) last = { at: now(), state: look() }
    return last.state
  }
}

async function askWorker(db: Database) {
  const [positions, { rows }] = await Promise.all([
    db
      .selectFrom('log_position')
      .select(['partition', 'next_offset'])
      .where('topic', '=', TOPICS.raw.name)
      .execute(),
    sql<{ alive: boolean }>`
      SELECT EXISTS (SELECT 1 FROM worker_heartbeat
                      WHERE beat_at > now() - make_interval(secs => ${LIVE_LIMITS.heartbeatAgeMs / 1000})) AS alive`.execute(
      db,
    ),
  ])
  return {
    positions: new Map(positions.map((row) => [row.partition, row.next_offset])),
    alive: rows[0]?.alive === true,
  }
}
