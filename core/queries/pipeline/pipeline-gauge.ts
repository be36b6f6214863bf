import { sql } from 'kysely'
import { TOPICS } from '../../../contract/log/topics.ts'
import type { Database } from '../../db/database.ts'
import { withTimeout } from '../../lib/timeout.ts'
import type { Log } from '../../log/log.ts'
import { LIVE_LIMITS } from '../limits.ts'
import { type PipelineComponent, readFailingComponent } from './freshness.ts'

/** Postgres is called `database` here. */
export type Component = Exclude<PipelineComponent, 'postgres'> | 'database'

/** How far the tables are behind the log, and which component keeps them there. */
export interface PipelineState {
  /**
   * 0: everything in the log was applied. Otherwise how long at least one record has waited; undefined before the
   * first sample was reached.
   */
  lagMs: number | undefined
  failingComponent: Component | null
}

/**
 * Lag in seconds rather than records, for any log: the log's end offsets are sampled with the time, and the numbers
 * are as old as the last sample that the worker's positions have reached. It has a memory and takes no viewer:
 * all tenants share the log.
 */
export function createPipelineGauge(
  { db, log }: { db: Database; log: Log },
  now: () => number = Date.now,
): () => Promise<PipelineState> {
  const samples: { at: number; ends: Map<number, number> }[] = []
  let last: { at: number; state: Promise<PipelineState> } | undefined

  async function read(): Promise<PipelineState> {
    const at = now()
    const [ends, worker] = await Promise.allSettled([
      withTimeout(LIVE_LIMITS.refreshDeadlineMs, 'the log', log.offsets(TOPICS.raw.name)),
      withTimeout(LIVE_LIMITS.refreshDeadlineMs, 'the database', readWorkers(db)),
    ])
    if (worker.status === 'rejected') return { lagMs: age(at), failingComponent: 'database' }
    if (ends.status === 'rejected') return { lagMs: age(at), failingComponent: 'log' }

    samples.push({
      at,
      ends: new Map(ends.value.map((each) => [each.partition, each.lastStableOffset])),
    })
    if (samples.length > LIVE_LIMITS.lagSamplesMax) samples.shift()
    const { positions, alive, failing } = worker.value
    const reached = samples.findLastIndex(({ ends }) =>
      [...ends].every(([partition, end]) => (positions.get(partition) ?? 0) >= end),
    )
    // Samples before the last one that was reached are not needed again.
    if (reached > 0) samples.splice(0, reached)
    const isCurrent = samples.at(-1) === samples[0] && reached >= 0
    return {
      lagMs: isCurrent ? 0 : reached >= 0 ? age(at) : undefined,
      failingComponent: alive ? failing : 'worker',
    }
  }

  /** Of the last sample that was reached, or else of the oldest one. */
  function age(at: number): number | undefined {
    return samples[0] && at - samples[0].at
  }

  return () => {
    // The refreshes of all tenants share one read.
    if (!last || now() - last.at > LIVE_LIMITS.refreshMinMs / 2) last = { at: now(), state: read() }
    return last.state
  }
}

async function readWorkers(db: Database) {
  const [positions, { rows }, { failingComponent }] = await Promise.all([
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
    readFailingComponent(db),
  ])
  return {
    positions: new Map(positions.map((row) => [row.partition, row.next_offset])),
    alive: rows[0]?.alive === true,
    // Canaries stop somewhere; Postgres responds, so it is none of them.
    failing: failingComponent === 'postgres' ? null : failingComponent,
  }
}
