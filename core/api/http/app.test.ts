import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Hono } from 'hono'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type KeyRecord, keyRecord } from '../../../contract/api-key.ts'
import { createDatabase } from '../../db/database.ts'
import { createKey, listKeys, revokeKey } from '../../identity/api-keys.ts'
import { mintLoginLink } from '../../identity/login-links.ts'
import { ROOT } from '../../lib/paths.ts'
import type { SecurityEvent } from '../../lib/security-log.ts'
import { createQueryFixture, type QueryFixture } from '../graphql/testing/fixture.ts'
import { createCoreApp } from './app.ts'
import { DASHBOARD_PAGES } from './dashboard.ts'
import { createMetrics } from './metrics.ts'
import { type Served, serveApp } from './serve.ts'

const SECRET = 'a-gateway-secret'
const folder = mkdtempSync(join(tmpdir(), 'sluice-dashboard-'))
const logged: object[] = []
const logger = { error: (fields: object) => logged.push(fields) }
const security: SecurityEvent[] = []
const securityLog = { record: (event: SecurityEvent) => void security.push(event), close() {} }

let fixture: QueryFixture
let core: Served
beforeAll(async () => {
  fixture = await createQueryFixture()
  mkdirSync(join(folder, 'assets'))
  writeFileSync(join(folder, 'index.html'), '<!doctype html><title>Sluice</title>')
  writeFileSync(join(folder, 'assets', 'index-abc123.js'), 'export {}')
  writeFileSync(join(folder, 'favicon.svg'), '<svg xmlns="http://www.w3.org/2000/svg"/>')
  writeFileSync(join(folder, '..', 'sluice-secret.txt'), 'outside')
  core = await serveApp(createCoreApp(deps()), { port: 0 })
})
afterAll(async () => {
  await core.close(0)
  await fixture.close()
  rmSync(folder, { recursive: true })
})

function deps() {
  const { db, log, graphql } = fixture
  const gateway = new Hono()
  gateway.post('/produce', (c) => c.json({ produced: true }))
  return {
    db,
    log,
    logger,
    securityLog,
    metrics: createMetrics({ db, log, subscribers: () => fixture.live.size }),
    api: { graphql, dashboardFolder: folder, publicUrl: 'https://sluice.example' },
    gateway: {
      app: gateway,
      users: [
        { name: 'sluice', password: SECRET, scope: 'all' },
        { name: 'edge-1', password: SECRET, scope: 'produce' },
        { name: 'reader', password: SECRET, scope: 'consume' },
      ] as const,
    },
  }
}

const get = (path: string, init: RequestInit = {}) =>
  fetch(core.url + path, { redirect: 'manual', ...init })

/** With headers that fetch does not allow to set. */
function raw(path: string, headers: Record<string, string>, method = 'GET') {
  return new Promise<{ status: number; body: string }>((resolve, reject) => {
    const sent = request(core.url, { path, headers, method }, (response) => {
      let body = ''
      response.on('data', (chunk) => (body += chunk))
      response.on('end', () => resolve({ status: response.statusCode as number, body }))
    })
    sent.on('error', reject)
    sent.end()
  })
}

