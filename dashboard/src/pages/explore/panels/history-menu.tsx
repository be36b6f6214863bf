import { useNavigate } from '@solidjs/router'
import { createEffect, createSignal, For, on, Show } from 'solid-js'
import { ClockIcon } from '../../../components/icons.tsx'
import { Popover } from '../../../components/overlays/popover.tsx'
import { useShortcuts } from '../../../lib/app-context.ts'
import { duration } from '../../../lib/format.ts'
import { type Explore, useExplore } from '../context.ts'
import { createQueryHistory } from '../history.ts'
import { AGGREGATES, queryParams } from '../query-state.ts'
import { NONE } from '../series.ts'

/** The queries that this browser showed lately. */
export function HistoryMenu() {
  const explore = useExplore()
  const history = createQueryHistory(explore.tenant())
  const navigate = useNavigate()
  const [isOpen, setOpen] = createSignal(false)
  useShortcuts([{ key: 'h', description: 'Show earlier queries', run: () => setOpen(true) }])
  // Once there is a result: what was refused or is being put together is not worth a place.
  createEffect(
    on(explore.series.dataScope, (scope) => {
      if (scope === undefined || scope !== explore.scope()) return
      const title = titleOf(explore)
      history.add({ search: searchOf(explore), title, at: Date.now() })
    }),
  )
  return (
    <Popover
      label="History"
      class="history"
      title="Earlier queries of this browser (h)"
      isOpen={isOpen()}
      onOpenChange={setOpen}
      button={
        <>
          <ClockIcon />
          <span class="control-text">History</span>
        </>
      }
    >
      <div class="history-list">
        <For
          each={history.queries()}
          fallback={<p class="hint search-none">Queries that were shown are listed here.</p>}
        >
          {(query) => (
            <button
              type="button"
              class="option"
              title={query.title}
              onClick={() => {
                setOpen(false)
                navigate(`/explore${query.search}`)
              }}
            >
              <bdi class="option-label">{query.title}</bdi>
              <span class="hint nowrap">{duration(Math.max(0, explore.now() - query.at))} ago</span>
            </button>
          )}
        </For>
        <Show when={history.queries().length > 0}>
          <p class="history-foot">
            <span class="hint">Kept in this browser only.</span>
            <button type="button" class="button quiet" onClick={history.clear}>
              Clear
            </button>
          </p>
        </Show>
      </div>
    </Popover>
  )
}

/** `Count of order per hour, by plan, country = NP` */
function titleOf({ query, rangeLabel }: Explore): string {
  const { aggregate, name, groupBy, filters } = query()
  const values = (all: readonly (string | null)[]) => all.map((value) => value ?? NONE).join(', ')
  return [
    `${AGGREGATES[aggregate]} of ${name ?? 'all events'}`,
    ...(groupBy.length > 0 ? [`by ${groupBy.join(', ')}`] : []),
    ...filters.map((filter) => `${filter.dimension} = ${values(filter.in)}`),
    rangeLabel(),
  ].join(' · ')
}

/** Without the selected point, so that a look at events is not another query. */
function searchOf({ urlState, query }: Explore): string {
  const params = new URLSearchParams(urlState.sharedSearch())
  for (const [name, value] of Object.entries(queryParams(query())))
    for (const each of value === null ? [] : [value].flat()) params.append(name, each)
  return `?${params}`
}
