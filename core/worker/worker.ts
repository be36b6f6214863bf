import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import pg from 'pg'
import { LIMITS } from '../../contract/limits.ts'
import { TOPICS } from '../../contract/topics.ts'
import type { Ask } from './connection.ts'
import { beat } from './heartbeat.ts'
import { type LaneDeps, runLane } from './lane.ts'
import { createPartitionKeeper } from './partitions.ts'

/** A worker: a few lanes that write, a heartbeat, and the care for the days of `event`. */
export interface Worker {
  /** Ends when `signal` aborts, after the batches under way. Rejects with LogGapError. */
  run(signal: AbortSignal): Promise<void>
}

export interface WorkerDeps extends Omit<LaneDeps, 'keeper' | 'ask'> {
  /** How many connections write; each owns its share of the log partitions. */
  lanes?: number
  retentionDays?: number
}

const HOUSEKEEPING_MS = 3_600_000

export function createWorker({
  lanes = LIMITS.workerLanes,
  retentionDays,
  ...deps
}: WorkerDeps): Worker {
  const shares = shareOut(TOPICS.raw.partitions, lanes)
  const workerId = `${hostname()}-${randomUUID().slice(0, 8)}`
  return {
    async run(signal) {
      // Beside the lanes: heartbeat and housekeeping, never on the connection that writes.
      const pool = new pg.Pool({
        connectionString: deps.databaseUrl,
        application_name: 'sluice worker housekeeping',
        max: 3,
        connectionTimeoutMillis: 5_000,
        statement_timeout: 15_000,
        query_timeout: 20_000,
      })
      pool.on('error', () => {})
      pool.on('connect', (client) => client.on('error', () => {}))
      const keeper = createPartitionKeeper({ pool, retentionDays })
      const keep = () =>
        keeper.keep().then(
          (done) => deps.logger.info(done, 'days of events kept'),
          (error) =>
            deps.logger.error(
              { error: String(error) },
              'days of events could not be kept; tried again within the hour',
            ),
        )
      // One lane's end is the end of all.
      const ended = new AbortController()
      const either = AbortSignal.any([signal, ended.signal])
      await keep()
      const housekeeping = setInterval(keep, HOUSEKEEPING_MS)
      const ask: Ask = (sql, values) => pool.query(sql, values)
      const beating = beat(ask, workerId, deps.logger, either)
      const running = shares.map((partitions, i) =>
        runLane({ ...deps, keeper, ask }, `lane ${i}`, partitions, either),
      )
      try {
        await Promise.all(running)
      } finally {
        ended.abort()
        clearInterval(housekeeping)
        await Promise.allSettled([...running, beating])
        await pool.end()
      }
    },
  }
}

/** 6 partitions over 2 lanes: [0, 2, 4] and [1, 3, 5]. */
export function shareOut(partitions: number, lanes: number): number[][] {
  const shares = Array.from({ length: Math.min(lanes, partitions) }, (): number[] => [])
  for (let p = 0; p < partitions; p++) shares[p % shares.length]?.push(p)
  return shares
}
