import './explore.css'
import { Show } from 'solid-js'
import { StatusNotices } from '../../components/status-notices.tsx'
import { useShortcuts } from '../../lib/app-context.ts'
import { QueryBar } from './chips/query-bar.tsx'
import { createExplore, ExploreContext } from './context.ts'
import { Contributions } from './panels/contributions.tsx'
import { PointEvents } from './panels/point-events.tsx'
import { Result } from './panels/result.tsx'
import { isAdditive } from './query-state.ts'

/** Any number over time, and the events behind each point. */
export default function ExplorePage() {
  const explore = createExplore()
  useShortcuts([
    {
      key: 'Escape',
      description: 'Close the list of events, or what changed',
      run: () => (explore.point() || explore.region()) && explore.setPoint(undefined),
    },
  ])
  return (
    <ExploreContext.Provider value={explore}>
      <div class="explore" data-stale={explore.queries.unreachable() !== undefined}>
        <StatusNotices
          queries={explore.queries}
          dataAt={explore.series.data() && explore.series.dataAt()}
        />
        <QueryBar />
        <Result />
        <Show when={isAdditive(explore.query().aggregate) && explore.region()}>
          {(region) => <Contributions region={region()} />}
        </Show>
        <Show when={explore.series.data()}>
          {(series) => (
            <Show when={explore.point()}>
              {(point) => <PointEvents series={series()} point={point()} />}
            </Show>
          )}
        </Show>
      </div>
    </ExploreContext.Provider>
  )
}
