import { expect, it } from 'vitest'
import { describeEdges, type EdgeHarness } from '../../testing/edge-harness.ts'
import { startStubGateway } from '../../testing/stub-gateway.ts'

const FORGED = {
  'user-agent': 'Mozilla/5.0 (forged)',
  'cf-ipcountry': 'DE',
  'cf-ipcity': 'S%C3%A3o Paulo',
  'x-vercel-ip-country': 'FR',
  'x-appengine-country': 'US',
  'cloudfront-viewer-country': 'IT',
  'x-forwarded-for': '198.51.100.1',
}

async function geoOf(harness: EdgeHarness, enrich: string[]) {
  const key = harness.newKey({ kind: 'pub', enrich })
  const { status } = await harness.post(key, { event: 'a' }, { headers: FORGED })
  expect(status).toBe(202)
  const record = JSON.parse(harness.gateway.records.at(-1)?.value as string)
  return { geo: record.geo, ua: record.ua }
}

describeEdges('an edge that trusts no proxy', (harness) => {
  it('ignores every header that names a country', async () => {
    expect(await geoOf(harness, ['geo', 'browser'])).toEqual({ ua: FORGED['user-agent'] })
  })
})

describeEdges(
  'an edge behind a declared proxy of Cloudflare',
  (harness) => {
    it('reads the headers of that platform alone, for a tenant that declares it', async () => {
      expect(await geoOf(harness, ['geo'])).toEqual({ geo: { country: 'DE', city: 'São Paulo' } })
      expect(await geoOf(harness, ['bots'])).toEqual({ ua: FORGED['user-agent'] })
    })
  },
  async () => ({
    gateway: await startStubGateway(),
    settings: { SLUICE_TRUSTED_PROXIES: '127.0.0.0/8 ::1', SLUICE_GEO_HEADERS: 'cloudflare' },
  }),
)
