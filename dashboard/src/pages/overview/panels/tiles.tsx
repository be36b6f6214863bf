import { type JSX, Show } from 'solid-js'
import { ChangeMark } from '../../../components/change-mark.tsx'
import { Sparkline } from '../../../components/sparkline.tsx'
import type { Actors, LiveUpdate, Totals } from '../../../lib/api/documents.ts'
import type { Query } from '../../../lib/api/query.ts'
import { compact, day, exact, firstMidnight, share } from '../../../lib/format.ts'

/** Four numbers that answer "is it running, how much, how many, how bad". */
export function Tiles(props: {
  update: LiveUpdate | undefined
  isConnecting: boolean
  totals: Query<Totals>
  actors: Query<Actors>
  rangeSays: string
  zone: string
}) {
  const totals = () => props.totals.data()
  const actors = () => props.actors.data()
  const perActor = () => {
    const people = actors()?.uniqueActors ?? 0
    return people > 0 && totals()
      ? Math.round(((totals()?.count ?? 0) / people) * 10) / 10
      : undefined
  }
  const peak = () => Math.max(...(props.update?.minutes ?? []).map((minute) => minute.count))
  const closed = () => props.update?.minutes.slice(0, -1).map((minute) => minute.count) ?? []
  return (
    <div class="tiles">
      <Tile
        title="Events a minute now"
        value={props.update?.eventsPerMinute}
        isLoading={props.isConnecting}
        note={
          <Show when={props.update}>
            <span>stored in the last 60 s</span>
          </Show>
        }
        more={<Show when={closed().length > 0}>peak {compact(peak())} this hour</Show>}
      >
        <Show when={closed().some((count) => count > 0)}>
          <Sparkline values={closed()} />
        </Show>
      </Tile>
      <Tile
        title="Events"
        hint={props.rangeSays}
        value={totals()?.count}
        isLoading={props.totals.loading()}
        note={
          <Show when={totals()}>
            {(known) => (
              <>
                <ChangeMark value={known().count} before={known().previousCount} />
                <Before value={known().previousCount} />
              </>
            )}
          </Show>
        }
        more={
          <Show when={totals()}>
            {(known) => (
              <span title={`${exact(known().duplicates)} arrivals were known already`}>
                {compact(known().duplicates)} duplicates left out
              </span>
            )}
          </Show>
        }
      />
      <Tile
        title="Unique actors"
        hint={props.rangeSays}
        value={actors()?.uniqueActors}
        isLoading={props.actors.loading()}
        note={
          <Show when={actors()}>
            {(known) => (
              <Show when={isKnown(known().uniqueActors)} fallback="not known for this range">
                <Show
                  when={isKnown(known().previousUniqueActors)}
                  fallback="period before not kept"
                >
                  <ChangeMark
                    value={known().uniqueActors ?? 0}
                    before={known().previousUniqueActors ?? 0}
                  />
                  <Before value={known().previousUniqueActors ?? 0} />
                </Show>
              </Show>
            )}
          </Show>
        }
        more={
          <>
            <Show when={actors()?.rawSince}>
              {(since) => (
                <span title="Actors are counted from single events. Choose a range that begins no earlier.">
                  known since {day(firstMidnight(Date.parse(since()), props.zone), props.zone)}
                </span>
              )}
            </Show>
            <Show when={perActor()}>
              {(each) => (
                <span>
                  {compact(each())} {each() === 1 ? 'event' : 'events'} each
                </span>
              )}
            </Show>
          </>
        }
      />
      <Tile
        title="Dead letters"
        hint={props.rangeSays}
        value={totals()?.deadLetters}
        isLoading={props.totals.loading()}
        note={
          <Show when={totals()}>
            {(known) => (
              <>
                <ChangeMark
                  value={known().deadLetters}
                  before={known().previousDeadLetters}
                  moreIs="bad"
                />
                <Before value={known().previousDeadLetters} />
              </>
            )}
          </Show>
        }
        more={<Show when={totals()}>{(known) => deadNote(known())}</Show>}
      />
    </div>
  )
}

const isKnown = (count: number | null): boolean => count !== null

function Before(props: { value: number }) {
  return (
    <span title={`${exact(props.value)} in the period of the same length before`}>
      {compact(props.value)} before
    </span>
  )
}

const deadNote = ({ deadLetters, count }: Totals): string =>
  deadLetters === 0 ? 'nothing refused' : `${share(deadLetters, count + deadLetters)} of all`

function Tile(props: {
  title: string
  hint?: string
  /** null: nobody knows it any more. */
  value: number | null | undefined
  isLoading: boolean
  note: JSX.Element
  more: JSX.Element
  children?: JSX.Element
}) {
  return (
    <div class="tile" aria-busy={props.isLoading}>
      <h2 class="tile-title">
        {props.title}
        <Show when={props.hint}>
          <span class="tile-hint">{props.hint}</span>
        </Show>
      </h2>
      <Show
        when={props.value !== undefined}
        fallback={
          <div class="tile-value">{props.isLoading ? <span class="bone" /> : '\u00a0'}</div>
        }
      >
        <Show when={props.value !== null} fallback={<div class="tile-value">–</div>}>
          <div class="tile-value" title={exact(props.value as number)}>
            {compact(props.value as number)}
          </div>
        </Show>
      </Show>
      <div class="tile-note">{props.note}</div>
      <div class="tile-note">{props.more}</div>
      {props.children}
    </div>
  )
}
