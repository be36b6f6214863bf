import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import pg from 'pg'
import { LIMITS } from '../../contract/limits.ts'
import { TOPICS } from '../../contract/log/topics.ts'
import { createForwarder } from '../dead-letters/forward-dead-letters.ts'
import type { Ask } from './consume/connection.ts'
import { createLeases, tagOf } from './consume/leases.ts'
import { markReadForEver } from './consume/log-watermark.ts'
import type { LaneDeps } from './consume/partition-consumer.ts'
import { createLanes } from './consume/partition-consumers.ts'
import { createPartitionKeeper } from './maintenance/partition-maintenance.ts'

/** A worker: its share of the log's partitions, a few lanes that write them, and the care for the days of `event`. */
export interface Worker {
  /** Ends when `signal` aborts, after the batches under way. */
  run(signal: AbortSignal): Promise<void>
}

export interface WorkerDeps extends Omit<LaneDeps, 'keeper' | 'ask' | 'onFenced'> {
  /** How many connections write; each owns its share of the worker's partitions. */
  lanes?: number
  retentionDays?: number
}

const HOUSEKEEPING_MS = 3_600_000

export function createWorker({
  lanes: laneCount = LIMITS.workerConcurrencyDefault,
  retentionDays,
  ...deps
}: WorkerDeps): Worker {
  const workerId = `${hostname()}-${randomUUID().slice(0, 8)}`
  return {
    async run(signal) {
      // Beside the lanes: housekeeping and look-ups, never on the connection that writes.
      const pool = new pg.Pool({
        connectionString: deps.databaseUrl,
        application_name: `sluice worker housekeeping ${tagOf(workerId)}`,
        max: 4,
        connectionTimeoutMillis: 5_000,
        statement_timeout: 15_000,
        query_timeout: 20_000,
      })
      pool.on('error', () => {})
      pool.on('connect', (client) => client.on('error', () => {}))
      const keeper = createPartitionKeeper({ pool, retentionDays })
      const ended = new AbortController()
      // Nobody waits for it: a lane makes the days that it needs, and what has grown may take seconds to prune.
      const keep = () =>
        keeper.keep().then(
          (done) => deps.logger.info(done, 'days of events kept'),
          (error) => {
            if (ended.signal.aborted) return
            deps.logger.error(
              { error: String(error) },
              'days of events could not be kept; tried again within the hour',
            )
          },
        )
      const forwarder = createForwarder({ pool, log: deps.log, logger: deps.logger })
      const ask: Ask = (sql, values) => pool.query(sql, values)
      const work = { batches: 0, batchMs: 0 }
      const lanes = createLanes({
        deps: {
          ...deps,
          keeper,
          ask,
          onWritten(written) {
            work.batches++
            work.batchMs += written.ms
            if (written.dead > 0) forwarder.look()
            deps.onWritten?.(written)
          },
          onFenced: () => leases.look(),
        },
        lanes: laneCount,
        tag: tagOf(workerId),
        onEnded: () => leases.look(),
      })
      const leases = createLeases({
        databaseUrl: deps.databaseUrl,
        topic: TOPICS.raw.name,
        workerId,
        logger: deps.logger,
        held: lanes.held,
        onShare: lanes.share,
        work: () => work,
      })
      void keep()
      const housekeeping = setInterval(keep, HOUSEKEEPING_MS)
      const either = AbortSignal.any([signal, ended.signal])
      const sharing = leases.run(either)
      const forwarding = forwarder.run(either)
      const topic = TOPICS.raw.name
      const bounds = () => deps.log.offsets(topic)
      const marking = markReadForEver({ ask, topic, workerId, bounds }, either)
      try {
        // A lane that ends by itself has met a bug of ours; then all end, and whoever started us starts us again.
        await Promise.race([sharing, lanes.broken])
      } finally {
        clearInterval(housekeeping)
        await lanes.stop()
        ended.abort()
        await Promise.all([sharing, forwarding, marking])
        await leases.leave()
        await pool.end()
      }
    },
  }
}
