import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { createKey, revokeKey } from '../../identity/api-keys.ts'
import { QUERY_LIMITS } from '../../queries/limits.ts'
import { createGraphQL } from '../graphql/server.ts'
import {
  createQueryFixture,
  type QueryFixture,
  type QueryResponse,
} from '../graphql/testing/fixture.ts'
import type { CacheStore } from './cache-store.ts'
import { createInvalidation, type Invalidation } from './invalidation.ts'
import { createResultCache, type ResultCache } from './result-cache.ts'

/**
 * What the result cache promises, over any store.
 * @param shared whether another core finds the results of this one
 */
export function resultCacheSuite(
  where: string,
  createCache: () => CacheStore,
  { shared }: { shared: boolean },
): void {
  describe(`a cached result ${where}`, () => {
    let fixture: QueryFixture
    let invalidation: Invalidation
    let resultCache: ResultCache
    let own: Record<string, string>
    let others: Record<string, string>
    /** For how long each result was stored, newest last. */
    const storedMs: number[] = []

    function spied(cache: CacheStore): CacheStore {
      return {
        get: (name) => cache.get(name),
        async set(name, bytes, ms) {
          await cache.set(name, bytes, ms)
          storedMs.push(ms)
        },
      }
    }
    let cache: CacheStore
    const logger = { warn() {} }

    beforeAll(async () => {
      fixture = await createQueryFixture(['default', 'other'], ({ db, databaseUrl }) => {
        cache = spied(createCache())
        invalidation = createInvalidation({ databaseUrl, logger })
        resultCache = createResultCache({ db, store: cache, invalidation })
        return resultCache
      })
      const { store } = fixture
      await store('default', [
        { id: '1', occurredAt: '2026-11-10T10:00:00Z' },
        { id: '2', occurredAt: '2026-11-10T11:20:00Z' },
      ])
      await store('other', [{ id: '3', occurredAt: '2026-11-10T10:00:00Z' }])
      // The watermark passes all of it.
      await store('default', [{ id: 'now', name: 'now' }])
      await store('other', [{ id: 'now', name: 'now' }])
      own = await fixture.keyOf('default')
      others = await fixture.keyOf('other')
      await heard()
    })
    afterAll(async () => {
      await invalidation.close()
      await fixture.close()
    })

    /** Until notifications arrive. */
    const heard = (of = invalidation) =>
      vi.waitFor(() => {
        if (!of.unchanged(99, { startMs: 0, endMs: 1 }, Date.now())) throw new Error('not yet')
      })
    /** The response, once a result that was executed is stored. */
    async function execute(query: string, headers = own, variables = {}): Promise<QueryResponse> {
      const before = storedMs.length
      const response = await fixture.execute(query, headers, variables)
      if (ageOf(response)?.ageMs === 0)
        await expect.poll(() => storedMs.length).toBeGreaterThan(before)
      // A millisecond later than anything that was stored before.
      await new Promise((go) => setTimeout(go, 3))
      return response
    }
    const ageOf = ({ extensions = {} }: QueryResponse) =>
      extensions.cache as { asOf: string; ageMs: number }
    const isCached = (response: QueryResponse) => ageOf(response).ageMs > 0
    const hours = `{ metrics(name: "*", interval: HOUR, startTime: "2026-11-10T00:00:00Z", endTime: "2026-11-11T00:00:00Z") { timestamp value isFinal lateCount } }`
    const totals = `{ totals(startTime: "2026-11-10T00:00:00Z", endTime: "2026-11-11T00:00:00Z") { count previousCount names { name count } } }`

    test('has the data of the first response, with its time and its age', async () => {
      const began = Date.now()
      for (const query of [hours, totals]) {
        const first = await execute(query)
        const again = await execute(query)
        expect(again.data).toEqual(first.data)
        const { asOf, ageMs } = ageOf(again)
        expect(again.extensions).toEqual({ ...first.extensions, cache: { asOf, ageMs } })
        expect(ageOf(first)).toEqual({ asOf, ageMs: 0 })
        expect(ageMs).toBeGreaterThan(0)
        expect(Date.parse(asOf)).toBeGreaterThanOrEqual(began)
        expect(Date.parse(asOf) + ageMs).toBeLessThanOrEqual(Date.now() + 1)
      }
    })

    test('is that of the operation which the request names, where its document has several', async () => {
      const query = `query Hours ${hours} query Totals ${totals}`
      const named = async (operationName: string) => {
        const request = new Request('http://localhost/graphql', {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...own },
          body: JSON.stringify({ query, operationName }),
        })
        const { data } = (await (await fixture.graphql.fetch(request)).json()) as QueryResponse
        return Object.keys(data)
      }
      const before = storedMs.length
      expect(await named('Hours')).toEqual(['metrics'])
      await expect.poll(() => storedMs.length).toBe(before + 1)
      expect(await named('Totals')).toEqual(['totals'])
      expect(await named('Hours')).toEqual(['metrics'])
    })

    test('is never read from an entry in the form of another version', async () => {
      const query = `${hours} # of another version`
      const { rows } = await fixture.database.pool.query(
        "SELECT tenant_id FROM tenant WHERE slug = 'default'",
      )
      // As version 0.2 named and wrote it.
      const name = createHash('sha256')
        .update(JSON.stringify([`tenant ${rows[0].tenant_id}`, query, {}, null]))
        .digest('base64url')
      const entry =
        '{"asOfMs":1,"by":"a","about":[]}\n{"data":{"metrics":[]},"extensions":{"cache":'
      await cache.set(name, Buffer.from(entry), 60_000)
      const response = await execute(query)
      expect(response.errors).toBeUndefined()
      expect(response.data.metrics).toHaveLength(2)
    })

    test('needs nothing of Postgres but the credentials', async () => {
      await execute(hours)
      await fixture.database.pool.query('ALTER TABLE rollup_15m RENAME TO gone')
      try {
        expect(isCached(await execute(hours))).toBe(true)
        const other = await execute(hours.replace('HOUR', 'DAY'))
        expect(other.errors).toBeDefined()
        // And a failure is not cached.
        expect((await execute(hours.replace('HOUR', 'DAY'))).errors).toBeDefined()
      } finally {
        await fixture.database.pool.query('ALTER TABLE gone RENAME TO rollup_15m')
      }
    })

    test('is invalidated by an event that invalidation it, however late, and by no other', async () => {
      const old = `{ metrics(name: "*", interval: DAY, startTime: "2020-02-29T00:00:00Z", endTime: "2020-03-01T00:00:00Z") { value lateCount } }`
      expect((await execute(old)).data.metrics).toEqual([])
      await execute(hours)
      await fixture.store('default', [
        { id: 'late', occurredAt: '2020-02-29T12:00:00Z', late: true },
      ])
      await expect
        .poll(async () => (await execute(old)).data.metrics)
        .toEqual([{ value: 1, lateCount: 1 }])
      await expect.poll(async () => isCached(await execute(old))).toBe(true)
      expect(isCached(await execute(hours))).toBe(true)
      // Events of another tenant do not invalidate it.
      await fixture.store('other', [{ id: 'late', occurredAt: '2020-02-29T12:00:00Z' }])
      await heard()
      expect(isCached(await execute(old))).toBe(true)
    })

    test('is invalidated by an event in the first or last moment of its range, and by none outside', async () => {
      const noon = `{ metrics(name: "*", interval: TOTAL, startTime: "2026-11-08T12:00:00Z", endTime: "2026-11-08T12:30:00Z") { value } }`
      const value = async () => (await execute(noon)).data.metrics[0]?.value ?? 0
      const store = (time: string) =>
        fixture.store('default', [{ occurredAt: `2026-11-08T${time}Z` }])
      expect(await value()).toBe(0)
      await store('11:59:59.999')
      await store('12:30:00')
      await heard()
      expect(isCached(await execute(noon))).toBe(true)
      await store('12:00:00')
      await expect.poll(value).toBe(1)
      await store('12:29:59.999')
      await expect.poll(value).toBe(2)
    })

    test('is invalidated by an event in a 15-minute bucket that its range covers in part', async () => {
      const short = `{ metrics(name: "*", interval: TOTAL, startTime: "2026-11-07T12:10:00Z", endTime: "2026-11-07T12:50:00Z") { value } }`
      const value = async () => (await execute(short)).data.metrics[0]?.value ?? 0
      expect(await value()).toBe(0)
      await fixture.store('default', [{ occurredAt: '2026-11-07T12:47:00Z' }])
      await expect.poll(value).toBe(1)
      await fixture.store('default', [{ occurredAt: '2026-11-07T12:11:00Z' }])
      await expect.poll(value).toBe(2)
    })

    test('exists of every kind of query about events in a range', async () => {
      const at = 'startTime: "2026-11-02T00:00:00Z", endTime: "2026-11-03T00:00:00Z"'
      const everything = `{
        compare(name: "*", ${at}, interval: DAY) { points { value } }
        ratio(numerator: {name: "*"}, denominator: {name: "*"}, ${at}) { points { value } }
        contributions(name: "*", dimension: "name", ${at}) { difference }
        properties(name: "*", ${at}) { sampled }
        topValues(name: "*", dimension: "name", ${at}) { total }
        retention(first: {name: "*"}, ${at}) { cohorts { actors } }
        funnel(steps: [{name: "*"}, {name: "*"}], ${at}) { withoutActor }
      }`
      await expect.poll(async () => isCached(await execute(everything))).toBe(true)
    })

    test('of totals is invalidated by an event of the period before', async () => {
      expect((await execute(totals)).data.totals.previousCount).toBe(0)
      await fixture.store('default', [{ id: 'before', occurredAt: '2026-11-09T23:59:00Z' }])
      await expect.poll(async () => (await execute(totals)).data.totals.previousCount).toBe(1)
      await expect.poll(async () => isCached(await execute(totals))).toBe(true)
    })

    test('is never more than a moment behind while events arrive', async () => {
      const today = `{ metrics(name: "live", interval: TOTAL, startTime: "2026-01-01T00:00:00Z", endTime: "2099-01-01T00:00:00Z") { value } }`
      const value = async () => (await execute(today)).data.metrics[0]?.value ?? 0
      for (let i = 1; i <= 10; i++) {
        await fixture.store('default', [{ id: `live-${i}`, name: 'live' }])
        await expect.poll(value, { interval: 5 }).toBe(i)
      }
    })

    test('is found whatever the order of the variables, and only for the same ones', async () => {
      const query = `query ($a: DateTime!, $b: DateTime!, $name: String!) { metrics(name: $name, startTime: $a, endTime: $b, interval: DAY) { value } }`
      const a = '2026-11-10T00:00:00Z'
      const b = '2026-11-11T00:00:00Z'
      await execute(query, own, { a, b, name: '*' })
      await expect
        .poll(async () => isCached(await execute(query, own, { name: '*', b, a })))
        .toBe(true)
      expect(isCached(await execute(query, own, { name: 'page_view', a, b }))).toBe(false)
    })

    test('is not used for the days of another time zone', async () => {
      const query = `query ($zone: String!) { metrics(name: "*", startTime: "2026-11-10T00:00:00Z", endTime: "2026-11-12T00:00:00Z", interval: DAY, timeZone: $zone) { timestamp } }`
      const days = async (zone: string) => (await execute(query, own, { zone })).data.metrics
      const utc = await days('UTC')
      expect(utc).toEqual([{ timestamp: '2026-11-10T00:00:00Z' }])
      expect(await days('Asia/Kathmandu')).not.toEqual(utc)
      expect(await days('UTC')).toEqual(utc)
    })

    test('is never returned to another tenant, nor to a revoked key', async () => {
      const mine = await execute(hours)
      const theirs = await execute(hours, others)
      expect(isCached(theirs)).toBe(false)
      expect(theirs.data).not.toEqual(mine.data)
      const { key, keyId } = await createKey(fixture.db, {
        tenant: 'default',
        name: 'x',
        scopes: ['read'],
      })
      const headers = { 'x-api-key': key }
      await expect.poll(async () => isCached(await execute(hours, headers))).toBe(true)
      await revokeKey(fixture.db, keyId)
      expect((await execute(hours, headers)).status).toBe(401)
      expect((await execute(hours, {})).status).toBe(401)
      const wanted = hours.replace('name:', 'tenant: "default", name:')
      const session = await fixture.session()
      await execute(wanted, session)
      await expect.poll(async () => isCached(await execute(wanted, session))).toBe(true)
      expect((await execute(wanted, others)).errors?.[0]?.extensions.code).toBe('FORBIDDEN')
      // The operator's results depend on the tenant that was named.
      const other = await execute(wanted.replace('"default"', '"other"'), session)
      expect([isCached(other), other.data]).toEqual([false, theirs.data])
    })

    test('is kept an hour by days, five minutes by hours, five seconds while events are still expected', async () => {
      const lasts = async (query: string) => {
        await execute(query)
        return storedMs.at(-1)
      }
      const of = (range: string, interval: string) =>
        `{ metrics(name: "*", interval: ${interval}, ${range}) { value } }`
      const past = 'startTime: "2026-10-01T00:00:00Z", endTime: "2026-10-02T00:00:00Z"'
      const now = new Date().toISOString()
      const open = `startTime: "2026-11-01T00:00:00Z", endTime: "${now}"`
      expect(await lasts(of(past, 'DAY'))).toBe(QUERY_LIMITS.cacheDailyMs)
      expect(await lasts(of(past, 'HOUR'))).toBe(QUERY_LIMITS.cacheHourlyMs)
      expect(await lasts(of(open, 'DAY'))).toBe(QUERY_LIMITS.cacheOpenMs)
      const both = `{ a: ${of(past, 'DAY').slice(2, -1)} b: ${of(past, 'HOUR').slice(2)}`
      expect(await lasts(both)).toBe(QUERY_LIMITS.cacheHourlyMs)
      expect(await lasts(`{ totals(${past}) { count } }`)).toBe(QUERY_LIMITS.cacheHourlyMs)
      expect(await lasts(`{ totals(${open}) { count } }`)).toBe(QUERY_LIMITS.cacheOpenMs)
    })

    test('does not exist of fields that depend on more than events in a range', async () => {
      const before = storedMs.length
      const query = `{ viewer { kind } ${hours.slice(1)}`
      for (let i = 0; i < 2; i++) {
        const response = await execute(query)
        expect(response.data.metrics).toHaveLength(2)
        expect(response.extensions?.cache).toBeUndefined()
      }
      expect((await execute('{ viewer { kind } }')).extensions).toBeUndefined()
      expect(storedMs).toHaveLength(before)
    })

    test('is returned by GET and in either media type', async () => {
      await execute(hours)
      const get = (headers = {}) =>
        fixture.graphql.fetch(
          new Request(`http://localhost/graphql?query=${encodeURIComponent(hours)}`, {
            headers: { ...own, ...headers },
          }),
        )
      const first = await get({ accept: 'application/graphql-response+json' })
      expect(first.headers.get('content-type')).toBe(
        'application/graphql-response+json; charset=utf-8',
      )
      expect(isCached((await first.json()) as QueryResponse)).toBe(true)
      const second = await get({ accept: 'application/json' })
      expect(second.headers.get('content-type')).toBe('application/json; charset=utf-8')
    })

    test('is not used while the LISTEN connection is lost', async () => {
      await execute(hours)
      const terminate = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name = 'sluice result cache' AND datname = current_database()`
      await fixture.database.pool.query(terminate)
      await expect
        .poll(() => invalidation.unchanged(99, { startMs: 0, endMs: 1 }, Date.now()))
        .toBe(false)
      // Stored while nobody listens.
      await fixture.store('default', [{ id: 'unheard', occurredAt: '2026-11-10T12:00:00Z' }])
      expect((await execute(hours)).data.metrics).toHaveLength(3)
      await heard()
      expect((await execute(hours)).data.metrics).toHaveLength(3)
      await expect.poll(async () => isCached(await execute(hours))).toBe(true)
    })

    test(`is ${shared ? '' : 'not '}found by another core that has listened all the time`, async () => {
      const { db, database, live, log } = fixture
      const theirInvalidation = createInvalidation({ databaseUrl: database.url, logger })
      const second = createGraphQL({
        db,
        live,
        log,
        logger: { error() {} },
        resultCache: createResultCache({
          db,
          store: createCache(),
          invalidation: theirInvalidation,
        }),
      })
      const executeOnSecond = async (query = hours) => {
        const response = await second.fetch(
          new Request('http://localhost/graphql', {
            method: 'POST',
            headers: { 'content-type': 'application/json', ...own },
            body: JSON.stringify({ query }),
          }),
        )
        return (await response.json()) as QueryResponse
      }
      await heard(theirInvalidation)
      // Clocks of two machines may differ by a second.
      await new Promise((go) => setTimeout(go, 1_100))
      await fixture.store('default', [{ id: 'seen', occurredAt: '2026-11-10T13:00:00Z' }])
      await expect.poll(async () => (await execute(hours)).data.metrics.length).toBe(4)
      expect((await executeOnSecond()).data.metrics).toHaveLength(4)
      await new Promise((go) => setTimeout(go, 1_100))
      const query = hours.replace('lateCount', 'value')
      const first = await execute(query)
      const found = await executeOnSecond(query)
      expect([isCached(first), isCached(found)]).toEqual([false, shared])
      expect(found.data).toEqual(first.data)
      await theirInvalidation.close()
    })
  })
}
