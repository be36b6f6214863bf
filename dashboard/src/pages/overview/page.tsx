import { Show } from 'solid-js'
import { StatusNotices } from '../../components/status-notices.tsx'
import type { StoredEvent } from '../../lib/api/documents.ts'
import { useApp, useShortcuts } from '../../lib/app-context.ts'
import { createOverview, OverviewContext } from './context.ts'
import { createFirstEvent } from './onboarding/first-event.ts'
import { FirstEventNotice } from './onboarding/first-event-notice.tsx'
import { Quickstart } from './onboarding/quickstart.tsx'
import { LiveFeed } from './panels/live-feed/live-feed.tsx'
import { Tiles } from './panels/tiles/tiles.tsx'
import { TopEvents } from './panels/top-events.tsx'
import { Trend } from './panels/trend/trend.tsx'
import { Unaccounted } from './panels/unaccounted.tsx'

/** How many events, of which names, and which ones arrive right now. */
export default function OverviewPage() {
  const firstEvent = createFirstEvent(useApp())
  return (
    <Show when={firstEvent.hasEvents()} fallback={<Quickstart />}>
      <OverviewPanels firstEvent={firstEvent.event()} />
    </Show>
  )
}

function OverviewPanels(props: { firstEvent: StoredEvent | undefined }) {
  const overview = createOverview()
  const { name, urlState } = overview
  useShortcuts([
    {
      key: 'Escape',
      description: 'Show all events again',
      run: () => name() && urlState.set({ name: null }),
    },
  ])
  return (
    <OverviewContext.Provider value={overview}>
      <div class="overview" data-stale={overview.queries.unreachable() !== undefined}>
        <FirstEventNotice event={props.firstEvent} />
        <StatusNotices
          queries={overview.queries}
          dataAt={overview.totals.data() && overview.totals.dataAt()}
        />
        <Tiles />
        <Unaccounted />
        <Trend />
        <TopEvents />
        <LiveFeed />
      </div>
    </OverviewContext.Provider>
  )
}
