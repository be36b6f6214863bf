import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { TOPICS } from '../../../contract/log/topics.ts'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { type HeardNotifications, hearNotifications } from '../../../tests/lib/notifications.ts'
import { rawRecord } from '../../../tests/lib/records.ts'
import { createInvalidation } from '../../api/result-cache/invalidation.ts'
import { createMemoryStore } from '../../api/result-cache/memory-store.ts'
import { type CachedQuery, createResultCache } from '../../api/result-cache/result-cache.ts'
import {
  bucket15mOf,
  type ChangedBuckets,
  changedBuckets,
  decodeChangedBuckets,
  EVERYTHING,
} from '../../db/changed-buckets.ts'
import { CHANNELS } from '../../db/channels.ts'
import { createDatabase } from '../../db/database.ts'
import { type TenantViewer, tenantViewer } from '../../identity/viewer.ts'
import type { Log, NewRecord } from '../../log/log.ts'
import { createPostgresLog } from '../../log/postgres/postgres-log.ts'
import { createPartitionMaintenance } from '../maintenance/partition-maintenance.ts'
import { replay } from '../replay/replay.ts'
import { createWorker } from '../worker.ts'
import {
  type ChangeNotifier,
  createChangeNotifier,
  createUncertainChanges,
} from './change-notifier.ts'
import { runConsumer } from './partition-consumer.ts'

const quiet = { info() {}, warn() {}, error() {} }
const at = '2026-11-10T10:00:00.000Z'
const bucket = bucket15mOf(Date.parse(at))

let database: TestDatabase
let log: Log
let heard: HeardNotifications
let stop: AbortController
let running: Promise<void> | undefined
const closers: (() => unknown)[] = []

beforeEach(async () => {
  database = await createTestDatabase()
  await database.pool.query("INSERT INTO tenant (slug) VALUES ('default')")
  log = await createPostgresLog({ url: database.url })
  heard = await hearNotifications(database.url, [CHANNELS.stored, CHANNELS.changedBuckets])
  stop = new AbortController()
})
afterEach(async () => {
  stop.abort()
  await running
  for (const close of closers.splice(0).reverse()) await close()
  await heard.close()
  await log.close()
  await database.drop()
})

const append = (records: NewRecord[]) => log.append(TOPICS.raw.name, records)
const changed = () => heard.payloads(CHANNELS.changedBuckets)

async function written(): Promise<number> {
  const { rows } = await database.pool.query(
    "SELECT sum(next_offset)::int AS n FROM log_position WHERE topic = 'events.raw'",
  )
  return rows[0].n
}

/** One consumer of all partitions, which writes through `url`. */
function startConsumer(notifier: Pick<ChangeNotifier, 'notify'>, url = database.url): void {
  const pool = new pg.Pool({ connectionString: database.url, max: 4 })
  closers.push(() => pool.end())
  const maintenance = createPartitionMaintenance({ pool })
  const execute = (sql: string, values: unknown[]) => pool.query(sql, values)
  const deps = { databaseUrl: url, log, maintenance, execute, notifier, logger: quiet }
  running = runConsumer(deps, 'one', [0, 1, 2, 3, 4, 5], stop.signal)
}

function createNotifierOnPool(): ChangeNotifier {
  const notifier = createChangeNotifier((sql, values) => database.pool.query(sql, values))
  closers.push(() => notifier.stop())
  return notifier
}

