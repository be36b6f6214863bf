import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { LIMITS } from '../../contract/limits.ts'
import { TODAY_SQL } from './event-retention.ts'
import { LOCKS } from './locks.ts'

export const DAY_MS = 86_400_000

/**
 * The day partitions of a table: created ahead, created on demand, dropped when expired.
 * All of it under one advisory lock, so that processes never race. Days count from 1970-01-01, UTC.
 */
export interface DayPartitions {
  /** Creates yesterday's, today's and the coming days' partitions, by Postgres' clock. */
  createAhead(): Promise<string[]>
  /** Resolves when each of these days has its partition. Days that it has seen are not looked up again. */
  ensure(days: readonly number[]): Promise<void>
  /** Looks up all days again: another process may have dropped one. */
  forget(): void
  /**
   * Drops the days that `mayDrop` agrees to, oldest first, each in a transaction of its own that `mayDrop` is part of.
   * Nobody waits for it longer than a quarter of a second: it gives way to long queries and tries again a few times.
   * @throws AggregateError with the error of each day that could not be dropped; the others were
   */
  drop(mayDrop: MayDrop): Promise<string[]>
}

/** @param today by Postgres' clock, as `day` in days since 1970-01-01 */
export type MayDrop = (
  day: number,
  today: number,
  client: pg.PoolClient,
) => boolean | Promise<boolean>

export interface DayPartitionsDeps {
  pool: pg.Pool
  table: string
  /** Storage parameters of each day's table, as in `WITH (…)`. */
  storage?: string
}

/** Whoever comes after a DROP that waits for its lock waits behind it. */
const DROP_LOCK_MS_MAX = 250
const DROP_ATTEMPTS = 5
const DROP_RETRY_MS = 1_000
const LOCK_NOT_AVAILABLE = '55P03'

export function createDayPartitions(deps: DayPartitionsDeps): DayPartitions {
  const { pool, table, storage } = deps
  let known = new Set<number>()

  /** Without the lock: where nothing is missing, nobody has to wait for it. */
  async function createMissing(days: readonly number[]): Promise<string[]> {
    const existing = await existingDays(pool, table)
    if (days.some((day) => !existing.has(day))) return create(days)
    known = existing
    return []
  }

  async function create(days: readonly number[]): Promise<string[]> {
    const { existing, missing } = await withLock(pool, async (client) => {
      const existing = await existingDays(client, table)
      const missing = days.filter((day) => !existing.has(day))
      for (const day of missing) await createDayPartition(client, table, day, storage)
      return { existing, missing }
    })
    // Only now: a day whose commit failed is not there.
    known = new Set([...existing, ...missing])
    return missing.map((day) => dayTable(table, day))
  }

  return {
    async createAhead() {
      const today = await readToday(pool)
      return createMissing(
        Array.from({ length: LIMITS.partitionDaysAhead + 2 }, (_, i) => today - 1 + i),
      )
    },
    async ensure(days) {
      const missing = [...new Set(days)].filter((day) => !known.has(day))
      if (missing.length > 0) await createMissing(missing)
    },
    forget() {
      known = new Set()
    },
    async drop(mayDrop) {
      const dropped: string[] = []
      const errors: unknown[] = []
      for (const day of [...(await existingDays(pool, table))].sort((a, b) => a - b))
        try {
          if (!(await dropPatiently(pool, table, day, mayDrop))) continue
          known.delete(day)
          dropped.push(dayTable(table, day))
        } catch (error) {
          errors.push(error)
        }
      if (errors.length > 0)
        throw new AggregateError(
          errors,
          `${errors.length} expired days of ${table} could not be dropped: ${errors[0]}`,
        )
      return dropped
    },
  }
}

/** @returns whether it was dropped now, and not by another process or not at all */
async function dropPatiently(
  pool: pg.Pool,
  table: string,
  day: number,
  mayDrop: MayDrop,
): Promise<boolean> {
  for (let attempt = 1; ; attempt++)
    try {
      return await withLock(pool, (client) => dropDay(client, table, day, mayDrop), DROP_RETRY_MS)
    } catch (error) {
      if ((error as { code?: unknown }).code !== LOCK_NOT_AVAILABLE || attempt === DROP_ATTEMPTS)
        throw error
      await sleep(DROP_RETRY_MS)
    }
}

async function dropDay(
  client: pg.PoolClient,
  table: string,
  day: number,
  mayDrop: MayDrop,
): Promise<boolean> {
  const existing = await existingDays(client, table)
  if (!existing.has(day) || !(await mayDrop(day, await readToday(client), client))) return false
  await client.query(`SET LOCAL lock_timeout = ${DROP_LOCK_MS_MAX}`)
  await client.query(`DROP TABLE ${dayTable(table, day)}`)
  return true
}

/** Today by Postgres' clock, in days since 1970-01-01, UTC: the clock of a machine may be wrong by days. */
export async function readToday(client: Pick<pg.ClientBase, 'query'>): Promise<number> {
  const { rows } = await client.query<{ today: number }>(`SELECT ${TODAY_SQL} AS today`)
  return rows[0]?.today as number
}

export function dayTable(table: string, day: number): string {
  return `${table}_${isoDay(day).replaceAll('-', '')}`
}

export function isoDay(day: number): string {
  return new Date(day * DAY_MS).toISOString().slice(0, 10)
}

/** Created as a table of its own and attached: writers to other days go on meanwhile. */
async function createDayPartition(
  client: pg.PoolClient,
  table: string,
  day: number,
  storage?: string,
) {
  const name = dayTable(table, day)
  await client.query(
    `CREATE TABLE ${name} (LIKE ${table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE) ${storage ? `WITH (${storage})` : ''}`,
  )
  await client.query(
    `ALTER TABLE ${table} ATTACH PARTITION ${name} FOR VALUES FROM ('${isoDay(day)}') TO ('${isoDay(day + 1)}')`,
  )
}

export async function existingDays(
  client: Pick<pg.ClientBase, 'query'>,
  table: string,
): Promise<Set<number>> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
      WHERE i.inhparent = $1::regclass`,
    [table],
  )
  return new Set(rows.map(({ name }) => dayOf(name)))
}

function dayOf(name: string): number {
  const [, year, month, day] = /_(\d{4})(\d\d)(\d\d)$/.exec(name) ?? []
  return Date.UTC(Number(year), Number(month) - 1, Number(day)) / DAY_MS
}

/** Longer than any holder's idle_in_transaction_session_timeout: one that is frozen is disconnected by then. */
const LOCK_MS_MAX = 6_000

async function withLock<T>(
  pool: pg.Pool,
  work: (client: pg.PoolClient) => Promise<T>,
  lockMsMax = LOCK_MS_MAX,
): Promise<T> {
  const client = await pool.connect()
  let broken: Error | undefined
  try {
    await client.query(
      `BEGIN; SET LOCAL lock_timeout = ${lockMsMax}; SELECT pg_advisory_xact_lock(${LOCKS.dayPartitions.key})`,
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
