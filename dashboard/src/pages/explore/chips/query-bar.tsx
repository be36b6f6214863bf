import { For, Match, Show, Switch } from 'solid-js'
import { Choice } from '../../../components/forms/choice.tsx'
import { CheckIcon } from '../../../components/icons.tsx'
import { useShortcuts } from '../../../lib/app-context.ts'
import { hasBucketsOf, type Resolution } from '../../../lib/time/range.ts'
import { FunnelChips, RetentionChips } from '../behaviour/behaviour-bar.tsx'
import { MODES } from '../behaviour/state.ts'
import { canCompare, useExplore } from '../context.ts'
import { HistoryMenu } from '../panels/history-menu.tsx'
import {
  AGGREGATES,
  type Aggregate,
  type ExploreInterval,
  FILTERS_MAX,
  GROUP_BY_MAX,
  INTERVALS,
} from '../query-state.ts'
import { Chip, OptionList } from './chip.tsx'
import { AddFilter, FilterChip } from './filter-chips.tsx'
import { AddGroup, GroupChip } from './group-chips.tsx'
import { NameChip } from './name-chip.tsx'

/** The query as one line of chips. */
export function QueryBar() {
  const { query, mode, setParams } = useExplore()
  let bar!: HTMLElement
  /** Where the focus goes once the chip that had it is gone. */
  const focus = (selector: string) => () =>
    bar.querySelector<HTMLElement>(`${selector} button`)?.focus()
  return (
    <section class="query-bar" aria-label="Query" ref={bar}>
      <Choice
        label="Kind of query"
        chosen={mode()}
        options={MODES}
        choose={(chosen) => setParams({ show: chosen === 'trend' ? null : chosen })}
      />
      <Switch>
        <Match when={mode() === 'trend'}>
          <NameChip />
          <AggregateChip />
        </Match>
        <Match when={mode() === 'funnel'}>
          <FunnelChips onRemoved={focus('.add-step')} />
        </Match>
        <Match when={mode() === 'retention'}>
          <RetentionChips />
        </Match>
      </Switch>
      {/* By dimension, so that a chip stays while its values change. */}
      <For each={query().filters.map(({ dimension }) => dimension)}>
        {(dimension) => <FilterChip dimension={dimension} onRemoved={focus('.add-filter')} />}
      </For>
      <AddFilter isDisabled={query().filters.length >= FILTERS_MAX} />
      <Show when={mode() === 'trend'}>
        <For each={query().groupBy}>
          {(dimension) => <GroupChip dimension={dimension} onRemoved={focus('.add-group')} />}
        </For>
        <AddGroup isDisabled={query().groupBy.length >= GROUP_BY_MAX} />
        <IntervalChip />
        <CompareChip />
        <span class="query-gap" />
        <HistoryMenu />
      </Show>
    </section>
  )
}

const MEASURED: Record<Aggregate, string> = {
  COUNT: 'events',
  UNIQUES: 'distinct actor',
  SUM: 'of value',
  AVG: 'of value',
  MIN: 'of value',
  MAX: 'of value',
  P50: 'of value',
  P95: 'of value',
  P99: 'of value',
}

function AggregateChip() {
  const { query, setQuery } = useExplore()
  return (
    <Chip
      label="Measure"
      value={AGGREGATES[query().aggregate]}
      title="What is measured"
      shortcut={{ key: 'm', description: 'Change what is measured' }}
    >
      {(close) => (
        <OptionList
          options={(Object.keys(AGGREGATES) as Aggregate[]).map((value) => ({
            value,
            label: AGGREGATES[value],
            note: MEASURED[value],
          }))}
          chosen={query().aggregate}
          choose={(aggregate) => {
            close()
            setQuery({ aggregate })
          }}
        />
      )}
    </Chip>
  )
}

function CompareChip() {
  const { query, isCompared, setCompared } = useExplore()
  const toggle = () => setCompared(!isCompared())
  useShortcuts([{ key: 'v', description: 'Compare with the previous period', run: toggle }])
  return (
    <Show when={canCompare(query())}>
      <button
        type="button"
        class="control compare"
        aria-pressed={isCompared()}
        title="Compare with the previous period (v)"
        onClick={toggle}
      >
        {isCompared() ? <CheckIcon /> : null}
        Compare
      </button>
    </Show>
  )
}

const AUTOMATIC = 'AUTOMATIC'

function IntervalChip() {
  const { query, setQuery, range } = useExplore()
  const shown = () =>
    query().interval === 'TOTAL' ? INTERVALS.TOTAL : INTERVALS[range().resolution]
  const isUnfit = (interval: ExploreInterval) =>
    interval !== 'TOTAL' &&
    interval !== range().resolution &&
    !hasBucketsOf(range(), interval as Resolution)
  const options = () => [
    { value: AUTOMATIC, label: 'Automatic', note: 'suits the range' },
    ...(Object.keys(INTERVALS) as ExploreInterval[]).map((value) => ({
      value,
      label: value === 'TOTAL' ? 'Whole range' : `Every ${INTERVALS[value]}`,
      note: isUnfit(value) ? 'does not fit the range' : undefined,
      isDisabled: isUnfit(value),
    })),
  ]
  return (
    <Chip
      label="Per"
      value={
        <>
          {shown()}
          <Show when={query().interval === undefined}>
            <span class="muted"> (auto)</span>
          </Show>
        </>
      }
      title="The length of a bucket"
      shortcut={{ key: 'i', description: 'Change the interval' }}
    >
      {(close) => (
        <OptionList
          options={options()}
          chosen={query().interval ?? AUTOMATIC}
          choose={(value) => {
            close()
            setQuery({ interval: value === AUTOMATIC ? undefined : (value as ExploreInterval) })
          }}
        />
      )}
    </Chip>
  )
}
