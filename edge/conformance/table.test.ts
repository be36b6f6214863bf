import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ERRORS } from '../../contract/errors.ts'
import { BATCHES, RECEIVED_AT, TIMES } from '../../contract/testing/vectors.ts'
import { RUNTIMES, type RunningEdge, startEdge } from '../testing/runtimes.ts'
import { comparable, type EdgeResponse, send } from '../testing/send.ts'
import { type StubGateway, startStubGateway } from '../testing/stub-gateway.ts'
import type { Case } from './cases/case.ts'
import { CASES } from './cases.ts'

const responses = new Map<string, EdgeResponse>()

describe.each(RUNTIMES)('the edge in %s', (runtime) => {
  let gateway: StubGateway
  let edge: RunningEdge
  beforeAll(async () => {
    gateway = await startStubGateway()
    edge = await startEdge(runtime, gateway)
  }, 30_000)
  afterAll(async () => {
    await edge?.stop()
    await gateway?.close()
  })

  it.each(CASES)('responds to $title with $status $code', async (testCase) => {
    const before = gateway.records.length
    const response = await send(edge.port, withKey(gateway, testCase))
    responses.set(`${runtime} ${testCase.title}`, response)
    check(response, testCase)
    const published = gateway.records.length - before
    expect(published).toBe(response.status === 202 ? response.json.accepted : 0)
    if (testCase.expectedEvents)
      expect(gateway.records.slice(before).map(({ value }) => eventOf(value))).toEqual(
        testCase.expectedEvents.map((event) => ({ ...LEFT_OUT, ...JSON.parse(event) })),
      )
  })

  it.each(BATCHES)('handles the golden vector "$title"', async (vector) => {
    const { key } = gateway.addKey()
    const before = gateway.records.length
    const response = await send(edge.port, {
      headers: { authorization: `Bearer ${key}` },
      body: vector.body,
    })
    responses.set(`${runtime} vector ${vector.title}`, response)
    if (vector.rejected) {
      expect(response.status).toBe(ERRORS[vector.rejected].status)
      expect(response.json.code).toBe(vector.rejected)
      return
    }
    const events = vector.events ?? []
    const wanted = events.flatMap((event) => (typeof event === 'string' ? [event] : []))
    const errors = events.flatMap((event, index) =>
      typeof event === 'string' ? [] : event.map(([pointer, code]) => ({ index, pointer, code })),
    )
    const tooLarge =
      vector.isSingleEvent && errors.length === 1 && errors[0]?.code === 'EVENT_TOO_LARGE'
    expect(response.status).toBe(wanted.length > 0 ? 202 : tooLarge ? 413 : 422)
    expect(response.json.errors.map(({ detail, ...rest }: { detail: string }) => rest)).toEqual(
      errors,
    )
    expect(gateway.records.slice(before).map(({ value }) => eventOf(value))).toEqual(
      wanted.map((json) => JSON.parse(json)),
    )
  })

  it('reads every notation of a time, and rejects the others with OCCURRED_AT_INVALID', async () => {
    const { key } = gateway.addKey({ may_import_history: true })
    const before = gateway.records.length
    const written = TIMES.filter(([time]) => typeof time !== 'number' || Number.isFinite(time))
    const response = await send(edge.port, {
      path: '/v1/events?historical=true',
      headers: { authorization: `Bearer ${key}` },
      body: JSON.stringify(
        written.map(([time]) => ({ name: 'a', event_id: 'x', timestamp: time })),
      ),
    })
    responses.set(`${runtime} times`, response)
    const formatted = gateway.records
      .slice(before)
      .map(({ value }) => JSON.parse(value).event.occurred_at)
    expect(formatted).toEqual(written.flatMap(([, time]) => time ?? []))
    expect(response.json.errors.map((error: { index: number }) => error.index)).toEqual(
      written.flatMap(([, time], index) => (time === null ? [index] : [])),
    )
    expect(new Set(response.json.errors.map((error: { code: string }) => error.code))).toEqual(
      new Set(['OCCURRED_AT_INVALID']),
    )
  })

  it('writes nothing from a request to its log', () => {
    expect(edge.log()).not.toMatch(/slc_|page_view|unexpected error/)
  })
})

