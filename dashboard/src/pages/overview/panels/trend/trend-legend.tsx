import { For, Show } from 'solid-js'
import { StateMarks } from '../../../../charts/state-marks.tsx'
import { useOverview } from '../../context.ts'
import type { TrendData } from './trend-query.ts'

/** The names of the lines, what dashes and marks mean, and the time zone. */
export function TrendLegend(props: { data: TrendData | undefined }) {
  const { urlState } = useOverview()
  return (
    <footer class="legend">
      <Show when={props.data && props.data.lines.length > 1}>
        <LineNames data={props.data as TrendData} />
      </Show>
      <StateMarks
        whole={props.data?.whole}
        times={props.data?.times}
        isChart={urlState.view() === 'chart'}
        hasPrevious={props.data?.previous !== undefined}
      />
    </footer>
  )
}

function LineNames(props: { data: TrendData }) {
  const { urlState } = useOverview()
  return (
    <For each={props.data.lines}>
      {(line) => (
        <button
          type="button"
          class="legend-item"
          disabled={line.name === 'other'}
          title={line.name === 'other' ? 'All other names' : `Show only ${line.name}`}
          onClick={() => urlState.set({ name: line.name })}
        >
          <span class="legend-square" style={{ background: line.colour }} aria-hidden="true" />
          {line.name}
        </button>
      )}
    </For>
  )
}
