import pg from 'pg'
import { readRetention } from '../../db/event-retention.ts'
import { DAYS } from '../../db/partitions.ts'
import type { Log } from '../../log/log.ts'
import { checkDuplicates } from './checks/duplicates.ts'
import { checkLogRecords } from './checks/log-records.ts'
import { checkLongRollups } from './checks/long-rollups.ts'
import { checkMetrics } from './checks/metrics.ts'
import { checkOutcomes, checkTotals } from './checks/outcomes.ts'
import { checkPositions } from './checks/positions.ts'
import { checkRollups } from './checks/rollups.ts'
import { checkSketches } from './checks/sketches.ts'
import { checkUnaccounted } from './checks/unaccounted.ts'
import { type Difference, EVENT_KINDS, type PartResult, type VerifyReport } from './difference.ts'
import {
  beginSnapshot,
  type Check,
  type Part,
  type VerifyContext,
  type VerifyRange,
} from './part.ts'
import { createRun, type VerifyRun } from './run-record.ts'

/**
 * Recounts what is stored from single events and from the log, and lists what differs. Cut into parts, by day and
 * tenant, of which some run at a time; each reads one snapshot of its own, so that ingest beside it makes no difference.
 * Nothing is changed.
 */
export interface VerifyOptions extends Partial<VerifyRange> {
  databaseUrl: string
  /** Connections to use; a pool of its own unless given. */
  pool?: VerifyPool
  /** Without it nothing is compared with the log. */
  log?: Log
  /** Parts that run at a time. */
  concurrency?: number
  statementMsMax?: number
  /** Go on with the last run of the same range that was stopped. */
  resume?: boolean
  signal?: AbortSignal
  onProgress?: (done: number, all: number, part: string) => void
}

/** Of a pool what a verification uses. */
export type VerifyPool = Pick<pg.Pool, 'connect' | 'query' | 'end'>

/** A check each; what is derived from others comes after them. Of another derived table, its check belongs here. */
const CHECKS: Record<string, Check> = {
  log: checkLogRecords,
  rollups: checkRollups,
  outcomes: checkOutcomes,
  metrics: checkMetrics,
  longRollups: checkLongRollups,
  sketches: checkSketches,
  duplicates: checkDuplicates,
  positions: checkPositions,
  totals: checkTotals,
  balance: checkUnaccounted,
}

const STATEMENT_MS_MAX = 120_000
const QUERY_MS_MORE = 20_000
const CONCURRENCY = 2
const DIFFERENCES_MAX = 1_000
const STATEMENT_TIMEOUT = '57014'

export async function verify(options: VerifyOptions): Promise<VerifyReport> {
  const { concurrency = CONCURRENCY, signal = new AbortController().signal, onProgress } = options
  const pool = options.pool ?? createVerifyPool(options, concurrency)
  try {
    const context = await readContext(pool, options, signal)
    const run = await createRun(pool, context, options.resume === true)
    const queue = (await inSnapshot(pool, context, (client) => listParts(context, client))).map(
      ([check, part]) => ({ check, part }),
    )
    const results: { check: string; result: PartResult }[] = []
    let [done, all] = [0, queue.length]
    const work = async () => {
      for (let next = queue.shift(); next; next = queue.shift()) {
        signal.throwIfAborted()
        const { check, part } = next
        const outcome = await runPart(pool, context, run, part)
        if (Array.isArray(outcome)) {
          all += outcome.length - 1
          queue.unshift(...outcome.map((smaller) => ({ check, part: smaller })))
          continue
        }
        results.push({ check, result: outcome })
        onProgress?.(++done, all, part.name)
      }
    }
    await settleAll(Array.from({ length: concurrency }, work), queue)
    const report = summarise(results)
    await run.finish(report)
    return report
  } finally {
    if (!options.pool) await pool.end()
  }
}

/** Waits for all, also where one fails: then the others take no further part. */
async function settleAll(workers: Promise<void>[], queue: unknown[]): Promise<void> {
  for (const worker of workers)
    worker.catch(() => {
      queue.length = 0
    })
  const failed = (await Promise.allSettled(workers)).find(({ status }) => status === 'rejected')
  if (failed) throw (failed as PromiseRejectedResult).reason
}

export function createVerifyPool(
  {
    databaseUrl,
    statementMsMax = STATEMENT_MS_MAX,
  }: Pick<VerifyOptions, 'databaseUrl' | 'statementMsMax'>,
  concurrency: number,
): pg.Pool {
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    application_name: 'sluice verify',
    max: concurrency + 1,
    connectionTimeoutMillis: 5_000,
    options: '-c timezone=UTC',
    keepAlive: true,
    // Postgres ends a statement before; this is for a server that is gone.
    query_timeout: statementMsMax + QUERY_MS_MORE,
  })
  pool.on('error', () => {})
  pool.on('connect', (client) => client.on('error', () => {}))
  return pool
}

