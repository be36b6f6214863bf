import { For, Match, Show, Switch } from 'solid-js'
import { QueryNotice } from '../../../components/error-notice.tsx'
import { WarnIcon } from '../../../components/icons.tsx'
import type { Query } from '../../../lib/api/query.ts'
import { hasBucketsOf } from '../../../lib/time/range.ts'
import { type Explore, useExplore } from '../context.ts'
import { INTERVALS } from '../query-state.ts'

const EXPENSIVE = new Set(['QUERY_TOO_SLOW', 'QUERY_TOO_LARGE'])

/** Why the series is missing, with changes that make it cheaper. */
export function QueryProblem() {
  const explore = useExplore()
  return <ProblemOf query={explore.series} cheaper={cheaper(explore)} />
}

interface Change {
  label: string
  run(): void
}

/** Why there is no result: the query was refused, with what would help, or the server fails. */
export function ProblemOf(props: { query: Query<unknown>; cheaper?: readonly Change[] }) {
  const { urlState } = useExplore()
  const refusal = () => props.query.error()?.refusal
  const lastDays = () => urlState.setRange({ kind: 'relative', id: '7d' })
  const changes = () => props.cheaper ?? [{ label: 'Last 7 days', run: lastDays }]
  return (
    <Show when={refusal()} fallback={<QueryNotice query={props.query} subject="The result is" />}>
      {(refused) => (
        <div class="notice problem">
          <WarnIcon />
          <p role="status">
            <Switch fallback={<strong>Sluice cannot run this query.</strong>}>
              <Match when={EXPENSIVE.has(refused().code)}>
                <strong>This query is too expensive, so it was not run.</strong>
              </Match>
              <Match when={refused().code === 'BAD_USER_INPUT'}>
                <strong>This query is not valid.</strong>
              </Match>
            </Switch>{' '}
            <bdi>{refused().advice}</bdi>
          </p>
          <span class="problem-actions">
            <Show when={EXPENSIVE.has(refused().code)}>
              <For each={changes()}>
                {({ label, run }) => (
                  <button type="button" class="button" onClick={run}>
                    {label}
                  </button>
                )}
              </For>
            </Show>
            <button type="button" class="button" onClick={() => props.query.retry()}>
              Run again
            </button>
          </span>
        </div>
      )}
    </Show>
  )
}

/** Changes that make the query cheaper, the mildest first. */
function cheaper({ query, setQuery, range, urlState }: Explore): Change[] {
  const { groupBy, interval } = query()
  const longer = (['HOUR', 'DAY', 'WEEK', 'MONTH'] as const).find(
    (each, i, all) => i > all.indexOf(range().resolution as 'HOUR') && hasBucketsOf(range(), each),
  )
  const isLong = range().window.to - range().window.from > 7 * 86_400_000
  return [
    ...(interval !== 'TOTAL' && groupBy.length > 0 && longer
      ? [{ label: `Count per ${INTERVALS[longer]}`, run: () => setQuery({ interval: longer }) }]
      : []),
    ...(groupBy.length > 0
      ? [{ label: 'Stop grouping', run: () => setQuery({ groupBy: [] }) }]
      : []),
    {
      label: isLong ? 'Last 7 days' : 'Last hour',
      run: () => urlState.setRange({ kind: 'relative', id: isLong ? '7d' : '1h' }),
    },
  ]
}
