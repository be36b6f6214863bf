import { createSignal, onCleanup } from 'solid-js'
import { type Range, rangeFrom, rangeParams } from './time/range.ts'
import { RENAMED } from './time/zones.ts'

export const browserZone = (): string => {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC'
  return RENAMED[zone] ?? zone
}

/** Where one is: everything that makes a link to this page show the same thing to someone else. */
export interface Place {
  tenant(): string | undefined
  range(): Range
  zone(): string
  /** The one event name looked at, or undefined for all. */
  name(): string | undefined
  view(): 'chart' | 'table'
  split(): boolean
  go(to: Partial<Record<'tenant' | 'zone' | 'name' | 'view' | 'split', string | null>>): void
  goRange(range: Range): void
}

export function createPlace(): Place {
  const [params, setParams] = createSignal(new URLSearchParams(location.search))
  const read = () => setParams(new URLSearchParams(location.search))
  window.addEventListener('popstate', read)
  onCleanup(() => window.removeEventListener('popstate', read))

  const go = (to: Record<string, string | null>) => {
    const next = new URLSearchParams(location.search)
    for (const [name, value] of Object.entries(to))
      value === null ? next.delete(name) : next.set(name, value)
    const search = next.toString()
    history.pushState(null, '', search === '' ? location.pathname : `?${search}`)
    read()
  }
  const text = (name: string) => params().get(name) || undefined

  return {
    tenant: () => text('tenant'),
    range: () => rangeFrom(params()),
    zone: () => knownZone(text('zone')) ?? browserZone(),
    name: () => text('name'),
    view: () => (text('view') === 'table' ? 'table' : 'chart'),
    split: () => text('split') === 'name',
    go,
    goRange: (range) => go(rangeParams(range)),
  }
}

function knownZone(zone: string | undefined): string | undefined {
  if (zone === undefined) return undefined
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone })
    return zone
  } catch {
    return undefined
  }
}
