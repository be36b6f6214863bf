import { deflateSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { expect } from 'vitest'
import { ERRORS } from '../../contract/errors.ts'
import { parseExactly } from '../../contract/json/exact-parse.ts'
import { expectedOf } from '../../contract/testing/model.ts'
import type { EdgeHarness } from './edge-harness.ts'
import type { EdgeRequest, EdgeResponse } from './send.ts'

/** Set FUZZ_SEED to a printed seed to repeat the same requests. */
const SEED = Number(process.env.FUZZ_SEED) || Math.floor(Math.random() * 2 ** 31)

const ROUND = 50
const REQUESTS_MIN = 300

/**
 * Sends as many random requests as there is time for, the same in each runtime.
 * @returns how many
 */
export async function fuzz<T>(
  harness: EdgeHarness,
  ms: number,
  requests: fc.Arbitrary<T>,
  sendRequest: (request: T) => Promise<void>,
): Promise<number> {
  const until = performance.now() + ms
  let count = 0
  const property = fc.asyncProperty(requests, async (question) => {
    count++
    await sendRequest(question)
  })
  // A slow machine still sends a few hundred: fewer would prove nothing.
  for (let round = 0; count < REQUESTS_MIN || performance.now() < until; round++)
    await fc.assert(property, { seed: SEED + round, numRuns: ROUND })
  const { currentTestName } = expect.getState()
  console.info(`${currentTestName}: ${count} requests to ${harness.runtime}, FUZZ_SEED=${SEED}`)
  return count
}

/** Sends the same bytes whole or in chunks, compressed or not. */
export const anyEncoding: fc.Arbitrary<
  (body: string) => Pick<EdgeRequest, 'body' | 'chunked' | 'headers'>
> = fc
  .tuple(
    fc.constantFrom('plain', 'plain', 'gzip', 'deflate'),
    fc.option(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 6 })),
  )
  .map(([encoding, cuts]) => (body: string) => {
    const bytes =
      encoding === 'gzip'
        ? gzipSync(body)
        : encoding === 'deflate'
          ? deflateSync(body)
          : Buffer.from(body)
    return {
      body: bytes,
      ...(cuts && {
        chunked: cuts.map((at) => Math.floor(at * bytes.length)).sort((a, b) => a - b),
      }),
      ...(encoding !== 'plain' && { headers: { 'content-encoding': encoding } }),
    }
  })

/** Any response must have a status of ERRORS with a code that belongs to it, and never 500. */
export function expectDocumented(
  response: EdgeResponse,
  accepted: readonly number[] = [202],
): void {
  expect(response.headers['x-request-id']).toMatch(/./)
  expect(response.headers['access-control-allow-origin']).toMatch(/./)
  if (accepted.includes(response.status)) return
  expect(response.headers['content-type']).toBe('application/problem+json')
  const { code, status } = response.json as { code: keyof typeof ERRORS; status: number }
  expect(ERRORS[code]?.status).toBe(response.status)
  expect(status).toBe(response.status)
  expect(response.status).not.toBe(500)
  expect(code).not.toBe('INTERNAL')
  expect(ERRORS[code].retryable).toBe(false)
}

/** The records that one request produced. */
export async function recordsOf(
  harness: EdgeHarness,
  sendRequest: () => Promise<EdgeResponse>,
): Promise<{ response: EdgeResponse; records: Recorded[] }> {
  const before = harness.gateway.records.length
  const response = await sendRequest()
  const records = harness.gateway.records
    .slice(before)
    .map(({ value }) => parseExactly(value) as Recorded)
  return { response, records }
}

export interface Recorded {
  received_at: string
  event?: Record<string, unknown>
  refused?: { code: string; pointer: string; detail: string }[]
  original?: string
}

/** Compares the records with the model's events for what was sent; generated ids and times are checked by form only. */
export function expectArrived(records: readonly Recorded[], sent: readonly unknown[]): void {
  const expected = sent.map(expectedOf).filter((event) => event !== undefined)
  expect(records.length).toBe(expected.length)
  records.forEach(({ event, received_at }, i) => {
    const wanted = expected[i] as Record<string, unknown>
    const { event_id, occurred_at } = event as Record<string, unknown>
    if (wanted.event_id === undefined) expect(event_id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/)
    if (wanted.occurred_at === undefined) expect(occurred_at).toBe(received_at)
    expect(event).toEqual({ event_id, occurred_at, ...wanted })
  })
}
