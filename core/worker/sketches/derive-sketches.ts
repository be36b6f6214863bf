import type pg from 'pg'
import { BUCKET_15M_MS } from '../../db/changed-buckets.ts'
import { LOCKS } from '../../db/locks.ts'
import { createPartitions, DAY_MS, MONTHS } from '../../db/partitions.ts'
import { watermarkSql } from '../../db/watermark.ts'
import { deriveRange } from './derive-range.ts'
import { advanceRevision, findRevisedBuckets, proposeRevision } from './revised-buckets.ts'
import { timeSql } from './sketch-rows.ts'

/**
 * Derives sketches from single events: of each tenant's hours once they are final, and again of buckets that were revised
 * since. One worker at a time; batches are neither blocked nor asked for anything.
 */
export interface SketchDerivation {
  /** Goes on where the last call, of any worker, stopped. */
  run(options?: DerivationOptions): Promise<DerivationResult>
}

export interface DerivationOptions {
  /** Ends early, after the range that is being derived. */
  msMax?: number
  /**
   * Everything before is derived, final or not: its events are about to be dropped. In milliseconds since 1970, at the
   * start of a day.
   */
  droppedBeforeMs?: number
  signal?: AbortSignal
}

export interface DerivationResult {
  /** Rows of 15-minute buckets. */
  derived: number
  /** Nothing is left to do; false where another worker does it. */
  isComplete: boolean
}