test('a batch of four thousand tenants drops exactly their cached results, and those of other tenants stay', async () => {
  await database.pool.query(
    "INSERT INTO tenant (slug) SELECT 'tenant-' || n FROM generate_series(1, 4100) n",
  )
  const db = createDatabase(database.url, { max: 2 })
  closers.push(() => db.destroy())
  const invalidation = createInvalidation({ databaseUrl: database.url, logger: quiet })
  closers.push(() => invalidation.close())
  const memory = createMemoryStore()
  const store = {
    ...memory,
    set: (name: string, bytes: Buffer) => memory.set(name, bytes, 3_600_000),
  }
  const cache = createResultCache({ db, store, invalidation })
  const viewers: TenantViewer[] = []
  for (let n = 3_981; n <= 4_020; n++)
    viewers.push(await tenantViewer(db, { kind: 'SESSION' }, `tenant-${n}`))
  const queryOf = (own: TenantViewer): CachedQuery => {
    return { viewer: { kind: 'KEY', own }, query: '{ }', variables: {}, operationName: null }
  }
  const areCached = () =>
    Promise.all(viewers.map(async (own) => (await cache.get(queryOf(own))) !== undefined))

  running = createWorker({ databaseUrl: database.url, log, logger: quiet, concurrency: 1 }).run(
    stop.signal,
  )
  const range = { start: '2026-11-10T00:00:00Z', end: '2026-11-11T00:00:00Z' }
  const cacheAll = async () => {
    const dependency = { range, interval: 'DAY', final: true } as const
    for (const viewer of viewers) {
      const dependencies = [{ viewer, ...dependency }]
      const result = { data: {}, extensions: undefined, dependencies, costMs: 0 }
      await cache.set(queryOf(viewer), result, cache.now())
    }
    return areCached()
  }
  await expect.poll(changed).toEqual([''])
  // The notification of everything reaches the cache on a connection of its own, a moment sooner or later.
  await expect.poll(cacheAll, { interval: 500 }).toEqual(viewers.map(() => true))
  heard.forget()

  await append(
    Array.from({ length: 4_000 }, (_, i) =>
      rawRecord({ tenant: `tenant-${i + 1}`, occurred_at: at }),
    ),
  )
  // Four thousand tenants and series are new to the worker.
  await expect.poll(written, { timeout: 90_000 }).toBe(4_000)
  const named = async () =>
    new Set((await changed()).flatMap((each) => [...(decodeChangedBuckets(each)?.keys() ?? [])]))
  await expect.poll(async () => (await named()).size).toBe(4_000)
  await expect
    .poll(areCached)
    .toEqual(viewers.map(({ tenant }) => Number(tenant.slice('tenant-'.length)) > 4_000))
  expect(await changed()).not.toContain('')
  const stored = (await heard.payloads(CHANNELS.stored)).flatMap((each) => each.split(','))
  expect(new Set(stored.map(Number))).toEqual(await named())
}, 150_000)

test('the transaction of a batch notifies nobody, so that no other commit waits for it', async () => {
  const changes: ChangedBuckets[] = []
  startConsumer({ notify: (change) => changes.push(change) })
  await append([rawRecord({ occurred_at: at })])
  await expect.poll(written).toBe(1)
  await expect.poll(() => changes.length).toBe(2)
  expect(await changed()).toEqual([])
  expect(await heard.payloads(CHANNELS.stored)).toEqual([])
  expect(changes).toEqual(['everything', new Map([[1, expect.any(Set)]])])
})

test('batches that are committed while a flush is under way are notified together', async () => {
  const first = Promise.withResolvers<void>()
  const notifier = createChangeNotifier(async (sql, values) => {
    await first.promise
    return database.pool.query(sql, values)
  })
  closers.push(() => notifier.stop())
  startConsumer(notifier)
  for (let n = 1; n <= 5; n++) {
    await append([
      rawRecord({ occurred_at: new Date(Date.parse(at) + n * 3_600_000).toISOString() }),
    ])
    await expect.poll(written).toBe(n)
  }
  first.resolve()
  await expect.poll(async () => (await changed()).length).toBe(2)
  const [, rest = ''] = await changed()
  const ranges = decodeChangedBuckets(rest)?.get(1) ?? []
  for (let n = 1; n <= 5; n++)
    expect(ranges).toContainEqual({ first: bucket + 4 * n, last: bucket + 4 * n })
})

test('a batch whose connection is cut at COMMIT is notified, although nothing said that it was committed', async () => {
  const proxy = await startProxyThatCutsAtCommit(Number(new URL(database.url).port))
  closers.push(proxy.close)
  const url = new URL(database.url)
  url.port = String(proxy.port)
  startConsumer(createNotifierOnPool(), url.href)
  await expect.poll(changed).toEqual([''])
  heard.forget()
  proxy.cutNext()
  await append([rawRecord({ occurred_at: at })])
  await expect.poll(written).toBe(1)
  await expect
    .poll(async () => decodeChangedBuckets((await changed()).at(-1) ?? '-')?.get(1))
    .toContainEqual({ first: bucket, last: bucket })
  expect(proxy.cuts()).toBe(1)
  expect(await changed()).toHaveLength(1)
})

