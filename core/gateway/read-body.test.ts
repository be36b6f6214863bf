import { Hono } from 'hono'
import { afterEach, expect, test } from 'vitest'
import { LIMITS } from '../../contract/limits.ts'
import { KafkaRestError } from './kafka-rest-error.ts'
import { BODY_BYTES_MAX, readBody } from './read-body.ts'

const app = new Hono()
app.post('/', async (c) => c.json((await readBody(c.req)).byteLength))
app.onError((error, c) =>
  c.text(error.message, error instanceof KafkaRestError ? error.status : 500),
)

/** A body that sends nothing before it is read, and ends when the test calls `end`. */
interface Held {
  begun: boolean
  end(): void
  breakOff(): void
  answer: Promise<Response>
}
const sent: Held[] = []
afterEach(async () => {
  for (const each of sent) each.end()
  await Promise.all(sent.splice(0).map(({ answer }) => answer))
})

/** @param announced its Content-Length, null for none */
function send(bytes: number, announced: number | null = bytes): Held {
  const ended = Promise.withResolvers<void>()
  const body = new ReadableStream(
    {
      async pull(controller) {
        held.begun = true
        await ended.promise
        controller.enqueue(new Uint8Array(bytes))
        controller.close()
      },
    },
    { highWaterMark: 0 },
  )
  const headers = announced === null ? {} : { 'content-length': String(announced) }
  const held: Held = {
    begun: false,
    end: () => ended.resolve(),
    breakOff: () => ended.reject(new Error('the connection is gone')),
    answer: Promise.resolve(
      app.request('/', { method: 'POST', body, headers, duplex: 'half' } as RequestInit),
    ),
  }
  sent.push(held)
  return held
}
const begun = () => sent.filter((each) => each.begun).length
const fitting = Math.floor(LIMITS.gatewayBodiesBytesMax / BODY_BYTES_MAX)

test.each([
  ['announced', BODY_BYTES_MAX],
  ['not announced', null],
])(
  'large bodies, their length %s, are read while the byte budget lasts; the others wait',
  async (_, announced) => {
    for (let i = 0; i < 2 * fitting; i++) send(1_000_000, announced)
    await expect.poll(begun).toBeGreaterThanOrEqual(fitting)
    expect(begun()).toBe(fitting)
    // A small body never waits.
    const small = send(10)
    small.end()
    expect((await small.answer).status).toBe(200)
    for (let i = 0; i < fitting; i++) {
      sent[i]?.end()
      await expect.poll(begun).toBe(fitting + 2 + i)
    }
    for (const each of sent) each.end()
    const answers = await Promise.all(sent.map(({ answer }) => answer))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
  },
)

test('a body that has waited too long for the byte budget is answered 429', async () => {
  for (let i = 0; i < fitting; i++) send(1_000_000, BODY_BYTES_MAX)
  const answer = await send(1_000_000, BODY_BYTES_MAX).answer
  expect([answer.status, await answer.text()]).toEqual([
    429,
    expect.stringContaining('TOO_MANY_BODIES'),
  ])
})

test.each([
  ['announced', BODY_BYTES_MAX],
  ['not announced', null],
])(
  'large bodies that break off, their length %s, leave the byte budget to others',
  async (_, announced) => {
    for (let round = 0; round < 3; round++) {
      const bodies = Array.from({ length: fitting }, () => send(1_000_000, announced))
      await expect.poll(() => bodies.every((each) => each.begun)).toBe(true)
      for (const each of bodies) each.breakOff()
      const answers = await Promise.all(bodies.map(({ answer }) => answer))
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([400]))
    }
  },
)
