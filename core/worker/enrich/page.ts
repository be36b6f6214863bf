import type { TrackedEvent } from '../../../contract/event/event.ts'
import { isObject } from '../../../contract/json/is-object.ts'
import { parseAddress } from '../../../contract/trusted-proxies.ts'

/**
 * Where the ingest formats leave what their senders say of a visit: in `properties` or `context`, under the names that
 * each sender uses. The first that is a text counts.
 */
const PAGE_URLS = {
  properties: [
    ...['$current_url', 'page_location', 'url', 'page_url', 'current_url', 'url.full', 'href'],
    ...['[Amplitude] Page URL', '[Amplitude] Page Location'],
  ],
  context: ['page', 'url', 'page_url'],
}
const REFERRERS = {
  properties: [
    ...['$referrer', 'page_referrer', 'referrer', 'referer', 'http.request.header.referer'],
    '$referring_domain',
  ],
  context: ['referrer', 'referer'],
}
const USER_AGENTS = {
  properties: [
    ...['$raw_user_agent', '$user_agent', '$useragent', 'user_agent.original', 'user_agent'],
    'userAgent',
  ],
  context: ['userAgent', 'user_agent', 'useragent', 'ua'],
}
const ADDRESSES = {
  properties: ['$ip', 'ip', 'client.address'],
  context: ['ip', 'ip_override', 'ip_address'],
}

type Names = typeof PAGE_URLS
type Fields = Readonly<Record<string, unknown>>

export function pageUrlOf(event: TrackedEvent): string | undefined {
  return pageMember(event, 'url') ?? findText(event, PAGE_URLS)
}

export function referrerOf(event: TrackedEvent): string | undefined {
  return pageMember(event, 'referrer') ?? findText(event, REFERRERS)
}

/** That of the visitor, where the sender names it: a server sends events of other people's browsers. */
export function userAgentOf(event: TrackedEvent): string | undefined {
  return findText(event, USER_AGENTS)
}

/** Whether the sender names the address of the visitor, who then is not where the request came from. */
export function namesAddress(event: TrackedEvent): boolean {
  const found = findText(event, ADDRESSES)
  return found !== undefined && parseAddress(found) !== undefined
}

/** A parameter of the address of the page, as the sender names it itself or Segment's `campaign` does. */
export function sentUtm(event: TrackedEvent, name: string): unknown {
  const { properties, context } = event
  const campaign = own(context, 'campaign')
  return (
    own(properties, `utm_${name}`) ??
    own(context, `utm_${name}`) ??
    (isObject(campaign) ? own(campaign, name === 'campaign' ? 'name' : name) : undefined)
  )
}

/** Segment's `context.page` is an object. */
function pageMember({ context }: TrackedEvent, member: string): string | undefined {
  const page = own(context, 'page')
  const found = isObject(page) ? own(page, member) : undefined
  return isText(found) ? found : undefined
}

function findText({ properties, context }: TrackedEvent, names: Names): string | undefined {
  for (const name of names.properties) {
    const found = textAt(properties, name)
    if (found !== undefined) return found
  }
  if (context === undefined) return undefined
  for (const name of names.context) {
    const found = textAt(context, name)
    if (found !== undefined) return found
  }
  return undefined
}

/** OpenTelemetry has a list of a header's values. */
function textAt(of: Fields, name: string): string | undefined {
  const found = own(of, name)
  const text = Array.isArray(found) ? found[0] : found
  return isText(text) ? text : undefined
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

/** What every object inherits is not the event's. */
function own(of: Fields | undefined, name: string): unknown {
  return of !== undefined && Object.hasOwn(of, name) ? of[name] : undefined
}
