import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { TOPICS } from '../../contract/log/topics.ts'
import type { Partitions } from '../db/partitions.ts'
import { partitionsOf } from '../db/tables/partitioned-tables.ts'
import type { Logger } from '../lib/logger.ts'
import { pause } from '../lib/pause.ts'
import { type Log, OffsetOutOfRangeError } from '../log/log.ts'
import { createBalanceCheck } from './check-balance.ts'
import { CountedMeanwhileError, toRuns, writeCounts } from './count-batch.ts'
import { holdCountLease, releaseCountLease } from './count-lease.ts'
import { readCountPositions, skipToHeld } from './count-positions.ts'
import { createCountDecoder } from './decode-counted.ts'
import type { ExecuteQuery } from './execute-query.ts'
import { foldCounts } from './fold-counts.ts'

/**
 * The double entry: reads the log a second time, apart from the workers, and counts its records by tenant, minute of
 * receipt and partition. What the workers do with them must add up to the same (balance.ts). One process of all
 * workers' does it, by a lease; whatever fails, it begins again from its positions.
 *
 *   hold the lease ▶ read positions ▶ for each batch: decode ▶ position and runs in one transaction ▶ …
 *                     every few seconds: add up what the workers have applied ▶ compare with the outcomes
 */
export interface LogCounter {
  /** Ends when `signal` aborts. */
  run(signal: AbortSignal): Promise<void>
}

export interface LogCounterDeps {
  databaseUrl: string
  log: Log
  logger: Logger
  /** How often batches are added up and compared; every ten seconds unless set. */
  checkMs?: number
  /** Records that a partition may be counted ahead of its worker; 500,000 unless set. */
  aheadMax?: number
}

/** Few large batches: nobody waits for a count. */
const READ = { minIntervalMs: 1_000, maxRecords: 20_000 }
const RENEW_MS = 2_000
const RETRY_MS = 2_000
const CHECK_MS = 10_000
const STATEMENT_MS_MAX = 15_000
/**
 * How far the count of a partition may be ahead of its worker, in records: while one is paused, counts would pile up. It
 * is left out until it is ahead by half of that, the others are counted.
 */
const AHEAD_MAX = 500_000
/** After this time a partition that was left out is looked at again. */
const LEFT_OUT_MS = 30_000

export function createLogCounter(deps: LogCounterDeps): LogCounter {
  const holder = randomUUID()
  return {
    async run(signal) {
      const pool = createCountPool(deps.databaseUrl)
      const execute: ExecuteQuery = (sql, values) => pool.query(sql, values)
      try {
        while (!signal.aborted) {
          await countWhileHeld(deps, pool, holder, signal).catch((error) => {
            if (signal.aborted || error instanceof CountedMeanwhileError) return
            deps.logger.warn({ error: String(error) }, 'counting the log failed, retrying in 2 s')
          })
          await pause(RETRY_MS, signal)
        }
        // Where Postgres is away, the lease expires by itself.
        await releaseCountLease(execute, holder).catch(() => {})
      } finally {
        await pool.end()
      }
    },
  }
}

function createCountPool(connectionString: string): pg.Pool {
  const pool = new pg.Pool({
    connectionString,
    application_name: 'sluice log counter',
    // One writes counts, one adds them up, one creates days under a lock, one renews the lease.
    max: 5,
    connectionTimeoutMillis: 5_000,
    statement_timeout: STATEMENT_MS_MAX,
    query_timeout: STATEMENT_MS_MAX + 5_000,
    idle_in_transaction_session_timeout: STATEMENT_MS_MAX,
    options: '-c timezone=UTC',
  })
  pool.on('error', () => {})
  pool.on('connect', (client) => client.on('error', () => {}))
  return pool
}

/** Until the lease is another one's, something fails, or `signal` aborts. */
async function countWhileHeld(
  deps: LogCounterDeps,
  pool: pg.Pool,
  holder: string,
  signal: AbortSignal,
): Promise<void> {
  const execute: ExecuteQuery = (sql, values) => pool.query(sql, values)
  if (!(await holdCountLease(execute, holder))) return
  const ended = new AbortController()
  const either = AbortSignal.any([signal, ended.signal])
  const counted = createSignal(either)
  const renewing = renew(execute, holder, ended, either)
  const checking = checkRegularly(deps, pool, counted.wait, either).catch((error) => {
    ended.abort()
    throw error
  })
  // It is awaited at the end; until then its rejection counts as handled.
  checking.catch(() => {})
  try {
    await readLog(deps, pool, counted.send, either)
  } finally {
    ended.abort()
    await Promise.all([renewing, checking])
  }
}

async function renew(
  execute: ExecuteQuery,
  holder: string,
  ended: AbortController,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    await pause(RENEW_MS, signal)
    if (signal.aborted) return
    const isHeld = await holdCountLease(execute, holder).catch(() => false)
    if (!isHeld) ended.abort()
  }
}

