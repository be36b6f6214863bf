import { Show } from 'solid-js'
import { QueryNotice } from '../../../../components/error-notice.tsx'
import { Sparkline } from '../../../../components/sparkline.tsx'
import { isMissing, type Query } from '../../../../lib/api/query.ts'
import { compact, day, exact, firstMidnight, share } from '../../../../lib/format.ts'
import { useOverview } from '../../context.ts'
import { type Actors, fetchActors, type Totals } from '../../queries.ts'
import { Comparison, Tile } from './tile.tsx'

/** Events a minute, events of the range, unique actors, dead letters. */
export function Tiles() {
  const { totals, createRangeQuery } = useOverview()
  const actors = createRangeQuery(fetchActors)
  return (
    <>
      <QueryNotice query={totals} subject="The totals are" />
      <QueryNotice query={actors} subject="The number of actors is" />
      <div class="tiles">
        <EventsPerMinute />
        <EventCount />
        <UniqueActors actors={actors} />
        <DeadLetters />
      </div>
    </>
  )
}

function EventsPerMinute() {
  const { live, isConnecting } = useOverview()
  /** Without the current minute, which has only begun. */
  const minutes = () =>
    live
      .update()
      ?.minutes.slice(0, -1)
      .map((minute) => minute.count) ?? []
  const peak = () => Math.max(...(live.update()?.minutes ?? []).map((minute) => minute.count))
  return (
    <Tile
      title="Events per minute"
      value={live.update()?.eventsPerMinute}
      isLoading={isConnecting()}
      isMissing={live.update() === undefined && live.connection().kind === 'waiting'}
      comparison={
        <Show when={live.update()} fallback={!live.isOn() && 'live updates are off'}>
          <span>received in the last 60 s</span>
        </Show>
      }
      detail={<Show when={minutes().length > 0}>peak {compact(peak())} this hour</Show>}
    >
      <Show when={minutes().some((count) => count > 0)}>
        <Sparkline values={minutes()} />
      </Show>
    </Tile>
  )
}

function EventCount() {
  const { totals, rangeLabel } = useOverview()
  return (
    <Tile
      title="Events"
      basis="by time of occurrence"
      range={rangeLabel()}
      value={totals.data()?.count}
      isLoading={totals.loading()}
      isMissing={isMissing(totals)}
      comparison={
        <Show when={totals.data()}>
          {(data) => <Comparison value={data().count} before={data().previousCount} />}
        </Show>
      }
      detail={
        <Show when={totals.data()}>
          {(data) => (
            <span
              title={`${exact(data().duplicates + data().conflicting)} events were received more than once. Counted by time received.`}
            >
              {compact(data().duplicates + data().conflicting)} duplicates removed
              <Show when={data().conflicting > 0}>
                , {compact(data().conflicting)} with other content
              </Show>
            </span>
          )}
        </Show>
      }
    />
  )
}

function UniqueActors(props: { actors: Query<Actors> }) {
  const { totals, rangeLabel, urlState } = useOverview()
  const actors = () => props.actors.data()
  const perActor = () => {
    const [people, events] = [actors()?.uniqueActors ?? 0, totals.data()?.count]
    return people > 0 && events !== undefined ? Math.round((events / people) * 10) / 10 : undefined
  }
  const knownSince = (rawSince: string) =>
    day(firstMidnight(Date.parse(rawSince), urlState.zone()), urlState.zone())
  return (
    <Tile
      title="Unique actors"
      basis="by time of occurrence"
      range={rangeLabel()}
      value={actors()?.uniqueActors}
      isLoading={props.actors.loading()}
      isMissing={isMissing(props.actors)}
      comparison={
        <Show when={actors()}>
          {(data) => (
            <Show when={data().uniqueActors !== null} fallback="not known for this range">
              <Show when={data().previousUniqueActors !== null} fallback="previous period not kept">
                <Comparison
                  value={data().uniqueActors ?? 0}
                  before={data().previousUniqueActors ?? 0}
                />
              </Show>
            </Show>
          )}
        </Show>
      }
      detail={
        <>
          <Show when={actors()?.rawSince}>
            {(rawSince) => (
              <span title="Actors are counted from single events. Choose a range that begins later.">
                known since {knownSince(rawSince())}
              </span>
            )}
          </Show>
          <Show when={perActor()}>
            {(count) => (
              <span>
                {compact(count())} {count() === 1 ? 'event' : 'events'} each
              </span>
            )}
          </Show>
        </>
      }
    />
  )
}

function DeadLetters() {
  const { totals, rangeLabel } = useOverview()
  return (
    <Tile
      title="Dead letters"
      basis="by time received"
      range={rangeLabel()}
      value={totals.data()?.deadLetters}
      isLoading={totals.loading()}
      isMissing={isMissing(totals)}
      comparison={
        <Show when={totals.data()}>
          {(data) => (
            <Comparison
              value={data().deadLetters}
              before={data().previousDeadLetters}
              moreIs="bad"
            />
          )}
        </Show>
      }
      detail={<Show when={totals.data()}>{(data) => deadLetterShare(data())}</Show>}
    />
  )
}

const deadLetterShare = ({ deadLetters, count }: Totals): string =>
  deadLetters === 0 ? 'no event failed' : `${share(deadLetters, count + deadLetters)} of all`
