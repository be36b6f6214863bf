import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import pg from 'pg'
import { LIMITS } from '../../contract/limits.ts'
import { TOPICS } from '../../contract/log/topics.ts'
import { createDeadLetterForwarder } from '../dead-letters/forward-dead-letters.ts'
import type { Logger } from '../lib/logger.ts'
import { type ChangeNotifier, createChangeNotifier } from './consume/change-notifier.ts'
import type { ExecuteQuery } from './consume/connection.ts'
import { connectionTag } from './consume/lease-rows.ts'
import { createLeases } from './consume/leases.ts'
import { checkLogIdentity } from './consume/log-identity.ts'
import { trackLogWatermark } from './consume/log-watermark.ts'
import type { PartitionConsumerDeps } from './consume/partition-consumer.ts'
import { createPartitionConsumers } from './consume/partition-consumers.ts'
import { runDeadLetterJobs } from './dead-letter-jobs/run-jobs.ts'
import { backfillMetrics } from './maintenance/backfill-metrics.ts'
import { createEventShapes } from './maintenance/event-shapes.ts'
import { createKeySenders } from './maintenance/key-senders.ts'
import {
  createPartitionMaintenance,
  MaintenanceError,
  type PartitionMaintenance,
} from './maintenance/partition-maintenance.ts'
import { createSketchDerivation } from './sketches/derive-sketches.ts'
import { STATEMENT_MS_MAX } from './sketches/read-events.ts'
import { createSketchesOfDays, deriveEveryMinute } from './sketches/schedule.ts'

/**
 * A worker: its part of the log's partitions, the partition consumers that write them, and the maintenance of the
 * days of `event`.
 */
export interface Worker {
  /** Ends when `signal` aborts, after the batches under way. */
  run(signal: AbortSignal): Promise<void>
}

export interface WorkerDeps
  extends Omit<PartitionConsumerDeps, 'maintenance' | 'execute' | 'notifier' | 'onFenced'> {
  /** How many connections write; each has its part of the worker's partitions. */
  concurrency?: number
  retentionDays?: number
}

const MAINTENANCE_MS = 3_600_000
const NOTIFY_MS_MAX = 2_000

export function createWorker(deps: WorkerDeps): Worker {
  const workerId = `${hostname()}-${randomUUID().slice(0, 8)}`
  return { run: (signal) => runWorker(deps, workerId, signal) }
}

