import type pg from 'pg'
import { LOCKS } from '../../db/locks.ts'
import { MONTHS } from '../../db/partitions.ts'
import { partitionsOf } from '../../db/tables/partitioned-tables.ts'
import type { Logger } from '../../lib/logger.ts'
import { deriveLongRollups } from '../long-rollups/derive-long-rollups.ts'
import { deriveRange } from './derive-range.ts'
import { isDroppable } from './droppable-days.ts'
import { createFailingTenants } from './failing-tenants.ts'
import {
  advanceRevision,
  findRevisedBuckets,
  findUnmarkedBuckets,
  proposeRevision,
  type RevisedBuckets,
} from './revised-buckets.ts'
import { findTargets, nextStep } from './targets.ts'

/**
 * Derives hours and days of rollups from 15-minute rows, and sketches from single events: of each tenant's hours once they are final, and again of buckets that were revised
 * since. One worker at a time; batches are neither blocked nor asked for anything.
 */
export interface SketchDerivation {
  /** Goes on where the last call, of any worker, stopped. */
  run(options?: DerivationOptions): Promise<DerivationResult>
  /**
   * Whether a day's events have their sketches, or never will.
   * @param day since 1970-01-01, UTC; nothing is written into it any more
   * @param overdueDays how long it could have been dropped already
   */
  isDroppable(day: number, overdueDays: number): Promise<boolean>
}

export interface DerivationOptions {
  /** Ends early, after the range that is being derived. */
  msMax?: number
  /**
   * What was received before is derived, final or not: its events are about to be dropped. In milliseconds since 1970, at
   * the start of a day.
   */
  droppedBeforeMs?: number
  signal?: AbortSignal
}

export interface DerivationResult {
  /** Rows of 15-minute buckets. */
  derived: number
  /** Rows of hours and days of rollups. */
  longDerived: number
  /** Nothing is left to do; false where another worker does it, or where a tenant's failed. */
  isComplete: boolean
}

export interface DerivationDeps {
  /** Of at least two connections. */
  pool: pg.Pool
  logger?: Pick<Logger, 'warn' | 'error'>
  /** Events of one transaction, unless a single bucket has more. */
  eventsMax?: number
  /** How long a transaction may take from its beginning to its id, see revised-buckets.ts. */
  graceMs?: number
}

const RUN_MS_MAX = 50_000
/** An idle connection with the lock belongs to a process that hangs. */
const IDLE_MS_MAX = 10_000

