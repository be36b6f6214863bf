import { For, Show } from 'solid-js'
import { Scroll } from '../../../components/scroll.tsx'
import { exact, exactValue, share } from '../../../lib/format.ts'
import { useExplore } from '../context.ts'
import { AGGREGATES, isAdditive } from '../query-state.ts'
import type { Group, Series } from '../series.ts'
import { createKeepGroup } from './legend.tsx'

/** Each group with its value over the whole range. */
export function Groups(props: { series: Series }) {
  const { aggregate, groupBy } = props.series.query
  const hasShare = () => isAdditive(aggregate) && (props.series.total ?? 0) > 0
  const highest = () => Math.max(...props.series.groups.map(({ total }) => total), 0)
  const drawn = () => props.series.lines.filter(({ group }) => group !== undefined).length
  return (
    <section class="groups" aria-label="Groups">
      <Scroll class="groups-scroll" label="Groups as a table">
        <table class="table bars groups-table" data-share={hasShare()}>
          <thead>
            <tr>
              <th scope="col">
                <bdi>{groupBy.join(' · ')}</bdi>
              </th>
              <th scope="col" class="figures">
                {AGGREGATES[aggregate]}
              </th>
              <Show when={hasShare()}>
                <th scope="col" class="figures">
                  Share
                </th>
              </Show>
            </tr>
          </thead>
          <tbody>
            <For each={props.series.groups}>
              {(group) => (
                <GroupRow
                  series={props.series}
                  group={group}
                  highest={highest()}
                  hasShare={hasShare()}
                />
              )}
            </For>
          </tbody>
        </table>
      </Scroll>
      <Show when={props.series.groups.length > drawn() && props.series.query.interval !== 'TOTAL'}>
        <p class="hint groups-note">
          {exact(drawn())} of {exact(props.series.info.groups?.found ?? props.series.groups.length)}{' '}
          groups are drawn, the largest of the range.
        </p>
      </Show>
    </section>
  )
}

function GroupRow(props: { series: Series; group: Group; highest: number; hasShare: boolean }) {
  const { point, setPoint } = useExplore()
  const keep = createKeepGroup()
  const isTotal = () => props.series.query.interval === 'TOTAL'
  const isSelected = () => JSON.stringify(point()?.group) === JSON.stringify(props.group.values)
  const width = () =>
    props.highest > 0 ? `${Math.max(0, (props.group.total / props.highest) * 100)}%` : '0'
  const square = () => (
    <Show when={props.group.colour && !isTotal()}>
      <span class="legend-square" style={{ background: props.group.colour }} aria-hidden="true" />
    </Show>
  )
  return (
    <tr data-chosen={isSelected()}>
      <th scope="row">
        <span class="bar" style={{ width: width() }} />
        <Show
          when={!props.group.isOther}
          fallback={<span class="bar-name muted">{props.group.label}</span>}
        >
          <button
            type="button"
            class="bar-name"
            title={`Show only ${props.group.label}`}
            onClick={() => keep(props.group.values)}
          >
            {square()}
            <bdi>{props.group.label}</bdi>
          </button>
        </Show>
      </th>
      <td class="figures">
        <Show when={isTotal() && !props.group.isOther} fallback={exactValue(props.group.total)}>
          <button
            type="button"
            class="point-button"
            aria-pressed={isSelected()}
            title={`List the events of ${props.group.label}`}
            onClick={() =>
              setPoint(
                isSelected()
                  ? undefined
                  : { time: props.series.range.window.from, group: props.group.values },
              )
            }
          >
            {exactValue(props.group.total)}
          </button>
        </Show>
      </td>
      <Show when={props.hasShare}>
        <td class="figures muted">{share(props.group.total, props.series.total ?? 0)}</td>
      </Show>
    </tr>
  )
}
