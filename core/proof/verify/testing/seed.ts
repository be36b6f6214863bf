import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { inject } from 'vitest'
import { rawRecord, rawValue } from '../../../../tests/lib/records.ts'
import { createDatabase } from '../../../db/database.ts'
import type { Log, NewRecord } from '../../../log/log.ts'
import { createPostgresLog } from '../../../log/postgres/postgres-log.ts'
import { createBackfill } from '../../../metrics/backfill.ts'
import { declareMetric } from '../../../metrics/declare-metric.ts'
import { parseMetricDefinition } from '../../../metrics/metric-definition.ts'
import { createSketchDerivation } from '../../../worker/sketches/derive-sketches.ts'
import { openProofSystem, type ProofSystem, waitUntil } from '../../testing/proof-system.ts'
import type { VerifyPool } from '../verify.ts'

const DAY_MS = 86_400_000

/** Three days of two tenants, with everything that is derived from events; the worker and the count have stopped. */
export async function seedProofSystem(): Promise<ProofSystem> {
  const system = await openProofSystem()
  const { pool } = system.database
  const noon = (Math.floor(Date.now() / DAY_MS) - 2) * DAY_MS + DAY_MS / 2
  const stopCounter = system.startCounter()
  const stopWorker = system.startWorker()
  const db = createDatabase(system.database.url, { max: 2 })
  const definition = { name: 'sales', events: ['name_1'], dimensions: ['source'], value: 'value' }
  await system.append(eventsFrom(noon, 300))
  await system.untilApplied()
  await declareMetric(db, 1, parseMetricDefinition(definition), { kind: 'cli' })
  await system.append(eventsFrom(noon + DAY_MS, 300, 300))
  await system.append(oddRecords(noon))
  await system.append(eventsFrom(Date.now() - 120_000, 40, 600))
  await system.untilApplied()
  await db.destroy()
  await system.untilCounted()
  // Finality is published some seconds later.
  const derivation = createSketchDerivation({ pool, graceMs: 0 })
  const has = async (text: string) => ((await pool.query(text)).rowCount ?? 0) > 0
  await waitUntil(async () => {
    await derivation.run()
    return has('SELECT FROM sketch WHERE minutes = 1440')
  })
  const backfill = createBackfill(pool, new AbortController().signal)
  await waitUntil(async () => {
    await backfill.step()
    return !(await has('SELECT FROM metric_backfill WHERE completed_at IS NULL'))
  })
  // Hours and days of the metric.
  await derivation.run()
  await waitUntil(async () => !(await has('SELECT FROM log_count_batch')))
  await stopWorker()
  await stopCounter()
  return system
}

/** An event a minute. */
function eventsFrom(startMs: number, count: number, first = 0): NewRecord[] {
  return Array.from({ length: count }, (_, i) => {
    const n = first + i
    const at = new Date(Math.min(startMs + i * 60_000, Date.now())).toISOString()
    return rawRecord({
      ...(n % 7 === 3 && { tenant: 'other' }),
      ...(n % 10 === 4 && { trust: 'public' as const }),
      ...(n % 5 === 1 && { value: n / 3 }),
      ...(n % 4 === 0 && { context: { page: { path: `/${n}` }, n: 1e-7 } }),
      event_id:
        n % 3 === 0 ? `order-${n}` : `0192a1b2-0000-7000-8000-${n.toString(16).padStart(12, '0')}`,
      name: `name_${n % 3}`,
      actor: `actor-${n % 40}`,
      source: `s-${n % 2}`,
      ...(n % 6 === 0 && { session: `session-${n % 9}`, schema_version: '2' }),
      properties: {
        n,
        price: n * 1.1,
        big: 1e21,
        text: 'a"\u2028\u0001\n',
        ab: [true, null, { bb: 1, a: 2, c: {} }],
      },
      received_at: at,
      occurred_at: at,
    })
  })
}

function oddRecords(noon: number): NewRecord[] {
  const at = (minutes: number) => new Date(noon + minutes * 60_000).toISOString()
  return [
    // Late: their buckets were final.
    ...[5, 6, 7].map((i) =>
      rawRecord({
        event_id: `late-${i}`,
        name: 'name_1',
        actor: 'late',
        value: i,
        received_at: at(i),
        occurred_at: at(i),
      }),
    ),
    // Duplicates, one with another content.
    ...eventsFrom(noon, 6).map((record) => record),
    rawRecord({ event_id: 'order-9', name: 'changed', actor: 'actor-9', received_at: at(9) }),
    // Dead letters.
    rawRecord({ occurred_at: '2020-01-01T00:00:00Z', received_at: at(20) }),
    rawRecord({ occurred_at: '2020-01-01T00:00:00Z', received_at: at(21), tenant: 'other' }),
    rawRecord({ tenant: 'nobody', received_at: at(22) }),
    rawValue('not JSON'),
    rawValue(
      rawRecord({ received_at: at(23) })
        .value.toString()
        .replace('"name":"page_view"', '"name":""'),
    ),
  ]
}

/** What a case sees of the seeded database after it was corrupted. */
export interface CorruptedSystem {
  pool: VerifyPool
  log: Log
  url: string
}

/**
 * Corrupts the database within a transaction that is rolled back afterwards: what the work does with the pool sees it.
 * The log's own connections do not.
 */
export async function withCorruption(
  { database, log }: ProofSystem,
  sql: string,
  work: (system: CorruptedSystem) => Promise<void>,
): Promise<void> {
  const client = new pg.Client({ connectionString: database.url, options: '-c timezone=UTC' })
  await client.connect()
  try {
    await client.query('BEGIN')
    await client.query(sql)
    await work({ pool: poolOn(client), log, url: database.url })
  } finally {
    await client.end()
  }
}

/** Transactions of the work are savepoints. */
function poolOn(client: pg.Client): VerifyPool {
  const query = (text: unknown, values?: unknown[]) => {
    const command = typeof text === 'string' ? text : ''
    if (/^BEGIN/.test(command)) return client.query('SAVEPOINT part; SET LOCAL jit = off')
    if (/^COMMIT/.test(command)) return client.query('RELEASE part')
    return client.query(text as string, values)
  }
  const proxy = { query, release() {} }
  return { query, connect: async () => proxy, end: async () => {} } as unknown as VerifyPool
}

/** A copy of the seeded database with its log; nothing else is connected to either. */
export interface SeedCopy extends CorruptedSystem {
  close(): Promise<void>
}

/** Ends all that runs on the seeded database: Postgres copies one that nobody uses. */
export async function createSeedCopy(seedName: string): Promise<SeedCopy> {
  const server = inject('postgresUrl')
  const name = `test_${randomBytes(8).toString('hex')}`
  const admin = new pg.Client({ connectionString: server })
  await admin.connect()
  // Idle connections of its pool.
  await admin.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [
    seedName,
  ])
  await admin.query(`CREATE DATABASE ${name} TEMPLATE ${seedName}`)
  const url = server.replace(/\/sluice$/, `/${name}`)
  const pool = new pg.Pool({ connectionString: url, max: 3, options: '-c timezone=UTC' })
  pool.on('error', () => {})
  const log = await createPostgresLog({ url })
  return {
    ...{ url, pool, log },
    async close() {
      await log.close()
      await pool.end()
      await admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
      await admin.end()
    },
  }
}
