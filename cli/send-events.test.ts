import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { sendEvents } from './send-events.ts'

let server: Server | undefined
afterEach(() => void server?.close())

/** An edge that gives these answers, one to each request. */
async function startEdge(answers: { status: number; body: object }[]): Promise<string> {
  server = createServer((request, response) => {
    request.resume().on('end', () => {
      const { status, body } = answers.shift() ?? { status: 500, body: {} }
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    })
  })
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const events = Array.from({ length: 1_100 }, (_, i) => ({ event: 'a', event_id: `id-${i}` }))
const fault = (index: number) => ({
  index,
  code: 'NAME_INVALID',
  pointer: '/event',
  detail: 'is wrong',
})

test('errors name the event of the file that they are about, not its place in a request', async () => {
  const url = await startEdge([
    { status: 202, body: { accepted: 499, rejected: 1, events: [], errors: [fault(3)] } },
    // Tried again: it counts once.
    { status: 503, body: { code: 'LOG_UNAVAILABLE' } },
    {
      status: 202,
      body: { accepted: 498, rejected: 2, events: [], errors: [fault(0), fault(499)] },
    },
    { status: 422, body: { code: 'EVENTS_INVALID', errors: [fault(99)] } },
  ])
  const done: number[] = []
  const summary = await sendEvents({
    url,
    key: 'k',
    events,
    onProgress: (count) => void done.push(count),
  })
  expect(summary).toMatchObject({ accepted: 997, rejected: 103, duplicate: null, dead: null })
  expect(summary.errors.map(({ index }) => index)).toEqual([3, 500, 999, 1_099])
  expect(done).toEqual([500, 1_000, 1_100])
})
