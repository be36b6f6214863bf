import { expect, it } from 'vitest'
import type { KeyRecord } from '../../contract/api-key.ts'
import { describeDialects, describeEdges } from '../testing/edge-harness.ts'
import type { StubFault } from '../testing/stub-gateway.ts'

describeDialects('when the log does not confirm', (harness) => {
  /** The answer to one event while the gateway is in these moods, and how often that was asked. */
  async function tryWith(...faults: StubFault[]) {
    const key = harness.newKey()
    // So that the key is known.
    await harness.post(key, { event: 'warm' })
    const before = harness.gateway.requestCounts.produce
    harness.gateway.produceFaults.push(...faults)
    const response = await harness.post(key, { event: 'a', event_id: 'kept' })
    harness.gateway.produceFaults.length = 0
    const tries = harness.gateway.requestCounts.produce - before
    return { answer: response, tries }
  }

  it.each<[string, StubFault]>([
    ['an answer that breaks off', 'break-off'],
    ['a 500', { status: 500 }],
    ['a 503', { status: 503 }],
  ])('%s is tried again, once', async (_, fault) => {
    const { answer: response, tries } = await tryWith(fault)
    expect(response.status).toBe(202)
    expect(tries).toBe(2)
    expect(harness.gateway.records.at(-1)?.value).toContain('"event_id":"kept"')
  })

  it('a connection that was closed meanwhile is opened anew', async () => {
    // Some runtimes do so by themselves before we hear of it, so the tries are not counted.
    expect((await tryWith('reset')).answer.status).toBe(202)
  })

  it.each<[string, number, StubFault[]]>([
    ['two answers that break off', 2, ['break-off', 'break-off']],
    ['two 500s', 2, [{ status: 500 }, { status: 500 }]],
    ['a 400, which would be the same again', 1, [{ status: 400 }]],
    ['a 401', 1, [{ status: 401 }]],
    ['a 429', 1, [{ status: 429 }]],
    ['a redirection, which might take the secret along', 1, [{ status: 307 }]],
    ['an answer that is not JSON', 1, ['not-json']],
    ['an answer for fewer records', 1, ['too-few']],
  ])('%s end in 503 with Retry-After', async (_, most, faults) => {
    const { answer: response, tries } = await tryWith(...faults)
    expect(response.status).toBe(503)
    expect(response.json.code).toBe('LOG_UNAVAILABLE')
    expect(response.headers['retry-after']).toBe('2')
    expect(tries).toBe(most)
  })

  it('a 413 is told as one: it would be too large the next time, too', async () => {
    const { answer: response, tries } = await tryWith({ status: 413 })
    expect([response.status, response.json.code, tries]).toEqual([413, 'BODY_TOO_LARGE', 1])
  })

  it('an answer that never begins, or never ends, is given up after 3 s', async () => {
    const key = harness.newKey()
    await harness.post(key, { event: 'warm' })
    harness.gateway.produceFaults.push('hang', 'hang-in-body')
    const start = performance.now()
    const responses = await Promise.all([
      harness.post(key, { event: 'a' }),
      harness.post(key, { event: 'b' }),
    ])
    const ms = performance.now() - start
    for (const response of responses) {
      expect(response.status).toBe(503)
      expect(response.json.code).toBe('LOG_UNAVAILABLE')
    }
    expect(ms).toBeGreaterThan(2_900)
    expect(ms).toBeLessThan(4_000)
  })

  it('it is well again at once when the log is', async () => {
    expect((await harness.post(harness.newKey(), { event: 'a' })).status).toBe(202)
  })
})

describeEdges('the keys', (harness) => {
  it('are asked for once, yes or no', async () => {
    const key = harness.newKey()
    const asked = harness.gateway.requestCounts.keys
    for (let i = 0; i < 5; i++) expect((await harness.post(key, { event: 'a' })).status).toBe(202)
    expect(harness.gateway.requestCounts.keys - asked).toBe(1)
    const unknown = 'slc_adm_zzzzzzzzzzzzzzzzzzzzzzzzzzzzzz2MdXq2'
    for (let i = 0; i < 5; i++)
      expect((await harness.post(unknown, { event: 'a' })).status).toBe(401)
    expect(harness.gateway.requestCounts.keys - asked).toBe(2)
  })

  it('are not asked for when their checksum is wrong', async () => {
    const asked = harness.gateway.requestCounts.keys
    const wrong = 'slc_adm_zzzzzzzzzzzzzzzzzzzzzzzzzzzzzz2MdXq3'
    expect((await harness.post(wrong, { event: 'a' })).status).toBe(401)
    expect(harness.gateway.requestCounts.keys).toBe(asked)
  })

  it('say nothing about why they are refused: unknown, revoked and expired look the same', async () => {
    const past = '2026-01-01T00:00:00Z'
    const refused = [
      await harness.post('slc_sec_0000000000000000000000000000004K8ygg', { event: 'a' }),
      await harness.post(harness.newKey({ revoked_at: past }), { event: 'a' }),
      await harness.post(harness.newKey({ expires_at: past }), { event: 'a' }),
      await harness.post('slc_sec_nonsense', { event: 'a' }),
    ]
    const bodies = refused.map(({ json }) => ({ ...json, request_id: '' }))
    for (const body of bodies) expect(body).toEqual(bodies[0])
    for (const { status, headers } of refused) {
      expect(status).toBe(401)
      expect(headers['www-authenticate']).toBe('Bearer realm="sluice"')
    }
  })

  it.each<[string, StubFault]>([
    ['an answer that breaks off', 'break-off'],
    ['a 500', { status: 500 }],
    ['a 401', { status: 401 }],
    ['an answer that is not JSON', 'not-json'],
    ['an answer that never comes', 'hang'],
    ['an answer that never ends', 'hang-in-body'],
  ])('cannot be checked with %s: 503, and known a moment later', async (_, fault) => {
    const key = harness.newKey()
    const start = performance.now()
    harness.gateway.keyFaults.push(fault)
    const response = await harness.post(key, { event: 'a' })
    expect(response.status).toBe(503)
    expect(response.json.code).toBe('KEYS_UNAVAILABLE')
    expect(Number(response.headers['retry-after'])).toBeGreaterThan(0)
    expect(performance.now() - start).toBeLessThan(2_000)
    expect((await harness.post(key, { event: 'a' })).status).toBe(202)
  })

  it('whose record has another form than agreed are not believed', async () => {
    const key = harness.newKey({ scopes: 'ingest' } as unknown as Partial<KeyRecord>)
    expect((await harness.post(key, { event: 'a' })).json.code).toBe('KEYS_UNAVAILABLE')
  })
})

describeDialects('without any gateway', (harness) => {
  it('the edge says so, and lives', async () => {
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
