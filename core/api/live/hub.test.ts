import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { endSession } from '../../identity/sessions.ts'
import { type TenantViewer, tenantViewer } from '../../identity/viewer.ts'
import { ApiError } from '../../lib/api-error.ts'
import { LIVE_LIMITS } from '../../queries/limits.ts'
import { createPipelineGauge } from '../../queries/pipeline/pipeline-gauge.ts'
import type { QueryFixture } from '../graphql/testing/fixture.ts'
import { createQueryFixture } from '../graphql/testing/fixture.ts'
import { createCoreApp } from '../http/app.ts'
import { createMetrics } from '../http/metrics.ts'
import { type Served, serveApp } from '../http/serve.ts'
import type { LiveUpdate } from './channel.ts'
import { createLiveHub } from './hub.ts'
import { createSubscriber } from './subscriber.ts'

let fixture: QueryFixture
let core: Served
let viewer: TenantViewer
let other: TenantViewer
beforeAll(async () => {
  fixture = await createQueryFixture()
  const { db, log, graphql } = fixture
  viewer = await tenantViewer(db, { kind: 'SESSION' }, 'default')
  other = await tenantViewer(db, { kind: 'SESSION' }, 'other')
  const logger = { error() {} }
  const app = createCoreApp({
    db,
    log,
    logger,
    metrics: createMetrics({ db, log }),
    api: { graphql, dashboardFolder: '/nowhere' },
  })
  core = await serveApp(app, { port: 0 })
  await db.insertInto('worker_heartbeat').values({ worker_id: 'w' }).execute()
})
afterAll(async () => {
  await core.close(0)
  await fixture.close()
})

const always = async () => {}

/** The next update for which it holds. */
async function until(
  updates: AsyncIterator<LiveUpdate>,
  holds: (update: LiveUpdate) => boolean,
): Promise<LiveUpdate> {
  const deadline = Date.now() + 10_000
  for (;;) {
    const { value, done } = await updates.next()
    if (done || Date.now() > deadline) throw new Error('it never came')
    if (holds(value)) return value
  }
}

const ids = (update: LiveUpdate) => update.recent.map(({ id }) => id)