test('who begins to consume notifies of everything, once the last transaction of a former owner is over', async () => {
  const former = new pg.Client({ connectionString: database.url })
  closers.push(() => former.end())
  await former.connect()
  await former.query('BEGIN; UPDATE log_position SET next_offset = next_offset WHERE partition = 3')
  startConsumer(createNotifierOnPool())
  const waiting = () =>
    database.pool
      .query(
        "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name LIKE 'sluice worker %' AND datname = current_database()",
      )
      .then(({ rowCount }) => rowCount)
  await expect.poll(waiting).toBe(1)
  // Long enough for what would be notified too early to be heard.
  await sleep(300)
  expect(await changed()).toEqual([])
  await former.query('COMMIT')
  await expect.poll(changed).toEqual([''])
})

test('who finds a position moved notifies of everything: the one who moved it may be gone', async () => {
  startConsumer(createNotifierOnPool())
  await append([rawRecord({ occurred_at: at })])
  await expect.poll(written).toBe(1)
  await expect.poll(async () => (await changed()).length).toBe(2)
  heard.forget()
  await database.pool.query(
    "UPDATE log_position SET next_offset = next_offset + 1 WHERE topic = 'events.raw'",
  )
  // One is passed over in each partition, the second one is written.
  for (let n = 0; n < 2; n++)
    await append(Array.from({ length: 6 }, (_, partition) => ({ ...rawRecord(), partition })))
  await expect.poll(changed).toContain('')
})

test('a replay notifies with its commit, because no other process would in its place', async () => {
  await append([{ ...rawRecord({ occurred_at: at }), partition: 0 }])
  await database.pool.query(
    "UPDATE log_position SET next_offset = 1 WHERE topic = 'events.raw' AND partition = 0",
  )
  const ranges = [{ partition: 0, from: 0, to: 1 }]
  const options = { databaseUrl: database.url, log, ranges, signal: stop.signal }
  expect(await replay({ ...options, dryRun: true })).toMatchObject({ stored: 1 })
  expect(await changed()).toEqual([])
  expect(await replay(options)).toMatchObject({ stored: 1 })
  const payloads = await changed()
  expect(payloads.map((each) => decodeChangedBuckets(each)?.get(1))).toEqual([
    expect.arrayContaining([{ first: bucket, last: bucket }]),
  ])
  expect(await heard.payloads(CHANNELS.stored)).toEqual(['1'])
})

test('what is uncertain is kept whole until it is notified, everything of the beginning too', () => {
  const uncertain = createUncertainChanges()
  const notified: ChangedBuckets[] = []
  const notifier = { notify: (change: ChangedBuckets) => void notified.push(change) }
  const of = (tenantId: number) => changedBuckets([{ tenantId, ms: 0 }])
  uncertain.add(of(1))
  uncertain.notify(notifier)
  uncertain.add(of(1))
  uncertain.add(of(2))
  uncertain.notify(notifier)
  uncertain.notify(notifier)
  expect(notified).toEqual([EVERYTHING, new Map([...of(1), ...of(2)])])
})

/** Passes everything on, but in the place of the response to a COMMIT it closes the connection. */
async function startProxyThatCutsAtCommit(to: number) {
  let armed = false
  let cuts = 0
  const server = createServer((client) => {
    const target = connect(to, '127.0.0.1')
    let isCut = false
    client.on('data', (bytes) => {
      if (armed && bytes.includes('COMMIT\0')) {
        armed = false
        isCut = true
        cuts++
      }
      target.write(bytes)
    })
    target.on('data', (bytes) => {
      if (isCut) client.destroy()
      else client.write(bytes)
    })
    for (const [socket, other] of [
      [client, target],
      [target, client],
    ] as const) {
      socket.on('error', () => {})
      socket.on('close', () => other.destroy())
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    cutNext() {
      armed = true
    },
    cuts: () => cuts,
    close: () => new Promise((resolve) => server.close(resolve)),
  }
}
