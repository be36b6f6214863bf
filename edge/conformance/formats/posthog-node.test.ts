import { PostHog } from 'posthog-node'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { StampedEvent } from '../../../contract/log/record.ts'
import { describeEdges, type EdgeHarness } from '../../testing/edge-harness.ts'

/** PostHog's published library for servers, with `host` set. */
describeEdges('posthog-node', (harness) => {
  afterEach(() => vi.unstubAllEnvs())

  describe.each(['v0', 'v1'])('with capture %s', (mode) => {
    it('delivers the events of each of its calls once', async () => {
      const { client, errors, arrived } = connect(harness, mode)
      const past = new Date(Date.now() - 3_600_000)
      client.capture({
        distinctId: 'u1',
        event: 'bought',
        properties: { price: 3.5, type: 'book', nested: { a: [1, 'ü'] }, $session_id: 's1' },
        groups: { company: 'acme' },
        timestamp: past,
        uuid: '01A1FE19-C1B5-725D-94C9-0E5CB35A610F',
      })
      client.identify({ distinctId: 'u1', properties: { email: 'a@example.com' } })
      client.groupIdentify({ groupType: 'company', groupKey: 'acme', properties: { size: 7 } })
      client.alias({ distinctId: 'u1', alias: 'old' })
      client.capture({ distinctId: 'u1', event: '$ai_generation', properties: { $ai_model: 'm' } })
      await client.captureImmediate({ distinctId: 'u2', event: 'at once' })
      await client.shutdown()

      expect(errors).toEqual([])
      const events = arrived()
      const identityOf = ({ name, actor, session }: StampedEvent['event']) => ({
        name,
        actor,
        session,
      })
      expect(events.map(identityOf).sort((a, b) => (a.name < b.name ? -1 : 1))).toEqual([
        { name: '$ai_generation', actor: 'u1' },
        { name: '$create_alias', actor: 'u1' },
        { name: '$groupidentify', actor: '$company_acme' },
        { name: '$identify', actor: 'u1' },
        { name: 'at once', actor: 'u2' },
        { name: 'bought', actor: 'u1', session: 's1' },
      ])
      expect(new Set(events.map(({ event_id }) => event_id)).size).toBe(events.length)

      const of = (name: string) => events.find((event) => event.name === name)
      expect(of('bought')).toEqual({
        event_id: '01a1fe19-c1b5-725d-94c9-0e5cb35a610f',
        name: 'bought',
        occurred_at: past.toISOString(),
        actor: 'u1',
        session: 's1',
        properties: {
          price: 3.5,
          type: 'book',
          nested: { a: [1, 'ü'] },
          $session_id: 's1',
          $groups: { company: 'acme' },
          $lib: 'posthog-node',
          $lib_version: expect.any(String),
          $is_server: true,
          $geoip_disable: true,
        },
        ...(mode === 'v1' && { context: { created_at: expect.any(String) } }),
      })
      expect(of('$identify')?.properties).toMatchObject({ $set: { email: 'a@example.com' } })
      expect(of('$groupidentify')?.properties).toMatchObject({
        $group_type: 'company',
        $group_key: 'acme',
        $group_set: { size: 7 },
      })
      expect(of('$create_alias')?.properties).toMatchObject({ distinct_id: 'u1', alias: 'old' })
    })

    it('is recorded with its version and its route', async () => {
      const { client, records } = connect(harness, mode)
      await client.captureImmediate({ distinctId: 'u1', event: 'a' })
      await client.shutdown()
      expect(records()).toEqual([
        expect.objectContaining({
          route: 'posthog',
          client: expect.stringMatching(/^posthog-node\/\d+\.\d+\.\d+$/),
        }),
      ])
    })

    it('retries events that the log did not confirm with the same ids, and each arrives once', async () => {
      const { client, errors, arrived } = connect(harness, mode)
      const requestsBefore = harness.gateway.requestCounts.produce
      // The edge itself makes two attempts, so it responds 503 twice.
      harness.gateway.produceFaults.push(...Array(4).fill({ status: 503 }))
      for (let i = 0; i < 30; i++) client.capture({ distinctId: 'u1', event: `e${i}` })
      await client.shutdown()
      expect(errors).toEqual([])
      expect(harness.gateway.requestCounts.produce - requestsBefore).toBeGreaterThan(4)
      const names = arrived().map(({ name }) => name)
      expect(names.sort()).toEqual(Array.from({ length: 30 }, (_, i) => `e${i}`).sort())
    })

    it('waits when it is rate limited, and loses nothing', async () => {
      const limits = { key_events_per_minute: 600 }
      const { client, errors, arrived } = connect(harness, mode, limits, {
        fetchRetryDelay: 1_000,
      })
      const filler = Array(600).fill({ event: 'filler' })
      expect((await harness.post(client.apiKey, filler, { path: '/e/' })).status).toBe(200)
      for (let i = 0; i < 5; i++) client.capture({ distinctId: 'u1', event: `e${i}` })
      const start = performance.now()
      await client.shutdown()
      expect(performance.now() - start).toBeGreaterThan(400)
      expect(errors).toEqual([])
      expect(arrived().slice(600)).toHaveLength(5)
    })

    it('receives no feature flags and reports no error', async () => {
      const { client, errors } = connect(harness, mode)
      expect(await client.getAllFlags('u1')).toEqual({})
      await client.shutdown()
      expect(errors).toEqual([])
    })
  })

  it('halves a batch that is too large until it fits', async () => {
    const { client, errors, arrived } = connect(harness, 'v0', {}, { flushAt: 100 })
    for (let i = 0; i < 40; i++)
      client.capture({ distinctId: 'u1', event: `e${i}`, properties: { text: 'x'.repeat(40_000) } })
    await client.shutdown()
    expect(errors).toEqual([])
    const names = arrived().map(({ name }) => name)
    expect(names.sort()).toEqual(Array.from({ length: 40 }, (_, i) => `e${i}`).sort())
  })

  it('receives in v1 which events are invalid, and they become dead letters', async () => {
    const { client, errors, records } = connect(harness, 'v1')
    client.capture({ distinctId: 'u1', event: 'good' })
    client.capture({ distinctId: 'x'.repeat(300), event: 'bad' })
    await client.shutdown()
    expect(errors).toEqual([
      expect.objectContaining({
        drops: [
          {
            uuid: expect.any(String),
            details: expect.stringContaining('ACTOR_INVALID /distinct_id'),
          },
        ],
        retryExhausted: [],
      }),
    ])
    expect(records().map((record) => record.event?.name ?? record.refused)).toEqual([
      'good',
      [expect.objectContaining({ code: 'ACTOR_INVALID', pointer: '/distinct_id' })],
    ])
  })

  it('imports historical events where its key allows it', async () => {
    const old = new Date(Date.now() - 400 * 86_400_000)
    for (const [isAllowed, historical] of [
      [true, true],
      [false, undefined],
    ]) {
      const { client, records } = connect(
        harness,
        'v0',
        { may_import_history: isAllowed },
        { historicalMigration: true },
      )
      client.capture({ distinctId: 'u1', event: 'long ago', timestamp: old })
      await client.shutdown()
      expect(records().map((record) => [record.event?.occurred_at, record.historical])).toEqual([
        [old.toISOString(), historical],
      ])
    }
  })
})

// biome-ignore lint/suspicious/noExplicitAny: records of both kinds are read
type AnyRecord = any

function connect(
  harness: EdgeHarness,
  mode: string,
  record: Parameters<EdgeHarness['newKey']>[0] = {},
  options: ConstructorParameters<typeof PostHog>[1] = {},
) {
  // The library reads this when a client is created; it has no option for it yet.
  vi.stubEnv('POSTHOG_CAPTURE_MODE', mode)
  const errors: unknown[] = []
  const from = harness.gateway.records.length
  // The default of 3 s between attempts would only slow the test down.
  const client = new PostHog(harness.newKey(record), {
    host: harness.edge.url,
    fetchRetryDelay: 50,
    ...options,
  })
  client.on('error', (error) => errors.push(error))
  const records = (): AnyRecord[] =>
    harness.gateway.records.slice(from).map(({ value }) => JSON.parse(value))
  const arrived = () => records().map(({ event }): StampedEvent['event'] => event)
  return { client, errors, records, arrived }
}
