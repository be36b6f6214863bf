import { expect, it } from 'vitest'
import { mintApiKey } from '../../../contract/api-key.ts'
import { LIMITS } from '../../../contract/limits.ts'
import { describeEdges } from '../../testing/edge-harness.ts'
import { startStubGateway } from '../../testing/stub-gateway.ts'

describeEdges(
  'an edge behind a declared proxy',
  (harness) => {
    it('limits unknown keys by the address that the proxy reports, and not by one that a client wrote', async () => {
      const from = (address: string, key: string) =>
        harness.post(key, { event: 'a' }, { headers: { 'x-forwarded-for': address } })
      const flood = await Promise.all(
        Array.from({ length: 2 * LIMITS.unknownKeysPerMinuteMax }, (_, i) =>
          from(`192.0.2.${i % 256}, 198.51.100.1`, mintApiKey('sec')),
        ),
      )
      expect(flood.some(({ status }) => status === 429)).toBe(true)
      const another = await from('198.51.100.2', mintApiKey('sec'))
      expect([another.status, another.json.code]).toEqual([401, 'KEY_UNKNOWN'])
      expect(harness.edge.log()).toContain('"address":"198.51.100.1"')
    })

    it('sends HSTS where the client came over https, and nosniff and no-store always', async () => {
      const key = harness.newKey()
      const post = (proto: string) =>
        harness.post(key, { event: 'a' }, { headers: { 'x-forwarded-proto': proto } })
      const [https, http] = [await post('https'), await post('http')]
      expect(https.headers['strict-transport-security']).toContain('max-age=31536000')
      expect(http.headers['strict-transport-security']).toBeUndefined()
      for (const { headers } of [https, http]) {
        expect(headers['x-content-type-options']).toBe('nosniff')
        expect(headers['cache-control']).toBe('no-store')
        expect(headers['content-security-policy']).toBe(
          "default-src 'none'; frame-ancestors 'none'",
        )
      }
    })
  },
  async () => ({
    gateway: await startStubGateway(),
    settings: { SLUICE_TRUSTED_PROXIES: '127.0.0.0/8 ::1' },
  }),
)
