import { withoutKeys } from '../../../contract/api-key.ts'
import type { EnrichmentName } from '../../../contract/enrichment.ts'
import type { TrackedEvent } from '../../../contract/event/event.ts'
import { isObject } from '../../../contract/json/is-object.ts'
import type { StampedEvent } from '../../../contract/log/record.ts'
import type { Enrichment } from '../../metrics/enrichment.ts'
import { cleanText } from './clean-text.ts'
import { namesAddress, pageUrlOf, referrerOf, sentUtm, userAgentOf } from './page.ts'
import { createUserAgentReader, type UserAgent } from './user-agent.ts'

type Derived = { -readonly [field in keyof Enrichment]: string | undefined }

/** A function of the text alone, so all connections share what was parsed. */
const userAgents = createUserAgentReader()

/**
 * What a tenant has derived from an event. The event itself stays as it was sent. Anyone with access to the log may have
 * written the record, so every text of it is checked here.
 * @returns undefined where the tenant declares nothing, or nothing is known
 */
export function enrich(
  stamped: StampedEvent,
  declared: readonly EnrichmentName[],
): Enrichment | undefined {
  if (declared.length === 0) return undefined
  const found: Derived = {}
  const visit: Visit = { stamped, event: stamped.event }
  for (const name of declared) DERIVE[name](visit, found)
  for (const field in found)
    if (found[field as keyof Derived] !== undefined) return found as Enrichment
  return undefined
}

/** What several parts read is looked for once. */
interface Visit {
  stamped: StampedEvent
  event: TrackedEvent
  /** Null: there is none. */
  userAgent?: UserAgent | null
  page?: string | null
}

const DERIVE: Record<EnrichmentName, (visit: Visit, to: Derived) => void> = {
  browser(visit, to) {
    const read = userAgentIn(visit)
    to.browser = read?.browser
    to.os = read?.os
    to.device = read?.device
  },
  bots(visit, to) {
    const read = userAgentIn(visit)
    to.is_bot = read && String(read.isBot)
  },
  geo({ stamped: { geo }, event }, to) {
    if (!isObject(geo) || namesAddress(event)) return
    const { country, region, city } = geo
    if (typeof country !== 'string' || !/^[A-Z]{2}$/.test(country)) return
    to.country = country
    if (typeof region === 'string' && /^[A-Z]{2}-[A-Z0-9]{1,3}$/.test(region)) to.region = region
    to.city = cleanText(city)
  },
  referrer(visit, to) {
    to.referrer_host = referrerHost(visit)
  },
  utm(visit, to) {
    const query = utmOf(pageIn(visit))
    for (const name of UTM)
      to[`utm_${name}`] = withoutSecrets(
        cleanText(sentUtm(visit.event, name)) ?? cleanText(query?.get(`utm_${name}`)),
      )
  },
}

const UTM = ['source', 'medium', 'campaign', 'term', 'content'] as const

/** The sender's word about its visitor comes before the request, which may be a server's. */
function userAgentIn(visit: Visit): UserAgent | undefined {
  if (visit.userAgent === undefined) {
    const sent = userAgentOf(visit.event) ?? visit.stamped.ua
    visit.userAgent = (typeof sent === 'string' && userAgents.read(sent)) || null
  }
  return visit.userAgent ?? undefined
}

function pageIn(visit: Visit): string | undefined {
  if (visit.page === undefined) visit.page = pageUrlOf(visit.event) ?? null
  return visit.page ?? undefined
}

const QUERY_CHARS_MAX = 4_096

/** The parameters of a page's address, which may be relative; the other ones are read and forgotten. */
function utmOf(url: string | undefined): URLSearchParams | undefined {
  const mark = url?.indexOf('?') ?? -1
  if (url === undefined || mark < 0) return undefined
  const query = url.slice(mark + 1, mark + 1 + QUERY_CHARS_MAX).split('#', 1)[0] as string
  return query.includes('utm_') ? new URLSearchParams(query) : undefined
}

/** Of another site: a page of the same one is no referrer. */
function referrerHost(visit: Visit): string | undefined {
  const host = hostOf(referrerOf(visit.event))
  if (host === undefined) return undefined
  return host === hostOf(pageIn(visit)) ? undefined : host
}

const HOST_CHARS_MAX = 253

/** Without `www.`, port, user and everything after the host; of a URL, or a domain alone. */
function hostOf(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  const authority =
    /^(?:[a-z][a-z\d+.-]{0,30}:)?\/\/([^/?#\\]{1,300})|^([^/?#\\:@\s]{1,253})/i.exec(text)
  const host = (authority?.[1]?.replace(/^.*@/s, '') ?? authority?.[2])
    ?.replace(/:\d*$/, '')
    .toLowerCase()
    .replace(/^www\./, '')
  if (host === undefined || host.length > HOST_CHARS_MAX) return undefined
  return HOST.test(host) ? host : undefined
}

/** A name of at least two parts; an address would be somebody's machine. */
const HOST = /^[\p{L}\p{N}_-]+(?:\.[\p{L}\p{N}_-]+)*\.\p{L}[\p{L}\p{N}-]+$/u

function withoutSecrets(text: string | undefined): string | undefined {
  return text?.includes('slc_') ? withoutKeys(text) : text
}
