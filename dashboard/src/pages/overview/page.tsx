import { type Accessor, createEffect, createMemo, on } from 'solid-js'
import { SERIES_MAX } from '../../charts/colours.ts'
import { TroubleNote } from '../../components/panel.tsx'
import { type Answer, ask } from '../../lib/api/client.ts'
import {
  ACTORS,
  isOneName,
  type RangeQuestion,
  type StoredEvent,
  TOTALS,
} from '../../lib/api/documents.ts'
import type { Live } from '../../lib/api/live.ts'
import { createQuery, type Query } from '../../lib/api/query.ts'
import { rangeName } from '../../lib/format.ts'
import { RELATIVES, type Stretch, stretchOf } from '../../lib/time/range.ts'
import type { Place } from '../../lib/url-state.ts'
import { createFeed } from './panels/live-feed/feed.ts'
import { LiveFeed } from './panels/live-feed/live-feed.tsx'
import { FirstEventNotice, Notices } from './panels/status-notices.tsx'
import { Tiles } from './panels/tiles.tsx'
import { TopNames } from './panels/top-events.tsx'
import { Trend } from './panels/trend/trend.tsx'
import { createTrend } from './panels/trend/trend-data.ts'

const POLL_MS = 5_000
const POLL_LIVE_MS = 15_000
/** Clocks that agree within this still agree. */
const MARGIN_MS = 2_000

/** Is it running, how much, of what, and what is coming in right now: one page that answers. */
export function Overview(props: {
  tenant: string
  place: Place
  now: Accessor<number>
  live: Live
  firstEvent: StoredEvent | undefined
  setPauseFeed(run: () => void): void
}) {
  const { tenant, place, now, live } = props
  const zone = createMemo(place.zone)
  const name = createMemo(place.name)
  const rangeText = createMemo(() => JSON.stringify(place.range()))

  // The window moves with the server's clock, unless live is off: then the page stands still.
  const clock = createMemo<number>((was) => (live.isOn() ? now() + live.skewMs() : was), now())
  const stretch = (minutes: boolean) =>
    createMemo(() => stretchOf(place.range(), clock(), zone(), { minutes }), undefined, {
      equals: sameWindow,
    })
  const numbers = stretch(true)
  // Minutes are kept for all names together; single names are counted by the quarter hour.
  const quarters = stretch(false)
  const isSplit = createMemo(() => place.split() && name() === undefined)
  const shown = () => (name() === undefined && !isSplit() ? numbers() : quarters())

  const period = () => `${rangeText()} ${zone()}`
  /** The same stretch as the chart's, but ending now: an open bucket is compared with its equal. */
  const askFor = <T,>(question: RangeQuestion<T>) =>
    createQuery(
      period,
      () => numbers().window,
      async ({ from }): Promise<Answer<T>> => {
        // To the moment, not to the last tick: what came since must be in it.
        const moment = live.isOn() ? Date.now() + live.skewMs() + MARGIN_MS : clock()
        const { end } = stretchOf(place.range(), moment, zone())
        const startTime = iso(from)
        const answer = await ask(question, { tenant, startTime, endTime: iso(end) })
        return answer.is === 'data' ? { is: 'data', data: answer.data.totals } : answer
      },
    )
  const totals = askFor(TOTALS)
  const actors = askFor(ACTORS)
  // Fixed for one range: if names changed places with every answer, so would their colours.
  const topNames = createMemo<{ of: string; names: string[] } | undefined>((was) => {
    const known = totals.data()?.names
    const of = totals.answeredTo()
    if (known === undefined || of === undefined || was?.of === of) return was
    return {
      of,
      names: known
        .map((entry) => entry.name)
        .filter(isOneName)
        .slice(0, SERIES_MAX),
    }
  })
  const trend = createTrend({
    subject: () => `${period()} ${name() ?? ''} ${isSplit()}`,
    tenant: () => tenant,
    stretch: shown,
    name,
    isSplit,
    split: () => (topNames()?.of === period() ? topNames()?.names : undefined),
    live,
  })
  const feed = createFeed(() => tenant, live, name)
  props.setPauseFeed(feed.togglePause)

  const queries: Query<unknown>[] = [totals, actors, trend.query, trend.previous]
  const nudge = () => {
    for (const query of [totals, actors, trend.query]) query.nudge()
  }
  createEffect(
    on(
      live.update,
      (update) => {
        if (update && update.recent.length > 0) nudge()
      },
      { defer: true },
    ),
  )
  // Without the live connection the numbers are asked for instead; with it, now and then all the same:
  // the clock moves on, and an event may name a time that is still to come.
  createEffect(() => {
    const every = live.connection().is === 'waiting' ? POLL_MS : POLL_LIVE_MS
    if (live.isOn() && now() % every < 1_000) nudge()
  })

  const unreachable = () =>
    queries.map((query) => query.trouble()).find((trouble) => trouble?.kind === 'unreachable')
  const own = (query: Query<unknown>, what: string) => {
    const trouble = query.trouble()
    const how = query.data() === undefined ? 'missing' : 'not up to date'
    return trouble && trouble.kind !== 'unreachable' ? (
      <TroubleNote
        what={`${what} ${how}: Sluice`}
        trouble={trouble}
        shownSince={query.data() === undefined ? undefined : query.answeredAt()}
        now={now}
        zone={zone()}
        retry={query.retry}
      />
    ) : undefined
  }
  const rangeSays = () => {
    const range = place.range()
    if (range.is === 'relative') return RELATIVES[range.id].says.toLowerCase()
    return rangeName(range.from, range.to, zone())
  }
  const isConnecting = () => live.update() === undefined && live.connection().is === 'connecting'

  return (
    <div class="overview" data-stale={unreachable() !== undefined}>
      <FirstEventNotice event={props.firstEvent} />
      <Notices
        live={live}
        unreachable={unreachable()}
        answeredAt={totals.answeredAt()}
        now={now}
        zone={zone()}
        retry={() => {
          for (const query of queries) if (query.trouble()) query.retry()
          live.retry()
        }}
      />
      {own(totals, 'The totals are')}
      {own(actors, 'The number of actors is')}
      <Tiles
        update={live.update()}
        isConnecting={isConnecting()}
        totals={totals}
        actors={actors}
        rangeSays={rangeSays()}
        zone={zone()}
      />
      <Trend
        data={trend.data()}
        isLoading={shown().step === 'MINUTE' ? isConnecting() : trend.query.loading()}
        place={place}
        now={now()}
        trouble={own(trend.query, 'This chart is') ?? own(trend.previous, 'The period before is')}
      />
      <TopNames totals={totals.data()} isLoading={totals.loading()} place={place} />
      <LiveFeed
        feed={feed}
        isLoading={isConnecting()}
        isOn={live.isOn()}
        zone={zone()}
        name={name()}
        now={() => now() + live.skewMs()}
      />
    </div>
  )
}

const iso = (time: number) => new Date(time).toISOString()

const sameWindow = (a: Stretch, b: Stretch) =>
  a.step === b.step &&
  a.zone === b.zone &&
  a.window.from === b.window.from &&
  a.window.to === b.window.to
