import { vi } from 'vitest'
import { TOPICS } from '../../../contract/log/topics.ts'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import type { Log, NewRecord } from '../../log/log.ts'
import { createPostgresLog } from '../../log/postgres/postgres-log.ts'
import { createWorker } from '../../worker/worker.ts'
import { type Balance, readBalance } from '../balance.ts'
import { createLogCounter } from '../count-log.ts'
import type { ExecuteQuery } from '../execute-query.ts'

const quiet = { info() {}, warn() {}, error() {} }

/** Also outside a test, where `expect.poll` cannot be. */
export async function waitUntil(isReached: () => Promise<boolean>): Promise<void> {
  await vi.waitFor(
    async () => {
      if (!(await isReached())) throw new Error('not reached in time')
    },
    { timeout: 40_000, interval: 50 },
  )
}

/** A database with a log, and a worker and the double entry beside it as long as they are wanted. */
export interface ProofSystem {
  database: TestDatabase
  /** Of the database. */
  name: string
  log: Log
  execute: ExecuteQuery
  append(records: readonly NewRecord[]): Promise<void>
  startWorker(): () => Promise<void>
  startCounter(deps?: { aheadMax?: number }): () => Promise<void>
  /** Resolves when the worker has applied, and the reader counted, all that the log holds. */
  untilApplied(): Promise<void>
  untilCounted(): Promise<void>
  balance(args?: { tenantId?: number; onlyOpen?: boolean }): Promise<Balance>
  /** As the regular comparison found it. */
  found(): Promise<Record<string, unknown>[]>
  /** Ends all that runs, so that the database can be copied. */
  disconnect(): Promise<void>
  close(): Promise<void>
}

export async function openProofSystem(
  tenants = "('default'), ('other')",
  openLog: (url: string) => Promise<Log> = (url) => createPostgresLog({ url }),
): Promise<ProofSystem> {
  const database = await createTestDatabase()
  await database.pool.query(`INSERT INTO tenant (slug) VALUES ${tenants}`)
  const log = await openLog(database.url)
  const execute: ExecuteQuery = (sql, values) => database.pool.query(sql, values)
  const stops = new Set<() => Promise<void>>()
  const start = (run: (signal: AbortSignal) => Promise<void>) => {
    const ended = new AbortController()
    const running = run(ended.signal)
    const stop = async () => {
      stops.delete(stop)
      ended.abort()
      await running
    }
    stops.add(stop)
    return stop
  }
  let isConnected = true
  async function disconnect(): Promise<void> {
    if (!isConnected) return
    isConnected = false
    for (const stop of stops) await stop()
    await log.close()
  }
  const until = (table: string) =>
    waitUntil(async () => {
      const { rows } = await database.pool.query(
        `SELECT partition, next_offset::int AS next FROM ${table} ${table === 'log_position' ? "WHERE topic = 'events.raw'" : ''} ORDER BY 1`,
      )
      const ends = await log.offsets(TOPICS.raw.name)
      return ends.every(
        ({ partition, lastStableOffset }) =>
          (rows.find((row) => row.partition === partition)?.next ?? 0) >= lastStableOffset,
      )
    })
  return {
    ...{ database, log, execute, name: new URL(database.url).pathname.slice(1) },
    async append(records) {
      for (let i = 0; i < records.length; i += 1_000)
        await log.append(TOPICS.raw.name, records.slice(i, i + 1_000))
    },
    startWorker: () =>
      start((signal) =>
        createWorker({ databaseUrl: database.url, log, logger: quiet }).run(signal),
      ),
    startCounter: (deps = {}) =>
      start((signal) =>
        createLogCounter({
          databaseUrl: database.url,
          log,
          logger: quiet,
          checkMs: 100,
          ...deps,
        }).run(signal),
      ),
    untilApplied: () => until('log_position'),
    untilCounted: () => until('log_count_position'),
    balance: (args = {}) =>
      readBalance(execute, {
        ...{ fromMs: Date.now() - 86_400_000 * 20, toMs: Date.now() + 86_400_000, rowsMax: 10_000 },
        ...args,
      }),
    async found() {
      const { rows } = await database.pool.query(
        'SELECT tenant_id, unaccounted::int FROM unaccounted_minute ORDER BY 1, minute',
      )
      return rows
    },
    disconnect,
    async close() {
      await disconnect()
      await database.drop()
    },
  }
}

/** Sums of all minutes. */
export function sumOf({ minutes }: Balance) {
  const sum = {
    accepted: 0,
    stored: 0,
    duplicates: 0,
    conflicting: 0,
    dead: 0,
    inFlight: 0,
    unaccounted: 0,
  }
  for (const minute of minutes)
    for (const key of Object.keys(sum) as (keyof typeof sum)[]) sum[key] += minute[key]
  return sum
}