describe('sign-in', () => {
  const redeem = (token: string, headers: Record<string, string> = {}) =>
    get('/login', {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-sluice-sign-in': '1', ...headers },
      body: JSON.stringify({ token }),
    })

  test('a link signs in once, with a cookie that scripts and other sites do not get', async () => {
    const link = await mintLoginLink(fixture.db)
    const first = await redeem(link)
    expect(first.status).toBe(204)
    const cookie = first.headers.get('set-cookie') as string
    for (const part of [
      '__Host-sluice_session=',
      'HttpOnly',
      'SameSite=Lax',
      'Path=/',
      'Max-Age=2592000',
      'Secure',
    ])
      expect(cookie).toContain(part)
    expect(cookie).not.toContain('Domain')

    const again = await redeem(link)
    expect([again.status, again.headers.get('set-cookie')]).toEqual([401, null])
    expect(await again.json()).toMatchObject({ code: 'SIGN_IN_LINK_INVALID' })

    const session = { cookie: cookie.split(';')[0] as string }
    const execute = async (headers: Record<string, string> = session) =>
      (
        await get('/graphql', {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...headers },
          body: JSON.stringify({ query: '{ viewer { kind } }' }),
        })
      ).json()
    expect(await execute()).toEqual({ data: { viewer: { kind: 'SESSION' } } })
    // Where Secure is set, a cookie that any host could have planted is no session.
    const planted = { cookie: session.cookie.replace('__Host-', '') }
    expect(await execute(planted)).toMatchObject({
      errors: [{ extensions: { code: 'UNAUTHENTICATED' } }],
    })
    const cached = await get('/graphql', { headers: session })
    expect(cached.headers.get('cache-control')).toBe('no-store')
    // A used link does not stop a browser that is signed in already.
    expect((await redeem(link, session)).status).toBe(204)

    const foreign = { ...session, 'sec-fetch-site': 'same-site' }
    await get('/logout', { method: 'POST', headers: foreign })
    expect(await execute()).toEqual({ data: { viewer: { kind: 'SESSION' } } })
    const out = await get('/logout', { method: 'POST', headers: session })
    expect([out.status, out.headers.get('set-cookie')]).toEqual([
      303,
      expect.stringContaining('Max-Age=0'),
    ])
    expect(out.headers.get('clear-site-data')).toContain('"storage"')
    expect(await execute()).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] })
    expect((await get('/logout')).status).toBe(405)
    expect(security).toEqual([
      expect.objectContaining({ name: 'sign-in', outcome: 'allowed', address: '127.0.0.1' }),
      expect.objectContaining({ name: 'credentials-refused', detail: 'SIGN_IN_LINK_INVALID' }),
      expect.objectContaining({ name: 'cross-site-refused' }),
      expect.objectContaining({ name: 'sign-out', outcome: 'allowed' }),
    ])
    expect(JSON.stringify(security)).not.toContain(link)
  })

  test('a browser that signs in by another link has one session, and the former one has ended', async () => {
    const signIn = async (headers?: Record<string, string>) => {
      const response = await redeem(await mintLoginLink(fixture.db), headers)
      return { cookie: response.headers.get('set-cookie')?.split(';')[0] as string }
    }
    const former = await signIn()
    const other = await signIn()
    const session = await signIn(former)
    const statuses = [former, other, session].map(async (headers) => {
      const body = JSON.stringify({ query: '{ viewer { kind } }' })
      const all = { 'content-type': 'application/json', ...headers }
      return (await get('/graphql', { method: 'POST', headers: all, body })).status
    })
    expect(await Promise.all(statuses)).toEqual([401, 200, 200])
  })

  test('opening a link uses it up neither by GET nor by HEAD', async () => {
    const link = await mintLoginLink(fixture.db)
    for (const method of ['GET', 'HEAD']) {
      const page = await get(`/login?token=${link}`, { method })
      expect([page.status, page.headers.get('set-cookie')]).toEqual([200, null])
    }
    expect((await redeem(link)).status).toBe(204)
  })

  test('a link is redeemed by a page of the same origin only', async () => {
    const link = await mintLoginLink(fixture.db)
    const foreign: Record<string, string>[] = [
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { origin: 'https://evil.example' },
      { origin: 'null' },
    ]
    for (const headers of foreign) expect((await redeem(link, headers)).status).toBe(403)
    const form = await get('/login', { method: 'POST', body: new URLSearchParams({ token: link }) })
    expect([form.status, await form.json()]).toMatchObject([403, { code: 'CROSS_SITE_REFUSED' }])
    expect((await redeem(link, { origin: core.url, 'sec-fetch-site': 'same-origin' })).status).toBe(
      204,
    )
  })

  test('attempts to sign in are limited for each address, and their bodies too', async () => {
    const app = createCoreApp(deps())
    const attempt = (address: string, body = '{"token":"x"}') =>
      app.request(
        'http://localhost/login',
        {
          method: 'POST',
          headers: { 'x-sluice-sign-in': '1', 'content-length': String(body.length) },
          body,
        },
        { incoming: { socket: { remoteAddress: address } } },
      )
    expect((await attempt('203.0.113.1', 'x'.repeat(2_000))).status).toBe(413)
    const statuses = []
    for (let i = 0; i < 31; i++) statuses.push((await attempt('203.0.113.1')).status)
    expect([statuses.slice(0, 30).every((status) => status === 401), statuses[30]]).toEqual([
      true,
      429,
    ])
    expect((await attempt('203.0.113.2')).status).toBe(401)
  })

  test('is refused through a proxy unless the public URL is set', async () => {
    const api = { ...deps().api, publicUrl: undefined }
    const app = createCoreApp({ ...deps(), api })
    const headers = { via: '1.1 proxy', 'x-sluice-sign-in': '1' }
    const page = await app.request('http://localhost/login', { headers })
    expect([page.status, await page.text()]).toEqual([
      403,
      expect.stringContaining('SLUICE_PUBLIC_URL'),
    ])
    const link = await mintLoginLink(fixture.db)
    const body = JSON.stringify({ token: link })
    const post = await app.request('http://localhost/login', { method: 'POST', headers, body })
    expect([post.status, await post.json()]).toMatchObject([403, { code: 'PUBLIC_URL_MISSING' }])
    expect((await redeem(link, { via: '1.1 proxy' })).status).toBe(204)
  })
})

