/**
 * What a tenant may have derived from its events, each with the fields that it adds. A field's dimension is
 * `enrichment.<field>`: `enrichment.browser`.
 */
export const ENRICHMENTS = {
  browser: ['browser', 'os', 'device'],
  bots: ['is_bot'],
  geo: ['country', 'region', 'city'],
  referrer: ['referrer_host'],
  utm: ['utm_source', 'utm_medium', 'utm_campaign', 'utm_term', 'utm_content'],
} as const

export type EnrichmentName = keyof typeof ENRICHMENTS
export type EnrichmentField = (typeof ENRICHMENTS)[EnrichmentName][number]

export const ENRICHMENT_NAMES = Object.keys(ENRICHMENTS) as readonly EnrichmentName[]

/** Where a request came from, as the edge's platform or a trusted proxy reports it; never more precise than the city. */
export interface Geo {
  /** ISO 3166-1: two capital letters. */
  country?: string
  /** ISO 3166-2: `US-TX`. */
  region?: string
  /** The name that the platform gives. */
  city?: string
}

export function isEnrichment(name: string): name is EnrichmentName {
  return Object.hasOwn(ENRICHMENTS, name)
}
