import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Hono } from 'hono'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type KeyRecord, keyRecord } from '../../../contract/api-key.ts'
import { createDatabase } from '../../db/database.ts'
import { createKey, listKeys, revokeKey } from '../../identity/api-keys.ts'
import { mintLoginLink } from '../../identity/sessions.ts'
import { createQueryFixture, type QueryFixture } from '../graphql/testing/fixture.ts'
import { createCoreApp } from './app.ts'
import { createMetrics } from './metrics.ts'
import { type Served, serveApp } from './serve.ts'

const SECRET = 'a-gateway-secret'
const folder = mkdtempSync(join(tmpdir(), 'sluice-dashboard-'))
const logged: object[] = []
const logger = { error: (fields: object) => logged.push(fields) }

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
  test('a link signs in once, with a cookie that scripts and other sites do not get', async () => {
    const link = await mintLoginLink(fixture.db)
    expect((await get(`/login?token=${link}`, { method: 'HEAD' })).status).toBe(204)
    const first = await get(`/login?token=${link}`)
    expect([first.status, first.headers.get('location')]).toEqual([303, '/'])
    const cookie = first.headers.get('set-cookie') as string
    for (const part of ['HttpOnly', 'SameSite=Lax', 'Path=/', 'Max-Age=2592000', 'Secure'])
      expect(cookie).toContain(part)
    expect(first.headers.get('referrer-policy')).toBe('no-referrer')

    const again = await get(`/login?token=${link}`)
    expect([again.status, again.headers.get('set-cookie')]).toEqual([401, null])
    expect(await again.text()).toContain('npm run sluice -- status')

    const session = { cookie: cookie.split(';')[0] as string }
    const execute = async () =>
      (
        await get('/graphql', {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...session },
          body: JSON.stringify({ query: '{ viewer { kind } }' }),
        })
      ).json()
    expect(await execute()).toEqual({ data: { viewer: { kind: 'SESSION' } } })
    const cached = await get('/graphql', { headers: session })
    expect(cached.headers.get('cache-control')).toBe('no-store')
    // A used link does not stop a browser that is signed in already.
    expect((await get(`/login?token=${link}`, { headers: session })).status).toBe(303)

    const out = await get('/logout', { method: 'POST', headers: session })
    expect([out.status, out.headers.get('set-cookie')]).toEqual([
      303,
      expect.stringContaining('Max-Age=0'),
    ])
    expect(await execute()).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] })
    expect((await get('/logout')).status).toBe(405)
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
    const login = await app.request('http://localhost/login?token=x')
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
    await expect
      .poll(readyz)
      .toEqual([
        503,
        { status: 'failing', checks: { postgres: 'ok', log: 'ok', worker: 'no worker runs' } },
      ])
    await fixture.database.pool.query("INSERT INTO worker_heartbeat (worker_id) VALUES ('w')")
    const checks = { postgres: 'ok', log: 'ok', worker: 'ok' }
    await expect.poll(readyz).toEqual([200, { status: 'ready', checks }])
    await fixture.database.pool.query(
      "UPDATE worker_heartbeat SET beat_at = now() - interval '1 min'",
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
       INSERT INTO outcome_total (tenant_id, stored, duplicate, dead) VALUES (1, 5, 2, 1), (2, 3, 0, 0)`,
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
      'sluice_worker_batches_total{worker="w"} 4',
      'sluice_worker_batch_seconds_total{worker="w"} 0.5',
      'sluice_events_accepted_total{partition="2"} 2',
      'sluice_log_lag_records{topic="events.raw",partition="2"} 1',
      'sluice_log_lag_records{topic="events.raw",partition="0"} 0',
      'sluice_events_total{outcome="stored"} 8',
      'sluice_events_total{outcome="duplicate"} 2',
      'sluice_events_total{outcome="dead"} 1',
      'sluice_up{part="postgres"} 1',
      'sluice_up{part="log"} 1',
    ])
      expect(text.split('\n')).toContain(line)
    expect(text).toMatch(/sluice_worker_heartbeat_age_seconds\{worker="w"\} \d/)
    expect(text).toMatch(/^process_resident_memory_bytes \d/m)
    expect(text).not.toContain('slc_')
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
    const bounds = () => Promise.reject(new Error('away'))
    const metrics = createMetrics({ db: fixture.db, log: { ...fixture.log, offsets: bounds } })
    const text = await metrics.text()
    expect(text).toContain('sluice_up{part="log"} 0')
    expect(text).not.toMatch(/^sluice_log_lag_records\{/m)
    expect(text).toContain('sluice_up{part="postgres"} 1')
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
    for (const path of ['/', '/pipeline', '/overview/deep/link?range=7d']) {
      const page = await get(path)
      expect([page.status, page.headers.get('cache-control')], path).toEqual([200, 'no-cache'])
      expect(await page.text()).toContain('<title>Sluice</title>')
    }
    expect((await get('/favicon.svg')).headers.get('content-type')).toContain('image/svg')
  })

  test('allows no foreign script and no framing', async () => {
    const { headers } = await get('/')
    const csp = headers.get('content-security-policy') as string
    expect(csp).toContain("script-src 'self';")
    expect(csp).toContain("frame-ancestors 'none'")
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
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

test('no log line contains a token or a key', () => {
  expect(JSON.stringify(logged)).not.toMatch(/token=|slc_/)
})