describe('the key directory', () => {
  const basic = (secret: string) => ({
    authorization: `Basic ${Buffer.from(`sluice:${secret}`).toString('base64')}`,
  })
  const hash = (key: string) => createHash('sha256').update(key).digest('hex')

  test('returns the record of a key to the edge, and records its use', async () => {
    const made = await createKey(fixture.db, { tenant: 'default', name: 'e', scopes: ['ingest'] })
    const execute = () => get(`/gateway/keys/${hash(made.key)}`, { headers: basic(SECRET) })
    const response = await execute()
    const record = (await response.json()) as KeyRecord
    expect(keyRecord.parse(record)).toMatchObject({ key_id: made.keyId, revoked_at: null })
    await expect
      .poll(
        async () => (await listKeys(fixture.db)).find((k) => k.keyId === made.keyId)?.lastUsedAt,
      )
      .toMatch(/Z$/)
    await revokeKey(fixture.db, made.keyId)
    expect(((await (await execute()).json()) as KeyRecord).revoked_at).toMatch(/Z$/)
  })

  test('a key that is refused anyway does not count as used when it is looked up', async () => {
    const make = (name: string) =>
      createKey(fixture.db, { tenant: 'default', name, scopes: ['ingest'] })
    const [revoked, expired, good] = [
      await make('revoked'),
      await make('expired'),
      await make('good'),
    ]
    await revokeKey(fixture.db, revoked.keyId)
    await fixture.database.pool.query(
      "UPDATE api_key SET created_at = now() - interval '2 days', expires_at = now() - interval '1 day' WHERE key_id = $1",
      [expired.keyId],
    )
    // The good one last, so that the others would have been recorded before it.
    for (const { key } of [revoked, expired, good])
      expect((await get(`/gateway/keys/${hash(key)}`, { headers: basic(SECRET) })).status).toBe(200)
    const used = async () => {
      const keys = await listKeys(fixture.db)
      return [revoked, expired, good].map(
        ({ keyId }) => keys.find((key) => key.keyId === keyId)?.lastUsedAt ?? null,
      )
    }
    await expect.poll(used).toEqual([null, null, expect.stringMatching(/Z$/)])
  })

  test('returns 404 for an unknown key, and 401 without the secret', async () => {
    const unknown = await get(`/gateway/keys/${hash('x')}`, { headers: basic(SECRET) })
    expect([unknown.status, unknown.headers.get('content-type')]).toEqual([
      404,
      'application/problem+json',
    ])
    for (const headers of [{}, basic('wrong'), basic(''), { authorization: 'Basic !' }])
      expect((await get(`/gateway/keys/${hash('x')}`, { headers })).status).toBe(401)
    const post = await get(`/gateway/keys/${hash('x')}`, { method: 'POST' })
    expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
  })

  test('responds 503 while Postgres is unavailable, so that the edge uses what it has cached', async () => {
    const away = createDatabase('postgres://127.0.0.1:1/nowhere', { connectMs: 500 })
    const app = createCoreApp({ ...deps(), db: away })
    const response = await app.request(`/gateway/keys/${hash('x')}`, { headers: basic(SECRET) })
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1'])
    const login = await app.request('http://localhost/login', {
      method: 'POST',
      headers: { 'x-sluice-sign-in': '1' },
      body: JSON.stringify({ token: 'x'.repeat(43) }),
    })
    expect([login.status, await login.json()]).toMatchObject([503, { code: 'UNAVAILABLE' }])
    await away.destroy()
  })

  test('shares the path /gateway with the gateway', async () => {
    const response = await get('/gateway/produce', { method: 'POST', body: '[]' })
    expect(await response.json()).toEqual({ produced: true })
  })
})

