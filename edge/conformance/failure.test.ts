import { expect, it } from 'vitest'
import type { KeyRecord } from '../../contract/api-key.ts'
import { describeEdges, describeFlavours } from '../testing/edge-harness.ts'
import type { Mood } from '../testing/stub-gateway.ts'

describeFlavours('when the log does not confirm', (world) => {
  /** The answer to one event while the gateway is in these moods, and how often that was asked. */
  async function tryWith(...moods: Mood[]) {
    const key = world.newKey()
    // So that the key is known.
    await world.post(key, { event: 'warm' })
    const before = world.gateway.asked.produce
    world.gateway.produceMoods.push(...moods)
    const answer = await world.post(key, { event: 'a', event_id: 'kept' })
    world.gateway.produceMoods.length = 0
    const tries = world.gateway.asked.produce - before
    return { answer, tries }
  }

  it.each<[string, Mood]>([
    ['an answer that breaks off', 'break-off'],
    ['a 500', { status: 500 }],
    ['a 503', { status: 503 }],
  ])('%s is tried again, once', async (_, mood) => {
    const { answer, tries } = await tryWith(mood)
    expect(answer.status).toBe(202)
    expect(tries).toBe(2)
    expect(world.gateway.taken.at(-1)?.value).toContain('"event_id":"kept"')
  })

  it('a connection that was closed meanwhile is opened anew', async () => {
    // Some runtimes do so by themselves before we hear of it, so the tries are not counted.
    expect((await tryWith('reset')).answer.status).toBe(202)
  })

  it.each<[string, number, Mood[]]>([
    ['two answers that break off', 2, ['break-off', 'break-off']],
    ['two 500s', 2, [{ status: 500 }, { status: 500 }]],
    ['a 400, which would be the same again', 1, [{ status: 400 }]],
    ['a 401', 1, [{ status: 401 }]],
    ['a 429', 1, [{ status: 429 }]],
    ['a redirection, which might take the secret along', 1, [{ status: 307 }]],
    ['an answer that is not JSON', 1, ['not-json']],
    ['an answer for fewer records', 1, ['too-few']],
  ])('%s end in 503 with Retry-After', async (_, most, moods) => {
    const { answer, tries } = await tryWith(...moods)
    expect(answer.status).toBe(503)
    expect(answer.json.code).toBe('LOG_UNAVAILABLE')
    expect(answer.headers['retry-after']).toBe('2')
    expect(tries).toBe(most)
  })

  it('a 413 is told as one: it would be too large the next time, too', async () => {
    const { answer, tries } = await tryWith({ status: 413 })
    expect([answer.status, answer.json.code, tries]).toEqual([413, 'BODY_TOO_LARGE', 1])
  })

  it('an answer that never begins, or never ends, is given up after 3 s', async () => {
    const key = world.newKey()
    await world.post(key, { event: 'warm' })
    world.gateway.produceMoods.push('hang', 'hang-in-body')
    const start = performance.now()
    const answers = await Promise.all([
      world.post(key, { event: 'a' }),
      world.post(key, { event: 'b' }),
    ])
    const ms = performance.now() - start
    for (const answer of answers) {
      expect(answer.status).toBe(503)
      expect(answer.json.code).toBe('LOG_UNAVAILABLE')
    }
    expect(ms).toBeGreaterThan(2_900)
    expect(ms).toBeLessThan(4_000)
  })

  it('it is well again at once when the log is', async () => {
    expect((await world.post(world.newKey(), { event: 'a' })).status).toBe(202)
  })
})

describeEdges('the keys', (world) => {
  it('are asked for once, yes or no', async () => {
    const key = world.newKey()
    const asked = world.gateway.asked.keys
    for (let i = 0; i < 5; i++) expect((await world.post(key, { event: 'a' })).status).toBe(202)
    expect(world.gateway.asked.keys - asked).toBe(1)
    const unknown = 'slc_adm_zzzzzzzzzzzzzzzzzzzzzzzzzzzzzz2MdXq2'
    for (let i = 0; i < 5; i++) expect((await world.post(unknown, { event: 'a' })).status).toBe(401)
    expect(world.gateway.asked.keys - asked).toBe(2)
  })

  it('are not asked for when their checksum is wrong', async () => {
    const asked = world.gateway.asked.keys
    const wrong = 'slc_adm_zzzzzzzzzzzzzzzzzzzzzzzzzzzzzz2MdXq3'
    expect((await world.post(wrong, { event: 'a' })).status).toBe(401)
    expect(world.gateway.asked.keys).toBe(asked)
  })

  it('say nothing about why they are refused: unknown, revoked and expired look the same', async () => {
    const past = '2026-01-01T00:00:00Z'
    const refused = [
      await world.post('slc_sec_0000000000000000000000000000004K8ygg', { event: 'a' }),
      await world.post(world.newKey({ revoked_at: past }), { event: 'a' }),
      await world.post(world.newKey({ expires_at: past }), { event: 'a' }),
      await world.post('slc_sec_nonsense', { event: 'a' }),
    ]
    const bodies = refused.map(({ json }) => ({ ...json, request_id: '' }))
    for (const body of bodies) expect(body).toEqual(bodies[0])
    for (const { status, headers } of refused) {
      expect(status).toBe(401)
      expect(headers['www-authenticate']).toBe('Bearer realm="sluice"')
    }
  })

  it.each<[string, Mood]>([
    ['an answer that breaks off', 'break-off'],
    ['a 500', { status: 500 }],
    ['a 401', { status: 401 }],
    ['an answer that is not JSON', 'not-json'],
    ['an answer that never comes', 'hang'],
    ['an answer that never ends', 'hang-in-body'],
  ])('cannot be checked with %s: 503, and known a moment later', async (_, mood) => {
    const key = world.newKey()
    const start = performance.now()
    world.gateway.keyMoods.push(mood)
    const answer = await world.post(key, { event: 'a' })
    expect(answer.status).toBe(503)
    expect(answer.json.code).toBe('KEYS_UNAVAILABLE')
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
    expect(performance.now() - start).toBeLessThan(2_000)
    expect((await world.post(key, { event: 'a' })).status).toBe(202)
  })

  it('whose record has another form than agreed are not believed', async () => {
    const key = world.newKey({ scopes: 'ingest' } as unknown as Partial<KeyRecord>)
    expect((await world.post(key, { event: 'a' })).json.code).toBe('KEYS_UNAVAILABLE')
  })
})

describeFlavours('without any gateway', (world) => {
  it('the edge says so, and lives', async () => {
    const key = world.newKey()
    expect((await world.post(key, { event: 'a' })).status).toBe(202)
    await world.gateway.close()
    const known = await world.post(key, { event: 'a' })
    expect([known.status, known.json.code]).toEqual([503, 'LOG_UNAVAILABLE'])
    const unknown = await world.post(world.newKey(), { event: 'a' })
    expect([unknown.status, unknown.json.code]).toEqual([503, 'KEYS_UNAVAILABLE'])
    const response = await fetch(`${world.edge.url}/healthz`)
    expect([response.status, await response.json()]).toEqual([200, { status: 'ok' }])
  })
})
