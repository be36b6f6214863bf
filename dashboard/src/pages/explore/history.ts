import { type Accessor, createSignal } from 'solid-js'

/** One query of this browser: the link that restores it, and a title. */
export interface PastQuery {
  search: string
  title: string
  /** Milliseconds. */
  at: number
}

export interface QueryHistory {
  /** The newest first. */
  queries: Accessor<readonly PastQuery[]>
  add(query: PastQuery): void
  clear(): void
}

const QUERIES_MAX = 30
const CHARS_MAX = 4_000

/** The queries of one tenant that were shown in this browser. Kept in the browser alone; without storage, for this visit. */
export function createQueryHistory(
  tenant: string,
  storage: () => Pick<Storage, 'getItem' | 'setItem' | 'removeItem'> = () => localStorage,
): QueryHistory {
  const key = `sluice:explore:${tenant}`
  const [queries, setQueries] = createSignal<readonly PastQuery[]>(read())

  function read(): PastQuery[] {
    try {
      const stored: unknown = JSON.parse(storage().getItem(key) ?? '[]')
      return Array.isArray(stored) ? stored.filter(isPastQuery).slice(0, QUERIES_MAX) : []
    } catch {
      return []
    }
  }
  function keep(all: readonly PastQuery[]) {
    setQueries(all)
    try {
      if (all.length === 0) storage().removeItem(key)
      else storage().setItem(key, JSON.stringify(all))
    } catch {
      // Storage is disabled or full: the list lasts for this visit.
    }
  }
  return {
    queries,
    add(query) {
      if (query.search.length + query.title.length > CHARS_MAX) return
      const others = queries().filter(({ search }) => search !== query.search)
      keep([query, ...others].slice(0, QUERIES_MAX))
    },
    clear: () => keep([]),
  }
}

function isPastQuery(value: unknown): value is PastQuery {
  const { search, title, at } = (value ?? {}) as Partial<PastQuery>
  return typeof search === 'string' && typeof title === 'string' && typeof at === 'number'
}
