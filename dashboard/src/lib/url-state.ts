import { type Accessor, createMemo } from 'solid-js'
import { parseRange, type Range, rangeParams } from './time/range.ts'
import { RENAMED } from './time/zones.ts'

/** The zone of this browser, by its current IANA name. */
export const browserZone = (): string => {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC'
  return RENAMED[zone] ?? zone
}

/** What a page has in common with the next one. */
const SHARED_PARAMS = ['tenant', 'range', 'from', 'to', 'zone']

type Param = 'tenant' | 'zone' | 'name' | 'view' | 'split'

/** The state of a page that is in its URL, so that a link shows the same to everyone who may see it. */
export interface UrlState {
  tenant: Accessor<string | undefined>
  range: Accessor<Range>
  /** An IANA time zone. */
  zone: Accessor<string>
  /** The one event name that is shown, or undefined for all. */
  name: Accessor<string | undefined>
  view: Accessor<'chart' | 'table'>
  /** One line for each event name. */
  isSplit: Accessor<boolean>
  /** The query string for a link to another page: tenant, range and zone. */
  sharedSearch: Accessor<string>
  /** Null removes a parameter. */
  set(changes: Partial<Record<Param, string | null>>): void
  setRange(range: Range): void
}

/**
 * @param search the query string of the current URL, `?range=7d&zone=UTC`
 * @param update changes its parameters, null removes one; it adds an entry to the history
 */
export function createUrlState(
  search: Accessor<string>,
  update: (changes: Record<string, string | null>) => void,
): UrlState {
  const params = createMemo(() => new URLSearchParams(search()))
  const text = (name: string) => params().get(name) || undefined
  return {
    tenant: () => text('tenant'),
    range: () => parseRange(params()),
    zone: () => validZone(text('zone')) ?? browserZone(),
    name: () => text('name'),
    view: () => (text('view') === 'table' ? 'table' : 'chart'),
    isSplit: () => text('split') === 'name',
    sharedSearch() {
      const shared = new URLSearchParams(
        [...params()].filter(([name]) => SHARED_PARAMS.includes(name)),
      )
      return shared.size > 0 ? `?${shared}` : ''
    },
    set: update,
    setRange: (range) => update(rangeParams(range)),
  }
}

function validZone(zone: string | undefined): string | undefined {
  if (zone === undefined) return undefined
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone })
    return zone
  } catch {
    return undefined
  }
}

/** Where the receipt of an event is shown. @param sharedSearch of UrlState @param text also an Idempotency-Key or request id */
export function receiptUrl(sharedSearch: string, text: string): string {
  const params = new URLSearchParams(sharedSearch)
  params.set('q', text)
  return `/search?${params}`
}
