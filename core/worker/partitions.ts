import type pg from 'pg'
import { LIMITS } from '../../contract/limits.ts'
import { DAY_MS } from './decode.ts'
import { isoDay } from './write.ts'

/**
 * Days of `event`: made ahead, made on demand when a record of another day comes, dropped when they
 * are older than the retention. All of it under one advisory lock, so that workers never race.
 */
export interface PartitionKeeper {
  /** Makes today's and the coming days' partitions and drops the expired ones. Run at start and every hour. */
  keep(): Promise<{ made: string[]; dropped: string[] }>
  /** Resolves when each of these days (since 1970-01-01) has its partition. */
  ensure(days: readonly number[]): Promise<void>
}

export interface PartitionKeeperDeps {
  pool: pg.Pool
  retentionDays?: number
  now?: () => number
}

/** Any number will do as long as nobody else uses it: "sluice" in ASCII, folded. */
const LOCK = 0x51_01_ce

export function createPartitionKeeper(deps: PartitionKeeperDeps): PartitionKeeper {
  const { pool, retentionDays = LIMITS.rawRetentionDaysDefault, now = Date.now } = deps
  let known = new Set<number>()

  async function make(days: readonly number[]): Promise<string[]> {
    return locked(pool, async (client) => {
      const existing = await existingDays(client)
      const missing = days.filter((day) => !existing.has(day))
      for (const day of missing) await makeDay(client, day)
      known = new Set([...existing, ...missing])
      return missing.map(tableOf)
    })
  }

  return {
    async ensure(days) {
      const missing = [...new Set(days)].filter((day) => !known.has(day))
      if (missing.length > 0) await make(missing)
    },
    async keep() {
      const today = Math.floor(now() / DAY_MS)
      const ahead = Array.from({ length: LIMITS.partitionDaysAhead + 2 }, (_, i) => today - 1 + i)
      const made = await make(ahead)
      const dropped = await locked(pool, async (client) => {
        const expired = [...(await existingDays(client))].filter(
          (day) => day < today - retentionDays,
        )
        for (const day of expired) await client.query(`DROP TABLE ${tableOf(day)}`)
        return expired
      })
      for (const day of dropped) known.delete(day)
      return { made, dropped: dropped.map(tableOf) }
    },
  }
}

/** Made beside the parent and attached: writers to other days go on meanwhile. */
async function makeDay(client: pg.PoolClient, day: number): Promise<void> {
  const table = tableOf(day)
  await client.query(
    `CREATE TABLE ${table} (LIKE event INCLUDING DEFAULTS INCLUDING STORAGE)
       WITH (autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_analyze_scale_factor = 0.05)`,
  )
  await client.query(
    `ALTER TABLE event ATTACH PARTITION ${table} FOR VALUES FROM ('${isoDay(day)}') TO ('${isoDay(day + 1)}')`,
  )
}

async function existingDays(client: pg.PoolClient): Promise<Set<number>> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
      WHERE i.inhparent = 'event'::regclass`,
  )
  return new Set(rows.map(({ name }) => dayOf(name)))
}

function tableOf(day: number): string {
  return `event_${isoDay(day).replaceAll('-', '')}`
}

function dayOf(table: string): number {
  const [, year, month, day] = /^event_(\d{4})(\d\d)(\d\d)$/.exec(table) ?? []
  return Date.UTC(Number(year), Number(month) - 1, Number(day)) / DAY_MS
}

/** A drop waits for readers of that day; it gives up after a while and the next round tries again. */
async function locked<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  let broken: Error | undefined
  try {
    await client.query(
      `BEGIN; SET LOCAL lock_timeout = '5s'; SELECT pg_advisory_xact_lock(${LOCK})`,
    )
    const result = await work(client)
    await client.query('COMMIT')
    return result
  } catch (error) {
    broken = error as Error
    throw error
  } finally {
    // A client that failed goes with its transaction; it is not worth mending.
    client.release(broken)
  }
}
