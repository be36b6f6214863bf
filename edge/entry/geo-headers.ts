import type { Geo } from '../../contract/enrichment.ts'
import type { TrustedProxies } from '../../contract/trusted-proxies.ts'
import type { AddressOf } from '../auth/authenticate.ts'
import type { GeoOf } from '../ingest/visitor.ts'

/** What a platform reports of a visitor, as it writes it. */
export interface SentGeo {
  country?: unknown
  /** The part of an ISO 3166-2 code that follows the country. */
  region?: unknown
  city?: unknown
}

/** The headers that a proxy writes, whatever a client sent under these names: SLUICE_GEO_HEADERS chooses one set. */
const HEADERS = {
  cloudflare: { country: 'cf-ipcountry', region: 'cf-region-code', city: 'cf-ipcity' },
  vercel: {
    country: 'x-vercel-ip-country',
    region: 'x-vercel-ip-country-region',
    city: 'x-vercel-ip-city',
  },
  appengine: {
    country: 'x-appengine-country',
    region: 'x-appengine-region',
    city: 'x-appengine-city',
  },
  cloudfront: {
    country: 'cloudfront-viewer-country',
    region: 'cloudfront-viewer-country-region',
    city: 'cloudfront-viewer-city',
  },
} as const

const PLATFORMS = Object.keys(HEADERS) as (keyof typeof HEADERS)[]

/**
 * Reads the headers of one platform from trusted proxies alone. Behind a proxy the connection is the
 * proxy's, so what the runtime knows of it (`ofConnection`) is used only where the peer is not one.
 * @param peerOf the address of the connection
 * @throws when the setting is unknown, or there is no proxy to believe
 */
export function createGeoOf(
  platform: string | undefined,
  proxies: TrustedProxies,
  peerOf: AddressOf,
  ofConnection?: GeoOf,
): GeoOf | undefined {
  const chosen = PLATFORMS.find((name) => name === platform)
  if (platform !== undefined && chosen === undefined)
    throw new Error(`SLUICE_GEO_HEADERS is one of ${PLATFORMS.join(', ')}`)
  if (chosen !== undefined && proxies.isEmpty)
    throw new Error(
      'SLUICE_GEO_HEADERS is read from proxies in SLUICE_TRUSTED_PROXIES alone, which is not set',
    )
  if (proxies.isEmpty) return ofConnection
  return (request, env) => {
    const peer = peerOf(request, env)
    if (peer === undefined || !proxies.isTrusted(peer)) return ofConnection?.(request, env)
    if (chosen === undefined) return undefined
    const { country, region, city } = HEADERS[chosen]
    const { headers } = request
    return readGeo({
      country: headers.get(country),
      region: headers.get(region),
      city: headers.get(city),
    })
  }
}

const CITY_CHARS_MAX = 100
/** Cloudflare's and Google's codes for a country that they do not know; Tor's is T1. */
const UNKNOWN = ['XX', 'ZZ']

/** @returns undefined without a country: a city alone could be anywhere */
export function readGeo({ country, region, city }: SentGeo): Geo | undefined {
  const code = typeof country === 'string' ? country.toUpperCase() : ''
  if (!/^[A-Z]{2}$/.test(code) || UNKNOWN.includes(code)) return undefined
  const part = typeof region === 'string' ? region.toUpperCase() : ''
  const name = typeof city === 'string' ? cityName(city) : undefined
  return {
    country: code,
    ...(/^[A-Z0-9]{1,3}$/.test(part) && { region: `${code}-${part}` }),
    ...(name && { city: name }),
  }
}

/** `?` stands for an unknown one. */
function cityName(sent: string): string | undefined {
  const text = decode(sent.slice(0, 4 * CITY_CHARS_MAX)).toWellFormed()
  const name = text.replace(/\p{Cc}/gu, '').trim()
  return name === '?' ? undefined : [...name].slice(0, CITY_CHARS_MAX).join('')
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Platforms send percent-encoding or the bytes of UTF-8, which runtimes may read as Latin-1. */
function decode(sent: string): string {
  try {
    if (sent.includes('%')) return decodeURIComponent(sent)
    if (/^[\0-\xff]*[\x80-\xff][\0-\xff]*$/.test(sent))
      return utf8.decode(Uint8Array.from(sent, (character) => character.charCodeAt(0)))
  } catch {
    // Neither: it is the name itself.
  }
  return sent
}