async function readLog(
  deps: LogCounterDeps,
  pool: pg.Pool,
  onCounted: () => void,
  signal: AbortSignal,
): Promise<void> {
  const execute: ExecuteQuery = (sql, values) => pool.query(sql, values)
  const positions = await readCountPositions(execute, deps.log)
  // Before a worker has read the log, or while it is another one: nobody applies anything.
  if (positions === undefined) return
  const { logIdentity, nowMs } = positions
  const { aheadMax = AHEAD_MAX } = deps
  const before = await readAhead(execute)
  const from = new Map(
    [...positions.from].filter(([partition]) => (before.get(partition) ?? 0) <= aheadMax / 2),
  )
  const isPartial = from.size < positions.from.size
  if (from.size === 0) return await pause(LEFT_OUT_MS, signal)
  const decode = createCountDecoder(nowMs)
  const tenants = createTenantNames(execute)
  const client = await pool.connect()
  let broken: Error | undefined
  try {
    const batches = deps.log.batches(TOPICS.raw.name, {
      ...{ from, identity: logIdentity, ...READ },
      signal: isPartial ? AbortSignal.any([signal, AbortSignal.timeout(LEFT_OUT_MS)]) : signal,
    })
    for await (const batch of batches) {
      const decoded = batch.partitions.map((run) => ({ run, records: run.records.map(decode) }))
      await tenants.learn(decoded.flatMap(({ records }) => records.map(({ tenant }) => tenant)))
      const runs = decoded.flatMap(({ run, records }) => toRuns(run, records, tenants.idOf))
      await writeCounts(client, batch, runs, logIdentity)
      onCounted()
      const ahead = await readAhead(execute)
      // Counting begins again without it.
      if (batch.partitions.some(({ partition }) => (ahead.get(partition) ?? 0) > aheadMax)) return
    }
  } catch (error) {
    broken = error as Error
    if (!(error instanceof OffsetOutOfRangeError) || !(await skipToHeld(execute, error)))
      throw error
    deps.logger.warn(
      { partition: error.partition, expected: error.expected, available: error.available },
      'records were dropped from the log before they were counted; the balance begins again behind them',
    )
  } finally {
    client.release(broken)
  }
}

/** How far the count of each partition is ahead of its worker, in records. */
async function readAhead(execute: ExecuteQuery): Promise<Map<number, number>> {
  const { rows } = await execute(
    `SELECT c.partition, (c.next_offset - p.next_offset)::float8 AS ahead
       FROM log_count_position c JOIN log_position p ON p.topic = $1 AND p.partition = c.partition`,
    [TOPICS.raw.name],
  )
  return new Map(rows.map(({ partition, ahead }) => [partition as number, ahead as number]))
}

async function checkRegularly(
  { logger, checkMs = CHECK_MS }: LogCounterDeps,
  pool: pg.Pool,
  untilCounted: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const days = partitionsOf(pool, 'log_count_minute')
  const check = createBalanceCheck(pool, logger, untilCounted)
  while (!signal.aborted) {
    await foldAll(pool, days, signal)
    await check.run()
    await pause(checkMs, signal)
  }
}

async function foldAll(pool: pg.Pool, days: Partitions, signal: AbortSignal): Promise<void> {
  for (let folded = 1; folded > 0 && !signal.aborted; ) {
    const client = await pool.connect()
    let broken: Error | undefined
    try {
      folded = await foldCounts(client, days)
    } catch (error) {
      broken = error as Error
      throw error
    } finally {
      client.release(broken)
    }
  }
}

const SIGNAL_MS_MAX = 1_000

/** `wait` resolves at the next `send`, or after a second. */
function createSignal(ended: AbortSignal) {
  let sent = new AbortController()
  return {
    send() {
      sent.abort()
      sent = new AbortController()
    },
    wait: () => pause(SIGNAL_MS_MAX, AbortSignal.any([ended, sent.signal])),
  }
}

const TENANTS_KNOWN_MAX = 100_000

/** Ids of tenants by their names. A name that nobody has is looked up again in the next batch. */
function createTenantNames(execute: ExecuteQuery) {
  const ids = new Map<string, number>()
  return {
    async learn(names: readonly (string | undefined)[]): Promise<void> {
      if (ids.size > TENANTS_KNOWN_MAX) ids.clear()
      const unknown = new Set<string>()
      for (const name of names) if (name !== undefined && !ids.has(name)) unknown.add(name)
      if (unknown.size === 0) return
      const { rows } = await execute('SELECT tenant_id, slug FROM tenant WHERE slug = ANY ($1)', [
        // A slug has no character that Postgres would refuse.
        [...unknown].filter((name) => /^[a-z0-9-]{1,63}$/.test(name)),
      ])
      for (const { slug, tenant_id } of rows) ids.set(slug as string, tenant_id as number)
    },
    idOf: (name: string) => ids.get(name),
  }
}
