import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createKey, revokeKey } from '../../identity/api-keys.ts'
import { createQueryBudget } from '../operations/result-budget.ts'
import { createMcpApp } from './app.ts'
import { createInProgress } from './in-progress.ts'
import { MCP_LIMITS } from './limits.ts'
import { createMcpFixture, type McpFixture, REVISION } from './testing/fixture.ts'

let mcp: McpFixture
beforeAll(async () => {
  mcp = await createMcpFixture()
  await mcp.fixture.store('default', [{ name: 'order', occurredAt: '2026-11-20T10:00:00Z' }])
})
afterAll(() => mcp.close())

/** A request of this revision as its envelope demands it. */
const message = (method: string, params: object = {}, revision = REVISION) => ({
  jsonrpc: '2.0',
  id: 1,
  method,
  params: {
    ...params,
    _meta: {
      'io.modelcontextprotocol/protocolVersion': revision,
      'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
      'io.modelcontextprotocol/clientCapabilities': {},
    },
  },
})
const headersOf = (method: string, name?: string, revision = REVISION) => ({
  'mcp-protocol-version': revision,
  'mcp-method': method,
  ...(name !== undefined && { 'mcp-name': name }),
})
const list = (headers: Record<string, string> = {}) =>
  mcp.post(message('tools/list'), { ...headersOf('tools/list'), ...headers })
// biome-ignore lint/suspicious/noExplicitAny: the shape is what is tested
const json = async (response: Promise<Response>): Promise<any> => (await response).json()

describe('revisions', () => {
  test('a client of 2026-07-28 needs no handshake and no session', async () => {
    const response = await list()
    expect([response.status, response.headers.get('mcp-session-id')]).toEqual([200, null])
    expect((await json(Promise.resolve(response))).result.tools).toHaveLength(8)
    const discovered = await json(
      mcp.post(message('server/discover'), headersOf('server/discover')),
    )
    expect(discovered.result).toMatchObject({
      supportedVersions: expect.arrayContaining([REVISION]),
      capabilities: { tools: {} },
    })
  })

  test('a client of 2025-11-25 gets the same tools and numbers', async () => {
    const client = await mcp.connect('2025-11-25')
    expect((await client.listTools()).tools).toHaveLength(8)
    const name = 'query_metric'
    const args = { metric: 'order', start: '2026-11-20T00:00:00Z', end: '2026-11-21T00:00:00Z' }
    const result = await client.callTool({ name, arguments: args })
    expect(JSON.stringify(result.content)).toContain('2026-11-20T10:00:00Z')
  })

  test('an unknown revision, method or tool is an error of the protocol that names what exists', async () => {
    const wrong = mcp.post(
      message('tools/list', {}, '2031-01-01'),
      headersOf('tools/list', undefined, '2031-01-01'),
    )
    expect(await json(wrong)).toMatchObject({
      error: { data: { supported: [REVISION], requested: '2031-01-01' } },
    })
    const method = mcp.post(message('tools/delete'), headersOf('tools/delete'))
    expect(await json(method)).toMatchObject({ error: { code: -32_601 } })
    const tool = await json(
      mcp.post(
        message('tools/call', { name: 'drop_table', arguments: {} }),
        headersOf('tools/call', 'drop_table'),
      ),
    )
    expect(tool.error).toMatchObject({
      code: -32_602,
      message: expect.stringContaining('query_metric'),
    })
  })

  test('nothing stays open: there are no sessions, no streams and no subscriptions', async () => {
    for (const method of ['GET', 'DELETE', 'PUT']) {
      const response = await fetch(`${mcp.core.url}/mcp`, { method, headers: mcp.key })
      expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST'])
    }
    const listen = await mcp.post(
      message('subscriptions/listen', { notifications: { toolsListChanged: true } }),
      headersOf('subscriptions/listen'),
    )
    expect(await listen.text()).toContain('"resultType":"complete"')
  })
})