describe('a subscriber', () => {
  test('receives the newest twenty events, then each stored event once, within a second of its commit', async () => {
    await fixture.store(
      'default',
      Array.from({ length: 30 }, (_, i) => ({
        id: `old-${i}`,
        receivedAt: new Date(Date.now() - 10_000 + i).toISOString(),
      })),
    )
    const updates = fixture.live.subscribe(viewer, always)
    const first = (await updates.next()).value as LiveUpdate
    expect(ids(first)).toEqual(Array.from({ length: 20 }, (_, i) => `old-${29 - i}`))
    expect(first.minutes).toHaveLength(60)
    expect(first.eventsPerMinute).toBe(30)
    expect(first.minutes.reduce((sum, { count }) => sum + count, 0)).toBe(30)

    const seen: string[] = []
    for (let i = 0; i < 5; i++) {
      const stored = Date.now()
      await fixture.store('default', [{ id: `new-${i}` }])
      const update = await until(updates, (update) => ids(update).includes(`new-${i}`))
      expect(Date.now() - stored).toBeLessThan(5_000)
      seen.push(...ids(update))
    }
    expect(seen).toEqual(['new-0', 'new-1', 'new-2', 'new-3', 'new-4'])
    await updates.return?.()
  })

  test('receives an event that is stored after a newer one', async () => {
    const updates = fixture.live.subscribe(viewer, always)
    await fixture.store('default', [{ id: 'newer' }])
    await until(updates, (update) => ids(update).includes('newer'))
    const receivedAt = new Date(Date.now() - 3_000).toISOString()
    await fixture.store('default', [{ id: 'delayed', receivedAt }])
    await until(updates, (update) => ids(update).includes('delayed'))
    await updates.return?.()
  })

  test('receives an event from the refresh after one that timed out', async () => {
    const own = await createQueryFixture()
    const { pool } = own.database
    const updates = own.live.subscribe(
      await tenantViewer(own.db, { kind: 'SESSION' }, 'default'),
      always,
    )
    await own.store('default', [{ id: 'before' }])
    await until(updates, (update) => ids(update).includes('before'))
    const blocker = await pool.connect()
    await blocker.query('BEGIN; LOCK TABLE outcome_minute')
    await pool.query(
      `INSERT INTO event (tenant_id, event_id, client_event_id, received_on, received_at, occurred_at, name, properties, log_partition, log_offset)
       SELECT tenant_id, gen_random_uuid(), 'meanwhile', received_on, received_at + interval '1 ms', occurred_at, name, properties, log_partition, log_offset
         FROM event`,
    )
    await until(updates, ({ failingComponent }) => failingComponent === 'database')
    await blocker.query('COMMIT')
    blocker.release()
    const next = await until(updates, (update) => ids(update).length > 0)
    expect(ids(next)).toEqual(['meanwhile'])
    await updates.return?.()
    await own.close()
  })

  test('receives nothing of another tenant', async () => {
    const updates = fixture.live.subscribe(other, always)
    await updates.next()
    await fixture.store('default', [{ id: 'not-for-others' }])
    for (let i = 0; i < 2; i++) {
      const { recent, eventsPerMinute } = (await updates.next()).value as LiveUpdate
      expect([recent, eventsPerMinute]).toEqual([[], 0])
    }
    await updates.return?.()
  })

  test('that reads slowly gets the latest state and a bounded number of missed events', async () => {
    const slow = createSubscriber<{ n: number; recent: readonly number[] }>(() => {})
    for (let n = 0; n < 100; n++) slow.push({ n, recent: [n] })
    const { value } = await slow.next()
    expect(value.n).toBe(99)
    expect(value.recent).toEqual(Array.from({ length: 50 }, (_, i) => 99 - i))
  })

  test('causes no more than two reads of Postgres a second, together with all others of its tenant', async () => {
    const watching = Array.from({ length: 20 }, () => fixture.live.subscribe(viewer, always))
    let pushes = 0
    const reading = watching.map(async (updates) => {
      for await (const _ of updates) pushes++
    })
    const began = Date.now()
    while (Date.now() - began < 1_600) await fixture.store('default', [{}])
    for (const updates of watching) await updates.return?.()
    await Promise.all(reading)
    expect(pushes / watching.length).toBeGreaterThanOrEqual(2)
    expect(pushes / watching.length).toBeLessThanOrEqual(4)
  })
})

