import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { LIMITS } from '../../contract/limits.ts'
import { TODAY_SQL } from './event-retention.ts'
import { LOCKS } from './locks.ts'

export const DAY_MS = 86_400_000

/** How long one partition is. Partitions are numbered from 1970-01-01, UTC. */
export interface PartitionUnit {
  /** Of a time in milliseconds since 1970. */
  numberOf(ms: number): number
  /** Its first day, as `YYYY-MM-DD`. */
  startOf(number: number): string
  /** What its table's name ends with. */
  suffixOf(number: number): string
  /** How many are created ahead of the current one. */
  ahead: number
}

export const DAYS: PartitionUnit = {
  numberOf: (ms) => Math.floor(ms / DAY_MS),
  startOf: (day) => new Date(day * DAY_MS).toISOString().slice(0, 10),
  suffixOf: (day) => DAYS.startOf(day).replaceAll('-', ''),
  ahead: LIMITS.partitionDaysAhead,
}

export const MONTHS: PartitionUnit = {
  numberOf(ms) {
    const date = new Date(ms)
    return (date.getUTCFullYear() - 1970) * 12 + date.getUTCMonth()
  },
  startOf: (month) => new Date(Date.UTC(1970, month)).toISOString().slice(0, 10),
  suffixOf: (month) => MONTHS.startOf(month).slice(0, 7).replace('-', ''),
  ahead: 1,
}

/**
 * The partitions of a table by time: created ahead, created on demand, dropped when expired. All of it under one
 * advisory lock, so that processes never race. A table that once had no partitions keeps its former rows in a first one,
 * `…_<first day after it>_earlier`, which takes every earlier time too.
 */
export interface Partitions {
  /** Creates the one before, the current one and the coming ones, by Postgres' clock. */
  createAhead(): Promise<string[]>
  /** Resolves when each of these has its partition. What was seen is not looked up again. */
  ensure(numbers: Iterable<number>): Promise<void>
  /** Looks up all again: another process may have dropped one. */
  forget(): void
  /**
   * Drops those that `mayDrop` agrees to, oldest first, each in a transaction of its own that `mayDrop` is part of.
   * Nobody waits for it longer than a quarter of a second: it gives way to long queries and tries again a few times.
   * @throws AggregateError with the error of each that could not be dropped; the others were
   */
  drop(mayDrop: MayDrop): Promise<string[]>
}

/** @param current by Postgres' clock */
export type MayDrop = (
  number: number,
  current: number,
  client: pg.PoolClient,
) => boolean | Promise<boolean>

export interface PartitionsDeps {
  pool: pg.Pool
  table: string
  unit: PartitionUnit
  /** Storage parameters of each partition, as in `WITH (…)`. */
  storage?: string
  /** With their columns in the order of `compactColumns`, whatever that of the table is. */
  isCompact?: boolean
}

/** What a table has: partitions of their own, from `first` on, and everything before it in one. */
interface Existing {
  numbers: Set<number>
  first: number
}

export function createPartitions(deps: PartitionsDeps): Partitions {
  const { pool, table, unit } = deps
  let known: Existing = { numbers: new Set(), first: Number.NEGATIVE_INFINITY }

  const isMissing = (number: number, { numbers, first }: Existing) =>
    number >= first && !numbers.has(number)

  /** Without the lock: where nothing is missing, nobody has to wait for it. */
  async function createMissing(numbers: readonly number[]): Promise<string[]> {
    const existing = await findExisting(pool, table, unit)
    if (numbers.some((number) => isMissing(number, existing))) return create(numbers)
    known = existing
    return []
  }

  async function create(numbers: readonly number[]): Promise<string[]> {
    const { existing, missing } = await withPartitionLock(pool, async (client) => {
      const existing = await findExisting(client, table, unit)
      const missing = numbers.filter((number) => isMissing(number, existing))
      for (const number of missing) await createPartition(client, deps, number)
      return { existing, missing }
    })
    // Only now: one whose commit failed is not there.
    known = { ...existing, numbers: new Set([...existing.numbers, ...missing]) }
    return missing.map((number) => tableOf(deps, number))
  }

  return {
    async createAhead() {
      const current = unit.numberOf((await readToday(pool)) * DAY_MS)
      return createMissing(Array.from({ length: unit.ahead + 2 }, (_, i) => current - 1 + i))
    },
    async ensure(numbers) {
      const missing = [...new Set(numbers)].filter((number) => isMissing(number, known))
      if (missing.length > 0) await createMissing(missing)
    },
    forget() {
      known = { ...known, numbers: new Set() }
    },
    async drop(mayDrop) {
      const dropped: string[] = []
      const errors: unknown[] = []
      const { numbers } = await findExisting(pool, table, unit)
      for (const number of [...numbers].sort((a, b) => a - b))
        try {
          if (!(await dropPatiently(deps, number, mayDrop))) continue
          known.numbers.delete(number)
          dropped.push(tableOf(deps, number))
        } catch (error) {
          errors.push(error)
        }
      if (errors.length > 0)
        throw new AggregateError(
          errors,
          `${errors.length} expired partitions of ${table} could not be dropped: ${errors[0]}`,
        )
      return dropped
    },
  }
}

function tableOf({ table, unit }: Pick<PartitionsDeps, 'table' | 'unit'>, number: number): string {
  return `${table}_${unit.suffixOf(number)}`
}

