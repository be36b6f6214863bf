import type pg from 'pg'
import { LIMITS } from '../../contract/limits.ts'
import { LOCKS } from './locks.ts'

export const DAY_MS = 86_400_000

/**
 * The day partitions of a table: created ahead, created on demand, dropped when expired.
 * All of it under one advisory lock, so that processes never race. Days count from 1970-01-01, UTC.
 */
export interface DayPartitions {
  /** Creates yesterday's, today's and the coming days' partitions. */
  createAhead(): Promise<string[]>
  /** Resolves when each of these days has its partition. Days that it has seen are not looked up again. */
  ensure(days: readonly number[]): Promise<void>
  /** Looks up all days again: another process may have dropped one. */
  forget(): void
  /** Drops the days that `mayDrop` agrees to, oldest first. */
  drop(
    mayDrop: (day: number, client: pg.PoolClient) => boolean | Promise<boolean>,
  ): Promise<string[]>
}

export interface DayPartitionsDeps {
  pool: pg.Pool
  table: string
  /** Storage parameters of each day's table, as in `WITH (…)`. */
  storage?: string
  now?: () => number
}

export function createDayPartitions(deps: DayPartitionsDeps): DayPartitions {
  const { pool, table, storage, now = Date.now } = deps
  let known = new Set<number>()

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
      const today = Math.floor(now() / DAY_MS)
      return create(Array.from({ length: LIMITS.partitionDaysAhead + 2 }, (_, i) => today - 1 + i))
    },
    async ensure(days) {
      const missing = [...new Set(days)].filter((day) => !known.has(day))
      if (missing.length > 0) await create(missing)
    },
    forget() {
      known = new Set()
    },
    async drop(mayDrop) {
      return withLock(pool, async (client) => {
        const dropped: string[] = []
        for (const day of [...(await existingDays(client, table))].sort((a, b) => a - b)) {
          if (!(await mayDrop(day, client))) continue
          await client.query(`DROP TABLE ${dayTable(table, day)}`)
          known.delete(day)
          dropped.push(dayTable(table, day))
        }
        return dropped
      })
    },
  }
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

/** A drop waits for readers of that day; it gives up after five seconds and the next run tries again. */
async function withLock<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  let broken: Error | undefined
  try {
    await client.query(
      `BEGIN; SET LOCAL lock_timeout = '5s'; SELECT pg_advisory_xact_lock(${LOCKS.dayPartitions.key})`,
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
