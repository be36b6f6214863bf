import { Analytics } from '@segment/analytics-node'
import pg from 'pg'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { askGraphQL, createTestHome, type TestHome, type TestSluice } from '../lib/sluice.ts'

let home: TestHome
let sluice: TestSluice
beforeAll(async () => {
  home = createTestHome()
  sluice = await home.start('--no-demo')
})
afterAll(() => home.remove())

test("an event from Segment's SDK is returned by GraphQL, or is a dead letter with its original bytes", async () => {
  const { run } = sluice
  const analytics = new Analytics({ writeKey: run.write_key, host: run.edge_url })
  const sent: { batch: { messageId: string }[] }[] = []
  analytics.on('http_request', ({ body }) => sent.push(JSON.parse(body)))
  analytics.track({ userId: 'u1', event: 'Order Completed', properties: { revenue: 12.5 } })
  analytics.track({ userId: 'u1', event: '$reserved' })
  await analytics.closeAndFlush({ timeout: 10_000 })

  const [good, bad] = sent[0]?.batch ?? []
  await expect
    .poll(
      () =>
        askGraphQL(run, 'query ($id: ID!) { event(id: $id) { name actor properties } }', {
          id: good?.messageId,
        }),
      { timeout: 5_000 },
    )
    .toEqual({
      event: { name: 'Order Completed', actor: 'u1', properties: { revenue: 12.5 } },
    })
  // Not a pool: its end does not wait until the connection is gone, and Postgres stops next.
  const client = new pg.Client({ connectionString: run.database_url })
  await client.connect()
  onTestFinished(() => client.end())
  await expect
    .poll(
      async () =>
        (
          await client.query(
            "select reason, detail, route, client, convert_from(original, 'UTF8')::json original from dead_letter",
          )
        ).rows,
      { timeout: 5_000 },
    )
    .toEqual([
      {
        reason: 'NAME_RESERVED',
        detail: expect.stringMatching(/^\/event: /),
        route: 'segment',
        client: `@segment/analytics-node/${analytics.VERSION}`,
        original: bad,
      },
    ])
})
