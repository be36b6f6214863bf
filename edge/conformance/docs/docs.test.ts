import { expect, it } from 'vitest'
import { OPERATIONS } from '../../openapi/operations.ts'
import { describeEdges, type World } from '../../testing/edge-harness.ts'
import { type Answer, send } from '../../testing/send.ts'

const EXAMPLES = OPERATIONS.flatMap(({ method, paths, examples }) =>
  examples.map((example) => ({
    ...example,
    method: method.toUpperCase(),
    path: example.path ?? (paths[0] as string),
  })),
)

describeEdges('a request of the documents', (world) => {
  it.each(EXAMPLES)('$method $path: $says', async (example) => {
    const sent = requestOf(example, world)
    const before = world.gateway.taken.length
    const answer = await send(world.edge.port, sent)
    expect(answer.status).toBe(example.status)
    if (example.response !== undefined)
      expect(withoutIds(answer)).toBe(withoutIds(example.response))
    if (example.method === 'POST' && example.status < 300)
      expect(world.gateway.taken.length).toBeGreaterThan(before)
  })

  it('is sent again with its Idempotency-Key and gets the first answer', async () => {
    const example = EXAMPLES.find(({ headers }) => headers?.['Idempotency-Key'])
    if (!example) throw new Error('there is none')
    const sent = requestOf(example, world)
    const [first, second] = [await send(world.edge.port, sent), await send(world.edge.port, sent)]
    expect(second.text).toBe(first.text)
    expect(second.headers['idempotency-replayed']).toBe('true')
  })
})

/** The very object of the document, with a key in its blanks. */
function requestOf(
  { method, path, headers = {}, body, needs }: (typeof EXAMPLES)[number],
  world: World,
) {
  const key = world.newKey(needs)
  const fill = (text: string) =>
    text.replaceAll('$KEY', key).replaceAll('$BASIC', Buffer.from(`${key}:`).toString('base64'))
  return {
    method,
    path: fill(path),
    headers: Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name.toLowerCase(), fill(value)]),
    ),
    body:
      body === undefined ? undefined : fill(typeof body === 'string' ? body : JSON.stringify(body)),
  }
}

/** Ids, positions and moments are other ones each time. */
function withoutIds(answer: unknown): string {
  const value = isAnswer(answer) ? (answer.json ?? answer.text) : answer
  return (typeof value === 'string' ? value : JSON.stringify(value))
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<uuid>')
    .replace(/"(partition|offset)":\d+/g, '"$1":0')
}

function isAnswer(value: unknown): value is Answer {
  return typeof value === 'object' && value !== null && 'text' in value && 'headers' in value
}
