import { expect, it } from 'vitest'
import { describeEdges } from '../../testing/edge-harness.ts'
import { send } from '../../testing/send.ts'

const PUBLIC = { kind: 'pub' } as const
const GIF = 'R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAICRAEAOw=='

describeEdges('/v1/pixel.gif', (harness) => {
  /** Requests the image. @returns the response and the one record that was published, if any */
  async function show(query: string, init?: RequestInit) {
    const before = harness.gateway.records.length
    const response = await fetch(`${harness.edge.url}/v1/pixel.gif?${query}`, init)
    const bytes = Buffer.from(await response.arrayBuffer())
    if (init?.method !== 'HEAD') expect(bytes.toString('base64')).toBe(GIF)
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'image/gif',
      'cache-control': 'no-store',
      'cross-origin-resource-policy': 'cross-origin',
      'access-control-allow-origin': '*',
      'x-request-id': expect.any(String),
    })
    const arrived = harness.gateway.records.slice(before).map(({ value }) => JSON.parse(value))
    expect(arrived.length).toBeLessThan(2)
    return { status: response.status, headers: response.headers, record: arrived[0] }
  }
  const key = () => harness.newKey(PUBLIC)

  it('returns an image of 43 bytes and logs an event', async () => {
    expect(Buffer.from(GIF, 'base64')).toHaveLength(43)
    const { status, record, headers } = await show(
      `key=${key()}&name=mail_opened&event_id=m-1&user_id=u1&session_id=s1&value=2.50` +
        '&timestamp=1795252800&campaign=spring+sale&list=a&list=b&amp=%C3%A4%2B%26%F0%9F%8C%B1',
      { headers: { 'user-agent': 'Mail/1.0' } },
    )
    expect(status).toBe(200)
    expect(headers.get('ratelimit')).toMatch(/"key"/)
    expect(record).toMatchObject({ route: 'pixel', client: 'Mail/1.0' })
    expect(record.event).toEqual({
      event_id: 'm-1',
      name: 'mail_opened',
      actor: 'u1',
      session: 's1',
      value: 2.5,
      occurred_at: '2026-11-21T09:20:00Z',
      properties: { campaign: 'spring sale', list: ['a', 'b'], amp: 'ä+&🌱' },
    })
  })

  it('generates an event id, and treats empty template parameters as absent', async () => {
    const { record } = await show(`key=${key()}&event=a&user_id=&timestamp=&value=&event_id=&note=`)
    expect(record.event).toEqual({
      event_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      name: 'a',
      occurred_at: record.received_at,
      properties: { note: '' },
    })
  })

  it('accepts every notation of a time, including an unescaped plus in the offset', async () => {
    const times = ['2026-11-21T11:20:00%2B02:00', '2026-11-21T11:20:00+02:00', '1795252800000']
    for (const time of times) {
      const { record } = await show(`key=${key()}&name=a&timestamp=${time}`)
      expect(record.event.occurred_at).toMatch(/^2026-11-21T09:20:00(\.000)?Z$/)
    }
  })

  it.each([
    ['no name', '', '/name', 'NAME_MISSING'],
    ['a reserved name', 'name=$pageview', '/name', 'NAME_RESERVED'],
    ['an invalid time', 'name=a&timestamp=now', '/timestamp', 'OCCURRED_AT_INVALID'],
    ['an invalid value', 'name=a&value=ten', '/value', 'VALUE_INVALID'],
    ['a value beyond a double', 'name=a&value=1e400', '/value', 'NUMBER_UNREPRESENTABLE'],
    ['a number that changes', 'name=a&value=9007199254740993', '/value', 'NUMBER_UNREPRESENTABLE'],
    ['a NUL', 'name=a&x=%00', '/x', 'STRING_UNSTORABLE'],
    ['a reserved key', 'name=a&__proto__=x', '/__proto__', 'KEY_RESERVED'],
    ['a name sent twice', 'name=a&name=b', '/name', 'NAME_INVALID'],
    ['invalid UTF-8', 'name=a&x=%ff', '', 'INVALID_UTF8'],
    ['a lone percent sign', 'name=a&x=100%', '', 'INVALID_UTF8'],
  ])(
    'turns %s into a dead letter with its original, without the key',
    async (_, query, pointer, code) => {
      const { status, record } = await show(`${query}&key=${key()}&utm=1`)
      expect(status).toBe(200)
      expect(record).not.toHaveProperty('event')
      expect(record.refused).toEqual([{ pointer, code, detail: expect.any(String) }])
      expect(record.original).toBe(query === '' ? 'utm=1' : `${query}&utm=1`)
      expect(JSON.stringify(record)).not.toContain('slc_')
    },
  )

  it('returns the image with every error status', async () => {
    const wrong = 'slc_pub_0000000000000000000000000000000000'
    expect((await show('name=a')).status).toBe(401)
    expect((await show(`name=a&key=${wrong}`)).status).toBe(401)
    expect((await show(`name=a&key=${harness.newKey()}`)).status).toBe(401)
    expect(
      (await show(`name=a&key=${harness.newKey({ ...PUBLIC, scopes: ['read'] })}`)).status,
    ).toBe(403)
    const limitedKey = harness.newKey({ ...PUBLIC, key_events_per_minute: 1 })
    expect((await show(`name=a&key=${limitedKey}`)).status).toBe(200)
    const limited = await show(`name=a&key=${limitedKey}`)
    expect([limited.status, limited.record]).toEqual([429, undefined])
    expect(Number(limited.headers.get('retry-after'))).toBeGreaterThan(0)
    harness.gateway.produceFaults.push({ status: 400 })
    expect((await show(`name=a&key=${key()}`)).status).toBe(503)
  })

  it('sends no event by HEAD', async () => {
    const before = harness.gateway.records.length
    const path = `/v1/pixel.gif?key=${key()}&name=a`
    const { status, headers } = await send(harness.edge.port, { method: 'HEAD', path })
    expect([status, headers.allow]).toEqual([405, 'GET, OPTIONS'])
    expect(harness.gateway.records).toHaveLength(before)
  })

  it('keeps the key out of the event, even when its parameter is escaped', async () => {
    const { status, record } = await show(`k%65y=${key()}&name=a&historical=false`)
    expect([status, record.event.properties]).toEqual([200, {}])
  })

  it('rejects POST', async () => {
    const { status, headers } = await send(harness.edge.port, { path: '/v1/pixel.gif', body: '{}' })
    expect([status, headers.allow]).toEqual([405, 'GET, OPTIONS'])
  })

  it('writes no key to the log of the edge, even when something fails', async () => {
    const unknown = key()
    harness.gateway.keyFaults.push({ status: 500 })
    await show(`name=private_name&key=${unknown}`)
    harness.gateway.produceFaults.push({ status: 400 })
    await show(`name=private_name&key=${unknown}`)
    await expect.poll(() => harness.edge.log()).toMatch(/the log did not confirm/)
    expect(harness.edge.log()).toMatch(/the key directory does not answer/)
    expect(harness.edge.log()).not.toMatch(/slc_|key=|private_name/)
  })
})
