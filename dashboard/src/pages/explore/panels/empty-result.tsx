import { A } from '@solidjs/router'
import { Show } from 'solid-js'
import { useExplore } from '../context.ts'

/** Nothing matches: which part of the query may be why. */
export function EmptyResult() {
  const { query, setQuery, urlState, viewer, tenant } = useExplore()
  const hasEvents = () => viewer().tenants.find(({ id }) => id === tenant())?.hasEvents !== false
  return (
    <div class="empty result-empty">
      <Show
        when={hasEvents()}
        fallback={
          <p>
            No events yet. <A href={`/${urlState.sharedSearch()}`}>Overview</A> shows how to send
            the first one.
          </p>
        }
      >
        <p>
          No events{' '}
          <Show when={query().name}>
            {(name) => (
              <>
                named <bdi>{name()}</bdi>{' '}
              </>
            )}
          </Show>
          {query().filters.length > 0 ? 'match the filters in this range.' : 'in this range.'}
        </p>
        <p class="state-choices">
          <Show when={query().filters.length > 0}>
            <button type="button" class="button" onClick={() => setQuery({ filters: [] })}>
              Remove the filters
            </button>
          </Show>
          <Show when={query().name}>
            <button type="button" class="button" onClick={() => setQuery({ name: undefined })}>
              Count all events
            </button>
          </Show>
          <button
            type="button"
            class="button"
            onClick={() => urlState.setRange({ kind: 'relative', id: '30d' })}
          >
            Last 30 days
          </button>
        </p>
      </Show>
    </div>
  )
}