describe('health', () => {
  test('is ready when Postgres, the log and a worker respond', async () => {
    const readyz = async () => {
      const response = await get('/readyz')
      return [response.status, await response.json()] as const
    }
    await expect.poll(readyz).toEqual([
      503,
      {
        status: 'failing',
        checks: { postgres: 'ok', log: 'ok', worker: 'no worker runs' },
        balance: 'not compared yet',
        freshness: 'no canaries are sent',
        rollups: 'not compared yet',
      },
    ])
    // One worker is enough, whatever became of another.
    await fixture.database.pool.query(
      "INSERT INTO worker_heartbeat (worker_id, beat_at) VALUES ('w', now()), ('dead', now() - interval '5 min')",
    )
    const checks = { postgres: 'ok', log: 'ok', worker: 'ok' }
    await expect
      .poll(readyz)
      .toMatchObject([200, { status: 'ready', checks, balance: 'not compared yet' }])
    const sql = (text: string) => fixture.database.pool.query(text)
    await sql('INSERT INTO balance_check (checked_at) VALUES (clock_timestamp())')
    await expect.poll(readyz).toMatchObject([200, { balance: 'ok' }])
    await sql("INSERT INTO unaccounted_minute VALUES (1, date_trunc('minute', now()), -2, now())")
    await expect.poll(readyz).toMatchObject([200, { balance: 'events are unaccounted for' }])
    await sql(
      "UPDATE unaccounted_minute SET unaccounted = 0; UPDATE balance_check SET checked_at = now() - interval '125 s'",
    )
    await expect.poll(readyz).toMatchObject([200, { balance: 'not compared lately' }])
    await sql('UPDATE unaccounted_minute SET unaccounted = -2')
    await sql('UPDATE verification_state SET sampled_at = clock_timestamp()')
    await expect.poll(readyz).toMatchObject([200, { rollups: 'ok' }])
    await sql(
      "INSERT INTO rollup_difference VALUES (1, 'rollup', 'a', now(), '1', '2', now(), now())",
    )
    await expect.poll(readyz).toMatchObject([200, { rollups: 'rollups differ from their events' }])
    await fixture.database.pool.query(
      "DELETE FROM worker_heartbeat WHERE worker_id = 'dead'; UPDATE worker_heartbeat SET beat_at = now() - interval '1 min'",
    )
    await expect
      .poll(readyz)
      .toMatchObject([503, { checks: { worker: expect.stringMatching(/heartbeat is 6\d s old/) } }])
    expect((await get('/livez')).status).toBe(200)
  })

  test('names a part that does not respond within its deadline', async () => {
    const silent = { ...fixture.log, offsets: () => new Promise<never>(() => {}) }
    const away = createDatabase('postgres://127.0.0.1:1/nowhere', { connectMs: 500 })
    const app = createCoreApp({ ...deps(), db: away, log: silent })
    const response = await app.request('/readyz')
    expect([response.status, await response.json()]).toMatchObject([
      503,
      {
        checks: { postgres: 'failed (ECONNREFUSED)', log: 'log did not answer within 2000 ms' },
        balance: 'failed (ECONNREFUSED)',
        freshness: 'failing: postgres',
        rollups: 'failed (ECONNREFUSED)',
      },
    ])
    await away.destroy()
  })
})