describe('the end of a subscription', () => {
  test('leaves nothing behind when a waiting client leaves', async () => {
    const updates = fixture.live.subscribe(viewer, always)
    await updates.next()
    const waiting = [updates.next(), updates.next()]
    expect(fixture.live.size).toBe(1)
    await updates.return?.()
    expect(fixture.live.size).toBe(0)
    for (const next of waiting) expect((await next).done || (await next).value).toBeTruthy()
    expect((await updates.next()).done).toBe(true)
  })

  test('comes with UNAUTHENTICATED when the credentials are no longer valid', async () => {
    let now = Date.now()
    const { db, log, database } = fixture
    const logger = { warn() {} }
    const hub = createLiveHub({ db, log, logger, databaseUrl: database.url, now: () => now })
    let may = true
    const updates = hub.subscribe(viewer, async () => {
      if (!may) throw new ApiError('UNAUTHENTICATED')
    })
    await updates.next()
    may = false
    now += LIVE_LIMITS.recheckMs
    const end = async () => {
      for (;;) await updates.next()
    }
    await expect(end()).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
    expect((await updates.next()).done).toBe(true)
    expect(hub.size).toBe(0)
    await hub.close()
  })

  test('does not come while the credentials cannot be checked', async () => {
    let now = Date.now()
    const { db, log, database } = fixture
    const logger = { warn() {} }
    const hub = createLiveHub({ db, log, logger, databaseUrl: database.url, now: () => now })
    let checked = 0
    const updates = hub.subscribe(viewer, async () => {
      throw checked++ === 0 ? new Error('the database is away') : new ApiError('UNAUTHENTICATED')
    })
    await updates.next()
    now += 31_000
    await until(updates, () => checked === 1)
    // By then the result of the check is known.
    expect((await updates.next()).done).toBe(false)
    now += 31_000
    await expect(until(updates, () => false)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
    expect(checked).toBe(2)
    await hub.close()
  })

  test('comes for all subscriptions when the hub closes', async () => {
    const { db, log, database } = fixture
    const hub = createLiveHub({ db, log, logger: { warn() {} }, databaseUrl: database.url })
    const updates = hub.subscribe(viewer, always)
    await updates.next()
    const next = updates.next()
    await hub.close()
    for (let result = await next; !result.done; result = await updates.next());
    expect(hub.size).toBe(0)
  })
})

describe('the pipeline gauge', () => {
  test('shows how long the log has held a record that is not applied yet', async () => {
    let now = 1_000_000
    await fixture.db.updateTable('worker_heartbeat').set({ beat_at: sql`now()` }).execute()
    const gauge = createPipelineGauge({ db: fixture.db, log: fixture.log }, () => now)
    const read = () => {
      now += 1_000
      return gauge()
    }
    expect(await read()).toEqual({ lagMs: 0, failingComponent: null })
    await fixture.log.append('events.raw', [{ partition: 0, key: null, value: Buffer.from('a') }])
    expect(await read()).toEqual({ lagMs: 1_000, failingComponent: null })
    await read()
    expect(await read()).toEqual({ lagMs: 3_000, failingComponent: null })
    await fixture.database.pool.query('UPDATE log_position SET next_offset = 1 WHERE partition = 0')
    expect(await read()).toEqual({ lagMs: 0, failingComponent: null })
  })

  test('names the failing component: worker, log or database', async () => {
    const { db, log } = fixture
    const away = { ...log, offsets: () => Promise.reject(new Error('away')) }
    expect((await createPipelineGauge({ db, log: away })()).failingComponent).toBe('log')
    await db.deleteFrom('worker_heartbeat').execute()
    expect((await createPipelineGauge({ db, log })()).failingComponent).toBe('worker')
    await db.insertInto('worker_heartbeat').values({ worker_id: 'w' }).execute()

    const own = await createQueryFixture()
    const updates = own.live.subscribe(
      await tenantViewer(own.db, { kind: 'SESSION' }, 'default'),
      always,
    )
    await own.store('default', [{ id: 'kept' }])
    // Counts and events are read separately: one may see what the other has just missed.
    await until(updates, ({ eventsPerMinute }) => eventsPerMinute === 1)
    await own.database.pool.query('ALTER TABLE outcome_minute RENAME TO gone')
    const failing = await until(updates, (update) => update.failingComponent === 'database')
    // What was known stays, and grows older.
    expect(failing.eventsPerMinute).toBe(1)
    await own.database.pool.query('ALTER TABLE gone RENAME TO outcome_minute')
    await until(updates, (update) => update.failingComponent !== 'database')
    await own.close()
  })

  test('is followed by a hub whose LISTEN connection reconnects', async () => {
    const updates = fixture.live.subscribe(viewer, always)
    await updates.next()
    await fixture.database.pool.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name = 'sluice live' AND datname = current_database()`,
    )
    await expect
      .poll(async () => {
        const { rowCount } = await fixture.database.pool.query(
          `SELECT 1 FROM pg_stat_activity
            WHERE application_name = 'sluice live' AND datname = current_database() AND query LIKE 'LISTEN%'`,
        )
        return rowCount
      })
      .toBeGreaterThan(0)
    await fixture.store('default', [{ id: 'after-the-cut' }])
    await until(updates, (update) => ids(update).includes('after-the-cut'))
    await updates.return?.()
  })
})

describe('live updates over HTTP', () => {
  const QUERY =
    'subscription ($tenant: ID) { live(tenant: $tenant) { at eventsPerMinute recent { id } failingComponent } }'

  async function subscribe(headers: Record<string, string>, tenant: string | null = null) {
    const abort = new AbortController()
    const response = await fetch(`${core.url}/graphql`, {
      method: 'POST',
      signal: abort.signal,
      headers: { 'content-type': 'application/json', accept: 'text/event-stream', ...headers },
      body: JSON.stringify({ query: QUERY, variables: { tenant } }),
    })
    const reader = (response.body as ReadableStream<Uint8Array>)
      .pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>)
      .getReader()
    let text = ''
    return {
      response,
      abort,
      // biome-ignore lint/suspicious/noExplicitAny: a response has the shape of its query
      async next(): Promise<any> {
        for (;;) {
          const found = /^data: (.+)\n\n/m.exec(text)
          if (found) {
            text = text.slice(found.index + found[0].length)
            return JSON.parse(found[1] as string)
          }
          const { value, done } = await reader.read()
          if (done) return undefined
          text += value
        }
      },
    }
  }

  test('push a stored event, and leave nothing behind when the client disconnects', async () => {
    const live = await subscribe(await fixture.session())
    expect(live.response.headers.get('content-type')).toContain('text/event-stream')
    expect((await live.next()).data.live.recent.length).toBeGreaterThan(0)
    expect(fixture.live.size).toBe(1)
    const stored = Date.now()
    await fixture.store('default', [{ id: 'pushed' }])
    for (;;) {
      const { data } = await live.next()
      if (data.live.recent.some(({ id }: { id: string }) => id === 'pushed')) break
    }
    expect(Date.now() - stored).toBeLessThan(5_000)
    live.abort.abort()
    await expect.poll(() => fixture.live.size).toBe(0)
  })

  test('leave nothing behind when many clients connect and disconnect concurrently', async () => {
    const headers = await fixture.session()
    const all = await Promise.all(Array.from({ length: 20 }, () => subscribe(headers)))
    await expect.poll(() => fixture.live.size).toBe(20)
    const beyond = await subscribe(headers)
    expect([beyond.response.status, await beyond.next()]).toMatchObject([
      503,
      { errors: [{ extensions: { code: 'OVERLOADED' } }] },
    ])
    for (const { abort } of all) abort.abort()
    await expect.poll(() => fixture.live.size).toBe(0)
  })

  test('are not buffered without limit for a client that does not read', async () => {
    const silent = await subscribe(await fixture.session())
    await silent.next()
    const began = Date.now()
    while (Date.now() - began < 2_000) await sleep(20)
    // It reads again, and soon has the present.
    for (;;) {
      const { data } = await silent.next()
      if (Date.parse(data.live.at) > Date.now() - 1_500) break
    }
    silent.abort.abort()
    await expect.poll(() => fixture.live.size).toBe(0)
  })

  test('are refused without credentials, and to a key of another tenant', async () => {
    const anonymous = await subscribe({})
    expect([anonymous.response.status, await anonymous.next()]).toMatchObject([
      401,
      { errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] },
    ])
    const key = await fixture.keyOf('other')
    const stranger = await subscribe(key, 'default')
    expect([stranger.response.status, await stranger.next()]).toMatchObject([
      403,
      { errors: [{ extensions: { code: 'FORBIDDEN' } }] },
    ])
    const own = await subscribe(key)
    expect((await own.next()).data.live.recent).toEqual([])
    own.abort.abort()
    await expect.poll(() => fixture.live.size).toBe(0)
  })

  test('end with an error code after sign-out', async () => {
    const headers = await fixture.session()
    const { db, log, database } = fixture
    let now = Date.now()
    const hub = createLiveHub({
      db,
      log,
      logger: { warn() {} },
      databaseUrl: database.url,
      now: () => now,
    })
    const { createGraphQL } = await import('../graphql/server.ts')
    const graphql = createGraphQL({ db, live: hub, log, logger: { error() {} } })
    const response = await graphql.fetch(
      new Request('http://localhost/graphql', {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'text/event-stream', ...headers },
        body: JSON.stringify({ query: QUERY }),
      }),
    )
    const text = response.text()
    await expect.poll(() => hub.size).toBe(1)
    await endSession(db, headers.cookie?.split('=')[1] as string)
    now += 60_000
    expect(await text).toMatch(/"code":"UNAUTHENTICATED"[\s\S]*event: complete/)
    await hub.close()
  })
})

test('a hub that was closed leaves no timer behind', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  onTestFinished(() => void vi.useRealTimers())
  const { db, log, database } = fixture
  const others = vi.getTimerCount()
  const hub = createLiveHub({ db, log, logger: { warn() {} }, databaseUrl: database.url })
  const updates = hub.subscribe(viewer, always)
  expect((await updates.next()).done).toBe(false)
  await hub.close()
  expect((await updates.next()).done).toBe(true)
  expect(vi.getTimerCount()).toBe(others)
})
