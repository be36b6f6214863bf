import { describe, expect, it } from 'vitest'
import { parseTrustedProxies } from '../../contract/trusted-proxies.ts'
import { createGeoOf, readGeo } from './geo-headers.ts'

describe('a location', () => {
  it.each([
    [{ country: 'DE' }, { country: 'DE' }],
    [
      { country: 'de', region: 'be', city: 'Berlin' },
      { country: 'DE', region: 'DE-BE', city: 'Berlin' },
    ],
    [
      { country: 'US', region: 'TX', city: 'Austin' },
      { country: 'US', region: 'US-TX', city: 'Austin' },
    ],
    [
      { country: 'FR', region: '75C' },
      { country: 'FR', region: 'FR-75C' },
    ],
    [{ country: 'FR', region: '75CX' }, { country: 'FR' }],
    [{ country: 'FR', region: 'Île-de-France' }, { country: 'FR' }],
    [
      { country: 'BR', city: 'S%C3%A3o%20Paulo' },
      { country: 'BR', city: 'São Paulo' },
    ],
    [
      { country: 'BR', city: 'S\u00c3\u00a3o Paulo' },
      { country: 'BR', city: 'São Paulo' },
    ],
    [
      { country: 'BR', city: 'São Paulo' },
      { country: 'BR', city: 'São Paulo' },
    ],
    [
      { country: 'JP', city: '東京' },
      { country: 'JP', city: '東京' },
    ],
    [
      { country: 'DE', city: '100%' },
      { country: 'DE', city: '100%' },
    ],
    [{ country: 'DE', city: '?' }, { country: 'DE' }],
    [{ country: 'DE', city: ' ' }, { country: 'DE' }],
    [
      { country: 'DE', city: 'a%00b%0Ac' },
      { country: 'DE', city: 'abc' },
    ],
    [
      { country: 'DE', city: 'x'.repeat(100) },
      { country: 'DE', city: 'x'.repeat(100) },
    ],
    [
      { country: 'DE', city: 'x'.repeat(101) },
      { country: 'DE', city: 'x'.repeat(100) },
    ],
    [{ country: 'DE', city: 5, region: {} }, { country: 'DE' }],
  ])('%j is read as %j', (sent, read) => {
    expect(readGeo(sent)).toEqual(read)
  })

  it.each(['XX', 'ZZ', 'T1', 'D', 'DEU', 'D ', '', null, undefined, 5, 'ÄÖ'])(
    'nothing is known with the country %j, not even a city',
    (country) => {
      expect(readGeo({ country, city: 'Berlin', region: 'BE' })).toBeUndefined()
    },
  )
})

describe('the headers of a platform', () => {
  const proxies = parseTrustedProxies('10.0.0.0/8')
  const headers = {
    ...{ 'cf-ipcountry': 'DE', 'cf-region-code': 'BE', 'cf-ipcity': 'Berlin' },
    ...{
      'x-vercel-ip-country': 'FR',
      'x-vercel-ip-country-region': 'IDF',
      'x-vercel-ip-city': 'Paris',
    },
    ...{ 'x-appengine-country': 'US', 'x-appengine-region': 'tx', 'x-appengine-city': 'austin' },
    ...{ 'cloudfront-viewer-country': 'IT', 'cloudfront-viewer-country-region': '25' },
    ...{ 'cloudfront-viewer-city': 'Milan' },
  }
  const request = new Request('http://edge/', { headers })
  const geoOf = (platform: string | undefined, peer: string | undefined, trusted = proxies) =>
    createGeoOf(
      platform,
      trusted,
      () => peer,
      () => ({ country: 'NO' }),
    )?.(request, {})

  it.each([
    ['cloudflare', { country: 'DE', region: 'DE-BE', city: 'Berlin' }],
    ['vercel', { country: 'FR', region: 'FR-IDF', city: 'Paris' }],
    ['appengine', { country: 'US', region: 'US-TX', city: 'austin' }],
    ['cloudfront', { country: 'IT', region: 'IT-25', city: 'Milan' }],
  ])('%s are read from a trusted proxy, and no other ones', (platform, location) => {
    expect(geoOf(platform, '10.1.2.3')).toEqual(location)
  })

  it('are not read from any other peer, whose connection is used instead', () => {
    for (const peer of ['11.0.0.1', '::1', undefined])
      expect([peer, geoOf('cloudflare', peer)]).toEqual([peer, { country: 'NO' }])
  })

  it('are not read unless they are chosen, and the location of a proxy is not that of a visitor', () => {
    expect(geoOf(undefined, '10.1.2.3')).toBeUndefined()
    expect(geoOf(undefined, '11.0.0.1')).toEqual({ country: 'NO' })
    expect(geoOf(undefined, '11.0.0.1', parseTrustedProxies(''))).toEqual({ country: 'NO' })
  })

  it('have to be those of a known platform, and need a proxy to believe', () => {
    const create = (platform: string, trusted = proxies) => createGeoOf(platform, trusted, () => '')
    for (const unknown of ['nginx', 'Cloudflare', 'toString'])
      expect(() => create(unknown)).toThrow(
        'SLUICE_GEO_HEADERS is one of cloudflare, vercel, appengine, cloudfront',
      )
    expect(() => create('vercel', parseTrustedProxies(undefined))).toThrow(
      'SLUICE_TRUSTED_PROXIES alone, which is not set',
    )
  })
})