/** Created as a table of its own and attached: writers to others go on meanwhile. */
async function createPartition(client: pg.PoolClient, deps: PartitionsDeps, number: number) {
  const { table, unit, storage, isCompact } = deps
  const name = tableOf(deps, number)
  const columns = isCompact
    ? await compactColumns(client, table)
    : `LIKE ${table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE`
  await client.query(`CREATE TABLE ${name} (${columns}) ${storage ? `WITH (${storage})` : ''}`)
  await client.query(
    `ALTER TABLE ${table} ATTACH PARTITION ${name} FOR VALUES ${boundsOf(unit, number)}`,
  )
}

/**
 * Columns of eight bytes first, then of four, sixteen and two, then texts: none leaves a gap before the next one. A
 * partition may have another order than its table, so older ones stay as they are.
 * @returns with the defaults and the CHECK constraints of the table, as they stand between the brackets of CREATE TABLE
 */
async function compactColumns(client: pg.PoolClient, table: string): Promise<string> {
  const { rows } = await client.query<{ columns: string }>(
    `SELECT concat_ws(', ', string_agg(format('%I %s', attname, format_type(atttypid, atttypmod))
                       || coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '')
                       || CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END, ', '
                       ORDER BY array_position('{8,4,16,2,-1}', attlen::int), NOT attnotnull, attnum),
                     (SELECT string_agg(format('CONSTRAINT %I %s', conname, pg_get_constraintdef(oid)), ', ')
                        FROM pg_constraint WHERE conrelid = $1::regclass AND contype = 'c')) AS columns
       FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
      WHERE a.attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped`,
    [table],
  )
  return rows[0]?.columns as string
}

/** In UTC, whatever the session's time zone is. */
export function boundsOf(unit: PartitionUnit, number: number): string {
  return `FROM ('${unit.startOf(number)} 00:00+00') TO ('${unit.startOf(number + 1)} 00:00+00')`
}

export async function findExisting(
  client: Pick<pg.ClientBase, 'query'>,
  table: string,
  unit: PartitionUnit,
): Promise<Existing> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
      WHERE i.inhparent = $1::regclass`,
    [table],
  )
  const existing: Existing = { numbers: new Set(), first: Number.NEGATIVE_INFINITY }
  for (const { name } of rows) {
    const [, year, month, day = '01', earlier] =
      /_(\d{4})(\d\d)(\d\d)?(_earlier)?$/.exec(name) ?? []
    if (year === undefined) continue
    const number = unit.numberOf(Date.UTC(Number(year), Number(month) - 1, Number(day)))
    if (earlier) existing.first = number
    else existing.numbers.add(number)
  }
  return existing
}

/** Every statement that comes after a DROP that waits for its lock waits behind it. */
const DROP_LOCK_MS_MAX = 250
const DROP_ATTEMPTS = 5
const DROP_RETRY_MS = 1_000
const LOCK_NOT_AVAILABLE = '55P03'

/** @returns whether it was dropped now, and not by another process or not at all */
async function dropPatiently(
  deps: PartitionsDeps,
  number: number,
  mayDrop: MayDrop,
): Promise<boolean> {
  for (let attempt = 1; ; attempt++)
    try {
      return await withPartitionLock(
        deps.pool,
        (client) => dropOne(client, deps, number, mayDrop),
        DROP_RETRY_MS,
      )
    } catch (error) {
      if ((error as { code?: unknown }).code !== LOCK_NOT_AVAILABLE || attempt === DROP_ATTEMPTS)
        throw error
      await sleep(DROP_RETRY_MS)
    }
}

async function dropOne(
  client: pg.PoolClient,
  deps: PartitionsDeps,
  number: number,
  mayDrop: MayDrop,
): Promise<boolean> {
  const { table, unit } = deps
  const { numbers } = await findExisting(client, table, unit)
  const current = unit.numberOf((await readToday(client)) * DAY_MS)
  if (!numbers.has(number) || !(await mayDrop(number, current, client))) return false
  await client.query(`SET LOCAL lock_timeout = ${DROP_LOCK_MS_MAX}`)
  await client.query(`DROP TABLE ${tableOf(deps, number)}`)
  return true
}

/** Today by Postgres' clock, in days since 1970-01-01, UTC: the clock of a machine may be wrong by days. */
export async function readToday(client: Pick<pg.ClientBase, 'query'>): Promise<number> {
  const { rows } = await client.query<{ today: number }>(`SELECT ${TODAY_SQL} AS today`)
  return rows[0]?.today as number
}

/** Longer than any holder's idle_in_transaction_session_timeout: one that is frozen is disconnected by then. */
const LOCK_MS_MAX = 6_000

async function withPartitionLock<T>(
  pool: pg.Pool,
  work: (client: pg.PoolClient) => Promise<T>,
  lockMsMax = LOCK_MS_MAX,
): Promise<T> {
  const client = await pool.connect()
  let broken: Error | undefined
  try {
    await client.query(
      `BEGIN; SET LOCAL lock_timeout = ${lockMsMax}; SELECT pg_advisory_xact_lock(${LOCKS.partitions.key})`,
    )
    const result = await work(client)
    await client.query('COMMIT')
    return result
  } catch (error) {
    broken = error as Error
    throw error
  } finally {
    // A client that failed is discarded with its transaction.
    client.release(broken)
  }
}