describe('every runtime gives the same response to', () => {
  const names = [
    ...CASES.map(({ title }) => title),
    ...BATCHES.map(({ title }) => `vector ${title}`),
  ]
  it.each([...names, 'times'])('%s', (title) => {
    const [first, ...others] = RUNTIMES.map((runtime) => {
      const response = responses.get(`${runtime} ${title}`)
      if (!response) throw new Error(`${runtime} gave no response`)
      return comparable(response)
    })
    for (const other of others) expect(other).toEqual(first)
  })

  it('more than 600 cases with distinct titles', () => {
    expect(new Set(names).size).toBe(names.length)
    expect(names.length).toBeGreaterThan(600)
  })
})

function withKey(gateway: StubGateway, testCase: Case): Case {
  if (testCase.key === null) return testCase
  const { key } = gateway.addKey(testCase.key)
  const as = testCase.keyAs?.(key) ?? { headers: { authorization: `Bearer ${key}` } }
  return { ...testCase, ...as, headers: { ...testCase.headers, ...as.headers } }
}

function check(
  response: EdgeResponse,
  { status, code, responseHeaders: responses = {}, errors, method, headers }: Case,
): void {
  expect(response.status).toBe(status)
  expect(response.headers['x-request-id']).toMatch(/./)
  if (!('access-control-allow-origin' in responses))
    expect(['*', headers?.origin]).toContain(response.headers['access-control-allow-origin'])
  for (const [name, value] of Object.entries(responses))
    expect(response.headers[name]).toEqual(
      typeof value === 'string' ? value : expect.stringMatching(value),
    )
  if (errors)
    expect(
      response.json.errors.map((e: Record<string, unknown>) => `${e.index} ${e.pointer} ${e.code}`),
    ).toEqual(errors)
  if (status === 202) expectTaken(response)
  if (!code || method === 'HEAD') return
  expect(response.headers['content-type']).toBe('application/problem+json')
  expect(response.json).toMatchObject({
    type: `urn:sluice:problem:${code.toLowerCase().replaceAll('_', '-')}`,
    title: ERRORS[code].message,
    status,
    code,
    request_id: response.headers['x-request-id'],
    detail: expect.any(String),
    instance: expect.stringMatching(/^\/[^?]*$/),
  })
}

const pk = 'pk=:[A-Za-z0-9+/]{12}:'

function expectTaken({ json, headers }: EdgeResponse): void {
  expect(headers['content-type']).toBe('application/json')
  const pattern = (state: string) => new RegExp(`^"key";${state};${pk}, "tenant";${state};${pk}$`)
  expect(headers.ratelimit).toMatch(pattern(String.raw`r=\d+;t=\d+`))
  expect(headers['ratelimit-policy']).toMatch(pattern(String.raw`q=\d+;w=60`))
  expect(json.request_id).toBe(headers['x-request-id'])
  expect(json.events).toHaveLength(json.accepted)
  for (const event of json.events)
    expect(event).toMatchObject({
      event_id: expect.stringMatching(/./),
      status: 'accepted',
      partition: expect.any(Number),
      offset: expect.any(Number),
    })
}

const LEFT_OUT = { event_id: 'made-0', occurred_at: RECEIVED_AT, properties: {} }

/** The event of a record as the vectors write it: generated ids and the time received are replaced. */
function eventOf(value: string) {
  const { event, received_at } = JSON.parse(value)
  if (/^[0-9a-f]{8}-[0-9a-f]{4}-7/.test(event.event_id)) event.event_id = 'made-0'
  if (event.occurred_at === received_at) event.occurred_at = RECEIVED_AT
  return event
}
