import { For, Show } from 'solid-js'
import { ChangeMark } from '../../../components/change-mark.tsx'
import { Missing } from '../../../components/error-notice.tsx'
import { Panel } from '../../../components/panel.tsx'
import { SkeletonRows } from '../../../components/skeleton-rows.tsx'
import { isMissing } from '../../../lib/api/query.ts'
import { compact, exact, share } from '../../../lib/format.ts'
import { useOverview } from '../context.ts'
import { isOneName, type NameCount, type Totals } from '../queries.ts'

/** The most frequent event names. A click shows one of them alone. */
export function TopEvents() {
  const { totals } = useOverview()
  return (
    <Panel
      title={
        <>
          Top events <span class="panel-unit">by time of occurrence</span>
        </>
      }
      class="top-events"
    >
      <Show
        when={totals.data()}
        fallback={
          <Show
            when={totals.loading()}
            fallback={isMissing(totals) && <Missing subject="The top events" />}
          >
            <SkeletonRows widths={[90, 62, 48, 40, 31, 24, 18, 12]} />
          </Show>
        }
      >
        {(data) => (
          <Show
            when={data().names.length > 0}
            fallback={<p class="empty">No events in this range. Choose a longer one above.</p>}
          >
            <NamesTable totals={data()} />
          </Show>
        )}
      </Show>
    </Panel>
  )
}

function NamesTable(props: { totals: Totals }) {
  const names = () => props.totals.names
  const highest = () => Math.max(1, ...names().map((name) => name.count))
  const sum = (pick: (name: NameCount) => number) =>
    names().reduce((total, name) => total + pick(name), 0)
  const others = () => ({
    name: 'all others',
    count: props.totals.count - sum((name) => name.count),
    previousCount: props.totals.previousCount - sum((name) => name.previousCount),
  })
  return (
    <table class="table bars">
      <thead>
        <tr>
          <th scope="col">Event</th>
          <th scope="col" class="figures">
            Count
          </th>
          <th scope="col" class="figures">
            Share
          </th>
          <th scope="col" class="figures">
            Change
          </th>
        </tr>
      </thead>
      <tbody>
        {/* By name, so that a row and its focus stay when only numbers change. */}
        <For each={names().map((row) => row.name)}>
          {(name, i) => (
            <NameRow
              row={names()[i()] ?? { name, count: 0, previousCount: 0 }}
              highest={highest()}
              total={props.totals.count}
            />
          )}
        </For>
        <Show when={others().count > 0}>
          <tr class="muted">
            <th scope="row">
              <span class="bar-name">{others().name}</span>
            </th>
            <Figures row={others()} total={props.totals.count} />
          </tr>
        </Show>
      </tbody>
    </table>
  )
}

function NameRow(props: { row: NameCount; highest: number; total: number }) {
  const { name: chosen, urlState } = useOverview()
  const isChosen = () => chosen() === props.row.name
  return (
    <tr data-chosen={isChosen()}>
      <th scope="row">
        <span class="bar" style={{ width: `${(props.row.count / props.highest) * 100}%` }} />
        <button
          type="button"
          class="bar-name"
          disabled={!isOneName(props.row.name)}
          aria-pressed={isChosen()}
          title={isChosen() ? 'Show all events' : `Show only ${props.row.name}`}
          onClick={() => urlState.set({ name: isChosen() ? null : props.row.name })}
        >
          {props.row.name}
        </button>
      </th>
      <Figures row={props.row} total={props.total} />
    </tr>
  )
}

function Figures(props: { row: NameCount; total: number }) {
  return (
    <>
      <td class="figures" title={exact(props.row.count)}>
        {compact(props.row.count)}
      </td>
      <td class="figures muted">{share(props.row.count, props.total)}</td>
      <td class="figures">
        <ChangeMark value={props.row.count} before={props.row.previousCount} none="–" />
      </td>
    </>
  )
}
