import './explore.css'
import { Show } from 'solid-js'
import { StatusNotices } from '../../components/status-notices.tsx'
import { useShortcuts } from '../../lib/app-context.ts'
import { QueryBar } from './chips/query-bar.tsx'
import { createExplore, ExploreContext } from './context.ts'
import { PointEvents } from './panels/point-events.tsx'
import { Result } from './panels/result.tsx'

/** Any number over time, and the events behind each point. */
export default function ExplorePage() {
  const explore = createExplore()
  useShortcuts([
    {
      key: 'Escape',
      description: 'Close the list of events',
      run: () => explore.point() && explore.setPoint(undefined),
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