export function createSketchDerivation({
  pool,
  logger,
  eventsMax = 300_000,
  graceMs = 600_000,
}: DerivationDeps): SketchDerivation {
  const months = partitionsOf(pool, 'sketch')
  const failing = createFailingTenants(logger)
  const failingLong = createFailingTenants(logger, 'hours and days of rollups')

  async function derive(client: pg.PoolClient, range: Parameters<typeof deriveRange>[1]) {
    // A range is within a day, and a day within a month.
    await months.ensure([MONTHS.numberOf(range.fromMs)])
    try {
      return await deriveRange(client, range)
    } catch (error) {
      months.forget()
      throw error
    }
  }

  async function deriveAll(
    client: pg.PoolClient,
    { droppedBeforeMs }: DerivationOptions,
    isOver: () => boolean,
  ) {
    let derived = 0
    const except = failing.waiting()
    const tenants = await findTargets(client, { droppedBeforeMs, except })
    // Before any tenant goes on: what is behind it is marked from then on.
    const unmarked = await findUnmarkedBuckets(client, { eventsMax, except })
    let isComplete = except.length === 0
    const derivedAll = async (tenantId: number, work: () => Promise<number>) => {
      const rows = await failing.attempt(tenantId, work)
      derived += rows ?? 0
      if (rows === undefined) isComplete = false
      return rows !== undefined
    }
    const deriveAgain = (range: RevisedBuckets['ranges'][number]) =>
      derivedAll(range.tenantId, async () => {
        const throughMs = await readThroughMs(client, range.tenantId)
        return derive(client, { ...range, throughMs, isRevision: true })
      })

    for (const range of unmarked.ranges) {
      if (isOver()) return { derived, isComplete: false }
      await deriveAgain(range)
    }
    if (unmarked.isCut) return { derived, isComplete: false }
    for (const tenant of tenants) {
      const { tenantId, targetMs } = tenant
      for (let through = tenant.throughMs; through === undefined || through < targetMs; ) {
        if (isOver()) return { derived, isComplete: false }
        const throughMs = through
        const isDone = await derivedAll(tenantId, async () => {
          const step = await nextStep(client, { ...tenant, throughMs }, eventsMax)
          through = step.beforeMs
          return derive(client, { ...step, throughMs: through, isRevision: false })
        })
        if (!isDone) break
      }
    }
    const ended = await proposeRevision(client, graceMs)
    const { ranges, isCut } = await findRevisedBuckets(client, {
      eventsMax,
      except: failing.waiting(),
    })
    for (const range of ranges) {
      if (isOver()) return { derived, isComplete: false }
      await deriveAgain(range)
    }
    if (isCut || !isComplete) return { derived, isComplete: false }
    if (ended !== undefined) await advanceRevision(client, ended)
    return { derived, isComplete: true }
  }

  async function runOnce(options: DerivationOptions): Promise<DerivationResult> {
    const msMax = options.msMax ?? RUN_MS_MAX
    const endsIn = (ms: number) => {
      const deadline = performance.now() + ms
      return () => performance.now() > deadline || options.signal?.aborted === true
    }
    const result = await withLock(pool, async (client) => {
      // Rollups outlive their events: nothing of them has to come before a day is dropped.
      if (options.droppedBeforeMs !== undefined)
        return { ...(await deriveAll(client, options, endsIn(msMax))), longDerived: 0 }
      // Half of the time each: a history of one takes many runs, and the other waits for none of them.
      const isOver = endsIn(msMax / 2)
      const long = await deriveLongRollups(client, { failing: failingLong, graceMs, isOver })
      const { derived, isComplete } = await deriveAll(client, options, endsIn(msMax / 2))
      return { derived, longDerived: long.derived, isComplete: long.isComplete && isComplete }
    })
    return result ?? { derived: 0, longDerived: 0, isComplete: false }
  }

  let former: Promise<unknown> = Promise.resolve()
  /** One after the other: the lock would turn away a second run of this process, and connections are few. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = former.then(work)
    former = result.catch(() => {})
    return result
  }
  return {
    run: (options = {}) => inTurn(() => runOnce(options)),
    isDroppable: (day, overdueDays) =>
      inTurn(() => isDroppable({ client: pool, failing, logger }, day, overdueDays)),
  }
}

async function readThroughMs(client: pg.ClientBase, tenantId: number): Promise<number> {
  const { rows } = await client.query<{ ms: number }>(
    `SELECT (extract(epoch FROM derived_through) * 1000)::float8 AS ms FROM sketch_progress WHERE tenant_id = $1`,
    [tenantId],
  )
  return rows[0]?.ms as number
}

/** @returns undefined where another worker derives */
async function withLock<T>(
  pool: pg.Pool,
  work: (client: pg.PoolClient) => Promise<T>,
): Promise<T | undefined> {
  const client = await pool.connect()
  let broken: Error | undefined
  try {
    await client.query(`SET idle_session_timeout = ${IDLE_MS_MAX}`)
    const { rows } = await client.query<{ mine: boolean }>(
      `SELECT pg_try_advisory_lock(${LOCKS.deriveSketches.key}) AS mine`,
    )
    return rows[0]?.mine ? await work(client) : undefined
  } catch (error) {
    broken = error as Error
    throw error
  } finally {
    await client
      .query(`SELECT pg_advisory_unlock(${LOCKS.deriveSketches.key}); RESET idle_session_timeout`)
      .catch(() => {})
    client.release(broken)
  }
}
