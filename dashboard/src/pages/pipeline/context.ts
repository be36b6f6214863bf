import { useSearchParams } from '@solidjs/router'
import { type Accessor, createContext, createMemo, useContext } from 'solid-js'
import { createQuery, type Query } from '../../lib/api/query.ts'
import { createQueryGroup, type QueryGroup } from '../../lib/api/query-group.ts'
import { type AppState, useApp } from '../../lib/app-context.ts'
import { createLiveClock } from '../../lib/time/clock.ts'
import {
  type Balance,
  type Freshness,
  fetchBalance,
  fetchFreshness,
  fetchLag,
  type Lag,
} from './queries.ts'
import { PERIODS, type PeriodId, type Sums, sumsOf } from './sums.ts'

/** What the panels of the pipeline share. */
export interface PipelinePage extends AppState {
  period: Accessor<PeriodId>
  setPeriod(period: PeriodId): void
  /** Where the last minute ends; milliseconds of the server's clock. */
  end: Accessor<number>
  /** RFC 3339: the minute whose events without an outcome are listed. */
  openMinute: Accessor<string | undefined>
  setOpenMinute(minute: string | undefined): void
  queries: QueryGroup
  balance: Query<Balance>
  lag: Query<Lag>
  freshness: Query<Freshness>
  /** Of the whole period; undefined while the balance is not known. */
  sums: Accessor<Sums | undefined>
}

export const PipelineContext = createContext<PipelinePage>()

export function usePipeline(): PipelinePage {
  const page = useContext(PipelineContext)
  if (page === undefined) throw new Error('usePipeline is called outside of the pipeline')
  return page
}

const MINUTE_MS = 60_000

export function createPipelinePage(): PipelinePage {
  const app = useApp()
  const { tenant, live, now } = app
  const [params, setParams] = useSearchParams<{ last: string; minute: string }>()
  const period = createMemo<PeriodId>(() =>
    params.last !== undefined && Object.hasOwn(PERIODS, params.last)
      ? (params.last as PeriodId)
      : '1h',
  )
  const clock = createLiveClock(app)
  const end = createMemo(() => (Math.floor(clock() / MINUTE_MS) + 1) * MINUTE_MS)
  const queries = createQueryGroup({ live, now })
  const balance = queries.add(
    createQuery({
      scope: period,
      variables: () => ({
        tenant: tenant(),
        startTime: new Date(end() - PERIODS[period()].minutes * MINUTE_MS).toISOString(),
        endTime: new Date(end()).toISOString(),
      }),
      fetch: fetchBalance,
    }),
  )
  const lag = queries.add(
    createQuery({ scope: () => 'lag', variables: () => ({}), fetch: fetchLag }),
  )
  const freshness = queries.add(
    createQuery({ scope: () => 'freshness', variables: () => ({}), fetch: fetchFreshness }),
  )
  const sums = createMemo(() => {
    const data = balance.data()
    return data && sumsOf(data.minutes)
  })
  return {
    ...app,
    period,
    setPeriod: (chosen) => setParams({ last: chosen === '1h' ? null : chosen }),
    end,
    openMinute: () => params.minute || undefined,
    setOpenMinute: (minute) => setParams({ minute: minute ?? null }),
    queries,
    balance,
    lag,
    freshness,
    sums,
  }
}