describe('/metrics', () => {
  test('shows accepted events, their outcomes and the lag of the workers', async () => {
    const { key } = await createKey(fixture.db, { tenant: 'default', name: 'm', scopes: ['read'] })
    await get('/graphql', { headers: { 'x-api-key': key } })
    await fixture.log.append('events.raw', [
      { partition: 2, key: null, value: Buffer.from('a') },
      { partition: 2, key: null, value: Buffer.from('b') },
    ])
    await fixture.database.pool.query(
      `UPDATE log_position SET next_offset = 1 WHERE partition = 2;
       INSERT INTO outcome_total_by_partition (partition, stored, duplicate, conflicting, dead) VALUES (1, 5, 2, 4, 1), (2, 3, 0, 0, 0);
       INSERT INTO outcome_total (tenant_id, stored, dead) VALUES (1, 100, 10)`,
    )
    await fixture.database.pool.query(
      `UPDATE worker_heartbeat SET batches = 4, batch_ms = 500 WHERE worker_id = 'w';
       INSERT INTO offset_gap (topic, partition, expected, available) VALUES ('events.raw', 5, 10, 13), ('events.raw', 5, 20, 7)`,
    )
    const response = await get('/metrics')
    const text = await response.text()
    expect(response.headers.get('content-type')).toContain('text/plain')
    for (const line of [
      'sluice_log_position{topic="events.raw",partition="2"} 1',
      'sluice_log_end{topic="events.raw",partition="2"} 2',
      'sluice_offset_gaps_total{topic="events.raw",partition="5"} 2',
      'sluice_offset_gap_records_total{topic="events.raw",partition="5"} 3',
      'sluice_offset_gaps_open 2',
      'sluice_dead_letters_to_forward 0',
      'sluice_unaccounted_events 2',
      'sluice_rollup_differences 1',
      'sluice_worker_batches_total{worker="w"} 4',
      'sluice_worker_batch_seconds_total{worker="w"} 0.5',
      'sluice_events_accepted_total{partition="2"} 2',
      'sluice_log_lag_records{topic="events.raw",partition="2"} 1',
      'sluice_log_lag_records{topic="events.raw",partition="0"} 0',
      // With what former versions counted by tenant.
      'sluice_events_total{outcome="stored"} 108',
      'sluice_events_total{outcome="duplicate"} 2',
      'sluice_events_total{outcome="conflicting"} 4',
      'sluice_events_total{outcome="dead"} 11',
      'sluice_up{part="postgres"} 1',
      'sluice_up{part="log"} 1',
    ])
      expect(text.split('\n')).toContain(line)
    expect(text).toMatch(/sluice_worker_heartbeat_age_seconds\{worker="w"\} \d/)
    expect(text).toMatch(/^process_resident_memory_bytes \d/m)
    expect(text).not.toContain('slc_')
  })

  test('shows for how long the oldest open transaction has kept old row versions', async () => {
    const { pool } = fixture.database
    const age = async () =>
      Number(
        /^sluice_postgres_oldest_snapshot_seconds (\S+)$/m.exec(
          await (await get('/metrics')).text(),
        )?.[1],
      )
    const dump = await pool.connect()
    await dump.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
    await dump.query('SELECT count(*) FROM outcome_total_by_partition')
    const since = async () => {
      const { rows } = await dump.query('SELECT extract(epoch FROM clock_timestamp() - now()) AS s')
      return Number(rows[0].s)
    }
    await expect.poll(since).toBeGreaterThan(1.5)
    const before = await since()
    const shown = await age()
    expect(shown).toBeGreaterThanOrEqual(before)
    expect(shown).toBeLessThanOrEqual(await since())
    await dump.query('COMMIT')
    dump.release()
    await expect.poll(age).toBeLessThan(1.5)
  })

  test('are shown to this machine only, not through a proxy or another host name, or to whom has the token', async () => {
    const at = (app: Hono, headers: Record<string, string>, address = '127.0.0.1') =>
      app.request(
        'http://localhost/metrics',
        { headers },
        { incoming: { socket: { remoteAddress: address } } },
      )
    const open = createCoreApp(deps())
    expect((await at(open, {}, '::ffff:127.0.0.1')).status).toBe(200)
    expect((await at(open, {}, '10.0.0.7')).status).toBe(403)
    expect((await at(open, { 'x-forwarded-for': '203.0.113.1' })).status).toBe(403)
    expect((await at(open, { host: 'evil.example' })).status).toBe(421)
    const closed = createCoreApp({ ...deps(), metricsToken: 'a-token' })
    expect((await at(closed, {})).status).toBe(401)
    expect((await at(closed, { authorization: 'Bearer a-toke' })).status).toBe(401)
    const scrape = await at(
      closed,
      { authorization: 'Bearer a-token', host: 'core:4000' },
      '10.0.0.7',
    )
    expect(scrape.status).toBe(200)
  })

  test('reads Postgres once for concurrent scrapes, and no table that grows with time', async () => {
    const { pool } = fixture.database
    const blocker = await pool.connect()
    await blocker.query('BEGIN; LOCK TABLE worker_heartbeat')
    const metrics = createMetrics({ db: fixture.db, log: fixture.log })
    const scrapes = Array.from({ length: 20 }, () => metrics.text())
    const waiting = async () => {
      const { rows } = await pool.query(
        "SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%beat_at%'",
      )
      return rows[0].n
    }
    await expect.poll(waiting).toBe(1)
    await blocker.query('ROLLBACK; BEGIN; LOCK TABLE outcome_minute')
    expect(new Set(await Promise.all(scrapes)).size).toBe(1)
    expect(await metrics.text()).toContain('sluice_up{part="postgres"} 1')
    await blocker.query('ROLLBACK')
    blocker.release()
  })

  test('shows an unavailable part as down, without its old numbers', async () => {
    const { log, database } = fixture
    const db = createDatabase(database.url, { max: 2 })
    let offsets = log.offsets
    const metrics = createMetrics({ db, log: { ...log, offsets: (topic) => offsets(topic) } })
    const OF_LOG = /^sluice_(log_\w+|events_accepted_total)\{/m
    const OF_POSTGRES = /^sluice_(events_total|worker_\w+|offset_gaps_total)\{/m
    const before = await metrics.text()
    expect(before).toMatch(OF_LOG)
    expect(before).toMatch(OF_POSTGRES)

    offsets = () => Promise.reject(new Error('away'))
    const withoutLog = await metrics.text()
    expect(withoutLog).toContain('sluice_up{part="log"} 0')
    expect(withoutLog).not.toMatch(OF_LOG)
    expect(withoutLog).toContain('sluice_up{part="postgres"} 1')
    expect(withoutLog).toMatch(OF_POSTGRES)

    offsets = log.offsets
    expect(await metrics.text()).toMatch(OF_LOG)
    await db.destroy()
    const withoutPostgres = await metrics.text()
    expect(withoutPostgres).toContain('sluice_up{part="postgres"} 0')
    expect(withoutPostgres).not.toMatch(OF_POSTGRES)
  })
})

describe('serving the dashboard', () => {
  test('caches hashed files for ever, and revalidates pages', async () => {
    const asset = await get('/assets/index-abc123.js')
    expect([asset.status, asset.headers.get('cache-control')]).toEqual([
      200,
      'public, max-age=31536000, immutable',
    ])
    expect(asset.headers.get('content-type')).toContain('javascript')
    const page = await get('/?range=7d')
    expect([page.status, page.headers.get('cache-control')]).toEqual([200, 'no-cache'])
    expect(await page.text()).toContain('<title>Sluice</title>')
    expect((await get('/favicon.svg')).headers.get('content-type')).toContain('image/svg')
  })

  test('an unknown path is 404: the page about it for a browser, a problem for anything else', async () => {
    const html = { accept: 'text/html,application/xhtml+xml' }
    const page = await get('/overview/deep/link', { headers: html })
    expect([page.status, await page.text()]).toEqual([404, expect.stringContaining('<title>')])
    for (const path of ['/healthz', '/api/v2/events', '/v1/unknown', '/nowhere']) {
      const response = await get(path)
      expect([response.status, await response.json()], path).toMatchObject([
        404,
        { code: 'NOT_FOUND' },
      ])
    }
    expect((await get('/api/v2/events', { headers: html })).headers.get('content-type')).toContain(
      'problem',
    )
  })

  test('the list of pages is that of the router', () => {
    const paths = ['router.tsx', 'pages/settings/sections.ts'].flatMap((file) => {
      const source = readFileSync(join(ROOT, 'dashboard/src', file), 'utf8')
      return [...source.matchAll(/path: '(\/[^']*)'/g)].map(([, path]) => path)
    })
    expect(DASHBOARD_PAGES).toEqual(paths)
  })

  test('allows no foreign script and no framing', async () => {
    const { headers } = await get('/')
    const csp = headers.get('content-security-policy') as string
    expect(csp).toContain("script-src 'self';")
    expect(csp).toContain("frame-ancestors 'none'")
    expect(csp).toContain('report-to csp')
    expect(headers.get('reporting-endpoints')).toBe('csp="/csp-report"')
    expect(headers.get('permissions-policy')).toContain('camera=()')
    expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
  })

  test.each([
    ['GET', '/', 200],
    ['GET', '/login', 200],
    ['GET', '/nothing.txt', 404],
    ['GET', '/v1/openapi.json', 200],
    ['POST', '/graphql', 401],
    ['PUT', '/login', 405],
  ])('protects browsers with every response: %s %s', async (method, path, status) => {
    const { status: responded, headers } = await get(path, { method })
    expect(responded).toBe(status)
    expect(Object.fromEntries(headers)).toMatchObject({
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'referrer-policy': 'no-referrer',
      'strict-transport-security': 'max-age=31536000; includeSubDomains',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'cache-control': path === '/' ? 'no-cache' : 'no-store',
    })
  })

  test('responds with problem+json to an unknown path, and serves nothing outside its folder', async () => {
    for (const path of ['/assets/gone.js', '/nothing.txt', '/gateway/nothing']) {
      const response = await get(path, { headers: { 'x-request-id': 'my-request' } })
      expect([response.status, response.headers.get('content-type')], path).toEqual([
        404,
        'application/problem+json',
      ])
      expect(await response.json()).toMatchObject({
        code: 'NOT_FOUND',
        instance: path,
        request_id: 'my-request',
      })
    }
    for (const path of [
      '/../sluice-secret.txt',
      '/%2e%2e/sluice-secret.txt',
      '/..%2fsluice-secret.txt',
      '/assets/../../sluice-secret.txt',
    ])
      expect((await raw(path, { host: 'localhost' })).body).not.toContain('outside')
    expect((await get('/', { method: 'DELETE' })).status).toBe(404)
  })

  test('sends nothing of a TRACE request back', async () => {
    const { hostname, port } = new URL(core.url)
    const socket = connect(Number(port), hostname)
    let text = ''
    socket.on('data', (data: Buffer) => {
      text += data.toString()
    })
    socket.end(
      'TRACE /login HTTP/1.1\r\nHost: localhost\r\nX-Secret: abc\r\nConnection: close\r\n\r\n',
    )
    await once(socket, 'close')
    expect(text).toMatch(/^HTTP\/1\.1 [45]\d\d /)
    expect(text).not.toContain('abc')
  })

  test('responds with how to build a dashboard that was not built', async () => {
    const api = { ...deps().api, dashboardFolder: join(folder, 'nowhere') }
    const response = await createCoreApp({ ...deps(), api }).request('http://localhost/')
    expect([response.status, await response.json()]).toMatchObject([
      503,
      { detail: expect.stringContaining('npm start') },
    ])
  })
})

describe('the Host header', () => {
  test('must be a loopback name or the public URL, against DNS rebinding', async () => {
    const port = core.port
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, '[::1]', 'SLUICE.example'])
      expect((await raw('/', { host })).status, host).toBe(200)
    for (const host of [
      'evil.example',
      `evil.example:${port}`,
      'localhost.evil.example',
      '10.0.0.1',
    ]) {
      for (const path of ['/', '/graphql', '/login'])
        expect((await raw(path, { host })).status, `${host}${path}`).toBe(421)
      // Probes and scrapers use addresses.
      expect((await raw('/livez', { host })).status).toBe(200)
    }
  })
})

