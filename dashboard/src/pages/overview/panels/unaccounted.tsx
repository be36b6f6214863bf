import { A } from '@solidjs/router'
import { createMemo, Show } from 'solid-js'
import { CheckIcon, WarnIcon } from '../../../components/icons.tsx'
import { createPolling } from '../../../lib/api/polling.ts'
import { createQuery } from '../../../lib/api/query.ts'
import { exact } from '../../../lib/format.ts'
import { useOverview } from '../context.ts'
import { fetchUnaccounted } from '../queries.ts'

const MINUTE_MS = 60_000
const PERIOD_MS = 60 * MINUTE_MS

/** Whether every event that was accepted in the last hour has its outcome. Nothing is shown until that was compared. */
export function Unaccounted() {
  const { tenant, now, live, urlState } = useOverview()
  const end = createMemo(() => (Math.floor((now() + live.skewMs()) / MINUTE_MS) + 1) * MINUTE_MS)
  const balance = createQuery({
    scope: tenant,
    variables: () => ({
      tenant: tenant(),
      startTime: new Date(end() - PERIOD_MS).toISOString(),
      endTime: new Date(end()).toISOString(),
    }),
    isRetried: ({ kind }) => kind === 'unreachable',
    fetch: fetchUnaccounted,
  })
  createPolling([balance])
  /** A number that is not up to date would be no proof. */
  const compared = () => {
    const data = balance.data()
    return data?.counting && balance.error() === undefined ? data : undefined
  }
  return (
    <Show when={compared()}>
      {(data) => (
        <p class="unaccounted-fact" data-tone={data().unaccounted > 0 ? 'bad' : 'good'}>
          <Show when={data().unaccounted > 0} fallback={<CheckIcon />}>
            <WarnIcon />
          </Show>
          <span>
            <A href={`/pipeline${urlState.sharedSearch()}`}>
              {exact(data().unaccounted)} unaccounted
            </A>{' '}
            of {exact(data().accepted)} {data().accepted === 1 ? 'event' : 'events'} accepted in the
            last hour
          </span>
        </p>
      )}
    </Show>
  )
}
