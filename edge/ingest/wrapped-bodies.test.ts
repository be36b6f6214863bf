import { expect, it } from 'vitest'
import { LIMITS } from '../../contract/limits.ts'
import { createMemoryEdge, KEY, RECORD } from '../testing/memory-edge.ts'

/** Events of nearly a megabyte, as gzip of a thousand bytes. */
async function gzipOf(json: string): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([json + ' '.repeat(900_000)])
    .stream()
    .pipeThrough(new CompressionStream('gzip'))
  return new Uint8Array(await new Response(stream).arrayBuffer())
}

it('what an event in an address decompresses to counts in the share of its key', async () => {
  let publish = () => {}
  const published = new Promise<void>((resolve) => {
    publish = resolve
  })
  let arrived = () => {}
  const isArrived = new Promise<void>((resolve) => {
    arrived = resolve
  })
  const edge = createMemoryEdge({
    findKey: async () => ({ ...RECORD, kind: 'pub' }),
    publish: async (records) => {
      arrived()
      await published
      return records.map(({ topic }, offset) => ({ topic, partition: 0, offset, timestamp: 0 }))
    },
  })
  const gzip = await gzipOf('{"event":"a","properties":{}}')
  const data = encodeURIComponent(btoa(String.fromCharCode(...gzip)))
  const send = async () => edge.request(`/track?data=${data}`, { headers: { 'x-api-key': KEY } })
  const first = send()
  await isArrived
  expect(2 * 900_000).toBeGreaterThan(LIMITS.edgeBytesPerKeyMax)
  const second = await Promise.race([send(), published])
  expect([second?.status, (await second?.json())?.code]).toEqual([503, 'OVERLOADED'])
  publish()
  expect((await first).status).toBe(200)
})

it.each([
  ['/track', '[{"event":"a","properties":{}}]'],
  ['/batch', '{"batch":[{"event":"a"}]}'],
])(
  'bodies of strangers that decompress at the same time share one budget: %s',
  async (path, json) => {
    const edge = createMemoryEdge({
      addressOf: (request) => request.headers.get('x-from') ?? undefined,
    })
    const body = await gzipOf(json)
    const statuses = await Promise.all(
      Array.from({ length: 20 }, async (_, i) => {
        const headers = { 'x-from': `192.0.2.${i}` }
        return (await edge.request(path, { method: 'POST', headers, body })).status
      }),
    )
    const count = (wanted: number) => statuses.filter((status) => status === wanted).length
    expect(count(503)).toBeGreaterThan(0)
    expect(count(401)).toBeGreaterThan(0)
    expect(count(503) + count(401)).toBe(20)
  },
)
