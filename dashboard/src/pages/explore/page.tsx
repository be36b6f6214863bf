import './explore.css'
import { Match, Show, Switch } from 'solid-js'
import { StatusNotices } from '../../components/status-notices.tsx'
import { useShortcuts } from '../../lib/app-context.ts'
import { Funnel } from './behaviour/funnel.tsx'
import { Retention } from './behaviour/retention.tsx'
import { QueryBar } from './chips/query-bar.tsx'
import { createExplore, type Explore, ExploreContext } from './context.ts'
import { Changes } from './panels/changes.tsx'
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
      run: () => {
        if (explore.point() || explore.region()) explore.setPoint(undefined)
        else if (explore.since()) explore.setSince(undefined)
      },
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
        <Switch>
          <Match when={explore.mode() === 'trend'}>
            <Trend explore={explore} />
          </Match>
          <Match when={explore.mode() === 'funnel'}>
            <Funnel />
          </Match>
          <Match when={explore.mode() === 'retention'}>
            <Retention />
          </Match>
        </Switch>
      </div>
    </ExploreContext.Provider>
  )
}

/** A number over time, what changed in a part of it, and the events of a point. */
function Trend(props: { explore: Explore }) {
  const { query, region, series, point, since } = props.explore
  return (
    <>
      <Result />
      <Show when={isAdditive(query().aggregate) && since()}>
        {(moment) => <Changes since={moment()} />}
      </Show>
      <Show when={isAdditive(query().aggregate) && region()}>
        {(chosen) => <Contributions region={chosen()} />}
      </Show>
      <Show when={series.data()}>
        {(data) => (
          <Show when={point()}>
            {(selected) => <PointEvents series={data()} point={selected()} />}
          </Show>
        )}
      </Show>
    </>
  )
}
