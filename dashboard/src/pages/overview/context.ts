import { type Accessor, createContext, createMemo, useContext } from 'solid-js'
import { SERIES_MAX } from '../../charts/colours.ts'
import type { Result } from '../../lib/api/client.ts'
import { createQuery, type Query } from '../../lib/api/query.ts'
import { createQueryGroup, type QueryGroup } from '../../lib/api/query-group.ts'
import { type AppState, useApp } from '../../lib/app-context.ts'
import { rangeLabelOf } from '../../lib/format.ts'
import { createLiveClock } from '../../lib/time/clock.ts'
import { isSameWindow, type ResolvedRange, resolveRange } from '../../lib/time/range.ts'
import { fetchTotals, isOneName, type Totals } from './queries.ts'

/** Browser and server clocks may differ by this much without a correction. */
const CLOCK_MARGIN_MS = 2_000

/** What the panels of the overview share. */
export interface Overview extends AppState {
  name: Accessor<string | undefined>
  isSplit: Accessor<boolean>
  /** Range and zone as text: the scope of queries that show all names. */
  rangeScope: Accessor<string>
  /** What the trend shows, for one name or split by name too. */
  trendRange: Accessor<ResolvedRange>
  /** "last 24 hours", or the dates of an absolute range. */
  rangeLabel: Accessor<string>
  /** Before the first live update. */
  isConnecting: Accessor<boolean>
  queries: QueryGroup
  /** Shared by the tiles, the top events, and the trend by name. */
  totals: Query<Totals>
  /** The most frequent names of the range; undefined while they are not known. */
  topNames: Accessor<string[] | undefined>
  /** A query over the range up to now, the current bucket included as far as it has come. */
  createRangeQuery<T>(
    fetch: (variables: {
      tenant: string
      startTime: string
      endTime: string
    }) => Promise<Result<T>>,
  ): Query<T>
}

export const OverviewContext = createContext<Overview>()

export function useOverview(): Overview {
  const overview = useContext(OverviewContext)
  if (overview === undefined) throw new Error('useOverview is called outside of the overview')
  return overview
}

/** Builds what the panels share, for the tenant of the page. */
export function createOverview(): Overview {
  const app = useApp()
  const { urlState, live, now, tenant } = app
  const zone = createMemo(urlState.zone)
  const name = createMemo(urlState.name)
  const isSplit = createMemo(() => urlState.isSplit() && name() === undefined)
  const rangeText = createMemo(() => JSON.stringify(urlState.range()))
  const rangeScope = () => `${rangeText()} ${zone()}`

  const clock = createLiveClock(app)
  const resolve = (minutes: boolean) =>
    createMemo(() => resolveRange(urlState.range(), clock(), zone(), { minutes }), undefined, {
      equals: isSameWindow,
    })
  const totalsRange = resolve(true)
  // Minutes are kept for all names together; single names are counted in 15-minute buckets.
  const namesRange = resolve(false)
  const trendRange = () => (name() === undefined && !isSplit() ? totalsRange() : namesRange())

  const queries = createQueryGroup({ live, now })
  const createRangeQuery: Overview['createRangeQuery'] = (fetch) =>
    queries.add(
      createQuery({
        scope: rangeScope,
        variables: () => totalsRange().window,
        fetch({ from }) {
          // Up to this moment, not to the last tick of the clock: events since then are included.
          const moment = live.isOn() ? Date.now() + live.skewMs() + CLOCK_MARGIN_MS : clock()
          const { end } = resolveRange(urlState.range(), moment, zone())
          return fetch({ tenant: tenant(), startTime: iso(from), endTime: iso(end) })
        },
      }),
    )
  const totals = createRangeQuery(fetchTotals)
  const topNames = createTopNames(totals, rangeScope)

  return {
    ...app,
    name,
    isSplit,
    rangeScope,
    trendRange,
    rangeLabel: () => rangeLabelOf(urlState.range(), zone()),
    isConnecting: () => live.update() === undefined && live.connection().kind === 'connecting',
    queries,
    totals,
    topNames,
    createRangeQuery,
  }
}

/** Fixed for one range: if names changed places with every result, so would their colours. */
function createTopNames(totals: Query<Totals>, scope: Accessor<string>) {
  const top = createMemo<{ scope: string; names: string[] } | undefined>((previous) => {
    const data = totals.data()
    const dataScope = totals.dataScope()
    if (data === undefined || dataScope === undefined || previous?.scope === dataScope)
      return previous
    const names = data.names.map(({ name }) => name).filter(isOneName)
    return { scope: dataScope, names: names.slice(0, SERIES_MAX) }
  })
  return () => (top()?.scope === scope() ? top()?.names : undefined)
}

const iso = (time: number) => new Date(time).toISOString()
