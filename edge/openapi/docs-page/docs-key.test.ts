import { expect, it } from 'vitest'
import { createMemoryEdge } from '../../testing/memory-edge.ts'

it.each<[string | undefined, string, Record<string, string>, boolean]>([
  ['127.0.0.1', 'localhost:8787', {}, true],
  ['::1', '[::1]:8787', {}, true],
  ['::ffff:127.0.0.1', '127.0.0.1:8787', {}, true],
  ['10.0.0.7', 'localhost:8787', {}, false],
  [undefined, 'localhost:8787', {}, false],
  // A page elsewhere may point its own name at this address.
  ['127.0.0.1', 'rebound.example', {}, false],
  ['127.0.0.1', '127.0.0.1.example', {}, false],
  // A proxy on this machine may have strangers behind it.
  ...['forwarded', 'via', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip', 'cf-ray'].map(
    (name): [string, string, Record<string, string>, boolean] => [
      '127.0.0.1',
      'localhost:8787',
      { [name]: 'a' },
      false,
    ],
  ),
])(
  'the page /docs has a key for a browser on this machine only: from %s to %s with %j: %s',
  async (address, host, headers, hasKey) => {
    const edge = createMemoryEdge({ docsKey: 'slc_pub_for_docs', addressOf: () => address })
    const response = await edge.request(`http://${host}/docs`, { headers })
    expect(response.status).toBe(200)
    expect((await response.text()).includes('slc_pub_for_docs')).toBe(hasKey)
    expect(response.headers.get('access-control-allow-origin')).toBeNull()
    expect(response.headers.get('cache-control')).toBe('no-store')
  },
)
