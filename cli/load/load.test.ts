import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestHome, type TestSluice } from '../../tests/lib/sluice.ts'
import { runLoad } from './load.ts'

const home = createTestHome()
let sluice: TestSluice

beforeAll(async () => {
  sluice = await home.start('--no-demo')
}, 120_000)
afterAll(() => home.remove())

test('sluice load reports the numbers of its tenants, and all are exact', async () => {
  const { code, out, err } = await home.sluice(
    'load',
    ...'--rps 100 --minutes 0.05 --batch 5 --tenants 2 --duplicate-rate 0.1 --bad-rate 0.1'.split(
      ' ',
    ),
    '--json',
  )
  expect(err).toBe('')
  const { events, tenants, isExact, faults, requests, dropped } = JSON.parse(out)
  expect({ code, isExact, faults }).toEqual({ code: 0, isExact: true, faults: [] })
  expect(requests + dropped).toBe(300)
  const sum = (of: (tenant: (typeof tenants)[number]) => number) =>
    tenants.reduce((total: number, tenant: (typeof tenants)[number]) => total + of(tenant), 0)
  expect(tenants).toHaveLength(2)
  for (const { rows, graphql } of tenants) expect(graphql).toEqual(rows)
  expect(events.duplicates).toBeGreaterThan(0)
  expect(events.refused).toBeGreaterThan(0)
  expect(sum(({ rows }) => rows.dead)).toBeGreaterThan(0)
  const inLog = sum(({ rows }) => rows.stored + rows.duplicates + rows.dead)
  // On a busy machine the edge may refuse some with a 503.
  expect(inLog).toBeGreaterThanOrEqual(events.accepted)
  if (events.errors === 0) expect(inLog).toBe(events.accepted)
  expect(events.accepted + events.refused + events.errors).toBe(events.sent)
})

test('events above the rate limit count as limited, and the numbers are exact', async () => {
  const { code, out } = await home.sluice(
    'load',
    ...'--rps 100 --minutes 0.02 --events-per-minute 60'.split(' '),
  )
  expect(out).toMatch(/first failure: 429/)
  expect(out).toMatch(/Every number is exact|The numbers are within/)
  expect(code).toBe(0)
})

/** Tries again what a busy machine refuses with a 503: the event must be accepted. */
async function forward(authorization: string, body: Buffer<ArrayBuffer>) {
  for (let attempt = 1; ; attempt++) {
    const response = await fetch(`${sluice.run.edge_url}/v1/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization },
      body,
      signal: AbortSignal.timeout(10_000),
    })
    const { status } = response
    const text = await response.text()
    if (status < 500 || attempt === 5) return { status, text }
  }
}

test('an event that was accepted but not stored is reported', async () => {
  const { run } = sluice
  let count = 0
  // Accepts one event and forgets it; all others go to the edge.
  const lossy = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray())
    if (++count === 10) return response.writeHead(202).end('{"accepted":1,"rejected":0}')
    const { status, text } = await forward(request.headers.authorization ?? '', body)
    return response.writeHead(status).end(text)
  })
  await new Promise<void>((resolve) => lossy.listen(0, '127.0.0.1', resolve))
  try {
    const { isExact, faults } = await runLoad({
      edgeUrl: `http://127.0.0.1:${(lossy.address() as AddressInfo).port}`,
      databaseUrl: run.database_url,
      graphqlUrl: run.graphql_url,
      key: undefined,
      rps: 50,
      minutes: 0.01,
      bursts: false,
      batch: 1,
      tenants: 1,
      duplicateRate: 0,
      badRate: 0,
      eventsPerMinute: 1_000_000,
      inFlightMax: 50,
      idleMsMax: 2_000,
      signal: new AbortController().signal,
      onProgress: () => {},
    })
    expect(isExact).toBe(false)
    expect(faults).toEqual([
      'the worker has not written everything, and made no progress for 2 s',
      expect.stringMatching(/Postgres: 29 stored instead of 30/),
      expect.stringMatching(/GraphQL: 29 stored instead of 30/),
    ])
  } finally {
    lossy.close()
  }
})