test('the request of docs/mcp.md works as it is written', async () => {
  const guide = readFileSync(new URL('../../../docs/mcp.md', import.meta.url), 'utf8')
  const [, command = ''] = /```sh\n(curl [^`]*)```/.exec(guide) ?? []
  const { stdout } = await promisify(execFile)(
    'bash',
    ['-ec', command.replace('http://127.0.0.1:4000', mcp.core.url)],
    {
      env: { PATH: process.env.PATH, READ_KEY: mcp.key.authorization?.slice('Bearer '.length) },
      timeout: 10_000,
    },
  )
  expect(stdout).toContain('events_in_range: ')
})

describe('who may ask', () => {
  test('without a key, with an unknown one or a revoked one it is 401, with the scheme that it takes', async () => {
    const without = await fetch(`${mcp.core.url}/mcp`, { method: 'POST', body: '{}' })
    expect(without.status).toBe(401)
    expect(without.headers.get('www-authenticate')).toBe('Bearer realm="sluice", scope="read"')
    const { db } = mcp.fixture
    const { key, keyId } = await createKey(db, { tenant: 'default', name: 'r', scopes: ['read'] })
    expect((await list({ authorization: `Bearer ${key}` })).status).toBe(200)
    await revokeKey(db, keyId)
    await expect
      .poll(async () => (await list({ authorization: `Bearer ${key}` })).status, { timeout: 5_000 })
      .toBe(401)
    const unknown = await list({ authorization: `Bearer slc_sec_${'a'.repeat(36)}` })
    expect(unknown.headers.get('www-authenticate')).toContain('error="invalid_token"')
  })

  test('a key without the scope read is 403', async () => {
    const { key } = await createKey(mcp.fixture.db, {
      tenant: 'default',
      name: 'w',
      scopes: ['ingest'],
    })
    const response = await list({ authorization: `Bearer ${key}` })
    expect(response.status).toBe(403)
    expect(response.headers.get('www-authenticate')).toContain('error="insufficient_scope"')
  })

  test('the cookie of a session is not accepted, from any origin', async () => {
    const session = await mcp.fixture.session()
    const requests: Record<string, string>[] = [
      {},
      { 'sec-fetch-site': 'same-origin' },
      { origin: mcp.core.url },
    ]
    for (const headers of requests)
      expect((await list({ authorization: '', ...session, ...headers })).status).toBe(401)
    expect((await list({ ...session })).status).toBe(200)
  })

  test('a page of another origin is refused even with a key, and so is an unknown host', async () => {
    for (const origin of ['https://elsewhere.example', 'null', 'http://127.0.0.1:1'])
      expect([origin, (await list({ origin })).status]).toEqual([origin, 403])
    expect((await list({ origin: mcp.core.url })).status).toBe(200)
    const { request } = await import('node:http')
    const status = await new Promise((resolve, reject) => {
      const { port } = mcp.core
      const headers = { ...mcp.key, host: 'rebound.example', 'content-type': 'application/json' }
      const sent = request({ port, path: '/mcp', method: 'POST', headers }, (response) => {
        response.resume()
        resolve(response.statusCode)
      })
      sent.once('error', reject)
      sent.end(JSON.stringify(message('tools/list')))
    })
    expect(status).toBe(421)
  })

  test('nothing of a request is read before its sender is known', async () => {
    const response = await mcp.post('x'.repeat(MCP_LIMITS.bodyBytesMax + 1), { authorization: '' })
    expect(response.status).toBe(401)
  })
})

describe('limits', () => {
  test.each([
    ['a body that is too large', `"${'x'.repeat(MCP_LIMITS.bodyBytesMax)}"`, 413],
    ['a body that is not JSON', '{', 400],
    ['a batch', [message('tools/list'), message('tools/list')], 400],
  ])('%s is refused', async (_, body, status) => {
    expect((await mcp.post(body)).status).toBe(status)
  })

  test('a tenant has so many requests in progress, and leaves room for others', () => {
    const inProgress = createInProgress({ perClientMax: 2, max: 3 })
    const leave = inProgress.enter('a')
    inProgress.enter('a')
    expect(() => inProgress.enter('a')).toThrow('Too many requests')
    inProgress.enter('b')
    expect(() => inProgress.enter('c')).toThrow('Too many requests')
    leave()
    leave()
    inProgress.enter('c')
    expect(() => inProgress.enter('a')).toThrow('Too many requests')
  })

  test('a client that used up its budget waits, before anything of its request is read', async () => {
    const { graphql } = mcp.fixture
    const budget = createQueryBudget()
    const app = createMcpApp({ graphql, budget, secure: false, logger: { error() {} } })
    const send = () =>
      app.request('http://localhost/mcp', {
        method: 'POST',
        headers: { ...mcp.key, 'content-type': 'application/json', ...headersOf('tools/list') },
        body: JSON.stringify(message('tools/list')),
      })
    expect((await send()).status).toBe(200)
    const { rows } = await mcp.fixture.database.pool.query(
      "SELECT tenant_id FROM tenant WHERE slug = 'default'",
    )
    budget.charge(`tenant ${rows[0].tenant_id}`, 1e12)
    const refused = await send()
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1'])
  })
})

describe('a client that leaves', () => {
  const running = async () => {
    const { rows } = await mcp.fixture.database.pool.query(`
      SELECT count(*)::int AS running FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%FROM event e%'
         AND application_name = 'sluice api' AND datname = current_database() AND pid <> pg_backend_pid()`)
    return rows[0].running
  }

  test.each([REVISION, '2025-11-25'])(
    'cancels its statement in Postgres (%s), more often than there may be requests',
    async (revision) => {
      const client = await mcp.connect(revision)
      const range = { start: '2026-11-20T00:00:00Z', end: '2026-11-21T00:00:00Z' }
      const args = { metric: 'order', ...range, aggregate: 'uniques', interval: 'day' }
      const call = (signal?: AbortSignal) =>
        client.callTool({ name: 'query_metric', arguments: args }, { signal })
      for (let i = 0; i < 3; i++) {
        const blocker = await mcp.fixture.database.pool.connect()
        await blocker.query('BEGIN; LOCK TABLE event IN ACCESS EXCLUSIVE MODE')
        const left = new AbortController()
        const result = call(left.signal).catch(() => 'left')
        await expect.poll(running).toBe(1)
        left.abort()
        expect(await result).toBe('left')
        if (revision !== REVISION) await client.close()
        await expect.poll(running, { timeout: 7_000 }).toBe(0)
        await blocker.query('ROLLBACK')
        blocker.release()
        if (revision !== REVISION) break
      }
      expect(mcp.logged).toEqual([])
    },
  )
})
