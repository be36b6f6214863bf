import { expect, it } from 'vitest'
import { OPERATIONS } from '../../openapi/operations.ts'
import { describeEdges, type EdgeHarness } from '../../testing/edge-harness.ts'
import { type EdgeResponse, send } from '../../testing/send.ts'

const EXAMPLES = OPERATIONS.flatMap(({ method, paths, examples }) =>
  examples.map((example) => ({
    ...example,
    method: method.toUpperCase(),
    path: example.path ?? (paths[0] as string),
  })),
)

describeEdges('a documented request', (harness) => {
  it.each(EXAMPLES)('$method $path gets its documented response: $title', async (example) => {
    const sent = requestOf(example, harness)
    const before = harness.gateway.records.length
    const response = await send(harness.edge.port, sent)
    expect(response.status).toBe(example.status)
    if (example.response !== undefined)
      expect(withoutIds(response)).toBe(withoutIds(example.response))
    if (example.method === 'POST' && example.status < 300)
      expect(harness.gateway.records.length).toBeGreaterThan(before)
  })

  it('repeated with its Idempotency-Key gets the first response', async () => {
    const example = EXAMPLES.find(({ headers }) => headers?.['Idempotency-Key'])
    if (!example) throw new Error('no example has an Idempotency-Key')
    const sent = requestOf(example, harness)
    const [first, second] = [
      await send(harness.edge.port, sent),
      await send(harness.edge.port, sent),
    ]
    expect(second.text).toBe(first.text)
    expect(second.headers['idempotency-replayed']).toBe('true')
  })
})

/** The documented request with its placeholders replaced by a key. */
function requestOf(
  { method, path, headers = {}, body, needs }: (typeof EXAMPLES)[number],
  harness: EdgeHarness,
) {
  const key = harness.newKey(needs)
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

/** Without ids and offsets, which differ each time. */
function withoutIds(response: unknown): string {
  const value = isEdgeResponse(response) ? (response.json ?? response.text) : response
  return (typeof value === 'string' ? value : JSON.stringify(value))
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<uuid>')
    .replace(/"(partition|offset)":\d+/g, '"$1":0')
}

function isEdgeResponse(value: unknown): value is EdgeResponse {
  return typeof value === 'object' && value !== null && 'text' in value && 'headers' in value
}