describe('every response', () => {
  test('is sent with nosniff, no-store and HSTS, to machines too', async () => {
    for (const path of [
      '/login',
      '/graphql',
      '/metrics',
      '/livez',
      '/gateway/keys/x',
      '/nothing.txt',
    ]) {
      const { headers } = await get(path)
      expect(
        [
          headers.get('x-content-type-options'),
          headers.get('cache-control'),
          headers.get('strict-transport-security'),
        ],
        path,
      ).toEqual(['nosniff', 'no-store', 'max-age=31536000; includeSubDomains'])
      expect(headers.get('content-security-policy'), path).toMatch(
        /^default-src 'none'.*frame-ancestors 'none'/,
      )
    }
    const plain = createCoreApp({ ...deps(), api: { ...deps().api, publicUrl: undefined } })
    const { headers } = await plain.request('http://localhost/login')
    expect(headers.get('strict-transport-security')).toBeNull()
  })

  test('reports of the Content-Security-Policy are taken, within limits', async () => {
    const report = (body: string) =>
      get('/csp-report', {
        method: 'POST',
        headers: { 'content-type': 'application/reports+json' },
        body,
      })
    const violation = [{ type: 'csp-violation', body: { effectiveDirective: 'script-src-elem' } }]
    expect((await report(JSON.stringify(violation))).status).toBe(204)
    expect((await report('{')).status).toBe(204)
    expect((await report('x'.repeat(20_000))).status).toBe(413)
    const many = await Promise.all(Array.from({ length: 30 }, () => report('[]')))
    expect(new Set(many.map(({ status }) => status))).toEqual(new Set([204, 429]))
  })
})

describe('GraphQL in a browser', () => {
  test('is a console for who is signed in, and says how to sign in to anybody else', async () => {
    const open = (headers: Record<string, string>) =>
      get('/graphql', { headers: { accept: 'text/html', ...headers } })
    const page = await open({})
    expect([page.status, await page.text()]).toEqual([
      401,
      expect.stringContaining('npm run sluice'),
    ])
    const { cookie } = await fixture.session()
    const signedIn = await open({ cookie: `__Host-${cookie}` })
    expect([signedIn.status, await signedIn.text()]).toEqual([
      200,
      expect.stringContaining('/graphql-console.js'),
    ])
    const script = await get('/graphql-console.js')
    expect(script.headers.get('content-type')).toContain('javascript')
  })
})

test('no log line contains a token or a key', () => {
  expect(JSON.stringify(logged)).not.toMatch(/token=|slc_/)
})
