import { afterAll, beforeAll, expect, it } from 'vitest'
import worker from '../entry/cloudflare.ts'
import { type StubGateway, startStubGateway } from '../testing/stub-gateway.ts'

let gateway: StubGateway
beforeAll(async () => {
  gateway = await startStubGateway()
})
afterAll(() => gateway.close())

/** The location in the record of a request with this `cf`. */
async function geoWith(cf: object | undefined) {
  const { key } = gateway.addKey({ kind: 'pub', enrich: ['geo'] })
  const headers = { 'x-api-key': key, 'cf-ipcountry': 'FR', 'cf-ipcity': 'Paris' }
  const request = new Request('https://edge.example/v1/events', {
    method: 'POST',
    headers,
    body: '{"event":"a"}',
  })
  const env = {
    SLUICE_GATEWAY_URL: gateway.url,
    SLUICE_GATEWAY_USERNAME: gateway.username,
    SLUICE_GATEWAY_PASSWORD: gateway.password,
  }
  const context = { waitUntil() {}, passThroughOnException() {}, props: {} }
  const response = await worker.fetch(Object.assign(request, { cf }), env, context)
  expect(response.status).toBe(202)
  return JSON.parse(gateway.records.at(-1)?.value as string).geo
}

const BERLIN = { country: 'DE', region: 'Land Berlin', regionCode: 'BE', city: 'Berlin' }
const PRECISE = { postalCode: '10115', latitude: '52.5', longitude: '13.4', asn: 1 }

it('on Cloudflare a visitor has the country, region and city of cf, and nothing more precise', async () => {
  expect(await geoWith({ colo: 'TXL', ...BERLIN, ...PRECISE })).toEqual({
    ...{ country: 'DE', region: 'DE-BE', city: 'Berlin' },
  })
  expect(await geoWith({ colo: 'TXL', country: 'T1' })).toBeUndefined()
  expect(await geoWith({ colo: 'TXL' })).toBeUndefined()
})

it('on other platforms no location is known, whatever headers a client sends', async () => {
  expect(await geoWith(undefined)).toBeUndefined()
  expect(await geoWith({ clientIp: '203.0.113.7', ...BERLIN })).toBeUndefined()
})
