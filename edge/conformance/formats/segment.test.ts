import { Analytics } from '@segment/analytics-node'
import { expect, it, onTestFinished } from 'vitest'
import { describeEdges, type EdgeHarness } from '../../testing/edge-harness.ts'
import { createSource } from '../../testing/source.ts'

const AT = new Date(Date.now() - 3_600_000)
/** RFC 3339 in UTC; the library sends milliseconds. */
const AT_TEXT = AT.toISOString()

/** Segment's published library for Node, with the host set. */
function createAnalytics(harness: EdgeHarness, writeKey: string, flushAt = 15) {
  const analytics = new Analytics({
    writeKey,
    host: harness.edge.url,
    flushAt,
    flushInterval: 60_000,
  })
  const requests: { batch: { messageId: string }[] }[] = []
  const statuses: number[] = []
  const errors: unknown[] = []
  analytics.on('http_request', ({ body }) => requests.push(JSON.parse(body)))
  analytics.on('http_response', ({ status }) => statuses.push(status))
  analytics.on('error', (error) => errors.push(error))
  onTestFinished(() => analytics.closeAndFlush({ timeout: 2_000 }))
  return { analytics, requests, statuses, errors }
}

describeEdges('@segment/analytics-node', (harness) => {
  it('delivers every kind of call once, with id, name, actor, time and properties', async () => {
    const { key, records, events } = createSource(harness)
    const { analytics, requests, statuses, errors } = createAnalytics(harness, key)
    const common = { timestamp: AT, context: { ip: '203.0.113.7', sessionId: 's-1' } }
    analytics.track({
      ...common,
      userId: 'u1',
      anonymousId: 'a1',
      event: 'Order Completed',
      properties: { revenue: 12.5, items: [{ sku: 'x' }] },
      integrations: { All: false, Mixpanel: true },
    })
    analytics.identify({ ...common, userId: 'u2', traits: { email: 'ada@example.com' } })
    analytics.page({
      ...common,
      anonymousId: 'a3',
      name: 'Pricing',
      category: 'Docs',
      properties: { url: 'https://example.com/pricing' },
    })
    analytics.screen({ ...common, userId: 'u4', name: 'Home', properties: { dark: true } })
    analytics.group({ ...common, userId: 'u5', groupId: 'g5', traits: { plan: 'pro' } })
    analytics.alias({ ...common, userId: 'u6', previousId: 'a6' })
    await analytics.flush()

    expect(errors).toEqual([])
    expect(statuses).toEqual([200])
    const ids = requests[0]?.batch.map(({ messageId }) => messageId)
    expect(events().map(({ event_id }) => event_id)).toEqual(ids)
    expect(
      events().map(({ name, actor, session, properties }) => ({
        name,
        actor,
        session,
        properties,
      })),
    ).toEqual([
      {
        name: 'Order Completed',
        actor: 'u1',
        session: 's-1',
        properties: { revenue: 12.5, items: [{ sku: 'x' }] },
      },
      { name: 'identify', actor: 'u2', session: 's-1', properties: { email: 'ada@example.com' } },
      {
        name: 'page',
        actor: 'a3',
        session: 's-1',
        properties: { url: 'https://example.com/pricing', name: 'Pricing', category: 'Docs' },
      },
      { name: 'screen', actor: 'u4', session: 's-1', properties: { dark: true, name: 'Home' } },
      { name: 'group', actor: 'u5', session: 's-1', properties: { plan: 'pro', group_id: 'g5' } },
      { name: 'alias', actor: 'u6', session: 's-1', properties: { previous_id: 'a6' } },
    ])
    for (const event of events()) expect(event.occurred_at).toBe(AT_TEXT)
    const [ordered] = records()
    expect(ordered?.event.context).toEqual({
      ip: '203.0.113.7',
      sessionId: 's-1',
      library: { name: '@segment/analytics-node', version: analytics.VERSION },
      type: 'track',
      anonymous_id: 'a1',
      integrations: { All: false, Mixpanel: true },
      _metadata: { nodeVersion: process.version, jsRuntime: 'node' },
    })
    for (const { route, client } of records())
      expect([route, client]).toEqual(['segment', `@segment/analytics-node/${analytics.VERSION}`])
    expect(JSON.stringify(records())).not.toContain(key)
  })

  it('retries events that the log did not confirm with the same ids, and they arrive once', async () => {
    const { key, events } = createSource(harness)
    const { analytics, requests, statuses, errors } = createAnalytics(harness, key)
    // The edge itself retries a 503 of the log, but not a 400.
    harness.gateway.produceFaults.push({ status: 503 }, { status: 503 }, { status: 400 })
    for (const userId of ['u1', 'u2', 'u3']) analytics.track({ userId, event: 'again' })
    await analytics.flush()
    expect(statuses).toEqual([503, 503, 200])
    const sent = requests.map(({ batch }) => batch.map(({ messageId }) => messageId))
    expect(events().map(({ event_id }) => event_id)).toEqual(sent[0])
    expect(sent[2]).toEqual(sent[0])
    expect(errors).toEqual([])
  })

  it('waits for Retry-After after a 429 and retries with the same ids, and each event arrives once', async () => {
    const { key, events } = createSource(harness, { key_events_per_minute: 60 })
    const { analytics, statuses, errors } = createAnalytics(harness, key, 60)
    for (let i = 0; i < 60; i++) analytics.track({ userId: `u${i}`, event: 'many' })
    await analytics.flush()
    analytics.track({ userId: 'u60', event: 'many' })
    await analytics.flush()
    expect(statuses).toEqual([200, 429, 200])
    expect(new Set(events().map(({ actor }) => actor)).size).toBe(61)
    expect(events()).toHaveLength(61)
    expect(errors).toEqual([])
  })

  it('reports an unknown key as an error', async () => {
    const { analytics, statuses, errors } = createAnalytics(harness, 'slc_sec_nonsense')
    analytics.track({ userId: 'u1', event: 'lost' })
    await analytics.flush()
    expect(statuses).toEqual([401])
    expect(errors).toHaveLength(1)
  })

  it('gets a 200 for an invalid event, which becomes a dead letter, and the others arrive', async () => {
    const { key, records } = createSource(harness)
    const { analytics, statuses, errors } = createAnalytics(harness, key)
    analytics.track({ userId: 'u1', event: 'good' })
    analytics.track({ userId: 'u2', event: '$reserved' })
    analytics.identify({ userId: 'x'.repeat(256), traits: { half: '\ud800' } })
    await analytics.flush()
    expect(statuses).toEqual([200])
    expect(errors).toEqual([])
    const [good, ...deadLetters] = records()
    expect(good?.event.name).toBe('good')
    expect(
      deadLetters.map(({ refused }) => refused?.map(({ code, pointer }) => [code, pointer])),
    ).toEqual([
      [['NAME_RESERVED', '/event']],
      [
        ['ACTOR_INVALID', '/userId'],
        ['STRING_UNSTORABLE', '/traits/half'],
      ],
    ])
    expect(JSON.parse(deadLetters[0]?.original ?? '')).toMatchObject({
      event: '$reserved',
      userId: 'u2',
    })
    for (const { route, client } of deadLetters)
      expect([route, client]).toEqual(['segment', `@segment/analytics-node/${analytics.VERSION}`])
  })
})