export interface DerivationDeps {
  pool: pg.Pool
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
  eventsMax = 300_000,
  graceMs = 600_000,
}: DerivationDeps): SketchDerivation {
  const months = createPartitions({ pool, table: 'sketch', unit: MONTHS })

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

  async function deriveAll(client: pg.PoolClient, options: DerivationOptions) {
    const { msMax = RUN_MS_MAX, droppedBeforeMs, signal } = options
    const deadline = performance.now() + msMax
    const isOver = () => performance.now() > deadline || signal?.aborted === true
    let derived = 0
    for (const tenant of await findTenants(client, droppedBeforeMs))
      for (let through = tenant.throughMs; through === undefined || through < tenant.targetMs; ) {
        if (isOver()) return { derived, isComplete: false }
        const step = await nextStep(client, { ...tenant, throughMs: through }, eventsMax)
        derived += await derive(client, { ...step, throughMs: step.beforeMs, isRevision: false })
        through = step.beforeMs
      }
    const ended = await proposeRevision(client, graceMs)
    const { ranges, isCut } = await findRevisedBuckets(client)
    for (const range of ranges) {
      if (isOver()) return { derived, isComplete: false }
      const throughMs = await readThroughMs(client, range.tenantId)
      derived += await derive(client, { ...range, throughMs, isRevision: true })
    }
    if (isCut) return { derived, isComplete: false }
    if (ended !== undefined) await advanceRevision(client, ended)
    return { derived, isComplete: true }
  }

  async function runOnce(options: DerivationOptions): Promise<DerivationResult> {
    const client = await pool.connect()
    let broken: Error | undefined
    try {
      await client.query(`SET idle_session_timeout = ${IDLE_MS_MAX}`)
      const { rows } = await client.query<{ mine: boolean }>(
        `SELECT pg_try_advisory_lock(${LOCKS.deriveSketches.key}) AS mine`,
      )
      if (!rows[0]?.mine) return { derived: 0, isComplete: false }
      return await deriveAll(client, options)
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

  let former: Promise<unknown> = Promise.resolve()
  return {
    run(options = {}) {
      // One after the other: the lock would turn away a second run of this process.
      const run = former.then(() => runOnce(options))
      former = run.catch(() => {})
      return run
    },
  }
}

interface TenantTarget {
  tenantId: number
  /** Undefined: nothing was derived yet. */
  throughMs: number | undefined
  targetMs: number
}

/** Those whose sketches end before the last hour that is final. */
async function findTenants(
  client: pg.ClientBase,
  droppedBeforeMs: number | undefined,
): Promise<TenantTarget[]> {
  const before = droppedBeforeMs === undefined ? 'NULL::timestamptz' : timeSql(droppedBeforeMs)
  const { rows } = await client.query<{
    tenant_id: number
    through: number | null
    target: number
  }>(
    `SELECT tenant_id, (extract(epoch FROM derived_through) * 1000)::float8 AS through,
            (extract(epoch FROM target) * 1000)::float8 AS target
       FROM (SELECT owner.tenant_id, p.derived_through,
                    greatest(date_bin('1 hour', ${watermarkSql('owner.tenant_id')}, 'epoch'), ${before}) AS target
               FROM tenant owner LEFT JOIN sketch_progress p USING (tenant_id)
              WHERE EXISTS (SELECT FROM watermark w WHERE w.tenant_id = owner.tenant_id)) found
      WHERE target > coalesce(derived_through, '-infinity')
      ORDER BY tenant_id`,
  )
  return rows.map(({ tenant_id, through, target }) => ({
    tenantId: tenant_id,
    throughMs: through ?? undefined,
    targetMs: target,
  }))
}

async function readThroughMs(client: pg.ClientBase, tenantId: number): Promise<number> {
  const { rows } = await client.query<{ ms: number }>(
    `SELECT (extract(epoch FROM derived_through) * 1000)::float8 AS ms FROM sketch_progress WHERE tenant_id = $1`,
    [tenantId],
  )
  return rows[0]?.ms as number
}

/**
 * The next range of the tenant, within one day: as many buckets as have `eventsMax` events together, or all that is left
 * of the day. Where the rest of the day is empty it ends with the day, whose longer buckets are then complete; whole days
 * without events are skipped.
 */
async function nextStep(
  client: pg.ClientBase,
  { tenantId, throughMs, targetMs }: TenantTarget,
  eventsMax: number,
): Promise<{ tenantId: number; fromMs: number; beforeMs: number }> {
  let fromMs = throughMs
  if (fromMs === undefined || fromMs % DAY_MS === 0) {
    const first = await firstBucketMs(client, tenantId, fromMs, targetMs)
    if (first === undefined) return { tenantId, fromMs: fromMs ?? targetMs, beforeMs: targetMs }
    fromMs = Math.floor(first / DAY_MS) * DAY_MS
  }
  const endMs = Math.min(Math.floor(fromMs / DAY_MS) * DAY_MS + DAY_MS, targetMs)
  const { rows } = await client.query<{ ms: number; count: number }>(
    `SELECT (extract(epoch FROM r.bucket) * 1000)::float8 AS ms, sum(r.count)::float8 AS count
       FROM series s JOIN rollup_15m r ON r.tenant_id = s.tenant_id AND r.series_id = s.series_id
      WHERE s.tenant_id = ${tenantId} AND r.bucket >= ${timeSql(fromMs)} AND r.bucket < ${timeSql(endMs)}
      GROUP BY r.bucket ORDER BY r.bucket`,
  )
  let events = 0
  for (const { ms, count } of rows) {
    events += count
    if (events > eventsMax && ms > fromMs) return { tenantId, fromMs, beforeMs: ms }
    if (events > eventsMax) return { tenantId, fromMs, beforeMs: ms + BUCKET_15M_MS }
  }
  return { tenantId, fromMs, beforeMs: endMs }
}

/** A look-up for each series. */
async function firstBucketMs(
  client: pg.ClientBase,
  tenantId: number,
  fromMs: number | undefined,
  beforeMs: number,
): Promise<number | undefined> {
  const from = fromMs === undefined ? "'-infinity'" : timeSql(fromMs)
  const { rows } = await client.query<{ ms: number | null }>(
    `SELECT (extract(epoch FROM min(f.bucket)) * 1000)::float8 AS ms
       FROM series s CROSS JOIN LATERAL (
         SELECT r.bucket FROM rollup_15m r
          WHERE r.tenant_id = s.tenant_id AND r.series_id = s.series_id AND r.bucket >= ${from} AND r.bucket < ${timeSql(beforeMs)}
          ORDER BY r.bucket LIMIT 1) f
      WHERE s.tenant_id = ${tenantId}`,
  )
  return rows[0]?.ms ?? undefined
}