async function runWorker(deps: WorkerDeps, workerId: string, signal: AbortSignal): Promise<void> {
  const { concurrency = LIMITS.workerConcurrencyDefault, retentionDays, ...consumerDeps } = deps
  const topic = TOPICS.raw.name
  const pool = createMaintenancePool(deps.databaseUrl, workerId)
  const execute: ExecuteQuery = (sql, values) => pool.query(sql, values)
  const ended = new AbortController()
  const sketchPool = createSketchPool(deps.databaseUrl, workerId)
  const sketches = createSketchDerivation({ pool: sketchPool, logger: deps.logger })
  const maintenance = createPartitionMaintenance({
    pool,
    retentionDays,
    sketches: createSketchesOfDays(sketches, deps.logger, ended.signal),
    signal: ended.signal,
  })
  const forwarder = createDeadLetterForwarder({ pool, log: deps.log, logger: deps.logger })
  // Whatever waits for the other connections, notifications do not.
  const notifierPool = createMaintenancePool(deps.databaseUrl, workerId, 1)
  const notifier = createNotifierOn(notifierPool, deps.logger)
  const senders = createKeySenders(pool)
  const shapes = createEventShapes(pool)
  const stats = { batches: 0, batchMs: 0 }
  const consumers = createPartitionConsumers({
    deps: {
      ...consumerDeps,
      maintenance,
      execute,
      notifier,
      observe(decoded) {
        senders.count(decoded)
        shapes.observe(decoded)
      },
      onWritten(written) {
        stats.batches++
        stats.batchMs += written.ms
        if (written.dead > 0) forwarder.wake()
        deps.onWritten?.(written)
      },
      onFenced: () => leases.refresh(),
    },
    concurrency,
    tag: connectionTag(workerId),
    onEnded: () => leases.refresh(),
  })
  const leases = createLeases({
    databaseUrl: deps.databaseUrl,
    topic,
    workerId,
    logger: deps.logger,
    owned: consumers.owned,
    onAssigned: consumers.assign,
    stats: () => stats,
  })
  const stopMaintenance = runHourly(maintenance, deps.logger, ended.signal)
  const either = AbortSignal.any([signal, ended.signal])
  const assigning = leases.run(either)
  const forwarding = forwarder.run(either)
  const backfilling = backfillMetrics({ pool, logger: deps.logger }, either)
  const observing = [senders, shapes].map((each) => each.run(deps.logger, ended.signal))
  const { databaseUrl, databaseRole, logger } = deps
  const jobs = { databaseUrl, databaseRole, pool, logger, retentionDays }
  const doingJobs = runDeadLetterJobs(jobs, either)
  const deriving = deriveEveryMinute(sketches, deps.logger, either)
  const readOffsets = async () => {
    // Offsets of another log say nothing about how far this one was applied.
    await checkLogIdentity(execute, deps.log)
    return deps.log.offsets(topic)
  }
  const tracking = trackLogWatermark({ execute, topic, workerId, readOffsets }, either)
  try {
    // A consumer that ends by itself has met a bug of ours; then all end, and the supervisor starts the worker again.
    await Promise.race([assigning, consumers.failed])
  } finally {
    stopMaintenance()
    await consumers.stop()
    ended.abort()
    await Promise.all([
      assigning,
      forwarding,
      tracking,
      backfilling,
      deriving,
      ...observing,
      doingJobs,
    ])
    await notifier.stop()
    await leases.release()
    await Promise.all([pool.end(), notifierPool.end(), sketchPool.end()])
  }
}

function createNotifierOn(pool: pg.Pool, logger: Logger): ChangeNotifier {
  const execute: ExecuteQuery = (text, values) =>
    pool.query({ text, values, query_timeout: NOTIFY_MS_MAX } as pg.QueryConfig)
  return createChangeNotifier(execute, (error) =>
    logger.warn({ error: String(error) }, 'notifying of stored events failed, retrying'),
  )
}

/** For maintenance and look-ups, which never use the connections that write. */
function createMaintenancePool(
  connectionString: string,
  workerId: string,
  max = 4,
  options: pg.PoolConfig = {},
): pg.Pool {
  const pool = new pg.Pool({
    connectionString,
    application_name: `sluice worker maintenance ${connectionTag(workerId)}`,
    max,
    connectionTimeoutMillis: 5_000,
    statement_timeout: 15_000,
    query_timeout: 20_000,
    // A frozen worker must not hold the lock of the day partitions, which others need to start.
    idle_in_transaction_session_timeout: 5_000,
    ...options,
  })
  pool.on('error', () => {})
  pool.on('connect', (client) => client.on('error', () => {}))
  return pool
}

/** One connection derives sketches, and the other creates their partitions: neither takes one of the maintenance. */
function createSketchPool(connectionString: string, workerId: string): pg.Pool {
  return createMaintenancePool(connectionString, workerId, 2, {
    statement_timeout: STATEMENT_MS_MAX,
    query_timeout: STATEMENT_MS_MAX + 5_000,
  })
}

/**
 * Runs the maintenance now and every hour. Nothing waits for it: consumers create the days that they need, and a table
 * that has grown may take seconds to prune.
 * @returns how to stop it
 */
function runHourly(
  maintenance: PartitionMaintenance,
  logger: Logger,
  ended: AbortSignal,
): () => void {
  const run = () =>
    maintenance.run().then(
      (result) => logger.info(result, 'partition maintenance done'),
      (error) => {
        if (ended.aborted) return
        const done = error instanceof MaintenanceError ? error.result : {}
        logger.error(
          { ...done, error: String(error) },
          'a part of the maintenance failed, retrying in an hour',
        )
      },
    )
  void run()
  const timer = setInterval(run, MAINTENANCE_MS)
  return () => clearInterval(timer)
}