async function readContext(
  pool: VerifyPool,
  options: VerifyOptions,
  signal: AbortSignal,
): Promise<VerifyContext> {
  const { droppedThrough } = await readRetention((text, values) => pool.query(text, values))
  const { rows } = await pool.query<{ name: string; bytes: string }>(
    `SELECT c.relname AS name, pg_relation_size(c.oid) AS bytes FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
      WHERE i.inhparent = 'event'::regclass AND pg_relation_size(c.oid) > 0`,
  )
  const bytes = rows.reduce((sum, row) => sum + Number(row.bytes), 0)
  return {
    fromMs: options.fromMs ?? Number.NEGATIVE_INFINITY,
    toMs: options.toMs ?? Number.POSITIVE_INFINITY,
    ...(options.tenantId !== undefined && { tenantId: options.tenantId }),
    days: rows.map(({ name }) => dayOf(name)).sort((a, b) => a - b),
    isSmall: bytes <= SMALL_BYTES_MAX,
    ...{ droppedThrough, log: options.log, signal },
    statementMsMax: options.statementMsMax ?? STATEMENT_MS_MAX,
  }
}

/** About twenty million events: one statement counts them faster than one for each day. */
const SMALL_BYTES_MAX = 6e9

/** Of `event_20261130`. */
function dayOf(table: string): number {
  const [, year, month, day] = /_(\d{4})(\d\d)(\d\d)$/.exec(table) ?? []
  return DAYS.numberOf(Date.UTC(Number(year), Number(month) - 1, Number(day)))
}

async function listParts(context: VerifyContext, client: pg.ClientBase): Promise<[string, Part][]> {
  const parts: [string, Part][] = []
  for (const [name, check] of Object.entries(CHECKS))
    parts.push(...(await check(context, client)).map((part): [string, Part] => [name, part]))
  return parts
}

/** @returns its result, or smaller parts where a statement of it took too long */
async function runPart(
  pool: VerifyPool,
  context: VerifyContext,
  run: VerifyRun,
  part: Part,
): Promise<PartResult | Part[]> {
  const known = run.done.get(part.name)
  if (known) return known
  try {
    const result = await inSnapshot(pool, context, async (client) => {
      const { droppedThrough } = await readRetention((text, values) => client.query(text, values))
      return part.run(client, droppedThrough)
    })
    await run.save(part.name, result)
    return result
  } catch (error) {
    const smaller =
      (error as { code?: unknown }).code === STATEMENT_TIMEOUT ? part.split?.() : undefined
    if (smaller) return smaller
    throw new Error(`${part.name}: ${(error as Error).message}`, { cause: error })
  }
}

/** Runs `work` in a snapshot of its own, in which no day of events is dropped. */
export async function inSnapshot<T>(
  pool: VerifyPool,
  context: Pick<VerifyContext, 'statementMsMax'>,
  work: (client: pg.ClientBase) => Promise<T>,
): Promise<T> {
  const client = await pool.connect()
  let broken: Error | undefined
  try {
    await client.query(beginSnapshot(context))
    const result = await work(client)
    await client.query('COMMIT')
    return result
  } catch (error) {
    broken = error as Error
    throw error
  } finally {
    client.release(broken)
  }
}

function summarise(results: readonly { check: string; result: PartResult }[]): VerifyReport {
  const checked: Record<string, number> = {}
  const notChecked = new Set<string>()
  const all: Difference[] = []
  let more = 0
  const isOfEvents = ({ kind }: Difference) => EVENT_KINDS.has(kind)
  const isUnlisted = results.some(
    ({ result }) => result.more > 0 && result.differences.some(isOfEvents),
  )
  for (const { check, result } of results) {
    checked[check] = (checked[check] ?? 0) + result.checked
    if (result.notChecked) notChecked.add(result.notChecked)
    all.push(...result.differences)
    more += result.more
  }
  const inDoubt = new Set(all.filter(isOfEvents).map(({ tenant }) => tenant))
  all.sort((a, b) => a.tenant - b.tenant || (a.bucket ?? '').localeCompare(b.bucket ?? ''))
  const differences = all.slice(0, DIFFERENCES_MAX)
  const moreDifferences = more + all.length - differences.length
  return {
    clean: all.length + more === 0 && notChecked.size === 0,
    ...{ checked, differences, moreDifferences, notChecked: [...notChecked] },
    tenantsInDoubt: isUnlisted ? 'all' : [...inDoubt],
  }
}
