import { jitsuAnalytics } from '@jitsu/js'
import RudderAnalytics from '@rudderstack/rudder-sdk-node'
import { expect, it } from 'vitest'
import { describeEdges } from '../../testing/edge-harness.ts'
import { createSource } from '../../testing/source.ts'

/** Libraries whose messages are Segment's. */
describeEdges(
  '@rudderstack/rudder-sdk-node',
  (harness) => {
    it('delivers its calls once as it is set up by default: gzip, called a form', async () => {
      const { key, records, events } = createSource(harness)
      const client = new RudderAnalytics(key, { dataPlaneUrl: harness.edge.url, flushAt: 20 })
      const timestamp = new Date(Date.now() - 60_000)
      client.track({ userId: 'u1', event: 'Bought', properties: { n: 1 }, timestamp })
      client.identify({ userId: 'u1', traits: { plan: 'pro' } })
      client.page({ anonymousId: 'a1', name: 'Pricing' })
      client.group({ userId: 'u1', groupId: 'g1' })
      const failed: unknown[] = []
      await new Promise<void>((resolve) =>
        client.flush((error: unknown) => {
          if (error) failed.push(error)
          resolve()
        }),
      )
      expect(failed).toEqual([])
      expect(events().map(({ name, actor }) => [name, actor])).toEqual([
        ['Bought', 'u1'],
        ['identify', 'u1'],
        ['page', 'a1'],
        ['group', 'u1'],
      ])
      const [bought] = events()
      expect(bought).toMatchObject({
        event_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        occurred_at: timestamp.toISOString(),
        properties: { n: 1 },
      })
      expect(records()[0]?.client).toMatch(/^analytics-node\/\d/)
    })
  },
  undefined,
  ['node'],
)

describeEdges(
  '@jitsu/js',
  (harness) => {
    it('delivers its calls once, with the key before a colon', async () => {
      const { key, records, events } = createSource(harness)
      const errors: unknown[] = []
      const client = jitsuAnalytics({
        host: harness.edge.url,
        writeKey: `${key}:any`,
        s2s: true,
        errorPolicy: 'rethrow',
      })
      await client.identify('u1', { plan: 'pro' })
      await client.track('Bought', { n: 1 })
      await client.page({ title: 'Pricing' })
      await client.group('g1', { size: 7 })
      expect(errors).toEqual([])
      expect(events().map(({ name, actor }) => [name, actor])).toEqual([
        ['identify', 'u1'],
        ['Bought', 'u1'],
        ['page', 'u1'],
        ['group', 'u1'],
      ])
      expect(events()[1]).toMatchObject({ properties: { n: 1 } })
      for (const { route, client } of records())
        expect([route, client]).toEqual(['jitsu', expect.stringMatching(/^@jitsu\/js\/\d/)])
      expect(JSON.stringify(records())).not.toContain(key)
    })

    it('gets 200 for a call that is not valid, which becomes a dead letter', async () => {
      const { key, records } = createSource(harness)
      const response = await harness.send('', {
        path: '/api/s/track',
        headers: { authorization: '', 'x-write-key': `${key}:any` },
        body: '{"event":"$mine","userId":"u1"}',
      })
      expect([response.status, response.json]).toEqual([200, { ok: true }])
      expect(records().map(({ refused }) => refused?.[0]?.pointer)).toEqual(['/event'])
    })
  },
  undefined,
  ['node'],
)
