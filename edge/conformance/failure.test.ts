import { expect, it } from 'vitest'
import type { KeyRecord } from '../../contract/api-key.ts'
import { describeDialects, describeEdges } from '../testing/edge-harness.ts'
import type { StubFault } from '../testing/stub-gateway.ts'

describeDialects('the edge whose log does not confirm', (harness) => {
  /** Sends one event while the gateway has these faults. @returns the response and the number of attempts */
  async function tryWith(...faults: StubFault[]) {
    const key = harness.newKey()
    // Puts the key into the cache.
    await harness.post(key, { event: 'warm' })
    const before = harness.gateway.requestCounts.produce
    harness.gateway.produceFaults.push(...faults)
    const response = await harness.post(key, { event: 'a', event_id: 'kept' })
    harness.gateway.produceFaults.length = 0
    const tries = harness.gateway.requestCounts.produce - before
    return { response, tries }
  }

  it.each<[string, StubFault]>([
    ['a truncated response', 'break-off'],
    ['a 500', { status: 500 }],
    ['a 503', { status: 503 }],
  ])('retries once after %s', async (_, fault) => {
    const { response, tries } = await tryWith(fault)
    expect(response.status).toBe(202)
    expect(tries).toBe(2)
    expect(harness.gateway.records.at(-1)?.value).toContain('"event_id":"kept"')
  })

  it('reconnects when the connection was closed meanwhile', async () => {
    // Some runtimes reconnect by themselves, so the attempts are not counted.
    expect((await tryWith('reset')).response.status).toBe(202)
  })

  it.each<[string, number, StubFault[]]>([
    ['two truncated responses', 2, ['break-off', 'break-off']],
    ['two 500s', 2, [{ status: 500 }, { status: 500 }]],
    ['a 400, which a retry cannot change', 1, [{ status: 400 }]],
    ['a 401', 1, [{ status: 401 }]],
    ['a 429', 1, [{ status: 429 }]],
    ['a redirect, which could leak the secret', 1, [{ status: 307 }]],
    ['a response that is not JSON', 1, ['not-json']],
    ['a response for fewer records', 1, ['too-few']],
  ])('responds 503 with Retry-After after %s', async (_, most, faults) => {
    const { response, tries } = await tryWith(...faults)
    expect(response.status).toBe(503)
    expect(response.json.code).toBe('LOG_UNAVAILABLE')
    expect(response.headers['retry-after']).toBe('2')
    expect(tries).toBe(most)
  })

  it('passes a 413 on, because a retry would be too large as well', async () => {
    const { response, tries } = await tryWith({ status: 413 })
    expect([response.status, response.json.code, tries]).toEqual([413, 'BODY_TOO_LARGE', 1])
  })

  it('gives up after 3 s on a response that never begins or never ends', async () => {
    const key = harness.newKey()
    await harness.post(key, { event: 'warm' })
    harness.gateway.produceFaults.push('hang', 'hang-in-body')
    const start = performance.now()
    const responses = await Promise.all([
      harness.post(key, { event: 'a' }),
      harness.post(key, { event: 'b' }),
    ])
    const ms = performance.now() - start
    // The collector may have sent both in one append.
    harness.gateway.produceFaults.length = 0
    for (const response of responses) {
      expect(response.status).toBe(503)
      expect(response.json.code).toBe('LOG_UNAVAILABLE')
    }
    expect(ms).toBeGreaterThan(2_900)
    expect(ms).toBeLessThan(10_000)
  })

  it('accepts events again as soon as the log confirms', async () => {
    expect((await harness.post(harness.newKey(), { event: 'a' })).status).toBe(202)
  })
})

describeEdges('the key cache', (harness) => {
  it('looks a key up once, whether it exists or not', async () => {
    const key = harness.newKey()
    const requestsBefore = harness.gateway.requestCounts.keys
    for (let i = 0; i < 5; i++) expect((await harness.post(key, { event: 'a' })).status).toBe(202)
    expect(harness.gateway.requestCounts.keys - requestsBefore).toBe(1)
    const unknown = 'slc_adm_zzzzzzzzzzzzzzzzzzzzzzzzzzzzzz2MdXq2'
    for (let i = 0; i < 5; i++)
      expect((await harness.post(unknown, { event: 'a' })).status).toBe(401)
    expect(harness.gateway.requestCounts.keys - requestsBefore).toBe(2)
  })

  it('does not look up a key with a wrong checksum', async () => {
    const requestsBefore = harness.gateway.requestCounts.keys
    const wrong = 'slc_adm_zzzzzzzzzzzzzzzzzzzzzzzzzzzzzz2MdXq3'
    expect((await harness.post(wrong, { event: 'a' })).status).toBe(401)
    expect(harness.gateway.requestCounts.keys).toBe(requestsBefore)
  })

  it('does not reveal why a key is rejected: unknown, revoked and expired keys get the same response', async () => {
    const past = '2026-01-01T00:00:00Z'
    const rejected = [
      await harness.post('slc_sec_0000000000000000000000000000004K8ygg', { event: 'a' }),
      await harness.post(harness.newKey({ revoked_at: past }), { event: 'a' }),
      await harness.post(harness.newKey({ expires_at: past }), { event: 'a' }),
      await harness.post('slc_sec_nonsense', { event: 'a' }),
    ]
    const bodies = rejected.map(({ json }) => ({ ...json, request_id: '' }))
    for (const body of bodies) expect(body).toEqual(bodies[0])
    for (const { status, headers } of rejected) {
      expect(status).toBe(401)
      expect(headers['www-authenticate']).toBe('Bearer realm="sluice"')
    }
  })

  it.each<[string, StubFault]>([
    ['a truncated response', 'break-off'],
    ['a 500', { status: 500 }],
    ['a 401', { status: 401 }],
    ['a redirect, which could leak the secret', { status: 307 }],
    ['a response that is not JSON', 'not-json'],
    ['a response that never begins', 'hang'],
    ['a response that never ends', 'hang-in-body'],
  ])('responds 503 after %s, and finds the key on the next request', async (_, fault) => {
    const key = harness.newKey()
    const start = performance.now()
    harness.gateway.keyFaults.push(fault)
    const response = await harness.post(key, { event: 'a' })
    expect(response.status).toBe(503)
    expect(response.json.code).toBe('KEYS_UNAVAILABLE')
    expect(Number(response.headers['retry-after'])).toBeGreaterThan(0)
    expect(performance.now() - start).toBeLessThan(10_000)
    expect((await harness.post(key, { event: 'a' })).status).toBe(202)
  })

  it('rejects a key record of another form', async () => {
    const key = harness.newKey({ scopes: 'ingest' } as unknown as Partial<KeyRecord>)
    expect((await harness.post(key, { event: 'a' })).json.code).toBe('KEYS_UNAVAILABLE')
  })
})

describeDialects('the edge without a gateway', (harness) => {
  it('responds 503 and stays healthy', async () => {
    const key = harness.newKey()
    expect((await harness.post(key, { event: 'a' })).status).toBe(202)
    await harness.gateway.close()
    const known = await harness.post(key, { event: 'a' })
    expect([known.status, known.json.code]).toEqual([503, 'LOG_UNAVAILABLE'])
    const unknown = await harness.post(harness.newKey(), { event: 'a' })
    expect([unknown.status, unknown.json.code]).toEqual([503, 'KEYS_UNAVAILABLE'])
    const response = await fetch(`${harness.edge.url}/healthz`)
    expect([response.status, await response.json()]).toEqual([200, { status: 'ok' }])
  })
})
