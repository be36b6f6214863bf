import { For, Show } from 'solid-js'
import { StateMarks } from '../../../charts/state-marks.tsx'
import { withFilter } from '../chips/filter-chips.tsx'
import { useExplore } from '../context.ts'
import type { ExploreLine, Series } from '../series.ts'

/** The names of the lines; a click keeps one of them. */
export function Legend(props: { series: Series }) {
  const { previous } = useExplore()
  return (
    <footer class="legend">
      <Show when={props.series.query.groupBy.length > 0}>
        <For each={props.series.lines}>{(line) => <LineName line={line} />}</For>
      </Show>
      <StateMarks
        whole={props.series.whole}
        times={props.series.times}
        isChart
        hasPrevious={previous() !== undefined}
      />
    </footer>
  )
}

function LineName(props: { line: ExploreLine }) {
  const keep = createKeepGroup()
  const square = () => (
    <>
      <span class="legend-square" style={{ background: props.line.colour }} aria-hidden="true" />
      <bdi class="legend-name">{props.line.name}</bdi>
    </>
  )
  return (
    <Show
      when={props.line.group}
      fallback={
        <span class="legend-item" title="All groups that are not drawn, together">
          {square()}
        </span>
      }
    >
      {(group) => (
        <button
          type="button"
          class="legend-item"
          title={`Show only ${props.line.name}`}
          onClick={() => keep(group())}
        >
          {square()}
        </button>
      )}
    </Show>
  )
}

/** Filters by the values of a group. */
export function createKeepGroup() {
  const { query, setQuery } = useExplore()
  return (group: readonly (string | null)[]) =>
    setQuery({
      filters: query().groupBy.reduce(
        (filters, dimension, i) => withFilter(filters, { dimension, in: [group[i] ?? null] }),
        [...query().filters],
      ),
    })
}
