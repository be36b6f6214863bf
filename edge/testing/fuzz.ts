import { deflateSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { expect } from 'vitest'
import { ERRORS } from '../../contract/errors.ts'
import { parseExactly } from '../../contract/json/exact-parse.ts'
import { expectedOf } from '../../contract/testing/model.ts'
import type { World } from './edge-harness.ts'
import type { Answer, Sent } from './send.ts'

/** Set FUZZ_SEED to the one that was printed, and the same requests are made again. */
const SEED = Number(process.env.FUZZ_SEED) || Math.floor(Math.random() * 2 ** 31)

const ROUND = 50
const ASKED_MIN = 300

/**
 * Asks as many questions as there is time for, in each runtime the same ones.
 * @returns how many
 */
export async function fuzz<T>(
  world: World,
  ms: number,
  questions: fc.Arbitrary<T>,
  ask: (question: T) => Promise<void>,
): Promise<number> {
  const until = performance.now() + ms
  let asked = 0
  const property = fc.asyncProperty(questions, async (question) => {
    asked++
    await ask(question)
  })
  // However slow the machine is, a few hundred are asked: fewer would prove nothing.
  for (let round = 0; asked < ASKED_MIN || performance.now() < until; round++)
    await fc.assert(property, { seed: SEED + round, numRuns: ROUND })
  const { currentTestName } = expect.getState()
  console.info(`${currentTestName}: ${asked} requests to ${world.runtime}, FUZZ_SEED=${SEED}`)
  return asked
}

/** Ways of sending the same bytes: whole or in pieces, packed or not. */
export const wrapping: fc.Arbitrary<(body: string) => Pick<Sent, 'body' | 'chunked' | 'headers'>> =
  fc
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

/** Whatever was sent: a status of the table with a code that belongs to it, and never 500. */
export function expectDocumented(answer: Answer, yes: readonly number[] = [202]): void {
  expect(answer.headers['x-request-id']).toMatch(/./)
  expect(answer.headers['access-control-allow-origin']).toMatch(/./)
  if (yes.includes(answer.status)) return
  expect(answer.headers['content-type']).toBe('application/problem+json')
  const { code, status } = answer.json as { code: keyof typeof ERRORS; status: number }
  expect(ERRORS[code]?.status).toBe(answer.status)
  expect(status).toBe(answer.status)
  expect(answer.status).not.toBe(500)
  expect(code).not.toBe('INTERNAL')
  expect(ERRORS[code].retryable).toBe(false)
}

/** The records that one request brought, as values. */
export async function recordsOf(
  world: World,
  ask: () => Promise<Answer>,
): Promise<{ answer: Answer; records: Recorded[] }> {
  const before = world.gateway.taken.length
  const answer = await ask()
  const records = world.gateway.taken
    .slice(before)
    .map(({ value }) => parseExactly(value) as Recorded)
  return { answer, records }
}

export interface Recorded {
  received_at: string
  event?: Record<string, unknown>
  refused?: { code: string; pointer: string; detail: string }[]
  original?: string
}

/** Holds what arrived to what the model makes of what was sent; made ids and times are looked at, then left out. */
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
